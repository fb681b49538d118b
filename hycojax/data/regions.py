"""Where a system is seen. To add a region: a class with `mask`."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np
from jaxtyping import Bool, Float

from hycojax.grid.domain import Boundary, Domain
from hycojax.settings.checked import Checked


@runtime_checkable
class Region(Protocol):
    """A part of the box, perhaps another one in each frame."""

    def mask(self, domain: Domain, frames: int) -> Bool[np.ndarray, "*frames_and_shape"]:
        """Return which cells are seen: `[*shape]`, or `[frames, *shape]` if they change."""


@dataclass(frozen=True)
class Everywhere(Checked):
    """The whole box."""

    def mask(self, domain: Domain, frames: int) -> Bool[np.ndarray, "*shape"]:
        """Return which cells are seen: all."""
        return np.ones(domain.shape, bool)


@dataclass(frozen=True)
class Range(Checked):
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
class Centre(Checked):
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
class Scattered(Checked):
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
class Sensors(Checked):
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
class MovingSensors(Checked):
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
