"""Lines of measurements as the arrays that training works on: in cells, or as rows between them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial

import numpy as np

from hycojax.data import operators
from hycojax.data.lines import Table
from hycojax.data.observations import Dense, Part, Rows, Statistics
from hycojax.data.roles import Role
from hycojax.grid.domain import Grid, Holding
from hycojax.kernels.precision import real

#: Noise that exact values are taken to have, over the scale, beside others or a prior: no model is
#: better than that. And noise up to which values count as exact.
LEAST_NOISE, EXACT = 1e-3, 1e-6
#: Return (mean sigma / sigma)^2 of each line.
Weigh = Callable[[Table], np.ndarray]


def parts(
    role: Role, grid: Grid, frames: int, found: Statistics | None = None, noise: float = 0.0
) -> list[Part]:
    """Return the measurements of all lines; without statistics, their weights are all alike."""
    weigh = partial(_weights, found=found, noise=noise)
    systems, built = len(role.static), []
    for degrees in sorted({t.degrees for t in role.tables}, key=lambda d: d or 0):
        own = [t for t in role.tables if t.degrees == degrees]
        for points in (False, True):
            inside = [t for t in own if t.cell is not None and t.points is points]
            built += _dense_parts(inside, grid, frames, systems, weigh)
        between = [t for t in own if t.cell is None]
        built += _row_parts(between, grid, frames, systems, weigh)
    return built


def _weights(table: Table, found: Statistics | None, noise: float) -> np.ndarray:
    """Return (mean sigma / sigma)^2 of each line; 1 without statistics, or if all are exact."""
    if found is None or not noise:
        return np.ones(len(table.value))
    relative = table.sigma / float(found.std[table.channel])
    relative = np.where(relative > EXACT, relative, LEAST_NOISE)
    return np.minimum((noise / relative) ** 2, 1e6)


def _dense_parts(
    tables: list[Table], grid: Grid, frames: int, systems: int, weigh: Weigh
) -> list[Part]:
    """Return dense parts: one, and more where several instruments see the same cell."""
    parts, left = [], tables
    while left:
        taken, later, full = [], [], np.zeros((systems, frames, len(grid.channels)), bool)
        for table in left:
            keys = (table.system, table.time.astype(int), table.channel)
            (later if full[keys].any() else taken).append(table)
            full[keys] = True
        values, seen, weights = dense(taken, grid, frames, systems, weigh)
        alike = np.allclose(weights[seen], 1.0, rtol=1e-5)
        part_weights = None if alike else weights.astype(real())
        about = left[0].degrees, grid.holding if left[0].points else None
        parts.append(Dense(values.astype(real()), seen, part_weights, *about))
        left = later
    return parts


def dense(
    tables: list[Table], grid: Grid, frames: int, systems: int, weigh: Weigh
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return values, what is seen, and weights, `[system, frame, *shape, channel]`."""
    cells = int(np.prod(grid.shape))
    values = np.zeros((systems, frames, cells, len(grid.channels)))
    seen, weights = np.zeros(values.shape, bool), np.ones(values.shape)
    for table in tables:
        at = (table.system, table.time.astype(int), table.cell, table.channel)
        values[at], seen[at], weights[at] = table.value, True, weigh(table)
    shape = (systems, frames, *grid.shape, len(grid.channels))
    values, seen, weights = (a.reshape(shape) for a in (values, seen, weights))
    seen &= grid.evolves()
    return np.where(seen, values, 0), seen, weights


def cell_states(
    tables: list[Table], grid: Grid, frames: int, systems: int
) -> tuple[np.ndarray, np.ndarray]:
    """Return what tables say of states in cells, `[system, frame, *shape, channel]`, and where.

    Values at points tell a channel of a state only where they are complete.
    """

    def alike(t: Table) -> np.ndarray:
        return np.ones(len(t.value))

    values, seen, _ = dense([t for t in tables if not t.points], grid, frames, systems, alike)
    at_points = [t for t in tables if t.points]
    if at_points:
        own, there, _ = dense(at_points, grid, frames, systems, alike)
        axes = tuple(range(2, 2 + grid.dims))
        complete = (there | ~grid.evolves()).all(axes, keepdims=True) & there & ~seen
        means = operators.cell_means(own, grid.dims, grid.holding)
        values, seen = np.where(complete, means, values), seen | complete
    return values, seen


def _row_parts(
    tables: list[Table], grid: Grid, frames: int, systems: int, weigh: Weigh
) -> list[Part]:
    """Return rows, a part for each refinement and length of a row."""
    groups: dict[tuple, list[tuple[Table, np.ndarray, np.ndarray, np.ndarray]]] = {}
    for table in tables:
        finer, holding, row, cells, coefficients = _read(table, grid)
        groups.setdefault((finer, holding, cells.shape[1]), []).append(
            (table, row.reshape(-1), cells, coefficients)
        )
    return [
        replace(_rows(own, frames, systems, weigh, finer), holding=holding)
        for (finer, holding, _), own in groups.items()
    ]


def _read(
    table: Table, grid: Grid
) -> tuple[int, Holding | None, np.ndarray, np.ndarray, np.ndarray]:
    """Return refinement and holding of rows, the row of each line, and entries and weights."""
    if table.held is not None:  # the numbers of the state as they are
        cell, row = np.unique(table.held, return_inverse=True)
        entries = (cell * len(grid.channels) + table.channel).astype(np.int32)[:, None]
        return 1, None, row, entries, np.ones(entries.shape, real())
    place, row = np.unique(table.place, axis=0, return_inverse=True)
    rows = operators.rows(grid, table.channel, place, table.instrument)
    finer = operators.refinement(table.instrument, grid)
    return finer, operators.holding(table.instrument, grid), row, *rows


def _rows(
    own: list[tuple[Table, np.ndarray, np.ndarray, np.ndarray]],
    frames: int,
    systems: int,
    weigh: Weigh,
    finer: int,
) -> Rows:
    """Return the rows of some tables, by system and frame, padded."""
    offsets = np.cumsum([0, *(len(cells) for _, _, cells, _ in own)])
    row = np.concatenate([r + o for (_, r, _, _), o in zip(own, offsets, strict=False)])
    tables = [table for table, *_ in own]
    time = np.concatenate([t.time for t in tables])
    columns = {
        "values": np.concatenate([t.value for t in tables]).astype(real()),
        "weights": np.concatenate([weigh(t) for t in tables]).astype(real()),
        "fraction": (time - np.ceil(time) + 1).astype(real()),
        "row": row.astype(np.int32),
    }
    bucket = np.concatenate([t.system for t in tables]) * frames + np.ceil(time).astype(int)
    order = np.argsort(bucket, kind="stable")
    counts = np.bincount(bucket, minlength=systems * frames)
    place = np.arange(len(order)) - np.repeat(np.cumsum(counts) - counts, counts)
    shape = (systems * frames, max(int(counts.max()), 1))
    padded = {}
    for name, column in columns.items():
        padded[name] = np.zeros(shape, column.dtype)
        padded[name][bucket[order], place] = column[order]
    found_channels = np.concatenate([np.full(len(c), t.channel) for t, _, c, _ in own])
    return Rows(
        **{name: a.reshape(systems, frames, -1) for name, a in padded.items()},
        cells=np.concatenate([cells for _, _, cells, _ in own]),
        coefficients=np.concatenate([weights for *_, weights in own]),
        channel=found_channels.astype(np.int32),
        refinement=finer,
        degrees=tables[0].degrees,
    )
