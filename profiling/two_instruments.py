"""A camera for the network, probes for the PDE: what each finds alone, and together.

    python -m profiling.two_instruments 0

Heat in a periodic box by exponax, on a grid four times finer than the model's 32 x 32 cells: a
camera with 10 % noise sees all cells at all frames, 10 probes see the temperature between cells
without noise. The PDE alone, the network alone, and both of them with evidence; then both players
with all that was recorded, which nobody has who keeps the two apart.
"""

from __future__ import annotations

import sys
from dataclasses import replace
from typing import Any

import numpy as np

import hycojax as hj
from hycojax.report import metrics
from profiling import reference

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


def errors(result: hj.Result) -> dict[str, float]:
    """Return the relative error of the diffusivity, and the errors of rollouts of new systems."""
    true, found = reference.PROBLEMS[_NAME].unknown["diffusivity"], {}
    paths = reference.states(_NAME, SYSTEMS + TRIED)[SYSTEMS:].astype(np.float32)
    for name, trained in _trained(result).items():
        predicted = np.stack([hj.rollout(trained, paths.shape[1] - 1)(p[0]) for p in paths])
        seen = np.ones(paths.shape[1:-1], bool)
        off = metrics.rollout_errors(trained.model.domain, predicted, paths, seen)
        found[name] = float(np.nanmean(off.whole))
    for own in result.parameters.values():
        found["diffusivity"] = float(own.estimate) / true - 1
        found["sd"] = float("nan") if own.sd is None else float(own.sd) / true
    return found


def _trained(result: hj.Result) -> dict[str, Any]:
    own = {"synthetic": "surrogate", "physical": "physics"}
    return {name: getattr(result, own[name]) for name in result.learned}


def run(seed: int, cycles: int = 12) -> dict[str, dict[str, float]]:
    """Return the errors of each player alone, of both, and of both with all instruments."""
    apart = experiment(seed, cycles)
    asked = {
        "probes alone": replace(apart, mode="physical"),
        "camera alone": replace(apart, mode="synthetic"),
        "each its own": apart,
        "both see all": shared(apart),
    }
    return {name: errors(hj.fit(own)) for name, own in asked.items()}


if __name__ == "__main__":
    for name, found in run(*map(int, sys.argv[1:])).items():
        print(name, {key: round(value, 5) for key, value in found.items()})
