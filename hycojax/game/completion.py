"""Where windows of the training recordings begin, and what they are compared with."""

from __future__ import annotations

import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from hycojax.data.observations import Observations
from hycojax.data.windows import Source
from hycojax.game.schedule import Turn
from hycojax.game.state import Game, PlayerState
from hycojax.inference.losses import squares

#: So far from what is measured, over the scale, a trajectory may be to begin windows on it.
_FAR = 0.1


def complete(
    game: Game, data: Observations, players: dict[str, PlayerState], name: str, turn: Turn
) -> Source:
    """Return the training recordings, with a complete state at each frame where windows may begin.

    A complete state that is known without noise is taken as it is. Any other is a state of one
    model's trajectory from the first states: a mixture of measurements and predictions is a state
    of no system, and misleads the search. The trajectory is the player's own, or the partner's if
    they meet and that one is better in validation. Windows begin on it only as far as it follows
    the recordings: from states that are far off, a model would learn to be wrong.
    """
    known = data.training
    if data.whole:
        return Source(known.states, known.parts)
    trusted = _trusts(game, players, name, turn)
    starts = _estimate(game, players, name, trusted)
    if known.states is not None:
        exact = known.exact.reshape(*known.exact.shape, *(1,) * (starts.ndim - 2))
        starts = jnp.where(exact, known.states, starts)
    return Source(starts, known.parts, share=_followed(data, starts))


def _followed(
    data: Observations, starts: Float[Array, "simulation time *shape channels"]
) -> Float[Array, ""]:
    """Return the share of the time, from the first states on, in which a trajectory is right.

    That is, up to the first frame that is further from what is measured than noise, and a tenth of
    the scale, explain.
    """
    found = [squares(part, starts, data.scale, data.noise) for part in data.training.parts]
    axes = [(0, *range(2, square.ndim)) for square in found]
    total = sum(jnp.sum(square, a) for square, a in zip(found, axes, strict=True))
    parts = zip(data.training.parts, axes, strict=True)
    count = sum(jnp.sum(part.seen, a) for part, a in parts)
    limit = _FAR**2 + (2 * data.noise) ** 2
    right = jnp.cumprod(total <= limit * jnp.maximum(count, 1))
    return jnp.sum(right) / right.size


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
