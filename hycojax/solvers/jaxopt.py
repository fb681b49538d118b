"""jaxopt's L-BFGS behind the contract of a solver: a second opinion on our own."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
from jax.flatten_util import ravel_pytree
from jaxtyping import Array, Key

from hycojax.settings.checked import Checked
from hycojax.solvers.solver import Cycles, Objective, Reason, Terms


@dataclass(frozen=True)
class JaxoptLBFGS(Checked):
    """`jaxopt.LBFGS`, started afresh in every cycle, with its zoom line search.

    It differentiates backwards, and takes longer to compile than `LBFGS`. Its result is taken if
    the loss is finite and not higher than at the start.

    Source: Blondel et al., "Efficient and Modular Implicit Differentiation", NeurIPS 2022.
    """

    iterations: int = 10
    """Largest number of iterations in a cycle."""
    tolerance: float = 1e-8
    """It has converged where the norm of the gradient is below this."""

    def __post_init__(self):
        if self.iterations < 1:
            raise ValueError(f"iterations = {self.iterations}: at least one is needed")
        if not self.tolerance > 0:
            raise ValueError(f"tolerance = {self.tolerance}: it must be positive")

    def init(self, params: Any, cycles: int) -> None:
        """Return nothing: no cycle knows of another one."""
        del params, cycles

    def run(
        self, objective: Objective, params: Any, state: None, key: Key[Array, ""], cycles: Cycles
    ) -> tuple[Any, None, Terms]:
        """Minimise `objective(., key)`; report the terms where it ended, and what it took."""
        del state, cycles
        import jaxopt  # loaded on use, as it loads SciPy's optimisers

        def loss(x: Any) -> tuple[Array, Terms]:
            return objective(x, key)

        solver = jaxopt.LBFGS(
            loss,
            has_aux=True,
            maxiter=self.iterations,
            tol=self.tolerance,
            jit=True,
            implicit_diff=False,
        )
        (before, known), slope = jax.value_and_grad(loss, has_aux=True)(params)
        step = solver.run(params)
        after, terms = loss(step.params)
        finite = jnp.all(jnp.isfinite(ravel_pytree((before, slope))[0]))
        better = finite & (after <= before)
        end, terms = jax.tree.map(
            lambda new, old: jnp.where(better, new, old),
            (step.params, {**terms, "loss": after}),
            (params, {**known, "loss": before}),
        )
        converged = step.state.error <= self.tolerance
        reason = jnp.where(converged, Reason.CONVERGED, Reason.ITERATION_LIMIT)
        reason = jnp.where(better, reason, Reason.LINE_SEARCH_FAILED)
        reason = jnp.where(finite, reason, Reason.NOT_FINITE)
        return end, None, {**terms, "reason": reason, "iterations": step.state.iter_num}

    def restart(self, state: None) -> None:
        """Return nothing."""
        del state

    def deviations(
        self, state: None, values: Callable[[Any], dict[str, Array]]
    ) -> dict[str, Array]:
        """Return how far other ends are that fit as well: there is only one."""
        del state, values
        return {}
