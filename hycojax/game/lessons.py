"""What a player learns from its partner: trajectories that the partner predicts."""

from __future__ import annotations

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Key

from hycojax.data.observations import Dense, Observations
from hycojax.data.windows import Source
from hycojax.game.fresh_states import fresh_states
from hycojax.game.schedule import Turn
from hycojax.game.state import Game, PlayerState
from hycojax.kernels import random_arrays
from hycojax.models.model import Starts, beginnings


def lessons(
    game: Game,
    data: Observations,
    players: dict[str, PlayerState],
    name: str,
    turn: Turn,
    first: Float[Array, "simulation *shape channels"],
    key: Key[Array, ""],
) -> Source | None:
    """Return the partner's trajectories as something to learn from; None without a partner.

    They count at all cells and times, or at the ghost points. Zeros if the players don't meet.
    `first` are the first states of the training systems.
    """
    partner = game.partner(name)
    if partner is None:
        return None
    recorded, steps = data.training.simulations, data.training.steps
    steps = game.players[name].lesson_steps or steps
    count = _fresh(game, recorded) + game.interaction.recorded * recorded

    def predict() -> Array:
        starts = _meeting_places(game, data, players, first, jax.random.fold_in(key, 0))
        return game.players[partner].model.predict(players[partner].params, starts, steps)

    shape = (count, steps + 1, *first.shape[1:])
    shown = jax.lax.cond(turn.meets, predict, lambda: jnp.zeros(shape, first.dtype))
    # Behind a barrier: XLA would count the values of a constant as it compiles, for seconds.
    evolves = jax.lax.optimization_barrier(jnp.asarray(game.physics.domain.evolves()))
    counted = jnp.broadcast_to(evolves, shown.shape)
    if game.interaction.points is not None:
        counted &= _ghosts(game.interaction.points, shown.shape, jax.random.fold_in(key, 3))
    return Source(shown, (Dense(shown, counted),))


def _fresh(game: Game, recorded: int) -> int:
    """Return how many initial states are drawn for the players to compare from."""
    return max(1, round(game.interaction.alpha * recorded)) if game.interaction.alpha else 0


def _ghosts(
    share: Array, shape: tuple[int, ...], key: Key[Array, ""]
) -> Bool[Array, "trajectory time *shape one"]:
    """Return which cells and times count."""
    return random_arrays.bernoulli(key, share, (*shape[:-1], 1))


def _meeting_places(
    game: Game,
    data: Observations,
    players: dict[str, PlayerState],
    first: Float[Array, "simulation *shape channels"],
    key: Key[Array, ""],
) -> Starts:
    """Return the states from which the players compare: first states, then fresh ones."""
    places = [first] if game.interaction.recorded else []
    if count := _fresh(game, data.training.simulations):
        places.append(fresh_states(game, data, players, first, count, key))
    return beginnings(jnp.concatenate(places))
