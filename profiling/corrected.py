"""Known physics plus a learned term: proofs of `profiling.proofs`.

    python -m profiling.corrected fitzhugh-nagumo 0.05 corrected 0

* FitzHugh-Nagumo, of which the PDE knows diffusion alone: 16 simulations of 30 frames on 32 x 32
  cells from noise in every cell, by SciPy's `solve_ivp`. The published figure for a and b is 2.3 %,
  from 1,600 simulations (Yin et al., ICLR 2021, table 1).
* Heat with a reaction T (1 - T), of which the PDE knows diffusion alone: 4 simulations of 16 frames
  by exponax on 128 x 128 nodes, of which a film holds exact means over 32 x 32 cells.

Without noise and with 5 %, which the first frame has too. Test systems are others, seen by nobody,
and predicted from their exact first state.
"""

from __future__ import annotations

import functools
import itertools
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import xarray as xr
from jaxtyping import Float
from scipy.integrate import solve_ivp

import hycojax as hj
from experiments import fitzhugh_nagumo
from hycojax.data import labelled
from hycojax.report.comparison import table
from profiling import kept, reference

NOISES = (0.0, 0.05)
MODELS = ("corrected", "alone")
#: The network of both: it reads each cell alone.
LOCAL = hj.networks.ConvNet(features=16, layers=2, width=1)
_TEST = 8
_NODES = 128


@dataclass(frozen=True)
class System:
    """What is recorded, and what the PDE knows of it.

    Attributes:
        pde: What the PDE knows, with unknown coefficients.
        true: Their true values.
        domain: The box.
        interval: From frame to frame, in seconds.
        simulations: How many are learned from.
        paths: Returns so many simulations for a seed, `[simulation, time, x, y, channel]`.
        term: What the PDE does not know, in units of the channels over a second.
    """

    pde: hj.PDE
    true: dict[str, float]
    domain: hj.Domain
    interval: float
    simulations: int
    paths: Callable[[int, int], Float[np.ndarray, "simulation time x y channel"]]
    term: Callable[[Any], Any]


@functools.cache
def patterns(count: int, seed: int) -> Float[np.ndarray, "simulation time x y 2"]:
    """Return simulations of FitzHugh-Nagumo from noise, by SciPy with tight tolerances."""
    rng, known = np.random.default_rng(seed), fitzhugh_nagumo.experiment
    domain, times = known.domain, known.interval * np.arange(31)
    whole = fitzhugh_nagumo.FitzHughNagumo()
    with jax.enable_x64(True):
        values = {n: getattr(whole, n) for n in ("diffusivity_u", "diffusivity_v", "threshold")}
        rate = jax.jit(lambda u: whole.rate(domain, values, u.reshape(32, 32, 2)).ravel())
        found = [
            solve_ivp(
                lambda _, u: np.asarray(rate(u)),
                (0, times[-1]),
                rng.uniform(0, 1, 2 * 32**2),
                "DOP853",
                times,
                rtol=1e-9,
                atol=1e-10,
            ).y.T.reshape(-1, 32, 32, 2)
            for _ in range(count)
        ]
    return np.stack(found)


@functools.cache
def flames(count: int, seed: int) -> Float[np.ndarray, "simulation time x y 1"]:
    """Return means over cells of simulations of heat with a reaction, by exponax."""
    import exponax as ex

    step = ex.stepper.reaction.FisherKPP(
        2, 1.0, _NODES, 0.1 / 8, diffusivity=2e-3, reactivity=1.0, order=4
    )
    roll = ex.rollout(ex.repeat(step, 8), 16, include_init=True)
    waves = ex.ic.RandomTruncatedFourierSeries(2, cutoff=4, max_one=True)
    keys = jax.random.split(jax.random.key(seed), count)
    nodes = np.stack([jax.jit(roll)(0.5 + 0.4 * waves(_NODES, key=k)) for k in keys])[:, :, 0]
    factors = reference.waves_of_means(reference.CELLS, _NODES, (False, False))
    means = np.fft.ifft2(np.fft.fft2(nodes.astype(float)) * factors).real
    thin = _NODES // reference.CELLS
    return means[..., ::thin, ::thin, None]


SYSTEMS = {
    "fitzhugh-nagumo": System(
        fitzhugh_nagumo.experiment.physical.model.pde,
        {"diffusivity_u": 1e-3, "diffusivity_v": 5e-3},
        fitzhugh_nagumo.experiment.domain,
        fitzhugh_nagumo.experiment.interval,
        16,
        patterns,
        fitzhugh_nagumo.reaction,
    ),
    "heat": System(
        hj.physics.Heat(diffusivity=hj.Unknown(start=6e-3)),
        {"diffusivity": 2e-3},
        hj.Domain((32, 32), (1.0, 1.0), hj.PERIODIC),
        0.1,
        4,
        flames,
        lambda T: T * (1 - T),
    ),
}


