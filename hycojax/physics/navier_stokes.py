"""Incompressible flow driven by a buoyancy that varies in space."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Key

from hycojax.grid.domain import Boundary, Channel, Domain, Grid, vector_channels
from hycojax.grid.random_fields import Waves, random_field
from hycojax.models.coefficients import Coefficient, coefficient
from hycojax.models.pde import PDE, Setting
from hycojax.physics import phi
from hycojax.physics.operators import advect
from hycojax.physics.operators.fluid import flow_step, without_divergence
from hycojax.physics.stages import diffusion_stages


@dataclass(frozen=True)
class NavierStokes(PDE):
    """Density d of a light substance in an incompressible flow u, which its buoyancy drives.

        dd/dt + u . grad d = 0
        du/dt + u . grad u = -grad p + nu laplace u + b(x) d e_up,     div u = 0

    on a closed box with no-slip walls (u = 0) and no flux of the substance. Up is the y axis. One
    step of length dt: MacCormack for d and u, the buoyancy of the new density, diffusion in
    Runge-Kutta-Legendre stages, pressure projection. Stable for every dt, of second order in space
    and first in time.

    State: density d [1] at cell centres, velocity u [m/s] on lower faces. Where nothing light comes
    by, the data say nothing about b.
    """

    boundaries = (Boundary.CLOSED,)
    dimensions = (2, 3)

    buoyancy: Coefficient = coefficient(Waves(mean=0.1, amplitude=0.03), unit="m/s²", varies=True)
    """Upward acceleration b of the pure substance, in m/s^2: a field or a number."""
    viscosity: Coefficient = coefficient(0.5, unit="m²/s", low=0.0)
    """Kinematic viscosity nu, in m^2/s."""

    def plan(self, domain: Domain, dt: float) -> int:
        """Return the stages of a step of diffusion."""
        return diffusion_stages(self, "viscosity", domain, dt)

    def channels(self, dims: int) -> tuple[Channel, ...]:
        """Return the density and the components of the velocity, on lower faces."""
        faces = vector_channels("velocity", "m/s", dims, staggered=True)
        return (Channel("density"), *faces)

    def step(
        self, at: Setting, values: dict[str, Any], state: Float[Array, "*shape channels"]
    ) -> Float[Array, "*shape channels"]:
        """Return the state `at.dt` later."""
        with phi.precision(state):
            density = phi.centered(at.domain, state[..., 0])
            velocity = phi.staggered(at.domain, list(jnp.moveaxis(state[..., 1:], -1, 0)))
            density = advect.mac_cormack(density, velocity, at.dt)
            return buoyant_state(at, values, density, velocity)

    def admissible(
        self, domain: Grid, state: Float[Array, "*shape channels"]
    ) -> Float[Array, "*shape channels"]:
        """Return the state with the nearest velocity that has no divergence."""
        return without_divergence(domain, state, 1)

    def draw(self, domain: Domain, key: Key[Array, ""]) -> Float[Array, "*shape channels"]:
        """Draw clouds of the substance, density 0 to 1, in a fluid at rest: no two alike."""
        waves = random_field(key, domain, waves=2)
        density = jax.nn.sigmoid(3 * waves)[..., None]
        return jnp.concatenate([density, jnp.zeros((*domain.shape, domain.dims))], axis=-1)


def buoyant_state(
    at: Setting, values: dict[str, Any], density: phi.Field, velocity: phi.Field
) -> Float[Array, "*shape channels"]:
    """Return a state with the density as given and the velocity after a step under its buoyancy."""
    lift = values["buoyancy"] * phi.cell_values(density)
    velocity = flow_step(velocity, lift, values["viscosity"], at.dt, at.plan)
    return jnp.stack([phi.cell_values(density), *phi.face_values(velocity)], axis=-1)
