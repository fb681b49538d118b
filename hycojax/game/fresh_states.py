"""Fresh initial states, from which the players compare where nothing was recorded."""

from __future__ import annotations

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Key

from hycojax.data.observations import Observations
from hycojax.game.schedule import Fresh
from hycojax.game.state import Game, PlayerState
from hycojax.grid.domain import Boundary


def fresh_states(
    game: Game,
    data: Observations,
    players: dict[str, PlayerState],
    first: Float[Array, "simulation *shape channels"],
    count: int,
    key: Key[Array, ""],
) -> Float[Array, "state *shape channels"]:
    """Return fresh initial states, sampled or mixed."""
    if game.interaction.fresh is Fresh.SAMPLED:
        return jax.vmap(game.physics.sample)(jax.random.split(key, count))
    known = _recorded(game, data, players, first)
    periodic = game.physics.domain.boundary is Boundary.PERIODIC
    keys = jax.random.split(key, count)
    return jax.vmap(lambda k: _mixture(known, periodic, k))(keys)


def _recorded(
    game: Game,
    data: Observations,
    players: dict[str, PlayerState],
    first: Float[Array, "simulation *shape channels"],
) -> Float[Array, "state *shape channels"]:
    """Return states to mix: first states; of one system later ones too."""
    if len(first) > 1:
        return first
    own = players["physical" if "physical" in players else "synthetic"]
    path = data.training.states if own.recorded is None else own.recorded
    later = path[0, :: max(1, data.training.steps // 4)]
    return jnp.concatenate([first, later[1:]])


def _mixture(
    known: Float[Array, "state *shape channels"], periodic: bool, key: Key[Array, ""]
) -> Float[Array, "*shape channels"]:
    """Return a convex mixture of two whole states, each shifted at will in a periodic box.

    All channels of a state stay together: what is linear in it, as divergence, walls and bounds,
    is kept.
    """
    which, how, where = (jax.random.fold_in(key, i) for i in range(3))
    pair = known[jax.random.choice(which, len(known), (2,), replace=len(known) < 2)]
    if periodic:
        keys = jax.random.split(where, 2)
        pair = jnp.stack([_shifted(state, k) for state, k in zip(pair, keys, strict=True)])
    share = jax.random.uniform(how)
    return share * pair[0] + (1 - share) * pair[1]


def _shifted(state: Array, key: Key[Array, ""]) -> Array:
    """Return a periodic state moved by whole cells."""
    for axis, n in enumerate(state.shape[:-1]):
        state = jnp.roll(state, jax.random.randint(jax.random.fold_in(key, axis), (), 0, n), axis)
    return state
