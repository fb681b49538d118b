"""Neural field: the recorded simulations as functions of space and time."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Key

from hycojax.data.observations import Statistics
from hycojax.grid.domain import Boundary, Channel, Domain, Grid
from hycojax.kernels.precision import real, widened
from hycojax.models.model import Model, Starts
from hycojax.settings.checked import Checked
from hycojax.settings.numbers import STATIC


@dataclass(frozen=True)
class NeuralField(Checked):
    """u(x, t) = m + r * net(x / L, t / T), a net for each recorded simulation.

    It knows these simulations only, and predicts nothing from another initial state: the players
    then compare along the recordings (`Interaction(alpha=0, recorded=True)`), and it is validated
    on what is held out of them (`Simulated(validation=0)`). m and r are mean and standard deviation
    of the training data, stored with the weights. The net is a perceptron on coordinates and on
    sines and cosines of random waves, whole numbers of them along a periodic box.

    Source: Tancik et al., "Fourier features let networks learn high frequency functions in low
    dimensional domains", NeurIPS 2020.
    """

    simulations: int = 1
    """Recorded simulations: as many as there are in training."""
    steps: int = 100
    """Time steps of a recording."""
    features: int = 64
    """Features of a layer."""
    layers: int = 3
    """Layers."""
    waves: int = 32
    """Random waves that the coordinates are seen through."""
    bandwidth: float = 1.0
    """Standard deviation of their numbers along each axis of the box, and of the time."""

    def __post_init__(self):
        for name in ("simulations", "steps", "features", "layers", "waves"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} = {getattr(self, name)}: at least 1 is needed")
        if not 0 < self.bandwidth < float("inf"):
            raise ValueError(f"bandwidth = {self.bandwidth}: it must be positive")

    def on(self, domain: Grid, interval: float) -> BoundField:
        """Return the model on a domain with channels, with frames an interval [s] apart."""
        return BoundField(self, domain, interval)


@dataclass(frozen=True)
class BoundField(Model):
    """A neural field on a domain: its parameters are weights and statistics."""

    network: NeuralField = field(metadata=STATIC)
    domain: Grid = field(metadata=STATIC)
    interval: float = field(metadata=STATIC)

    @property
    def channels(self) -> tuple[Channel, ...]:
        """The channels of a state."""
        return self.domain.channels

    def init(self, key: Key[Array, ""]) -> dict[str, Any]:
        """Return random weights, and statistics that leave numbers as they are."""
        channels, blank = len(self.domain.channels), jnp.zeros((1, self.domain.dims + 1))
        keys = jax.random.split(key, self.network.simulations)
        return {
            "weights": widened(jax.vmap(lambda k: self._network().init(k, blank))(keys)),
            "statistics": Statistics(jnp.zeros(channels), jnp.ones(channels), jnp.ones(channels)),
        }

    def normalise(self, params: dict[str, Any], statistics: Statistics) -> dict[str, Any]:
        """Return the parameters with the statistics of the training data."""
        return {**params, "statistics": statistics}

    def predict(
        self, params: dict[str, Any], starts: Starts, steps: int, truncation: int | None = None
    ) -> Float[Array, "batch time *shape channels"]:
        """Return the states after the starts, which are the trajectories' time 0."""
        del truncation  # there are no steps to go back through
        statistics = jax.lax.stop_gradient(params["statistics"])
        dynamic = np.array(self.domain.dynamic)
        evolves = jnp.asarray(self.domain.evolves()[..., dynamic])
        mean, std = statistics.mean[dynamic], statistics.std[dynamic]

        def trajectory(state: Array, simulation: Array, time: Array) -> Array:
            index = simulation if self.network.simulations > 1 else 0
            weights = jax.tree.map(lambda w: w[index], params["weights"])
            values = self._network().apply(weights, self._places(time + 1 + jnp.arange(steps)))
            after = jnp.where(evolves, mean + std * values, state[..., dynamic])
            path = jnp.broadcast_to(state, (steps, *state.shape)).at[..., dynamic].set(after)
            return jnp.concatenate([state[None], path])

        return jax.vmap(trajectory)(starts.state, starts.simulation, starts.time)

    def _places(self, frames: Array) -> Float[Array, "time *shape axes"]:
        """Return coordinates between 0 and 1: along each axis of the box, and the time."""
        centres = zip(self.domain.centers(), self.domain.size, strict=True)
        x = jnp.stack([jnp.asarray(c / length, real()) for c, length in centres], -1)
        t = (frames / self.network.steps).astype(real()).reshape(-1, *(1,) * x.ndim)
        x = jnp.broadcast_to(x, (len(frames), *x.shape))
        return jnp.concatenate([x, jnp.broadcast_to(t, (*x.shape[:-1], 1))], -1)

    def _network(self) -> nn.Module:
        numbers = _waves(self.domain, self.network.waves, self.network.bandwidth)
        periodic = self.domain.boundary is Boundary.PERIODIC
        raw = (self.domain.dims,) if periodic else tuple(range(self.domain.dims + 1))
        return _Network(
            numbers, raw, self.network.features, self.network.layers, len(self.domain.dynamic)
        )


class _Network(nn.Module):
    numbers: tuple[tuple[float, ...], ...]
    raw: tuple[int, ...]
    features: int
    layers: int
    outputs: int

    @nn.compact
    def __call__(self, places):
        phase = 2 * jnp.pi * places @ jnp.asarray(self.numbers, places.dtype).T
        coordinates = 2 * places[..., np.array(self.raw)] - 1
        x = jnp.concatenate([coordinates, jnp.sin(phase), jnp.cos(phase)], -1)
        for _ in range(self.layers):
            x = nn.gelu(nn.Dense(self.features)(x))
        return nn.Dense(self.outputs)(x)


def _waves(domain: Domain, count: int, bandwidth: float) -> tuple[tuple[float, ...], ...]:
    """Return the numbers of waves along each axis and the time, the same for each network."""
    numbers = bandwidth * np.random.default_rng(0).normal(size=(count, domain.dims + 1))
    if domain.boundary is Boundary.PERIODIC:
        numbers[:, :-1] = np.round(numbers[:, :-1])
    return tuple(map(tuple, numbers.tolist()))
