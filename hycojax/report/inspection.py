"""What is in recordings: facts of each channel, what is odd about them, a picture."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.figure import Figure
from rich.table import Table
from rich.text import Text

from hycojax.data.noise import noise_estimate, residuals
from hycojax.data.recordings import Film, Points, Recordings, System

#: From so many times the usual step on, a gap in the times of frames is told.
_GAP = 1.5
#: From so many standard deviations of the noise on, a value is an outlier.
_OUTLIER = 8.0
#: Ends of an axis whose difference has so small a share of the square of that of neighbours are
#: the same; what varies less than this share of all is at rest.
_ALIKE, _STILL = 0.25, 1e-3
_FRAMES, _LINES = 5, 8
Series = Film | Points


@dataclass(frozen=True)
class Facts:
    """What instruments of one kind saw of a channel, in all systems.

    Attributes:
        channel: Its name.
        kind: "film", "static field" or "points".
        systems: How many systems they see.
        unit: Unit of the values; None: none is given.
        times: First and last time, in seconds; None: it is static.
        frames: Fewest and most frames, or times, of a system.
        step: Median time from one to the next of a site, in seconds; None: there is one only.
        places: Pixels and their spacing, or how many places points have.
        values: Lowest, mean and highest value.
        deviation: Standard deviation of the values.
        missing: Share of the values of a film that are NaN.
        complete: How many frames see every pixel.
        noise: Estimate of the noise; None: it can't be told.
        sigma: Standard deviation of the noise, as the recording states it; None: it does not.
    """

    channel: str
    kind: str
    systems: int
    unit: str | None
    times: tuple[float, float] | None
    frames: tuple[int, int]
    step: float | None
    places: str
    values: tuple[float, float, float]
    deviation: float
    missing: float
    complete: int
    noise: float | None
    sigma: float | None


def facts(recordings: Recordings) -> list[Facts]:
    """Return the facts of each channel and kind of instrument."""
    return [_facts(channel, kind, own) for (channel, kind, _), own in _grouped(recordings).items()]


def table(recordings: Recordings) -> Table:
    """Return the facts as a table for the terminal."""
    found = facts(recordings)
    shown = Table("")
    for f in found:
        shown.add_column(Text(f"{f.channel}, {f.kind}"))
    rows = {
        "unit": [f.unit or "none" for f in found],
        "systems": [str(f.systems) for f in found],
        "times [s]": ["static" if f.times is None else _range(f.times) for f in found],
        "frames": [_range(f.frames) if f.times else "-" for f in found],
        "step [s]": ["-" if f.step is None else f"{f.step:.4g}" for f in found],
        "places": [f.places for f in found],
        "range": [_range(f.values[::2]) for f in found],
        "mean, deviation": [f"{f.values[1]:.4g}, {f.deviation:.3g}" for f in found],
        "not seen": [f"{100 * f.missing:.3g} %" for f in found],
        "complete frames": [str(f.complete) if f.kind == "film" else "-" for f in found],
        "noise, estimated": ["unknown" if f.noise is None else f"{f.noise:.3g}" for f in found],
        "sigma, stated": ["none" if f.sigma is None else f"{f.sigma:.3g}" for f in found],
    }
    for name, cells in rows.items():
        shown.add_row(*map(Text, (name, *cells)))
    return shown


def odd(recordings: Recordings) -> list[str]:
    """Return a sentence on each thing that should be looked at."""
    found: dict[str, None] = {}
    for system in recordings.systems:
        for series in system.series:
            where = f"{series.channel} of {system.name}"
            found |= dict.fromkeys(f"{where}: {told}" for told in _odd(series))
            if series.unit is None:
                found |= {f"{series.channel}, {_kind(series)}: it has no unit": None}
    return list(found)


def picture(recordings: Recordings) -> Figure:
    """Show the first system: frames of films, grey where nothing is seen; points and their lines.

    A film on a line is shown over place and time, of one in space its middle plane.
    """
    system = recordings.systems[0]
    rows = [series for series in system.series if series.values.size]
    figure = Figure(figsize=(11, 2.4 * len(rows) + 0.5), layout="constrained")
    axes = figure.subplots(len(rows), _FRAMES, squeeze=False)
    for series, line in zip(rows, axes, strict=True):
        title = f"{series.channel} [{series.unit or 'no unit'}]"
        line[0].set_ylabel(title, fontsize=9)
        if isinstance(series, Film):
            _show_film(figure, list(line), series)
        else:
            _show_points(figure, list(line), series)
    figure.suptitle(system.name, fontsize=10)
    return figure


def _grouped(
    recordings: Recordings,
) -> dict[tuple[str, str, str | None], list[tuple[System, Series]]]:
    """Return what has the channel, the kind of instrument and the unit in common."""
    found: dict[tuple[str, str, str | None], list[tuple[System, Series]]] = {}
    for system in recordings.systems:
        for series in system.series:
            key = series.channel, _kind(series), series.unit
            found.setdefault(key, []).append((system, series))
    return found


def _kind(series: Series) -> str:
    if isinstance(series, Points):
        return "points"
    return "static field" if series.times is None else "film"


def _facts(channel: str, kind: str, own: Sequence[tuple[System, Series]]) -> Facts:
    series = [s for _, s in own]
    values = np.concatenate([s.values.ravel() for s in series]).astype(np.float64)
    times = [s.times for s in series if s.times is not None]
    steps = np.concatenate([_steps(s) for s in series])
    noises = [n for n in map(noise_estimate, series) if n is not None]
    known = (np.asarray(s.sigma, float) for s in series if s.sigma is not None)
    sigmas = [float(np.nanmean(s)) for s in known if np.isfinite(s).any()]
    counts = [len(np.unique(t)) for t in times] or [1]
    return Facts(
        channel=channel,
        kind=kind,
        systems=len({id(system) for system, _ in own}),
        unit=series[0].unit,
        times=(min(map(np.min, times)), max(map(np.max, times))) if times else None,
        frames=(min(counts), max(counts)),
        step=float(np.median(steps)) if steps.size else None,
        places=_places(series),
        values=(float(np.nanmin(values)), float(np.nanmean(values)), float(np.nanmax(values))),
        deviation=float(np.nanstd(values)),
        missing=float(np.mean(np.isnan(values))),
        complete=sum(_complete(s) for s in series),
        noise=float(np.median(noises)) if noises else None,
        sigma=float(np.mean(sigmas)) if sigmas else None,
    )


def _steps(series: Series) -> np.ndarray:
    """Return the times from one measurement of a site to the next."""
    if isinstance(series, Film):
        return np.zeros(0) if series.times is None else np.diff(series.times)
    parts = [np.diff(np.sort(series.times[own])) for own in _sites(series)]
    return np.concatenate([*parts, np.zeros(0)])


def _sites(points: Points) -> Iterator[np.ndarray]:
    """Yield the numbers of the measurements of each site."""
    _, sites = np.unique(points.places, axis=0, return_inverse=True)
    order = np.argsort(sites.ravel(), kind="stable")
    yield from np.split(order, np.flatnonzero(np.diff(sites.ravel()[order])) + 1)


def _complete(series: Series) -> int:
    if not isinstance(series, Film) or series.times is None:
        return 0
    return int(np.sum(~np.isnan(series.values).any(axis=tuple(range(1, series.values.ndim)))))


def _places(series: Sequence[Series]) -> str:
    grids = {
        " x ".join(map(str, map(len, s.places)))
        + " pixels of "
        + " x ".join(f"{np.mean(np.diff(p)):.4g}" if len(p) > 1 else "?" for p in s.places)
        + " m"
        for s in series
        if isinstance(s, Film)
    }
    counts = [len(np.unique(s.places, axis=0)) for s in series if isinstance(s, Points)]
    return ", ".join(sorted(grids)) or f"{_range((min(counts), max(counts)))} places"


def _range(ends: Sequence[float]) -> str:
    low, high = (f"{end:.6g}" for end in ends)
    return low if low == high else f"{low} to {high}"


def _odd(series: Series) -> Iterator[str]:
    """Yield a predicate on each thing that is odd about a series."""
    yield from _odd_film(series) if isinstance(series, Film) else _odd_points(series)
    estimate = noise_estimate(series)
    if estimate is not None:
        count = int(np.sum(np.abs(residuals(series)) > _OUTLIER * estimate))
        if count:
            yield f"{_many(count, 'jump')} by more than {_OUTLIER:g} times the noise: outliers?"


def _odd_film(film: Film) -> Iterator[str]:
    if film.times is None:
        return
    steps = np.diff(film.times)
    for at in np.flatnonzero(steps > _GAP * np.median(steps)) if len(steps) else ():
        yield f"a gap in time, from {film.times[at]:.6g} to {film.times[at + 1]:.6g} s"
    axes = tuple(range(1, film.values.ndim))
    seen = ~np.isnan(film.values)
    if unseen := int(np.sum(~seen.any(axis=axes))):
        yield f"nothing is seen in {_many(unseen, 'frame')}"
    again = np.all((film.values[1:] == film.values[:-1]) | ~seen[1:], axis=axes)
    if copies := int(np.sum(again & seen[1:].any(axis=axes))):
        yield f"{_many(copies, 'frame')} repeat the one before"
    often = np.sum(seen, axis=0) > 4
    with np.errstate(invalid="ignore"):
        still = (np.nanmax(_filled(film), axis=0) == np.nanmin(_filled(film), axis=0)) & often
    if still.any() and not still.all():
        yield f"{_many(int(still.sum()), 'pixel')} never change"
    with np.errstate(invalid="ignore"), warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # of what is never seen
        yield from _closed_circles(film)


def _closed_circles(film: Film) -> Iterator[str]:
    """Yield a predicate on each axis along which the last pixels are the first ones again."""
    first_axis = film.values.ndim - len(film.places)
    for axis in range(len(film.places)):
        slabs = np.moveaxis(film.values, first_axis + axis, 0)
        if len(slabs) < 4 or np.nanvar(slabs[0]) < _STILL * np.nanvar(film.values):
            continue  # walls at rest are alike too
        ends, next_ = (np.nanmean((slabs[i] - slabs[0]) ** 2) for i in (-1, 1))
        if ends < _ALIKE * next_:
            yield (
                f"along axis {axis} the last pixels repeat the first ones: of a periodic box leave "
                "one of them away (.isel), else it becomes a pixel too long"
            )


def _many(count: int, noun: str) -> str:
    return f"{count} {noun}{'' if count == 1 else 's'}"


def _filled(film: Film) -> np.ndarray:
    """Return the values with 0 in pixels that are never seen."""
    never = np.isnan(film.values).all(axis=0)
    return np.where(never, 0, film.values)


def _odd_points(points: Points) -> Iterator[str]:
    rows = np.column_stack([points.times, points.places])
    if copies := len(rows) - len(np.unique(rows, axis=0)):
        yield f"{_many(copies, 'measurement')} repeat a place and a time"
    still = [o for o in _sites(points) if len(o) > 4 and np.ptp(points.values[o]) == 0]
    for own in still[:3]:
        place = ", ".join(f"{x:.4g}" for x in points.places[own[0]])
        yield f"the sensor at ({place}) never changes"
    if len(still) > 3:
        yield f"{len(still) - 3} more sensors never change"
    times = np.unique(points.times)
    steps = np.diff(times)
    wide = steps > max(10 * np.median(steps), 0.1 * (times[-1] - times[0])) if len(steps) else []
    for at in np.flatnonzero(wide):
        yield f"a gap in time, from {times[at]:.6g} to {times[at + 1]:.6g} s"


def _show_film(figure: Figure, axes: list, film: Film) -> None:
    """Draw some frames; of a film on a line its values over place and time."""
    frames = film.values[None] if film.times is None else film.values
    style = {"vmin": np.nanmin(frames), "vmax": np.nanmax(frames), "cmap": "viridis"}
    if len(film.places) == 1 and film.times is not None:
        chosen, titles = [frames], ["place, over time"]
    else:
        numbers = np.unique(np.linspace(0, len(frames) - 1, _FRAMES).round().astype(int))
        chosen = [_plane(frames[i]) for i in numbers]
        titles = ["" if film.times is None else f"t = {film.times[i]:g} s" for i in numbers]
    for ax, values, title in zip(axes, chosen, titles, strict=False):
        ax.set_facecolor("0.8")
        image = ax.imshow(np.ma.masked_invalid(values), origin="lower", aspect="auto", **style)
        ax.set_title(title, fontsize=8)
        ax.set(xticks=[], yticks=[])
    figure.colorbar(image, ax=axes[: len(chosen)], pad=0.01).ax.tick_params(labelsize=7)
    for ax in axes[len(chosen) :]:
        ax.set_visible(False)


def _plane(values: np.ndarray) -> np.ndarray:
    """Return what to draw of a frame: `[y, x]`."""
    if values.ndim == 1:
        return values[None]
    return (values if values.ndim == 2 else values[:, :, values.shape[2] // 2]).T


def _show_points(figure: Figure, axes: list, points: Points) -> None:
    """Draw where the points are, and values over time of some of them."""
    places, wide = points.places, axes[0].get_gridspec()
    row = axes[0].get_subplotspec().rowspan.start
    for ax in axes[1:]:
        ax.remove()
    other = places[:, 1] if places.shape[1] > 1 else points.times
    image = axes[0].scatter(places[:, 0], other, c=points.values, s=6)
    figure.colorbar(image, ax=axes[0], pad=0.01).ax.tick_params(labelsize=7)
    axes[0].tick_params(labelsize=7)
    lines = figure.add_subplot(wide[row, 1:])
    sites = sorted(_sites(points), key=len, reverse=True)[:_LINES]
    for own in sites:
        own = own[np.argsort(points.times[own])]
        lines.plot(points.times[own], points.values[own], ".-", ms=3, lw=0.7)
    lines.set_xlabel("time [s]", fontsize=8)
    lines.tick_params(labelsize=7)
