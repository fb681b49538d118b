"""Pictures of a run, from arrays. Each function returns a figure; the caller saves it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import jax
import numpy as np
from matplotlib.animation import FuncAnimation
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, MaxNLocator, NullFormatter

from hycojax.grid.domain import Channel, Domain, Grid
from hycojax.report import evaluation
from hycojax.report.metrics import RolloutErrors
from hycojax.report.residuals import Measured, in_cells, over_time
from hycojax.report.summary import Estimate, per_second
from hycojax.run.record import Record

COLORS = {"physical": "tab:blue", "synthetic": "tab:orange"}
#: So many cells and times are drawn of a learned term.
_DOTS = 6000


def states(
    domain: Grid,
    channel: int,
    truth: np.ndarray,
    predictions: dict[str, np.ndarray],
    region: np.ndarray,
    dt: float,
    kind: str,
) -> Figure:
    """Show one channel of one simulation: truth, predictions, and their differences from it.

    Args:
        domain: Where it lives.
        channel: Index of the channel.
        truth: Trajectory `[time, *shape, channels]`.
        predictions: Trajectories of the players.
        region: Which cells are seen in training (outlined).
        dt: Time step, in seconds.
        kind: What simulation it is: "test" or "recorded".
    """
    times = np.unique(np.linspace(0, len(truth) - 1, 5).round().astype(int))
    rows = [("truth", truth, False)]
    for name, prediction in predictions.items():
        rows += [(name, prediction, False), (f"{name} - truth", prediction - truth, True)]
    figure = Figure(figsize=(2.1 * len(times) + 1.2, 2.0 * len(rows) + 0.6), layout="constrained")
    axes = figure.subplots(len(rows), len(times), squeeze=False)
    largest = max(_largest((p - truth)[..., channel]) for p in predictions.values())
    for (title, values, is_difference), line in zip(rows, axes, strict=True):
        style = _difference_style(largest) if is_difference else _value_style(truth[..., channel])
        for frame, ax in zip(times, line, strict=True):
            image = _show(ax, domain, values[frame, ..., channel], region, style)
            if values is truth:
                ax.set_title(f"t = {frame * dt:g} s", fontsize=9)
        line[0].set_ylabel(title, fontsize=9)
        figure.colorbar(image, ax=list(line), shrink=0.9, pad=0.01).ax.tick_params(labelsize=7)
    about = "" if region.all() else "; dashed: the part that is seen in training"
    figure.suptitle(f"{_label(domain.channels[channel])}, a {kind} simulation{about}", fontsize=10)
    return figure


def recorded_states(
    domain: Grid,
    channel: int,
    seen: np.ndarray,
    points: Measured,
    predictions: dict[str, np.ndarray],
    interval: float,
) -> Figure:
    """Show one channel of one recorded system, grey where nothing is seen, beside predictions.

    Dots are measurements between cells, in the colour of their value, at the frame nearest to them.

    Args:
        domain: Where it lives.
        channel: Index of the channel.
        seen: What was measured in cells, `[time, *shape, channels]`, NaN where nothing was.
        points: Measurements of this system and channel elsewhere.
        predictions: Trajectories of the players.
        interval: Time between frames, in seconds.
    """
    times = np.unique(np.linspace(0, len(seen) - 1, 5).round().astype(int))
    rows = {"recorded": seen} | predictions
    figure = Figure(figsize=(2.1 * len(times) + 1.2, 2.0 * len(rows) + 0.6), layout="constrained")
    axes = figure.subplots(len(rows), len(times), squeeze=False)
    values = np.concatenate([seen[..., channel].ravel(), points.value])
    if np.isnan(values).all():
        values = np.concatenate([p[..., channel].ravel() for p in predictions.values()])
    style = _value_style(values)
    everywhere = np.ones(domain.shape, bool)
    for (title, path), line in zip(rows.items(), axes, strict=True):
        for frame, ax in zip(times, line, strict=True):
            image = _show(ax, domain, path[frame, ..., channel], everywhere, style)
            _dots(ax, domain, points.only(np.rint(points.time) == frame), style)
            if path is seen:
                ax.set_title(f"t = {frame * interval:g} s", fontsize=9)
        line[0].set_ylabel(title, fontsize=9)
        figure.colorbar(image, ax=list(line), shrink=0.9, pad=0.01).ax.tick_params(labelsize=7)
    about = "; dots: measurements" if len(points.value) else ""
    label = _label(domain.channels[channel])
    figure.suptitle(f"{label}, a recorded system; grey: not seen{about}", fontsize=10)
    return figure


def residuals(
    domain: Grid,
    channel: int,
    found: dict[str, dict[str, tuple[Measured, np.ndarray]]],
    steps: int,
    interval: float,
    noisy: bool,
) -> Figure:
    """Show the residuals of one channel: their mean in each cell, over time, how they spread.

    Args:
        domain: Where it lives.
        channel: Index of the channel.
        found: For each player and kind of trial the measurements of the channel, and residuals.
        steps: Intervals of the longest recording.
        interval: Time between frames, in seconds.
        noisy: Whether residuals are in standard deviations of the noise; else in those of the
            channel.
    """
    figure = Figure(figsize=(11.0, 3.2 * len(found) + 0.4), layout="constrained")
    axes = figure.subplots(len(found), 3, squeeze=False)
    unit = "sigma" if noisy else "standard deviations of the channel"
    for (name, kinds), (place, time, spread) in zip(found.items(), axes, strict=True):
        every = [np.concatenate(own) for own in zip(*_columns(kinds), strict=True)]
        mean = in_cells(domain, Measured(*every[:-1]), every[-1])
        _residual_map(figure, place, domain, mean, least=1.0 if noisy else 0.0)
        limit = max(5.0 if noisy else 0.0, float(np.quantile(abs(every[-1]), 0.99)))
        bins = np.linspace(-limit, limit, 41)
        for (kind, (where, off)), style in zip(kinds.items(), ("-", ":"), strict=False):
            about = {"color": COLORS[name], "ls": style, "label": evaluation.called(kind)}
            time.plot(interval * np.arange(steps + 1), over_time(where, off, steps), ".", **about)
            clipped = np.clip(off, -limit, limit)
            spread.hist(clipped, bins, density=True, histtype="step", **about)
        if noisy:
            time.axhline(1, color="k", lw=1, ls="--", label="the noise")
            at = np.linspace(-limit, limit, 201)
            normal = np.exp(-(at**2) / 2) / np.sqrt(2 * np.pi)
            spread.plot(at, normal, "k--", lw=1, label="normal")
        place.set_title(f"{name}: mean [{unit}]", fontsize=9)
        time.set(xlabel="time [s]", ylabel=f"rms [{unit}]", ylim=(0, None))
        spread.set(xlabel=f"residual [{unit}]", ylabel="density")
        for ax in (time, spread):
            ax.legend(fontsize=8)
            ax.grid(alpha=0.3)
    figure.suptitle(f"{_label(domain.channels[channel])}: prediction - measurement", fontsize=10)
    return figure


def error_over_time(errors: dict[str, RolloutErrors], dt: float, kind: str) -> Figure:
    """Show the error of predictions against time: mean and range over the simulations.

    Args:
        errors: Those of each player.
        dt: Time step, in seconds.
        kind: What simulations these are: "test" or "recorded".
    """
    figure = Figure(figsize=(6.4, 4.0), layout="constrained")
    ax = figure.subplots()
    for name, parts in errors.items():
        parts = jax.tree.map(_finite, parts)
        whole, color = parts.whole, COLORS[name]
        time = dt * np.arange(1, whole.shape[1] + 1)
        ax.fill_between(time, whole.min(0), whole.max(0), color=color, alpha=0.15, lw=0)
        ax.plot(time, whole.mean(0), color=color, label=f"{name}: whole domain")
        if not np.isnan(parts.hidden).all():
            ax.plot(time, parts.seen.mean(0), ".--", ms=3, color=color, lw=1, label="observed part")
            ax.plot(time, parts.hidden.mean(0), ".:", ms=3, color=color, lw=1, label="hidden part")
    ax.set(xlabel="time [s]", ylabel="relative L2 error", yscale="log")
    ax.set_title(f"Predictions from t = 0 on {kind} simulations (band: their range)", fontsize=10)
    ax.legend(fontsize=8)
    ax.grid(alpha=0.3)
    return figure


def losses(records: Sequence[Record], warmup: int) -> Figure:
    """Show the terms of each player's loss, and its validation error, against the cycle."""
    names = [name for name in COLORS if name in records[-1].players]
    figure = Figure(figsize=(5.2 * len(names), 3.8), layout="constrained")
    for ax, name in zip(figure.subplots(1, len(names), squeeze=False)[0], names, strict=True):
        for term, style in (("data", "-"), ("interaction", "--"), ("validation", ":")):
            path = [(r.cycle, getattr(r.players[name], term)) for r in records]
            points = [(cycle, value) for cycle, value in path if value > 0]
            if points:
                label = "validation error" if term == "validation" else f"{term} loss"
                ax.plot(*zip(*points, strict=True), style, color=COLORS[name], label=label)
        _mark_warmup(ax, warmup, records)
        ax.set(xlabel="cycle", ylabel="relative", yscale="log", title=f"{name} player")
        ax.xaxis.set_major_locator(MaxNLocator(integer=True))
        ax.legend(fontsize=8)
        ax.grid(alpha=0.3)
    return figure


