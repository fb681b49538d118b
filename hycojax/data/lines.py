"""Recordings as lines: each measurement with its system, channel, time, place, value and sigma.

What lies in a cell of the model is told apart from what lies between cells.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from hycojax.data import operators
from hycojax.data.instruments import Instrument, Line, Mean, Student, Value
from hycojax.data.recordings import Film, Points, Recordings, System
from hycojax.data.views import Views
from hycojax.errors import InputError
from hycojax.grid.domain import Grid

#: Coordinates and times that differ by so much of a cell or an interval are the same.
SAME = 1e-4


@dataclass(frozen=True)
class Table:
    """Measurements of one channel by one instrument, a line each.

    Attributes:
        channel: Number of the channel.
        system: Number of the system of each line.
        time: In intervals since the first state.
        place: `[line, axis]`, in metres from the corner of the box; None: they are dense.
        cell: Number of the cell of each line, flat; None: they lie between cells.
        value: What was measured.
        sigma: Standard deviation of the noise, NaN where it is unknown.
        instrument: What is measured of the state.
        degrees: Of Student's t; None: the errors are normal.
        points: Whether the values of cells are those at their centres; else they are what the model
            holds.
        held: Number of the cell of each line, flat, whose own number was measured between frames;
            None: it was not.
        series: Which of the instruments of a system it is.
        players: Those that see it, by name; empty: all.
    """

    channel: int
    system: np.ndarray
    time: np.ndarray
    place: np.ndarray | None
    cell: np.ndarray | None
    value: np.ndarray
    sigma: np.ndarray
    instrument: Instrument | None
    degrees: float | None
    points: bool = False
    held: np.ndarray | None = None
    series: int = 0
    players: tuple[str, ...] = ()

    def only(self, kept: np.ndarray) -> Table:
        """Return some of the lines."""
        names = ("system", "time", "place", "cell", "value", "sigma", "held")
        found = {n: getattr(self, n) for n in names}
        return replace(self, **{n: None if v is None else v[kept] for n, v in found.items()})


def tables(recordings: Recordings, grid: Grid, interval: float) -> list[Table]:
    """Return the lines of all that evolves.

    Raises:
        InputError: A series does not suit the model; the message says which.
    """
    names = [channel.name for channel in grid.channels]
    found, apart = [], isinstance(recordings, Views)
    for number, system in enumerate(recordings.systems):
        begin = _begin(recordings, system)
        for which, series in enumerate(system.series):
            if series.channel not in names:
                raise InputError(
                    f"{series.channel}: the model has no such channel; it has {', '.join(names)}: "
                    f"choose what is read with channels={{{names[0]!r}: ...}}"
                )
            channel = names.index(series.channel)
            if not grid.channels[channel].static:
                own = _lines(series, number, channel, grid, begin, interval, system.name)
                whose = recordings.seen_by[number][which] if apart else ()
                found += [replace(table, series=which, players=whose) for table in own]
    if not any(len(t.value) for t in found):
        raise InputError("nothing is seen: all values are missing")
    return [t for t in found if len(t.value)]


def _begin(recordings: Recordings, system: System) -> float:
    """Return the time of the first state of a system."""
    times = [np.min(_seen(s)) for s in system.series if s.times is not None and _seen(s).size]
    earliest = float(min(times, default=0.0))
    if recordings.begin is not None and earliest < recordings.begin - 1e-9 * abs(earliest):
        raise InputError(
            f"begin = {recordings.begin}: {system.name} was measured before it, at {earliest:g} s"
        )
    return earliest if recordings.begin is None else recordings.begin


def _seen(series: Film | Points) -> np.ndarray:
    """Return the times at which something is seen: frames of NaN alone are none."""
    if isinstance(series, Points):
        return series.times
    return series.times[np.isfinite(series.values).reshape(len(series.times), -1).any(1)]


def _lines(
    series: Film | Points,
    system: int,
    channel: int,
    grid: Grid,
    begin: float,
    interval: float,
    name: str,
) -> list[Table]:
    """Return the lines of what an instrument saw of a channel."""
    if series.times is None:
        raise InputError(f"{series.channel} of {name}: it evolves, but has no axis of time")
    _check_instrument(series, grid, name)
    series = _per_length(series, grid)
    time = (np.asarray(series.times, float) - begin) / interval
    time = np.where(np.abs(time - np.round(time)) < SAME, np.round(time), time)
    if isinstance(series, Film):
        return _film_lines(series, system, channel, grid, time, name)
    place = np.asarray(series.places, float) - np.asarray(grid.corner)
    _check_inside(place, grid, series, name)
    where = {"system": np.full(len(time), system), "place": place, "cell": None}
    what = {"time": time, "value": np.asarray(series.values), "sigma": _sigma(series)}
    return [Table(channel=channel, **where, **what, **_about(series))]


def _per_length(series: Film | Points, grid: Grid) -> Film | Points:
    """Return integrals along lines as means along them: numbers like the channel's own."""
    if not isinstance(series.instrument, Line):
        return series
    length = grid.size[series.instrument.axis]
    sigma = None if series.sigma is None else series.sigma / length
    return replace(series, values=series.values / length, sigma=sigma)


