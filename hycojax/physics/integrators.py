"""Time steps of ordinary differential equations, as functions that return functions."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

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


def third_order(tendency: Callable[[Any], Any], dt: float) -> Callable[[Any], Any]:
    """Return a step of u' = N(u) of order 3 in three stages, each a mean of Euler steps.

        a = u + dt N(u),    b = 3/4 u + 1/4 (a + dt N(a)),    u <- 1/3 u + 2/3 (b + dt N(b))

    For what is carried, upwind-biased as in `operators.faces`, it is stable while the distance in a
    step, summed over the axes, is at most 1.3 cells.

    Args:
        tendency: The function N of a tree of arrays.
        dt: Time step, in seconds.

    Source: S. Gottlieb, C.-W. Shu, E. Tadmor, SIAM Review 43 (2001), eq. 4.2.
    """

    def stage(u: Any, now: Any, share: Array) -> Any:
        euler = jax.tree.map(lambda x, rate: x + dt * rate, now, tendency(now))
        return jax.tree.map(lambda x, y: share * x + (1 - share) * y, u, euler)

    def step(u: Any) -> Any:
        shares = jnp.array([0, 3 / 4, 1 / 3], jax.tree.leaves(u)[0].dtype)
        return jax.lax.scan(lambda now, share: (stage(u, now, share), None), u, shares)[0]

    return step
