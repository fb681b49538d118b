"""Whole states in recordings: where a model starts from that predicts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
from jaxtyping import Float

from hycojax.data import lines
from hycojax.data.recordings import Film, Points, Recordings, System
from hycojax.data.units import in_units
from hycojax.data.variables import nearest
from hycojax.errors import InputError
from hycojax.grid.domain import Grid
from hycojax.kernels.precision import real


def whole_states(
    recordings: Recordings,
    grid: Grid,
    names: Mapping[str, str] | None = None,
    units: Mapping[str, str] | None = None,
) -> Float[np.ndarray, "system *shape channels"]:
    """Return the state of each system, in the units of the channels.

    Args:
        recordings: A frame, or a field without times, of each channel in all cells of the grid; of
            a static channel a number will do.
        grid: The model's.
        names: Other names of channels, which they may have in the recordings.
        units: Units of channels that have none there.

    Raises:
        InputError: Something is missing, lies elsewhere, or there are several frames.
    """
    told = tuple(_named(system, names or {}, units or {}) for system in recordings.systems)
    found, _ = in_units(replace(recordings, systems=told), {c.name: c.unit for c in grid.channels})
    states = [
        np.stack(
            [np.broadcast_to(_values(s, grid, c), grid.shape) for c in range(len(grid.channels))],
            -1,
        )
        for s in found.systems
    ]
    return np.stack(states).astype(real())


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


def _named(system: System, names: Mapping[str, str], units: Mapping[str, str]) -> System:
    """Return a system with the model's names of its channels, and units where they have none."""
    there = {series.channel for series in system.series}
    known = {other: own for own, other in names.items() if own not in there}
    series = [replace(s, channel=known.get(s.channel, s.channel)) for s in system.series]
    given = [replace(s, unit=s.unit or units.get(s.channel)) for s in series]
    return replace(system, series=tuple(given))


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
