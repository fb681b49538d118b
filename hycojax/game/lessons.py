"""What a player learns from its partner: trajectories that the partner predicts."""

from __future__ import annotations

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Key

from hycojax.data.mixtures import mixtures
from hycojax.data.observations import Dense, Observations
from hycojax.data.windows import Source
from hycojax.game.schedule import Fresh, Turn
from hycojax.game.state import Game, PlayerState
from hycojax.grid.domain import Boundary
from hycojax.kernels import random_arrays
from hycojax.models.model import beginnings


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
    """
    partner = game.partner(name)
    if partner is None:
        return None
    recorded, steps = data.training.simulations, data.training.steps
    steps = game.players[name].lesson_steps or steps
    count = _fresh(game, recorded) + bool(game.interaction.recorded) * recorded

    def predict() -> Array:
        places = [first] if game.interaction.recorded else []
        if fresh := _fresh(game, recorded):
            drawn = jax.random.fold_in(key, 0)
            places.append(fresh_states(game, data, players, first, fresh, drawn))
        starts = beginnings(jnp.concatenate(places))
        return game.players[partner].model.predict(players[partner].params, starts, steps)

    shape = (count, steps + 1, *first.shape[1:])
    shown = jax.lax.cond(turn.meets, predict, lambda: jnp.zeros(shape, first.dtype))
    # Behind a barrier: XLA would count the values of a constant as it compiles, for seconds.
    evolves = jax.lax.optimization_barrier(jnp.asarray(game.physics.domain.evolves()))
    counted = jnp.broadcast_to(evolves, shown.shape)
    if game.interaction.points is not None:
        drawn = jax.random.fold_in(key, 3)
        counted &= random_arrays.bernoulli(drawn, game.interaction.points, (*shown.shape[:-1], 1))
    return Source(shown, (Dense(shown, counted),))


def _fresh(game: Game, recorded: int) -> int:
    """Return how many initial states are drawn for the players to compare from."""
    return max(1, round(game.interaction.alpha * recorded)) if game.interaction.alpha else 0


def fresh_states(
    game: Game,
    data: Observations,
    players: dict[str, PlayerState],
    first: Float[Array, "simulation *shape channels"],
    count: int,
    key: Key[Array, ""],
) -> Float[Array, "state *shape channels"]:
    """Return fresh initial states: sampled by the PDE, or mixtures of recorded ones."""
    if game.interaction.fresh is Fresh.SAMPLED:
        return jax.vmap(game.physics.sample)(jax.random.split(key, count))
    known = first
    if len(first) == 1:  # later states of the only system serve too
        own = players["physical" if "physical" in players else "synthetic"]
        path = data.training.states if own.recorded is None else own.recorded
        known = jnp.concatenate([first, path[0, :: max(1, data.training.steps // 4)][1:]])
    return mixtures(known, count, game.physics.domain.boundary is Boundary.PERIODIC, key)
