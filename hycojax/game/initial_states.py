"""First states that the physical player estimates together with its parameters.

One solver searches both; the network reads the states, and never has parameters for them.
"""

from __future__ import annotations

from typing import Any

import jax.numpy as jnp

from hycojax.data.observations import First
from hycojax.game.player import Player
from hycojax.solvers import INITIAL_STATES


def estimates(player: Player, first: First) -> bool:
    """Return whether a player searches first states."""
    return player.fits_trajectories and first.kind != "known"


def with_states(player: Player, params: Any, first: First) -> Any:
    """Return parameters with the numbers of first states, if the player searches these."""
    if not estimates(player, first):
        return params
    start = jnp.zeros_like(first.mean) if first.start is None else first.start
    return {**params, INITIAL_STATES: start}
