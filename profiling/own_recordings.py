"""Parameters from recordings of an independent solver: proofs of `profiling.proofs`.

    python -m profiling.own_recordings heat scattered 0.05 unknown physical

Four systems on 32 x 32 cells, seen everywhere, in the centre quarter, in a scattered quarter, or by
40 sensors with clocks of their own; without and with 5 % noise; with the first state known,
measured with that noise, or unknown. A film holds exact means over the model's cells, as a camera
sees them. The search begins three times too high and three times too low.
"""

from __future__ import annotations

import itertools
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

import hycojax as hj
from hycojax.report import metrics
from hycojax.report.comparison import table
from profiling import kept, reference
from profiling.reference import CELLS, DENSE, FRAMES, PROBLEMS

SYSTEMS, SENSORS = 4, 40
SEEN = ("full", "centre", "scattered", "sensors")
NOISES, FIRST, STARTS = (0.0, 0.05), ("known", "measured", "unknown"), (3.0, 1 / 3)
#: Cycles of a fit, and how many of them are a warm-up.
CYCLES = {hj.Mode.PHYSICAL: (6, 0), hj.Mode.HYBRID: (10, 2)}


@dataclass(frozen=True)
class Case:
    """What is recorded of a PDE, and who learns from it."""

    name: str
    seen: str
    noise: float
    first: str
    mode: hj.Mode = hj.Mode.PHYSICAL

    @property
    def words(self) -> tuple[str, ...]:
        """What a table says of it."""
        return self.name.replace("_", "-"), self.seen, f"{100 * self.noise:g} %", self.first


def every(name: str) -> list[Case]:
    """Return the cases of a PDE: exact first states can only be known or unknown."""
    found = (Case(name, *words) for words in itertools.product(SEEN, NOISES, FIRST))
    return [case for case in found if case.noise or case.first != "measured"]


PATTERNS = [
    Case(name, seen, 0.05, "unknown")
    for name in ("gray_scott", "kolmogorov")
    for seen in ("full", "sensors")
]
COOPERATING = [
    Case(name, "scattered", 0.05, "unknown", hj.Mode.HYBRID) for name in ("heat", "burgers")
]


def recordings(case: Case, seed: int) -> hj.Recordings:
    """Return what is recorded, with sigma as it is."""
    nodes = reference.trajectories(case.name, SYSTEMS)
    rng, sigmas = np.random.default_rng(seed), case.noise * nodes.std((0, 1, 3, 4))
    systems = []
    for number, own in enumerate(nodes):
        series: list[hj.Film | hj.Points] = []
        for c, sigma in enumerate(sigmas):
            if case.seen == "sensors":
                series.append(_sensors(case, c, own[:, c], sigma, rng))
                series += _first_frame(case, c, own[:, c], sigma, rng)
            else:
                series.append(_film(case, c, own[::DENSE, c], sigma, rng))
        systems.append(hj.System(f"system {number}", tuple(series)))
    return hj.Recordings(tuple(systems), begin=0.0)


def experiment(case: Case, start: float, seed: int, cycles: int | None = None) -> hj.Experiment:
    """Return a search that begins so many times too high."""
    problem, (usual, warmup) = PROBLEMS[case.name], CYCLES[case.mode]
    unknown = {
        name: hj.Unknown(start=start * true, high=50 * true)
        for name, true in problem.unknown.items()
    }
    pde = problem.pde(**unknown, **problem.known)
    return hj.Experiment(
        name=f"{case.name}-{case.seen}",
        domain=hj.Domain((CELLS, CELLS), (problem.length, problem.length), hj.PERIODIC),
        interval=problem.interval,
        physical=hj.Physical(pde, hj.LBFGS(memory=30)),
        synthetic=hj.Synthetic(
            hj.networks.UNet(levels=2, features=12),
            hj.Adam(4e-3, updates=40),
            batch=8,
        ),
        data=recordings(case, seed),
        mode=case.mode,
        schedule=hj.Schedule(warmup=min(warmup, cycles or usual), cycles=cycles or usual),
        seed=seed,
    )


def found(case: Case, result: hj.Result) -> dict[str, Any]:
    """Return what was found, relative to the truth, and how far off the players are.

    A player's error is that of its rollouts from the first states that it knows, over the whole
    box, against the truth that nobody has seen.
    """
    true = PROBLEMS[case.name].unknown
    ends = result.parameters
    return {
        "error": {n: float(p.last) / true[n] - 1 for n, p in ends.items()},
        "sd": {n: np.nan if p.sd is None else float(p.sd) / true[n] for n, p in ends.items()},
        "reason": result.summary["physical"]["reason"],
        "chi2": result.summary["physical"].get("held_out_chi2"),
        "nrmse": {player: _off(case, result, player) for player in result.learned},
    }


def prove_heat(directory: Path, seeds: int) -> str:
    """Return the table of heat."""
    return _prove(directory, seeds, every("heat"))


