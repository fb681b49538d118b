"""Advection by interpolation: PhiFlow's schemes, by direct gathers with a fast adjoint."""

from __future__ import annotations

import functools
import itertools
from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from hycojax.kernels.interpolation import cells, interpolate, take
from hycojax.physics import phi

#: For each component of a field: how far its points are displaced, in cells, `[dims, *shape]`.
Displacements = list[Float[Array, "dims ..."]]


def euler(field: phi.Field, velocity: phi.Field, dt: float) -> Displacements:
    """Trace the points of a field with the velocity that they have: d = dt u(x). First order."""
    scale = _per_cell(velocity, dt)
    return [_stack(at_points, scale) for at_points in _sample(velocity, field)]


def midpoint(field: phi.Field, velocity: phi.Field, dt: float) -> Displacements:
    """Trace the points of a field in a steady velocity: d = dt u(x - dt u(x) / 2). Second order.

    Raises:
        ValueError: The velocity is not given at the points of the field.
    """
    if field.is_staggered or velocity.is_staggered:
        raise ValueError("midpoint: the field and the velocity must both be given at cell centres")
    scale = _per_cell(velocity, dt)
    parts, periodic = phi.components(velocity), velocity.boundary == phi.PERIODIC
    halfway = _stack(parts, scale) / 2
    there = _stack([interpolate(part, halfway, periodic=periodic) for part in parts], scale)
    return [there] * len(phi.components(field))


def semi_lagrangian(
    field: phi.Field, velocity: phi.Field, dt: float, integrator: Callable = euler
) -> phi.Field:
    """Advect a field: each point takes the value found where it was `dt` ago.

        f(x, t + dt) = f(x - d, t),    multilinear between grid points

    Stable for every dt. First order: it diffuses like up to dx^2 / (8 dt). The result is that of
    `phi.physics.advect.semi_lagrangian`.

    Args:
        field: Scalar or vector at cell centres, or the staggered velocity itself.
        velocity: Vector at cell centres or staggered; only staggered for a staggered field.
        dt: Time step; negative traces back.
        integrator: `euler` or `midpoint`.

    Source: J. Stam, "Stable fluids", SIGGRAPH 1999.
    """
    displacements = integrator(field, velocity, dt)
    return _side_by_side(interpolate, field, phi.components(field), displacements)


def mac_cormack(
    field: phi.Field,
    velocity: phi.Field,
    dt: float,
    correction_strength: float = 1.0,
    integrator: Callable = euler,
) -> phi.Field:
    """Advect a field to second order in space: semi-Lagrangian, there and back, half the error off.

        a = A f,    b = A^-1 a,    f(t + dt) = a + (f - b) / 2,    within the neighbours' values

    with A the semi-Lagrangian step. Stable for every dt, and without overshoots. The result is that
    of `phi.physics.advect.mac_cormack`; the arguments are those of `semi_lagrangian`.

    Source: Selle et al., "An unconditionally stable MacCormack method", J. Sci. Comput. 35 (2008).
    """

    def correct(values: Array, backward: Array, forward: Array, *, periodic: bool) -> Array:
        there = interpolate(values, backward, periodic=periodic)
        back = interpolate(there, forward, periodic=periodic)
        corrected = there + correction_strength * 0.5 * (values - back)
        return _limit(values, backward, corrected, periodic=periodic)

    ways = integrator(field, velocity, dt), integrator(field, velocity, -dt)
    return _side_by_side(correct, field, phi.components(field), *ways)


def self_advect(velocity: phi.Field, dt: float) -> phi.Field:
    """Advect a velocity by itself to second order in time and space.

    MacCormack along the velocity at half of the step, which a semi-Lagrangian step of dt / 2 gives:
    the midpoint rule for the characteristics.
    """
    return mac_cormack(velocity, semi_lagrangian(velocity, velocity, dt / 2), dt)


def _side_by_side(function: Callable, field: phi.Field, *parts: list[Array]) -> phi.Field:
    """Apply a function of arrays in a box, periodic or not, to all components of a field at once.

    What it takes of each component is given as lists. At once: it is compiled for one array. A wall
    at rest is one more layer of zeros around the grid, and whatever lies beyond it is zero too.
    """
    if field.boundary not in (phi.PERIODIC, phi.NO_FLUX, phi.WALL):
        raise ValueError(f"advect: no scheme for the boundary {field.boundary}")
    shapes = [values.shape for values in parts[0]]
    if field.boundary == phi.WALL:
        whole = np.max(shapes, axis=0) + 2
        parts = tuple([_walled(x, whole) for x in part] for part in parts)
    mapped = jax.vmap(functools.partial(function, periodic=field.boundary == phi.PERIODIC))
    moved = mapped(*(jnp.stack(part) for part in parts))
    if field.boundary == phi.WALL:
        cut = [tuple(slice(1, n + 1) for n in shape) for shape in shapes]
        return phi.with_components(field, [x[c] for x, c in zip(moved, cut, strict=True)])
    return phi.with_components(field, list(moved))


