"""FNO, the Fourier neural operator: each layer mixes features wave by wave."""

from __future__ import annotations

from dataclasses import dataclass

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from hycojax.grid.domain import Boundary, Domain
from hycojax.kernels import random_arrays
from hycojax.kernels.axes import along
from hycojax.networks.emulator import Emulator


@dataclass(frozen=True)
class FNO(Emulator):
    """Fourier neural operator, layers x <- gelu(W x + sum_k R_k x_k exp(i k)).

    x_k are the amplitudes of the waves with |k| < modes along each axis, W acts on each cell alone.
    A closed box is continued by its mirror image, which makes it periodic without a jump.

    Source: Li et al., "Fourier Neural Operator for Parametric PDEs", ICLR 2021, section 4.
    """

    features: int = 32
    """Features of a layer."""
    layers: int = 4
    """Fourier layers."""
    modes: int = 12
    """Wave numbers that a layer mixes along each axis: 0 to modes - 1, in both directions."""

    def __post_init__(self):
        if min(self.features, self.layers, self.modes) < 1:
            raise ValueError("features, layers and modes must be at least 1")

    def network(self, domain: Domain) -> nn.Module:
        """Return the network without its last layer."""
        if self.modes > min(domain.shape) // 2:
            raise ValueError(
                f"modes = {self.modes}: at most half of the smallest number of cells, "
                f"{min(domain.shape) // 2}"
            )
        return _Network(self.features, self.layers, self.modes, domain.boundary)


class _Network(nn.Module):
    features: int
    layers: int
    modes: int
    boundary: Boundary

    @nn.compact
    def __call__(self, x):
        shape = x.shape[:-1]
        if self.boundary is Boundary.CLOSED:
            x = jnp.pad(x, [*((0, n) for n in shape), (0, 0)], mode="symmetric")
        x = nn.Dense(self.features, dtype=x.dtype)(x)
        for _ in range(self.layers):
            waves = _SpectralMixing(self.features, self.modes)(x)
            x = nn.gelu(nn.Dense(self.features, dtype=x.dtype)(x) + waves)
        x = x[tuple(slice(n) for n in shape)]
        return nn.gelu(nn.Dense(2 * self.features, dtype=x.dtype)(x))


class _SpectralMixing(nn.Module):
    """y = Re sum_k c_k R_k x_k exp(i k), with k >= 0 along the last axis; there c_0 = 1, else 2."""

    features: int
    modes: int

    @nn.compact
    def __call__(self, x: Float[Array, "*shape inputs"]) -> Float[Array, "*shape features"]:
        dims, inputs = x.ndim - 1, x.shape[-1]
        numbers = [np.arange(1 - self.modes, self.modes)] * (dims - 1) + [np.arange(self.modes)]
        shape = (2, *(len(k) for k in numbers), inputs, self.features)
        real, imaginary = self.param("waves", lambda key: random_arrays.normal(key, shape) / inputs)
        amplitudes = x.astype(jnp.promote_types(x.dtype, jnp.float32))
        kind = np.result_type(amplitudes.dtype, np.complex64)
        for axis, k in enumerate(numbers):
            wave = np.exp(-_phase(k, x.shape[axis])) / x.shape[axis]
            amplitudes = along(wave.astype(kind), amplitudes, axis)
        mixing = jax.lax.complex(real, imaginary)
        waves = jnp.einsum("...i,...io->...o", amplitudes, mixing, precision="highest")
        twice = np.where(numbers[-1] > 0, 2, 1)[:, None]
        for axis, k in enumerate(numbers):
            weight = twice if axis == dims - 1 else 1
            wave = (weight * np.exp(_phase(k, x.shape[axis]))).T
            waves = along(wave.astype(kind), waves, axis)
        return waves.real.astype(x.dtype)


def _phase(k: np.ndarray, n: int) -> np.ndarray:
    return 2j * np.pi * np.outer(k, np.arange(n)) / n
