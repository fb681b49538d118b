"""A plume of buoyant smoke in a closed box (Boussinesq approximation)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Key

from hycojax.grid.domain import Boundary, Channel, Domain, Grid, vector_channels
from hycojax.kernels.random_arrays import uniform
from hycojax.models.coefficients import Coefficient, coefficient
from hycojax.models.pde import PDE, Setting
from hycojax.physics import phi
from hycojax.physics.navier_stokes import buoyant_state
from hycojax.physics.operators import advect
from hycojax.physics.operators.fluid import without_divergence
from hycojax.physics.stages import diffusion_stages


@dataclass(frozen=True)
class Smoke(PDE):
    """Smoke of density d, carried by an incompressible flow u which its buoyancy drives.

        dd/dt + u . grad d = q s(x)
        du/dt + u . grad u = -grad p + nu laplace u + b d e_up,     div u = 0

    on a closed box with no-slip walls (u = 0) and no flux of smoke. Up is the y axis. One step of
    length dt: MacCormack for d, then the inflow; MacCormack for u; the buoyancy of the new density;
    diffusion in Runge-Kutta-Legendre stages, as many as the upper bound of nu asks for; pressure
    projection. Stable for every dt, of second order in space and first in time. The scheme follows
    PhiFlow's smoke (Holl, Thuerey: "PhiFlow", ICML 2024).

    State: density d [1] and source s [1] at cell centres, velocity u [m/s] on lower faces. The
    source is a ball, drawn with the initial state: its place, radius and strength differ from one
    simulation to the next.
    """

    boundaries = (Boundary.CLOSED,)
    dimensions = (2, 3)

    buoyancy: Coefficient = coefficient(0.1, unit="m/s²", low=0.0)
    """Upward acceleration b of smoke of density 1, in m/s^2. Good values: 0.02 to 1."""
    viscosity: Coefficient = coefficient(1.0, unit="m²/s", low=0.0)
    """Kinematic viscosity nu, in m^2/s."""
    inflow: Coefficient = coefficient(0.1, unit="1/s", low=0.0)
    """Rate q at which a source of strength 1 makes smoke, in 1/s."""

    def plan(self, domain: Domain, dt: float) -> int:
        """Return the stages of a step of diffusion."""
        return diffusion_stages(self, "viscosity", domain, dt)

    def channels(self, dims: int) -> tuple[Channel, ...]:
        """Return the density, the velocity on lower faces, and the source."""
        faces = vector_channels("velocity", "m/s", dims, staggered=True)
        return (Channel("density"), *faces, Channel("source", static=True))

    def step(
        self, at: Setting, values: dict[str, Any], state: Float[Array, "*shape channels"]
    ) -> Float[Array, "*shape channels"]:
        """Return the state `at.dt` later."""
        with phi.precision(state):
            density = phi.centered(at.domain, state[..., 0])
            source = phi.centered(at.domain, state[..., -1])
            velocity = phi.staggered(at.domain, list(jnp.moveaxis(state[..., 1:-1], -1, 0)))
            density = advect.mac_cormack(density, velocity, at.dt)
            density = density + source * (at.dt * values["inflow"])
            moving = buoyant_state(at, values, density, velocity)
        return jnp.concatenate([moving, state[..., -1:]], axis=-1)

    def admissible(
        self, domain: Grid, state: Float[Array, "*shape channels"]
    ) -> Float[Array, "*shape channels"]:
        """Return the state with the nearest velocity that has no divergence."""
        return without_divergence(domain, state, 1)

    def draw(self, domain: Domain, key: Key[Array, ""]) -> Float[Array, "*shape channels"]:
        """Draw a source low in the box: radius 7 to 11 % of the width, strength 0.5 to 1.5.

        Smoke of density 1 fills it; the fluid is at rest.
        """
        place, height, size, strength = (jax.random.fold_in(key, i) for i in range(4))
        lengths = jnp.asarray(domain.size)
        center = lengths * uniform(place, lengths.shape, 0.35, 0.65)
        center = center.at[1].set(lengths[1] * uniform(height, (), 0.15, 0.3))
        radius = lengths[0] * uniform(size, (), 0.07, 0.11)
        ball = _ball(domain, center, radius)
        source = ball * uniform(strength, (), 0.5, 1.5)
        at_rest = jnp.zeros((*domain.shape, domain.dims))
        return jnp.concatenate([ball[..., None], at_rest, source[..., None]], axis=-1)


def _ball(domain: Domain, center: Float[Array, " dims"], radius: Array) -> Float[Array, "*shape"]:
    """Return a ball with a soft edge that a coarse grid resolves: 1 inside, 1/2 at `radius`.

    A sharp edge would be the under-resolved part of the flow and would bias what is identified.
    """
    squares = ((x - c) ** 2 for x, c in zip(domain.centers(), center, strict=True))
    distance = jnp.sqrt(sum(squares)) / radius
    return jnp.where(distance < 2, 0.5 * (1 + jnp.cos(jnp.pi * distance / 2)), 0.0)
