"""A player's training in a cycle: none if it is frozen, undone if it made things worse."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Key

from hycojax.game.player import Player
from hycojax.game.schedule import Turn
from hycojax.game.state import PlayerState
from hycojax.inference import search
from hycojax.solvers import Objective, Reason


def train(
    player: Player,
    own: PlayerState,
    loss_of: Callable[[Turn], Objective],
    visible: Callable[[Any], Array],
    turn: Turn,
    key: Key[Array, ""],
) -> tuple[Any, Any, dict[str, Any]]:
    """Return parameters, optimiser state and terms after a cycle's share of training.

    A player that has no turn stays as it is. If a turn raises the `visible` loss of the parameters
    by more than `player.revert`, parameters and optimiser state are restored. `loss_of` returns the
    loss of a turn.
    """

    @jax.jit  # for the sake of its trace, of which the shapes are asked first
    def learn():
        params, solver, terms = _solve(player, own, loss_of, turn, key)
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


def _solve(
    player: Player,
    own: PlayerState,
    loss_of: Callable[[Turn], Objective],
    turn: Turn,
    key: Key[Array, ""],
) -> tuple[Any, Any, dict[str, Any]]:
    """Return what the solver finds, over a time that doubles up to the whole in a first turn.

    Until then first states are held near their prior, as by a noise of `turn.least`: those of exact
    data explain a short time by themselves, and the coefficients would be lost.
    """
    if not player.fits_trajectories:
        return player.solver.run(loss_of(turn), own.params, own.solver, key, turn.cycles)
    anneals = jnp.where(turn.least > 0, 1, 0)

    def stage(number: Array | int) -> Objective:
        left = jnp.maximum(turn.doublings - number, 0)
        least = jnp.where(number < turn.doublings + anneals, turn.least, 0.0)
        return loss_of(replace(turn, reach=turn.reach / 2.0**left, least=least))

    early, model, stages = stage(0), player.model, turn.doublings + 1 + anneals
    start = search.better_start(model, lambda p: early(p, key)[0], own.params, turn.begins)
    begin, fixed = (start, own.solver), (key, turn.cycles)
    params, solver, terms = search.continued(player.solver, stage, stages, begin, fixed)
    whole = stage(stages - 1)
    params, reason = search.tested(model, lambda p: whole(p, key)[0], params, terms["reason"])
    return params, solver, {**terms, "reason": reason}
