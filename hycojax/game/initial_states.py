"""Initial states that a player estimates together with its parameters.

A player with `initial_states` corrects the noisy first frames of the training recordings. The
corrections are an entry of its parameters, so that one solver searches both.
"""

from __future__ import annotations

from typing import Any

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float

from hycojax.data.recordings import Recordings
from hycojax.data.statistics import Recording
from hycojax.game.player import Player
from hycojax.grid.domain import Grid
from hycojax.solvers import INITIAL_STATES

#: Corrections of first frames are of this size, relative to the scale.
_CORRECTION = 0.1


def with_corrections(player: Player, params: Any, training: Recording) -> Any:
    """Return parameters with corrections of 0, if the player estimates first frames."""
    if not player.corrects_first_frames:
        return params
    return {**params, INITIAL_STATES: jnp.zeros_like(training.values[:, 0])}


def corrected(
    params: Any,
    frames: Float[Array, "simulation *shape channels"],
    seen: Bool[Array, "simulation *shape channels"],
    scale: Float[Array, " channels"],
) -> Float[Array, "simulation *shape channels"]:
    """Return first frames with the corrections that a player estimates, where they are measured.

    The corrections of n values are in units of `_CORRECTION` scale sqrt(n). All of them together
    then curve the loss less than a coefficient that matters: the search moves coefficients first.
    """
    if not (isinstance(params, dict) and INITIAL_STATES in params):
        return frames
    unit = _CORRECTION * np.sqrt(frames.size) * scale
    return frames + jnp.where(seen, params[INITIAL_STATES] * unit, 0)


def known_frames(
    domain: Grid, data: Recordings, params: Any
) -> Float[Array, "simulation *shape channels"]:
    """Return the first frames of the training recordings, corrected if a player estimates them."""
    values, seen = data.training.values[:, 0], data.training.seen[:, 0]
    return corrected(params, values, seen & domain.evolves(), data.scale)
