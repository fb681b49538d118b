"""Temperatures around 293 K, of which half of the box is seen: a proof of `profiling.proofs`.

    python -m profiling.kelvin hybrid 0

Heat on 32 x 32 cells; exponax made the recordings (`profiling.reference`). The first frames are
seen everywhere, later ones in the middle half of the box only, all with 2 % noise. What does the
network learn of the rest, alone and in hybrid training? Its rollouts begin at exact first states of
systems that nobody has trained on.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import jax
import numpy as np
from jaxtyping import Float

import hycojax as hj
from hycojax.report import metrics
from hycojax.report.comparison import table
from profiling import kept, reference

ZERO, NOISE, TRAINED, TRIED = 293.15, 0.02, 4, 4
REGION = hj.Centre(0.5)
PROBLEM = reference.PROBLEMS["heat"]
DOMAIN = hj.Domain((reference.CELLS,) * 2, (PROBLEM.length,) * 2, hj.PERIODIC)


def experiment(mode: hj.Mode, seed: int, cycles: int = 10) -> hj.Experiment:
    """Return an experiment in which half of the box is seen."""
    (true,) = PROBLEM.unknown.values()
    pde = hj.physics.Heat(diffusivity=hj.Unknown(start=3 * true, high=50 * true))
    return hj.Experiment(
        name="kelvin",
        domain=DOMAIN,
        interval=PROBLEM.interval,
        physical=hj.Physical(pde, hj.LBFGS(memory=30)),
        synthetic=hj.Synthetic(
            hj.networks.UNet(levels=2, features=12), hj.Adam(4e-3, updates=40), batch=8
        ),
        data=_recordings(seed),
        mode=mode,
        schedule=hj.Schedule(warmup=min(2, cycles), cycles=cycles),
        seed=seed,
    )


def found(result: hj.Result) -> dict[str, Any]:
    """Return the network's errors on other systems, and that of the diffusivity, if there is one.

    They are relative, about the mean.
    """
    truth = _temperatures()[TRAINED:]
    roll = jax.vmap(hj.rollout(result.surrogate, reference.FRAMES))
    values = np.asarray(roll(truth[:, 0].astype(np.float32)))
    mask = np.broadcast_to(REGION.mask(DOMAIN, reference.FRAMES + 1), truth.shape[1:-1])
    grid = result.experiment.physics.domain
    off = metrics.rollout_errors(grid, values, truth, mask)
    errors = {what: float(np.mean(getattr(off, what))) for what in ("seen", "hidden")}
    true = PROBLEM.unknown["diffusivity"]
    ends = {n: float(p.last) / true - 1 for n, p in result.parameters.items()}
    return {**errors, **ends}


def prove(directory: Path, seeds: int) -> str:
    """Return the table; fits that are in the directory are not made again."""
    lines = []
    for mode in (hj.Mode.SYNTHETIC, hj.Mode.HYBRID):
        ends = [_end(directory, mode, seed) for seed in range(seeds)]
        off = [kept.listed((end[what] for end in ends), 3) for what in ("hidden", "seen")]
        identified = kept.percent(end["diffusivity"] for end in ends if "diffusivity" in end)
        lines.append(["alone" if mode is hj.Mode.SYNTHETIC else "hybrid", *off, identified])
    titles = ("network", "nRMSE: hidden part", "seen part", "errors of the diffusivity [%]")
    return table(titles, lines)


def _end(directory: Path, mode: hj.Mode, seed: int) -> dict[str, Any]:
    file = directory / f"{mode.value}-{seed}.json"
    return kept.kept(file, lambda: found(hj.fit(experiment(mode, seed))))


def _temperatures() -> Float[np.ndarray, "system time x y 1"]:
    return ZERO + reference.states("heat", TRAINED + TRIED)


def _recordings(seed: int) -> hj.Recordings:
    """Return what is recorded of those systems that are trained on."""
    exact = _temperatures()[:TRAINED, ..., 0]
    sigma = NOISE * exact.std()
    values = exact + sigma * np.random.default_rng(seed).normal(size=exact.shape)
    mask = np.broadcast_to(REGION.mask(DOMAIN, reference.FRAMES + 1), exact.shape[1:]).copy()
    mask[0] = True
    times = PROBLEM.interval * np.arange(reference.FRAMES + 1)
    where = times, reference.places("heat", 0)
    films = [hj.Film("temperature", "K", *where, np.where(mask, v, np.nan), sigma) for v in values]
    return hj.Recordings(tuple(hj.System(f"system {i}", (f,)) for i, f in enumerate(films)))


if __name__ == "__main__":
    print(found(hj.fit(experiment(hj.Mode(sys.argv[1]), int(sys.argv[2])))))
