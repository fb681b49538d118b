"""Recordings of the same systems by several instruments, put together system by system."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from hycojax.data import units
from hycojax.data.recordings import Film, Points, System
from hycojax.errors import InputError


def matched(parts: Mapping[str, Sequence[System]]) -> list[Sequence[System]]:
    """Return the systems of each part in the same order.

    They are matched by name if all have the same names, by their order if none has a name of
    another part.

    Args:
        parts: The systems by what a message calls the part.

    Raises:
        InputError: The parts do not see the same systems.
    """
    title, known = next(iter(parts.items()))
    first, found = [system.name for system in known], []
    for name, part in parts.items():
        own = {system.name: system for system in part}
        if len(part) != len(first):
            raise InputError(
                f"{name} sees {len(part)} systems, {title} {len(first)}: each must see all of them"
            )
        unique = len(own) == len(part) and len(set(first)) == len(first)
        same = set(own) & set(first)
        if unique and same and same != set(first):
            raise InputError(
                f"{name} sees {', '.join(own)}, {title} {', '.join(first)}: only some of these are "
                "the same: give the same systems equal names"
            )
        found.append([own[label] for label in first] if unique and same else part)
    return found


def merged(parts: Sequence[System]) -> System:
    """Return what several instruments saw of one system, with the series of each in order.

    Raises:
        InputError: They have different clocks, or known numbers or boundaries that differ.
    """
    clocks = {p.clock for p in parts if any(s.times is not None for s in p.series)}
    if None in clocks and len(clocks) > 1:
        raise InputError(
            f"{parts[0].name}: one instrument has dates, another has seconds: give both the same"
        )
    dates = [np.datetime64(clock) for clock in clocks if clock is not None]
    origin = min(dates) if dates else None
    numbers, known = _numbers(parts)
    ends = list(dict.fromkeys(part.boundary for part in parts if part.boundary))
    if len(ends) > 1:
        one, other = (", ".join(words) for words in ends[:2])
        raise InputError(f"{parts[0].name}: the box ends by {one} and by {other}")
    return System(
        parts[0].name,
        tuple(s for part in parts for s in _since(origin, part)),
        numbers,
        known,
        None if origin is None else str(origin),
        boundary=ends[0] if ends else None,
        left_out=tuple(told for part in parts for told in part.left_out or ()) or None,
    )


def _numbers(parts: Sequence[System]) -> tuple[dict[str, float], dict[str, str]]:
    """Return the known numbers that several instruments give of one system, and their units."""
    numbers: dict[str, float] = {}
    known: dict[str, str] = {}
    for part in parts:
        for name, value in part.numbers.items():
            unit = part.units.get(name)
            if name in numbers and not _same(numbers[name], known.get(name), value, unit):
                one, other = (
                    f"{v:g} {u or ''}".strip()
                    for v, u in ((numbers[name], known.get(name)), (value, unit))
                )
                raise InputError(f"{parts[0].name}: {name} is {one} and {other}")
            if name not in known:
                numbers[name] = value
                known |= {} if unit is None else {name: unit}
    return numbers, known


def _same(one: float, unit: str | None, other: float, other_unit: str | None) -> bool:
    if None not in (unit, other_unit):
        other = float(units.convert(other, other_unit, unit))
    return bool(np.isclose(one, other, rtol=1e-6, atol=0))


def _since(origin: np.datetime64 | None, part: System) -> list[Film | Points]:
    """Return the series of a system with times since another date than its own."""
    if origin is None or part.clock in (None, str(origin)):
        return list(part.series)
    late = (np.datetime64(part.clock) - origin) / np.timedelta64(1, "ns") / 1e9
    return [s if s.times is None else replace(s, times=s.times + late) for s in part.series]
