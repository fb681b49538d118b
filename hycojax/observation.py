"""What of a trajectory is seen: a region, and noise. To add a region: a class with `mask`."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Key

from hycojax.domain import Domain


@runtime_checkable
class Region(Protocol):
    """A part of the box."""

    def mask(self, domain: Domain) -> Bool[np.ndarray, "*shape"]:
        """Return which cells are seen."""


@dataclass(frozen=True)
class Everywhere:
    """The whole box."""

    def mask(self, domain: Domain) -> Bool[np.ndarray, "*shape"]:
        """Return which cells are seen: all."""
        return np.ones(domain.shape, bool)


@dataclass(frozen=True)
class Centre:
    """A box in the middle, of the domain's proportions."""

    fraction: float = 0.5
    """Its share of the domain's area (or volume), 0 to 1."""

    def __post_init__(self):
        if not 0 < self.fraction <= 1:
            raise ValueError(f"fraction = {self.fraction}: it must lie above 0 and up to 1")

    def mask(self, domain: Domain) -> Bool[np.ndarray, "*shape"]:
        """Return which cells are seen: those whose centre lies in the box."""
        half = 0.5 * self.fraction ** (1 / domain.dims)
        inside = np.ones(domain.shape, bool)
        for x, length in zip(domain.centers(), domain.size, strict=True):
            inside &= np.abs(x / length - 0.5) < half
        return inside


@dataclass(frozen=True)
class Scattered:
    """Sensors in single cells, anywhere in the box."""

    fraction: float = 0.25
    """Share of the cells that have one, 0 to 1."""
    seed: int = 0
    """Which cells."""

    def __post_init__(self):
        if not 0 < self.fraction <= 1:
            raise ValueError(f"fraction = {self.fraction}: it must lie above 0 and up to 1")

    def mask(self, domain: Domain) -> Bool[np.ndarray, "*shape"]:
        """Return which cells are seen: a random choice without repetition."""
        cells = np.zeros(math.prod(domain.shape), bool)
        cells[: round(self.fraction * cells.size)] = True
        return np.random.default_rng(self.seed).permutation(cells).reshape(domain.shape)


@dataclass(frozen=True)
class Observation:
    """How recordings are made. The first frame and static channels are known in full."""

    region: Region
    """The part of the box that is seen after the first frame."""
    noise: float = 0.0
    """Standard deviation of the noise, relative to that of the seen values of a channel."""

    def __post_init__(self):
        if not (math.isfinite(self.noise) and self.noise >= 0):
            raise ValueError(f"noise = {self.noise}: it must not be negative")


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class Recording:
    """Trajectories as they are known: values, 0 where nothing is seen, and what is seen."""

    values: Float[Array, "simulation time *shape channels"]
    seen: Bool[Array, "simulation time *shape channels"]


def observe(
    observation: Observation,
    domain: Domain,
    trajectories: Float[Array, "simulation time *shape channels"],
    key: Key[Array, ""],
) -> Recording:
    """Return what is seen of trajectories, with noise on the dynamic channels.

    Values outside the mask are never used: they may be anything, NaN included.

    Raises:
        ValueError: A value inside the mask is not finite.
    """
    static = np.array([c.static for c in domain.channels])
    seen = np.broadcast_to(observation.region.mask(domain)[..., None] | static, trajectories.shape)
    first = np.arange(trajectories.shape[1]) == 0
    seen = jnp.asarray(seen | first.reshape(1, -1, *(1,) * (trajectories.ndim - 2)))
    values = jnp.where(seen, trajectories, 0)
    if bad := int(jnp.sum(~jnp.isfinite(values))):
        raise ValueError(f"{bad} of the observed values are not finite numbers")
    axes = tuple(range(values.ndim - 1))
    scale = jnp.where(static, 0, jnp.std(values, axes, where=seen))
    noise = observation.noise * scale * jax.random.normal(key, values.shape)
    # Faces in a wall hold exactly zero, which no sensor has to measure.
    noisy = values + jnp.where(domain.evolves(), noise, 0)
    return Recording(values=jnp.where(seen, noisy, 0), seen=seen)
