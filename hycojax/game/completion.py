"""What the training recordings do not see, as the players predict it from the first frames."""

from __future__ import annotations

import jax.numpy as jnp
from jaxtyping import Array, Float

from hycojax.data.recordings import Recordings
from hycojax.data.windows import Source
from hycojax.game.schedule import Turn
from hycojax.game.state import Game, PlayerState


def complete(
    game: Game, data: Recordings, players: dict[str, PlayerState], name: str, turn: Turn
) -> Source:
    """Return the training recordings, with an estimate where they do not see.

    Only starts of windows are completed, and only from predictions from the first frames, which are
    known in full; targets count where they are seen. The estimate is the player's own, or the
    partner's if they meet and that one is better in validation.
    """
    recording, starts = data.training, data.training.values
    if not data.whole:
        starts = jnp.where(recording.seen, starts, _estimate(game, players, name, turn))
    seen = recording.seen & game.physics.domain.evolves()
    return Source(starts=starts, targets=recording.values, seen=seen)


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
