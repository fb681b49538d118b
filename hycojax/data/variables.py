"""The variables of labelled data: where and when their values lie, simulation by simulation.

A name may carry a number: `x_2` is another axis x, along which other instruments lie.
"""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from hycojax.data import instruments, units
from hycojax.data.recordings import Reading
from hycojax.errors import InputError
from hycojax.settings.values import from_json

if TYPE_CHECKING:
    import xarray as xr

AXES = ("x", "y", "z")
#: Before the names of attributes that are ours: of variables `channel`, `instrument`, `noise`.
MARK = "hycojax_"
#: Attribute of a Dataset: what holds for all its systems.
ABOUT = "hycojax_about"
#: The same: names of all variables of a file, of which some only are read.
NAMES = "hycojax_names"
_ROLE = re.compile(r"(simulation|time|t|x|y|z)(?:_face)?(?:_\d+)?")
_CF_AXES = {"T": "time", "X": "x", "Y": "y", "Z": "z"}
_BASE = {"time": "s", "x": "m", "y": "m", "z": "m"}

#: Dimensions, and the values that lie along them.
Labelled = tuple[tuple[str, ...], np.ndarray]
#: Takes the part of one simulation out of what is labelled.
Pick = Callable[[tuple[str, ...], np.ndarray], Labelled]


def role(name: str, attributes: Mapping[str, Any] | None = None) -> str | None:
    """Return what a coordinate is: simulation, time, x, y or z; None: none of these."""
    if match := _ROLE.fullmatch(name):
        return "time" if match[1] == "t" else match[1]
    return _CF_AXES.get((attributes or {}).get("axis", ""))


class Source:
    """A Dataset, what its variables are, and how it is read."""

    def __init__(self, data: xr.Dataset, reading: Reading):
        self.data, self.reading = data, reading
        self.roles = _roles(data)
        self.about = json.loads(data.attrs.get(ABOUT, "{}"))
        self.chosen = _chosen(data, self.roles, reading)
        self.clock = _clock(data, self.roles)
        self._coordinates: dict[str, np.ndarray] = {}
        _check_names(reading, self.chosen)

    @property
    def left_out(self) -> tuple[str, ...]:
        """A sentence on each thing that is there, but not read."""
        own = [n for n in _own(self.data, self.roles) if n not in self.chosen]
        told = {n: _RUNS for n in own if _runs(n, self.data, self.roles)}
        rest = [n for n in own if n in self.data.data_vars and n not in told]
        rest = [] if self.reading.channels else rest
        told |= {n: unplaced(n, self.data, self.roles) for n in rest}
        left = (f"{name}: {why}" for name, why in told.items() if why)
        return (*self.about.get("left_out", ()), *left)

    def simulations(self) -> list[Any]:
        """Return the labels of all simulations."""
        found: dict[Any, None] = {}
        for dim in self.data.dims:
            if self.roles_of(dim) == "simulation":
                own = self.data.variables.get(dim)
                labels = range(self.data.sizes[dim]) if own is None else _labels(dim, own.values)
                if len(set(labels)) < len(labels):
                    again = next(label for label in labels if list(labels).count(label) > 1)
                    raise InputError(
                        f"{dim}: {again!r} is there twice: each needs a label of its own"
                    )
                found |= dict.fromkeys(labels)
        for name, own in self.roles.items():
            if own == "simulation" and name not in self.data.dims:
                labels = _labels(name, self.data.variables[name].values)
                found |= dict.fromkeys(_plain(np.unique(labels)))
        return list(found) or [0]

    def roles_of(self, dim: str) -> str | None:
        """Return what a dimension is by its name, or by its coordinate."""
        return self.roles.get(dim) or role(str(dim))

    def coordinate(self, name: str) -> np.ndarray:
        """Return a coordinate in metres, or in seconds."""
        if name not in self._coordinates:
            self._coordinates[name] = self._converted(name)
        return self._coordinates[name]

    def _converted(self, name: str) -> np.ndarray:
        variable, own = self.data.variables[name], self.roles[name]
        values = variable.values
        if values.dtype.kind == "M":
            return _seconds(values - self.clock)
        if values.dtype.kind == "m":
            return _seconds(values)
        if values.dtype.kind not in "iuf":
            raise InputError(f"{name}: numbers, or dates as datetime64, are needed: {values.dtype}")
        unit = self.reading.units.get(own, variable.attrs.get("units"))
        values = values.astype(np.float64)
        try:
            return values if unit is None else units.convert(values, str(unit), _BASE[own])
        except InputError as error:
            raise InputError(f"{name}: {error}; give units={{{own!r}: ...}}") from error


