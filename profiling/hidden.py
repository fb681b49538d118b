"""Channels that nobody sees: proofs of `profiling.proofs`.

    python -m profiling.hidden substrate "1 - v" 0.05 3
    python -m profiling.hidden smoke "0 ± 0.3 m/s" 0.05 3

* Gray-Scott: the catalyst v is seen in all cells, the substrate u nowhere. A tie or a prior says
  what u may be at the start. The recordings are exponax's (`profiling.reference`).
* Smoke: the density is seen in all cells, the velocity nowhere; a prior says that it is small at
  the start. The recordings come from a grid twice as fine, with half the time step.
"""

from __future__ import annotations

import functools
import itertools
import re
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float

import hycojax as hj
from hycojax.data import labelled, simulated
from hycojax.report.comparison import table
from profiling import kept, own_recordings
from profiling.own_recordings import STARTS, Case

NOISES = (0.0, 0.05)
#: What is told of the substrate at the start: 1 - 10/7 v is true, about 0.9 in the mean.
SUBSTRATE: dict[str, hj.Prior | hj.Tie | None] = {
    "seen": None,
    "1 - 10/7 v": hj.Tie("v", factor=-10 / 7, offset=1.0),
    "1 - v": hj.Tie("v", factor=-1.0, offset=1.0),
    "0.9 ± 0.2": hj.Prior(mean=0.9, amplitude=0.2),
}
#: The truth of smoke, and what is told of each component of the velocity at the start.
SMOKE = hj.Simulated(hj.physics.Smoke(buoyancy=0.1), training=4, validation=0, test=0)
VELOCITY: dict[str, hj.Prior | None] = {
    "seen": None,
    "0 ± 0.01 m/s": hj.Prior(mean=0.0, amplitude=0.01, length=20.0),
    "0 ± 0.3 m/s": hj.Prior(mean=0.0, amplitude=0.3, length=20.0),
}


def substrate(told: str, noise: float, start: float, seed: int) -> hj.Experiment:
    """Return a search for both diffusivities that begins so many times too high."""
    every = own_recordings.experiment(Case("gray_scott", "full", noise, "unknown"), start, seed)
    if SUBSTRATE[told] is None:
        return every
    return _without(every, ("u",), {"u": SUBSTRATE[told]})


def substrate_found(result: hj.Result) -> dict[str, Any]:
    """Return the errors of the diffusivities, and of both channels together."""
    return own_recordings.found(Case("gray_scott", "full", 0.0, "unknown"), result)


def smoke(told: str, noise: float, start: float, seed: int) -> hj.Experiment:
    """Return a search for the buoyancy that begins so many times too high."""
    pde = hj.physics.Smoke(buoyancy=hj.Unknown(start=start * SMOKE.truth.buoyancy, high=10.0))
    domain = hj.Domain((32, 32), (100.0, 100.0), hj.CLOSED)
    truth = _plumes(domain)
    rng = np.random.default_rng(seed)
    grid, names = pde.on(domain, 1.25).domain, ("velocity_x", "velocity_y")
    sigma = noise * truth.std((0, 1, 2, 3)) * [not c.static for c in grid.channels]
    film = labelled.to_xarray(grid, 1.25, truth + sigma * rng.normal(size=truth.shape))
    film["source"] = film["source"].isel(time=0, drop=True)
    sigmas = {c.name: float(s) for c, s in zip(grid.channels, sigma, strict=True)}
    every = hj.Experiment(
        name="smoke",
        domain=domain,
        interval=1.25,
        physical=hj.Physical(pde, hj.LBFGS(memory=30)),
        synthetic=hj.Synthetic(hj.networks.ConvNet(), hj.Adam()),
        data=hj.Recordings.from_xarray(film, sigma=sigmas),
        mode=hj.Mode.PHYSICAL,
        schedule=hj.Schedule(warmup=0, cycles=4),
        seed=seed,
    )
    if VELOCITY[told] is None:
        return every
    return _without(every, names, dict.fromkeys(names, VELOCITY[told]))


