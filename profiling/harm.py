"""Does cooperation do harm where the PDE is wrong? A proof of `profiling.proofs`.

    python -m profiling.harm reaction evidence 0

Four systems on 32 x 32 cells are recorded by another solver or on a finer grid, with noise. What is
wrong with the PDE has no cure in its coefficients, but for the last case, where it is right. Each
player alone, in hybrid training, and with equal trust; both players' rollouts begin at exact first
states of four systems that nobody has trained on.
"""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jax
import numpy as np
from jaxtyping import Float

import hycojax as hj
from experiments import fitzhugh_nagumo
from hycojax.report.comparison import cell, table
from profiling import corrected, kept, reference, rollouts

TRAINED, TRIED, CELLS, SEED = 4, 4, reference.CELLS, 2026
Paths = Float[np.ndarray, "system time x y channel"]


def reacting() -> Paths:
    """Return FitzHugh-Nagumo's substances, by SciPy, from noise in every cell."""
    return corrected.patterns(TRAINED + TRIED, SEED)


@functools.cache
def heated() -> Paths:
    """Return temperatures with a steady source, wave by wave: exact means over cells."""
    problem, nodes = reference.PROBLEMS["heat"], 4 * CELLS
    first = reference.trajectories("heat", TRAINED + TRIED)[:, 0, 0]
    x = 2 * np.pi * np.arange(nodes) / nodes
    source = np.fft.fft2(1.5 * np.sin(x)[:, None] * np.sin(2 * x))
    k = np.fft.fftfreq(nodes, problem.length / nodes) * 2 * np.pi
    rate = problem.unknown["diffusivity"] * (k[:, None] ** 2 + k**2)
    end = source / np.where(rate > 0, rate, 1)
    waves, paths = np.fft.fft2(first), []
    for time in problem.interval * np.arange(reference.FRAMES + 1):
        paths.append(np.fft.ifft2(end + (waves - end) * np.exp(-rate * time)).real)
    return reference.over_cells("heat", np.stack(paths, 1)[:, :, None])


@functools.cache
def varying() -> Paths:
    """Return Burgers' flow with a viscosity that varies, by our own step on a finer grid."""
    problem = reference.PROBLEMS["burgers"]
    fine = hj.Domain((2 * CELLS,) * 2, (problem.length,) * 2, hj.PERIODIC)
    x = 2 * np.pi * (np.arange(2 * CELLS) + 0.5) / (2 * CELLS)
    field = 0.03 * (1 + 0.9 * np.sin(x)[:, None] * np.sin(x))
    model = hj.physics.Burgers(viscosity=field, pieces=8).on(fine, problem.interval)
    first = reference.trajectories("burgers", TRAINED + TRIED)[:, 0]
    starts = reference.over_cells("burgers", first, 2 * CELLS).astype(np.float32)
    roll = jax.vmap(hj.rollout(hj.Trained(model, {}), reference.FRAMES))
    paths = np.asarray(roll(starts))
    return paths.reshape(*paths.shape[:2], CELLS, 2, CELLS, 2, -1).mean((3, 5))


@dataclass(frozen=True)
class Case:
    """A system, and the PDE that is taken for it.

    Attributes:
        title: What a table says of it.
        truth: Returns what happens.
        pde: What is taken for its PDE.
        channels: Names of what is recorded.
        length: Of a side of the box.
        interval: From frame to frame.
        true: Coefficients that have a right value.
        noise: Over the standard deviation of a channel.
        seen: Width of the square that is seen after the first frame, over that of the box.
    """

    title: str
    truth: Callable[[], Paths]
    pde: hj.PDE
    channels: tuple[str, ...]
    length: float
    interval: float
    true: dict[str, float]
    noise: float = 0.02
    seen: float = 1.0


def _known(name: str, title: str, truth: Callable[[], Paths], pde: hj.PDE, **more: Any) -> Case:
    problem = reference.PROBLEMS[name]
    about = problem.channels, problem.length, problem.interval
    return Case(title, truth, pde, *about, **more)


def _exponax(name: str) -> Callable[[], Paths]:
    return lambda: reference.states(name, TRAINED + TRIED)


