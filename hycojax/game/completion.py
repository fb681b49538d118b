"""Where windows of the training recordings begin, and what they are compared with."""

from __future__ import annotations

import jax.numpy as jnp
from jaxtyping import Array, Float

from hycojax.data.observations import Observations
from hycojax.data.windows import Source
from hycojax.game.schedule import Turn
from hycojax.game.state import Game, PlayerState


def complete(
    game: Game, data: Observations, players: dict[str, PlayerState], name: str, turn: Turn
) -> Source:
    """Return the training recordings, with a complete state at each frame where windows may begin.

    A complete state that is known without noise is taken as it is. Any other is a state of one
    model's trajectory from the first states: a mixture of measurements and predictions is a state
    of no system, and misleads the search. The trajectory is the player's own, or the partner's if
    they meet and that one is better in validation.
    """
    known = data.training
    if data.whole:
        return Source(known.states, known.parts)
    starts = _estimate(game, players, name, turn)
    if known.states is not None:
        exact = known.exact.reshape(*known.exact.shape, *(1,) * (starts.ndim - 2))
        starts = jnp.where(exact, known.states, starts)
    return Source(starts, known.parts)


def _estimate(
    game: Game, players: dict[str, PlayerState], name: str, turn: Turn
) -> Float[Array, "simulation time *shape channels"]:
    """Return the recordings as they are predicted by who is better."""
    own, partner = players[name], game.partner(name)
    if partner is None:
        return own.recorded
    ours, theirs = (jnp.nan_to_num(players[n].error, nan=jnp.inf) for n in (name, partner))
    trusted = (turn.interaction > 0) & (theirs < ours)
    return jnp.where(trusted, players[partner].recorded, own.recorded)
