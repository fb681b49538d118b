"""What of a trajectory is seen: where, when, and with what noise.

To add a region: a class with `mask`. To add a choice of times: a class with `frames`.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int, Key

from hycojax.grid.domain import Boundary, Domain
from hycojax.kernels import programs
from hycojax.kernels import random_arrays as draws


@runtime_checkable
class Region(Protocol):
    """A part of the box, perhaps another one in each frame."""

    def mask(self, domain: Domain, frames: int) -> Bool[np.ndarray, "*frames_and_shape"]:
        """Return which cells are seen: `[*shape]`, or `[frames, *shape]` if they change."""


@dataclass(frozen=True)
class Everywhere:
    """The whole box."""

    def mask(self, domain: Domain, frames: int) -> Bool[np.ndarray, "*shape"]:
        """Return which cells are seen: all."""
        return np.ones(domain.shape, bool)


@dataclass(frozen=True)
class Range:
    """A box along the axes, between two corners."""

    low: tuple[float, ...]
    """Lower corner, in parts of the box's lengths, 0 to 1."""
    high: tuple[float, ...]
    """Upper corner."""

    def __post_init__(self):
        if len(self.low) != len(self.high):
            raise ValueError(f"low and high: {len(self.low)} and {len(self.high)} axes")
        for a, b in zip(self.low, self.high, strict=True):
            if not 0 <= a < b <= 1:
                raise ValueError(f"low = {a}, high = {b}: 0 <= low < high <= 1 is needed")

    def mask(self, domain: Domain, frames: int) -> Bool[np.ndarray, "*shape"]:
        """Return which cells are seen: those whose centre lies in the box."""
        _check_axes("low", self.low, domain)
        inside = np.ones(domain.shape, bool)
        corners = zip(domain.centers(), domain.size, self.low, self.high, strict=True)
        for x, length, low, high in corners:
            inside &= (x / length >= low) & (x / length < high)
        return inside


@dataclass(frozen=True)
class Centre:
    """A box in the middle, of the domain's proportions."""

    fraction: float = 0.5
    """Its share of the domain's area (or volume), 0 to 1."""

    def __post_init__(self):
        _check_fraction(self.fraction)

    def mask(self, domain: Domain, frames: int) -> Bool[np.ndarray, "*shape"]:
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
    anew: bool = False
    """Whether each frame has sensors in other cells."""

    def __post_init__(self):
        _check_fraction(self.fraction)

    def mask(self, domain: Domain, frames: int) -> Bool[np.ndarray, "*frames_and_shape"]:
        """Return which cells are seen: a random choice without repetition."""
        cells = np.zeros(math.prod(domain.shape), bool)
        cells[: round(self.fraction * cells.size)] = True
        rng = np.random.default_rng(self.seed)
        if not self.anew:
            return rng.permutation(cells).reshape(domain.shape)
        return np.stack([rng.permutation(cells).reshape(domain.shape) for _ in range(frames)])


@dataclass(frozen=True)
class Sensors:
    """Sensors at given places."""

    positions: tuple[tuple[float, ...], ...]
    """Where each stands, in metres along each axis; it sees the cell that it stands in."""

    def mask(self, domain: Domain, frames: int) -> Bool[np.ndarray, "*shape"]:
        """Return which cells are seen.

        Raises:
            ValueError: A sensor stands outside the box.
        """
        for position in self.positions:
            _check_axes("positions", position, domain)
        places = np.array(self.positions, float).reshape(-1, domain.dims)
        if not ((places >= 0) & (places <= domain.size)).all():
            raise ValueError(f"positions: a sensor stands outside the box of {domain.size} m")
        return _cells(domain, places)


