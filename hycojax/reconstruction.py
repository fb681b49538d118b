"""What the training recordings do not see, as the players predict it from the first frames."""

from __future__ import annotations

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from hycojax.data.windows import Source
from hycojax.domain import Domain
from hycojax.game import Game, PlayerState, Recordings
from hycojax.model import beginnings
from hycojax.objective import first_frames
from hycojax.player import Turn


def complete(
    game: Game, data: Recordings, players: dict[str, PlayerState], name: str, turn: Turn
) -> Source:
    """Return the training recordings, with an estimate where they do not see.

    Only starts of windows are completed, and only from predictions from the first frames, which are
    known in full; targets count where they are seen. The estimate is the player's own, or the
    partner's if they meet and that one is better in validation.
    """
    recording = data.training
    partner = game.partner(name)

    def estimate() -> Array:
        own = partial(reconstruct, game, data, players, name)
        if partner is None:
            return own()
        ours, others = (jnp.nan_to_num(players[n].error, nan=jnp.inf) for n in (name, partner))
        theirs = partial(reconstruct, game, data, players, partner)
        return jax.lax.cond((turn.interaction > 0) & (others < ours), theirs, own)

    everything = jax.lax.cond(data.whole, lambda: recording.values, estimate)
    return Source(
        starts=jnp.where(recording.seen, recording.values, everything),
        targets=recording.values,
        seen=recording.seen & game.physics.domain.evolves(),
    )


def reconstruct(
    game: Game, data: Recordings, players: dict[str, PlayerState], name: str
) -> Float[Array, "simulation time *shape channels"]:
    """Return the recorded trajectories as a player predicts them from the first frames."""
    steps = data.training.values.shape[1] - 1
    first = known_frames(game.physics.domain, data, players[name].params)
    return game.players[name].model.predict(players[name].params, beginnings(first), steps)


def known_frames(
    domain: Domain, data: Recordings, params: Any
) -> Float[Array, "simulation *shape channels"]:
    """Return the first frames of the training recordings, corrected if a player estimates them."""
    values, seen = data.training.values[:, 0], data.training.seen[:, 0]
    return first_frames(params, values, seen & domain.evolves(), data.scale)
