"""UNet: features on grids that are halved again and again, and joined on the way back."""

from __future__ import annotations

import enum
from dataclasses import dataclass

import flax.linen as nn
import jax.numpy as jnp
from jaxtyping import Array

from hycojax.grid.domain import Boundary, Domain
from hycojax.networks.convolution import Convolution
from hycojax.networks.emulator import Emulator


class Block(enum.Enum):
    """What a level of the network does with its features."""

    RESIDUAL = "residual"
    PLAIN = "plain"


@dataclass(frozen=True)
class UNet(Emulator):
    """A UNet. Each level halves the grid by means and multiplies the features.

    With `levels=4, features=64, growth=1, block=Block.PLAIN` it is the plain network of four levels
    with 64 features each: two convolutions with ReLU a level, maximum pooling.

    Source: Ronneberger et al., "U-Net", MICCAI 2015; its residual blocks are pre-activated (He et
    al., "Identity Mappings in Deep Residual Networks", ECCV 2016), with GELU.
    """

    levels: int = 2
    """How many times the grid is halved."""
    features: int = 16
    """Features on the finest level."""
    growth: int = 2
    """Factor of the features from a level to the next."""
    block: Block = Block.RESIDUAL
    """Two convolutions a level: residual with GELU, or plain with ReLU."""

    def __post_init__(self):
        if min(self.levels, self.features, self.growth) < 1:
            raise ValueError("levels, features and growth must be at least 1")

    def network(self, domain: Domain) -> nn.Module:
        """Return the network without its last layer."""
        divisor = 2**self.levels
        for n in domain.shape:
            if n % divisor:
                down, up = n // divisor * divisor, -(-n // divisor) * divisor
                near = f"{up}" if down == 0 else f"{down} or {up}"
                raise ValueError(
                    f"domain.shape: {n} cells cannot be halved {self.levels} times; take {near} "
                    f"cells (a multiple of 2^levels = {divisor}), or fewer levels"
                )
        widths = tuple(self.features * self.growth**level for level in range(self.levels + 1))
        return _Network(widths, self.block, domain.boundary)


class _Network(nn.Module):
    widths: tuple[int, ...]
    block: Block
    boundary: Boundary

    @nn.compact
    def __call__(self, x):
        *widths, coarsest = self.widths
        skips = []
        for width in widths:
            x = self._level(width, x)
            skips.append(x)
            x = _halve(x, nn.max_pool if self.block is Block.PLAIN else nn.avg_pool)
        x = self._level(coarsest, x)
        for width, skip in zip(reversed(widths), reversed(skips), strict=True):
            x = jnp.concatenate([_double(x), skip], axis=-1)
            x = self._level(width, x)
        return x if self.block is Block.PLAIN else nn.gelu(x)

    def _level(self, width, x):
        if self.block is Block.PLAIN:
            for _ in range(2):
                x = nn.relu(Convolution(width, self.boundary)(x))
            return x
        inner = x
        for _ in range(2):
            inner = Convolution(width, self.boundary)(nn.gelu(inner))
        return nn.Dense(width, dtype=x.dtype)(x) + inner


def _halve(x: Array, pool) -> Array:
    """Pool each block of 2^dims cells."""
    window = (2,) * (x.ndim - 1)
    return pool(x, window, strides=window)


def _double(x: Array) -> Array:
    """Repeat each cell along each space axis."""
    for axis in range(x.ndim - 1):
        x = jnp.repeat(x, 2, axis=axis)
    return x
