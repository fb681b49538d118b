"""Recordings made into labelled data, which `systems` reads again with the same bits."""

from __future__ import annotations

import itertools
import json
import re
from collections import Counter
from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from hycojax.data.instruments import Gaussian
from hycojax.data.recordings import Film, Points, Recordings, System
from hycojax.data.systems import SYSTEMS
from hycojax.data.variables import AXES, MARK, belongs, role
from hycojax.settings.values import as_json

if TYPE_CHECKING:
    import xarray as xr

#: Dimensions that are no coordinates.
_AXES = re.compile(r"(measurement|frame)(_\d+)?")
#: What one instrument saw of a channel, by the number of the system.
_Slot = dict[int, Film | Points]


def to_xarray(recordings: Recordings) -> xr.Dataset:
    """Return recordings as a Dataset.

    Films on the same pixels share a variable `[simulation, time, x, y, z]`, NaN where one ends
    before the others; measurements at points lie along `measurement`, with the number of their
    simulation. What does not share a grid gets a variable and dimensions with a number: `x_2`.
    """
    import xarray as xr  # loaded where a file is used

    found = _Labels(len(recordings.systems))
    names = _names(recordings)
    for name, slot in names.items():
        film = isinstance(next(iter(slot.values())), Film)
        (found.films if film else found.points)(name, slot)
    _numbers(found, recordings.systems)
    told = [_about(system) for system in recordings.systems]
    usual = [{"name": f"simulation {i}", "clock": None} for i in range(len(told))]
    attributes = {} if told == usual else {SYSTEMS: json.dumps(told)}
    return xr.Dataset(found.variables, found.coordinates, attributes)


def _about(system: System) -> dict[str, Any]:
    """Return what is said of a system as a whole."""
    named = {"boundary": system.boundary, "left_out": system.left_out}
    return {"name": system.name, "clock": system.clock} | {n: v for n, v in named.items() if v}


def _names(recordings: Recordings) -> dict[str, _Slot]:
    """Return what shares a variable, by the name of that."""
    slots: dict[Any, _Slot] = {}
    for number, system in enumerate(recordings.systems):
        again: Counter[Any] = Counter()
        for series in system.series:
            key = _shared(series)
            slots.setdefault((key, again[key]), {})[number] = series
            again[key] += 1
    channels = [next(iter(slot.values())).channel for slot in slots.values()]
    numbers = [name for system in recordings.systems for name in system.numbers]
    names: dict[str, _Slot] = {}
    for channel, slot in zip(channels, slots.values(), strict=True):
        names[_variable(channel, {*names, *numbers, *channels} - {channel}, names)] = slot
    return names


def _variable(name: str, others: Collection[str], taken: Collection[str]) -> str:
    """Return a name for a variable: its own, or with a number if something else is called so.

    What reads as a coordinate, or as what belongs to another variable, is no name for a variable.
    """
    taken_by_axes = role(name) or _AXES.fullmatch(name)
    own = "variable" if taken_by_axes or belongs(name, others) else name
    names = (_numbered(own, i) for i in itertools.count(1))
    return next(n for n in names if n not in taken and (n == name or n not in others))


def _numbered(name: str, number: int) -> str:
    return name if number == 1 else f"{name}_{number}"


def _shared(series: Film | Points) -> tuple[Any, ...]:
    """Return what series must have in common to share a variable."""
    sigma = None if series.sigma is None else (series.sigma.ndim > 0, str(series.sigma.dtype))
    about = series.instrument, series.noise, series.unit, str(series.values.dtype), sigma
    if isinstance(series, Points):
        return (Points, series.channel, series.places.shape[1], *about)
    grid = tuple(places.tobytes() for places in series.places)
    return (Film, series.channel, series.times is None, grid, *about)


