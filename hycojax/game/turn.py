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
from hycojax.solvers import Objective, Reason

#: Shifts of a coefficient by which a stop is put to the test, in the unconstrained form.
_SHIFTS = (-0.3, -0.03, 0.03, 0.3)
#: Shifts by which a first turn looks for a better start, and how often it does.
_FAR, _ROUNDS = (-2.0, -1.0, -0.4, 0.4, 1.0, 2.0), 4
#: A loss that is lower by this part shows that a search has not come to its end.
_LOWER = 1e-3


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

    That begins with a look around: a start that is ten times too low is left at once.
    """
    loss = loss_of(turn)
    if not player.fits_trajectories:
        return player.solver.run(loss, own.params, own.solver, key, turn.cycles)

    @jax.jit  # for the sake of its trace, of which the shapes are asked first
    def once(carry, left):
        reach = turn.reach / 2.0**left
        found = loss_of(replace(turn, reach=reach))
        return player.solver.run(found, carry[0], carry[1], key, turn.cycles)

    shapes = jax.eval_shape(once, (own.params, own.solver), turn.doublings)[2]
    terms = jax.tree.map(lambda t: jnp.zeros(t.shape, t.dtype), shapes)
    early = loss_of(replace(turn, reach=turn.reach / 2.0**turn.doublings))
    start = jax.lax.fori_loop(
        0,
        jnp.where(turn.begins, _ROUNDS, 0),
        lambda _, params: _best_of(player, early, params, early(params, key)[0], _FAR, key)[0],
        own.params,
    )
    first = (start, own.solver, terms)
    params, solver, terms = jax.lax.fori_loop(
        0, turn.doublings + 1, lambda i, carry: once(carry, turn.doublings - i), first
    )
    return _tested(player, loss, params, solver, terms, key)


def _tested(
    player: Player, loss: Objective, params: Any, solver: Any, terms: dict, key: Key[Array, ""]
) -> tuple[Any, Any, dict[str, Any]]:
    """Return the end of a search, with the reason that stands a test.

    A search is at its end only if no single coefficient, shifted a little or put back to its start,
    lowers the loss; otherwise it goes on from there. A coefficient at a bound has a reason of its
    own.
    """
    model = player.model
    converged = terms["reason"] == Reason.CONVERGED

    def test() -> tuple[Any, Array]:
        return _best_of(player, loss, params, terms["loss"], _SHIFTS, key)

    moved, lower = jax.lax.cond(converged, test, lambda: (params, jnp.asarray(False)))
    reason = jnp.where(lower, Reason.NO_MINIMUM, terms["reason"])
    reason = jnp.where(~lower & converged & model.at_bound(params), Reason.AT_BOUND, reason)
    return moved, solver, {**terms, "reason": reason.astype(terms["reason"].dtype)}


def _best_of(
    player: Player,
    loss: Objective,
    params: Any,
    value: Array,
    shifts: tuple[float, ...],
    key: Key[Array, ""],
) -> tuple[Any, Array]:
    """Return parameters, or those of their neighbours whose loss is lowest and clearly lower."""
    others = player.model.neighbours(params, shifts)
    losses = jax.lax.map(lambda p: loss(p, key)[0], others)
    losses = jnp.where(jnp.isfinite(losses), losses, jnp.inf)
    best = jnp.argmin(losses)
    lower = (losses[best] < (1 - _LOWER) * value - 1e-12) | ~jnp.isfinite(value)
    lower &= jnp.isfinite(losses[best])
    taken = jax.tree.map(lambda new, old: jnp.where(lower, new[best], old), others, params)
    return taken, lower
