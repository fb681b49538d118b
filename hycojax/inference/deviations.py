"""How far off what was identified may be: by the noise, and by the grid and the step.

Both by the curvature of the likelihood at the end.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.flatten_util import ravel_pytree
from jaxtyping import Array, Float

from hycojax.data.observations import First, Part
from hycojax.data.operators import distances
from hycojax.data.parts import LEAST_NOISE
from hycojax.inference import first_states
from hycojax.kernels import derivatives, programs
from hycojax.kernels.precision import magnitude, real
from hycojax.models.model import beginnings
from hycojax.models.pde import BoundPDE, Unconstrained
from hycojax.settings.numbers import join, split
from hycojax.solvers import CORRECTION

#: Steps of the conjugate gradients, those where a term is learned, and their tolerance. With a
#: network of 400 weights 80 steps found 2 % more than 40, and took twice as long: minutes.
_STEPS, _FEWER_STEPS, _TOLERANCE = 400, 40, 1e-4
#: Of so few numbers J is made in full, which takes less to compile than what goes back and forth.
_FEW = 16
Map = Callable[[Array], Array]


@dataclass(frozen=True)
class Doubt:
    """How far off a coefficient may be; of a field, its mean. Not finite where nothing tells.

    Attributes:
        sd: Standard deviation.
        discretisation: How much larger it is than on a grid and with a step twice as fine; NaN: not
            told.
    """

    sd: float
    discretisation: float


def doubts(
    physics: BoundPDE,
    finer: BoundPDE | None,
    first: First,
    parts: tuple[Part, ...],
    scale: Float[Array, " channels"],
    noise: float,
    params: dict[str, Array],
) -> dict[str, Doubt]:
    """Return how far off each coefficient may be.

        A = J^T J + P,    var f = sigma^2 g^T A^(-1) g,    shift of f = g^T A^(-1) J^T (r' - r)

    with J the derivative of the residuals over the noise by all parameters, first states included,
    P the curvature of what penalises them, a learned term along its own trajectories included, and
    g the derivative of the coefficient (Gauss-Newton, or Laplace's approximation). The first states
    are integrated out by that. sigma^2 is the mean square of the residuals over their degrees of
    freedom, N - tr(J A^(-1) J^T), which is 1 for the right model and noise: so a noise that is not
    known is integrated out too. Errors by Student's t have the weights of iteratively reweighted
    least squares, and Fisher's information of t. The shift is one Gauss-Newton step towards the
    estimate of a finer model, whose residuals r' are taken once.

    Args:
        physics: The PDE on its domain.
        finer: The same on a grid and with a step twice as fine; None: the shift is not told.
        first: What is known of the first states.
        parts: What was measured.
        scale: Standard deviation of each channel.
        noise: Mean noise over the scale.
        params: The parameters of the optimiser.

    Source: Nocedal, Wright, "Numerical Optimization", section 10.3; the trace by Girard, Numer.
    Math. 56 (1989); t by Lange, Little, Taylor, J. Am. Stat. Assoc. 84 (1989), section 3.
    """
    structure, numbers = split((physics, finer))
    few = sum(np.size(leaf) for leaf in jax.tree.leaves(params)) <= _FEW
    effort = programs.ONCE if few else programs.LOOP
    program = programs.jit(_deviations, effort, static_argnums=0)
    least = np.asarray(max(noise, LEAST_NOISE), real())
    found = program(structure, numbers, first, parts, scale, least, params)
    sd, shift = jax.device_get(found)
    return {n: Doubt(float(sd[n]), float(shift[n]) if finer else math.nan) for n in sd}


def _deviations(
    structure: tuple[BoundPDE, BoundPDE | None],
    numbers: Any,
    first: First,
    parts: tuple[Part, ...],
    scale: Array,
    noise: Array,
    params: dict[str, Array],
) -> tuple[dict[str, Array], dict[str, Array]]:
    physics, finer = join(structure, numbers)
    model = Unconstrained(physics)
    point, unflatten = ravel_pytree(params)
    count = sum(jnp.sum(part.seen) for part in parts)
    steps = parts[0].values.shape[1] - 1

    def trajectories(own: dict[str, Array], solver: Unconstrained = model) -> Array:
        states = first_states.states(physics, first, scale, own)
        return solver.predict(own, beginnings(states), steps)

    def residuals(x: Array, solver: Unconstrained = model) -> Array:
        path = trajectories(unflatten(x), solver)
        return ravel_pytree([distances(part, path, scale) / noise for part in parts])[0]

    places = None
    if CORRECTION in params:  # along its own trajectories a learned term counts
        places = trajectories(params).reshape(-1, *first.mean.shape[1:])

    def penalty(x: Array) -> Array:
        own = unflatten(x)
        improbable = first_states.penalty(physics.domain, first, parts, noise, own)
        excess = 0.0 if places is None else model.excess(own, places)
        return (model.penalty(own) + improbable + excess) * count / (2 * noise**2)

    near = derivatives.linearised(residuals, point)
    off, (root, information) = near.value, _robust(parts, near.value)
    stiffness = jax.grad(penalty)

    def forward(v: Array) -> Array:
        return root * near.forward(v)

    def curved(v: Array) -> Array:
        return jax.jvp(stiffness, (point,), (v,))[1]

    values = {name: _mean_of(model, name, unflatten) for name in physics.unknowns}
    slopes = [jax.grad(value)(point) for value in values.values()]
    sizes = [magnitude(slope) for slope in slopes]
    slopes = [slope / size for slope, size in zip(slopes, sizes, strict=True)]
    if point.size <= _FEW:
        ends, told = _few(forward, curved, slopes, point)
    else:
        limit = _STEPS if places is None else _FEWER_STEPS
        about = curved, slopes, off, limit
        ends, told = _many(forward, lambda u: near.backward(root * u), *about)
    square = jnp.sum((root * off) ** 2 / information) / jnp.clip(count - told, 1, count)
    found = list(zip(values, sizes, slopes, ends, strict=True))
    sd = {name: size * _root(square * (g @ x)) for name, size, g, x in found}
    rounding = jnp.finfo(point.dtype).eps  # exact data tell no more than an estimate can hold
    sd = {name: jnp.maximum(own, rounding * abs(values[name](point))) for name, own in sd.items()}
    if finer is None:
        return sd, {}
    apart = root * (residuals(point, Unconstrained(finer)) - off)
    return sd, {name: size * (forward(x) @ apart) for name, size, _, x in found}


def _few(
    forward: Map, curved: Map, slopes: list[Array], point: Array
) -> tuple[Float[Array, "slope n"], Float[Array, ""]]:
    """Return A^(-1) g for each slope g, and tr(J A^(-1) J^T), from J in full."""
    axes = jnp.eye(point.size, dtype=point.dtype)
    columns = jax.lax.map(forward, axes)
    square = columns @ columns.T
    matrix = square + jax.lax.map(curved, axes)
    ends = jax.lax.map(partial(_solved, lambda v: matrix @ v), jnp.stack([*slopes, *square]))
    return ends[: len(slopes)], jnp.trace(ends[len(slopes) :])


def _many(
    forward: Map, backward: Map, curved: Map, slopes: list[Array], off: Array, limit: int
) -> tuple[Float[Array, "slope n"], Float[Array, ""]]:
    """Return the same without the matrix; the trace by random signs."""
    signs = jax.random.rademacher(jax.random.key(0), off.shape, off.dtype) * (off != 0)

    def curvature(v: Array) -> Array:
        return backward(forward(v)) + curved(v)

    pulled = backward(signs)
    ends = jax.lax.map(partial(_solved, curvature, limit=limit), jnp.stack([*slopes, pulled]))
    return ends[:-1], pulled @ ends[-1]


def _solved(curvature: Map, right: Array, limit: int = _STEPS) -> Array:
    """Return A^(-1) right: of a flat A in the directions that it is not flat in."""
    return jax.scipy.sparse.linalg.cg(curvature, right, tol=_TOLERANCE, maxiter=limit)[0]


def _robust(parts: tuple[Part, ...], off: Array) -> tuple[Array, Array]:
    """Return the root of what each measurement tells, and what one of its kind tells in the mean.

    Both are 1 for normal errors. By Student's t an outlier tells little: (nu + 1) / (nu + z^2) is
    the weight with which its square has the slope of the likelihood; in the mean it is 1.
    """
    tails = [jnp.full(part.values.size, 1 / (part.degrees or math.inf)) for part in parts]
    tail = jnp.concatenate(tails).astype(off.dtype)
    information = (1 + tail) / (1 + 3 * tail)
    return jnp.sqrt(information * (1 + tail) / (1 + tail * off**2)), information


def _root(variance: Array) -> Array:
    """Return the standard deviation; infinite where the solve found no variance."""
    return jnp.where(variance >= 0, jnp.sqrt(jnp.where(variance >= 0, variance, 0)), jnp.inf)


def _mean_of(
    model: Unconstrained, name: str, unflatten: Callable[[Array], Any]
) -> Callable[[Array], Array]:
    return lambda x: jnp.mean(model.estimates(unflatten(x))[name])
