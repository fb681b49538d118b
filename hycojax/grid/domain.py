"""The box that a system lives in, its grid, and the channels of a state on it."""

from __future__ import annotations

import enum
from dataclasses import dataclass, field, replace
from typing import Any, Self

import numpy as np
from jaxtyping import Array, Float

from hycojax.kernels.axes import along
from hycojax.settings.checked import Checked


class Boundary(enum.Enum):
    """How the box ends, on every side."""

    PERIODIC = "periodic"
    CLOSED = "closed"


PERIODIC, CLOSED = Boundary.PERIODIC, Boundary.CLOSED


@dataclass(frozen=True)
class Channel(Checked):
    """One component of a state.

    `static` channels describe the set-up (a source, a coefficient): known exactly, carried through
    a step unchanged and never predicted. A channel with a `face` axis holds the component of a
    staggered vector along that axis, each value on the lower face of its cell. Values are means
    over cells or faces, or with `points` those at their centres.
    """

    name: str
    unit: str = "1"
    static: bool = False
    face: int | None = None
    points: bool = False


def vector_channels(
    name: str, unit: str, dims: int, staggered: bool = False, static: bool = False
) -> tuple[Channel, ...]:
    """Return the channels of a vector: a component an axis, at centres or on lower faces."""
    faces = range(dims) if staggered else [None] * dims
    return tuple(
        Channel(f"{name}_{axis}", unit, static, face)
        for axis, face in zip("xyz", faces, strict=False)
    )


