"""What instruments have recorded of a system, wherever and whenever they measured: NumPy arrays.

Nothing here knows a model's grid: `data/operators.py` reads a model where the measurements are.
"""

from __future__ import annotations

import functools
import hashlib
import json
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from hycojax.data.first_states import FirstState
from hycojax.data.instruments import Gaussian, Instrument, Noise
from hycojax.data.splits import Share, Split
from hycojax.errors import InputError
from hycojax.settings.checked import Checked
from hycojax.settings.values import as_json

if TYPE_CHECKING:
    import xarray as xr


@dataclass(frozen=True)
class Film(Checked):
    """A channel on a rectilinear grid of places, frame by frame.

    Attributes:
        channel: Name of the channel.
        unit: Unit of the values; None: that of the channel is assumed.
        times: `[time]`, in seconds, increasing; None: a static field, without an axis of time.
        places: Coordinates of the pixels' centres along each axis of the box, in metres.
        values: `[time, *pixels]`, NaN where nothing is seen.
        sigma: Standard deviation of the noise, in the unit of the values, broadcastable to them;
            NaN, or None for all: unknown.
        instrument: What a pixel is of the state; None: what the model holds in its own cells, means
            over them as a rule, and between these the value.
        noise: How its errors are distributed.

    Raises:
        ValueError: The arrays do not fit together, or hold what is no measurement.
    """

    channel: str
    unit: str | None
    times: np.ndarray | None
    places: tuple[np.ndarray, ...]
    values: np.ndarray
    sigma: np.ndarray | float | None = None
    instrument: Instrument | None = None
    noise: Noise = Gaussian()

    def __post_init__(self):
        frames = () if self.times is None else (len(self.times),)
        wanted = (*frames, *map(len, self.places))
        _make_floating(self)
        if self.values.shape != wanted:
            raise ValueError(
                f"{self.channel}: {self.values.shape} values, where times and places are {wanted}"
            )
        if self.times is not None:
            check_increasing(self.times, f"{self.channel}: time")
        for axis, places in zip("xyz", self.places, strict=False):
            check_increasing(places, f"{self.channel}: {axis}")
        _check_finite(self)
        _check_sigma(self)


@dataclass(frozen=True)
class Points(Checked):
    """A channel at places and times of its own, a measurement each.

    Attributes:
        channel: Name of the channel.
        unit: Unit of the values; None: that of the channel is assumed.
        times: `[measurement]`, in seconds.
        places: `[measurement, axis]`, in metres.
        values: `[measurement]`, all finite.
        sigma: `[measurement]` or `[]`, in the unit of the values; NaN, or None for all: unknown.
        instrument: What is measured of the state; None: its value there.
        noise: How its errors are distributed.

    Raises:
        ValueError: The arrays do not fit together, or hold what is no measurement.
    """

    channel: str
    unit: str | None
    times: np.ndarray
    places: np.ndarray
    values: np.ndarray
    sigma: np.ndarray | float | None = None
    instrument: Instrument | None = None
    noise: Noise = Gaussian()

    def __post_init__(self):
        _make_floating(self)
        count = self.values.shape
        if len(count) != 1 or self.times.shape != count or self.places.shape[:-1] != count:
            raise ValueError(
                f"{self.channel}: values {count}, times {self.times.shape} and places "
                f"{self.places.shape} do not belong together"
            )
        for name, values in (("time", self.times), ("place", self.places), ("value", self.values)):
            bad = ~np.isfinite(values)
            if bad.any():
                where = int(np.argwhere(bad)[0][0])
                raise ValueError(f"{self.channel}: the {name} of measurement {where} is not finite")
        _check_sigma(self)


@dataclass(frozen=True)
class System(Checked):
    """All that was recorded of one system in one go.

    Attributes:
        name: What a message calls it, as "simulation 3".
        series: What each instrument saw of each channel.
        numbers: Known numbers of this recording, for static channels of the same names.
        units: Units of these numbers, of those whose unit is given.
        clock: Date of second 0, as ISO 8601 writes it; None: the recording has no dates.
        boundary: How the box ends along each axis: "periodic", "wall", "open", several of them, or
            "" where nothing is said; None: the recording does not say.
        left_out: A sentence on each thing in the recording that no model takes; None: there is
            none.
    """

    name: str
    series: tuple[Film | Points, ...]
    numbers: dict[str, float] = field(default_factory=dict)
    units: dict[str, str] = field(default_factory=dict)
    clock: str | None = None
    boundary: tuple[str, ...] | None = None
    left_out: tuple[str, ...] | None = None


