"""What a run has come to: test errors, parameters, figures and summary.json."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import jax
import numpy as np
from jaxtyping import Array
from rich.console import Console
from rich.table import Table

from hycojax.data.store import Simulations
from hycojax.experiment import Experiment
from hycojax.game import state as games
from hycojax.game.completion import known_frames
from hycojax.game.state import NAMES, Game, Recordings, TrainingState
from hycojax.kernels import programs
from hycojax.models import parameters as parameter
from hycojax.models.model import Model, Stepper, beginnings
from hycojax.report import metrics
from hycojax.report.metrics import RolloutErrors
from hycojax.run.directory import RunDir, write_json
from hycojax.run.logbook import Record
from hycojax.solvers.multistart import Members


def report(
    directory: RunDir,
    experiment: Experiment,
    game: Game,
    data: Recordings,
    state: TrainingState,
    simulations: Simulations,
    records: list[Record],
) -> dict[str, Any]:
    """Evaluate the best parameters of each player, write all results, return the summary."""
    found = {name: _results(experiment, game, data, state, simulations, name) for name in NAMES}
    found = {name: results for name, results in found.items() if results}
    summary = {
        "experiment": experiment.name,
        "mode": experiment.mode.value,
        "seed": experiment.seed,
        "cycles": int(state.cycle),
        "finished": games.is_over(experiment.schedule, state),
        "wall_seconds": round(records[-1]["elapsed"], 3),
        "compile_seconds": round(records[-1]["compile_seconds"], 3),
        **{name: _errors(results) for name, results in found.items()},
    }
    for name in found:
        summary[name]["best_cycle"] = int(state.players[name].best_cycle)
    if "synthetic" in found:
        summary["synthetic"] |= _size(state.players["synthetic"].best)
    values = {}
    if "physical" in found:
        values = _parameters(experiment, game, state)
        short = {name: _in_short(value) for name, value in values.items()}
        summary["physical"] |= {"reason": records[-1]["physical"]["reason"], "parameters": short}
        arrays = {f"{name}_{k}": v for name, value in values.items() for k, v in value.items()}
        np.savez(directory.parameters, **arrays)
    _draw(directory, experiment, records, found, simulations, values, summary)
    write_json(directory.summary, summary)
    return summary


@dataclass(frozen=True)
class _Result:
    """Trajectories that a player predicts, and their errors."""

    predicted: np.ndarray
    errors: RolloutErrors


def _results(
    experiment: Experiment,
    game: Game,
    data: Recordings,
    state: TrainingState,
    simulations: Simulations,
    name: str,
) -> dict[str, _Result]:
    """Return what a player predicts of the recorded and the test simulations; {} if there is none.

    From the recorded ones it knows what was seen of them, from the test ones the initial state. A
    model that knows the recorded simulations only predicts no others.
    """
    if name not in game.players:
        return {}
    model, mask, own = game.players[name].model, experiment.mask(), state.players[name]

    def result(truth: np.ndarray, params: Any, first: Array) -> _Result:
        program = programs.jit(_predict, programs.LOOP, static_argnames=("model", "steps"))
        predicted = np.asarray(program(model, params, first, truth.shape[1] - 1))
        errors = metrics.rollout_errors(experiment.domain, predicted, truth, mask)
        return _Result(predicted, jax.tree.map(np.asarray, errors))

    def recorded(params: Any) -> _Result:
        return result(
            simulations["training"], params, known_frames(game.physics.domain, data, params)
        )

    found = {"recorded": recorded(own.best), "last_recorded": recorded(own.params)}
    if isinstance(model, Stepper) and "test" in simulations:
        truth = simulations["test"]
        found |= {"test": result(truth, own.best, truth[:, 0])}
        found |= {"last_test": result(truth, own.params, truth[:, 0])}
    return found


def _predict(model: Model, params: Any, first: Array, steps: int) -> Array:
    """Return the trajectories from first states; compiled once for all runs of a comparison."""
    return model.predict(params, beginnings(first), steps)


def show(summary: dict[str, Any], console: Console | None = None) -> None:
    """Print the results of a summary."""
    console = console or Console()
    table = Table("player", "test nRMSE", "seen / hidden part", "parameter", "estimate", "error")
    for name in ("synthetic", "physical"):
        if name in summary:
            result = summary[name]
            kind = "test" if "test_nrmse" in result else "recorded"
            parts = [f"{kind}_nrmse_{part}" for part in ("seen", "hidden")]
            errors = [f"{result[f'{kind}_nrmse']:.4f}{'' if kind == 'test' else ' (recorded)'}"]
            errors += [" / ".join(f"{result[part]:.4f}" for part in parts if part in result)]
            rows = result.get("parameters", {}) or {"": None}
            for parameter_name, p in rows.items():
                found = [] if p is None else _parameter_cells(p)
                table.add_row(name, *errors, parameter_name, *found)
    console.print(table)


def _parameter_cells(p: dict[str, float]) -> list[str]:
    spread = f" ± {p['spread']:.2g}" if "spread" in p else ""
    estimate = f"{p['estimate']:.5g}{spread} (true {p['true']:.5g})"
    return [estimate, f"{100 * p['relative_error']:.2f} %"]


def _errors(results: dict[str, _Result]) -> dict[str, float]:
    """Return the mean errors by the names that they have in the summary."""
    found = {}
    for kind, result in results.items():
        for part in ("whole", "seen", "hidden"):
            values, divided = getattr(result.errors, part), not kind.startswith("last")
            divided &= not np.isnan(result.errors.hidden).all()
            if part == "whole" or divided:
                suffix = "" if part == "whole" else f"_{part}"
                found[f"{kind}_nrmse{suffix}"] = float(np.nanmean(values))
    return found


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
        "last": parameter.constrain(game.physics, own.params),
    }
    if isinstance(own.solver, Members):
        parts["spread"] = games.spread(game, own.solver)
    return {
        name: {part: np.asarray(values[name]) for part, values in parts.items()}
        for name in parameter.unknowns(model)
    }


def _in_short(value: dict[str, np.ndarray]) -> dict[str, float]:
    """Return a parameter as numbers, means where it is a field, and its relative L2 error."""
    true = value["true"].astype(float)
    size = np.linalg.norm(true) or 1.0
    numbers = {part: float(f"{array.mean():.7g}") for part, array in value.items()}
    names = {"relative_error": "estimate", "last_relative_error": "last"}
    errors = {name: float(np.linalg.norm(value[k] - true) / size) for name, k in names.items()}
    return {**numbers, **errors}


def _draw(
    directory: RunDir,
    experiment: Experiment,
    records: list[Record],
    found: dict[str, dict[str, _Result]],
    simulations: Simulations,
    values: dict[str, dict[str, np.ndarray]],
    summary: dict[str, Any],
) -> None:
    from hycojax.report import figures  # matplotlib is loaded where something is drawn

    directory.figures.mkdir(exist_ok=True)
    domain, model = experiment.domain, experiment.physical.model
    kind = "test" if all("test" in results for results in found.values()) else "recorded"
    truth = simulations["test" if kind == "test" else "training"][0]
    region = experiment.mask()[1:].any(0)
    one = {name: results[kind].predicted[0] for name, results in found.items()}
    errors = {name: results[kind].errors for name, results in found.items()}
    drawn = {
        f"states_{domain.channels[i].name}": figures.states(
            domain, i, truth, one, region, model.dt, kind
        )
        for i in domain.dynamic
    }
    drawn["error_over_time"] = figures.error_over_time(errors, model.dt, kind)
    drawn["losses"] = figures.losses(records, experiment.schedule.warmup)
    if values:
        units = {name: q.unit for name, q in parameter.quantities(model).items()}
        short = summary["physical"]["parameters"]
        drawn["parameters"] = figures.parameters(records, short, units, experiment.schedule.warmup)
        for name in [name for name, value in values.items() if value["true"].ndim]:
            drawn[f"parameter_{name}"] = figures.parameter_map(
                domain, f"{name} [{units[name]}]", values[name], region
            )
    for name, figure in drawn.items():
        figure.savefig(directory.figures / f"{name}.png", dpi=120)
    moving = figures.animation(domain, domain.dynamic[0], truth, one, region, model.dt)
    moving.save(directory.figures / "rollout.gif", writer="pillow")