def _film_lines(
    film: Film, system: int, channel: int, grid: Grid, time: np.ndarray, name: str
) -> list[Table]:
    """Return the lines of a film: those in cells at frames, and those between them."""
    axes = _axes(film, grid, name)
    own = _is_own(film.instrument, grid, channel)
    cells = _cells(axes, grid, channel) if own else None
    place = np.stack(np.meshgrid(*axes, indexing="ij"), -1).reshape(-1, grid.dims)
    index = np.flatnonzero(np.isfinite(film.values))
    pixel = index % max(len(place), 1)
    frame = index // max(len(place), 1)
    what = {"value": film.values.reshape(-1)[index], "sigma": _sigma(film).reshape(-1)[index]}
    when = {"system": np.full(len(index), system), "time": time[frame]}
    if cells is None:
        _check_inside(place[np.unique(pixel)], grid, film, name)
        return [Table(channel, place=place[pixel], cell=None, **when, **what, **_about(film))]
    points = isinstance(film.instrument, Value)
    about = {**when, **what, **_about(film), "points": points}
    table = Table(channel, place=None, cell=cells[pixel], **about)
    whole = table.time == np.round(table.time)  # the others lie between frames
    between = table.only(~whole)
    place = centres(grid, channel)[between.cell]
    held = None if points else between.cell  # a pixel sees the same whenever it is read
    return [table.only(whole), replace(between, cell=None, place=place, held=held)]


def _is_own(instrument: Instrument | None, grid: Grid, channel: int) -> bool:
    """Return whether an instrument sees cells of a model: its values there, or means over them."""
    if instrument is None or instrument == Value():
        return True
    if not (isinstance(instrument, Mean) and instrument.order is None):
        return False
    widths = np.broadcast_to(instrument.widths, grid.dims)
    return all(grid.holding.means[channel]) and np.allclose(widths, grid.dx, rtol=SAME)


def _axes(film: Film, grid: Grid, of: str) -> list[np.ndarray]:
    """Return where the pixels of a film lie along each axis, in metres from the corner."""
    if len(film.places) != grid.dims:
        axes = f"{len(film.places)} axes of space, the model {grid.dims}"
        raise InputError(f"{film.channel} of {of}: it has {axes}")
    return [np.asarray(p, float) - c for p, c in zip(film.places, grid.corner, strict=True)]


def _about(series: Film | Points) -> dict[str, Any]:
    """Return what the lines of a series have in common."""
    degrees = series.noise.degrees if isinstance(series.noise, Student) else None
    return {"instrument": series.instrument, "degrees": degrees}


def _sigma(series: Film | Points) -> np.ndarray:
    """Return the sigma of each value, NaN where it is unknown."""
    given = np.nan if series.sigma is None else series.sigma
    return np.broadcast_to(np.asarray(given, float), series.values.shape)


def _cells(axes: list[np.ndarray], grid: Grid, channel: int) -> np.ndarray | None:
    """Return the cell of each pixel, flat; None if the pixels are not the model's own points."""
    found = []
    for axis, places in enumerate(axes):
        index = places / grid.dx[axis] - grid.offsets(channel)[axis]
        nearest = np.round(index).astype(int)
        inside = (nearest >= 0) & (nearest < grid.shape[axis])
        if not (inside & (np.abs(index - nearest) < SAME)).all():
            return None
        found.append(nearest)
    pixels = np.meshgrid(*found, indexing="ij")
    return np.ravel_multi_index(pixels, grid.shape).reshape(-1)


def centres(grid: Grid, channel: int) -> np.ndarray:
    """Return where the values of a channel lie, `[cell, axis]`, from the corner of the box."""
    cells = zip(grid.shape, grid.offsets(channel), grid.dx, strict=True)
    axes = [(np.arange(n) + offset) * dx for n, offset, dx in cells]
    return np.stack(np.meshgrid(*axes, indexing="ij"), -1).reshape(-1, grid.dims)


