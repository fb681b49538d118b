"""What all emulators of a time step share: scaling, the residual, what stays as it is."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass, field
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Key

from hycojax.data.statistics import Statistics
from hycojax.grid.domain import Boundary
from hycojax.models.model import SharedDomain, Stepper, SyntheticModel


@dataclass(frozen=True)
class Emulator(Stepper, SyntheticModel):
    """state + s * net((state - m) / r), on the channels and faces that evolve.

    m and r are mean and standard deviation of the training data, s is the rms of their change in a
    time step, so that the network maps numbers of order 1 to numbers of order 1. They are stored
    with the weights. Static channels are read, not predicted, and leave as they came. The last
    layer starts at zero: an untrained network predicts no change.

    Source of the coordinates: Liu et al., "An intriguing failing of convolutional neural networks
    and the CoordConv solution", NeurIPS 2018.
    """

    domain: SharedDomain
    bfloat16: bool = field(default=False, kw_only=True)
    """Compute the network in bfloat16; weights, scaling and sums stay in single precision."""
    coordinates: bool = field(default=False, kw_only=True)
    """Read the place of each cell as well: where coefficients vary in space, the same state becomes
    another one at another place."""

    @abstractmethod
    def network(self) -> nn.Module:
        """Return the network without its last layer, `[*shape, channels] -> [*shape, features]`."""

    def init(self, key: Key[Array, ""]) -> dict[str, Any]:
        """Return random weights, and statistics that leave a state as it is."""
        channels = len(self.domain.channels)
        blank = jnp.zeros((*self.domain.shape, channels), jnp.float32)
        return {
            "weights": self._whole().init(key, self._placed(blank)),
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
        change = self._whole().apply(params["weights"], self._placed(scaled))
        change *= statistics.change[dynamic]
        evolves = self.domain.evolves()[..., dynamic].astype(state.dtype)
        return state.at[..., dynamic].add(change * evolves)

    def _placed(self, scaled: Float[Array, "*shape channels"]) -> Float[Array, "*shape inputs"]:
        """Return the inputs: with coordinates, -1 to 1 in a closed box, else a wave along each."""
        if not self.coordinates:
            return scaled
        shares = zip(self.domain.centers(), self.domain.size, strict=True)
        places = np.stack([2 * x / length - 1 for x, length in shares], -1)
        if self.domain.boundary is Boundary.PERIODIC:
            places = np.concatenate([np.sin(np.pi * places), np.cos(np.pi * places)], -1)
        return jnp.concatenate([scaled, jnp.asarray(places, scaled.dtype)], -1)

    def _whole(self) -> nn.Module:
        return _Whole(self.network(), len(self.domain.dynamic), self.bfloat16)


class _Whole(nn.Module):
    body: nn.Module
    outputs: int
    bfloat16: bool

    @nn.compact
    def __call__(self, x):
        features = self.body(x.astype(jnp.bfloat16) if self.bfloat16 else x)
        return nn.Dense(self.outputs, kernel_init=nn.initializers.zeros)(features.astype(x.dtype))
