"""A velocity that carries itself, as fluxes between cells: what leaves one enters the next."""

from __future__ import annotations

import jax.numpy as jnp
from jaxtyping import Array, Float

from hycojax.grid.stencils import Beyond, neighbour, unit_of
from hycojax.physics import integrators


def self_carried(
    velocity: Float[Array, " dims *shape"], dx: tuple[float, ...], dt: float
) -> Float[Array, " dims *shape"]:
    """Return a velocity after a step of du/dt + grad(|u|^2 / 2) + (curl u) x u = 0, periodic.

    Means over cells. The flux through a face is that of the values on both sides of it (local
    Lax-Friedrichs), which lie on slopes limited by van Leer's mean: of order 2 where u is smooth,
    without overshoot where it is not. Three stages of order 3 (`integrators.third_order`), stable
    for dt sum |u| / dx <= 1/2. The turn (curl u) x u has central differences. Where there is none,
    as on a line, momentum is kept to rounding, and shocks move at the speed of Rankine and
    Hugoniot.

    Args:
        velocity: Its components u, in m/s.
        dx: Size of a cell along each axis, in metres.
        dt: Time step, in seconds.

    Source: B. van Leer, J. Comput. Phys. 32 (1979); A. Kurganov, E. Tadmor, J. Comput. Phys. 160
    (2000), section 4.
    """
    unit = unit_of(dx)  # u^2 alone could be too large
    cells = [d / unit for d in dx]

    def rate(u: Array) -> Array:
        return -sum(_outflow(u, axis) / d for axis, d in enumerate(cells)) - _turned(u, cells)

    found = integrators.third_order(rate, 1.0)(velocity * (dt / unit))
    return found * (unit / dt)


def _outflow(u: Float[Array, " dims *shape"], axis: int) -> Float[Array, " dims *shape"]:
    """Return the differences of the fluxes through the two faces of a cell across an axis."""
    along = axis + 1
    ahead, behind = (neighbour(u, along, step, Beyond.OTHER_END) for step in (1, -1))
    rise = _van_leer(ahead - u, u - behind) / 2
    left, right = u + rise, neighbour(u - rise, along, 1, Beyond.OTHER_END)
    fastest = jnp.maximum(jnp.abs(left[axis]), jnp.abs(right[axis]))
    flux = -fastest * (right - left) / 2
    flux = flux.at[axis].add(jnp.sum(left**2 + right**2, 0) / 4)
    return flux - neighbour(flux, along, -1, Beyond.OTHER_END)


def _van_leer(a: Array, b: Array) -> Array:
    """Return the harmonic mean of two slopes, 0 where they differ in sign."""
    alike = a * b > 0
    return jnp.where(alike, 2 * a * jnp.where(alike, b / jnp.where(alike, a + b, 1), 0), 0)


def _turned(u: Float[Array, " dims *shape"], cells: list[float]) -> Float[Array, " dims *shape"]:
    """Return (curl u) x u, by central differences."""
    found = [jnp.zeros_like(part) for part in u]
    for i in range(len(u)):
        for j in range(i):
            turn = _slope(u[j], i, cells[i]) - _slope(u[i], j, cells[j])
            found[j] = found[j] + u[i] * turn
            found[i] = found[i] - u[j] * turn
    return jnp.stack(found)


def _slope(values: Float[Array, "*shape"], axis: int, d: float) -> Array:
    ahead, behind = (neighbour(values, axis, step, Beyond.OTHER_END) for step in (1, -1))
    return (ahead - behind) / (2 * d)