def parameters(records: Sequence[Record], found: dict[str, Estimate], warmup: int) -> Figure:
    """Show each estimate (of a field, its mean) against the cycle, from its start on.

    Args:
        records: The cycles.
        found: What was identified.
        warmup: Cycles without cooperation.
    """
    figure = Figure(figsize=(5.2 * len(found), 3.6), layout="constrained")
    axes = figure.subplots(1, len(found), squeeze=False)[0]
    for ax, (name, value) in zip(axes, found.items(), strict=True):
        later = (r.players["physical"].parameters[name] for r in records)
        cycles = [0, *(r.cycle for r in records)]
        ax.plot(cycles, [np.mean(value.start), *later], ".-", color=COLORS["physical"])
        if value.true is not None:
            true = float(np.mean(value.true))
            ax.axhline(true, color="k", lw=1, ls="--", label=f"truth {true:g}")
        _mark_warmup(ax, warmup, records)
        ax.set(xlabel="cycle", ylabel=f"{name} [{value.unit}]")
        best = float(np.mean(value.estimate))
        ax.set_title(f"{name}: estimate (best in validation) {best:.4g}", fontsize=10)
        ax.xaxis.set_major_locator(MaxNLocator(integer=True))
        if ax.get_legend_handles_labels()[0]:
            ax.legend(fontsize=8)
        ax.grid(alpha=0.3)
    return figure


