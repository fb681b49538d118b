"""Burgers flow without viscosity, in a potential."""

from __future__ import annotations

from dataclasses import dataclass

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Key

from hycojax.grid.domain import Boundary
from hycojax.grid.random_fields import Waves, random_field
from hycojax.models import parameters as parameter
from hycojax.models.model import PhysicalModel, SharedDomain
from hycojax.models.parameters import Parameter, quantity
from hycojax.physics import phi
from hycojax.physics.burgers import channels
from hycojax.physics.checks import check
from hycojax.physics.operators import advect

__all__ = ["InviscidBurgers", "channels"]


@dataclass(frozen=True)
class InviscidBurgers(PhysicalModel):
    """Velocity u that carries itself, in a force with a potential.

        du/dt + u . grad u = -grad(phi)

    on a periodic box in 1 to 3 dimensions. One step of length dt: half of the force (central
    differences), MacCormack along the velocity half a step ahead, half of the force; second order
    where u is smooth. Nothing overshoots in a shock, and the velocity grows by no more than the
    force, so that the step is stable for every dt.

    State: velocity u [m/s] at cell centres. The potential matters up to a constant only.
    """

    domain: SharedDomain
    dt: float = 1.0
    """Time step, in seconds."""
    potential: Parameter = quantity(Waves(amplitude=0.5), unit="m²/s²", varies=True)
    """Potential phi of the force, in m^2/s^2."""

    def __post_init__(self):
        check(self, channels(self.domain.dims), (Boundary.PERIODIC,))

    def forward(
        self, params: dict[str, Array], state: Float[Array, "*shape dims"]
    ) -> Float[Array, "*shape dims"]:
        """Return the state `dt` later."""
        potential = parameter.coefficients(self, params)["potential"]
        with phi.precision(state):
            push = self.dt / 2 * self._force(jnp.broadcast_to(potential, self.domain.shape))
            state = state + push
            velocity = phi.centered_vector(self.domain, list(jnp.moveaxis(state, -1, 0)))
            velocity = advect.self_advect(velocity, self.dt)
            return jnp.stack(phi.components(velocity), axis=-1) + push

    def sample(self, key: Key[Array, ""]) -> Float[Array, "*shape dims"]:
        """Draw long waves for each component, 1 m/s on average (root mean square)."""
        keys = jax.random.split(key, self.domain.dims)
        return jnp.stack([random_field(k, self.domain, waves=2) for k in keys], axis=-1)

    def _force(self, potential: Float[Array, "*shape"]) -> Float[Array, "*shape dims"]:
        field = phi.centered(self.domain, potential)
        return -jnp.stack(phi.components(phi.field.spatial_gradient(field)), axis=-1)
