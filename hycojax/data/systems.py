"""Labelled data made into recordings; `labels` makes labelled data of these again.

Every format is read as xarray Datasets first, so that equal numbers become equal recordings
whichever file has carried them.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import fields, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from hycojax.data import variables
from hycojax.data.recordings import Film, Points, Reading, Recordings, System, Use
from hycojax.data.variables import Source, Variable
from hycojax.errors import InputError

if TYPE_CHECKING:
    import xarray as xr

#: Attribute of a Dataset: name and clock of each system.
SYSTEMS = "hycojax_systems"


def recordings(data: Sequence[xr.Dataset], reading: Reading, name: str = "") -> Recordings:
    """Return the recordings that Datasets hold, whose simulations follow each other.

    Args:
        data: The Datasets of one source.
        reading: What is read, and how.
        name: What systems are called after, as the name of a file; empty: nothing.

    Raises:
        InputError: They can't be understood; the message says where, and what to do.
    """
    try:
        found = [system for one in data for system in _systems(Source(one, reading), name)]
        if len(data) > 1:
            found = [replace(s, name=_called(name, i)) for i, s in enumerate(found)]
        given = {f.name: getattr(reading, f.name) for f in fields(Use)}
        return Recordings(tuple(_with_sigma(found, reading.sigma)), **given)
    except InputError:
        raise
    except ValueError as error:
        raise InputError(str(error)) from error


def _systems(source: Source, name: str) -> list[System]:
    """Return the systems of a Dataset."""
    labels, found = source.simulations(), []
    told = json.loads(source.data.attrs.get(SYSTEMS, "[]"))
    if not source.chosen and not source.left_out:
        raise InputError("there is no variable with numbers")
    for index, label in enumerate(labels):
        own = told[index] if index < len(told) else {}
        called = own.get("name") or _called(name, label, len(labels) > 1)
        clock = own.get("clock") or (str(source.clock) if source.clock is not None else None)
        ends = own.get("boundary", source.about.get("boundary")) or None
        about = {"boundary": ends, "left_out": (*own.get("left_out", ()), *source.left_out) or None}
        found.append(_system(source, label, System(called, (), clock=clock, **about)))
    _check_seen(source, found)
    if not any(system.series for system in found):
        raise InputError("no variable has places: x (y, z) are needed as dimensions or coordinates")
    return found


def _called(name: str, label: Any, several: bool = True) -> str:
    """Return the name of a system."""
    plain = int(label) if isinstance(label, float) and label.is_integer() else label
    own = label if isinstance(label, str) else f"simulation {plain}"
    if not name:
        return own
    return f"{name}, {own}" if several else name


def _system(source: Source, label: Any, empty: System) -> System:
    """Return what was recorded of one simulation, in an order that no format decides."""
    series, numbers, known = [], {}, {}
    for name, channel in sorted(source.chosen.items(), key=lambda pair: pair[::-1]):
        dims, values = variables.labelled(source, name)
        pick = variables.picker(source, dims, label)
        if pick is None:
            continue
        if variables.is_number(dims, source.roles):
            number, unit = float(pick(dims, values)[1]), variables.unit(source, name)
            numbers |= {channel: number} if np.isfinite(number) else {}
            known |= {channel: unit} if np.isfinite(number) and unit is not None else {}
            continue
        own = _series(variables.variable(source, name, pick), empty.name)
        series += [own] if own is not None else []
    return replace(empty, series=tuple(series), numbers=numbers, units=known)


def _series(own: Variable, system: str) -> Film | Points | None:
    """Return a variable of a system as its films or points; None: nothing is seen in it."""
    try:
        return _film(own) if own.is_film else _points(own)
    except ValueError as error:
        called = "" if own.name == own.channel else f", variable {own.name}"
        raise InputError(f"{system}{called}: {error}") from error


def _check_seen(source: Source, systems: Sequence[System]) -> None:
    """Check that each variable is seen in a system."""
    seen = {s.channel for system in systems for s in system.series}
    seen |= {n for system in systems for n in system.numbers}
    for name, channel in source.chosen.items():
        if channel not in seen:
            raise InputError(f"{name}: all of its values are NaN: nothing is seen of it")


def _film(own: Variable) -> Film | None:
    """Return a variable as frames of pixels; None: nothing is seen in it."""
    time = () if own.time is None else own.time[0]
    order = [own.dims.index(d) for d in (*time, *(dims[0] for dims, _ in own.places))]
    times = None if own.time is None or own.static else np.atleast_1d(own.time[1])
    new = times is not None and not time  # one frame, whose time is a number

    def ordered(values: np.ndarray | None) -> np.ndarray | None:
        if values is None or not values.ndim:
            return values
        turned = np.transpose(values, order)
        return turned[0] if own.static and time else turned[None] if new else turned

    film = _ascending([p for _, p in own.places], ordered(own.values), ordered(own.sigma))
    places, values, sigma = film
    if times is not None:
        times, values, sigma = _timed(own.name, times, values, sigma)
    if not values.size or _all_nan(values):
        return None
    values = np.ascontiguousarray(values)
    return Film(own.channel, own.unit, times, tuple(places), values, sigma, **own.about)


def _all_nan(values: np.ndarray) -> bool:
    first = values.reshape(-1)[:1]
    return bool(np.isnan(first).all() and np.isnan(values).all())


def _ascending(
    places: list[np.ndarray], values: np.ndarray, sigma: np.ndarray | None
) -> tuple[list[np.ndarray], np.ndarray, np.ndarray | None]:
    """Turn round the axes of space whose coordinates fall, as the rows of an image."""
    leading = values.ndim - len(places)
    for axis, own in enumerate(places):
        if len(own) > 1 and (np.diff(own) < 0).all():
            places[axis] = own[::-1]
            values = np.flip(values, leading + axis)
            sigma = sigma if sigma is None or not sigma.ndim else np.flip(sigma, leading + axis)
    return places, values, sigma


def _timed(
    name: str, times: np.ndarray, values: np.ndarray, sigma: np.ndarray | None
) -> tuple[np.ndarray, np.ndarray, np.ndarray | None]:
    """Leave out frames without a time and a value: those that fill up a shorter recording."""
    kept = np.isfinite(times)
    if kept.all():
        return times, values, sigma
    for frame in np.flatnonzero(~kept):
        if not np.isnan(values[frame]).all():
            raise InputError(f"{name}: the time of frame {frame} is not a number")
    each = sigma is not None and sigma.ndim and len(sigma) == len(times)
    return times[kept], values[kept], sigma[kept] if each else sigma


def _points(own: Variable) -> Points | None:
    """Return a variable as measurements, in the order of its rows; None: nothing is seen in it."""
    if own.time is None:
        raise InputError(f"{own.name}: a coordinate time is missing: points are measured at times")
    shape = own.values.shape

    def flat(dims: tuple[str, ...], values: np.ndarray) -> np.ndarray:
        aligned = values if not dims else variables.along(dims, values, own.dims)
        return np.broadcast_to(aligned, shape).reshape(-1)

    values = own.values.reshape(-1)
    if np.isinf(values).any():
        raise InputError(f"{own.name}: an infinite value in row {int(np.argmax(np.isinf(values)))}")
    seen = ~np.isnan(values)
    if not seen.any():
        return None
    sigma = own.sigma
    if sigma is not None and sigma.ndim:
        sigma = np.broadcast_to(sigma, shape).reshape(-1)[seen]
    return Points(
        own.channel,
        own.unit,
        flat(*own.time)[seen],
        np.stack([flat(*places)[seen] for places in own.places], axis=-1),
        values[seen],
        sigma,
        **own.about,
    )


def _with_sigma(systems: Sequence[System], given: Mapping[str, float]) -> list[System]:
    """Give series the standard deviations that are asked for, where the data state none."""

    def known(series: Film | Points) -> Film | Points:
        stated = series.sigma is not None or series.channel not in given
        return series if stated else replace(series, sigma=np.asarray(given[series.channel]))

    return [replace(s, series=tuple(map(known, s.series))) for s in systems]
