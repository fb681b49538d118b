"""A camera for the network, probes for the PDE: a proof of `profiling.proofs`.

    python -m profiling.two_instruments 0

Heat in a periodic box by exponax, on a grid four times finer than the model's 32 x 32 cells: a
camera with 10 % noise sees all cells at all frames, 10 probes see the temperature between cells
without noise. What each player finds alone, what both find together, each with its own instrument,
and what both find with both instruments.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

import hycojax as hj
from hycojax.report import comparison
from profiling import kept, reference, rollouts

SYSTEMS, TRIED, PROBES, NOISE, SEED = 4, 4, 10, 0.1, 2026
_NAME = "heat"


def camera(seed: int, noise: float = NOISE) -> hj.Recordings:
    """Return what the camera has seen of all systems."""
    rng = np.random.default_rng([SEED, seed])
    found = []
    for number, path in enumerate(reference.states(_NAME, SYSTEMS + TRIED)[:SYSTEMS, ..., 0]):
        sigma = noise * path.std()
        values = path + sigma * rng.normal(size=path.shape)
        film = reference.film(_NAME, 0, values, np.full(path.shape, sigma))
        found.append(hj.System(f"system {number}", (film,)))
    return hj.Recordings(tuple(found))


def probes(seed: int, count: int = PROBES) -> hj.Recordings:
    """Return what some probes have seen of all systems, without noise."""
    rng, problem = np.random.default_rng([SEED, seed, 1]), reference.PROBLEMS[_NAME]
    places = rng.uniform(0, problem.length, (count, 2))
    nodes = reference.trajectories(_NAME, SYSTEMS + TRIED)[:SYSTEMS, :: reference.DENSE, 0]
    times = np.tile(problem.interval * np.arange(nodes.shape[1]), count)
    where, found = np.repeat(places, nodes.shape[1], axis=0), []
    for number, path in enumerate(nodes):
        values = np.concatenate([reference.at(_NAME, path, place) for place in places])
        points = hj.Points("temperature", "K", times, where, values, sigma=0.0)
        found.append(hj.System(f"system {number}", (points,)))
    return hj.Recordings(tuple(found))


def experiment(seed: int, cycles: int = 12) -> hj.Experiment:
    """Return the experiment in which each player has its own instrument."""
    problem = reference.PROBLEMS[_NAME]
    sides = problem.length, problem.length
    return hj.Experiment(
        name="two-instruments",
        domain=hj.Domain((reference.CELLS,) * 2, sides, hj.PERIODIC),
        interval=problem.interval,
        physical=hj.Physical(
            hj.physics.Heat(diffusivity=hj.Unknown(start=1e-2)),
            hj.LBFGS(iterations=200),
            data=probes(seed),
        ),
        synthetic=hj.Synthetic(
            hj.networks.UNet(levels=2, features=8),
            hj.Adam(4e-3, updates=40),
            batch=8,
            data=camera(seed),
        ),
        schedule=hj.Schedule(warmup=2, cycles=cycles),
        seed=seed,
    )


def shared(asked: hj.Experiment) -> hj.Experiment:
    """Return the experiment in which both players have both instruments."""
    both = hj.Together((asked.synthetic.data, asked.physical.data))
    players = {n: replace(getattr(asked, n), data=None) for n in ("synthetic", "physical")}
    return replace(asked, data=both, **players)


#: What is compared.
SCHEMES: dict[str, Callable[[hj.Experiment], hj.Experiment]] = {
    "probes, the PDE alone": lambda asked: replace(asked, mode="physical"),
    "camera, the network alone": lambda asked: replace(asked, mode="synthetic"),
    "each its own, hybrid": lambda asked: asked,
    "both see all, hybrid": shared,
}


def errors(result: hj.Result) -> dict[str, float]:
    """Return the relative error of the diffusivity, and the errors of rollouts of new systems.

    Rollouts begin at exact first states. `recorded` is the error of the PDE on all that was
    recorded, from first states that it has found.
    """
    true = reference.PROBLEMS[_NAME].unknown["diffusivity"]
    paths = reference.states(_NAME, SYSTEMS + TRIED)[SYSTEMS:].astype(np.float32)
    models = {"synthetic": "surrogate", "physical": "physics"}
    found = {n: rollouts.error(getattr(result, models[n]), paths) for n in result.learned}
    for own in result.parameters.values():
        found["diffusivity"] = float(own.estimate) / true - 1
        found["sd"] = float("nan") if own.sd is None else float(own.sd) / true
        found["recorded"] = result.summary["physical"]["recorded_nrmse"]
    return found


def prove(directory: Path, seeds: int) -> str:
    """Return the table; fits that are in the directory are not made again."""
    lines = []
    for scheme in SCHEMES:
        ends = [_end(directory, scheme, seed) for seed in range(seeds)]

        def column(name: str, scale: float = 1.0, ends: list[dict[str, Any]] = ends) -> str:
            return comparison.cell([scale * abs(e[name]) for e in ends if name in e])

        whole = column("synthetic"), column("physical"), column("recorded")
        lines.append([scheme, column("diffusivity", 100), column("sd", 100), *whole])
    titles = "", "diffusivity: error [%]", "sd [%]", "network: test nRMSE", "PDE: test nRMSE"
    return comparison.table((*titles, "PDE: nRMSE of all that was recorded"), lines)


def _end(directory: Path, scheme: str, seed: int) -> dict[str, Any]:
    file = directory / f"{scheme.replace(', ', '-').replace(' ', '-')}-{seed}.json"
    return kept.kept(file, lambda: errors(hj.fit(SCHEMES[scheme](experiment(seed)))))


if __name__ == "__main__":
    for name, change in SCHEMES.items():
        found = errors(hj.fit(change(experiment(int(sys.argv[1])))))
        print(name, {key: round(value, 5) for key, value in found.items()}, flush=True)
