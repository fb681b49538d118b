"""A plume of buoyant smoke in a closed box (Boussinesq approximation)."""

from __future__ import annotations

from dataclasses import dataclass

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Key

from hycojax.grid.domain import Boundary, Channel, Domain
from hycojax.models import parameters as parameter
from hycojax.models.model import PhysicalModel, SharedDomain
from hycojax.models.parameters import Parameter, quantity
from hycojax.physics import phi
from hycojax.physics.checks import check, diffusion_stages
from hycojax.physics.operators import advect
from hycojax.physics.operators.fluid import flow_step


def channels(dims: int) -> tuple[Channel, ...]:
    """Return the channels of a smoke state in `dims` (2 or 3) dimensions."""
    faces = (Channel(f"velocity_{'xyz'[i]}", "m/s", face=i) for i in range(dims))
    return (Channel("density"), *faces, Channel("source", static=True))


@dataclass(frozen=True)
class Smoke(PhysicalModel):
    """Smoke of density d, carried by an incompressible flow u which its buoyancy drives.

        dd/dt + u . grad d = q s(x)
        du/dt + u . grad u = -grad p + nu laplace u + b d e_up,     div u = 0

    on a closed box with no-slip walls (u = 0) and no flux of smoke. Up is the y axis. One step of
    length dt: MacCormack for d, then the inflow; MacCormack for u; the buoyancy of the new density;
    diffusion in Runge-Kutta-Legendre stages, as many as the upper bound of nu asks for; pressure
    projection. Stable for every dt, of second order in space and first in time. The scheme follows
    PhiFlow's smoke (Holl, Thuerey: "PhiFlow", ICML 2024).

    State: density d [1] and source s [1] at cell centres, velocity u [m/s] on lower faces. The
    source is a ball, drawn with the initial state: its place, radius and strength differ from one
    simulation to the next.
    """

    domain: SharedDomain
    dt: float = 1.0
    """Time step, in seconds. Best if the fastest smoke crosses no more than two cells in it."""
    buoyancy: Parameter = quantity(0.1, unit="m/s²", low=0.0)
    """Upward acceleration b of smoke of density 1, in m/s^2. Good values: 0.02 to 1."""
    viscosity: Parameter = quantity(1.0, unit="m²/s", low=0.0)
    """Kinematic viscosity nu, in m^2/s."""
    inflow: Parameter = quantity(0.1, unit="1/s", low=0.0)
    """Rate q at which a source of strength 1 makes smoke, in 1/s."""

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
            source = phi.centered(self.domain, state[..., -1])
            faces = [state[..., 1 + axis] for axis in range(self.domain.dims)]
            velocity = phi.staggered(self.domain, faces)
            density = advect.mac_cormack(density, velocity, self.dt)
            density = density + source * (self.dt * values["inflow"])
            lift = values["buoyancy"] * phi.cell_values(density)
            stages = diffusion_stages(self, "viscosity")
            velocity = flow_step(velocity, lift, values["viscosity"], self.dt, stages)
            moving = [phi.cell_values(density), *phi.face_values(velocity)]
        return jnp.stack([*moving, state[..., -1]], axis=-1)

    def sample(self, key: Key[Array, ""]) -> Float[Array, "*shape channels"]:
        """Draw a source low in the box: radius 7 to 11 % of the width, strength 0.5 to 1.5.

        Smoke of density 1 fills it; the fluid is at rest.
        """
        place, height, size, strength = (jax.random.fold_in(key, i) for i in range(4))
        lengths = jnp.asarray(self.domain.size)
        center = lengths * jax.random.uniform(place, lengths.shape, minval=0.35, maxval=0.65)
        center = center.at[1].set(
            lengths[1] * jax.random.uniform(height, (), minval=0.15, maxval=0.3)
        )
        radius = lengths[0] * jax.random.uniform(size, (), minval=0.07, maxval=0.11)
        ball = _ball(self.domain, center, radius)
        source = ball * jax.random.uniform(strength, (), minval=0.5, maxval=1.5)
        at_rest = jnp.zeros((*self.domain.shape, self.domain.dims))
        return jnp.concatenate([ball[..., None], at_rest, source[..., None]], axis=-1)


def _ball(domain: Domain, center: Float[Array, " dims"], radius: Array) -> Float[Array, "*shape"]:
    """Return a ball with a soft edge that a coarse grid resolves: 1 inside, 1/2 at `radius`.

    A sharp edge would be the under-resolved part of the flow and would bias what is identified.
    """
    squares = ((x - c) ** 2 for x, c in zip(domain.centers(), center, strict=True))
    distance = jnp.sqrt(sum(squares)) / radius
    return jnp.where(distance < 2, 0.5 * (1 + jnp.cos(jnp.pi * distance / 2)), 0.0)
