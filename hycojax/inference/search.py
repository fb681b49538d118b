"""Whether a search has come to its end, and where a better one begins: coefficients are moved."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int, Key

from hycojax.models.pde import Unconstrained
from hycojax.solvers import Objective, Reason, Solver
from hycojax.solvers.solver import Cycles

Loss = Callable[[Any], Float[Array, ""]]

#: Shifts by which a stop is put to the test, in the unconstrained form.
_NEAR = (-0.3, -0.03, 0.03, 0.3)
#: Shifts by which a better start is looked for, and how often.
_FAR, _ROUNDS = (-2.0, -1.0, -0.4, 0.4, 1.0, 2.0), 4
#: A loss that is lower by this part, and by more than rounding, shows that there is more to gain.
_LOWER, _ROUNDING = 1e-3, 1e-12


def better_start(model: Unconstrained, loss: Loss, params: Any, wanted: Bool[Array, ""]) -> Any:
    """Return a better start of a search, if it is wanted: one ten times too low is left at once."""

    def look(carry: tuple[Any, Array, Array]) -> tuple[Any, Array, Array]:
        at, _, left = carry
        return *_best_of(model, loss, at, _FAR), left - 1

    rounds = jnp.where(wanted, _ROUNDS, 0)
    carry = params, jnp.asarray(True), rounds
    return jax.lax.while_loop(lambda c: c[1] & (c[2] > 0), look, carry)[0]


def continued(
    solver: Solver,
    loss_of: Callable[[Array], Objective],
    stages: Int[Array, ""],
    start: tuple[Any, Any],
    fixed: tuple[Key[Array, ""], Cycles],
) -> tuple[Any, Any, dict[str, Array]]:
    """Return what a solver finds of losses in a row, each from the end of the one before.

    Args:
        solver: It minimises each.
        loss_of: Returns the loss of a stage from its number.
        stages: How many there are.
        start: Parameters and state of the solver.
        fixed: Key and number of cycles of all stages.
    """

    @jax.jit  # for the sake of its trace, of which the shapes are asked first
    def once(number: Array | int, carry: Any) -> Any:
        return solver.run(loss_of(number), carry[0], carry[1], *fixed)

    shapes = jax.eval_shape(once, 0, start)[2]
    terms = jax.tree.map(lambda t: jnp.zeros(t.shape, t.dtype), shapes)
    return jax.lax.fori_loop(0, stages, once, (*start, terms))


def tested(
    model: Unconstrained,
    loss: Loss,
    params: Any,
    reason: Int[Array, ""],
) -> tuple[Any, Int[Array, ""]]:
    """Return the end of a search, with the reason that stands a test.

    It has converged only if no single coefficient, shifted a little or put back to its start,
    lowers the loss; otherwise the search goes on from there. A coefficient at a bound has a reason
    of its own.
    """
    converged = reason == Reason.CONVERGED
    moved, lower = jax.lax.cond(
        converged,
        lambda: _best_of(model, loss, params, _NEAR),
        lambda: (params, jnp.asarray(False)),
    )
    told = jnp.where(lower, Reason.NO_MINIMUM, reason)
    told = jnp.where(~lower & converged & model.at_bound(params), Reason.AT_BOUND, told)
    return moved, told.astype(reason.dtype)


def _best_of(
    model: Unconstrained, loss: Loss, params: Any, shifts: tuple[float, ...]
) -> tuple[Any, Array]:
    """Return parameters, or those of their neighbours whose loss is lowest and clearly lower."""
    if not model.model.unknowns:
        return params, jnp.asarray(False)
    others = model.neighbours(params, shifts)
    several = jax.tree.map(lambda new, old: jnp.concatenate([new, old[None]]), others, params)
    found = jax.lax.map(loss, several)  # in one program: a loss takes long to compile
    value, losses = found[-1], jnp.where(jnp.isfinite(found[:-1]), found[:-1], jnp.inf)
    best = jnp.argmin(losses)
    lower = (losses[best] < (1 - _LOWER) * value - _ROUNDING) | ~jnp.isfinite(value)
    lower &= jnp.isfinite(losses[best])
    return jax.tree.map(lambda new, old: jnp.where(lower, new[best], old), others, params), lower
