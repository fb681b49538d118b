"""Viscous Burgers flow."""

from __future__ import annotations

from dataclasses import dataclass

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Key

from hycojax.grid.domain import Boundary, Channel
from hycojax.grid.random_fields import random_field
from hycojax.models import parameters as parameter
from hycojax.models.model import PhysicalModel, SharedDomain
from hycojax.models.parameters import Parameter, quantity
from hycojax.physics import phi
from hycojax.physics.checks import check, diffusion_stages
from hycojax.physics.operators import advect, diffuse


def channels(dims: int) -> tuple[Channel, ...]:
    """Return the channels of a Burgers state."""
    return tuple(Channel(f"velocity_{'xyz'[i]}", "m/s") for i in range(dims))


@dataclass(frozen=True)
class Burgers(PhysicalModel):
    """Velocity u that carries itself and diffuses.

        du/dt + u . grad u = div(nu grad u)

    on a periodic box in 1 to 3 dimensions. One step of length dt: half a step of diffusion, then
    MacCormack along the velocity half a step ahead, then half a step of diffusion; second order in
    time and space. A constant viscosity diffuses exactly (Fourier), one that is a field by
    Runge-Kutta-Legendre stages, as many as its upper bound asks for. Stable for every dt.

    State: velocity u [m/s] at cell centres. Good values: up to two cells a step, and shocks of
    width nu / u no thinner than a cell.
    """

    domain: SharedDomain
    dt: float = 1.0
    """Time step, in seconds."""
    viscosity: Parameter = quantity(1.0, unit="m²/s", low=0.0, varies=True)
    """Kinematic viscosity nu, in m^2/s."""

    def __post_init__(self):
        check(self, channels(self.domain.dims), (Boundary.PERIODIC,))
        if self.viscosity.varies:
            diffusion_stages(self, "viscosity")

    def forward(
        self, params: dict[str, Array], state: Float[Array, "*shape dims"]
    ) -> Float[Array, "*shape dims"]:
        """Return the state `dt` later."""
        viscosity = parameter.coefficients(self, params)["viscosity"]
        with phi.precision(state):
            velocity = phi.centered_vector(self.domain, list(jnp.moveaxis(state, -1, 0)))
            velocity = self._diffuse(velocity, viscosity)
            velocity = advect.self_advect(velocity, self.dt)
            velocity = self._diffuse(velocity, viscosity)
            return jnp.stack(phi.components(velocity), axis=-1)

    def sample(self, key: Key[Array, ""]) -> Float[Array, "*shape dims"]:
        """Draw long waves for each component, 1 m/s on average (root mean square)."""
        keys = jax.random.split(key, self.domain.dims)
        return jnp.stack([random_field(k, self.domain, waves=2) for k in keys], axis=-1)

    def _diffuse(self, velocity: phi.Field, viscosity: float | Array) -> phi.Field:
        if not self.viscosity.varies:
            return diffuse.fourier(velocity, viscosity, self.dt / 2)
        local = phi.centered(self.domain, viscosity)
        stages = diffusion_stages(self, "viscosity")
        return diffuse.super_time_step(velocity, local, self.dt / 2, stages)