def _check_inside(place: np.ndarray, grid: Grid, series: Film | Points, name: str) -> None:
    size = np.asarray(grid.size)
    if place.shape[-1] != grid.dims:
        raise InputError(
            f"{series.channel} of {name}: places have {place.shape[-1]} axes, the box {grid.dims}"
        )
    outside = ((place < -1e-6 * size) | (place > (1 + 1e-6) * size)).any(-1)
    if outside.any():
        which = int(np.argmax(outside))
        at = ", ".join(f"{x:g}" for x in place[which] + np.asarray(grid.corner))
        raise InputError(
            f"{series.channel} of {name}: {int(outside.sum())} places lie outside the box, as "
            f"({at}) m of measurement {which}; set domain.origin and domain.size"
        )


def _check_instrument(series: Film | Points, grid: Grid, name: str) -> None:
    """Check that an instrument suits the axes of the box, and how it ends."""
    instrument, wrong = series.instrument, None
    if isinstance(instrument, Mean) and len(instrument.widths) not in (1, grid.dims):
        wrong = f"widths = {instrument.widths}: {len(instrument.widths)} lengths, the box has "
        wrong += f"{grid.dims} axes"
    elif isinstance(instrument, Line) and instrument.axis >= grid.dims:
        wrong = f"axis = {instrument.axis}: the box has {grid.dims} axes, numbered from 0"
    elif instrument is not None:
        try:
            operators.order_of(instrument, grid)
        except ValueError as error:
            wrong = str(error)
    if wrong:
        kind = type(instrument).__name__
        raise InputError(f"{series.channel} of {name}: instrument {kind}, {wrong}")


def static_fields(recordings: Recordings, grid: Grid) -> np.ndarray:
    """Return states `[system, *shape, channels]` that hold the static channels, else 0."""
    found = np.zeros((len(recordings.systems), *grid.shape, len(grid.channels)))
    for c, channel in enumerate(grid.channels):
        for s, system in enumerate(recordings.systems if channel.static else ()):
            own = whole_field(system, grid, c)
            if own is None:
                raise InputError(
                    f"{channel.name} of {system.name} is static: give it as a field or as a number"
                )
            found[s, ..., c] = own
    return found


def whole_field(system: System, grid: Grid, channel: int) -> np.ndarray | float | None:
    """Return a channel as a system has it first: the first frame of a film, `[*shape]`.

    A number of a static channel will do. None: there is neither.

    Raises:
        InputError: The film does not fill the grid, or a static channel changes in time.
    """
    about = grid.channels[channel]
    own = [s for s in system.series if s.channel == about.name]
    if about.static and about.name in system.numbers:
        if own:
            raise InputError(f"{about.name} of {system.name} is given as a number and as a field")
        return system.numbers[about.name]
    film = next((s for s in own if isinstance(s, Film)), None)
    if film is None:
        return _constant(own) if about.static else None
    if about.static and film.times is not None and _changes(film.values):
        raise InputError(
            f"{about.name} of {system.name}: it is static in the model, but its frames differ: "
            "give one of them"
        )
    return _first_frame(film, grid, channel, system.name)


def _constant(points: list[Points]) -> float | None:
    """Return the value that all points have, as of a table with a column of it; None: none."""
    values = np.concatenate([own.values for own in points]) if points else np.zeros(0)
    return float(values[0]) if values.size and (values == values[0]).all() else None


def _changes(frames: np.ndarray) -> bool:
    """Return whether frames differ from the first one."""
    return not np.array_equal(frames, np.broadcast_to(frames[:1], frames.shape), equal_nan=True)


def _first_frame(film: Film, grid: Grid, channel: int, of: str) -> np.ndarray:
    """Return the first frame of a film that fills the grid of a model, `[*shape]`."""
    cells = _cells(_axes(film, grid, of), grid, channel)
    values = film.values if film.times is None else film.values[0]
    if cells is None or values.size != np.prod(grid.shape):
        raise InputError(f"{film.channel} of {of}: it must be given in all cells of the model")
    if not np.isfinite(values).all():
        raise InputError(f"{film.channel} of {of}: it must be complete, without NaN")
    flat = np.zeros(values.size)
    flat[cells] = values.reshape(-1)
    return flat.reshape(grid.shape)


def means_of_systems(
    system: np.ndarray, value: np.ndarray, systems: int
) -> tuple[np.ndarray, np.ndarray]:
    """Return the number of values of each system, and their mean; 0 where there are none."""
    count = np.bincount(system, minlength=systems)
    return count, np.bincount(system, value, systems) / np.maximum(count, 1)


def places(table: Table, grid: Grid) -> np.ndarray:
    """Return the place of each line, `[line, axis]`, in metres from the corner of the box."""
    return centres(grid, table.channel)[table.cell] if table.place is None else table.place


def site(table: Table) -> np.ndarray:
    """Return a number for each place."""
    cells = table.held if table.cell is None else table.cell
    if cells is not None:
        return cells
    return np.unique(table.place, axis=0, return_inverse=True)[1].reshape(-1)
