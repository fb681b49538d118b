"""Diffusion du/dt = div(a grad u): exact in time by transforms, or explicit in few stages."""

from __future__ import annotations

import math

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from hycojax.kernels import spectrum
from hycojax.physics import phi


def fourier(field: phi.Field, diffusivity: float | Array, dt: float) -> phi.Field:
    """Diffuse a field with a constant diffusivity, exactly in time for every mode of the grid.

        u_k(t + dt) = exp(-a |k|^2 dt) u_k(t)

    with k = 2 pi n / L in a periodic box, and k = pi n / L (cosines) at the cell centres of a
    closed box without flux. Stable and positive in time for every dt and a >= 0.

    Raises:
        ValueError: The field has another boundary.
    """
    if field.boundary not in (phi.PERIODIC, phi.NO_FLUX):
        raise ValueError(f"fourier: no transform for the boundary {field.boundary}")
    periodic = field.boundary == phi.PERIODIC

    def decay(values: Array) -> Array:
        square = spectrum.squared_wave_numbers(values.shape, phi.spacing(field), periodic)
        factor = jnp.exp(-diffusivity * dt * square.astype(values.dtype))
        return spectrum.multiply(values, factor, periodic)

    return phi.with_components(field, [decay(v) for v in phi.components(field)])


def explicit(
    field: phi.Field, diffusivity: float | Array | phi.Field, dt: float, substeps: int = 1
) -> phi.Field:
    """Diffuse a field by Euler steps with the 3-point Laplacian.

        u <- u + (dt / substeps) div(a grad u)

    Stable while dt max(a) sum(2 / dx^2) <= substeps. A diffusivity that is a field gives fluxes
    with its arithmetic mean on the faces, a smooth function of it.

    Args:
        field: Scalar or vector, centred or staggered.
        diffusivity: Number, or scalar field at cell centres for a centred field.
        dt: Time step.
        substeps: Number of Euler steps.
    """
    operator = _operator(field, diffusivity)

    def advance(values: Array) -> Array:
        for _ in range(substeps):
            values = values + dt / substeps * operator(values)
        return values

    return phi.with_components(field, [advance(v) for v in phi.components(field)])


def super_time_step(
    field: phi.Field, diffusivity: float | Array | phi.Field, dt: float, stages: int
) -> phi.Field:
    """Diffuse a field by one Runge-Kutta-Legendre step, RKL2: explicit, of second order in time.

    It is stable for (s^2 + s - 2) / 2 >= dt max(a) sum(4 / dx^2), so that s stages go as far as
    about s^2 / 4 Euler steps. `stages` returns s. The other arguments are those of `explicit`.

    Source: Meyer, Balsara, Aslam, "A stabilized Runge-Kutta-Legendre method for explicit
    super-time-stepping of parabolic and mixed equations", J. Comput. Phys. 257 (2014), eqs. 16-17.
    """
    operator = _operator(field, diffusivity)
    first, table = _legendre(stages)

    def advance(start: Array) -> Array:
        slope = dt * operator(start)

        def stage(carry, weights):
            before, now = carry
            mu, nu, mu_slope, gamma = weights
            following = mu * now + nu * before + (1 - mu - nu) * start
            following = following + mu_slope * dt * operator(now) + gamma * slope
            return (now, following), None

        rows = jnp.asarray(table, start.dtype)
        (_, end), _ = jax.lax.scan(stage, (start, start + first * slope), rows)
        return end

    return phi.with_components(field, [advance(v) for v in phi.components(field)])


def stages(diffusivity: float, dt: float, dx: tuple[float, ...]) -> int:
    """Return the stages (odd, at least 3) of `super_time_step` for the largest diffusivity.

    Odd numbers damp the shortest waves, even ones do not.
    """
    stiffness = diffusivity * dt * sum(4 / d**2 for d in dx)
    needed = math.ceil((math.sqrt(9 + 8 * stiffness) - 1) / 2)
    return max(3, needed + 1 - needed % 2)


def _legendre(stages: int) -> tuple[float, np.ndarray]:
    """Return the weight of the first stage and mu, nu, mu~, gamma~ of the others."""
    b = [1 / 3 if j < 2 else (j * j + j - 2) / (2 * j * (j + 1)) for j in range(stages + 1)]
    w = 4 / (stages**2 + stages - 2)
    rows = []
    for j in range(2, stages + 1):
        mu, nu = (2 * j - 1) / j * b[j] / b[j - 1], -(j - 1) / j * b[j] / b[j - 2]
        rows.append((mu, nu, mu * w, -(1 - b[j - 1]) * mu * w))
    return w / 3, np.array(rows)


def _operator(field: phi.Field, diffusivity: float | Array | phi.Field):
    """Return u -> div(a grad u) for the arrays of a field."""
    dx = phi.spacing(field)
    if field.boundary not in (phi.PERIODIC, phi.NO_FLUX, phi.WALL):
        raise ValueError(f"diffuse: no scheme for the boundary {field.boundary}")
    if not isinstance(diffusivity, phi.Field):
        return lambda values: diffusivity * _laplace(values, field.boundary, dx)
    if field.is_staggered or field.boundary == phi.WALL:
        raise ValueError("a diffusivity that is a field needs a centred field without walls")
    (local,) = phi.components(diffusivity)
    return lambda values: _weighted_laplace(values, local, field.boundary, dx)


def _laplace(values: Array, boundary, dx: tuple[float, ...]) -> Array:
    """Return the sum of second differences."""
    total = 0
    for axis, d in enumerate(dx):
        sides = sum(_neighbour(values, axis, step, boundary) for step in (-1, 1))
        total = total + (sides - 2 * values) / d**2
    return total


def _weighted_laplace(
    values: Float[Array, "*shape"],
    diffusivity: Float[Array, "*shape"],
    boundary,
    dx: tuple[float, ...],
) -> Float[Array, "*shape"]:
    """Return div(a grad u) with a averaged on the faces; no flux through closed sides."""
    total = 0
    for axis, d in enumerate(dx):
        for step in (-1, 1):
            u, a = (_neighbour(x, axis, step, boundary) for x in (values, diffusivity))
            total = total + 0.5 * (diffusivity + a) * (u - values) / d**2
    return total


def _neighbour(values: Array, axis: int, step: int, boundary) -> Array:
    """Return the value of the next (1) or the last (-1) cell along an axis, for each cell.

    Beyond the end there is the other end, the cell itself (no flux), or zero (a wall). Written as
    two pieces side by side, which XLA differentiates twice as fast as a border.
    """
    n = values.shape[axis]
    first, last = (jax.lax.slice_in_dim(values, i, i + 1, axis=axis) for i in (0, n - 1))
    if boundary == phi.WALL:
        first = last = jnp.zeros_like(first)
    elif boundary == phi.PERIODIC:
        first, last = last, first
    if step == 1:
        return jnp.concatenate([jax.lax.slice_in_dim(values, 1, n, axis=axis), last], axis=axis)
    return jnp.concatenate([first, jax.lax.slice_in_dim(values, 0, n - 1, axis=axis)], axis=axis)
