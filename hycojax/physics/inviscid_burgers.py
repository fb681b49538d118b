"""Burgers flow without viscosity, in a potential."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Key

from hycojax.grid.domain import Boundary, Channel, Domain, vector_channels
from hycojax.grid.random_fields import Waves, random_field
from hycojax.models.coefficients import Coefficient, coefficient
from hycojax.models.pde import PDE, Setting
from hycojax.physics import phi
from hycojax.physics.operators import advect


@dataclass(frozen=True)
class InviscidBurgers(PDE):
    """Velocity u that carries itself, in a force with a potential.

        du/dt + u . grad u = -grad(phi)

    on a periodic box in 1 to 3 dimensions. One step of length dt: half of the force (central
    differences), MacCormack along the velocity half a step ahead, half of the force; second order
    where u is smooth. Nothing overshoots in a shock, and the velocity grows by no more than the
    force, so that the step is stable for every dt.

    State: velocity u [m/s] at cell centres. The potential matters up to a constant only.
    """

    boundaries = (Boundary.PERIODIC,)

    potential: Coefficient = coefficient(Waves(amplitude=0.5), unit="m²/s²", varies=True)
    """Potential phi of the force, in m^2/s^2."""

    @property
    def smooth(self) -> bool:
        """Whether nothing is limited: velocities are, to those of the neighbours."""
        return False

    def channels(self, dims: int) -> tuple[Channel, ...]:
        """Return the components of the velocity."""
        return vector_channels("velocity", "m/s", dims)

    def step(
        self, at: Setting, values: dict[str, Any], state: Float[Array, "*shape dims"]
    ) -> Float[Array, "*shape dims"]:
        """Return the state `at.dt` later."""
        potential = values["potential"]
        with phi.precision(state):
            push = at.dt / 2 * _force(at.domain, jnp.broadcast_to(potential, at.domain.shape))
            state = state + push
            velocity = phi.centered_vector(at.domain, list(jnp.moveaxis(state, -1, 0)))
            velocity = advect.self_advect(velocity, at.dt)
            return jnp.stack(phi.components(velocity), axis=-1) + push

    def draw(self, domain: Domain, key: Key[Array, ""]) -> Float[Array, "*shape dims"]:
        """Draw long waves for each component, 1 m/s on average (root mean square)."""
        keys = jax.random.split(key, domain.dims)
        return jnp.stack([random_field(k, domain, waves=2) for k in keys], axis=-1)


def _force(domain: Domain, potential: Float[Array, "*shape"]) -> Float[Array, "*shape dims"]:
    field = phi.centered(domain, potential)
    return -jnp.stack(phi.components(phi.field.spatial_gradient(field)), axis=-1)
