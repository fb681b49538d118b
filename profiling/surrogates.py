"""How accurate each architecture becomes for a fixed budget: a proof of `profiling.proofs`.

For each PDE of a list, all seen without noise: each network is trained with the same number of
updates on the same recordings, which come from a grid twice as fine, and chosen by rollouts of
validation recordings. The seeds draw data and weights anew. Beside the networks: persistence
(nothing changes), and the PDE itself with its true coefficients on the grid of the networks.
"""

from __future__ import annotations

import json
import statistics
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jax
import numpy as np

import hycojax as hj
from hycojax.report import comparison, metrics
from hycojax.run.directory import write_json
from profiling import clock

_TRAINING, _VALIDATION, _TEST = 8, 2, 4
_UPDATES_PER_CYCLE = 50
_CORRELATED = 0.8

Errors = dict[str, float]


@dataclass(frozen=True)
class Budget:
    """What each network is given."""

    updates: int = 400
    """Updates, of batch 8, one step ahead."""
    size: int = 64
    """Cells along each axis."""
    steps: int = 30
    """Intervals of a simulation."""


@dataclass(frozen=True)
class System:
    """A PDE with its own coefficients, and the interval at which it is seen."""

    pde: type[hj.PDE]
    coefficient: str
    """One of its coefficients. An experiment looks for something, also where no PDE plays."""
    interval: float


SYSTEMS = {
    "advection": System(hj.physics.Advection, "coefficient", 2.0),
    "burgers": System(hj.physics.Burgers, "viscosity", 1.0),
    "kolmogorov": System(hj.physics.Kolmogorov, "viscosity", 1.0),
    "gray_scott": System(hj.physics.GrayScott, "feed", 20.0),
}
NETWORKS = {
    "unet": hj.networks.UNet(levels=3, features=16),
    "resnet": hj.networks.ResNet(features=32, blocks=2),
    "convnet": hj.networks.ConvNet(features=32, layers=5),
    "fno": hj.networks.FNO(features=32, layers=4, modes=12),
}


def prove(directory: Path, seeds: int) -> str:
    """Train each architecture on each PDE that is not there yet; return the table."""
    return table(directory, seeds, Budget())


def table(directory: Path, seeds: int, budget: Budget) -> str:
    """Return the table for a budget. What was found for a PDE is kept in the directory."""
    lines = []
    for name, system in SYSTEMS.items():
        kept = directory / f"{name}-{seeds}.json"
        if not kept.exists():
            print(f"surrogates: {name}", flush=True)
            write_json(kept, _rows(system, seeds, budget))
        lines += _lines(name, json.loads(kept.read_text()))
    titles = "PDE", "model", "weights", "one step", "rollout", "correlation time", "ms a step"
    return f"{_about(budget)}\n\n{comparison.table(titles, lines)}"


def _about(budget: Budget) -> str:
    size = budget.size
    return f"""\
{size} x {size} cells, {budget.updates} updates of batch 8 one step ahead, {_TRAINING} simulations
of {budget.steps} steps from a grid twice as fine. Cells hold the mean and half of the range over
the seeds. Errors are relative L2 on {_TEST} test simulations, rollouts from t = 0, mean
over time. Correlation time: steps until the correlation with the truth is below {_CORRELATED}
({budget.steps}: never), mean over simulations. The last column is the time of a step, one state at
a time. Persistence says that nothing changes; the PDE has its true coefficients and the same
grid."""


def _lines(name: str, rows: dict[str, Any]) -> list[list[str]]:
    return [
        [name, label, weights, *(_in_words([e[k] for e in found]) for k in found[0]), milliseconds]
        for label, (weights, found, milliseconds) in rows.items()
    ]


def _rows(system: System, seeds: int, budget: Budget) -> dict[str, tuple[str, list[Errors], str]]:
    """Return for each model: number of weights, errors for each seed, milliseconds of a step."""
    rows: dict[str, tuple[str, list[Errors], str]] = {}
    for name, network in NETWORKS.items():
        found = [_fitted(experiment_of(system, network, seed, budget)) for seed in range(seeds)]
        tests = [result.tried["test"].truth for result in found]
        networks = [result.surrogate for result in found]
        if not rows:
            grid = networks[0].model.domain
            exact = hj.Trained(system.pde().on(grid, system.interval), {})
            rows["persistence"] = ("", [_errors(grid, _still, test) for test in tests], "")
            rows["the PDE"] = _row("", [exact] * seeds, tests)
        size = sum(leaf.size for leaf in jax.tree.leaves(networks[0].params["weights"]))
        rows[name] = _row(str(size), networks, tests)
    return rows