def _roles(data: xr.Dataset) -> dict[str, str]:
    """Return what the coordinates are, by name. A field may be called z, a line may not."""
    lines = {n: v for n, v in data.variables.items() if n in data.coords or v.ndim < 2}
    found = {str(name): role(str(name), line.attrs) for name, line in lines.items()}
    if "time" in found:
        found.pop("t", None)  # which may be a temperature, then
    plain = {(own, data.variables[name].dims) for name, own in found.items() if name == own}

    def tells(name: str, own: str | None) -> bool:
        """Whether it is a coordinate: x_1 is none where x lies along the same."""
        return own is not None and (name == own or (own, data.variables[name].dims) not in plain)

    return {name: own for name, own in found.items() if tells(name, own)}


def _plain(labels: Any) -> list[Any]:
    return np.asarray(labels).tolist()


def _labels(name: str, values: np.ndarray) -> list[Any]:
    """Return the labels of simulations, which all must have one."""
    labels = _plain(np.ravel(values))
    for number, label in enumerate(labels):
        if label is None or label != label or label == "":
            raise InputError(f"{name}: number {number} has no label")
    return labels


def _seconds(durations: np.ndarray) -> np.ndarray:
    """Return timedelta64 as seconds, NaN where there is none."""
    fine = durations.astype("timedelta64[ns]")
    return np.where(np.isnat(fine), np.nan, fine.astype(np.int64) / 1e9)


def _clock(data: xr.Dataset, roles: Mapping[str, str]) -> np.datetime64 | None:
    """Return the earliest of all dates."""
    times = [data.variables[n].values for n, own in roles.items() if own == "time"]
    dates = [t for t in times if t.dtype.kind == "M" and not np.isnat(t).all()]
    return min(np.nanmin(t) for t in dates) if dates else None


def _chosen(data: xr.Dataset, roles: Mapping[str, str], reading: Reading) -> dict[str, str]:
    """Return the channel, or number, that each variable is read as, by the variable's name."""
    own = _own(data, roles)
    there = [name for name in own if is_number(data.variables[name].dims, roles)]
    numbers = {name: _channel(data, name) for name in there}
    if not reading.channels:
        own = [name for name in own if not _runs(name, data, roles)]
        series = [n for n in own if n in data.data_vars and n not in numbers]
        placed = [n for n in series if not unplaced(n, data, roles)]
        return numbers | {n: _channel(data, n) for n in placed or series}
    renamed = {}
    for channel, name in reading.channels.items():
        there = _numeric(data, roles)
        found = [n for n in there if name in (n, _channel(data, n))]
        if not found:
            known = dict.fromkeys([*own, *data.attrs.get(NAMES, ())])
            known = [n for n in known if not (role(n) or belongs(n, known))]
            raise InputError(
                f"there is no variable {name} for the channel {channel}{nearest(name, known)}"
            )
        renamed |= dict.fromkeys(found, channel)
    return {n: c for n, c in numbers.items() if c not in reading.channels} | renamed


def _channel(data: xr.Dataset, name: str) -> str:
    """Return the channel of a variable: its name, unless we have written another one."""
    return str(data.variables[name].attrs.get(MARK + "channel", name))


def _numeric(data: xr.Dataset, roles: Mapping[str, str]) -> list[str]:
    return [str(n) for n, v in data.variables.items() if n not in roles and v.dtype.kind in "iuf"]


def _own(data: xr.Dataset, roles: Mapping[str, str]) -> list[str]:
    """Return the names of variables with numbers, without those that tell of another one."""
    there = _numeric(data, roles)
    return [name for name in there if not belongs(name, there)]


def belongs(name: str, there: Iterable[str]) -> bool:
    """Return whether a variable tells of another one: its standard deviation, its bounds."""
    other, _, kind = name.rpartition("_")
    return (kind == "sigma" and other in there) or kind in ("bnds", "bounds")


def is_number(dims: Iterable[str], roles: Mapping[str, str]) -> bool:
    """Return whether what lies along dimensions is one number a simulation."""
    return all((roles.get(d) or role(str(d))) == "simulation" for d in dims)


_RUNS = "a number that changes in time: models take constant ones only"


def _runs(name: str, data: xr.Dataset, roles: Mapping[str, str]) -> bool:
    """Return whether a variable is a number at each time, at no place."""
    dims = set(data.variables[name].dims)
    along = {n: own for n, own in roles.items() if set(data.variables[n].dims) <= dims}
    timed = {d for n, own in along.items() if own == "time" for d in data.variables[n].dims}
    timed |= {d for d in dims if (roles.get(d) or role(str(d))) == "time"}
    rest = {roles.get(d) or role(str(d)) for d in dims - timed}
    return bool(timed) and rest <= {"simulation"} and not set(AXES) & set(along.values())


