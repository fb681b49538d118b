"""A UNet that predicts how a state changes in one time step."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Key

from hycojax.data.statistics import Statistics
from hycojax.domain import Boundary
from hycojax.model import SharedDomain, SyntheticModel
from hycojax.networks.convolution import Convolution


@dataclass(frozen=True)
class UNet(SyntheticModel):
    """Residual UNet: state + s * net((state - m) / r), on the channels and faces that evolve.

    m and r are mean and standard deviation of the training data, s is the rms of their change in a
    time step, so that the network maps numbers of order 1 to numbers of order 1. Static channels
    are read, not predicted, and leave as they came. Each level halves the grid and doubles the
    features. The last layer starts at zero: an untrained network predicts no change.

    Source: Ronneberger et al., "U-Net", MICCAI 2015, with pre-activated residual blocks (He et al.,
    "Identity Mappings in Deep Residual Networks", ECCV 2016) and GELU.
    """

    domain: SharedDomain
    levels: int = 2
    """How many times the grid is halved."""
    features: int = 16
    """Features on the finest level."""

    def __post_init__(self):
        if self.levels < 1 or self.features < 1:
            raise ValueError("levels and features must be at least 1")
        divisor = 2**self.levels
        for n in self.domain.shape:
            if n % divisor:
                down, up = n // divisor * divisor, -(-n // divisor) * divisor
                near = f"{up}" if down == 0 else f"{down} or {up}"
                raise ValueError(
                    f"domain.shape: {n} cells cannot be halved {self.levels} times; take {near} "
                    f"cells (a multiple of 2^levels = {divisor}), or fewer synthetic.model.levels"
                )

    def init(self, key: Key[Array, ""]) -> dict[str, Any]:
        """Return random weights, and statistics that leave a state as it is."""
        channels = len(self.domain.channels)
        blank = jnp.zeros((*self.domain.shape, channels), jnp.float32)
        return {
            "weights": self._network().init(key, blank),
            "statistics": Statistics(jnp.zeros(channels), jnp.ones(channels), jnp.ones(channels)),
        }

    def normalise(self, params: dict[str, Any], statistics: Statistics) -> dict[str, Any]:
        """Return the parameters with the statistics of the training data."""
        return {**params, "statistics": statistics}

    def forward(
        self, params: dict[str, Any], state: Float[Array, "*shape channels"]
    ) -> Float[Array, "*shape channels"]:
        """Return the state one time step later."""
        statistics = jax.lax.stop_gradient(params["statistics"])
        dynamic = np.array(self.domain.dynamic)
        scaled = (state - statistics.mean) / statistics.std
        change = self._network().apply(params["weights"], scaled) * statistics.change[dynamic]
        evolves = self.domain.evolves()[..., dynamic].astype(state.dtype)
        return state.at[..., dynamic].add(change * evolves)

    def _network(self) -> _Network:
        outputs = len(self.domain.dynamic)
        return _Network(self.levels, self.features, outputs, self.domain.boundary)


class _Network(nn.Module):
    levels: int
    features: int
    outputs: int
    boundary: Boundary

    @nn.compact
    def __call__(self, x):
        widths = [self.features * 2**level for level in range(self.levels)]
        skips = []
        for width in widths:
            x = _Block(width, self.boundary)(x)
            skips.append(x)
            x = _halve(x)
        x = _Block(2 * widths[-1], self.boundary)(x)
        for width, skip in zip(reversed(widths), reversed(skips), strict=True):
            x = jnp.concatenate([_double(x), skip], axis=-1)
            x = _Block(width, self.boundary)(x)
        return nn.Dense(self.outputs, kernel_init=nn.initializers.zeros)(nn.gelu(x))


class _Block(nn.Module):
    features: int
    boundary: Boundary

    @nn.compact
    def __call__(self, x):
        inner = Convolution(self.features, self.boundary)(nn.gelu(x))
        inner = Convolution(self.features, self.boundary)(nn.gelu(inner))
        return nn.Dense(self.features)(x) + inner


def _halve(x: Array) -> Array:
    """Average each block of 2^dims cells."""
    window = (2,) * (x.ndim - 1)
    return nn.avg_pool(x, window, strides=window)


def _double(x: Array) -> Array:
    """Repeat each cell along each space axis."""
    for axis in range(x.ndim - 1):
        x = jnp.repeat(x, 2, axis=axis)
    return x
