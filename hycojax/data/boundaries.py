"""How a box ends: as recordings say, and as a model has it."""

from __future__ import annotations

from collections.abc import Sequence

from hycojax.data.recordings import Recordings
from hycojax.errors import InputError
from hycojax.grid.domain import Boundary

#: What files call the ends of a box that models know.
_KNOWN = {"periodic": Boundary.PERIODIC, "wall": Boundary.CLOSED}


def stated(recordings: Recordings) -> Boundary | None:
    """Return how the box ends, if all recordings that say it say the same of all its sides."""
    found = {_of(system.boundary) for system in recordings.systems if system.boundary}
    return found.pop() if len(found) == 1 else None


def told(recordings: Recordings, boundary: Boundary) -> list[str]:
    """Return a sentence on each box that no model has, as one with two walls only.

    Raises:
        InputError: The recordings say that the box ends in the other way than the model's.
    """
    found: dict[str, None] = {}
    for system in recordings.systems:
        if not system.boundary or _of(system.boundary) is boundary:
            continue
        wanted, ends = _of(system.boundary), words(system.boundary)
        if wanted is not None:
            raise InputError(
                f"domain.boundary = {boundary.value}: the box of {system.name} is {ends}, says the "
                f"file; take hj.{wanted.name}"
            )
        found[
            f"boundary: the recorded box is {ends}, the model's {boundary.value} on all sides: "
            "near its ends they differ"
        ] = None
    return list(found)


def words(ends: Sequence[str]) -> str:
    """Return how a box ends along its axes, in words."""
    axes = zip("xyz", ends, strict=False)
    return ", ".join(f"{kind} along {axis}" for axis, kind in axes if kind)


def _of(ends: Sequence[str]) -> Boundary | None:
    """Return how a box ends that is the same on all sides of which something is said."""
    kinds = set(filter(None, ends))
    return _KNOWN.get(kinds.pop()) if len(kinds) == 1 else None