def smoke_found(result: hj.Result) -> dict[str, Any]:
    """Return the error of the buoyancy, and those of density and velocity over all frames."""
    own, true = result.parameters["buoyancy"], SMOKE.truth.buoyancy
    values = result.predictions["physical"]["recorded"].values
    truth = _plumes(result.experiment.domain)[: len(values)]
    return {
        "error": {"buoyancy": float(own.last) / true - 1},
        "sd": {"buoyancy": np.nan if own.sd is None else float(own.sd) / true},
        "reason": result.summary["physical"]["reason"],
        "chi2": result.summary["physical"].get("held_out_chi2"),
        "density": _off(values[..., :1], truth[..., :1]),
        "velocity": _off(values[..., 1:3], truth[..., 1:3]),
    }


def prove_substrate(directory: Path, seeds: int) -> str:
    """Return the table of Gray-Scott."""
    lines = []
    for told, noise in itertools.product(SUBSTRATE, NOISES):
        ends = _ends(directory, (told, noise), seeds, substrate, substrate_found)
        errors = [_errors(ends, name) for name in ("diffusivity_u", "diffusivity_v")]
        off = kept.listed(end["nrmse"]["physical"] for end in ends)
        lines.append([told, f"{100 * noise:g} %", *errors, off, kept.reasons(ends)])
    titles = ("u at the start", "noise", "D_u [%] (sd)", "D_v [%] (sd)", "nRMSE", "reason")
    return table(titles, lines)


def prove_smoke(directory: Path, seeds: int) -> str:
    """Return the table of smoke."""
    lines = []
    for told, noise in itertools.product(VELOCITY, NOISES):
        ends = _ends(directory, (told, noise), seeds, smoke, smoke_found)
        off = [kept.listed(end[what] for end in ends) for what in ("density", "velocity")]
        words = told, f"{100 * noise:g} %", _errors(ends, "buoyancy")
        lines.append([*words, *off, kept.reasons(ends)])
    titles = ("velocity at the start", "noise", "buoyancy [%] (sd)", "density", "velocity")
    return table((*titles, "reason"), lines)


@functools.cache
def _plumes(domain: hj.Domain) -> Float[np.ndarray, "system time x y channel"]:
    """Return the truth, averaged to the model's grid."""
    return simulated.simulate(SMOKE, domain, 1.25, 0)["training"].astype(float)


def _without(every: hj.Experiment, names: tuple[str, ...], priors: dict[str, Any]) -> hj.Experiment:
    """Return an experiment in which some channels are not seen."""
    systems = tuple(
        replace(s, series=tuple(one for one in s.series if one.channel not in names))
        for s in every.data.systems
    )
    return replace(every, data=replace(every.data, systems=systems, first=hj.Estimated(priors)))


def _ends(
    directory: Path,
    words: tuple[str, float],
    seeds: int,
    experiment: Callable[..., hj.Experiment],
    found: Callable[[hj.Result], dict[str, Any]],
) -> list[dict[str, Any]]:
    """Return what was found from each start, by each seed."""
    ends = []
    for start, seed in itertools.product(STARTS, range(seeds)):
        name = re.sub(r"[^a-z0-9.]+", "-", f"{words[0]} {words[1]} {start:.2g} {seed}")
        make = functools.partial(lambda *own: found(hj.fit(experiment(*own))), *words, start, seed)
        ends.append(kept.kept(directory / f"{name}.json", make))
    return ends


def _errors(ends: list[dict[str, Any]], name: str) -> str:
    """Return the errors of a coefficient, and their usual standard deviation."""
    deviation = float(np.median([end["sd"][name] for end in ends]))
    return f"{kept.percent(end['error'][name] for end in ends)} ({100 * deviation:.2g})"


def _off(values: np.ndarray, truth: np.ndarray) -> float:
    """Return the relative L2 distance, about the mean."""
    about = truth - truth.mean(tuple(range(truth.ndim - 1)))
    return float(np.linalg.norm(values - truth) / np.linalg.norm(about))


if __name__ == "__main__":
    words = sys.argv[2], float(sys.argv[3]), float(sys.argv[4]), 0
    make, measure = {"substrate": (substrate, substrate_found), "smoke": (smoke, smoke_found)}[
        sys.argv[1]
    ]
    print(measure(hj.fit(make(*words))))