def parameter_map(
    domain: Domain, label: str, values: dict[str, np.ndarray], region: np.ndarray
) -> Figure:
    """Show a parameter that is a field: truth, estimate, their difference, and the spread.

    Args:
        domain: Where it lives.
        label: Name and unit.
        values: "estimate" and, if there are any, "true" and "spread": arrays `[*shape]`.
        region: Which cells are seen in training (outlined).
    """
    estimate = values["estimate"]
    true = values.get("true", estimate)
    style, difference = _value_style(true), estimate - true
    panels = {"estimate": (estimate, style)}
    if "true" in values:
        panels = {"truth": (true, style)} | panels
        panels["estimate - truth"] = (difference, _difference_style(abs(difference).max()))
    if "spread" in values:
        spread = values["spread"]
        panels["spread over starts"] = (spread, {"cmap": style["cmap"], "vmin": 0.0})
    figure = Figure(figsize=(3.2 * len(panels), 3.2), layout="constrained")
    axes = figure.subplots(1, len(panels), squeeze=False)[0]
    for ax, (title, (shown, colors)) in zip(axes, panels.items(), strict=True):
        image = _show(ax, domain, shown, region, colors)
        ax.set_title(title, fontsize=10)
        figure.colorbar(image, ax=ax, shrink=0.8, pad=0.02).ax.tick_params(labelsize=7)
    figure.suptitle(label, fontsize=10)
    return figure


def correction(domain: Grid, paths: np.ndarray, rates: np.ndarray, interval: float) -> Figure:
    """Show a learned term, a row a channel that evolves.

    That are the first system half-way, the term at that state, the rms of the term over all
    trajectories at each cell, and the term over the channel's own value: a curve where it depends
    on nothing else.

    Args:
        domain: Where it lives.
        paths: Trajectories along the recordings `[simulation, time, *shape, channels]`.
        rates: The term there, in units of the channels over a second.
        interval: Time between frames, in seconds.
    """
    frame, everywhere = paths.shape[1] // 2, np.ones(domain.shape, bool)
    figure = Figure(figsize=(13.0, 3.0 * len(domain.dynamic) + 0.3), layout="constrained")
    axes = figure.subplots(len(domain.dynamic), 4, squeeze=False)
    for i, (*maps, curve) in zip(domain.dynamic, axes, strict=True):
        state, term = paths[0, frame, ..., i], rates[0, frame, ..., i]
        size = np.sqrt(np.mean(rates[..., i] ** 2, (0, 1)))
        about, unit = domain.channels[i], per_second(domain.channels[i])
        panels = {
            f"{_label(about)}, t = {frame * interval:g} s": (state, _value_style(state)),
            f"learned term there [{unit}]": (term, _value_style(term)),
            f"its rms over the recordings [{unit}]": (size, _value_style(np.append(size, 0.0))),
        }
        for ax, (title, (shown, style)) in zip(maps, panels.items(), strict=True):
            image = _show(ax, domain, shown, everywhere, style)
            ax.set_title(title, fontsize=9)
            figure.colorbar(image, ax=ax, shrink=0.85, pad=0.02).ax.tick_params(labelsize=7)
        _over_value(curve, paths[..., i], rates[..., i])
        curve.set_xlabel(_label(about), fontsize=9)
        curve.set_ylabel(f"learned term [{unit}]", fontsize=9)
    figure.suptitle("What the PDE leaves out, as it was learned", fontsize=10)
    return figure


