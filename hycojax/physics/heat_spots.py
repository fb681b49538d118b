"""Heat conduction in a cold frame, through spots that conduct well."""

from __future__ import annotations

import math
from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Key

from hycojax.grid.domain import Boundary, Channel
from hycojax.models import parameters as parameter
from hycojax.models.model import PhysicalModel, SharedDomain
from hycojax.models.parameters import Parameter, quantity
from hycojax.physics.checks import check

CHANNELS = (Channel("temperature", "K"),)

#: Diffusivity far from the spots, and the highest there is, in m^2/s; radius of a spot, in metres.
BACKGROUND, LIMIT, RADIUS = 0.1, 2.5, 1.0


@dataclass(frozen=True)
class HeatSpots(PhysicalModel):
    """Temperature T over a diffusivity a with two spots, whose strengths and places are unknown.

        dT/dt = a laplace T,    T = 0 on the walls
        a(x) = min(0.1 + s_1 exp(-|x - c_1|^2) + s_2 exp(-|x - c_2|^2), 2.5)    [m^2/s]

    on a closed box in 2 dimensions, x in metres. Central differences, Heun's method in as many
    sub-steps as the highest diffusivity asks for: of second order, stable for every dt.

    State: temperature T [K] at cell centres. Every simulation starts alike, from a hot place a
    third of the way from one corner and a cold one as far from the opposite corner.

    Source: the heat problem of Liverani, Steynberg, Zuazua, arXiv 2509.14123, on a box of 6 m.
    """

    domain: SharedDomain
    dt: float = 0.01
    """Time step, in seconds."""
    strength_1: Parameter = quantity(3.0, unit="m²/s", low=0.0)
    """Diffusivity s_1 that the first spot adds, in m^2/s."""
    strength_2: Parameter = quantity(2.5, unit="m²/s", low=0.0)
    """The same of the second spot."""
    x_1: Parameter = quantity(4.0, unit="m")
    """Where the first spot lies along x, in metres."""
    y_1: Parameter = quantity(4.0, unit="m")
    """And along y."""
    x_2: Parameter = quantity(1.0, unit="m")
    """Where the second spot lies along x, in metres."""
    y_2: Parameter = quantity(1.0, unit="m")
    """And along y."""

    def __post_init__(self):
        check(self, CHANNELS, (Boundary.CLOSED,), dims=(2,))

    def forward(
        self, params: dict[str, Array], state: Float[Array, "*shape 1"]
    ) -> Float[Array, "*shape 1"]:
        """Return the state `dt` later."""
        values = parameter.coefficients(self, params)
        diffusivity = self._diffusivity(values).astype(state.dtype)
        largest = 2 * LIMIT * sum(1 / dx**2 for dx in self.domain.dx)
        steps = math.ceil(self.dt * largest)
        h = self.dt / steps

        def rate(t: Array) -> Array:
            return diffusivity * _laplace(t, self.domain.dx)

        def step(t: Array, _: None) -> tuple[Array, None]:
            slope = rate(t)
            return t + h / 2 * (slope + rate(t + h * slope)), None

        return jax.lax.scan(step, state[..., 0], length=steps)[0][..., None]

    def sample(self, key: Key[Array, ""]) -> Float[Array, "*shape 1"]:
        """Return the initial state, whatever the key."""
        del key
        third = [length / 3 for length in self.domain.size]
        hot = _bump(self.domain, [2 * place for place in third])
        return (hot - _bump(self.domain, third))[..., None]

    def _diffusivity(self, values: dict) -> Array:
        spots = [
            values[f"strength_{i}"] * _bump(self.domain, [values[f"x_{i}"], values[f"y_{i}"]])
            for i in (1, 2)
        ]
        return jnp.minimum(BACKGROUND + sum(spots), LIMIT)


def _bump(domain, centre) -> Array:
    square = sum((x - c) ** 2 for x, c in zip(domain.centers(), centre, strict=True))
    return jnp.exp(-jnp.asarray(square, jnp.result_type(float)) / RADIUS**2)


def _laplace(t: Array, dx: tuple[float, ...]) -> Array:
    """Return the Laplacian of cell values that vanish on the walls."""
    total = jnp.zeros_like(t)
    for axis, h in enumerate(dx):
        pad = [(1, 1) if a == axis else (0, 0) for a in range(t.ndim)]
        outside = jnp.pad(t, pad, mode="symmetric")
        ends = np.ones(outside.shape[axis])
        ends[[0, -1]] = -1
        outside = outside * ends.reshape([-1 if a == axis else 1 for a in range(t.ndim)])
        total += jnp.diff(outside, 2, axis) / h**2
    return total.astype(t.dtype)
