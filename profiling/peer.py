"""What a user would take instead of hycojax: SciPy's L-BFGS-B over exponax's own step.

The step is of order 4, in double precision, with as many pieces an interval as are asked for; it
knows what a mean over a cell is.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float
from scipy.optimize import minimize

from profiling import clock, reference
from profiling.reference import PROBLEMS


@dataclass(frozen=True)
class Found:
    """What a search has found.

    Attributes:
        errors: Of each coefficient, relative to the truth.
        seconds: Of the search, compiled.
        compile: Seconds of the compilation before it.
        evaluations: Of the loss with its gradient.
    """

    errors: dict[str, float]
    seconds: float
    compile: float
    evaluations: int


def search(
    name: str,
    starts: Float[np.ndarray, "window x y channel"],
    targets: Float[np.ndarray, "window time x y channel"],
    seen: Bool[np.ndarray, "x y"],
    start: float = 3.0,
    pieces: int = 4,
) -> Found:
    """Return what fits windows that start from known states, from so many times the truth."""
    true = PROBLEMS[name].unknown
    with jax.enable_x64(True):
        nodes = reference.nodes_of(name, jnp.asarray(starts, jnp.float64))
        states = jax.vmap(PROBLEMS[name].entered)(nodes)
        given = states, jnp.asarray(targets, jnp.float64)

        def loss(logarithms: Float[Array, " coefficient"]) -> Float[Array, ""]:
            factors = start * jnp.exp(logarithms)
            unknown = {n: t * f for (n, t), f in zip(true.items(), factors, strict=True)}
            return _loss(name, unknown, *given, jnp.asarray(seen), pieces)

        origin = np.zeros(len(true))
        both, compile_seconds = clock.compiled(jax.value_and_grad(loss), (jnp.asarray(origin),))

        def for_scipy(z: np.ndarray) -> tuple[np.ndarray, ...]:
            return jax.device_get(both(jnp.asarray(z)))

        seconds, end = clock.timed(lambda: minimize(for_scipy, origin, jac=True, method="L-BFGS-B"))
    errors = {n: float(start * np.exp(z)) - 1 for n, z in zip(true, end.x, strict=True)}
    return Found(errors, seconds, compile_seconds, int(end.nfev))


def _loss(
    name: str, unknown: dict[str, Any], states: Array, targets: Array, seen: Array, pieces: int
) -> Float[Array, ""]:
    """Return the relative mean square over what is seen, a thousandfold: SciPy stops at 1e-5."""
    import exponax as ex

    step = reference.stepped(name, states.shape[-1], pieces, unknown)
    roll = ex.rollout(ex.RepeatedStepper(step, pieces), targets.shape[1])

    def whole(state: Array) -> Array:
        return PROBLEMS[name].recorded(roll(state))

    predicted = reference.over_cells(name, jax.vmap(whole)(states), states.shape[-1], jnp)
    off = jnp.where(seen[..., None], predicted - targets, 0)
    return 1e3 * jnp.sum(off**2) / jnp.sum(jnp.where(seen[..., None], targets, 0) ** 2)
