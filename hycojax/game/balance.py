"""How much the partner weighs in a player's turn."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

import jax
import jax.numpy as jnp

from hycojax.data.observations import Observations
from hycojax.data.windows import Source
from hycojax.game.objective import visible_loss
from hycojax.game.player import Balance
from hycojax.game.schedule import Turn
from hycojax.game.state import Game, PlayerState


def balanced(
    game: Game,
    data: Observations,
    players: dict[str, PlayerState],
    name: str,
    turn: Turn,
    observed: Source,
) -> Turn:
    """Return a turn with the weight of the interaction as it is balanced in this cycle."""
    balance, partner = game.players[name].weights.balance, game.partner(name)
    if partner is None or balance is Balance.FIXED:
        return turn
    own, theirs = players[name].error, players[partner].error
    square = own**2
    if balance is Balance.MISFIT:
        params = players[name].params
        player = game.players[name]
        misfit = partial(visible_loss, player, data, observed, params, game.physics)
        square = jax.lax.cond(turn.interaction > 0, misfit, lambda: jnp.zeros(()))
    # A partner that has diverged counts for nothing, one that is not validated yet in full.
    trust = jnp.where(jnp.isfinite(theirs), square / theirs**2, ~jnp.isfinite(own))
    weighs = (trust < 1) & (turn.data > 0)  # against the recordings, if they count
    return replace(turn, interaction=turn.interaction * jnp.where(weighs, trust, 1))
