"""The heat problem of arXiv 2509.14123: sensors that move through a quarter of the box, two spots.

    python -m hycojax.train experiments/heat_sensors.py [--mode synthetic|physical] [--seed N]
    python -m hycojax.compare experiments/heat_sensors.py

3 minutes on 2 CPU cores. Seed 0: error of the solution 0.066 (network) and 0.060 (PDE); the first
spot 1.6 % off in strength, the second one, which no sensor comes near, 62 %.

One recorded simulation, as a function of space and time for the synthetic player. The other two
sensor fields of the paper: half of the box by

    --data.region.low 1.5 1.5 --data.region.centre 3.75 3.75

and all of it by `low 0 0` and `centre 3 3`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Key

import hycojax as hj
from hycojax.grid.stencils import Beyond, laplace

#: Diffusivity far from the spots, and the highest there is, in m^2/s; radius of a spot, in metres.
BACKGROUND, LIMIT, RADIUS = 0.1, 2.5, 1.0


@dataclass(frozen=True)
class HeatSpots(hj.PDE):
    """Temperature T over a diffusivity a with two spots, whose strengths and places are unknown.

        dT/dt = a laplace T,    T = 0 on the walls
        a(x) = min(0.1 + s_1 exp(-|x - c_1|^2) + s_2 exp(-|x - c_2|^2), 2.5)    [m^2/s]

    on a closed box in 2 dimensions, x in metres. Central differences, Heun's method in as many
    sub-steps as the highest diffusivity asks for: of second order, stable for every dt.

    State: temperature T [K] at cell centres. Every simulation starts alike, from a hot place a
    third of the way from one corner and a cold one as far from the opposite corner.

    Source: the heat problem of Liverani, Steynberg, Zuazua, arXiv 2509.14123, on a box of 6 m.
    """

    boundaries = (hj.CLOSED,)
    dimensions = (2,)

    strength_1: hj.Coefficient = hj.coefficient(3.0, unit="m²/s", low=0.0)
    """Diffusivity s_1 that the first spot adds, in m^2/s."""
    strength_2: hj.Coefficient = hj.coefficient(2.5, unit="m²/s", low=0.0)
    """The same of the second spot."""
    x_1: hj.Coefficient = hj.coefficient(4.0, unit="m")
    """Where the first spot lies along x, in metres."""
    y_1: hj.Coefficient = hj.coefficient(4.0, unit="m")
    """And along y."""
    x_2: hj.Coefficient = hj.coefficient(1.0, unit="m")
    """Where the second spot lies along x, in metres."""
    y_2: hj.Coefficient = hj.coefficient(1.0, unit="m")
    """And along y."""

    def channels(self, dims: int) -> tuple[hj.Channel, ...]:
        """Return the channels of a state."""
        del dims  # the same in all
        return (hj.Channel("temperature", "K"),)

    def step(
        self, at: hj.Setting, values: dict[str, Any], state: Float[Array, "*shape 1"]
    ) -> Float[Array, "*shape 1"]:
        """Return the state `at.dt` later."""
        diffusivity = _diffusivity(at.domain, values).astype(state.dtype)
        largest = 2 * LIMIT * sum(1 / dx**2 for dx in at.domain.dx)
        steps = math.ceil(at.dt * largest)
        h = at.dt / steps

        def rate(t: Array) -> Array:
            return diffusivity * laplace(t, at.domain.dx, Beyond.OPPOSITE)

        def step(t: Array, _: None) -> tuple[Array, None]:
            slope = rate(t)
            return t + h / 2 * (slope + rate(t + h * slope)), None

        return jax.lax.scan(step, state[..., 0], length=steps)[0][..., None]

    def draw(self, domain: hj.Grid, key: Key[Array, ""]) -> Float[Array, "*shape 1"]:
        """Return the initial state, whatever the key."""
        del key
        third = [length / 3 for length in domain.size]
        hot = _bump(domain, [2 * place for place in third])
        return (hot - _bump(domain, third))[..., None]


def _diffusivity(domain: hj.Grid, values: dict[str, Any]) -> Array:
    spots = [
        values[f"strength_{i}"] * _bump(domain, [values[f"x_{i}"], values[f"y_{i}"]])
        for i in (1, 2)
    ]
    return jnp.minimum(BACKGROUND + sum(spots), LIMIT)


def _bump(domain: hj.Grid, centre: list[Any]) -> Array:
    square = sum((x - c) ** 2 for x, c in zip(domain.centers(), centre, strict=True))
    return jnp.exp(-jnp.asarray(square, jnp.result_type(float)) / RADIUS**2)


domain = hj.Domain(
    shape=(24, 24),
    size=(6.0, 6.0),
    boundary=hj.CLOSED,
)

experiment = hj.Experiment(
    name="heat-sensors",
    domain=domain,
    interval=0.01,
    physical=hj.Physical(
        model=HeatSpots(
            strength_1=hj.Unknown(start=1.0),
            strength_2=hj.Unknown(start=1.0),
            x_1=hj.Unknown(start=4.4),
            y_1=hj.Unknown(start=1.7),
            x_2=hj.Unknown(start=1.2),
            y_2=hj.Unknown(start=1.9),
        ),
        solver=hj.LBFGS(iterations=20),
        weights=hj.Weights(data=1.0, interaction=1.0),
    ),
    synthetic=hj.Synthetic(
        model=hj.networks.NeuralField(simulations=1, steps=100),
        solver=hj.Adam(learning_rate=3e-3, updates=100),
        weights=hj.Weights(data=1.0, interaction=1.0),
        horizon=5,
        batch=4,
    ),
    data=hj.Simulated(
        truth=HeatSpots(strength_1=3.0, strength_2=2.5, x_1=4.0, y_1=4.0, x_2=1.0, y_2=1.0),
        training=1,
        validation=0,
        test=0,
        steps=100,
        refinement=2,
        region=hj.MovingSensors(low=(3.0, 3.0), high=(6.0, 6.0), centre=(4.5, 4.5), count=10),
    ),
    schedule=hj.Schedule(warmup=2, cycles=20),
    interaction=hj.Interaction(alpha=0.0, recorded=True),
)