def nearest(name: str, known: Iterable[str]) -> str:
    """Return the end of a message on a name that is not there: the nearest one, and which are."""
    known = list(known)
    alike = difflib.get_close_matches(name, known, 1)
    told = f": did you mean {alike[0]}?" if alike else ":"
    return f"{told} There are {', '.join(known) or 'none'}"


def _check_names(reading: Reading, chosen: Mapping[str, str]) -> None:
    """Check that units and standard deviations are given for channels that are read."""
    known = list(dict.fromkeys(chosen.values()))
    for field, more in (("units", ("time", *AXES)), ("sigma", ())):
        for name in getattr(reading, field):
            if name not in (*known, *more):
                raise InputError(f"{field}: there is no channel {name}{nearest(name, known)}")


@dataclass(frozen=True)
class Variable:
    """A variable of one simulation, with what its places and times are.

    Attributes:
        name: Its name, for messages.
        channel: The channel that it is of.
        dims: Its dimensions.
        values: Its values along these.
        sigma: Standard deviation of its noise, along the same or without any dimension.
        time: Dimensions and values of its times; None: it has none.
        places: The same for each axis of space.
        unit: Unit of the values.
        static: Whether it is the same at all times.
        about: Instrument and noise.
    """

    name: str
    channel: str
    dims: tuple[str, ...]
    values: np.ndarray
    sigma: np.ndarray | None
    time: Labelled | None
    places: tuple[Labelled, ...]
    unit: str | None
    static: bool
    about: dict[str, Any]

    @property
    def is_film(self) -> bool:
        """Whether times and places lie along axes of their own: frames of pixels."""
        along = [dims for dims, _ in self.places]
        time = () if self.time is None else self.time[0]
        own = [dims[0] for dims in (*along, time) if len(dims) == 1]
        if not all(len(d) == 1 for d in along) or sorted(own) != sorted(self.dims):
            return False
        # Sensors on a line are no pixels, unless they stand in order.
        return all(role(str(d[0])) or _ordered(places) for d, places in self.places)


def _ordered(places: np.ndarray) -> bool:
    return bool((np.diff(places) > 0).all() or (np.diff(places) < 0).all())


def labelled(source: Source, name: str) -> Labelled:
    """Return the dimensions and the values of a variable."""
    return source.data.variables[name].dims, source.data.variables[name].values


def unit(source: Source, name: str) -> str | None:
    """Return the unit of a variable: the one that is asked for, else the one that it states."""
    stated = source.data.variables[name].attrs.get("units")
    unit = source.reading.units.get(source.chosen[name], stated)
    return None if unit is None else str(unit)


def variable(source: Source, name: str, pick: Pick) -> Variable:
    """Return the part of a variable that `pick` takes."""
    _check_dimensions(source, name)
    variable = source.data.variables[name]
    dims, values = pick(*labelled(source, name))
    found = {own: _coordinate(source, own, variable.dims, pick) for own in ("time", *AXES)}
    return Variable(
        name=name,
        channel=source.chosen[name],
        dims=dims,
        values=values if values.dtype in (np.float32, np.float64) else _floats(values),
        sigma=_sigma(source, name, pick),
        time=found.pop("time"),
        places=tuple(places for places in found.values() if places is not None),
        unit=unit(source, name),
        static=str(variable.attrs.get("static", "")).lower() == "true",
        about=_about(variable.attrs, source.reading),
    )


def _floats(values: np.ndarray) -> np.ndarray:
    return values.astype(np.float32 if values.dtype == np.float16 else np.float64)


def picker(source: Source, dims: tuple[str, ...], label: Any) -> Pick | None:
    """Return a function that takes the part of one simulation out of what lies along dimensions.

    None: there is no such part.
    """
    whole = next((d for d in dims if source.roles_of(d) == "simulation"), None)
    each = next((n for n, own in source.roles.items() if _names_rows(source, n, own, dims)), None)
    if whole is not None:
        own = source.data.variables.get(whole)
        known = list(range(source.data.sizes[whole])) if own is None else _plain(own)
        if label not in known:
            return None
        dim, index = whole, known.index(label)
    elif each is not None:
        dim = source.data.variables[each].dims[0]
        index = np.flatnonzero(source.data.variables[each].values == label)
        if not index.size:
            return None
    else:
        return lambda own, values: (own, values)

    def pick(own: tuple[str, ...], values: np.ndarray) -> Labelled:
        if dim not in own:
            return own, values
        taken = np.take(values, index, own.index(dim)) if each else _at(values, index, own, dim)
        return (own if each else tuple(d for d in own if d != dim)), taken

    return pick


def _names_rows(source: Source, name: str, own: str, dims: tuple[str, ...]) -> bool:
    """Return whether a coordinate says which simulation each row along a dimension is of."""
    along = source.data.variables[name].dims
    return own == "simulation" and name not in along and len(along) == 1 and along[0] in dims