@dataclass(frozen=True)
class MovingSensors:
    """Sensors that start on a grid and turn about a point which they slowly approach.

        dx/dt = omega J (x - c) - g (x - c)

    with J the rotation by a right angle in the first two axes. One that leaves a closed box sees
    nothing until it is back; a periodic one it enters on the other side.

    Source of the paths: the heat problem of arXiv 2509.14123 (omega 1, g 0.1, in a unit of time).
    """

    low: tuple[float, ...]
    """Lower corner of the grid where they start, in metres."""
    high: tuple[float, ...]
    """Upper corner of that grid, in metres."""
    centre: tuple[float, ...]
    """Point c that they turn about, in metres."""
    count: int = 10
    """Sensors along each axis of the grid."""
    rotation: float = 1.0
    """Angle omega by which they turn in the whole recording, in radians."""
    approach: float = 0.1
    """How far, g, they approach: to exp(-g) of their distance in the whole recording."""

    def __post_init__(self):
        if self.count < 1:
            raise ValueError(f"count = {self.count}: at least one sensor is needed")
        if not len(self.low) == len(self.high) == len(self.centre) >= 2:
            raise ValueError("low, high and centre: the same axes, at least two of them")
        numbers = (*self.low, *self.high, *self.centre, self.rotation, self.approach)
        if not all(map(math.isfinite, numbers)):
            raise ValueError("low, high, centre, rotation and approach must be finite")

    def mask(self, domain: Domain, frames: int) -> Bool[np.ndarray, " frames *shape"]:
        """Return which cells are seen in each frame.

        Raises:
            ValueError: Not the axes of the box, or sensors that start outside a closed one.
        """
        _check_axes("low", self.low, domain)
        corners = np.array((self.low, self.high))
        closed = domain.boundary is Boundary.CLOSED
        if closed and not ((corners >= 0) & (corners <= domain.size)).all():
            raise ValueError(f"low, high: sensors start outside the box of {domain.size} m")
        axes = [np.linspace(a, b, self.count) for a, b in zip(self.low, self.high, strict=True)]
        grid = np.stack(np.meshgrid(*axes, indexing="ij"), -1).reshape(-1, domain.dims)
        return np.stack([self._at(domain, grid, t) for t in np.linspace(0, 1, frames)])

    def _at(self, domain: Domain, grid: np.ndarray, time: float) -> np.ndarray:
        off = (grid - self.centre) * np.exp(-self.approach * time)
        cos, sin = np.cos(self.rotation * time), np.sin(self.rotation * time)
        turned = off.copy()
        turned[:, 0] = cos * off[:, 0] - sin * off[:, 1]
        turned[:, 1] = sin * off[:, 0] + cos * off[:, 1]
        places = np.asarray(self.centre) + turned
        if domain.boundary is Boundary.PERIODIC:
            return _cells(domain, places % domain.size)
        inside = ((places >= 0) & (places <= domain.size)).all(-1)
        return _cells(domain, places[inside])


@runtime_checkable
class Times(Protocol):
    """The frames of a recording at which something is seen."""

    def frames(self, count: int) -> Bool[np.ndarray, " count"]:
        """Return which of `count` frames are seen."""


@dataclass(frozen=True)
class AllFrames:
    """All frames."""

    def frames(self, count: int) -> Bool[np.ndarray, " count"]:
        """Return which frames are seen: all."""
        return np.ones(count, bool)


@dataclass(frozen=True)
class Endpoints:
    """The first and the last frame."""

    def frames(self, count: int) -> Bool[np.ndarray, " count"]:
        """Return which frames are seen."""
        return np.isin(np.arange(count), (0, count - 1))


@dataclass(frozen=True)
class EveryNth:
    """Each n-th frame, from the first on."""

    n: int = 2
    """Frames from one that is seen to the next."""

    def __post_init__(self):
        if self.n < 1:
            raise ValueError(f"n = {self.n}: at least 1 is needed")

    def frames(self, count: int) -> Bool[np.ndarray, " count"]:
        """Return which frames are seen."""
        return np.arange(count) % self.n == 0


@dataclass(frozen=True)
class Chosen:
    """Given frames."""

    numbers: tuple[int, ...]
    """Which, from 0 on."""

    def frames(self, count: int) -> Bool[np.ndarray, " count"]:
        """Return which frames are seen.

        Raises:
            ValueError: There is no such frame.
        """
        if not all(0 <= number < count for number in self.numbers):
            raise ValueError(f"numbers = {self.numbers}: frames 0 to {count - 1} exist")
        return np.isin(np.arange(count), self.numbers)