CASES = {
    "reaction": Case(
        "FitzHugh-Nagumo, kinetics left out",
        reacting,
        fitzhugh_nagumo.experiment.physical.model.pde,
        *(("u", "v"), 2.0, 0.1, corrected.SYSTEMS["fitzhugh-nagumo"].true),
    ),
    "field": _known(
        *("burgers", "Burgers, a viscosity field taken for a number", varying),
        hj.physics.Burgers(viscosity=hj.Unknown(start=0.09, high=1.5)),
        true={"viscosity": 0.03},
    ),
    "source": _known(
        *("heat", "heat, source left out", heated),
        hj.physics.Heat(diffusivity=hj.Unknown(start=6e-3, high=0.1)),
        true={"diffusivity": 2e-3},
    ),
    "sign": _known(
        *("advection", "advection, wrong sign", _exponax("advection")),
        hj.physics.Advection(coefficient=hj.Unknown(start=-1.0, high=-0.05)),
        true={},
    ),
    "right": _known(
        *("burgers", "Burgers, right, the centre quarter seen, 5 %", _exponax("burgers")),
        hj.physics.Burgers(viscosity=hj.Unknown(start=0.09, high=1.5)),
        true={"viscosity": 0.03},
        noise=0.05,
        seen=0.5,
    ),
}
SCHEMES = {
    "alone": hj.Weights(interaction=0.0),
    "evidence": hj.Weights(),
    "equal": hj.Weights(trust=hj.Trust.EQUAL),
}


def recordings(case: Case, seed: int) -> hj.Recordings:
    """Return what is recorded of the systems that are trained on, with sigma as it is."""
    truth = case.truth()[:TRAINED]
    rng, sigmas = np.random.default_rng(seed), case.noise * truth.std((0, 1, 2, 3))
    inside = np.abs((np.arange(CELLS) + 0.5) / CELLS - 0.5) < case.seen / 2
    mask = np.broadcast_to(inside[:, None] & inside, truth.shape[1:4]).copy()
    mask[0] = True
    centres = (np.arange(CELLS) + 0.5) * case.length / CELLS
    times, systems = case.interval * np.arange(truth.shape[1]), []
    for number, own in enumerate(truth):
        noisy = np.where(mask[..., None], own + sigmas * rng.normal(size=own.shape), np.nan)
        series = enumerate(case.channels)
        films = (
            hj.Film(n, None, times, (centres, centres), noisy[..., c], sigmas[c]) for c, n in series
        )
        systems.append(hj.System(f"system {number}", tuple(films)))
    return hj.Recordings(tuple(systems), begin=0.0)


def experiment(case: Case, scheme: str, seed: int, cycles: int = 12) -> hj.Experiment:
    """Return an experiment of both players."""
    weights = SCHEMES[scheme]
    unet = hj.networks.UNet(levels=2, features=12)
    return hj.Experiment(
        name="harm",
        domain=hj.Domain((CELLS, CELLS), (case.length,) * 2, hj.PERIODIC),
        interval=case.interval,
        physical=hj.Physical(case.pde, hj.LBFGS(memory=30), weights),
        synthetic=hj.Synthetic(unet, hj.Adam(4e-3, updates=40), weights, batch=8),
        data=recordings(case, seed),
        schedule=hj.Schedule(warmup=2, cycles=cycles),
        seed=seed,
    )


def found(case: Case, result: hj.Result) -> dict[str, Any]:
    """Return the errors of both players' rollouts on other systems, and of the coefficients."""
    truth, models = case.truth()[TRAINED:], {"network": result.surrogate, "PDE": result.physics}
    errors = {name: rollouts.error(model, truth) for name, model in models.items()}
    ends = result.parameters
    off = {n: float(ends[n].estimate) / true - 1 for n, true in case.true.items()}
    trust = {name: p.trust for name, p in result.history[-1].players.items()}
    return {**errors, "coefficients": off, "trust": trust, "told": result.summary.get("warnings")}


def prove(directory: Path, seeds: int) -> str:
    """Return the table; fits that are in the directory are not made again."""
    lines = []
    for name, case in CASES.items():
        ends = {s: [_end(directory, name, s, seed) for seed in range(seeds)] for s in SCHEMES}
        for what in ("network", "PDE"):
            lines.append([case.title, f"{what}: test nRMSE", *_cells(ends, lambda e, w=what: e[w])])
        for what in case.true:
            off = _cells(ends, lambda e, w=what: 100 * abs(e["coefficients"][w]))
            lines.append([case.title, f"{what}: error [%]", *off])
    return table(("", "", "alone", "hybrid", "hybrid, equal trust"), lines)


def _cells(ends: dict[str, list[dict[str, Any]]], number: Callable[[Any], float]) -> list[str]:
    return [cell([number(end) for end in own]) for own in ends.values()]


def _end(directory: Path, name: str, scheme: str, seed: int) -> dict[str, Any]:
    file = directory / f"{name}-{scheme}-{seed}.json"
    case = CASES[name]
    return kept.kept(file, lambda: found(case, hj.fit(experiment(case, scheme, seed))))


if __name__ == "__main__":
    what, how, number = sys.argv[1:4]
    one = CASES[what]
    print(found(one, hj.fit(experiment(one, how, int(number)))))
