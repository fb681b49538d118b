"""Optimisers behind one interface: Adam for noisy objectives, L-BFGS for deterministic ones.

    state = solver.init(params, cycles)
    params, state, terms = solver.run(objective, params, state, key, cycles)

`objective(params, key) -> (loss, terms)`; `terms` is a dict of scalars to report. `run` does one
cycle's share of the work and is traced: call it under `jax.jit`. Nothing else imports jaxopt.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

import jax
import jax.numpy as jnp
import jaxopt
import optax
from jaxtyping import Array, Float, Key

Terms = dict[str, Float[Array, ""]]
Objective = Callable[[Any, Key[Array, ""]], tuple[Float[Array, ""], Terms]]


@runtime_checkable
class Solver(Protocol):
    """What trains a player."""

    def init(self, params: Any, cycles: int) -> Any:
        """Return the state that is carried from cycle to cycle."""

    def run(
        self, objective: Objective, params: Any, state: Any, key: Key[Array, ""], cycles: int
    ) -> tuple[Any, Any, Terms]:
        """Do one of `cycles` cycles; return parameters, state and the terms to report."""


#: Smallest gradient norm of a relative loss that single precision resolves.
_TOLERANCE = 1e-6


@dataclass(frozen=True)
class Adam:
    """Adam with cosine decay of the learning rate to zero over the whole run.

    Source: Kingma, Ba, "Adam", ICLR 2015; Loshchilov, Hutter, "SGDR", ICLR 2017.
    """

    learning_rate: float = 1e-3
    """Learning rate at the start."""
    updates: int = 50
    """Updates in a cycle."""

    def __post_init__(self):
        if not self.learning_rate > 0:
            raise ValueError(f"learning_rate = {self.learning_rate}: it must be positive")
        if self.updates < 1:
            raise ValueError(f"updates = {self.updates}: at least one is needed")

    def init(self, params: Any, cycles: int) -> Any:
        """Return the moments and the counter."""
        return self._transform(cycles).init(params)

    def run(
        self, objective: Objective, params: Any, state: Any, key: Key[Array, ""], cycles: int
    ) -> tuple[Any, Any, Terms]:
        """Do one cycle's updates, each with its own key; report the mean of the terms."""
        transform = self._transform(cycles)

        def update(carry, i):
            params, state = carry
            gradient, terms = jax.grad(objective, has_aux=True)(params, jax.random.fold_in(key, i))
            step, state = transform.update(gradient, state, params)
            return (optax.apply_updates(params, step), state), terms

        (params, state), terms = jax.lax.scan(update, (params, state), jnp.arange(self.updates))
        return params, state, jax.tree.map(jnp.mean, terms)

    def _transform(self, cycles: int) -> optax.GradientTransformation:
        return optax.adam(optax.cosine_decay_schedule(self.learning_rate, cycles * self.updates))


@dataclass(frozen=True)
class LBFGS:
    """L-BFGS with a backtracking line search, started afresh in every cycle.

    Afresh, because the objective changes from cycle to cycle and an old curvature misleads. It
    never returns parameters with a loss that is higher than at the start, or not finite.

    Source: Nocedal, Wright, "Numerical Optimization", 2nd ed., algorithm 7.5 and section 3.1.
    """

    iterations: int = 10
    """Largest number of iterations in a cycle."""

    def __post_init__(self):
        if self.iterations < 1:
            raise ValueError(f"iterations = {self.iterations}: at least one is needed")

    def init(self, params: Any, cycles: int) -> tuple[()]:
        """Return nothing: no state is carried from cycle to cycle."""
        del params, cycles
        return ()

    def run(
        self, objective: Objective, params: Any, state: tuple[()], key: Key[Array, ""], cycles: int
    ) -> tuple[Any, tuple[()], Terms]:
        """Minimise `objective(., key)`; report the terms where it ended and the evaluations."""
        del cycles
        # Jitted for the sake of its traces: jaxopt calls it in several places, JAX traces it once.
        evaluate = jax.jit(jax.value_and_grad(lambda p: objective(p, key), has_aux=True))
        # Of jaxopt's line searches this one traces the objective least often, and its default
        # condition (strong Wolfe) can't be met by halving a step that is too short already.
        search = jaxopt.BacktrackingLineSearch(
            evaluate, True, True, condition="armijo", decrease_factor=0.5, maxiter=12
        )
        solver = jaxopt.LBFGS(evaluate, value_and_grad=True, has_aux=True, linesearch=search)
        start = solver.init_state(params)

        def unfinished(carry):
            _, s = carry
            return (s.iter_num < self.iterations) & (s.error > _TOLERANCE) & ~s.failed_linesearch

        final, end = jax.lax.while_loop(
            unfinished, lambda c: tuple(solver.update(*c)), (params, start)
        )
        better = jnp.isfinite(end.value) & (end.value <= start.value)
        params, terms = jax.tree.map(
            lambda new, old: jnp.where(better, new, old), (final, end.aux), (params, start.aux)
        )
        return params, state, {**terms, "evaluations": end.num_fun_eval}