@dataclass(frozen=True)
class Observation:
    """How recordings are made. The first frame and static channels are known in full."""

    region: Region
    """The part of the box that is seen after the first frame."""
    times: Times = AllFrames()
    """The frames at which it is seen."""
    noise: float = 0.0
    """Standard deviation of the noise, relative to that of the seen values of a channel."""

    def __post_init__(self):
        if not (math.isfinite(self.noise) and self.noise >= 0):
            raise ValueError(f"noise = {self.noise}: it must not be negative")

    def mask(self, domain: Domain, frames: int) -> Bool[np.ndarray, " frames *shape"]:
        """Return which cells are seen in each frame; in the first one all are.

        Raises:
            ValueError: The region or the times do not suit the box or the frames.
        """
        with _named("region"):
            cells = np.broadcast_to(self.region.mask(domain, frames), (frames, *domain.shape))
        with _named("times"):
            seen = cells & self.times.frames(frames).reshape(-1, *(1,) * domain.dims)
        seen[0] = True
        return seen


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
    mask = observation.mask(domain, trajectories.shape[1])
    seen = np.broadcast_to(mask[..., None] | static, trajectories.shape)
    program = programs.jit(_noisy, programs.ONCE)
    # Faces in a wall hold exactly zero, which no sensor has to measure.
    recording, bad = program(trajectories, seen, domain.evolves(), observation.noise, key)
    if bad:
        raise ValueError(f"{int(bad)} of the observed values are not finite numbers")
    return recording


def _noisy(
    trajectories: Array, seen: Array, evolves: Array, noise: Array, key: Key[Array, ""]
) -> tuple[Recording, Int[Array, ""]]:
    """Return what is seen, with noise on what evolves, and how many values are not finite."""
    values = jnp.where(seen, trajectories, 0)
    scale = jnp.std(values, tuple(range(values.ndim - 1)), where=seen)
    drawn = noise * scale * draws.normal(key, values.shape)
    noisy = jnp.where(seen, values + jnp.where(evolves, drawn, 0), 0)
    return Recording(noisy, seen), jnp.sum(~jnp.isfinite(values))


def hold_out(
    recording: Recording, domain: Domain, share: float, key: Key[Array, ""]
) -> tuple[Recording, Recording]:
    """Split what a recording sees into a part to learn from and a part to validate on.

    Each cell and time after the first frame belongs to the latter with probability `share`. The
    first frames are in both.
    """
    drawn = draws.bernoulli(key, share, (*recording.seen.shape[:-1], 1))
    held = recording.seen & drawn & domain.evolves()
    first = jnp.arange(held.shape[1]).reshape(1, -1, *(1,) * (held.ndim - 2)) == 0
    parts = recording.seen & (first | ~held), recording.seen & (first | held)
    training, validation = (Recording(jnp.where(s, recording.values, 0), s) for s in parts)
    return training, validation


@contextmanager
def _named(part: str) -> Iterator[None]:
    """Put the name of a part before what it complains about."""
    try:
        yield
    except ValueError as error:
        raise ValueError(f"{part}.{error}") from error


def _check_fraction(fraction: float) -> None:
    if not 0 < fraction <= 1:
        raise ValueError(f"fraction = {fraction}: it must lie above 0 and up to 1")


def _check_axes(name: str, given: tuple[float, ...], domain: Domain) -> None:
    if len(given) != domain.dims:
        raise ValueError(f"{name}: {len(given)} numbers for the {domain.dims} axes of the box")


def _cells(domain: Domain, places: Float[np.ndarray, "sensor dims"]) -> np.ndarray:
    """Return the cells in which some of the places lie."""
    inside = np.zeros(domain.shape, bool)
    index = (places / np.array(domain.dx)).astype(int)
    inside[tuple(np.minimum(index, np.array(domain.shape) - 1).T)] = True
    return inside
