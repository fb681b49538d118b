"""Where and when predictions miss what was measured, in standard deviations of its noise."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int

from hycojax.data.observations import Dense, Part, Rows
from hycojax.data.operators import distances
from hycojax.grid.domain import Boundary, Grid
from hycojax.report.evaluation import Trial


@dataclass(frozen=True)
class Measured:
    """Measurements, one an entry, in cells and between them alike.

    Attributes:
        system: Number of the system of each.
        channel: Number of the channel of each.
        time: In intervals from the first frame.
        place: In metres from the lower corner; of a row the weighted mean of the cells it reads.
        value: What was measured.
    """

    system: Int[np.ndarray, " measurement"]
    channel: Int[np.ndarray, " measurement"]
    time: Float[np.ndarray, " measurement"]
    place: Float[np.ndarray, "measurement axis"]
    value: Float[np.ndarray, " measurement"]

    def only(self, kept: Bool[np.ndarray, " measurement"]) -> Measured:
        """Return some of them."""
        return Measured(*(own[kept] for own in vars(self).values()))


def measured(grid: Grid, parts: tuple[Part, ...]) -> Measured:
    """Return all measurements of some instruments, part by part."""
    every = [_of_cells(grid, p) if isinstance(p, Dense) else _of_rows(grid, p) for p in parts]
    if not every:
        none = np.zeros(0)
        return Measured(none.astype(int), none.astype(int), none, np.zeros((0, grid.dims)), none)
    columns = zip(*(vars(own).values() for own in every), strict=True)
    return Measured(*(np.concatenate(own) for own in columns))


def residuals(
    trial: Trial, values: Float[np.ndarray, "simulation time *shape channels"]
) -> Float[np.ndarray, " measurement"]:
    """Return (prediction - measurement) / sigma, in the order of `measured`.

    Without noise that is over the standard deviation of the channel.

    Args:
        trial: What was measured.
        values: Trajectories that are predicted of its systems.
    """
    off = [np.asarray(distances(part, values, trial.scale)) for part in trial.parts]
    kept = [own[np.asarray(part.seen)] for own, part in zip(off, trial.parts, strict=True)]
    return np.concatenate(kept) / (trial.noise or 1.0)


def frames(
    grid: Grid, steps: int, parts: tuple[Part, ...], system: int
) -> Float[np.ndarray, "time *shape channels"]:
    """Return what was measured of a system in cells at frames, NaN where nothing was."""
    found = np.full((steps + 1, *grid.shape, len(grid.channels)), np.nan)
    for part in parts:
        if isinstance(part, Dense):
            values, seen = np.asarray(part.values)[system], np.asarray(part.seen)[system]
            found = np.where(seen & np.isnan(found), values, found)
    return found


def between(parts: tuple[Part, ...]) -> tuple[Part, ...]:
    """Return the parts that measured elsewhere than in cells at frames."""
    return tuple(part for part in parts if isinstance(part, Rows))


def in_cells(
    grid: Grid, where: Measured, off: Float[np.ndarray, " measurement"]
) -> Float[np.ndarray, "*plane"]:
    """Return the mean residual in each cell, of a 3D box in each column; NaN where nothing is."""
    axes = range(min(grid.dims, 2))
    shape = tuple(grid.shape[axis] for axis in axes)
    cells = [
        np.clip((where.place[:, axis] / grid.dx[axis]).astype(int), 0, shape[axis] - 1)
        for axis in axes
    ]
    index = np.ravel_multi_index(cells, shape)
    return _mean_by(index, off, int(np.prod(shape))).reshape(shape)


def over_time(
    where: Measured, off: Float[np.ndarray, " measurement"], steps: int
) -> Float[np.ndarray, " time"]:
    """Return the root mean square of the residuals nearest to each frame; NaN where nothing is."""
    return np.sqrt(_mean_by(np.rint(where.time).astype(int), off**2, steps + 1))


def _mean_by(index: np.ndarray, values: np.ndarray, size: int) -> np.ndarray:
    count = np.bincount(index, minlength=size)
    total = np.bincount(index, values, size)
    return np.where(count > 0, total / np.maximum(count, 1), np.nan)


def _of_cells(grid: Grid, part: Dense) -> Measured:
    index = np.nonzero(np.asarray(part.seen))
    system, time, *cells, channel = index
    shift = np.array([grid.offsets(c) for c in range(len(grid.channels))])
    place = (np.stack(cells, -1) + shift[channel]) * grid.dx
    return Measured(system, channel, time.astype(float), place, np.asarray(part.values)[index])


def _of_rows(grid: Grid, part: Rows) -> Measured:
    system, frame, _ = index = np.nonzero(np.asarray(part.seen))
    row, fraction = np.asarray(part.row)[index], np.asarray(part.fraction, float)[index]
    place, channel = _places(grid, part)[row], np.asarray(part.channel)[row]
    return Measured(system, channel, frame - 1 + fraction, place, np.asarray(part.values)[index])


def _places(grid: Grid, part: Rows) -> Float[np.ndarray, "row axis"]:
    """Return the weighted means of the cells that rows read, in metres.

    In a periodic box a row may go on at the other end: it begins with the lowest of its cells.
    """
    fine = tuple(n * part.refinement for n in grid.shape)
    cells, weights = np.asarray(part.cells), np.asarray(part.coefficients, float)
    *axes, channel = np.unravel_index(cells, (*fine, len(grid.channels)))
    total = weights.sum(1)
    shares = weights / np.where(total == 0, 1, total)[:, None]
    found = []
    for axis, (n, own) in enumerate(zip(fine, axes, strict=True)):
        first = own[:, :1]
        along = first[:, 0] + (shares * ((own - first) % n)).sum(1)
        offsets = np.array([grid.offsets(c)[axis] for c in range(len(grid.channels))])
        place = (along / part.refinement + offsets[channel[:, 0]]) * grid.dx[axis]
        periodic = grid.boundary is Boundary.PERIODIC
        found.append(place % grid.size[axis] if periodic else np.clip(place, 0, grid.size[axis]))
    return np.stack(found, -1)
