"""A first experiment for recordings: the text of a file that runs, to be changed by its user."""

from __future__ import annotations

import difflib
import json
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import jax
import numpy as np

from hycojax.data import boundaries
from hycojax.data.extent import box
from hycojax.data.observing import interval_of
from hycojax.data.recordings import Film, Points, Recordings
from hycojax.data.units import in_units, scale
from hycojax.errors import InputError
from hycojax.grid.domain import CLOSED, PERIODIC, Boundary, Channel, Domain
from hycojax.models.coefficients import Unknown, quantities
from hycojax.models.pde import PDE, BoundPDE

#: Cells along an axis at most, by the number of axes; a multiple of this many are taken.
_MOST, _MULTIPLE = {1: 256, 2: 64, 3: 32}, 4
#: Cells along the longest axis where there are points only.
_FOR_POINTS = 32

_TEXT = '''\
"""A first experiment for {path}, written by hycojax.inspect.

    python -m hycojax.train {file}

Change what you know better: the boundary, the starts, which coefficients are known (a number in
place of hj.Unknown).
"""

{imports}

experiment = hj.Experiment(
    name="{name}",
    domain=hj.Domain(
        shape={shape},
        size={size},
        boundary=hj.{boundary},{origin}
    ),
    interval={interval},
    physical=hj.Physical(
        model={pde}(
{coefficients}
        ),
        solver=hj.LBFGS(),
    ),
    synthetic=hj.Synthetic(
        model=hj.networks.UNet(levels=2),
        solver=hj.Adam(learning_rate=4e-3, updates=40),
        batch=8,
    ),
    data=hj.Files({data}),
)
'''
#: The first states of channels that nobody sees.
_FIRST = """
        # Nothing is seen of {names}: these are the mean and the spread of states that hycojax draws
        # for this PDE. Give what you know, or tie a channel to another one (hj.Tie).
        first=hj.Estimated(priors={{{priors}}}),
    """


@dataclass(frozen=True)
class Plan:
    """What the experiment is made of.

    Attributes:
        domain: The box, and cells for it.
        interval: Time between frames, in seconds.
        starts: Start of each coefficient.
        channels: Name of the variable for each channel, where these differ.
        unseen: Channels of the PDE that nothing is seen of, with mean and standard deviation of
            what the PDE's own initial states have; None: it is static, so that it must be given.
        assumed: What was assumed of units, and of how the box ends.
    """

    domain: Domain
    interval: float
    starts: dict[str, float]
    channels: dict[str, str]
    unseen: dict[str, tuple[float, float] | None]
    assumed: tuple[str, ...]


@dataclass(frozen=True)
class Source:
    """Where recordings are."""

    path: str
    group: str | None = None
    """The group of the file; None: its root."""


def plan(recordings: Recordings, kind: type[PDE]) -> Plan:
    """Return an experiment that fits a PDE to recordings.

    Raises:
        InputError: They do not go together; the message says why.
    """
    domain = _domain(recordings, kind)
    interval = _interval(recordings)
    wanted = kind().channels(domain.dims)
    channels = _matched(wanted, recordings)
    named = {channels.get(c.name, c.name): c.unit for c in wanted}
    _, assumed = in_units(recordings, named)
    assumed += boundaries.told(recordings, domain.boundary)
    length, duration = float(np.mean(domain.size)), _duration(recordings)
    starts = {name: _start(kind, name, length, duration) for name in quantities(kind())}
    try:
        model = kind(**{name: Unknown(start=start) for name, start in starts.items()})
        physics = model.on(domain, interval)
    except ValueError as error:
        raise InputError(f"{kind.__name__} can't be fitted to this: {error}") from error
    seen = _names(recordings)
    unseen = {n: p for n, p in _usual(physics).items() if channels.get(n, n) not in seen}
    renamed = {channel: name for channel, name in channels.items() if channel != name}
    return Plan(domain, interval, starts, renamed, unseen, tuple(assumed))


