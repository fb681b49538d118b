"""A tracer carried by a steady flow."""

from __future__ import annotations

from dataclasses import dataclass

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Key

from hycojax.grid.domain import Boundary, Channel
from hycojax.grid.random_fields import random_field, random_flow
from hycojax.models import parameters as parameter
from hycojax.models.model import PhysicalModel, SharedDomain
from hycojax.models.parameters import Parameter, quantity
from hycojax.physics import phi
from hycojax.physics.checks import check
from hycojax.physics.operators import advect


def channels(dims: int) -> tuple[Channel, ...]:
    """Return the channels of an advection state."""
    flow = (Channel(f"velocity_{'xyz'[i]}", "m/s", static=True) for i in range(dims))
    return (Channel("tracer"), *flow)


@dataclass(frozen=True)
class Advection(PhysicalModel):
    """Tracer f in a steady velocity u, faster or slower than u by a factor c.

        df/dt + c u . grad f = 0

    on a periodic box in 1 to 3 dimensions. MacCormack along paths traced by the midpoint
    rule: of second order, without overshoots, stable for every dt.

    State: tracer f [1] and velocity u [m/s], which is static, at cell centres. Good values: up to
    two cells a step.
    """

    domain: SharedDomain
    dt: float = 1.0
    """Time step, in seconds."""
    coefficient: Parameter = quantity(1.0, unit="1", varies=True)
    """Factor c on the velocity: a number, or a field that modulates it."""

    def __post_init__(self):
        check(self, channels(self.domain.dims), (Boundary.PERIODIC,))

    def forward(
        self, params: dict[str, Array], state: Float[Array, "*shape channels"]
    ) -> Float[Array, "*shape channels"]:
        """Return the state `dt` later."""
        factor = parameter.coefficients(self, params)["coefficient"]
        with phi.precision(state):
            flow = [factor * state[..., 1 + axis] for axis in range(self.domain.dims)]
            velocity = phi.centered_vector(self.domain, flow)
            tracer = phi.centered(self.domain, state[..., 0])
            tracer = advect.mac_cormack(tracer, velocity, self.dt, integrator=advect.midpoint)
            return state.at[..., 0].set(phi.cell_values(tracer))

    def sample(self, key: Key[Array, ""]) -> Float[Array, "*shape channels"]:
        """Draw a tracer of long waves (mean square 1) and a flow without divergence (1 m/s)."""
        tracer = random_field(jax.random.fold_in(key, 0), self.domain)
        flow = random_flow(jax.random.fold_in(key, 1), self.domain, waves=2)
        return jnp.stack([tracer, *flow], axis=-1)
