"""A plume of buoyant smoke in a closed box (Boussinesq approximation)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Key

from hycojax.grid.domain import Channel, Domain
from hycojax.kernels.random_arrays import uniform
from hycojax.models.coefficients import Coefficient, coefficient
from hycojax.physics.closed_flow import ClosedFlow


@dataclass(frozen=True)
class Smoke(ClosedFlow):
    """Smoke of density d, carried by an incompressible flow u which its buoyancy drives.

        dd/dt + u . grad d = q s(x)
        du/dt + u . grad u = -grad p + nu laplace u + b d e_up,     div u = 0

    on a closed box with no-slip walls (u = 0) and no flux of smoke. Up is the y axis. Of order 2 in
    time (`ClosedFlow`); the inflow is exact.

    State: density d [1] and source s [1], means over cells; velocity u [m/s], means over lower
    faces. The source is a ball, drawn with the initial state: its place, radius and strength differ
    from one simulation to the next.
    """

    buoyancy: Coefficient = coefficient(0.1, unit="m/s²", low=0.0)
    """Upward acceleration b of smoke of density 1, in m/s^2. Good values: 0.02 to 1."""
    viscosity: Coefficient = coefficient(1.0, unit="m²/s", low=0.0)
    """Kinematic viscosity nu, in m^2/s."""
    inflow: Coefficient = coefficient(0.1, unit="1/s", low=0.0)
    """Rate q at which a source of strength 1 makes smoke, in 1/s."""

    def channels(self, dims: int) -> tuple[Channel, ...]:
        """Return the density, the velocity on lower faces, and the source."""
        return (*super().channels(dims), Channel("source", static=True))

    def forcing(
        self,
        values: dict[str, Any],
        density: Float[Array, "*shape"],
        static: Float[Array, "*shape 1"],
    ) -> tuple[Array, Float[Array, "*shape"]]:
        """Return the inflow q s and the lift b d."""
        return values["inflow"] * static[..., 0], values["buoyancy"] * density

    def draw(self, domain: Domain, key: Key[Array, ""]) -> Float[Array, "*shape channels"]:
        """Draw a source low in the box: radius 7 to 11 % of the width, strength 0.5 to 1.5.

        Smoke of density 1 fills it; the fluid is at rest.
        """
        place, height, size, strength = (jax.random.fold_in(key, i) for i in range(4))
        lengths = jnp.asarray(domain.size)
        center = lengths * uniform(place, lengths.shape, 0.35, 0.65)
        center = center.at[1].set(lengths[1] * uniform(height, (), 0.15, 0.3))
        radius = lengths[0] * uniform(size, (), 0.07, 0.11)
        ball = _ball(domain, center, radius)
        source = ball * uniform(strength, (), 0.5, 1.5)
        at_rest = jnp.zeros((*domain.shape, domain.dims))
        return jnp.concatenate([ball[..., None], at_rest, source[..., None]], axis=-1)


def _ball(domain: Domain, center: Float[Array, " dims"], radius: Array) -> Float[Array, "*shape"]:
    """Return a ball with a soft edge that a coarse grid resolves: 1 inside, 1/2 at `radius`.

    A sharp edge would be the under-resolved part of the flow and would bias what is identified.
    """
    squares = ((x - c) ** 2 for x, c in zip(domain.centers(), center, strict=True))
    distance = jnp.sqrt(sum(squares)) / radius
    return jnp.where(distance < 2, 0.5 * (1 + jnp.cos(jnp.pi * distance / 2)), 0.0)