def _walled(x: Array, whole: np.ndarray) -> Array:
    """Return an array with zeros around its last axes: a layer before, up to a shape after."""
    dims = len(whole)
    margin = [(1, total - n - 1) for n, total in zip(x.shape[-dims:], whole, strict=True)]
    return jnp.pad(x, [(0, 0)] * (x.ndim - dims) + margin)


def _limit(values: Array, displacement: Array, new: Array, *, periodic: bool) -> Array:
    """Clamp `new` between the lowest and the highest neighbour of the displaced points."""

    @jax.custom_jvp
    def limit(values, displacement, new):
        corners = [value for value, _ in _corners(values, displacement, periodic)]
        return jnp.clip(
            new, functools.reduce(jnp.minimum, corners), functools.reduce(jnp.maximum, corners)
        )

    @limit.defjvp
    def _(primals, tangents):
        return _limit_with_tangent(*primals, tangents[0], tangents[2], periodic)

    return limit(values, displacement, new)


def _limit_with_tangent(values, displacement, new, tangent, new_tangent, periodic):
    """Return the clamped value and its tangent: its own, or that of the neighbour it equals."""
    low = high = None
    for candidate in _corners(values, displacement, periodic):
        low = _better(low, candidate, jnp.less)
        high = _better(high, candidate, jnp.greater)
    over = new > high[0]
    outside = over | (new < low[0])
    place = jnp.stack([jnp.where(over, h, b) for h, b in zip(high[1], low[1], strict=True)])
    neighbour = interpolate(tangent, place, periodic=periodic)
    return jnp.clip(new, low[0], high[0]), jnp.where(outside, neighbour, new_tangent)


def _corners(values: Array, displacement: Array, periodic: bool):
    """Yield the value of each neighbour of the displaced points, and the way there, in cells."""
    pairs, _ = cells(displacement, periodic=periodic)
    for corner in itertools.product((0, 1), repeat=values.ndim):
        value = take(values, tuple(pair[i] for pair, i in zip(pairs, corner, strict=True)))
        yield value, [jnp.ceil(d) - upper for d, upper in zip(displacement, corner, strict=True)]


def _better(best, candidate, compare):
    if best is None:
        return candidate
    wins = compare(candidate[0], best[0])
    return (
        jnp.where(wins, candidate[0], best[0]),
        [jnp.where(wins, c, b) for c, b in zip(candidate[1], best[1], strict=True)],
    )


def _per_cell(velocity: phi.Field, dt: float) -> tuple[float, ...]:
    return tuple(dt / dx for dx in phi.spacing(velocity))


def _stack(parts: list[Array], scale: tuple[float, ...]) -> Array:
    return jnp.stack([part * s for part, s in zip(parts, scale, strict=True)])


def _sample(velocity: phi.Field, field: phi.Field) -> list[list[Array]]:
    """Return the velocity at the points of each component of a field, linear between faces.

    Raises:
        ValueError: A staggered field would need the velocity at cell centres on its faces.
    """
    parts = phi.components(velocity)
    if not velocity.is_staggered:
        if field.is_staggered:
            raise ValueError("advect: a staggered field needs a staggered velocity")
        return [parts] * len(phi.components(field))
    closed = velocity.boundary != phi.PERIODIC
    centers = [_to_center(part, axis, closed) for axis, part in enumerate(parts)]
    if not field.is_staggered:
        return [centers] * len(phi.components(field))
    return [
        [parts[b] if a == b else _to_face(centers[b], a, closed) for b in range(len(parts))]
        for a in range(len(parts))
    ]


def _to_center(faces: Array, axis: int, closed: bool) -> Array:
    """Return the mean of the two faces of each cell; in a closed box the outer ones are at rest."""
    if not closed:
        return 0.5 * (faces + jnp.roll(faces, -1, axis))
    faces = jnp.pad(faces, [(int(i == axis),) * 2 for i in range(faces.ndim)])
    return 0.5 * (_without(faces, axis, -1) + _without(faces, axis, 0))


def _to_face(centers: Array, axis: int, closed: bool) -> Array:
    """Return the mean of the two cells at each face (in a closed box, at each inner face)."""
    if not closed:
        return 0.5 * (centers + jnp.roll(centers, 1, axis))
    return 0.5 * (_without(centers, axis, -1) + _without(centers, axis, 0))


def _without(values: Array, axis: int, end: int) -> Array:
    """Drop the first (0) or the last (-1) layer."""
    n = values.shape[axis]
    return jax.lax.slice_in_dim(values, 1 if end == 0 else 0, n if end == 0 else n - 1, axis=axis)
