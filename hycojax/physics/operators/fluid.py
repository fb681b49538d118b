"""Incompressible flow on a staggered grid: the pressure projection, and steps that end in it."""

from __future__ import annotations

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from hycojax.grid.domain import Grid
from hycojax.grid.stencils import unit_of
from hycojax.kernels import spectrum
from hycojax.physics import phi
from hycojax.physics.operators import advect, diffuse


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
    periodic, unit = velocity.boundary == phi.PERIODIC, unit_of(phi.spacing(velocity))
    dx = tuple(d / unit for d in phi.spacing(velocity))
    faces = phi.components(velocity)
    pressure = _solve_poisson(_divergence(faces, dx, periodic), dx, periodic)
    projected = [
        face - _difference(pressure, axis, periodic, lower=True) / dx[axis]
        for axis, face in enumerate(faces)
    ]
    return phi.with_components(velocity, projected), phi.scalar_like(velocity, pressure * unit)


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


def flow_step(
    velocity: phi.Field, lift: Array, viscosity: float | Array, dt: float, stages: int
) -> phi.Field:
    """Return a viscous flow between walls `dt` later, under an upward acceleration.

        du/dt + u . grad u = -grad p + nu laplace u + lift e_up,     div u = 0

    by MacCormack, the lift, diffusion in Runge-Kutta-Legendre stages, and pressure projection.
    Stable for every dt up to the viscosity that `stages` are for; of second order in space and
    first in time.

    Args:
        velocity: Staggered velocity, in m/s.
        lift: Acceleration along y at cell centres, in m/s^2.
        viscosity: Kinematic viscosity nu, in m^2/s.
        dt: Time step, in seconds.
        stages: Stages of the diffusion (see `diffuse.stages`).
    """
    velocity = advect.mac_cormack(velocity, velocity, dt)
    velocity = add_lift(velocity, dt * lift)
    velocity = diffuse.super_time_step(velocity, viscosity, dt, stages)
    return make_incompressible(velocity)[0]


def add_lift(velocity: phi.Field, gain: Array) -> phi.Field:
    """Add an upward (y) gain in velocity, given at cell centres, to a staggered velocity in walls.

    The faces take the mean of their two cells.
    """
    across, up, *others = phi.components(velocity)
    lift = 0.5 * (gain[:, 1:] + gain[:, :-1])
    return phi.with_components(velocity, [across, up + lift, *others])


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
