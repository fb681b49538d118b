"""Recordings of the same systems of which each player sees its own: a camera one, probes the other.

What is common is worked out from all of them together, so that players can be compared: the clock,
the frames, the scale, and what is set aside. What differs is what each player is trained on, and
how its first states are known.
"""

from __future__ import annotations

import functools
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Any

from hycojax.data import uniting
from hycojax.data.recordings import Film, Points, Recorded, Recordings, System, Use
from hycojax.errors import InputError
from hycojax.settings.values import as_json

#: What holds for both players, of how recordings are used.
_COMMON = ("validation", "test", "begin")


@dataclass(frozen=True)
class Views(Recordings):
    """Recordings of which each player sees some."""

    seen_by: tuple[tuple[tuple[str, ...], ...], ...] = field(kw_only=True)
    """Names of the players that see it, for each series of each system."""
    uses: dict[str, Use] = field(kw_only=True)
    """How those of each player are used: how its first states are known, and the noise of what says
    none; the rest holds for both."""

    @functools.cached_property
    def digest(self) -> str:
        """A short name of what was recorded and who sees it."""
        about = [Recordings(self.systems).digest, self.seen_by]
        return hashlib.sha256(json.dumps(about).encode()).hexdigest()[:10]


def titles(own: Mapping[str, Recorded | None]) -> dict[str, str]:
    """Return what messages call the data of each player: its own, or those of the experiment."""
    return {name: "data" if data is None else f"{name}.data" for name, data in own.items()}


def common(sources: Mapping[str, Use]) -> dict[str, Any]:
    """Return how recordings are used that each belong to a player, as far as it holds for both.

    It is said with one of them, or with both alike.

    Args:
        sources: The recordings by what a message calls them.

    Raises:
        InputError: They say different things.
    """
    found = {}
    for about in (f for f in fields(Use) if f.name in _COMMON):
        given = {title: getattr(data, about.name) for title, data in sources.items()}
        said = {title: own for title, own in given.items() if own != about.default}
        if len(set(said.values())) > 1:
            (one, ours), (other, theirs) = said.items()
            raise InputError(
                f"{other}.{about.name} = {theirs}, but {one}.{about.name} = {ours}: it holds for "
                "both players, so say it with one of them"
            )
        found[about.name] = next(iter(said.values()), about.default)
    return found


def read(shared: Recorded | None, own: Mapping[str, Recorded | None]) -> Recordings:
    """Return the recordings of an experiment: those of all, or what both players see.

    Args:
        shared: Those of players that have none of their own.
        own: By the names of both players, their own.

    Raises:
        InputError: They can't be read, or they are not of the same systems.
    """
    sources = {name: shared if data is None else data for name, data in own.items()}
    if len({id(data) for data in sources.values()}) == 1:
        return next(iter(sources.values())).read()
    about, parts = titles(own), {name: data.read() for name, data in sources.items()}
    settings = common({about[name]: part for name, part in parts.items()})
    uses = {name: _use(part) for name, part in parts.items()}
    (one, ours), (other, theirs) = parts.items()
    if ours.digest == theirs.digest and uses[one] == uses[other]:
        return replace(ours, **settings)
    matched = uniting.matched({about[name]: part.systems for name, part in parts.items()})
    alike = len({use.relative_sigma for use in uses.values()}) == 1
    found = [dict(zip(parts, own, strict=True)) for own in zip(*matched, strict=True)]
    pairs = [_united(own, alike) for own in found]
    systems, seen_by = zip(*pairs, strict=True)
    first = ours.first if ours.first == theirs.first else None
    try:
        return Views(systems, seen_by=seen_by, uses=uses, first=first, **settings)
    except ValueError as error:
        raise InputError(str(error)) from error


def _use(part: Use) -> Use:
    """Return how recordings are used, as far as that is not common."""
    kept = {f.name: getattr(part, f.name) for f in fields(Use) if f.name not in _COMMON}
    return Use(**kept)


def _united(parts: Mapping[str, System], alike: bool) -> tuple[System, tuple[tuple[str, ...], ...]]:
    """Return what players see of a system, and who sees each series.

    The same is there once, if players take the same for its noise where it says none.
    """
    whole = uniting.merged(list(parts.values()))
    whose = [name for name, part in parts.items() for _ in part.series]
    found: dict[str, tuple[Film | Points, list[str]]] = {}
    for series, name in zip(whole.series, whose, strict=True):
        said = json.dumps([as_json(series), None if alike else name], sort_keys=True)
        found.setdefault(said, (series, []))[1].append(name)
    series = tuple(own for own, _ in found.values())
    seen_by = tuple(tuple(dict.fromkeys(names)) for _, names in found.values())
    return replace(whole, series=series), seen_by
