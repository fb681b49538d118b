"""What all emulators of an interval share: scaling, the residual, what stays as it is.

To write a network: a frozen dataclass that inherits `Emulator`, with `network`; or, for a module of
your own, `Custom(MyModule())`.
"""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass, field
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Key

from hycojax.data.observations import Statistics
from hycojax.grid.domain import Boundary, Channel, Grid
from hycojax.kernels.precision import real, widened
from hycojax.models.model import Stepper
from hycojax.settings.checked import Checked
from hycojax.settings.numbers import STATIC


@dataclass(frozen=True)
class Emulator(Checked):
    """A network that advances a state by one interval, on any domain.

        state + s * net((state - m) / r), on the channels and faces that evolve

    m and r are mean and standard deviation of the training data, s is the rms of their change in an
    interval, so that the network maps numbers of order 1 to numbers of order 1. They are stored
    with the weights. Static channels are read, not predicted, and leave as they came. The last
    layer starts at zero: an untrained network predicts no change.

    Source of the coordinates: Liu et al., "An intriguing failing of convolutional neural networks
    and the CoordConv solution", NeurIPS 2018.
    """

    bfloat16: bool = field(default=False, kw_only=True)
    """Compute the network in bfloat16; weights, scaling and sums stay in single precision."""
    coordinates: bool = field(default=False, kw_only=True)
    """Read the place of each cell as well: where coefficients vary in space, the same state becomes
    another one at another place."""

    @abstractmethod
    def network(self, domain: Grid) -> nn.Module:
        """Return the network without its last layer, `[*shape, channels] -> [*shape, features]`.

        Raises:
            ValueError: It does not suit the domain; the message says why.
        """

    def on(self, domain: Grid, interval: float) -> BoundEmulator:
        """Return the model on a domain with channels, with frames an interval [s] apart.

        Raises:
            ValueError: The network does not suit the domain.
        """
        self.network(domain)
        return BoundEmulator(self, domain, interval)


@dataclass(frozen=True)
class Custom(Emulator):
    """A `flax.linen` module of your own, `[*shape, channels] -> [*shape, features]`."""

    module: nn.Module
    """The module."""

    def network(self, domain: Grid) -> nn.Module:
        """Return the module."""
        del domain
        return self.module


@dataclass(frozen=True)
class BoundEmulator(Stepper):
    """An emulator on a domain: its parameters are weights and statistics of the training data."""

    emulator: Emulator = field(metadata=STATIC)
    domain: Grid = field(metadata=STATIC)
    interval: float = field(metadata=STATIC)

    @property
    def channels(self) -> tuple[Channel, ...]:
        """The channels of a state."""
        return self.domain.channels

    def init(self, key: Key[Array, ""]) -> dict[str, Any]:
        """Return random weights, and statistics that leave a state as it is."""
        channels = len(self.domain.channels)
        blank = jnp.zeros((*self.domain.shape, channels), real())
        return {
            "weights": widened(self._whole().init(key, self._placed(blank))),
            "statistics": Statistics(jnp.zeros(channels), jnp.ones(channels), jnp.ones(channels)),
        }

    def normalise(self, params: dict[str, Any], statistics: Statistics) -> dict[str, Any]:
        """Return the parameters with the statistics of the training data."""
        return {**params, "statistics": statistics}

    def forward(
        self, params: dict[str, Any], state: Float[Array, "*shape channels"]
    ) -> Float[Array, "*shape channels"]:
        """Return the state one interval later."""
        dynamic = np.array(self.domain.dynamic)
        return state.at[..., dynamic].add(self._evolving(params, state))

    def change(
        self, params: dict[str, Any], state: Float[Array, "*shape channels"]
    ) -> Float[Array, "*shape channels"]:
        """Return the change in an interval: 0 where nothing evolves."""
        dynamic = np.array(self.domain.dynamic)
        return jnp.zeros_like(state).at[..., dynamic].set(self._evolving(params, state))

    def usual_change(self, params: dict[str, Any]) -> Float[Array, " channels"]:
        """Return the rms change of each channel in an interval, as the training data have it."""
        return params["statistics"].change

    def _evolving(
        self, params: dict[str, Any], state: Float[Array, "*shape channels"]
    ) -> Float[Array, "*shape dynamic"]:
        """Return the change of the channels that evolve."""
        statistics = jax.lax.stop_gradient(params["statistics"])
        dynamic = np.array(self.domain.dynamic)
        scaled = (state - statistics.mean) / statistics.std
        change = self._whole().apply(params["weights"], self._placed(scaled))
        change *= statistics.change[dynamic]
        return change * self.domain.evolves()[..., dynamic].astype(state.dtype)

    def _placed(self, scaled: Float[Array, "*shape channels"]) -> Float[Array, "*shape inputs"]:
        """Return the inputs: with coordinates, -1 to 1 in a closed box, else a wave along each."""
        if not self.emulator.coordinates:
            return scaled
        shares = zip(self.domain.centers(), self.domain.size, strict=True)
        places = np.stack([2 * x / length - 1 for x, length in shares], -1)
        if self.domain.boundary is Boundary.PERIODIC:
            places = np.concatenate([np.sin(np.pi * places), np.cos(np.pi * places)], -1)
        return jnp.concatenate([scaled, jnp.asarray(places, scaled.dtype)], -1)

    def _whole(self) -> nn.Module:
        body, outputs = self.emulator.network(self.domain), len(self.domain.dynamic)
        return _Whole(body, outputs, self.emulator.bfloat16)


class _Whole(nn.Module):
    body: nn.Module
    outputs: int
    bfloat16: bool

    @nn.compact
    def __call__(self, x):
        features = self.body(x.astype(jnp.bfloat16) if self.bfloat16 else x)
        return nn.Dense(self.outputs, kernel_init=nn.initializers.zeros)(features.astype(x.dtype))
