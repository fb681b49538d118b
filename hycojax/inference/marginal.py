"""First states integrated out: what their uncertainty says of the coefficients, and their prior.

The search finds the mode of coefficients theta and first states q together. That of theta alone
lies elsewhere: by Laplace's approximation it minimises

    -log p(y, q | theta) + 1/2 log det A(theta),    A = J^T J + P

with J the derivative of the residuals over the noise by q, at the best q. With few measurements the
joint mode trusts the first states too much: with 40 sensors a diffusivity comes out 6 % too low.

Source: Rue, Martino, Chopin, J. R. Stat. Soc. B 71 (2009), section 1.3; the trace by Hutchinson,
Commun. Stat. Simul. 19 (1990); the samples by Papandreou, Yuille, "Gaussian sampling by local
perturbations", NeurIPS (2010).
"""

from __future__ import annotations

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
from jax.flatten_util import ravel_pytree
from jaxtyping import Array, Float

from hycojax.data import first_guess
from hycojax.data.observations import First, Observations
from hycojax.data.operators import distances
from hycojax.data.parts import LEAST_NOISE
from hycojax.grid.domain import Grid
from hycojax.inference import priors
from hycojax.inference.first_states import states
from hycojax.kernels import derivatives
from hycojax.models.model import Model, beginnings
from hycojax.models.pde import BoundPDE
from hycojax.solvers import INITIAL_STATES

#: Samples for a trace, and for each the tolerance and most steps of conjugate gradients.
_SAMPLES, _TOLERANCE, _STEPS = 2, 1e-2, 400


def told(noise: Float[Array, ""], square: Float[Array, ""]) -> Float[Array, ""]:
    """Return the noise that residuals of this mean square tell, and no more than was guessed."""
    return jnp.minimum(noise, jnp.where(jnp.isfinite(square), jnp.sqrt(square), jnp.inf))


def uncertain(
    physics: BoundPDE,
    model: Model,
    data: Observations,
    params: dict[str, Any],
    prior: Float[Array, "channels shell"] | None,
) -> tuple[dict[str, Array] | None, Float[Array, "channels shell"] | None]:
    """Return what the uncertainty of first states says of the coefficients, and of their prior.

    The derivative of 1/2 log det A by the coefficients, as the optimiser sees these, and the
    factors of the prior after a step (`priors`). None where first states have no prior: measured in
    full, they leave little to be uncertain of.

    The derivative is 1/2 tr(A^-1 dA / dtheta), by samples x of covariance A^-1: the mean of
    1/2 |J x|^2, differentiated at fixed x. Pairs v and A^-1 v would tell the trace too, with ten
    times the error.
    """
    first = priors.shaped(data.training.first, prior)
    parts, scale = data.training.parts, data.scale
    grid = physics.domain
    if first.kind != "estimated":
        return None, prior
    least = jnp.maximum(data.noise, LEAST_NOISE)
    coefficients = {k: v for k, v in params.items() if k != INITIAL_STATES}
    start, steps = params[INITIAL_STATES], parts[0].values.shape[1] - 1

    def residuals(theta: dict[str, Array], q: Array) -> list[Array]:
        own = {**theta, INITIAL_STATES: q}
        path = model.predict(own, beginnings(states(physics, first, scale, own)), steps)
        return [distances(part, path, scale) / least for part in parts]

    near = derivatives.linearised(lambda q: residuals(coefficients, q), start)
    samples, signs = _sampled(grid, first, near, start)

    def half_trace(theta: dict[str, Array]) -> Array:
        def square(x: Array) -> Array:
            at = partial(residuals, theta)
            if near.exact:
                moved = jax.jvp(at, (start,), (x,))[1]
            else:
                moved = derivatives.difference(at, start, x)
            return sum(jnp.sum(part**2) for part in moved)

        return 0.5 * jnp.mean(jax.lax.map(square, samples))

    found = jax.grad(half_trace)(coefficients)
    leaning = jax.tree.map(lambda g: jnp.where(jnp.isfinite(g), g, 0), found)
    return leaning, priors.learned(grid, first, prior, start, samples, signs)


def _sampled(
    grid: Grid,
    first: First,
    near: derivatives.Linearised,
    start: Float[Array, "simulation *shape channels"],
) -> tuple[Array, Array]:
    """Return samples of first states about `start`, of covariance A^-1, and the signs e'.

    They are x = A^-1 (J^T e + S e') with random signs e and e', and P = S^2.
    """

    def spread(v: Array) -> Array:
        return first_guess.normal(grid, first, v)

    def curvature(v: Array) -> Array:
        return near.backward(near.forward(v)) + spread(spread(v))

    def sample(signs: tuple[Array, Array]) -> Array:
        right = near.backward(structured(signs[0])) + spread(signs[1])
        cg, about = jax.scipy.sparse.linalg.cg, partial(first_guess.covariance, grid, first)
        return cg(curvature, right, tol=_TOLERANCE, maxiter=_STEPS, M=about)[0]

    flat, structured = ravel_pytree(near.value)
    shapes = ((_SAMPLES, *a.shape) for a in (flat, start))
    keys = jax.random.split(jax.random.key(0))
    signs = [jax.random.rademacher(k, s, flat.dtype) for k, s in zip(keys, shapes, strict=True)]
    return jax.lax.map(sample, signs), signs[1]