def _usual(physics: BoundPDE) -> dict[str, tuple[float, float] | None]:
    """Return mean and standard deviation of each channel of a PDE's own states; None: static."""
    states = np.asarray(physics.sample(jax.random.key(0)), float)
    found = {}
    for number, channel in enumerate(physics.domain.channels):
        own = states[..., number]
        mean, spread = (float(f"{f(own):.2g}") for f in (np.mean, np.std))
        found[channel.name] = None if channel.static else (mean, spread or abs(mean) or 1.0)
    return found


def text(found: Plan, source: Source, file: str, kind: type[PDE], module: str | None) -> str:
    """Return the text of an experiment file.

    Args:
        found: What it is made of.
        source: Where the recordings are.
        file: Name of the file itself.
        kind: The PDE.
        module: Name of the module that the PDE is imported from; None: it is one of hycojax.
    """
    domain = found.domain
    own = f"from {module} import {kind.__name__}\n" if module else ""
    return _TEXT.format(
        path=source.path.replace("\\", "/").replace('"', "'"),
        file=file,
        imports=f"{own}\nimport hycojax as hj".strip(),
        name=re.sub(r"[^A-Za-z0-9_-]+", "-", file.removesuffix(".py")).strip("-_") or "first",
        shape=domain.shape,
        size=domain.size,
        boundary=domain.boundary.name,
        origin="" if domain.origin is None else f"\n        origin={domain.origin},",
        interval=found.interval,
        pde=kind.__name__ if module else f"hj.physics.{kind.__name__}",
        coefficients="\n".join(
            f"            {name}=hj.Unknown(start={start!r}),"
            for name, start in found.starts.items()
        ),
        data=_data(found, source),
    )


def _data(found: Plan, source: Source) -> str:
    """Return the arguments of `Files`."""
    words = [_quoted(source.path)]
    words += [f"group={_quoted(source.group)}"] if source.group else []
    pairs = ", ".join(f"{_quoted(own)}: {_quoted(name)}" for own, name in found.channels.items())
    words += [f"channels={{{pairs}}}"] if pairs else []
    if not found.unseen:
        return ", ".join(words)
    priors = ", ".join(
        f"{_quoted(name)}: hj.Prior(mean={prior[0]!r}, amplitude={prior[1]!r})"
        for name, prior in found.unseen.items()
        if prior is not None
    )
    first = _FIRST.format(names=", ".join(found.unseen), priors=priors)
    return "".join(f"\n        {word}," for word in words) + first


def _quoted(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)


def _names(recordings: Recordings) -> list[str]:
    found = [s.channel for system in recordings.systems for s in system.series]
    numbers = [name for system in recordings.systems for name in system.numbers]
    return list(dict.fromkeys(found + numbers))


def _matched(wanted: Sequence[Channel], recordings: Recordings) -> dict[str, str]:
    """Return the variable of each channel: of its name, the nearest name, alone of its unit."""
    seen, known = _names(recordings), _units(recordings)
    found = {c.name: c.name for c in wanted if c.name in seen}
    for channel in (c for c in wanted if c.name not in found):
        left = [name for name in known if name not in found.values()]
        alike = difflib.get_close_matches(channel.name.lower(), [n.lower() for n in left], 1)
        same = [name for name in left if _converts(known[name], channel.unit)]
        same = [n for n in left if [n.lower()] == alike] or same
        if len(same) == 1:
            found[channel.name] = same[0]
    if not found:
        names = ", ".join(channel.name for channel in wanted)
        raise InputError(
            f"none of its channels ({names}) is in the file, which has {', '.join(seen)}: rename "
            "the variables, or write an experiment with hj.Files(..., channels={...})"
        )
    return found


def _units(recordings: Recordings) -> dict[str, str | None]:
    """Return the units of what is seen, None where none is given."""
    found: dict[str, str | None] = {}
    for series in _series(recordings):
        found[series.channel] = found.get(series.channel) or series.unit
    return found


def _converts(unit: str | None, target: str) -> bool:
    try:
        return unit is None or bool(scale(unit, target))
    except InputError:
        return False


