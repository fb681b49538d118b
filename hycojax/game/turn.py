"""A player's training in a cycle: none if it is frozen, undone if it made things worse."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Key

from hycojax.game.player import Player
from hycojax.game.schedule import Turn
from hycojax.game.state import PlayerState
from hycojax.solvers import Objective, Reason


def train(
    player: Player,
    own: PlayerState,
    loss: Objective,
    visible: Callable[[Any], Array],
    turn: Turn,
    key: Key[Array, ""],
) -> tuple[Any, Any, dict[str, Any]]:
    """Return parameters, optimiser state and terms after a cycle's share of training.

    A player that has no turn stays as it is. If a turn raises the `visible` loss of the parameters
    by more than `player.revert`, parameters and optimiser state are restored.
    """

    @jax.jit  # for the sake of its trace, of which the shapes are asked first
    def learn():
        params, solver, terms = player.solver.run(loss, own.params, own.solver, key, turn.cycles)
        if player.revert is None:
            return params, solver, terms
        before = visible(own.params)
        kept = (visible(params) <= (1 + player.revert) * before) | ~jnp.isfinite(before)
        new, old = (params, solver), (own.params, own.solver)
        params, solver = jax.tree.map(lambda n, o: jnp.where(kept, n, o), new, old)
        return params, solver, {**terms, "reverted": ~kept}

    def rest():
        nothing = jax.tree.map(lambda t: jnp.zeros(t.shape, t.dtype), jax.eval_shape(learn)[2])
        reason = jnp.asarray(Reason.FROZEN, nothing["reason"].dtype)
        return own.params, own.solver, {**nothing, "reason": reason}

    return jax.lax.cond(turn.active, learn, rest)
