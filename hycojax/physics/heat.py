"""Heat conduction."""

from __future__ import annotations

from dataclasses import dataclass

from jaxtyping import Array, Float, Key

from hycojax.grid.domain import Channel
from hycojax.grid.random_fields import random_field
from hycojax.models import parameters as parameter
from hycojax.models.model import PhysicalModel, SharedDomain
from hycojax.models.parameters import Parameter, quantity
from hycojax.physics import phi
from hycojax.physics.checks import check, diffusion_stages
from hycojax.physics.operators import diffuse

CHANNELS = (Channel("temperature", "K"),)


@dataclass(frozen=True)
class Heat(PhysicalModel):
    """Temperature T that spreads with a diffusivity a.

        dT/dt = div(a grad T),    for a constant a mode k decays as exp(-a |k|^2 t)

    on a periodic box, or a closed one without flux through the walls, in 1 to 3 dimensions. With a
    constant diffusivity the step is exact in time for every mode of the grid, whatever dt and dx.
    One that is a field gives fluxes, so that heat is conserved, in Runge-Kutta-Legendre stages, as
    many as its upper bound asks for.

    State: temperature T [K] at cell centres. Good values: a dt / L^2 from 1e-5 to 1e-3.
    """

    domain: SharedDomain
    dt: float = 1.0
    """Time step, in seconds."""
    diffusivity: Parameter = quantity(1.0, unit="m²/s", low=0.0, varies=True)
    """Thermal diffusivity a, in m^2/s: a number or a field."""

    def __post_init__(self):
        check(self, CHANNELS)
        if self.diffusivity.varies:
            diffusion_stages(self, "diffusivity")

    def forward(
        self, params: dict[str, Array], state: Float[Array, "*shape 1"]
    ) -> Float[Array, "*shape 1"]:
        """Return the state `dt` later."""
        diffusivity = parameter.coefficients(self, params)["diffusivity"]
        with phi.precision(state):
            temperature = phi.centered(self.domain, state[..., 0])
            if self.diffusivity.varies:
                local = phi.centered(self.domain, diffusivity)
                stages = diffusion_stages(self, "diffusivity")
                temperature = diffuse.super_time_step(temperature, local, self.dt, stages)
            else:
                temperature = diffuse.fourier(temperature, diffusivity, self.dt)
            return phi.cell_values(temperature)[..., None]

    def sample(self, key: Key[Array, ""]) -> Float[Array, "*shape 1"]:
        """Draw a random sum of long waves: mean square 1, no two alike."""
        return random_field(key, self.domain)[..., None]
