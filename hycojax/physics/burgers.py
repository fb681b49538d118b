"""Viscous Burgers flow."""

from __future__ import annotations

import enum
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Key

from hycojax.grid.domain import Channel, Domain, Grid, vector_channels
from hycojax.grid.random_fields import random_field
from hycojax.models.coefficients import Coefficient, coefficient
from hycojax.models.pde import PDE, Setting
from hycojax.physics import phi, pseudo_spectral
from hycojax.physics.operators import advect, diffuse, shocks
from hycojax.physics.operators.fourier import Fourier
from hycojax.physics.pseudo_spectral import Modes, PseudoSpectral
from hycojax.physics.stages import diffusion_stages


class Fronts(enum.Enum):
    """How a velocity that steepens is carried."""

    RESOLVED = "resolved"
    """Wave by wave, of order 4: for fronts that the grid resolves."""
    LIMITED = "limited"
    """By MacCormack's method, of order 2: nothing overshoots, every step is stable."""
    CONSERVED = "conserved"
    """As fluxes between cells, of order 2: nothing overshoots, and shocks move at their speed."""


@dataclass(frozen=True)
class Burgers(PseudoSpectral):
    """Velocity u that carries itself and diffuses.

        du/dt + u . grad u = div(nu grad u)

    on a periodic box in 1 to 3 dimensions, with u . grad u = grad(|u|^2 / 2) + (curl u) x u: in 1D
    momentum is kept. A constant viscosity: pseudo-spectral, of order 4 in time
    (`PseudoSpectral`). One that is a field: half a step of diffusion in Runge-Kutta-Legendre
    stages, as many as its upper bound asks for, the step of what is carried, and half a step of
    diffusion: of order 2 (G. Strang, SIAM J. Numer. Anal. 5, 1968).

    State: velocity u [m/s], means over cells. Good values: fronts of width nu / u no thinner than
    two cells; for thinner ones `fronts` = "limited", for shocks, whose viscosity may be 0,
    "conserved" (`operators.shocks`).
    """

    viscosity: Coefficient = coefficient(1.0, unit="m²/s", low=0.0, varies=True)
    """Kinematic viscosity nu, in m^2/s."""
    fronts: Fronts = Fronts.RESOLVED
    """How a velocity that steepens is carried."""

    @property
    def smooth(self) -> bool:
        """Whether nothing is limited."""
        return self.fronts is Fronts.RESOLVED

    def plan(self, domain: Domain, dt: float) -> int | None:
        """Return the stages of half a step of diffusion, if the viscosity is a field."""
        return diffusion_stages(self, "viscosity", domain, dt)

    def channels(self, dims: int) -> tuple[Channel, ...]:
        """Return the components of the velocity."""
        return vector_channels("velocity", "m/s", dims)

    def step_rate(
        self, domain: Grid, values: dict[str, Any], largest: Float[Array, " dims"]
    ) -> Any:
        """Return the rate that limits a step, in 1/s: of waves, or twice the Courant number."""
        if self.fronts is Fronts.LIMITED:
            return 0.0
        if self.fronts is Fronts.CONSERVED:
            return 2 * sum(speed / d for speed, d in zip(largest, domain.dx, strict=True))
        return pseudo_spectral.courant_rate(domain, list(largest))

    def linear(self, fourier: Fourier, values: dict[str, Any]) -> Float[Array, " *modes"]:
        """Return the decay by viscosity, in 1/s."""
        return -fourier.decay(values["viscosity"])

    def tendency(
        self, fourier: Fourier, values: dict[str, Any], static: Array
    ) -> Callable[[Modes], Modes]:
        """Return -u . grad u."""
        del values, static
        return lambda waves: -carried(fourier, waves)

    def march(
        self, at: Setting, values: dict[str, Any], state: Float[Array, "*shape dims"]
    ) -> Float[Array, "*shape dims"]:
        """Return the state `at.pieces` steps later."""
        if at.plan is None and self.fronts is Fronts.RESOLVED:
            return super().march(at, values, state)
        return PDE.march(self, at, values, state)

    def step(
        self, at: Setting, values: dict[str, Any], state: Float[Array, "*shape dims"]
    ) -> Float[Array, "*shape dims"]:
        """Return the state `at.dt` later, by splitting."""
        state = _diffused(at, state, values["viscosity"])
        state = _carried(at, state, self.fronts)
        return _diffused(at, state, values["viscosity"])

    def draw(self, domain: Domain, key: Key[Array, ""]) -> Float[Array, "*shape dims"]:
        """Draw long waves for each component, 1 m/s on average (root mean square)."""
        keys = jax.random.split(key, domain.dims)
        return jnp.stack([random_field(k, domain, waves=2) for k in keys], axis=-1)


def carried(fourier: Fourier, waves: Modes) -> Modes:
    """Return u . grad u = grad(|u|^2 / 2) + (curl u) x u, component by component."""
    dims = len(waves)
    u = fourier.values(waves)
    energy = fourier.modes(0.5 * jnp.sum(u * (u / fourier.unit), 0))  # u^2 could be too large
    found = [fourier.slope_per_unit(energy, j) for j in range(dims)]
    pairs = [(i, j) for i in range(dims) for j in range(i)]
    if not pairs:
        return jnp.stack(found)
    turns = [fourier.slope(waves[j], i) - fourier.slope(waves[i], j) for i, j in pairs]
    turn = dict(zip(pairs, fourier.values(jnp.stack(turns)), strict=True))
    across = [
        sum(u[i] * (turn[i, j] if i > j else -turn[j, i]) for i in range(dims) if i != j)
        for j in range(dims)
    ]
    return jnp.stack(found) + fourier.modes(jnp.stack(across))


def _carried(at: Setting, state: Array, fronts: Fronts) -> Array:
    """Return a velocity after a step without viscosity."""
    if fronts is Fronts.RESOLVED:
        fourier = Fourier(at.domain, state.dtype)
        rate = lambda _: lambda waves: -carried(fourier, waves)  # noqa: E731
        return pseudo_spectral.march(fourier, 0.0, rate, replace(at, pieces=1), state)
    if fronts is Fronts.CONSERVED:
        velocity = jnp.moveaxis(state, -1, 0)
        return jnp.moveaxis(shocks.self_carried(velocity, at.domain.dx, at.dt), 0, -1)
    with phi.precision(state):
        velocity = phi.centered_vector(at.domain, list(jnp.moveaxis(state, -1, 0)))
        return jnp.stack(phi.components(advect.self_advect(velocity, at.dt)), axis=-1)


def _diffused(at: Setting, state: Array, viscosity: float | Array) -> Array:
    """Return a velocity after half a step of diffusion."""
    with phi.precision(state):
        velocity = phi.centered_vector(at.domain, list(jnp.moveaxis(state, -1, 0)))
        if at.plan is None:
            velocity = diffuse.fourier(velocity, viscosity, at.dt / 2)
        else:
            local = phi.centered(at.domain, viscosity)
            velocity = diffuse.super_time_step(velocity, local, at.dt / 2, at.plan)
        return jnp.stack(phi.components(velocity), axis=-1)
