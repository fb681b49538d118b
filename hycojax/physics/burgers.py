"""Viscous Burgers flow."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Key

from hycojax.grid.domain import Boundary, Channel, Domain, vector_channels
from hycojax.grid.random_fields import random_field
from hycojax.models.coefficients import Coefficient, coefficient
from hycojax.models.pde import PDE, Setting
from hycojax.physics import phi
from hycojax.physics.operators import advect, diffuse
from hycojax.physics.stages import diffusion_stages


@dataclass(frozen=True)
class Burgers(PDE):
    """Velocity u that carries itself and diffuses.

        du/dt + u . grad u = div(nu grad u)

    on a periodic box in 1 to 3 dimensions. One step of length dt: half a step of diffusion, then
    MacCormack along the velocity half a step ahead, then half a step of diffusion; second order in
    time and space. A constant viscosity diffuses exactly (Fourier), one that is a field by
    Runge-Kutta-Legendre stages, as many as its upper bound asks for. Stable for every dt.

    State: velocity u [m/s] at cell centres. Good values: up to two cells a step, and shocks of
    width nu / u no thinner than a cell.
    """

    boundaries = (Boundary.PERIODIC,)

    viscosity: Coefficient = coefficient(1.0, unit="m²/s", low=0.0, varies=True)
    """Kinematic viscosity nu, in m^2/s."""

    def plan(self, domain: Domain, dt: float) -> int | None:
        """Return the stages of half a step of diffusion, if the viscosity is a field."""
        return diffusion_stages(self, "viscosity", domain, dt, field_only=True)

    def channels(self, dims: int) -> tuple[Channel, ...]:
        """Return the components of the velocity."""
        return vector_channels("velocity", "m/s", dims)

    def step(
        self, at: Setting, values: dict[str, Any], state: Float[Array, "*shape dims"]
    ) -> Float[Array, "*shape dims"]:
        """Return the state `at.dt` later."""
        viscosity = values["viscosity"]
        with phi.precision(state):
            velocity = phi.centered_vector(at.domain, list(jnp.moveaxis(state, -1, 0)))
            velocity = _diffuse(at, velocity, viscosity)
            velocity = advect.self_advect(velocity, at.dt)
            velocity = _diffuse(at, velocity, viscosity)
            return jnp.stack(phi.components(velocity), axis=-1)

    def draw(self, domain: Domain, key: Key[Array, ""]) -> Float[Array, "*shape dims"]:
        """Draw long waves for each component, 1 m/s on average (root mean square)."""
        keys = jax.random.split(key, domain.dims)
        return jnp.stack([random_field(k, domain, waves=2) for k in keys], axis=-1)


def _diffuse(at: Setting, velocity: phi.Field, viscosity: float | Array) -> phi.Field:
    """Return a velocity after half a step of diffusion."""
    if at.plan is None:
        return diffuse.fourier(velocity, viscosity, at.dt / 2)
    local = phi.centered(at.domain, viscosity)
    return diffuse.super_time_step(velocity, local, at.dt / 2, at.plan)
