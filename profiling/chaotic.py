"""Viscosity from whole recordings of a flow that forgets its start: a proof of `profiling.proofs`.

    python -m profiling.chaotic chaotic 64 3

Kolmogorov flow on 32 x 32 cells, recorded by its own model after it has settled: complete frames
with 5 % noise. The PDE fits whole recordings, over a time that doubles. In a chaotic flow a loss
over a long time has many minima; here the growth of a small disturbance tells how chaotic it is.
"""

from __future__ import annotations

import functools
import itertools
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

import hycojax as hj
from hycojax.data import labelled
from hycojax.models.model import rollouts
from hycojax.report.comparison import table
from profiling import kept

DOMAIN = hj.Domain((32, 32), (2 * np.pi, 2 * np.pi), hj.PERIODIC)
FRAMES, STARTS, NOISE, SETTLED = (16, 32, 64), (3.0, 1 / 3), 0.05, 60.0


@dataclass(frozen=True)
class Flow:
    """A Kolmogorov flow: viscosity, force, the time between frames, and steps in it."""

    viscosity: float
    forcing: float
    interval: float
    pieces: int

    def pde(self, viscosity: hj.Coefficient) -> hj.physics.Kolmogorov:
        """Return the PDE with a viscosity."""
        return hj.physics.Kolmogorov(viscosity, self.forcing, pieces=self.pieces)


#: The flow of the other tables, and two in which a disturbance grows.
FLOWS = {
    "quiet": Flow(0.02, 0.5, 0.1, 1),
    "unsteady": Flow(0.01, 1.0, 0.25, 4),
    "chaotic": Flow(0.005, 2.0, 0.5, 8),
}


@functools.cache
def trajectories(name: str, frames: int) -> Float[np.ndarray, "system time x y component"]:
    """Return how a settled flow goes on, and the same from a start that is 0.001 m/s off."""
    flow = FLOWS[name]
    model = flow.pde(flow.viscosity).on(DOMAIN, flow.interval)
    keys = jax.random.split(jax.random.key(2026), 2)
    settle = jax.jit(lambda s: rollouts(model, {}, s, round(SETTLED / flow.interval))[:, -1])
    start, shift = settle(model.sample(keys[0])[None])[0], 1e-3 * model.sample(keys[1])
    starts = jnp.stack([start, start + shift])
    return np.asarray(jax.jit(lambda s: rollouts(model, {}, s, frames))(starts), float)


def growth(pair: Float[Array, "system time x y component"]) -> float:
    """Return by how much the distance of two trajectories grows."""
    distances = np.sqrt(((pair[0] - pair[1]) ** 2).mean((1, 2, 3)))
    return float(distances[-1] / distances[0])


def experiment(name: str, frames: int, start: float, seed: int, cycles: int = 1) -> hj.Experiment:
    """Return a search that begins so many times too high."""
    flow = FLOWS[name]
    unknown = hj.Unknown(start=start * flow.viscosity, high=50 * flow.viscosity)
    path = trajectories(name, frames)[:1]
    noisy = path + NOISE * path.std() * np.random.default_rng(seed).normal(size=path.shape)
    grid = flow.pde(unknown).on(DOMAIN, flow.interval).domain
    film = labelled.to_xarray(grid, flow.interval, noisy)
    sigma = {channel.name: NOISE * float(path.std()) for channel in grid.channels}
    return hj.Experiment(
        name=f"kolmogorov-{name}",
        domain=DOMAIN,
        interval=flow.interval,
        physical=hj.Physical(flow.pde(unknown), hj.LBFGS(iterations=100, memory=30)),
        synthetic=hj.Synthetic(hj.networks.ConvNet(), hj.Adam()),
        data=hj.Recordings.from_xarray(film, sigma=sigma),
        mode=hj.Mode.PHYSICAL,
        schedule=hj.Schedule(warmup=0, cycles=cycles),
        seed=seed,
    )


def found(name: str, result: hj.Result) -> dict[str, Any]:
    """Return the viscosity that was found, and how well it explains what was held out."""
    own, true = result.parameters["viscosity"], FLOWS[name].viscosity
    physical = result.summary["physical"]
    return {
        "error": float(own.last) / true - 1,
        "sd": float("nan") if own.sd is None else float(own.sd) / true,
        "reason": physical["reason"],
        "chi2": physical["held_out_chi2"],
        "seconds": result.summary["wall_seconds"],
    }


def prove(directory: Path, seeds: int) -> str:
    """Return the table; fits that are in the directory are not made again."""
    lines = []
    for name, frames in itertools.product(FLOWS, FRAMES):
        pairs = itertools.product(STARTS, range(seeds))
        ends = [_case(directory, name, frames, start, seed) for start, seed in pairs]
        errors = kept.percent(end["error"] for end in ends)
        deviation = np.median([end["sd"] for end in ends])
        chi2 = kept.listed((end["chi2"] for end in ends), 3)
        reasons = kept.reasons(ends)
        grown = f"{growth(trajectories(name, frames)):.2g}"
        lines.append([name, frames, grown, errors, f"{100 * deviation:.2g}", chi2, reasons])
    titles = ("flow", "frames", "growth", "errors [%]", "sd [%]", "chi2", "reason")
    return table(titles, lines)


def _case(directory: Path, name: str, frames: int, start: float, seed: int) -> dict[str, Any]:
    file = directory / f"{name}-{frames}-{start:.2g}-{seed}.json"
    return kept.kept(file, lambda: found(name, hj.fit(experiment(name, frames, start, seed))))


if __name__ == "__main__":
    flow, count, off = sys.argv[1:4]
    print(found(flow, hj.fit(experiment(flow, int(count), float(off), 0))))
