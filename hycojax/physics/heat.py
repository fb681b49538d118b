"""Heat conduction in a periodic box."""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Key

from hycojax import parameter
from hycojax.domain import Boundary, Channel
from hycojax.model import SharedDomain
from hycojax.parameter import Parameter, quantity

CHANNELS = (Channel("temperature", "K"),)

#: Initial states hold the modes with at most this many waves along an axis.
WAVES = 3


@dataclass(frozen=True)
class Heat:
    """Temperature T that spreads with a constant diffusivity a.

        dT/dt = a laplace T,     a mode k decays as exp(-a |k|^2 t)

    on a periodic box in 1 to 3 dimensions. The step is exact in time for every mode of the grid,
    whatever dt and dx (exponential integrator in Fourier space with the wave numbers 2 pi n / L).

    State: temperature T [K] at cell centres. Good values: a dt / L^2 from 1e-5 to 1e-3.
    """

    domain: SharedDomain
    dt: float = 1.0
    """Time step, in seconds."""
    diffusivity: Parameter = quantity(1.0, unit="m²/s", low=0.0)
    """Thermal diffusivity a, in m^2/s."""

    def __post_init__(self):
        if self.domain.boundary is not Boundary.PERIODIC:
            raise ValueError("domain.boundary: heat needs a periodic box")
        if self.domain.channels != CHANNELS:
            raise ValueError("domain.channels: heat needs heat.CHANNELS")
        if not (math.isfinite(self.dt) and self.dt > 0):
            raise ValueError(f"dt = {self.dt}: the time step must be positive")
        parameter.check(self)

    def init(self, key: Key[Array, ""]) -> dict[str, Array]:
        """Return the start values of the unknown coefficients."""
        del key  # nothing is random here
        return parameter.starts(self)

    def forward(
        self, params: dict[str, Array], state: Float[Array, "*shape 1"]
    ) -> Float[Array, "*shape 1"]:
        """Return the state `dt` later."""
        diffusivity = parameter.coefficients(self, params)["diffusivity"]
        axes = tuple(range(self.domain.dims))
        decay = jnp.exp(-diffusivity * self.dt * self._squared_wave_numbers().astype(state.dtype))
        spectrum = jnp.fft.rfftn(state, axes=axes) * decay[..., None]
        return jnp.fft.irfftn(spectrum, s=self.domain.shape, axes=axes)

    def sample(self, key: Key[Array, ""]) -> Float[Array, "*shape 1"]:
        """Draw a random sum of long waves: mean square 1, no two alike."""
        waves = [
            n
            for n in itertools.product(range(-WAVES, WAVES + 1), repeat=self.domain.dims)
            if n > (0,) * self.domain.dims  # one of each pair n, -n
        ]
        weights = np.array([1 / math.hypot(*n) for n in waves])
        weights *= np.sqrt(2 / np.sum(weights**2))
        amplitude = jax.random.normal(jax.random.fold_in(key, 0), (len(waves),)) * weights
        phase = jax.random.uniform(jax.random.fold_in(key, 1), (len(waves),), maxval=2 * jnp.pi)
        x = np.stack([c / s for c, s in zip(self.domain.centers(), self.domain.size, strict=True)])
        angle = 2 * np.pi * np.tensordot(np.array(waves), x, axes=1).astype(np.float32)
        shape = (-1, *(1,) * self.domain.dims)
        return jnp.sum(amplitude.reshape(shape) * jnp.cos(angle + phase.reshape(shape)), 0)[
            ..., None
        ]

    def _squared_wave_numbers(self) -> np.ndarray:
        """Return |k|^2 in 1/m^2 on the grid of a real Fourier transform."""
        *full, last = zip(self.domain.shape, self.domain.dx, strict=True)
        numbers = [*(np.fft.fftfreq(n, dx) for n, dx in full), np.fft.rfftfreq(*last)]
        return sum((2 * np.pi * k) ** 2 for k in np.meshgrid(*numbers, indexing="ij"))
