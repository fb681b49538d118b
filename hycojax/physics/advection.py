"""A tracer carried by a steady flow."""

from __future__ import annotations

import enum
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Key

from hycojax.grid.domain import Channel, Domain, Grid, vector_channels
from hycojax.grid.random_fields import random_field, random_flow
from hycojax.models.coefficients import Coefficient, coefficient
from hycojax.models.pde import PDE, Setting
from hycojax.physics import phi, pseudo_spectral
from hycojax.physics.operators import advect
from hycojax.physics.operators.fourier import Fourier
from hycojax.physics.pseudo_spectral import Modes, PseudoSpectral


class Edges(enum.Enum):
    """How a tracer with edges is carried."""

    RESOLVED = "resolved"
    """Wave by wave, of order 4: for edges that the grid resolves."""
    LIMITED = "limited"
    """By MacCormack's method, of order 2: nothing overshoots, every step is stable."""


@dataclass(frozen=True)
class Advection(PseudoSpectral):
    """Tracer f in a steady velocity u, faster or slower than u by a factor c.

        df/dt + c u . grad f = 0

    on a periodic box in 1 to 3 dimensions. Pseudo-spectral, of order 4 in time (`PseudoSpectral`);
    with `edges` = "limited" MacCormack along paths traced by the midpoint rule.

    State: tracer f [1] and velocity u [m/s], which is static: means over cells.
    """

    coefficient: Coefficient = coefficient(1.0, unit="1", varies=True)
    """Factor c on the velocity: a number, or a field that modulates it."""
    edges: Edges = Edges.RESOLVED
    """How a tracer with edges is carried."""

    @property
    def smooth(self) -> bool:
        """Whether nothing is limited."""
        return self.edges is Edges.RESOLVED

    def channels(self, dims: int) -> tuple[Channel, ...]:
        """Return the tracer and the flow, which is static."""
        flow = vector_channels("velocity", "m/s", dims, static=True)
        return (Channel("tracer"), *flow)

    def step_rate(
        self, domain: Grid, values: dict[str, Any], largest: Float[Array, " channels"]
    ) -> Any:
        """Return the rate at which waves are carried, in 1/s."""
        if self.edges is Edges.LIMITED:
            return 0.0
        return values["coefficient"] * pseudo_spectral.courant_rate(domain, list(largest[1:]))

    def linear(self, fourier: Fourier, values: dict[str, Any]) -> float:
        """Return 0: everything is carried."""
        del fourier, values
        return 0.0

    def tendency(
        self, fourier: Fourier, values: dict[str, Any], static: Float[Array, " channel *shape"]
    ) -> Callable[[Modes], Modes]:
        """Return -c u . grad f."""
        flow = values["coefficient"] * static

        def rate(waves: Modes) -> Modes:
            slopes = [fourier.slope(waves[0], axis) for axis in range(fourier.grid.dims)]
            gained = jnp.sum(flow * fourier.values(jnp.stack(slopes)), 0)
            return -fourier.modes(gained)[None]

        return rate

    def march(
        self, at: Setting, values: dict[str, Any], state: Float[Array, "*shape channels"]
    ) -> Float[Array, "*shape channels"]:
        """Return the state `at.pieces` steps later."""
        if self.edges is Edges.RESOLVED:
            return super().march(at, values, state)
        return PDE.march(self, at, values, state)

    def step(
        self, at: Setting, values: dict[str, Any], state: Float[Array, "*shape channels"]
    ) -> Float[Array, "*shape channels"]:
        """Return the state `at.dt` later, by MacCormack's method."""
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
