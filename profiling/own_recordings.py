"""Parameters from recordings of an independent solver: a proof of `profiling.proofs`.

    python -m profiling.own_recordings heat scattered 0.05 unknown

Heat and Burgers on 32 x 32 cells, four systems, seen everywhere, in the centre quarter, in a
scattered quarter, or by 40 sensors with clocks of their own; without and with 5 % noise; with the
first state known, measured with that noise, or unknown. The search begins three times too high and
three times too low.
"""

from __future__ import annotations

import itertools
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np

import hycojax as hj
from hycojax.report.comparison import table
from hycojax.run.directory import write_json
from profiling import reference
from profiling.reference import CELLS, CHANNELS, DENSE, FRAMES, INTERVALS, LENGTH, TRUE

SYSTEMS, SENSORS = 4, 40
SEEN = ("full", "centre", "scattered", "sensors")
NOISES, FIRST, STARTS = (0.0, 0.05), ("known", "measured", "unknown"), (3.0, 1 / 3)
PDES = {
    "heat": (hj.physics.Heat, "diffusivity"),
    "burgers": (hj.physics.Burgers, "viscosity"),
}


def recordings(name: str, seen: str, noise: float, first: str, seed: int) -> hj.Recordings:
    """Return what is recorded, with sigma as it is."""
    nodes = reference.trajectories(name, SYSTEMS)
    rng, scale = np.random.default_rng(seed), nodes.std()
    systems = []
    for number, own in enumerate(nodes):
        series = []
        for c, channel in enumerate(CHANNELS[name]):
            if seen == "sensors":
                series += _sensors(channel, own[:, c], noise * scale, rng, name)
                series += _first_frame(channel, own[:, c], noise * scale, first, rng)
            else:
                film = _film(channel, own[::DENSE, c], seen, noise * scale, first, rng, name)
                series.append(film)
        systems.append(hj.System(f"system {number}", tuple(series)))
    return hj.Recordings(tuple(systems), begin=0.0)


def experiment(
    name: str, seen: str, noise: float, first: str, start: float, seed: int, cycles: int = 6
) -> hj.Experiment:
    """Return a search that begins so many times too high."""
    kind, unknown = PDES[name]
    true = TRUE[name]
    pde = kind(**{unknown: hj.Unknown(start=start * true, high=50 * true)})
    return hj.Experiment(
        name=f"{name}-{seen}",
        domain=hj.Domain((CELLS, CELLS), (LENGTH, LENGTH), hj.PERIODIC),
        interval=INTERVALS[name],
        physical=hj.Physical(pde, hj.LBFGS(iterations=100, memory=30)),
        synthetic=hj.Synthetic(hj.networks.ConvNet(), hj.Adam()),
        data=recordings(name, seen, noise, first, seed),
        mode=hj.Mode.PHYSICAL,
        schedule=hj.Schedule(warmup=0, cycles=cycles),
        seed=seed,
    )


def found(name: str, result: hj.Result) -> dict[str, Any]:
    """Return what was found, relative to the truth."""
    (estimate,) = result.parameters.values()
    true = TRUE[name]
    sd = float("nan") if estimate.sd is None else float(estimate.sd)
    return {
        "error": float(estimate.last) / true - 1,
        "sd": sd / true,
        "reason": result.summary["physical"]["reason"],
        "chi2": result.summary["physical"].get("last_held_out_chi2"),
    }


def prove_heat(directory: Path, seeds: int) -> str:
    """Return the table of heat."""
    return _prove(directory, seeds, "heat")


def prove_burgers(directory: Path, seeds: int) -> str:
    """Return the table of Burgers."""
    return _prove(directory, seeds, "burgers")


