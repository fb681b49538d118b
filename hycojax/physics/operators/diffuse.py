"""Diffusion du/dt = div(a grad u): exact in time by transforms, or explicit in few stages."""

from __future__ import annotations

import math

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from hycojax.grid.stencils import Beyond, laplace, neighbour, unit_of
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
    periodic, (unit, dx) = field.boundary == phi.PERIODIC, _in_units(field)

    def decay(values: Array) -> Array:
        square = spectrum.squared_wave_numbers(values.shape, dx, periodic)
        factor = jnp.exp(-diffusivity / unit * (dt / unit) * square.astype(values.dtype))
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
    change = _change(field, diffusivity, dt / substeps)

    def advance(values: Array) -> Array:
        for _ in range(substeps):
            values = values + change(values)
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
    change = _change(field, diffusivity, dt)
    first, table = _legendre(stages)

    def advance(start: Array) -> Array:
        slope = change(start)

        def stage(carry, weights):
            before, now = carry
            mu, nu, mu_slope, gamma = weights
            following = mu * now + nu * before + (1 - mu - nu) * start
            following = following + mu_slope * change(now) + gamma * slope
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


def _change(field: phi.Field, diffusivity: float | Array | phi.Field, dt: float):
    """Return u -> dt div(a grad u) for the arrays of a field.

    dt stands between two divisions by a length: XLA joins constants, and 1 / length^2 alone may be
    no number.
    """
    (unit, dx), beyond = _in_units(field), _beyond(field)
    if not isinstance(diffusivity, phi.Field):
        return lambda values: diffusivity / unit * (dt / unit) * laplace(values, dx, beyond)
    if field.is_staggered or beyond is Beyond.ZERO:
        raise ValueError("a diffusivity that is a field needs a centred field without walls")
    local = phi.components(diffusivity)[0] / unit * (dt / unit)
    return lambda values: _weighted_laplace(values, local, beyond, dx)


def _in_units(field: phi.Field) -> tuple[float, tuple[float, ...]]:
    """Return a length about as large as a cell, and the cell widths in units of it."""
    dx = phi.spacing(field)
    unit = unit_of(dx)
    return unit, tuple(d / unit for d in dx)


def _beyond(field: phi.Field) -> Beyond:
    known = {
        phi.PERIODIC: Beyond.OTHER_END,
        phi.NO_FLUX: Beyond.SAME,
        phi.WALL: Beyond.ZERO,
    }
    if field.boundary not in known:
        raise ValueError(f"diffuse: no scheme for the boundary {field.boundary}")
    return known[field.boundary]


def _weighted_laplace(
    values: Float[Array, "*shape"],
    diffusivity: Float[Array, "*shape"],
    beyond: Beyond,
    dx: tuple[float, ...],
) -> Float[Array, "*shape"]:
    """Return div(a grad u) with a averaged on the faces; no flux through closed sides."""
    total = 0
    for axis, d in enumerate(dx):
        for step in (-1, 1):
            u, a = (neighbour(x, axis, step, beyond) for x in (values, diffusivity))
            total = total + 0.5 * (diffusivity + a) * (u - values) / d**2
    return total
