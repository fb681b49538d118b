"""Time steps of ordinary differential equations, as functions that return functions."""

from __future__ import annotations

from collections.abc import Callable

import jax
import jax.numpy as jnp
from jaxtyping import Array, Inexact

State = Inexact[Array, "..."]


def lawson(
    linear: Array | float, tendency: Callable[[State], State], dt: float
) -> Callable[[State], State]:
    """Return a step of u' = L u + N(u) with diagonal L: exact for L, of order 4 for N.

    It is the classical Runge-Kutta method for exp(-L t) u, the integrating factor. What L damps is
    damped for every dt; N alone limits dt, by 2.8 over its rate. A gradient computes stages anew:
    it keeps one state a step.

    Args:
        linear: Eigenvalues of L, in 1/s; 0: there is none.
        tendency: The function N.
        dt: Time step, in seconds.

    Source: J. D. Lawson, SIAM J. Numer. Anal. 4 (1967); Kassam, Trefethen, SIAM J. Sci. Comput. 26
    (2005), section 2.
    """
    half = jnp.exp(jnp.asarray(linear) * (dt / 2))
    whole = half * half

    def step(u: State) -> State:
        first = tendency(u)
        ahead = half * u
        second = tendency(ahead + dt / 2 * half * first)
        third = tendency(ahead + dt / 2 * second)
        fourth = tendency(whole * u + dt * half * third)
        middle = half * (second + third)
        return whole * (u + dt / 6 * first) + dt / 3 * middle + dt / 6 * fourth

    return jax.checkpoint(step)


def repeated(step: Callable[[State], State], count: int) -> Callable[[State], State]:
    """Return so many steps as one function."""
    if count == 1:
        return step
    return lambda u: jax.lax.scan(lambda v, _: (step(v), None), u, length=count)[0]
