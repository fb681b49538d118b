"""What a run has come to: test errors, parameters, figures and summary.json."""

from __future__ import annotations

from functools import partial
from typing import Any

import jax
import numpy as np
from rich.console import Console
from rich.table import Table

from hycojax import figures, hybrid, metrics, parameter
from hycojax.config import Experiment
from hycojax.data.store import Simulations
from hycojax.hybrid import Game, TrainingState
from hycojax.logbook import Record
from hycojax.model import rollouts
from hycojax.rundir import RunDir, write_json
from hycojax.solvers.multistart import Members


def report(
    directory: RunDir,
    experiment: Experiment,
    game: Game,
    state: TrainingState,
    simulations: Simulations,
    records: list[Record],
) -> dict[str, Any]:
    """Evaluate the best parameters of each player, write all results, return the summary."""
    truth = simulations["test"]
    region = experiment.observation.region.mask(experiment.domain)
    predictions, errors = {}, {}
    for name, player in game.players.items():
        run = jax.jit(partial(rollouts, player.model, steps=truth.shape[1] - 1))
        predictions[name] = np.asarray(run(state.players[name].best, truth[:, 0]))
        found = metrics.rollout_errors(experiment.domain, predictions[name], truth, region)
        parts = ("whole",) if region.all() else ("whole", "seen", "hidden")
        errors[name] = {part: np.asarray(getattr(found, part)) for part in parts}
    summary = {
        "experiment": experiment.name,
        "mode": experiment.mode.value,
        "seed": experiment.seed,
        "cycles": int(state.cycle),
        "finished": hybrid.is_over(experiment.schedule, state),
        "wall_seconds": round(records[-1]["elapsed"], 3),
        "compile_seconds": round(records[-1]["compile_seconds"], 3),
        **{name: _test_errors(errors[name]) for name in game.players},
    }
    if "synthetic" in game.players:
        summary["synthetic"] |= _size(state.players["synthetic"].best)
    values = _parameters(experiment, game, state) if "physical" in game.players else {}
    short = {name: _in_short(value) for name, value in values.items()}
    if values:
        summary["physical"] |= {"reason": records[-1]["physical"]["reason"], "parameters": short}
        arrays = {f"{name}_{k}": v for name, value in values.items() for k, v in value.items()}
        np.savez(directory.parameters, **arrays)
    _draw(directory, experiment, records, truth, predictions, errors, region, values, short)
    write_json(directory.summary, summary)
    return summary


def show(summary: dict[str, Any], console: Console | None = None) -> None:
    """Print the results of a summary."""
    console = console or Console()
    table = Table("player", "test nRMSE", "seen / hidden part", "parameter", "estimate", "error")
    for name in ("synthetic", "physical"):
        if name in summary:
            result = summary[name]
            errors = [f"{result['test_nrmse']:.4f}"]
            parts = [f"{result[f'test_nrmse_{part}']:.4f}" for part in _parts(result)]
            errors += [" / ".join(parts)]
            rows = result.get("parameters", {}) or {"": None}
            for parameter_name, p in rows.items():
                found = [] if p is None else _parameter_cells(p)
                table.add_row(name, *errors, parameter_name, *found)
    console.print(table)


def _parameter_cells(p: dict[str, float]) -> list[str]:
    spread = f" ± {p['spread']:.2g}" if "spread" in p else ""
    estimate = f"{p['estimate']:.5g}{spread} (true {p['true']:.5g})"
    return [estimate, f"{100 * p['relative_error']:.2f} %"]


def _parts(result: dict[str, Any]) -> list[str]:
    return [part for part in ("seen", "hidden") if f"test_nrmse_{part}" in result]


def _test_errors(errors: dict[str, np.ndarray]) -> dict[str, float]:
    names = {"whole": "test_nrmse", "seen": "test_nrmse_seen", "hidden": "test_nrmse_hidden"}
    return {names[part]: float(values.mean()) for part, values in errors.items()}


def _size(params: dict[str, Any]) -> dict[str, int]:
    return {"weights": sum(leaf.size for leaf in jax.tree.leaves(params["weights"]))}


def _parameters(
    experiment: Experiment, game: Game, state: TrainingState
) -> dict[str, dict[str, np.ndarray]]:
    """Return truth, start and estimate of each parameter, numbers or fields; and its spread."""
    model, own = experiment.physical.model, state.players["physical"]
    parts = {
        "true": parameter.truths(model),
        "start": parameter.starts(model),
        "estimate": parameter.constrain(game.physics, own.best),
    }
    if isinstance(own.solver, Members):
        parts["spread"] = hybrid.spread(game, own.solver)
    return {
        name: {part: np.asarray(values[name]) for part, values in parts.items()}
        for name in parameter.unknowns(model)
    }


def _in_short(value: dict[str, np.ndarray]) -> dict[str, float]:
    """Return a parameter as numbers, means where it is a field, and its relative L2 error."""
    true = value["true"].astype(float)
    size = np.linalg.norm(true)
    error = np.linalg.norm(value["estimate"] - true) / (size if size > 0 else 1.0)
    numbers = {part: float(f"{array.mean():.7g}") for part, array in value.items()}
    return {**numbers, "relative_error": float(error)}


def _draw(
    directory: RunDir,
    experiment: Experiment,
    records: list[Record],
    truth: np.ndarray,
    predictions: dict[str, np.ndarray],
    errors: dict[str, dict[str, np.ndarray]],
    region: np.ndarray,
    values: dict[str, dict[str, np.ndarray]],
    short: dict[str, dict[str, float]],
) -> None:
    directory.figures.mkdir(exist_ok=True)
    domain, model = experiment.domain, experiment.physical.model
    one = {name: values[0] for name, values in predictions.items()}
    drawn = {
        f"states_{domain.channels[i].name}": figures.states(
            domain, i, truth[0], one, region, model.dt
        )
        for i in domain.dynamic
    }
    drawn["error_over_time"] = figures.error_over_time(errors, model.dt)
    drawn["losses"] = figures.losses(records, experiment.schedule.warmup)
    if values:
        units = {name: q.unit for name, q in parameter.quantities(model).items()}
        drawn["parameters"] = figures.parameters(records, short, units, experiment.schedule.warmup)
        for name in [name for name, value in values.items() if value["true"].ndim]:
            drawn[f"parameter_{name}"] = figures.parameter_map(
                domain, f"{name} [{units[name]}]", values[name], region
            )
    for name, figure in drawn.items():
        figure.savefig(directory.figures / f"{name}.png", dpi=120)
    moving = figures.animation(domain, domain.dynamic[0], truth[0], one, region, model.dt)
    moving.save(directory.figures / "rollout.gif", writer="pillow")
