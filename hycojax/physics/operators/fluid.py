"""Incompressible flow on a staggered grid: divergence and the pressure projection."""

from __future__ import annotations

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from hycojax.grid.domain import Grid
from hycojax.grid.stencils import unit_of
from hycojax.kernels import spectrum
from hycojax.physics import phi


def make_incompressible(velocity: phi.Field) -> tuple[phi.Field, phi.Field]:
    """Project a staggered velocity on its divergence-free part.

        laplace(p) = div(u),   u <- u - grad(p),   dp/dn = 0 on walls

    with the 3-point Laplacian of the staggered grid, which the Fourier transform (periodic box) or
    the cosine transform (closed box) diagonalises: eigenvalues (2 cos(k dx) - 2) / dx^2 along each
    axis. The solve is exact to rounding, has no tolerance, and differentiates in both modes.

    Args:
        velocity: Staggered velocity in a periodic box or between walls at rest.

    Returns:
        The projected velocity, and the pressure times the time step.

    Raises:
        ValueError: The velocity is not staggered, or its boundary neither periodic nor a wall.

    Source: G. Strang, "The Discrete Cosine Transform", SIAM Review 41 (1999), section 3.
    """
    if not velocity.is_staggered:
        raise ValueError("make_incompressible: the velocity must be staggered")
    if velocity.boundary not in (phi.PERIODIC, phi.WALL):
        raise ValueError("make_incompressible: the box must be periodic or have walls at rest")
    periodic = velocity.boundary == phi.PERIODIC
    free, pressure = projected(phi.components(velocity), phi.spacing(velocity), periodic)
    return phi.with_components(velocity, free), phi.scalar_like(velocity, pressure)


def projected(
    faces: list[Array], dx: tuple[float, ...], periodic: bool = False
) -> tuple[list[Array], Array]:
    """Return `make_incompressible` of arrays: the projected components and the pressure times dt.

    Args:
        faces: The components on lower faces; in a closed box, on the faces between cells.
        dx: Cell width along each axis, in metres.
        periodic: Whether the box is periodic.
    """
    unit = unit_of(dx)
    dx = tuple(d / unit for d in dx)
    pressure = _solve_poisson(_divergence(faces, dx, periodic), dx, periodic)
    free = [
        face - _difference(pressure, axis, periodic, lower=True) / dx[axis]
        for axis, face in enumerate(faces)
    ]
    return free, pressure * unit


def without_divergence(
    domain: Grid, state: Float[Array, "*shape channels"], first: int
) -> Float[Array, "*shape channels"]:
    """Return a state whose velocity, in the channels from `first` on, has no divergence.

    It is the nearest one, by `make_incompressible`.
    """
    faces = slice(first, first + domain.dims)
    with phi.precision(state):
        velocity = phi.staggered(domain, list(jnp.moveaxis(state[..., faces], -1, 0)))
        projected, _ = make_incompressible(velocity)
        return state.at[..., faces].set(jnp.stack(phi.face_values(projected), axis=-1))


def divergence(velocity: phi.Field) -> phi.Field:
    """Return the net outflow of each cell per volume, in 1/s, for a staggered velocity."""
    periodic = velocity.boundary == phi.PERIODIC
    values = _divergence(phi.components(velocity), phi.spacing(velocity), periodic)
    return phi.scalar_like(velocity, values)


def _divergence(faces: list[Array], dx: tuple[float, ...], periodic: bool) -> Array:
    return sum(
        _difference(face, axis, periodic, lower=False) / d
        for axis, (face, d) in enumerate(zip(faces, dx, strict=True))
    )


def _difference(values: Array, axis: int, periodic: bool, lower: bool) -> Array:
    """Return differences of neighbours along an axis.

    From cells to their lower faces (in a closed box, to the inner ones), or from faces to cells (in
    a closed box, with zeros on the walls).
    """
    if periodic:
        return values - jnp.roll(values, 1, axis) if lower else jnp.roll(values, -1, axis) - values
    if not lower:
        values = jnp.pad(values, [(int(i == axis),) * 2 for i in range(values.ndim)])
    return jnp.diff(values, axis=axis)


def _solve_poisson(right: Array, dx: tuple[float, ...], periodic: bool) -> Array:
    """Solve the discrete Poisson equation, with zero mean."""
    symbol = spectrum.laplace_symbol(right.shape, dx, periodic)
    inverse = np.divide(1, symbol, where=symbol != 0, out=np.zeros(symbol.shape))
    return spectrum.multiply(right, inverse.astype(right.dtype), periodic)
