"""FitzHugh-Nagumo of which diffusion alone is known: what else happens is learned, and read off.

    python -m hycojax.train experiments/fitzhugh_nagumo.py

        du/dt = a laplace u + u - u^3 - k - v
        dv/dt = b laplace v + u - v

The model knows `Diffusion`, the first terms, and has to find a, b and the rest: a network that
reads each cell alone, since a reaction is local. The recordings are 16 simulations of the whole
system from noise in every cell, as in Yin et al. (APHYNITY, ICLR 2021), made here with four times
shorter steps; `python -m profiling.proofs --only corrected` takes them from SciPy.

Seed 0: a and b 0.1 % off, log10 of the mean square error of test rollouts -5.5; ten minutes on 2
CPU cores.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Key

import hycojax as hj
from hycojax.grid.stencils import Beyond, laplace

#: Largest eigenvalue of the 5-point Laplacian in 2D, times the square of a cell's width.
_SHORTEST = 8.0


@dataclass(frozen=True)
class Diffusion(hj.PDE):
    """Two substances that diffuse, by the 5-point Laplacian.

        du/dt = a laplace u,    dv/dt = b laplace v

    on a periodic square, by the classical Runge-Kutta method, of order 4. State: u and v [1], the
    values at points of a grid.
    """

    boundaries = (hj.PERIODIC,)
    dimensions = (2,)

    diffusivity_u: hj.Coefficient = hj.coefficient(1e-3, unit="m²/s", low=0.0, high=0.05)
    """Diffusivity a, in m^2/s."""
    diffusivity_v: hj.Coefficient = hj.coefficient(5e-3, unit="m²/s", low=0.0, high=0.05)
    """Diffusivity b, in m^2/s."""
    spacing: float = 1 / 16
    """Distance of neighbours, in metres: the system is one on a lattice, and of no finer grid."""

    def plan(self, domain: hj.Domain, dt: float) -> None:
        """Check that the grid is the lattice."""
        del dt
        if any(abs(dx / self.spacing - 1) > 1e-6 for dx in domain.dx):
            raise ValueError(f"domain.shape: cells of {domain.dx} m, but spacing = {self.spacing}")

    def channels(self, dims: int) -> tuple[hj.Channel, ...]:
        """Return the channels of a state."""
        del dims
        return (hj.Channel("u", points=True), hj.Channel("v", points=True))

    def step_rate(self, domain: hj.Grid, values: dict[str, Any], largest: Array) -> Any:
        """Return the decay of the shortest wave, in 1/s; 2.8 times as long steps are stable."""
        del largest
        fastest = jnp.maximum(values["diffusivity_u"], values["diffusivity_v"])
        return _SHORTEST * fastest / min(domain.dx) ** 2

    def step(
        self, at: hj.Setting, values: dict[str, Any], state: Float[Array, "x y 2"]
    ) -> Float[Array, "x y 2"]:
        """Return the state `at.dt` later."""

        def rate(u: Array) -> Array:
            return self.rate(at.domain, values, u)

        first = rate(state)
        second = rate(state + at.dt / 2 * first)
        third = rate(state + at.dt / 2 * second)
        fourth = rate(state + at.dt * third)
        return state + at.dt / 6 * (first + 2 * second + 2 * third + fourth)

    def rate(
        self, domain: hj.Domain, values: dict[str, Any], state: Float[Array, "x y 2"]
    ) -> Float[Array, "x y 2"]:
        """Return the right-hand side."""
        names = ("diffusivity_u", "diffusivity_v")
        spread = [
            values[name] * laplace(state[..., i], domain.dx, Beyond.OTHER_END)
            for i, name in enumerate(names)
        ]
        return jnp.stack(spread, -1)

    def draw(self, domain: hj.Domain, key: Key[Array, ""]) -> Float[Array, "x y 2"]:
        """Draw noise, uniform between 0 and 1 in every cell: of one grid only."""
        return jax.random.uniform(key, (*domain.shape, 2))


@dataclass(frozen=True)
class FitzHughNagumo(Diffusion):
    """The same two substances, which react.

    Source: FitzHugh, Biophys. J. 1 (1961); Nagumo, Arimoto, Yoshizawa, Proc. IRE 50 (1962).
    """

    threshold: hj.Coefficient = hj.coefficient(5e-3, unit="1/s")
    """Constant k, in 1/s."""

    def rate(
        self, domain: hj.Domain, values: dict[str, Any], state: Float[Array, "x y 2"]
    ) -> Float[Array, "x y 2"]:
        """Return the right-hand side."""
        return super().rate(domain, values, state) + reaction(state, values["threshold"])


def reaction(state: Float[Array, "... 2"], threshold: float = 5e-3) -> Float[Array, "... 2"]:
    """Return what the model does not know."""
    u, v = state[..., 0], state[..., 1]
    return jnp.stack([u - u**3 - threshold - v, u - v], -1)


experiment = hj.Experiment(
    name="fitzhugh-nagumo",
    domain=hj.Domain((32, 32), (2.0, 2.0), hj.PERIODIC),
    interval=0.1,
    physical=hj.Physical(
        hj.Corrected(
            Diffusion(
                diffusivity_u=hj.Unknown(start=2e-3),
                diffusivity_v=hj.Unknown(start=2e-3),
                pieces=2,
            ),
            hj.networks.ConvNet(features=16, layers=2, width=1),
        ),
        hj.LBFGS(iterations=60),
        horizon=30,
    ),
    synthetic=hj.Synthetic(hj.networks.ConvNet(), hj.Adam()),
    data=hj.Simulated(
        truth=FitzHughNagumo(pieces=8), training=16, validation=2, test=4, steps=30, refinement=1
    ),
    mode=hj.Mode.PHYSICAL,
    schedule=hj.Schedule(warmup=0, cycles=2),
)