def prove_burgers(directory: Path, seeds: int) -> str:
    """Return the table of Burgers."""
    return _prove(directory, seeds, every("burgers"))


def prove_patterns(directory: Path, seeds: int) -> str:
    """Return the table of Gray-Scott and Kolmogorov flow."""
    return _prove(directory, seeds, PATTERNS)


def prove_hybrid(directory: Path, seeds: int) -> str:
    """Return the table of hybrid training."""
    return _prove(directory, seeds, COOPERATING)


def _prove(directory: Path, seeds: int, cases: Sequence[Case]) -> str:
    """Return the table of cases; fits that are in the directory are not made again."""
    lines = []
    for case in cases:
        pairs = itertools.product(STARTS, range(seeds))
        lines += _lines(case, [_end(directory, case, start, seed) for start, seed in pairs])
    titles = ("", "seen", "noise", "first state", "coefficient", "errors [%]", "sd [%]")
    return table((*titles, "reason", "nRMSE: PDE", "network"), lines)


def _lines(case: Case, ends: list[dict[str, Any]]) -> list[list[str]]:
    """Return a line for each coefficient."""
    reasons = kept.reasons(ends)
    off = [
        kept.listed(end["nrmse"][player] for end in ends if player in end["nrmse"])
        for player in ("physical", "synthetic")
    ]
    lines = []
    for name in PROBLEMS[case.name].unknown:
        errors = kept.percent(end["error"][name] for end in ends)
        deviation = f"{100 * np.median([end['sd'][name] for end in ends]):.2g}"
        lines.append([*case.words, name, errors, deviation, reasons, *off])
    return lines


def _end(directory: Path, case: Case, start: float, seed: int) -> dict[str, Any]:
    words = case.name, case.seen, str(case.noise), case.first, case.mode.value
    file = directory / f"{'-'.join(words)}-{start:.2g}-{seed}.json"
    return kept.kept(file, lambda: found(case, hj.fit(experiment(case, start, seed))))


def _off(case: Case, result: hj.Result, player: str) -> float:
    """Return the relative error of a player's rollouts, over the whole box."""
    values = result.predictions[player]["recorded"].values
    truth = reference.states(case.name, SYSTEMS)[: len(values)]
    everywhere = np.ones(truth.shape[1:-1], bool)
    grid = result.experiment.physics.domain
    return float(np.mean(metrics.rollout_errors(grid, values, truth, everywhere).whole))


def _mask(seen: str) -> np.ndarray:
    if seen == "full":
        return np.ones((CELLS, CELLS), bool)
    if seen == "centre":
        inside = np.abs((np.arange(CELLS) + 0.5) / CELLS - 0.5) < 0.25
        return inside[:, None] & inside
    cells = np.arange(CELLS**2) < CELLS**2 // 4
    return np.random.default_rng(5).permutation(cells).reshape(CELLS, CELLS)


def _film(
    case: Case, channel: int, nodes: np.ndarray, sigma: float, rng: np.random.Generator
) -> hj.Film:
    exact = reference.means(case.name, channel, nodes)
    values = exact + sigma * rng.normal(size=exact.shape)
    sigmas = np.full(values.shape, sigma)
    mask = np.broadcast_to(_mask(case.seen), values.shape).copy()
    if case.first != "unknown":
        mask[0] = True
    if case.first == "known":
        values[0], sigmas[0] = exact[0], 0.0
    return reference.film(case.name, channel, np.where(mask, values, np.nan), sigmas)


def _sensors(
    case: Case, channel: int, nodes: np.ndarray, sigma: float, rng: np.random.Generator
) -> hj.Points:
    problem = PROBLEMS[case.name]
    places, times, values = [], [], []
    for place in rng.uniform(0, problem.length, (SENSORS, 2)):
        frames = np.arange(rng.integers(DENSE), FRAMES * DENSE + 1, DENSE)
        exact = reference.at(case.name, nodes[frames], place)
        values.append(exact + sigma * rng.normal(size=exact.shape))
        times.append(frames * problem.interval / DENSE)
        places.append(np.repeat(place[None], len(frames), 0))
    joined = [np.concatenate(a) for a in (times, places, values)]
    return hj.Points(problem.channels[channel], None, *joined, np.full(len(joined[0]), sigma))


def _first_frame(
    case: Case, channel: int, nodes: np.ndarray, sigma: float, rng: np.random.Generator
) -> list[hj.Film]:
    if case.first == "unknown":
        return []
    exact = reference.means(case.name, channel, nodes[:1])
    noisy = exact + sigma * rng.normal(size=exact.shape)
    values, own = (exact, 0.0) if case.first == "known" else (noisy, sigma)
    return [reference.film(case.name, channel, values, np.full(values.shape, own))]


if __name__ == "__main__":
    pde, what, share, state, mode = sys.argv[1:6]
    one = Case(pde, what, float(share), state, hj.Mode(mode))
    print(found(one, hj.fit(experiment(one, 3.0, 0))))
