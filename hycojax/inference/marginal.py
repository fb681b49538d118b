"""First states integrated out: what their uncertainty says of the coefficients.

The search finds the mode of coefficients theta and first states q together. That of theta alone
lies elsewhere: by Laplace's approximation it minimises

    -log p(y, q | theta) + 1/2 log det A(theta),    A = J^T J + P

with J the derivative of the residuals over the noise by q, at the best q. With few measurements the
joint mode trusts the first states too much: with 40 sensors a diffusivity comes out 6 % too low.

Source: Rue, Martino, Chopin, J. R. Stat. Soc. B 71 (2009), section 1.3; the trace by Hutchinson,
Commun. Stat. Simul. 19 (1990).
"""

from __future__ import annotations

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from hycojax.data import first_guess
from hycojax.data.observations import Observations
from hycojax.data.operators import distances
from hycojax.inference.first_states import LEAST_NOISE, states
from hycojax.kernels import derivatives
from hycojax.models.model import Model, beginnings
from hycojax.models.pde import BoundPDE
from hycojax.solvers import INITIAL_STATES

#: Noise, over the scale, as by which first states are held near their prior in a first turn.
ANNEALED = 0.03
#: Random vectors for a trace, and steps of the conjugate gradients for each.
_VECTORS, _STEPS = 2, 60


def told(noise: Float[Array, ""], square: Float[Array, ""]) -> Float[Array, ""]:
    """Return the noise that residuals of this mean square tell, and no more than was guessed."""
    return jnp.minimum(noise, jnp.where(jnp.isfinite(square), jnp.sqrt(square), jnp.inf))


def slope(
    physics: BoundPDE, model: Model, data: Observations, params: dict[str, Any]
) -> dict[str, Array] | None:
    """Return the derivative of 1/2 log det A by the coefficients, as the optimiser sees these.

    None where first states have no prior: measured in full, they leave little to be uncertain of.

    It is 1/2 tr(A^-1 dA / dtheta), the trace by random vectors v: with x = A^-1 v, the mean of
    (J x) . (J v), differentiated at fixed x and v.
    """
    first, parts, scale = data.training.first, data.training.parts, data.scale
    grid = physics.domain
    if first.kind != "estimated":
        return None
    least = jnp.maximum(data.noise, LEAST_NOISE)
    coefficients = {k: v for k, v in params.items() if k != INITIAL_STATES}
    start, steps = params[INITIAL_STATES], parts[0].values.shape[1] - 1

    def residuals(theta: dict[str, Array], q: Array) -> list[Array]:
        own = {**theta, INITIAL_STATES: q}
        path = model.predict(own, beginnings(states(physics, first, scale, own)), steps)
        return [distances(part, path, scale) / least for part in parts]

    near = derivatives.linearised(lambda q: residuals(coefficients, q), start)

    def curvature(v: Array) -> Array:
        twice = first_guess.normal(grid, first, first_guess.normal(grid, first, v))
        return near.backward(near.forward(v)) + twice

    def solve(v: Array) -> Array:
        return jax.scipy.sparse.linalg.cg(curvature, v, tol=1e-3, maxiter=_STEPS)[0]

    shape = (_VECTORS, *start.shape)
    vectors = jax.random.rademacher(jax.random.key(0), shape, start.dtype)
    solved = jax.lax.map(solve, vectors)

    def half_trace(theta: dict[str, Array]) -> Array:
        def moved(v: Array) -> list[Array]:
            own = partial(residuals, theta)
            if near.exact:
                return jax.jvp(own, (start,), (v,))[1]
            return derivatives.difference(own, start, v)

        def product(pair: tuple[Array, Array]) -> Array:
            return sum(jnp.vdot(a, b) for a, b in zip(*map(moved, pair), strict=True))

        return 0.5 * jnp.mean(jax.lax.map(product, (solved, vectors)))

    found = jax.grad(half_trace)(coefficients)
    return jax.tree.map(lambda g: jnp.where(jnp.isfinite(g), g, 0), found)
