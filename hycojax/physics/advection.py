"""A tracer carried by a steady flow."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Key

from hycojax.grid.domain import Boundary, Channel, Domain, vector_channels
from hycojax.grid.random_fields import random_field, random_flow
from hycojax.models.coefficients import Coefficient, coefficient
from hycojax.models.pde import PDE, Setting
from hycojax.physics import phi
from hycojax.physics.operators import advect


@dataclass(frozen=True)
class Advection(PDE):
    """Tracer f in a steady velocity u, faster or slower than u by a factor c.

        df/dt + c u . grad f = 0

    on a periodic box in 1 to 3 dimensions. MacCormack along paths traced by the midpoint
    rule: of second order, without overshoots, stable for every dt.

    State: tracer f [1] and velocity u [m/s], which is static, at cell centres. Good values: up to
    two cells a step.
    """

    boundaries = (Boundary.PERIODIC,)

    coefficient: Coefficient = coefficient(1.0, unit="1", varies=True)
    """Factor c on the velocity: a number, or a field that modulates it."""

    def channels(self, dims: int) -> tuple[Channel, ...]:
        """Return the tracer and the flow, which is static."""
        flow = vector_channels("velocity", "m/s", dims, static=True)
        return (Channel("tracer"), *flow)

    def step(
        self, at: Setting, values: dict[str, Any], state: Float[Array, "*shape channels"]
    ) -> Float[Array, "*shape channels"]:
        """Return the state `at.dt` later."""
        factor = values["coefficient"]
        with phi.precision(state):
            flow = [factor * state[..., 1 + axis] for axis in range(at.domain.dims)]
            velocity = phi.centered_vector(at.domain, flow)
            tracer = phi.centered(at.domain, state[..., 0])
            tracer = advect.mac_cormack(tracer, velocity, at.dt, integrator=advect.midpoint)
            return state.at[..., 0].set(phi.cell_values(tracer))

    def draw(self, domain: Domain, key: Key[Array, ""]) -> Float[Array, "*shape channels"]:
        """Draw a tracer of long waves (mean square 1) and a flow without divergence (1 m/s)."""
        tracer = random_field(jax.random.fold_in(key, 0), domain)
        flow = random_flow(jax.random.fold_in(key, 1), domain, waves=2)
        return jnp.stack([tracer, *flow], axis=-1)