def _fitted(experiment: hj.Experiment) -> hj.Result:
    result = hj.fit(experiment)
    if not result.finished:
        raise hj.StoppedError("stopped in the table surrogates")
    return result


def experiment_of(
    system: System, network: hj.networks.Emulator, seed: int, budget: Budget
) -> hj.Experiment:
    """Return the experiment of a network that is trained alone."""
    cycles = max(1, budget.updates // _UPDATES_PER_CYCLE)
    solver = hj.Adam(
        learning_rate=2e-3,
        updates=budget.updates // cycles,
        warmup=budget.updates // 20,
        clip=1.0,
        average=0.98,
    )
    return hj.Experiment(
        name="surrogate",
        domain=hj.Domain((budget.size, budget.size), (100.0, 100.0), hj.PERIODIC),
        interval=system.interval,
        physical=hj.Physical(system.pde(**{system.coefficient: hj.Unknown(start=0.1)}), hj.LBFGS()),
        synthetic=hj.Synthetic(network, solver, horizon=1, batch=8, noise=0.01),
        data=hj.Simulated(
            truth=system.pde(),
            training=_TRAINING,
            validation=_VALIDATION,
            test=_TEST,
            steps=budget.steps,
            refinement=2,
        ),
        schedule=hj.Schedule(warmup=0, cycles=cycles),
        mode=hj.Mode.SYNTHETIC,
        seed=seed,
    )


def _row(
    weights: str, models: list[hj.Trained], tests: list[np.ndarray]
) -> tuple[str, list[Errors], str]:
    """Return the row of a model, trained once for each seed."""
    errors = [
        _errors(model.model.domain, _rollouts(model), test)
        for model, test in zip(models, tests, strict=True)
    ]
    return weights, errors, _milliseconds(models[0], tests[0])


def _rollouts(model: hj.Trained) -> Callable[[np.ndarray, int], np.ndarray]:
    """Return the function from states and a number of steps to trajectories."""
    return lambda states, steps: np.asarray(jax.vmap(hj.rollout(model, steps))(states))


def _errors(grid: hj.Grid, run: Callable, truth: np.ndarray) -> Errors:
    """Return the errors of `run(states, steps)` on test simulations."""

    def everything(paths: np.ndarray) -> np.ndarray:
        return np.ones((paths.shape[1], *grid.shape), bool)

    pairs = np.stack([truth[:, :-1], truth[:, 1:]], axis=2).reshape(-1, 2, *truth.shape[2:])
    single = metrics.rollout_errors(grid, run(pairs[:, 0], 1), pairs, everything(pairs))
    path = run(truth[:, 0], truth.shape[1] - 1)
    whole = metrics.rollout_errors(grid, path, truth, everything(truth))
    alike = metrics.correlation(grid, path, truth)
    return {
        "one step": float(single.whole.mean()),
        "rollout": float(whole.whole.mean()),
        "correlation time": float(np.mean(_correlated_steps(np.asarray(alike)))),
    }


def _correlated_steps(alike: np.ndarray) -> np.ndarray:
    """Return for each simulation the number of steps before the correlation is lost."""
    lost = alike < _CORRELATED
    return np.where(lost.any(axis=1), lost.argmax(axis=1), alike.shape[1])


def _still(states: np.ndarray, steps: int) -> np.ndarray:
    return np.repeat(states[:, None], steps + 1, axis=1)


def _milliseconds(model: hj.Trained, truth: np.ndarray) -> str:
    """Return the time of a step, from a rollout of 20 of one state."""
    return f"{1e3 * clock.median(hj.rollout(model, 20), (truth[0, 0],), 5) / 20:.2f}"


def _in_words(values: list[float]) -> str:
    return f"{statistics.mean(values):.3g} ± {(max(values) - min(values)) / 2:.1g}"
