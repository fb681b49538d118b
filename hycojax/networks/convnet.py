"""ConvNet: convolutions one after the other, the baseline of the other networks."""

from __future__ import annotations

from dataclasses import dataclass

import flax.linen as nn

from hycojax.grid.domain import Boundary, Domain
from hycojax.networks.convolution import Convolution
from hycojax.networks.emulator import Emulator


@dataclass(frozen=True)
class ConvNet(Emulator):
    """Convolutions with GELU on the full grid. A cell sees as many neighbours as there are layers.

    With a width of 1 it sees none: the change is a function of the state in the cell alone, as a
    reaction is.

    Source: LeCun et al., "Gradient-based learning applied to document recognition", Proc. IEEE 86
    (1998); GELU is Hendrycks, Gimpel, arXiv 1606.08415.
    """

    features: int = 32
    """Features of a layer."""
    layers: int = 5
    """Convolutions."""
    width: int = 3
    """Cells along each axis that a convolution reads: 3, or 1."""

    def __post_init__(self):
        if min(self.features, self.layers) < 1:
            raise ValueError("features and layers must be at least 1")
        if self.width not in (1, 3):
            raise ValueError(f"width = {self.width}: it must be 3 or 1")

    def network(self, domain: Domain) -> nn.Module:
        """Return the network without its last layer."""
        return _Network(self.features, self.layers, self.width, domain.boundary)


class _Network(nn.Module):
    features: int
    layers: int
    width: int
    boundary: Boundary

    @nn.compact
    def __call__(self, x):
        for _ in range(self.layers):
            if self.width == 1:
                x = nn.gelu(nn.Dense(self.features, dtype=x.dtype)(x))
            else:
                x = nn.gelu(Convolution(self.features, self.boundary)(x))
        return x