def animation(
    domain: Grid,
    channel: int,
    panels: dict[str, np.ndarray],
    region: np.ndarray,
    dt: float,
) -> FuncAnimation:
    """Show one channel of one system in motion, side by side.

    Args:
        domain: Where it lives.
        channel: Index of the channel.
        panels: Trajectories by title, the first of which sets the colours: the truth, or what was
            recorded, and predictions. NaN is grey.
        region: Which cells are seen in training (outlined).
        dt: Time step, in seconds.
    """
    first = next(iter(panels.values()))
    figure = Figure(figsize=(3.0 * len(panels), 3.4), dpi=80, layout="constrained")
    style = _value_style(first[..., channel])
    images = []
    axes = figure.subplots(1, len(panels), squeeze=False)[0]
    for ax, (title, values) in zip(axes, panels.items(), strict=True):
        images.append(_show(ax, domain, values[0, ..., channel], region, style))
        ax.set_title(title, fontsize=10)
    title = figure.suptitle("t = 0 s", fontsize=10)

    def draw(frame):
        for image, values in zip(images, panels.values(), strict=True):
            image.set_data(_plane(values[frame, ..., channel]))
        title.set_text(f"{_label(domain.channels[channel])}, t = {frame * dt:g} s")

    return FuncAnimation(figure, draw, frames=len(first), interval=120)


def comparison(rows: dict[str, dict[str, list[float]]], kind: str) -> Figure:
    """Show what a comparison has found: a dot for each seed, a line for their mean.

    Args:
        rows: For each line of the table lists of numbers, one a seed: the error by its kind, its
            "seen" and "hidden" part, "chi2", "parameter" error.
        kind: What errors are taken on, as in summaries.
    """
    panels = {kind: f"{evaluation.called(kind)} nRMSE", "hidden": "its hidden part"}
    panels |= {"chi2": "chi2 a value", "parameter": "parameter error"}
    shown = {k: v for k, v in panels.items() if any(k in values for values in rows.values())}
    figure = Figure(figsize=(3.4 * len(shown) + 2, 0.42 * len(rows) + 1.2), layout="constrained")
    axes = figure.subplots(1, len(shown), sharey=True, squeeze=False)[0]
    for ax, (name, title) in zip(axes, shown.items(), strict=True):
        for place, (label, values) in enumerate(rows.items()):
            if name in values:
                color = COLORS["synthetic" if "synthetic" in label else "physical"]
                ax.plot(values[name], [place] * len(values[name]), "o", color=color, ms=4)
                ax.plot([np.mean(values[name])] * 2, [place - 0.3, place + 0.3], color=color)
        ax.set(title=title)
        log_scale(ax)
        ax.set_yticks(range(len(rows)), list(rows), fontsize=8)
        ax.grid(alpha=0.3)
    axes[0].invert_yaxis()
    return figure


def log_scale(ax: Axes) -> None:
    """Make the horizontal axis logarithmic, with few labels in plain numbers."""
    ax.set(xscale="log")
    low, high = ax.get_xlim()
    ax.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5) if high < 300 * low else (1,)))
    ax.xaxis.set_major_formatter("{x:g}")
    ax.xaxis.set_minor_formatter(NullFormatter())
    ax.tick_params("x", labelsize=8)


