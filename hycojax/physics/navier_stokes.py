"""Incompressible flow driven by a buoyancy that varies in space."""

from __future__ import annotations

from dataclasses import dataclass

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Key

from hycojax.grid.domain import Boundary, Channel
from hycojax.grid.random_fields import Waves, random_field
from hycojax.models import parameters as parameter
from hycojax.models.model import PhysicalModel, SharedDomain
from hycojax.models.parameters import Parameter, quantity
from hycojax.physics import phi
from hycojax.physics.checks import check, diffusion_stages
from hycojax.physics.operators import advect
from hycojax.physics.operators.fluid import flow_step


def channels(dims: int) -> tuple[Channel, ...]:
    """Return the channels of a buoyant flow in `dims` (2 or 3) dimensions."""
    faces = (Channel(f"velocity_{'xyz'[i]}", "m/s", face=i) for i in range(dims))
    return (Channel("density"), *faces)


@dataclass(frozen=True)
class NavierStokes(PhysicalModel):
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

    domain: SharedDomain
    dt: float = 1.0
    """Time step, in seconds. Best if the fastest flow crosses no more than two cells in it."""
    buoyancy: Parameter = quantity(Waves(mean=0.1, amplitude=0.03), unit="m/s²", varies=True)
    """Upward acceleration b of the pure substance, in m/s^2: a field or a number."""
    viscosity: Parameter = quantity(0.5, unit="m²/s", low=0.0)
    """Kinematic viscosity nu, in m^2/s."""

    def __post_init__(self):
        check(self, channels(self.domain.dims), (Boundary.CLOSED,), dims=(2, 3))
        diffusion_stages(self, "viscosity")

    def forward(
        self, params: dict[str, Array], state: Float[Array, "*shape channels"]
    ) -> Float[Array, "*shape channels"]:
        """Return the state `dt` later."""
        values = parameter.coefficients(self, params)
        with phi.precision(state):
            density = phi.centered(self.domain, state[..., 0])
            faces = [state[..., 1 + axis] for axis in range(self.domain.dims)]
            velocity = phi.staggered(self.domain, faces)
            density = advect.mac_cormack(density, velocity, self.dt)
            lift = values["buoyancy"] * phi.cell_values(density)
            stages = diffusion_stages(self, "viscosity")
            velocity = flow_step(velocity, lift, values["viscosity"], self.dt, stages)
            return jnp.stack([phi.cell_values(density), *phi.face_values(velocity)], axis=-1)

    def sample(self, key: Key[Array, ""]) -> Float[Array, "*shape channels"]:
        """Draw clouds of the substance, density 0 to 1, in a fluid at rest: no two alike."""
        waves = random_field(key, self.domain, waves=2)
        density = jax.nn.sigmoid(3 * waves)[..., None]
        return jnp.concatenate(
            [density, jnp.zeros((*self.domain.shape, self.domain.dims))], axis=-1
        )
