"""Whole states in recordings: where a model starts from that predicts."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from jaxtyping import Float

from hycojax.data import lines
from hycojax.data.files import instruments
from hycojax.data.recordings import Film, Points, Reading, Recordings, System
from hycojax.data.units import in_units, scale
from hycojax.data.variables import nearest
from hycojax.errors import InputError
from hycojax.grid.domain import Grid
from hycojax.kernels.precision import real


@dataclass(frozen=True)
class Naming:
    """How the recordings of a run were read: what else is read for it is called alike."""

    channels: dict[str, str] = field(default_factory=dict)
    """Name of the variable for each channel, where it is another one."""
    units: dict[str, str] = field(default_factory=dict)
    """Units by channel, in place of those that the data gave."""
    given: dict[str, str] = field(default_factory=dict)
    """The same, for what is read now."""


def naming(sources: Iterable[Any]) -> Naming:
    """Return how the recordings of an experiment were read, by all of their instruments."""
    read = [part for part in instruments(sources) if isinstance(part, Reading)]
    channels = {k: v for part in read for k, v in part.channels.items()}
    return Naming(channels, {k: v for part in read for k, v in part.units.items()})


def whole_states(
    recordings: Recordings, grid: Grid, naming: Naming = Naming()
) -> tuple[Float[np.ndarray, "system *shape channels"], list[str]]:
    """Return the state of each system, in the units of the channels, and what was assumed.

    Args:
        recordings: A frame, or a field without times, of each channel in all cells of the grid; of
            a static channel a number will do.
        grid: The model's.
        naming: Other names and units of channels, which they may have in the recordings.

    Raises:
        InputError: Something is missing, lies elsewhere, has two units, or there are several
            frames.
    """
    told = tuple(_named(system, naming) for system in recordings.systems)
    wanted = {c.name: c.unit for c in grid.channels}
    found, assumed = in_units(replace(recordings, systems=told), wanted)
    states = [
        np.stack(
            [np.broadcast_to(_values(s, grid, c), grid.shape) for c in range(len(grid.channels))],
            -1,
        )
        for s in found.systems
    ]
    return np.stack(states).astype(real()), assumed


def at_frame(recordings: Recordings, number: int) -> Recordings:
    """Return recordings of which each film has one frame only: that of a number, from 0.

    Raises:
        InputError: A film has no such frame.
    """

    def one(series: Film | Points) -> Film | Points:
        if not isinstance(series, Film) or series.times is None:
            return series
        if not 0 <= number < len(series.times):
            raise InputError(f"{series.channel}: frame {number} of {len(series.times)}, from 0")
        own = slice(number, number + 1)
        return replace(series, times=series.times[own], values=series.values[own], sigma=None)

    systems = (replace(s, series=tuple(map(one, s.series))) for s in recordings.systems)
    return replace(recordings, systems=tuple(systems))


def _named(system: System, naming: Naming) -> System:
    """Return a system with the model's names and units of its channels and numbers."""
    there = {series.channel for series in system.series} | set(system.numbers)
    known = {other: own for own, other in naming.channels.items() if own not in there}

    def unit(name: str, stated: str | None) -> str | None:
        return naming.given.get(name) or _unit(name, stated, naming.units.get(name))

    series = [replace(s, channel=known.get(s.channel, s.channel)) for s in system.series]
    series = [replace(s, unit=unit(s.channel, s.unit)) for s in series]
    pairs = {known.get(n, n): (v, system.units.get(n)) for n, v in system.numbers.items()}
    units = {n: unit(n, stated) for n, (_, stated) in pairs.items()}
    numbers = {n: value for n, (value, _) in pairs.items()}
    return replace(
        system,
        series=tuple(series),
        numbers=numbers,
        units={n: u for n, u in units.items() if u is not None},
    )


def _unit(name: str, stated: str | None, read: str | None) -> str | None:
    """Return the unit of what is read: as it is stated, or as the recordings were read."""
    if None not in (stated, read) and scale(stated, read) != (1.0, 0.0):
        raise InputError(
            f"{name}: it is said to be in {stated}, but the recordings of the run were read in "
            f"{read}: which one is right? (predict: --units {name} {stated})"
        )
    return stated or read


def _values(system: System, grid: Grid, channel: int) -> np.ndarray | float:
    """Return the values of a channel of one system."""
    name = grid.channels[channel].name
    own = [series for series in system.series if series.channel == name]
    for film in own:
        if isinstance(film, Film) and film.times is not None and len(film.times) != 1:
            raise InputError(
                f"{name}: {len(film.times)} frames were given as an initial state: choose one of "
                "them"
            )
    found = lines.whole_field(system, grid, channel)
    if found is None and own:
        raise InputError(f"{name}: it is measured at points, but a whole state is needed")
    if found is None:
        known = dict.fromkeys(series.channel for series in system.series)
        raise InputError(f"{name} is missing{nearest(name, known)}")
    return found
