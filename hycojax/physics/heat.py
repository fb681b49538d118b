"""Heat conduction."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from jaxtyping import Array, Float, Key

from hycojax.grid.domain import Channel, Domain
from hycojax.grid.random_fields import random_field
from hycojax.models.coefficients import Coefficient, coefficient
from hycojax.models.pde import PDE, Setting
from hycojax.physics import phi
from hycojax.physics.operators import diffuse
from hycojax.physics.stages import diffusion_stages


@dataclass(frozen=True)
class Heat(PDE):
    """Temperature T that spreads with a diffusivity a.

        dT/dt = div(a grad T),    for a constant a mode k decays as exp(-a |k|^2 t)

    on a periodic box, or a closed one without flux through the walls, in 1 to 3 dimensions. With a
    constant diffusivity the step is exact in time for every mode of the grid, whatever dt and dx.
    One that is a field gives fluxes, so that heat is conserved, in Runge-Kutta-Legendre stages, as
    many as its upper bound asks for.

    State: temperature T [K] at cell centres. Good values: a dt / L^2 from 1e-5 to 1e-3.
    """

    diffusivity: Coefficient = coefficient(1.0, unit="m²/s", low=0.0, varies=True)
    """Thermal diffusivity a, in m^2/s: a number or a field."""

    def plan(self, domain: Domain, dt: float) -> int | None:
        """Return the stages of a step, if the diffusivity is a field."""
        return diffusion_stages(self, "diffusivity", domain, dt)

    def channels(self, dims: int) -> tuple[Channel, ...]:
        """Return the channels of a state."""
        del dims  # the same in all
        return (Channel("temperature", "K"),)

    def step(
        self, at: Setting, values: dict[str, Any], state: Float[Array, "*shape 1"]
    ) -> Float[Array, "*shape 1"]:
        """Return the state `at.dt` later."""
        diffusivity = values["diffusivity"]
        with phi.precision(state):
            temperature = phi.centered(at.domain, state[..., 0])
            if at.plan is None:
                temperature = diffuse.fourier(temperature, diffusivity, at.dt)
            else:
                local = phi.centered(at.domain, diffusivity)
                temperature = diffuse.super_time_step(temperature, local, at.dt, at.plan)
            return phi.cell_values(temperature)[..., None]

    def draw(self, domain: Domain, key: Key[Array, ""]) -> Float[Array, "*shape 1"]:
        """Draw a random sum of long waves: mean square 1, no two alike."""
        return random_field(key, domain)[..., None]
