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
from functools import partial
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from hycojax import compare
from hycojax.data.observation import Everywhere, Observation, observe
from hycojax.data.simulation import simulate
from hycojax.game import cycle as hybrid
from hycojax.game import state as games
from hycojax.game.player import Player, Weights
from hycojax.game.state import Game, Interaction, Recordings, Schedule
from hycojax.grid.domain import Boundary, Channel, Domain
from hycojax.models import parameters as parameter
from hycojax.models.model import Model, PhysicalModel, rollouts
from hycojax.networks.convnet import ConvNet
from hycojax.networks.emulator import Emulator
from hycojax.networks.fno import FNO
from hycojax.networks.resnet import ResNet
from hycojax.networks.unet import UNet
from hycojax.physics import advection, burgers, gray_scott, kolmogorov
from hycojax.report import metrics
from hycojax.run.directory import write_json
from hycojax.solvers import LBFGS, Adam
from profiling import clock

_COUNTS = {"training": 8, "validation": 2, "test": 4}
_REFINEMENT, _UPDATES_PER_CYCLE = 2, 50
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
    """Time steps of a simulation."""


def prove(directory: Path, seeds: int) -> str:
    """Train each architecture on each PDE that is not there yet; return the table."""
    return table(directory, seeds, Budget())


def table(directory: Path, seeds: int, budget: Budget) -> str:
    """Return the table for a budget. What was found for a PDE is kept in the directory."""
    lines = []
    for name, model in _systems(budget.size).items():
        kept = directory / f"{name}-{seeds}.json"
        if not kept.exists():
            print(f"surrogates: {name}", flush=True)
            stored = [_simulations(model, seed, budget.steps) for seed in range(seeds)]
            write_json(kept, _rows(model, stored, budget))
        lines += _lines(name, json.loads(kept.read_text()))
    titles = "PDE", "model", "weights", "one step", "rollout", "correlation time", "ms a step"
    return f"{_about(budget)}\n\n{compare.table(titles, lines)}"


def _about(budget: Budget) -> str:
    size, simulations = budget.size, _COUNTS["training"]
    return f"""\
{size} x {size} cells, {budget.updates} updates of batch 8 one step ahead, {simulations} simulations
of {budget.steps} steps from a grid twice as fine. Cells hold the mean and half of the range over
the seeds. Errors are relative L2 on {_COUNTS["test"]} test simulations, rollouts from t = 0, mean
over time. Correlation time: steps until the correlation with the truth is below {_CORRELATED}
({budget.steps}: never), mean over simulations. The last column is the time of a step, one state at
a time. Persistence says that nothing changes; the PDE has its true coefficients and the same
grid."""


def _lines(name: str, rows: dict[str, Any]) -> list[list[str]]:
    return [
        [name, label, weights, *(_in_words([e[k] for e in found]) for k in found[0]), milliseconds]
        for label, (weights, found, milliseconds) in rows.items()
    ]


def _systems(size: int) -> dict[str, PhysicalModel]:
    def box(channels: tuple[Channel, ...]) -> Domain:
        return Domain((size, size), (100.0, 100.0), Boundary.PERIODIC, channels)

    return {
        "advection": advection.Advection(box(advection.channels(2)), dt=2.0),
        "burgers": burgers.Burgers(box(burgers.channels(2)), dt=1.0),
        "kolmogorov": kolmogorov.Kolmogorov(box(kolmogorov.channels(2)), dt=1.0),
        "gray_scott": gray_scott.GrayScott(box(gray_scott.CHANNELS), dt=20.0),
    }


def _networks(domain: Domain) -> dict[str, Emulator]:
    return {
        "unet": UNet(domain, levels=3, features=16),
        "resnet": ResNet(domain, features=32, blocks=2),
        "convnet": ConvNet(domain, features=32, layers=5),
        "fno": FNO(domain, features=32, layers=4, modes=12),
    }


def _simulations(model: PhysicalModel, seed: int, steps: int) -> dict[str, np.ndarray]:
    return simulate(model, jax.random.key(seed), _COUNTS, steps, _REFINEMENT)