@dataclass(frozen=True)
class Use(Checked):
    """How recordings are used."""

    validation: Split = field(default=Share(0.1), kw_only=True)
    """What the best parameters of a run are chosen by."""
    test: Split | None = field(default=None, kw_only=True)
    """What is kept for the final figures: never trained on; None: these are those of the
    validation."""
    first: FirstState | None = field(default=None, kw_only=True)
    """How the first states are known; None: `Known` if they are complete and without noise,
    `Measured` if they are complete, else `Estimated`."""
    begin: float | None = field(default=None, kw_only=True)
    """Time of the first states, in seconds; None: that of the earliest measurement of each
    system."""
    relative_sigma: float | None = field(default=None, kw_only=True)
    """Standard deviation of the noise, where the data and `sigma` say none: as a share of that of
    the channel's values, those that are learned from."""

    def __post_init__(self):
        check_sigma("relative_sigma", self.relative_sigma)


@dataclass(frozen=True)
class Recorded(Use, ABC):
    """What is known of a system from recordings, and how it is used."""

    @abstractmethod
    def read(self) -> Recordings:
        """Return the recordings themselves.

        Raises:
            InputError: They can't be read; the message says where, and what to do.
        """


@dataclass(frozen=True)
class Reading(Use):
    """How labelled data become recordings."""

    channels: dict[str, str] = field(default_factory=dict, kw_only=True)
    """Name of the variable for each channel that is read; empty: all, their names are equal."""
    units: dict[str, str] = field(default_factory=dict, kw_only=True)
    """Units by channel, and of `time`, `x`, `y`, `z`, in place of those that the data give."""
    sigma: dict[str, float] = field(default_factory=dict, kw_only=True)
    """Standard deviation of the noise by channel, in the unit of its values."""
    instrument: Instrument | None = field(default=None, kw_only=True)
    """What a measurement is of the state; None: as the data say, else the value there."""
    noise: Noise | None = field(default=None, kw_only=True)
    """How the errors are distributed; None: as the data say, else normally."""

    def __post_init__(self):
        super().__post_init__()
        names = list(self.channels.values())
        if twice := [name for name in names if names.count(name) > 1]:
            raise ValueError(f"channels: {twice[0]} is read twice; name one channel for it")
        for name, value in self.sigma.items():
            check_sigma(f"sigma: {name}", value)


@dataclass(frozen=True)
class Recordings(Recorded):
    """Recordings in memory."""

    systems: tuple[System, ...]
    """What was recorded, a system each."""

    def __post_init__(self):
        super().__post_init__()
        if not self.systems:
            raise ValueError("systems: at least one is needed")
        found: dict[int, str] = {}
        for system in self.systems:
            if not system.series:
                raise ValueError(f"{system.name}: nothing is seen of it")
            for series in system.series:
                found.setdefault(axes(series), f"{series.channel} of {system.name}")
        if len(found) > 1:
            told = ", ".join(f"{name} has {count}" for count, name in found.items())
            raise ValueError(f"all recordings must have as many axes of space: {told}")

    def read(self) -> Recordings:
        """Return the recordings themselves."""
        return self

    @functools.cached_property
    def digest(self) -> str:
        """A short name of what was recorded: it is another one if any number is."""
        found = as_json(tuple(replace(s, boundary=None, left_out=None) for s in self.systems))
        for system in found:
            del system["boundary"], system["left_out"]
        return hashlib.sha256(json.dumps(found, sort_keys=True).encode()).hexdigest()[:10]

    @property
    def left_out(self) -> list[str]:
        """A sentence on each thing in the recordings that no model takes."""
        return list(dict.fromkeys(told for s in self.systems for told in s.left_out or ()))

    def box(
        self, size: tuple[float, ...] | None = None
    ) -> tuple[tuple[float, ...], tuple[float, ...]]:
        """Return the origin and the lengths of the box that films fill (`extent.box`), in metres.

        Args:
            size: Lengths of the box, whose origin is 0 then; needed where there are points only.

        Raises:
            InputError: They do not tell.
        """
        from hycojax.data import extent  # it knows this module

        return extent.box(self, size)

    @classmethod
    def from_xarray(
        cls, data: xr.Dataset, channels: Mapping[str, str] | None = None, **options: Any
    ) -> Recordings:
        """Return the recordings that a Dataset holds.

        Dimensions are `simulation`, `time`, `x`, `y`, `z`, or any with such coordinates along them.
        A variable without times is a static field, one without places a known number.

        Args:
            data: The Dataset. NaN, and what its attributes call missing (CF's `_FillValue`): not
                seen; `NAME_sigma`: standard deviation of the noise of NAME.
            channels: Name of the variable for each channel; None: all, their names are equal.
            options: Further fields of `Reading`, as `sigma` or `validation`.

        Raises:
            InputError: They can't be understood; the message says where, and what to do.
        """
        from hycojax.data import systems  # it knows this module
        from hycojax.data.formats import cf

        if not hasattr(data, "data_vars"):
            raise InputError(
                f"{type(data).__name__}: a Dataset is needed, with a name for each channel"
            )
        reading = Reading(channels=dict(channels or {}), **options)
        return systems.recordings([cf.decoded(data)], reading)

    @classmethod
    def from_points(
        cls, table: Any, channels: Mapping[str, str] | None = None, **options: Any
    ) -> Recordings:
        """Return the recordings of a table with a measurement a row.

        Args:
            table: A dict of arrays, a DataFrame or a structured array. Columns: `time`, `x`
                (`y`, `z`), and one a channel, or `channel` and `value`. `simulation`, and `sigma`
                or `NAME_sigma`, if there are any.
            channels: Name of the column for each channel; None: all, their names are equal.
            options: Further fields of `Reading`, as `sigma` or `validation`.

        Raises:
            InputError: They can't be understood; the message says where, and what to do.
        """
        from hycojax.data.formats import tables

        return cls.from_xarray(tables.labelled(table), channels, **options)

    @classmethod
    def from_arrays(
        cls,
        arrays: Mapping[str, np.ndarray],
        channels: Mapping[str, str] | None = None,
        **options: Any,
    ) -> Recordings:
        """Return the recordings of arrays `[simulation, time, x, y, z]` by name, as of an `.npz`.

        Args:
            arrays: The channels, and their `time`, `x`, `y`, `z`. A channel may lack the axes of
                simulations and times.
            channels: Name of the array for each channel; None: all, their names are equal.
            options: Further fields of `Reading`, as `sigma` or `validation`.

        Raises:
            InputError: They can't be understood; the message says where, and what to do.
        """
        from hycojax.data.formats import arrays as format_of_arrays

        return cls.from_xarray(format_of_arrays.labelled(arrays), channels, **options)

    def to_xarray(self) -> xr.Dataset:
        """Return the recordings as a Dataset that `from_xarray` reads again, with the same bits."""
        from hycojax.data import labels

        return labels.to_xarray(self)


