"""The box that recordings see."""

from __future__ import annotations

import numpy as np

from hycojax.data.recordings import Film, Recordings, axes
from hycojax.errors import InputError


def box(
    recordings: Recordings, size: tuple[float, ...] | None = None
) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Return the origin and the lengths of the box that films fill, in metres.

    It ends half a spacing beyond the outermost pixels. Films of a staggered vector, which lie half
    a spacing off along an axis, have no say there.

    Args:
        recordings: What was seen.
        size: Lengths of the box, whose origin is 0 then; needed where there are points only.

    Raises:
        InputError: There are points only, or the films fill different boxes.
    """
    if size is not None:
        return (0.0,) * len(size), tuple(map(float, size))
    films = [s for system in recordings.systems for s in system.series if isinstance(s, Film)]
    if not films:
        raise InputError(
            "points do not say where the box ends: give its size, the lengths along each axis in "
            f"metres ({_span(recordings)})"
        )
    ends = [_ends(axis, [film.places[i] for film in films]) for i, axis in _named(films[0])]
    origin = tuple(_short(low, high - low) for low, high in ends)
    return origin, tuple(_short(high - low, high - low) for low, high in ends)


def _named(film: Film) -> list[tuple[int, str]]:
    return list(enumerate("xyz"[: axes(film)]))


def _span(recordings: Recordings) -> str:
    """Return where the points lie, for a message."""
    places = [series.places for system in recordings.systems for series in system.series]
    low, high = (f(np.concatenate(places), axis=0) for f in (np.min, np.max))
    spans = zip("xyz", low, high, strict=False)
    return "they lie in " + ", ".join(f"{axis} = {a:.4g} to {b:.4g}" for axis, a, b in spans)


def _ends(axis: str, lines: list[np.ndarray]) -> tuple[float, float]:
    """Return where the pixels of all films end along an axis."""
    if any(len(line) < 2 for line in lines):
        raise InputError(f"one pixel along {axis} does not say where the box ends: give its size")
    found = {(a, b): a_width for line in lines for a, b, a_width in [_line(line)]}
    centred = [ends for ends in found if not _is_staggered(ends, found)]
    first, *others = centred
    width = max(found.values())
    for other in others:
        if not np.allclose(first, other, rtol=0, atol=1e-3 * width):
            raise InputError(
                f"films fill different parts of the box along {axis}: {first[0]:.6g} to "
                f"{first[1]:.6g}, {other[0]:.6g} to {other[1]:.6g} m: give origin and size"
            )
    return first


def _line(line: np.ndarray) -> tuple[float, float, float]:
    """Return where a row of pixels begins and ends, and the width of its first."""
    first, last = np.diff(line)[[0, -1]]
    return float(line[0] - first / 2), float(line[-1] + last / 2), float(first)


def _is_staggered(ends: tuple[float, float], found: dict[tuple[float, float], float]) -> bool:
    """Return whether pixels lie on the lower faces, or on all faces, of those of another film."""
    width = found[ends]
    return any(
        np.isclose(ends[0], low - width / 2, rtol=0, atol=1e-3 * width)
        and np.abs(np.array((high - width / 2, high + width / 2)) - ends[1]).min() < 1e-3 * width
        for (low, high), other in found.items()
        if np.isclose(width, other, rtol=1e-3)
    )


def _short(value: float, length: float) -> float:
    """Return a number without the rounding errors of coordinates: 0, or one of few digits."""
    if abs(value) < 1e-6 * length:
        return 0.0
    short = float(f"{value:.5g}")
    return short if abs(short - value) < 1e-6 * length else value
