"""Where windows of the training recordings begin, and what they are compared with."""

from __future__ import annotations

import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

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
    they meet and that one is better in validation. Of the player's own, windows begin near the
    first states at first: an untrained model's later states are worth nothing.
    """
    known = data.training
    if data.whole:
        return Source(known.states, known.parts)
    trusted = _trusts(game, players, name, turn)
    starts = _estimate(game, players, name, trusted)
    if known.states is not None:
        exact = known.exact.reshape(*known.exact.shape, *(1,) * (starts.ndim - 2))
        starts = jnp.where(exact, known.states, starts)
    return Source(starts, known.parts, share=jnp.where(trusted, 1.0, turn.share))


def _trusts(game: Game, players: dict[str, PlayerState], name: str, turn: Turn) -> Bool[Array, ""]:
    """Return whether the partner's trajectory is taken."""
    partner = game.partner(name)
    if partner is None:
        return jnp.asarray(False)
    ours, theirs = (jnp.nan_to_num(players[n].error, nan=jnp.inf) for n in (name, partner))
    return (turn.interaction > 0) & (theirs < ours)


def _estimate(
    game: Game, players: dict[str, PlayerState], name: str, trusted: Bool[Array, ""]
) -> Float[Array, "simulation time *shape channels"]:
    """Return the recordings as they are predicted by who is trusted."""
    own, partner = players[name].recorded, game.partner(name)
    return own if partner is None else jnp.where(trusted, players[partner].recorded, own)
