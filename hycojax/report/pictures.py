"""All pictures of a result, as files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.animation import FuncAnimation
from matplotlib.figure import Figure

from hycojax.grid.domain import Grid
from hycojax.report import figures, residuals


def draw(result: Any, folder: Path) -> None:
    """Draw a `Result`: states, errors or residuals, losses, parameters, and an animation."""
    folder.mkdir(parents=True, exist_ok=True)
    told = result.tried["recorded"].truth is not None
    drawn, moving, region = (_beside_truth if told else _beside_recording)(result)
    warmup = result.experiment.schedule.warmup
    drawn["losses"] = figures.losses(result.history, warmup)
    if result.parameters:
        drawn["parameters"] = figures.parameters(result.history, result.parameters, warmup)
        domain = result.experiment.physics.domain
        for name, p in result.parameters.items():
            if p.estimate.ndim:
                label = f"{name} [{p.unit}]"
                shown = figures.parameter_map(domain, label, p.arrays(), region)
                drawn[f"parameter_{name}"] = shown
    if result.term is not None:
        grid, paths = result.experiment.physics.domain, result.predictions["physical"]["recorded"]
        about = paths.values, result.term, result.experiment.interval
        drawn["correction"] = figures.correction(grid, *about)
    for name, figure in drawn.items():
        figure.savefig(folder / f"{name}.png", dpi=120)
    moving.save(folder / "rollout.gif", writer="pillow")


_Drawn = tuple[dict[str, Figure], FuncAnimation, np.ndarray]


def _beside_truth(result: Any) -> _Drawn:
    """Return pictures of predictions against a truth, an animation, and which cells are seen."""
    grid, interval = result.experiment.physics.domain, result.experiment.interval
    found = result.predictions
    kind = "test" if all("test" in own for own in found.values()) else "recorded"
    truth, region = result.tried[kind].truth[0], result.experiment.mask()[1:].any(0)
    one = {name: own[kind].values[0] for name, own in found.items()}
    errors = {name: own[kind].errors for name, own in found.items()}
    drawn = {
        f"states_{grid.channels[i].name}": figures.states(
            grid, i, truth, one, region, interval, kind
        )
        for i in grid.dynamic
    }
    drawn["error_over_time"] = figures.error_over_time(errors, interval, kind)
    panels = {"truth": truth, **one}
    return drawn, figures.animation(grid, grid.dynamic[0], panels, region, interval), region


def _beside_recording(result: Any) -> _Drawn:
    """Return pictures of predictions against measurements, an animation, and cells that are seen.

    The first recorded system is shown with all that was measured of it, what is held out too.
    """
    grid, interval = result.experiment.physics.domain, result.experiment.interval
    parts = tuple(part for trial in result.tried.values() if trial.trained for part in trial.parts)
    steps = result.tried["recorded"].steps
    seen = residuals.frames(grid, steps, parts, system=0)
    points = residuals.measured(grid, residuals.between(parts))
    points = points.only(points.system == 0)
    one = {name: own["recorded"].values[0] for name, own in result.predictions.items()}
    drawn = {
        f"states_{grid.channels[i].name}": figures.recorded_states(
            grid, i, seen, points.only(points.channel == i), one, interval
        )
        for i in grid.dynamic
    }
    drawn |= _residuals(result, grid)
    somewhere = ~np.isnan(seen)
    panels = ({"recorded": seen} if somewhere.any() else {}) | one
    shown = max(grid.dynamic, key=lambda i: int(somewhere[..., i].sum()))
    region = somewhere[1:].any((0, -1))
    region = region if region.any() else np.ones_like(region)
    everywhere = np.ones_like(region)
    return drawn, figures.animation(grid, shown, panels, everywhere, interval), region


def _residuals(result: Any, grid: Grid) -> dict[str, Figure]:
    """Return a picture of the residuals of each channel that is measured."""
    tried, interval = result.told, result.experiment.interval
    places = {kind: residuals.measured(grid, trial.parts) for kind, trial in tried.items()}
    off = {
        name: {kind: residuals.residuals(tried[kind], p.values) for kind, p in own.items()}
        for name, own in result.predictions.items()
    }
    steps = max(trial.steps for trial in tried.values())
    noisy = tried["recorded"].noise > 0
    drawn = {}
    for i in grid.dynamic:
        which = {kind: where.channel == i for kind, where in places.items()}
        found = {
            name: {k: (places[k].only(which[k]), z[which[k]]) for k, z in own.items()}
            for name, own in off.items()
        }
        if which["recorded"].any():
            shown = figures.residuals(grid, i, found, steps, interval, noisy)
            drawn[f"residuals_{grid.channels[i].name}"] = shown
    return drawn