@dataclass(frozen=True)
class Domain(Checked):
    """A uniform Cartesian grid in a box. A closed box has walls on all sides."""

    shape: tuple[int, ...]
    """Number of cells along each axis."""
    size: tuple[float, ...]
    """Length of the box along each axis, in metres."""
    boundary: Boundary
    """How the box ends."""
    origin: tuple[float, ...] | None = field(default=None, kw_only=True)
    """Coordinates of its lower corner in recordings, in metres; None: 0. Models know the box only,
    from 0 on."""

    def __post_init__(self):
        if not 1 <= len(self.shape) <= 3:
            raise ValueError(f"domain.shape: 1 to 3 axes are needed, got {len(self.shape)}")
        if len(self.size) != len(self.shape):
            raise ValueError(
                f"domain.size: {len(self.size)} lengths for {len(self.shape)} axes of domain.shape"
            )
        if min(self.shape) < 4:
            raise ValueError(f"domain.shape: at least 4 cells along each axis, got {self.shape}")
        if not all(s > 0 for s in self.size):
            raise ValueError(f"domain.size: lengths must be positive, got {self.size}")
        if self.origin is not None and len(self.origin) != len(self.shape):
            raise ValueError(
                f"domain.origin: {len(self.origin)} numbers for {len(self.shape)} axes"
            )

    @property
    def dims(self) -> int:
        """Number of space axes."""
        return len(self.shape)

    @property
    def dx(self) -> tuple[float, ...]:
        """Cell width along each axis, in metres."""
        return tuple(s / n for s, n in zip(self.size, self.shape, strict=True))

    @classmethod
    def from_recordings(
        cls,
        data: Any,
        cells: tuple[int, ...],
        boundary: Boundary,
        size: tuple[float, ...] | None = None,
    ) -> Domain:
        """Return the box that recordings fill, with so many cells along each axis.

        Args:
            data: `Files`, `Recordings` or `Together`.
            cells: Number of cells along each axis.
            boundary: How the box ends.
            size: Lengths of the box, whose origin is 0 then; needed where there are points only.

        Raises:
            ValueError: They do not tell.
        """
        origin, lengths = data.read().box(size)
        return cls(tuple(cells), lengths, boundary, origin=origin if any(origin) else None)

    @property
    def corner(self) -> tuple[float, ...]:
        """Coordinates of the lower corner in recordings, in metres."""
        return self.origin or (0.0,) * self.dims

    def centers(self) -> list[np.ndarray]:
        """Places of the cell centres, one array `[*shape]` an axis, in metres from the corner."""
        axes = [(np.arange(n) + 0.5) * dx for n, dx in zip(self.shape, self.dx, strict=True)]
        return np.meshgrid(*axes, indexing="ij")

    def refine(self, factor: int) -> Self:
        """The same box with `factor` times as many cells along each axis."""
        return replace(self, shape=tuple(n * factor for n in self.shape))

    def coarsen(self, factor: int) -> Self:
        """The same box with cells that are `factor` times as wide.

        Raises:
            ValueError: The cells can't be grouped like that.
        """
        if factor < 1 or any(n % factor for n in self.shape):
            raise ValueError(f"{factor} does not divide domain.shape = {self.shape}")
        return replace(self, shape=tuple(n // factor for n in self.shape))

    def average(self, fine: Float[Array, "*shape"], factor: int) -> Float[Array, "*coarse"]:
        """Return the means of one value a cell over the cells of `coarsen(factor)`."""
        groups = [k for n in self.shape for k in (n // factor, factor)]
        return fine.reshape(groups).mean(axis=tuple(range(1, 2 * self.dims, 2)))

    def prolong(self, coarse: Float[Array, "*coarse"], factor: int) -> Float[Array, "*shape"]:
        """Interpolate one value a cell of `coarsen(factor)` linearly to the cells of this grid.

        Beyond the outermost centres of a closed box the value stays as it is there.
        """
        for axis, n in enumerate(self.shape):
            matrix = _interpolation(n, factor, self.boundary).astype(coarse.dtype)
            coarse = along(matrix, coarse, axis)
        return coarse


@dataclass(frozen=True)
class Holding:
    """What the numbers of a state are.

    Attributes:
        means: Along which axes the values of each channel are means: `[channel][axis]`.
        closed: Whether the box is closed.
    """

    means: tuple[tuple[bool, ...], ...]
    closed: bool


@dataclass(frozen=True)
class Grid(Domain):
    """A domain with the channels that are stored on it.

    A state is one array `[*shape, channels]`. The lower faces that lie in a wall store zero, so
    that closed and periodic boxes share one layout.
    """

    channels: tuple[Channel, ...]

    @property
    def dynamic(self) -> tuple[int, ...]:
        """Indices of the channels that a model predicts."""
        return tuple(i for i, c in enumerate(self.channels) if not c.static)

    def offsets(self, channel: int) -> tuple[float, ...]:
        """Where the values of a channel lie in their cells, along each axis, in parts of a cell."""
        face = self.channels[channel].face
        return tuple(0.0 if face == axis else 0.5 for axis in range(self.dims))

    @property
    def holding(self) -> Holding:
        """What the numbers of a state are."""
        axes = range(self.dims)
        means = (tuple(not c.points and c.face != axis for axis in axes) for c in self.channels)
        return Holding(tuple(means), self.boundary is Boundary.CLOSED)

    def evolves(self) -> np.ndarray:
        """Which entries of a state change in time, `bool[*shape, channels]`.

        False for static channels and for the faces that lie in a wall.
        """
        mask = np.ones((*self.shape, len(self.channels)), bool)
        for i, channel in enumerate(self.channels):
            mask[..., i] = not channel.static
            if channel.face is not None and self.boundary is Boundary.CLOSED:
                np.moveaxis(mask[..., i], channel.face, 0)[0] = False
        return mask


def with_channels(domain: Domain, channels: tuple[Channel, ...]) -> Grid:
    """Return a domain with channels in place of any that it has."""
    return Grid(domain.shape, domain.size, domain.boundary, channels, origin=domain.origin)


def _interpolation(n: int, factor: int, boundary: Boundary) -> np.ndarray:
    """Return the weights `[n, n / factor]` of linear interpolation along one axis."""
    place = (np.arange(n) + 0.5) / factor - 0.5
    lower = np.floor(place).astype(int)
    weights = np.zeros((n, n // factor))
    for cells, share in ((lower, lower + 1 - place), (lower + 1, place - lower)):
        if boundary is Boundary.PERIODIC:
            cells = cells % (n // factor)
        else:
            cells = np.clip(cells, 0, n // factor - 1)
        np.add.at(weights, (np.arange(n), cells), share)
    return weights
