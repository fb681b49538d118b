"""What of the lines is learned from, and what is set aside."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from hycojax.data.lines import Table, places
from hycojax.data.splits import LastPart, Split, Systems
from hycojax.errors import InputError
from hycojax.grid.domain import Grid

#: Steps of a cell and of an interval in which places and times are compared.
_FINE = 1000
#: Odd numbers that make one number of several, no two alike but by a rare accident.
_FACTORS = np.random.default_rng(0).integers(2**63, size=6, dtype=np.uint64) | np.uint64(1)


@dataclass(frozen=True)
class Role:
    """The lines of a role, of systems that are numbered from 0, and their static channels."""

    tables: list[Table]
    static: np.ndarray


def of(role: Role, player: str) -> Role:
    """Return the lines of a role that a player sees."""
    return Role([t for t in role.tables if player in t.players], role.static)


def without(role: Role, others: Sequence[Role], grid: Grid) -> Role:
    """Return a role without what is measured where and when others have a value too.

    One value may have come by two ways, as a camera's that is given as a probe's too: what is held
    out of it on one way must not be learned from on the other.
    """
    held = [_keys(t, grid) for other in others for t in other.tables]
    if not held:
        return role
    known = np.unique(np.concatenate(held))
    kept = [t.only(~np.isin(_keys(t, grid), known)) for t in role.tables]
    return Role([t for t in kept if len(t.value)], role.static)


def _keys(table: Table, grid: Grid) -> np.ndarray:
    """Return a number for each line: that of its channel, system, time and place."""
    where = places(table, grid) / np.asarray(grid.dx)
    fine = np.round(_FINE * np.column_stack([table.time, where])).astype(np.int64)
    columns = np.column_stack([table.system, np.full(len(fine), table.channel), fine])
    return np.sum(columns.astype(np.uint64) * _FACTORS[: columns.shape[1]], axis=1)


def divided(whole: Role, split: Split | None, seed: int) -> tuple[Role, Role]:
    """Return what is left, and what is set aside."""
    tables, static = whole.tables, whole.static
    if split is None:
        return Role(tables, static), Role([], static[:0])
    if isinstance(split, Systems):
        left = len(static) - split.count
        if left < 1:
            raise InputError(
                f"{split.count} systems are to be set aside, of {len(static)}: none would be left"
            )
        return _systems(tables, static, 0, left), _systems(tables, static, left, len(static))
    if isinstance(split, LastPart):
        end = np.zeros(len(static))
        for t in tables:
            np.maximum.at(end, t.system, t.time)
        aside = [t.time > (1 - split.share) * end[t.system] for t in tables]
    else:
        rng = np.random.default_rng(seed)
        aside = [(rng.uniform(size=len(t.time)) < split.share) & (t.time > 0) for t in tables]
    pairs = list(zip(tables, aside, strict=True))
    kept, held = ([t.only(m) for t, m in ps] for ps in ([(t, ~a) for t, a in pairs], pairs))
    if not any(len(t.value) for t in kept):
        raise InputError(f"nothing is left to learn from once {split} is set aside")
    some = [[t for t in own if len(t.value)] for own in (kept, held)]
    return Role(some[0], static), Role(some[1], static)


def _systems(tables: list[Table], static: np.ndarray, first: int, end: int) -> Role:
    kept = [t.only((t.system >= first) & (t.system < end)) for t in tables]
    kept = [replace(t, system=t.system - first) for t in kept if len(t.value)]
    return Role(kept, static[first:end])
