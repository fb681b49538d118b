"""Kolmogorov flow: incompressible flow driven by a shear force."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Key

from hycojax.grid.domain import Boundary, Channel, Domain, Grid, vector_channels
from hycojax.grid.random_fields import random_flow
from hycojax.models.coefficients import Coefficient, coefficient
from hycojax.models.pde import PDE, Setting
from hycojax.physics import phi
from hycojax.physics.operators import advect, diffuse
from hycojax.physics.operators.fluid import make_incompressible, without_divergence


@dataclass(frozen=True)
class Kolmogorov(PDE):
    """Incompressible velocity u, driven by a force along x that waves along y.

        du/dt + u . grad u = -grad p + nu laplace u + F sin(2 pi n y / L_y) e_x,     div u = 0

    on a periodic box in 2 or 3 dimensions. One step of length dt: MacCormack for u, half of the
    force, diffusion (exact in Fourier space), half of the force, pressure projection. Stable for
    every dt, of second order in space and first in time.

    State: velocity u [m/s] on lower faces. Laminar flow u = F / (nu k^2) sin(k y) e_x, k = 2 pi n /
    L_y, is steady, and unstable above a Reynolds number u / (nu k) of about sqrt(2).

    Source: L. D. Meshalkin, Ya. G. Sinai, J. Appl. Math. Mech. 25 (1961).
    """

    boundaries = (Boundary.PERIODIC,)
    dimensions = (2, 3)

    viscosity: Coefficient = coefficient(0.5, unit="m²/s", low=0.0)
    """Kinematic viscosity nu, in m^2/s."""
    forcing: Coefficient = coefficient(0.05, unit="m/s²")
    """Amplitude F of the force, in m/s^2."""
    waves: int = 4
    """Waves n of the force along y."""

    def __post_init__(self):
        super().__post_init__()
        if self.waves < 1:
            raise ValueError(f"waves = {self.waves}: at least 1 is needed")

    def channels(self, dims: int) -> tuple[Channel, ...]:
        """Return the components of the velocity, on lower faces."""
        return vector_channels("velocity", "m/s", dims, staggered=True)

    def plan(self, domain: Domain, dt: float) -> None:
        """Check that the grid resolves the force."""
        if self.waves > domain.shape[1] // 4:
            raise ValueError(
                f"waves = {self.waves}: at most a quarter of the cells along y is needed"
            )

    def step(
        self, at: Setting, values: dict[str, Any], state: Float[Array, "*shape dims"]
    ) -> Float[Array, "*shape dims"]:
        """Return the state `at.dt` later."""
        with phi.precision(state):
            velocity = phi.staggered(at.domain, list(jnp.moveaxis(state, -1, 0)))
            velocity = advect.mac_cormack(velocity, velocity, at.dt)
            velocity = self._push(at, velocity, values["forcing"])
            velocity = diffuse.fourier(velocity, values["viscosity"], at.dt)
            velocity = self._push(at, velocity, values["forcing"])
            velocity, _ = make_incompressible(velocity)
            return jnp.stack(phi.face_values(velocity), axis=-1)

    def admissible(
        self, domain: Grid, state: Float[Array, "*shape dims"]
    ) -> Float[Array, "*shape dims"]:
        """Return the state with the nearest velocity that has no divergence."""
        return without_divergence(domain, state, 0)

    def draw(self, domain: Domain, key: Key[Array, ""]) -> Float[Array, "*shape dims"]:
        """Draw a flow of long waves, 1 m/s on average (root mean square)."""
        faces = random_flow(key, domain, staggered=True)
        velocity, _ = make_incompressible(phi.staggered(domain, faces))
        return jnp.stack(phi.face_values(velocity), axis=-1)

    def _push(self, at: Setting, velocity: phi.Field, forcing: float | Array) -> phi.Field:
        """Add half a step of the force."""
        n, length = at.domain.shape[1], at.domain.size[1]
        height = (np.arange(n) + 0.5) * length / n  # the faces across x are at half heights
        wave = np.sin(2 * np.pi * self.waves * height / length)
        first, *others = phi.components(velocity)
        profile = wave.reshape(-1, *(1,) * (at.domain.dims - 2)).astype(first.dtype)
        return phi.with_components(velocity, [first + at.dt / 2 * forcing * profile, *others])