def _show(ax, domain: Domain, values: np.ndarray, region: np.ndarray, style: dict[str, Any]):
    """Draw a 2D field, the middle plane of a 3D one, or a 1D one as a band; outline the region."""
    extent = (0, domain.size[0], 0, domain.size[1] if domain.dims > 1 else domain.size[0] / 8)
    ax.set_facecolor("0.75")  # of what is not a number
    image = ax.imshow(_plane(values), origin="lower", extent=extent, **style)
    if not region.all():
        shown = np.pad(_plane(region).astype(float), 1)
        step_x = domain.size[0] / (shown.shape[1] - 2)
        step_y = extent[3] / (shown.shape[0] - 2)
        x = (np.arange(shown.shape[1]) - 0.5) * step_x
        y = (np.arange(shown.shape[0]) - 0.5) * step_y
        ax.contour(x, y, shown, levels=[0.5], colors="0.6", linewidths=0.8, linestyles="dashed")
        ax.set(xlim=extent[:2], ylim=extent[2:])
    ax.set(xticks=[], yticks=[])
    return image


def _dots(ax, domain: Domain, points: Measured, style: dict[str, Any]) -> None:
    """Draw measurements as dots; of a 3D box those in the half around its middle plane."""
    place, value = points.place, points.value
    if domain.dims == 3:
        near = abs(place[:, 2] / domain.size[2] - 0.5) <= 0.25
        place, value = place[near], value[near]
    height = place[:, 1] if domain.dims > 1 else np.full(len(place), domain.size[0] / 16)
    ax.scatter(place[:, 0], height, 14, value, edgecolors="k", linewidths=0.5, **style)


def _over_value(ax: Axes, values: np.ndarray, rates: np.ndarray) -> None:
    """Draw a term over the value at the same cell, for some of the cells and times."""
    chosen = np.linspace(0, values.size - 1, min(values.size, _DOTS)).astype(int)
    ax.plot(values.ravel()[chosen], rates.ravel()[chosen], ".", ms=1.5, alpha=0.4, color="0.3")
    ax.axhline(0, color="k", lw=0.6)
    ax.tick_params(labelsize=7)
    ax.grid(alpha=0.3)


def _residual_map(figure: Figure, ax: Axes, domain: Grid, mean: np.ndarray, least: float) -> None:
    """Draw mean residuals by cell, grey where there are none; of a line as a curve."""
    if domain.dims == 1:
        ax.plot(domain.centers()[0], mean, ".-", color="0.3", lw=0.8)
        ax.axhline(0, color="k", lw=0.8)
        ax.set(xlabel="x [m]")
        return
    largest = max(least, float(np.nanquantile(abs(mean), 0.99))) or 1.0
    plane = replace(domain, shape=domain.shape[:2], size=domain.size[:2], origin=None, channels=())
    image = _show(ax, plane, mean, np.ones(mean.shape, bool), _difference_style(largest))
    figure.colorbar(image, ax=ax, shrink=0.8, pad=0.02).ax.tick_params(labelsize=7)


def _columns(kinds: dict[str, tuple[Measured, np.ndarray]]) -> list[tuple[np.ndarray, ...]]:
    """Return the measurements and residuals of each kind as columns."""
    return [(*vars(where).values(), off) for where, off in kinds.values()]


def _plane(values: np.ndarray) -> np.ndarray:
    """Return what to draw of a field: `[y, x]`."""
    if values.ndim == 1:
        return values[None]
    if values.ndim == 3:
        values = values[:, :, values.shape[2] // 2]
    return values.T


def _value_style(values: np.ndarray) -> dict[str, Any]:
    finite = values[np.isfinite(values)]
    low, high = (float(finite.min()), float(finite.max())) if finite.size else (0.0, 1.0)
    if low < 0 < high and min(-low, high) > 0.2 * max(-low, high):
        return {"cmap": "PuOr_r", "vmin": -max(-low, high), "vmax": max(-low, high)}
    return {"cmap": "magma", "vmin": low, "vmax": high}


def _difference_style(largest: float) -> dict[str, Any]:
    return {"cmap": "RdBu_r", "vmin": -largest, "vmax": largest}


def _largest(values: np.ndarray) -> float:
    """Return the largest size of what is finite; 1 if nothing is."""
    finite = abs(values[np.isfinite(values)])
    return float(finite.max()) if finite.size else 1.0


def _finite(values: np.ndarray) -> np.ndarray:
    """Return values with NaN, which nobody draws, for what is infinite."""
    return np.where(np.isfinite(values), values, np.nan)


def _label(channel: Channel) -> str:
    return channel.name if channel.unit == "1" else f"{channel.name} [{channel.unit}]"


def _mark_warmup(ax, warmup: int, records: Sequence[Record]) -> None:
    if 0 < warmup < records[-1].cycle and len(records[-1].players) > 1:
        ax.axvspan(0, warmup + 0.5, color="0.9", zorder=0, label="warm-up")
