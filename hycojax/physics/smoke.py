"""A plume of buoyant smoke in a closed box (Boussinesq approximation)."""

from __future__ import annotations

import math
from dataclasses import dataclass

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Key

from hycojax import parameter, phi
from hycojax.domain import Boundary, Channel, Domain
from hycojax.model import SharedDomain
from hycojax.parameter import Parameter, quantity
from hycojax.physics.operators import make_incompressible


def channels(dims: int) -> tuple[Channel, ...]:
    """Return the channels of a smoke state in `dims` (2 or 3) dimensions."""
    faces = (Channel(f"velocity_{'xyz'[i]}", "m/s", face=i) for i in range(dims))
    return (Channel("density"), *faces, Channel("inflow", "1/s", static=True))


@dataclass(frozen=True)
class Smoke:
    """Smoke of density d, carried by an incompressible flow u which its buoyancy drives.

        dd/dt + u . grad d = q
        du/dt + u . grad u = -grad p + nu laplace u + b d e_up,     div u = 0

    on a closed box with no-slip walls (u = 0) and no flux of smoke. Up is the y axis. One step of
    length dt: MacCormack for d, then the inflow; semi-Lagrangian for u; the buoyancy of the new
    density; explicit diffusion, in as many sub-steps as its stability limit asks for; pressure
    projection. The scheme is PhiFlow's (Holl, Thuerey: "PhiFlow", ICML 2024); its advection follows
    Selle et al., "An unconditionally stable MacCormack method", J. Sci. Comput. 35 (2008).
    Identified values carry its error: on 32 x 32 cells a flow simulated twice as fine looks like
    one with 6 % more buoyancy, which makes up for the diffusion of the semi-Lagrangian step.

    State: density d [1] and inflow q [1/s] at cell centres, velocity u [m/s] on lower faces. The
    inflow is a ball, drawn with the initial state: its place, radius and rate differ from one
    simulation to the next.
    """

    domain: SharedDomain
    dt: float = 1.0
    """Time step, in seconds. Best if the fastest smoke crosses no more than two cells in it."""
    buoyancy: Parameter = quantity(0.1, unit="m/s²", low=0.0)
    """Upward acceleration b of smoke of density 1, in m/s^2. Good values: 0.02 to 1."""
    viscosity: float = 1.0
    """Kinematic viscosity nu, in m^2/s. Below dx^2 / dt the scheme's own diffusion leads."""

    def __post_init__(self):
        dims = self.domain.dims
        if self.domain.boundary is not Boundary.CLOSED or dims == 1:
            raise ValueError("domain: smoke needs a closed box in 2 or 3 dimensions")
        if self.domain.channels != channels(dims):
            raise ValueError(f"domain.channels: smoke in {dims}D needs smoke.channels({dims})")
        if not (math.isfinite(self.dt) and self.dt > 0):
            raise ValueError(f"dt = {self.dt}: the time step must be positive")
        if not (math.isfinite(self.viscosity) and self.viscosity >= 0):
            raise ValueError(f"viscosity = {self.viscosity}: it must not be negative")
        parameter.check(self)

    def init(self, key: Key[Array, ""]) -> dict[str, Array]:
        """Return the start values of the unknown coefficients."""
        del key  # nothing is random here
        return parameter.starts(self)

    def forward(
        self, params: dict[str, Array], state: Float[Array, "*shape channels"]
    ) -> Float[Array, "*shape channels"]:
        """Return the state `dt` later."""
        buoyancy = parameter.coefficients(self, params)["buoyancy"]
        with phi.precision(state):
            density, velocity = self._fields(state)
            inflow = phi.centered(self.domain, state[..., -1])
            density = phi.advect.mac_cormack(density, velocity, self.dt) + self.dt * inflow
            velocity = phi.advect.semi_lagrangian(velocity, velocity, self.dt)
            force = phi.field.resample(density * self._up(buoyancy), to=velocity)
            velocity = velocity + self.dt * force
            if self.viscosity > 0:
                velocity = phi.diffuse.explicit(
                    velocity, self.viscosity, self.dt, substeps=self._diffusion_steps()
                )
            velocity, _ = make_incompressible(velocity)
            moving = [phi.cell_values(density), *phi.face_values(velocity)]
        return jnp.stack([*moving, state[..., -1]], axis=-1)

    def sample(self, key: Key[Array, ""]) -> Float[Array, "*shape channels"]:
        """Draw a source low in the box: radius 7 to 11 % of the width, rate 0.05 to 0.15 per s.

        Smoke of density 1 fills it; the fluid is at rest.
        """
        place, height, size, rate = (jax.random.fold_in(key, i) for i in range(4))
        lengths = jnp.asarray(self.domain.size)
        center = lengths * jax.random.uniform(place, lengths.shape, minval=0.35, maxval=0.65)
        center = center.at[1].set(
            lengths[1] * jax.random.uniform(height, (), minval=0.15, maxval=0.3)
        )
        radius = lengths[0] * jax.random.uniform(size, (), minval=0.07, maxval=0.11)
        source = _ball(self.domain, center, radius)
        inflow = source * jax.random.uniform(rate, (), minval=0.05, maxval=0.15)
        at_rest = jnp.zeros((*self.domain.shape, self.domain.dims))
        return jnp.concatenate([source[..., None], at_rest, inflow[..., None]], axis=-1)

    def _fields(self, state: Array) -> tuple[phi.Field, phi.Field]:
        faces = [state[..., 1 + axis] for axis in range(self.domain.dims)]
        return phi.centered(self.domain, state[..., 0]), phi.staggered(self.domain, faces)

    def _up(self, strength: float | Array):
        return phi.vector(
            self.domain, *(strength if i == 1 else 0.0 for i in range(self.domain.dims))
        )

    def _diffusion_steps(self) -> int:
        """Return the sub-steps that keep nu dt sum(2 / dx^2) <= 1, the explicit scheme's limit."""
        return math.ceil(self.viscosity * self.dt * sum(2 / dx**2 for dx in self.domain.dx))


def _ball(domain: Domain, center: Float[Array, " dims"], radius: Array) -> Float[Array, "*shape"]:
    """Return a ball with a soft edge that a coarse grid resolves: 1 inside, 1/2 at `radius`.

    A sharp edge would be the under-resolved part of the flow and would bias what is identified.
    """
    squares = ((x - c) ** 2 for x, c in zip(domain.centers(), center, strict=True))
    distance = jnp.sqrt(sum(squares)) / radius
    return jnp.where(distance < 2, 0.5 * (1 + jnp.cos(jnp.pi * distance / 2)), 0.0)