def axes(series: Film | Points) -> int:
    """Return the number of axes of space that a series has places along."""
    return len(series.places) if isinstance(series, Film) else series.places.shape[1]


def check_sigma(name: str, value: float | None) -> None:
    """Check that a standard deviation is none, or not negative.

    Raises:
        ValueError: It is.
    """
    if value is not None and not value >= 0:
        raise ValueError(f"{name} = {value}: it must not be negative")


def check_increasing(values: np.ndarray, name: str) -> None:
    """Check that coordinates are finite and increase.

    Raises:
        ValueError: They do not; the message says where.
    """
    bad = ~np.isfinite(values)
    if bad.any():
        raise ValueError(f"{name}: number {int(np.argmax(bad))} is not finite")
    falls = np.diff(values) <= 0
    if falls.any():
        at = int(np.argmax(falls))
        raise ValueError(
            f"{name}: it must increase, but number {at + 1} is {values[at + 1]:.12g} after "
            f"{values[at]:.12g}"
        )


def _make_floating(series: Film | Points) -> None:
    """Make whole numbers floating: in other units they are no whole numbers."""
    for name in ("values", "sigma"):
        own = getattr(series, name)
        if own is not None and np.asarray(own).dtype.kind in "iub":
            object.__setattr__(series, name, np.asarray(own, np.float64))


def _check_finite(film: Film) -> None:
    """Check that no value is infinite."""
    values = film.values
    # A sum is finite unless a value is not: NaN is allowed, so that only then all are looked at.
    if np.isfinite(np.sum(values, dtype=np.float64)):
        return
    infinite = np.isinf(values)
    if infinite.any():
        place = tuple(map(int, np.argwhere(infinite)[0]))
        frame, cell = (place[0], place[1:]) if film.times is not None else (None, place)
        where = f"cell {cell}" if frame is None else f"frame {frame}, cell {cell}"
        raise ValueError(f"{film.channel}: an infinite value in {where}; NaN means not seen")


def _check_sigma(series: Film | Points) -> None:
    """Make the standard deviation an array, and check it where a value is seen."""
    if series.sigma is None:
        return
    sigma, values = np.asarray(series.sigma), series.values
    object.__setattr__(series, "sigma", sigma)
    try:
        everywhere = np.broadcast_to(sigma, values.shape)
    except ValueError as error:
        raise ValueError(
            f"{series.channel}: sigma {sigma.shape} for values {values.shape}"
        ) from error
    bad = (np.isinf(everywhere) | (everywhere < 0)) & np.isfinite(values)  # NaN: unknown
    if bad.any():
        where = tuple(map(int, np.argwhere(bad)[0]))
        raise ValueError(
            f"{series.channel}: sigma is {everywhere[where]:g} at {where}: 0 or more is needed"
        )
