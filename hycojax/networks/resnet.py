"""ResNet: residual blocks of dilated convolutions, which see far without a coarser grid."""

from __future__ import annotations

from dataclasses import dataclass

import flax.linen as nn

from hycojax.grid.domain import Boundary, Domain
from hycojax.networks.convolution import Convolution
from hycojax.networks.emulator import Emulator


@dataclass(frozen=True)
class ResNet(Emulator):
    """Dilated residual network on the full grid.

    Source: Stachenfeld et al., "Learned Coarse Models for Efficient Turbulence Simulation", ICLR
    2022, with GELU.
    """

    features: int = 32
    """Features of a layer."""
    blocks: int = 2
    """Residual blocks."""
    dilations: tuple[int, ...] = (1, 2, 4, 2, 1)
    """How far apart the cells lie that each convolution of a block reads."""

    def __post_init__(self):
        if min(self.features, self.blocks) < 1 or not self.dilations:
            raise ValueError("features and blocks must be at least 1, and there must be dilations")

    def network(self, domain: Domain) -> nn.Module:
        """Return the network without its last layer."""
        for dilation in self.dilations:
            if not 1 <= dilation < min(domain.shape):
                raise ValueError(
                    f"dilations: {dilation} must lie between 1 and the smallest of the numbers of "
                    f"cells, {min(domain.shape)}"
                )
        return _Network(self.features, self.blocks, self.dilations, domain.boundary)


class _Network(nn.Module):
    features: int
    blocks: int
    dilations: tuple[int, ...]
    boundary: Boundary

    @nn.compact
    def __call__(self, x):
        x = Convolution(self.features, self.boundary)(x)
        for _ in range(self.blocks):
            inner = x
            for dilation in self.dilations:
                inner = Convolution(self.features, self.boundary, dilation)(nn.gelu(inner))
            x = x + inner
        return nn.gelu(x)