def experiment(name: str, noise: float, model: str, seed: int) -> hj.Experiment:
    """Return a search by the PDE alone, or with a learned term beside it."""
    system = SYSTEMS[name]
    pde = system.pde if model == "alone" else hj.Corrected(system.pde, LOCAL)
    return hj.Experiment(
        name=name,
        domain=system.domain,
        interval=system.interval,
        physical=hj.Physical(pde, hj.LBFGS(iterations=100), growth=1),
        synthetic=hj.Synthetic(hj.networks.ConvNet(), hj.Adam()),
        data=recordings(system, noise, seed),
        mode=hj.Mode.PHYSICAL,
        schedule=hj.Schedule(warmup=0, cycles=2),
        seed=seed,
    )


def recordings(system: System, noise: float, seed: int) -> hj.Recordings:
    """Return what is recorded; those without noise are known exactly at all frames."""
    paths = system.paths(system.simulations + 1, seed)
    rng, grid = np.random.default_rng(seed), system.pde.on(system.domain, system.interval).domain
    sigma = noise * paths.std((0, 1, 2, 3))
    film: xr.Dataset = labelled.to_xarray(
        grid, system.interval, paths + sigma * rng.normal(size=paths.shape)
    )
    sigmas = {c.name: float(s) for c, s in zip(grid.channels, sigma, strict=True)}
    return hj.Recordings.from_xarray(film, sigma=sigmas)


def found(name: str, result: hj.Result) -> dict[str, Any]:
    """Return errors of coefficients, of rollouts on test systems, and of the learned term."""
    system, ends = SYSTEMS[name], result.parameters
    paths = system.paths(_TEST, 1000 + result.experiment.seed)
    roll = jax.vmap(hj.rollout(result.physics, paths.shape[1] - 1))
    off = np.asarray(roll(jnp.asarray(paths[:, 0]))) - paths
    model, term = result.experiment.physical.model, None
    if isinstance(model, hj.Corrected):
        rates = np.asarray(jax.vmap(jax.vmap(result.correction))(jnp.asarray(paths)))
        true = np.asarray(system.term(paths))
        term = [float(np.linalg.norm(a - b) / np.linalg.norm(b)) for a, b in _channels(rates, true)]
    return {
        "error": {n: float(ends[n].last) / true - 1 for n, true in system.true.items()},
        "sd": {n: float(ends[n].sd) / true for n, true in system.true.items()},
        "mse": float(np.log10(np.mean(off[:, 1:] ** 2))),
        "term": term,
        "reason": result.summary["physical"]["reason"],
        "seconds": result.history[-1].elapsed,
    }


def prove(directory: Path, seeds: int) -> str:
    """Return the table; fits that are in the directory are not made again."""
    lines = []
    for name, noise, model in itertools.product(SYSTEMS, NOISES, MODELS):
        ends = [_end(directory, name, noise, model, seed) for seed in range(seeds)]
        lines += _lines(name, noise, model, ends)
    titles = ("", "noise", "PDE", "coefficient", "errors [%]", "sd [%]")
    return table((*titles, "log10 MSE, test", "term off by [%]", "reason"), lines)


def _lines(name: str, noise: float, model: str, ends: list[dict[str, Any]]) -> list[list[str]]:
    """Return a line for each coefficient."""
    off = ", ".join(f"{end['mse']:.2f}" for end in ends)
    terms = ", ".join(" / ".join(f"{100 * t:.2g}" for t in end["term"] or ()) for end in ends)
    about = [off, terms if model == "corrected" else "", kept.reasons(ends)]
    lines = []
    for coefficient in SYSTEMS[name].true:
        errors = kept.percent(end["error"][coefficient] for end in ends)
        deviation = f"{100 * np.median([end['sd'][coefficient] for end in ends]):.2g}"
        words = name, f"{100 * noise:g} %", model, coefficient
        lines.append([*words, errors, deviation, *about])
    return lines


def _end(directory: Path, name: str, noise: float, model: str, seed: int) -> dict[str, Any]:
    file = directory / f"{name}-{noise}-{model}-{seed}.json"
    return kept.kept(file, lambda: found(name, hj.fit(experiment(name, noise, model, seed))))


def _channels(rates: np.ndarray, true: np.ndarray) -> list[tuple[np.ndarray, np.ndarray]]:
    return [(rates[..., c], true[..., c]) for c in range(rates.shape[-1])]


if __name__ == "__main__":
    system, share, which, number = sys.argv[1:5]
    case = system, float(share), which, int(number)
    print(found(system, hj.fit(experiment(*case))))