def _prove(directory: Path, seeds: int, name: str) -> str:
    """Return the table of all cases; those that are in the directory are not made again."""
    lines = []
    for seen, noise, first in cases():
        ends = [
            _case(directory, name, seen, noise, first, start, seed)
            for start, seed in itertools.product(STARTS, range(seeds))
        ]
        errors = ", ".join(f"{100 * end['error']:+.2f}" for end in ends)
        deviation = np.median([end["sd"] for end in ends])
        reasons = ", ".join(sorted({end["reason"] for end in ends}))
        lines.append([seen, f"{100 * noise:g} %", first, errors, f"{100 * deviation:.2g}", reasons])
    titles = ("seen", "noise", "first state", "errors [%]", "sd [%]", "reason")
    return table(titles, lines)


def cases() -> list[tuple[str, float, str]]:
    """Return the cases: exact first states can only be known or unknown."""
    every = itertools.product(SEEN, NOISES, FIRST)
    return [case for case in every if case[1] or case[2] != "measured"]


def _case(
    directory: Path, name: str, seen: str, noise: float, first: str, start: float, seed: int
) -> dict[str, Any]:
    file = directory / f"{name}-{seen}-{noise}-{first}-{start:.2g}-{seed}.json"
    if not file.exists():
        end = found(name, hj.fit(experiment(name, seen, noise, first, start, seed)))
        write_json(file, end)
    return json.loads(file.read_text())


def _places() -> np.ndarray:
    return (np.arange(CELLS) + 0.5) * LENGTH / CELLS


def _mask(seen: str) -> np.ndarray:
    if seen == "full":
        return np.ones((CELLS, CELLS), bool)
    if seen == "centre":
        inside = np.abs(_places() / LENGTH - 0.5) < 0.25
        return inside[:, None] & inside
    cells = np.arange(CELLS**2) < CELLS**2 // 4
    return np.random.default_rng(5).permutation(cells).reshape(CELLS, CELLS)


def _film(
    channel: str,
    nodes: np.ndarray,
    seen: str,
    sigma: float,
    first: str,
    rng: np.random.Generator,
    name: str,
) -> hj.Film:
    exact = reference.cell_means(nodes)
    values = exact + sigma * rng.normal(size=exact.shape)
    sigmas = np.full(values.shape, sigma)
    mask = np.broadcast_to(_mask(seen), values.shape).copy()
    if first != "unknown":
        mask[0] = True
    if first == "known":
        values[0], sigmas[0] = exact[0], 0.0
    times = INTERVALS[name] * np.arange(FRAMES + 1)
    places = (_places(), _places())
    return hj.Film(channel, None, times, places, np.where(mask, values, np.nan), sigmas)


def _sensors(
    channel: str, nodes: np.ndarray, sigma: float, rng: np.random.Generator, name: str
) -> list[hj.Points]:
    places, times, values = [], [], []
    for place in rng.uniform(0, LENGTH, (SENSORS, 2)):
        frames = np.arange(rng.integers(DENSE), FRAMES * DENSE + 1, DENSE)
        exact = reference.at(nodes[frames], place)
        values.append(exact + sigma * rng.normal(size=exact.shape))
        times.append(frames * INTERVALS[name] / DENSE)
        places.append(np.repeat(place[None], len(frames), 0))
    joined = [np.concatenate(a) for a in (times, places, values)]
    return [hj.Points(channel, None, *joined, np.full(len(joined[0]), sigma))]


def _first_frame(
    channel: str, nodes: np.ndarray, sigma: float, first: str, rng: np.random.Generator
) -> list[hj.Film]:
    if first == "unknown":
        return []
    exact = reference.cell_means(nodes[:1])
    noisy = exact + sigma * rng.normal(size=exact.shape)
    values, own = (exact, 0.0) if first == "known" else (noisy, sigma)
    places = (_places(), _places())
    return [hj.Film(channel, None, np.zeros(1), places, values, np.full(values.shape, own))]


if __name__ == "__main__":
    pde, what, share, state = sys.argv[1:5]
    print(found(pde, hj.fit(experiment(pde, what, float(share), state, 3.0, 0))))