def _at(values: np.ndarray, index: int, dims: tuple[str, ...], dim: str) -> np.ndarray:
    """Return a view of values at an index along a dimension."""
    return values[(slice(None),) * dims.index(dim) + (index,)]


def _coordinate(source: Source, wanted: str, dims: tuple[str, ...], pick: Pick) -> Labelled | None:
    """Return the dimensions and values of times or places along some dimensions; None: none."""
    there = {n: source.data.variables[n].dims for n, own in source.roles.items() if own == wanted}
    found = {name: along for name, along in there.items() if set(along) <= set(dims)}
    found = {name: along for name, along in found.items() if along} or found
    if len(found) > 1:
        raise InputError(
            f"{' and '.join(found)} both tell the {wanted} along {', '.join(dims)}: leave one out"
        )
    return next((pick(along, source.coordinate(name)) for name, along in found.items()), None)


def _check_dimensions(source: Source, name: str) -> None:
    """Check that a variable has places and times along each of its dimensions."""
    if _runs(name, source.data, source.roles):
        raise InputError(f"{name}: it is {_RUNS}")
    if why := unplaced(name, source.data, source.roles):
        known = ", ".join(source.roles) or "none"
        raise InputError(
            f"{name}: {why}: add a coordinate time, x, y or z along it (there are: {known}), or "
            "name what is to be read with channels={...}"
        )


def unplaced(name: str, data: xr.Dataset, roles: Mapping[str, str]) -> str | None:
    """Return why a variable has no places, or times, along its dimensions; None: it has."""
    every = data.variables[name].dims
    found = {n: data.variables[n].dims for n, own in roles.items() if own != "simulation"}
    found = {n: dims for n, dims in found.items() if set(dims) <= set(every)}
    dims = [d for d in every if (roles.get(d) or role(str(d))) != "simulation"]
    there = {roles[n] for n in found} & set(AXES)
    lonely = [d for d in dims if d not in {d for own in found.values() for d in own}]
    missing = [axis for axis in AXES[: max(len(there), 1)] if axis not in there]
    if not lonely and not missing:
        return None
    told = f"where {lonely[0]} lies" if lonely else f"what its {missing[0]} is"
    return f"it lies along {', '.join(map(str, dims))}, but nothing says {told}"


def _sigma(source: Source, name: str, pick: Pick) -> np.ndarray | None:
    """Return the standard deviations that the data give of a variable's noise."""
    beside, dims = f"{name}_sigma", source.data.variables[name].dims
    if beside not in source.data.variables or source.chosen[name] in source.reading.sigma:
        return None
    variable = source.data.variables[beside]
    if not set(variable.dims) <= set(dims):
        raise InputError(f"{beside}: it lies along {variable.dims}, where {name} lies along {dims}")
    left, values = pick(variable.dims, _like(source, name, beside))
    return values if not left else along(left, values, pick(*labelled(source, name))[0])


def _like(source: Source, name: str, beside: str) -> np.ndarray:
    """Return standard deviations in the unit of the values that they belong to."""
    values, own = source.data.variables[beside].values, source.data.variables[beside].attrs
    values = values if values.dtype in (np.float32, np.float64) else _floats(values)
    if "units" not in own:
        return values
    if unit(source, name) is None:
        raise InputError(
            f"{beside} is in {own['units']}, but {name} has no unit: give "
            f"units={{{source.chosen[name]!r}: ...}}"
        )
    try:
        factor = units.scale(str(own["units"]), unit(source, name))[0]  # without an offset
    except InputError as error:
        raise InputError(f"{beside}: {error}") from error
    return values if factor == 1.0 else values * np.asarray(factor, values.dtype)


def along(dims: tuple[str, ...], values: np.ndarray, wanted: tuple[str, ...]) -> np.ndarray:
    """Return values with all wanted dimensions, those that they lack with length 1."""
    ordered = np.transpose(values, [dims.index(d) for d in wanted if d in dims])
    return np.expand_dims(ordered, [i for i, d in enumerate(wanted) if d not in dims])


def _about(attributes: Mapping[str, Any], reading: Reading) -> dict[str, Any]:
    """Return instrument and noise: those that are asked for, else those that the data state."""
    about = {}
    for field in ("instrument", "noise"):
        own = getattr(reading, field)
        if own is None and MARK + field in attributes:
            own = from_json(json.loads(attributes[MARK + field]), {}, _instrument)
        about |= {} if own is None else {field: own}
    return about


def _instrument(path: str) -> type:
    """Return a class of `instruments` by the path that is written of it."""
    kind = getattr(instruments, path.rpartition(":")[2], None)
    if not isinstance(kind, type):
        raise InputError(f"there is no instrument or noise {path}")
    return kind
