"""Incompressible flow driven by a buoyancy that varies in space."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Key

from hycojax.grid.domain import Domain
from hycojax.grid.random_fields import Waves, random_field
from hycojax.models.coefficients import Coefficient, coefficient
from hycojax.physics.closed_flow import ClosedFlow


@dataclass(frozen=True)
class NavierStokes(ClosedFlow):
    """Density d of a light substance in an incompressible flow u, which its buoyancy drives.

        dd/dt + u . grad d = 0
        du/dt + u . grad u = -grad p + nu laplace u + b(x) d e_up,     div u = 0

    on a closed box with no-slip walls (u = 0) and no flux of the substance. Up is the y axis. Of
    order 2 in time (`ClosedFlow`).

    State: density d [1], means over cells; velocity u [m/s], means over lower faces. Where nothing
    light comes by, the data say nothing about b.
    """

    buoyancy: Coefficient = coefficient(Waves(mean=0.1, amplitude=0.03), unit="m/s²", varies=True)
    """Upward acceleration b of the pure substance, in m/s^2: a field or a number."""
    viscosity: Coefficient = coefficient(0.5, unit="m²/s", low=0.0)
    """Kinematic viscosity nu, in m^2/s."""

    def forcing(
        self,
        values: dict[str, Any],
        density: Float[Array, "*shape"],
        static: Float[Array, "*shape 0"],
    ) -> tuple[float, Float[Array, "*shape"]]:
        """Return the lift b d; no substance is made."""
        del static
        return 0.0, values["buoyancy"] * density

    def draw(self, domain: Domain, key: Key[Array, ""]) -> Float[Array, "*shape channels"]:
        """Draw clouds of the substance, density 0 to 1, in a fluid at rest: no two alike."""
        waves = random_field(key, domain, waves=2)
        density = jax.nn.sigmoid(3 * waves)[..., None]
        return jnp.concatenate([density, jnp.zeros((*domain.shape, domain.dims))], axis=-1)