class _Labels:
    """Variables and coordinates, as they come together."""

    def __init__(self, systems: int):
        self.systems = systems
        self.variables: dict[str, tuple] = {}
        self.coordinates: dict[str, tuple] = {}
        self._known: dict[tuple[str, bytes], str] = {}

    def films(self, name: str, slot: _Slot) -> None:
        """Add frames of pixels."""
        one = next(iter(slot.values()))
        pairs = zip(AXES, one.places, strict=False)
        space = tuple(self._axis(axis, places, "m") for axis, places in pairs)
        time = () if one.times is None else (self._times(slot),)
        dims = ("simulation", *time, *space)
        frames = max(len(s.times) for s in slot.values()) if time else None

        def filled(arrays: dict[int, np.ndarray]) -> np.ndarray:
            first = next(iter(arrays.values()))
            if len(arrays) == self.systems and all(a.shape == first.shape for a in arrays.values()):
                return np.stack(list(arrays.values()))
            shape = first.shape if frames is None else (frames, *first.shape[1:])
            whole = np.full((self.systems, *shape), np.nan, first.dtype)
            for number, values in arrays.items():
                whole[(number, *(slice(n) for n in values.shape))] = values
            return whole

        values = filled({i: s.values for i, s in slot.items()})
        self._add(name, one, (dims, values))
        if one.sigma is not None and one.sigma.ndim:
            each = {i: np.broadcast_to(s.sigma, s.values.shape) for i, s in slot.items()}
            self.variables[f"{name}_sigma"] = (dims, filled(each), _units(one.unit))
        elif one.sigma is not None:
            known = np.full(self.systems, np.nan, one.sigma.dtype)
            known[list(slot)] = [s.sigma for s in slot.values()]
            self.variables[f"{name}_sigma"] = (("simulation",), known, _units(one.unit))

    def points(self, name: str, slot: _Slot) -> None:
        """Add measurements at points."""
        one = next(iter(slot.values()))
        dim = self._free("measurement")
        counts = [len(s.values) for s in slot.values()]
        places = np.concatenate([s.places for s in slot.values()]).T
        along = {
            "simulation": (np.repeat(list(slot), counts), {}),
            "time": (np.concatenate([s.times for s in slot.values()]), {"units": "s"}),
            **{a: (p, {"units": "m"}) for a, p in zip(AXES, places, strict=False)},
        }
        for own, (values, attributes) in along.items():
            self.coordinates[self._free(own)] = ((dim,), values, attributes)
        self._add(name, one, ((dim,), np.concatenate([s.values for s in slot.values()])))
        if one.sigma is not None:
            each = [np.broadcast_to(s.sigma, s.values.shape) for s in slot.values()]
            alike = not one.sigma.ndim and len({float(s.sigma) for s in slot.values()}) == 1
            own = ((), one.sigma) if alike else ((dim,), np.concatenate(each))
            self.variables[f"{name}_sigma"] = (*own, _units(one.unit))

    def _add(self, name: str, one: Film | Points, labelled: tuple) -> None:
        about = {} if one.channel == name else {MARK + "channel": one.channel}
        if one.instrument is not None:
            about[MARK + "instrument"] = json.dumps(as_json(one.instrument))
        if one.noise != Gaussian():
            about[MARK + "noise"] = json.dumps(as_json(one.noise))
        self.variables[name] = (*labelled, _units(one.unit) | about)

    def _times(self, slot: _Slot) -> str:
        """Return the dimension of frames, whose times are a coordinate."""
        all_times = [s.times for s in slot.values()]
        first = all_times[0]
        if all(np.array_equal(first, times) for times in all_times):
            return self._axis("time", first, "s")
        dim = self._free("frame")
        table = np.full((self.systems, max(map(len, all_times))), np.nan)
        for number, series in slot.items():
            table[number, : len(series.times)] = series.times
        about = {"units": "s"}
        self.coordinates[self._free("time")] = (("simulation", dim), table, about)
        return dim

    def _axis(self, kind: str, values: np.ndarray, unit: str) -> str:
        """Return the dimension along which values lie: the one that does already, or a new one."""
        key = (kind, values.tobytes())
        if key not in self._known:
            name = self._free(kind)
            self._known[key] = name
            self.coordinates[name] = ((name,), values, {"units": unit})
        return self._known[key]

    def _free(self, kind: str) -> str:
        """Return a name that nothing has yet. `simulation` is the dimension of all simulations."""
        used = {*self.coordinates, *(d for dims, *_ in self.variables.values() for d in dims)}
        used |= {d for dims, *_ in self.coordinates.values() for d in dims} | {"simulation"}
        names = (_numbered(kind, i) for i in itertools.count(1))
        return next(name for name in names if name not in used)


def _units(unit: str | None) -> dict[str, str]:
    return {} if unit is None else {"units": unit}


def _numbers(found: _Labels, systems: Sequence[System]) -> None:
    """Add the known numbers, NaN where a system has none."""
    keys = [(name, system.units.get(name)) for system in systems for name in system.numbers]
    names = {name for name, _ in keys}
    for name, unit in dict.fromkeys(keys):
        alike = [s if s.units.get(name) == unit else None for s in systems]
        values = [np.nan if s is None else s.numbers.get(name, np.nan) for s in alike]
        free = _variable(name, {*names, *found.variables} - {name}, found.variables)
        about = {} if free == name else {MARK + "channel": name}
        found.variables[free] = (("simulation",), np.array(values), _units(unit) | about)
