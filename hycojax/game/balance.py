"""How much the recordings and the partner weigh in a player's turn."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

import jax
import jax.numpy as jnp

from hycojax.data.windows import Source
from hycojax.game.objective import visible_loss
from hycojax.game.player import Balance, Player, Turn
from hycojax.game.state import Game, PlayerState, Recordings


def balanced(
    game: Game,
    data: Recordings,
    players: dict[str, PlayerState],
    name: str,
    turn: Turn,
    observed: Source,
    generated: Source | None,
) -> Turn:
    """Return a turn with the weights as they are balanced in this cycle."""
    balance = game.players[name].weights.balance
    if generated is None or balance is Balance.FIXED:
        return turn
    if balance is Balance.COUNTS:
        return _by_counts(game.players[name], turn, observed, generated)
    own, theirs = players[name].error, players[game.partner(name)].error
    square = own**2
    if balance is Balance.MISFIT:
        params = players[name].params
        misfit = partial(visible_loss, game.players[name], observed, params, data.scale)
        square = jax.lax.cond(turn.interaction > 0, misfit, lambda: jnp.zeros(()))
    # A partner that has diverged counts for nothing, one that is not validated yet in full.
    trust = jnp.where(jnp.isfinite(theirs), square / theirs**2, ~jnp.isfinite(own))
    weighs = (trust < 1) & (turn.data > 0)  # against the recordings, if they count
    return replace(turn, interaction=turn.interaction * jnp.where(weighs, trust, 1))


def _by_counts(player: Player, turn: Turn, observed: Source, generated: Source) -> Turn:
    first = 0 if player.initial_states else 1  # the first frames are given
    recorded, made = jnp.sum(observed.seen[:, first:]), jnp.sum(generated.seen[:, 1:])
    share, meets = recorded / jnp.maximum(recorded + made, 1), turn.interaction > 0
    return replace(
        turn,
        data=jnp.where(meets, share, 1) * turn.data,
        interaction=(1 - share) * turn.interaction,
    )