def _domain(recordings: Recordings, kind: type[PDE]) -> Domain:
    """Return the box, with cells like the pixels of the finest film."""
    films = [f for f in _series(recordings) if isinstance(f, Film)]
    size = None if films else _bounds(recordings)
    origin, size = box(recordings, size)
    most = _MOST.get(len(size), _MOST[3])
    if films:
        counts = [max(len(film.places[axis]) for film in films) for axis in range(len(size))]
    else:
        counts = [round(_FOR_POINTS * length / max(size)) for length in size]
    shape = tuple(_cells(min(count, most)) for count in counts)
    boundary = boundaries.stated(recordings) or _boundary(films, kind.boundaries)
    return Domain(shape, size, boundary, origin=origin if any(origin) else None)


def _bounds(recordings: Recordings) -> tuple[float, ...]:
    """Return lengths of a box from 0 on that all points lie in."""
    places = np.concatenate([s.places for s in _series(recordings)])
    if places.min() < 0:
        raise InputError(
            "points lie at negative places: write the experiment yourself, with origin and size in "
            "hj.Domain"
        )
    return tuple(_round_up(float(end)) for end in places.max(axis=0))


def _round_up(value: float) -> float:
    """Return the next number of one digit, or 1.5, 2.5."""
    tens = 10.0 ** math.floor(math.log10(value)) if value > 0 else 1.0
    steps = (1, 1.5, 2, 2.5, 3, 4, 5, 6, 8, 10)
    return next(float(f"{step * tens:.3g}") for step in steps if value <= step * tens * (1 + 1e-9))


def _cells(count: int) -> int:
    return max(_MULTIPLE * round(count / _MULTIPLE), 2 * _MULTIPLE)


def _boundary(films: Sequence[Film], possible: tuple[Boundary, ...]) -> Boundary:
    """Return how the box ends: periodic if opposite sides look like neighbours."""
    if len(possible) == 1:
        return possible[0]
    jumps = [ratio for film in films for ratio in _jumps(film)]
    return PERIODIC if jumps and max(jumps) < 2 else CLOSED


def _jumps(film: Film) -> list[float]:
    """Return how much values differ across the ends of the box, over that between pixels."""
    found = []
    for axis in range(film.values.ndim - len(film.places), film.values.ndim):
        values = np.moveaxis(film.values, axis, 0).astype(np.float64)
        inside = np.nanmean(np.diff(values, axis=0) ** 2)
        across = (values[0] - values[-1]) ** 2
        if np.isfinite(across).any() and inside > 0:
            found.append(math.sqrt(float(np.nanmean(across) / inside)))
    return found


def _series(recordings: Recordings) -> list[Film | Points]:
    return [series for system in recordings.systems for series in system.series]


def _interval(recordings: Recordings) -> float:
    """Return the time between frames; of points that between the measurements of a place."""
    found, steps = interval_of(recordings), []
    if found is not None:
        return found
    for points in (s for s in _series(recordings) if isinstance(s, Points)):
        _, sites = np.unique(points.places, axis=0, return_inverse=True)
        order = np.lexsort((points.times, sites.ravel()))
        same = np.diff(sites.ravel()[order]) == 0
        own = np.diff(points.times[order])[same]
        steps += [np.median(own[own > 0])] if (own > 0).any() else []
    if not steps:
        raise InputError("nothing was measured twice: an experiment needs the time between frames")
    return float(f"{min(steps):.2g}")


def _duration(recordings: Recordings) -> float:
    times = [s.times for s in _series(recordings) if s.times is not None]
    return float(max(t.max() for t in times) - min(t.min() for t in times))


def _start(kind: type[PDE], name: str, length: float, duration: float) -> float:
    """Return a start of the order that changes something in a box of this length in this time."""
    about, default = quantities(kind())[name], getattr(kind(), name)
    orders: Mapping[str, float] = {
        "m²/s": 0.01 * length**2 / duration,
        "m/s²": length / duration**2,
        "m/s": length / duration,
    }
    usual = default if isinstance(default, float) else getattr(default, "mean", 0.0)
    start = float(f"{orders.get(about.unit, usual or 1.0):.2g}")
    return start if about.low < start < about.high else float(np.clip(usual, about.low, about.high))