def _rows(
    model: PhysicalModel, stored: list[dict[str, np.ndarray]], budget: Budget
) -> dict[str, tuple[str, list[Errors], str]]:
    """Return for each model: number of weights, errors for each seed, milliseconds of a step."""
    tests = [s["test"] for s in stored]
    truths = parameter.truths(model)
    exact = jax.jit(lambda p, s, steps: rollouts(model, p, s, steps), static_argnums=2)
    rows = {
        "persistence": ("", [_errors(model.domain, _still, t) for t in tests], ""),
        "the PDE": (
            "",
            [_errors(model.domain, partial(exact, truths), t) for t in tests],
            _milliseconds(model, truths, tests[0]),
        ),
    }
    for name, network in _networks(model.domain).items():
        trained = _train(model, network, stored, budget.updates)
        run = jax.jit(lambda p, s, steps, m=network: rollouts(m, p, s, steps), static_argnums=2)
        found = [
            _errors(model.domain, partial(run, params), test)
            for params, test in zip(trained, tests, strict=True)
        ]
        size = sum(leaf.size for leaf in jax.tree.leaves(trained[0]["weights"]))
        rows[name] = (str(size), found, _milliseconds(network, trained[0], tests[0]))
    return rows


def _train(
    model: PhysicalModel, network: Emulator, stored: list[dict[str, np.ndarray]], updates: int
) -> list[dict]:
    """Return the parameters that were best in validation, for each seed."""
    cycles = max(1, updates // _UPDATES_PER_CYCLE)
    solver = Adam(2e-3, updates // cycles, warmup=updates // 20, clip=1.0, average=0.98)
    player = Player(network, solver, Weights(interaction=0.0), horizon=1, batch=8, noise=0.01)
    schedule = Schedule(warmup=0, cycles=cycles)
    other = Player(model, LBFGS(), Weights())
    game = games.game(other, player, schedule, Interaction(), ("synthetic",))
    cycle = jax.jit(partial(hybrid.cycle, game), donate_argnums=1)
    return [_trained(game, cycle, _recordings(model, s), seed) for seed, s in enumerate(stored)]


def _trained(game: Game, cycle: Callable, data: Recordings, seed: int) -> dict:
    state = games.start(game, data, jax.random.key(seed))
    while not games.is_over(game.schedule, state):
        state, _ = cycle(data, state, games.turns(game, int(state.cycle)))
    return state.players["synthetic"].best


def _recordings(model: PhysicalModel, stored: dict[str, np.ndarray]) -> Recordings:
    seen = [
        observe(
            Observation(Everywhere()), model.domain, jnp.asarray(stored[role]), jax.random.key(0)
        )
        for role in ("training", "validation")
    ]
    return games.recordings(*seen)


def _errors(domain: Domain, run: Callable, truth: np.ndarray) -> Errors:
    """Return the errors of `run(states, steps)` on test simulations."""

    def everything(paths: np.ndarray) -> np.ndarray:
        return np.ones((paths.shape[1], *domain.shape), bool)

    pairs = np.stack([truth[:, :-1], truth[:, 1:]], axis=2).reshape(-1, 2, *truth.shape[2:])
    single = metrics.rollout_errors(domain, run(pairs[:, 0], 1), pairs, everything(pairs))
    path = run(truth[:, 0], truth.shape[1] - 1)
    whole = metrics.rollout_errors(domain, path, truth, everything(truth))
    alike = metrics.correlation(domain, path, truth)
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


def _milliseconds(model: Model, params: dict, truth: np.ndarray) -> str:
    """Return the time of a step, from a rollout of 20 of one state."""
    inputs = (params, truth[:1, 0])
    program, _ = clock.compiled(lambda p, s: rollouts(model, p, s, 20), inputs)
    return f"{1e3 * clock.median(program, inputs, 5) / 20:.2f}"


def _in_words(values: list[float]) -> str:
    return f"{statistics.mean(values):.3g} ± {(max(values) - min(values)) / 2:.1g}"
