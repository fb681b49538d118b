"""All pictures of a result, as files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from hycojax.report import figures


def draw(result: Any, folder: Path) -> None:
    """Draw a `Result`: states, errors, losses, parameters, and an animation."""
    folder.mkdir(parents=True, exist_ok=True)
    experiment = result.experiment
    grid, interval, warmup = (
        experiment.physics.domain,
        experiment.interval,
        experiment.schedule.warmup,
    )
    found = result.predictions
    kind = "test" if all("test" in own for own in found.values()) else "recorded"
    truth, region = result.tried[kind].truth[0], experiment.mask()[1:].any(0)
    one = {name: own[kind].values[0] for name, own in found.items()}
    errors = {name: own[kind].errors for name, own in found.items()}
    drawn = {
        f"states_{grid.channels[i].name}": figures.states(
            grid, i, truth, one, region, interval, kind
        )
        for i in grid.dynamic
    }
    drawn["error_over_time"] = figures.error_over_time(errors, interval, kind)
    drawn["losses"] = figures.losses(result.history, warmup)
    if result.parameters:
        drawn["parameters"] = figures.parameters(result.history, result.parameters, warmup)
        for name, p in result.parameters.items():
            if p.estimate.ndim:
                label = f"{name} [{p.unit}]"
                drawn[f"parameter_{name}"] = figures.parameter_map(grid, label, p.arrays(), region)
    for name, figure in drawn.items():
        figure.savefig(folder / f"{name}.png", dpi=120)
    moving = figures.animation(grid, grid.dynamic[0], truth, one, region, interval)
    moving.save(folder / "rollout.gif", writer="pillow")
