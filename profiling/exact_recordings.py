"""How far the step alone moves a parameter: a proof of `profiling.proofs`.

    python -m profiling.exact_recordings burgers 32 1

Complete, exact recordings by another solver, in windows of four frames, four systems, the search
begins three times too high: what is left is the error of the step and the grid. Beside it stands
what the other solver's own step makes of the same recordings on the same grid (`peer`).
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np

import hycojax as hj
from hycojax.report.comparison import table
from profiling import kept, peer, reference
from profiling.reference import DENSE, FRAMES, PROBLEMS

SYSTEMS, HORIZON, START = 4, 4, 3.0
#: Cells along the box, and how many times finer the PDE's own grid is.
GRIDS = ((32, 1), (32, 2), (64, 1))
#: Nodes of the truth along the box, and its steps from one dense frame to the next.
FINE, INNER = 256, 4


def states(name: str, cells: int) -> np.ndarray:
    """Return means over cells `[system, time, x, y, channel]`."""
    nodes = reference.trajectories(name, SYSTEMS, FINE, INNER)[:, ::DENSE]
    return reference.over_cells(name, nodes, cells)


def experiment(name: str, cells: int, finer: int) -> hj.Experiment:
    """Return the search."""
    problem = PROBLEMS[name]
    unknown = {
        n: hj.Unknown(start=START * t, high=1.5 * START * t) for n, t in problem.unknown.items()
    }
    pde = problem.pde(**unknown, **problem.known)
    return hj.Experiment(
        name=name,
        domain=hj.Domain((cells, cells), (problem.length, problem.length), hj.PERIODIC),
        interval=problem.interval,
        physical=hj.Physical(pde, hj.LBFGS(iterations=100), finer=finer),
        synthetic=hj.Synthetic(hj.networks.ConvNet(), hj.Adam()),
        data=_recordings(name, states(name, cells)),
        mode="physical",
        schedule=hj.Schedule(warmup=0, cycles=1),
    )


def found(name: str, cells: int, finer: int) -> dict[str, Any]:
    """Return relative errors: ours, what we say of the step's, and the other solver's own."""
    result, true = hj.fit(experiment(name, cells, finer)), PROBLEMS[name].unknown
    ours = {n: float(p.last) / true[n] - 1 for n, p in result.parameters.items()}
    told = {n: float(p.discretisation) / true[n] for n, p in result.parameters.items()}
    return {
        "ours": ours,
        "told": told,
        "theirs": _theirs(name, cells) if finer == 1 else None,
        "reason": result.summary["physical"]["reason"],
    }


def prove(directory: Path, seeds: int) -> str:
    """Return the table. Nothing is drawn but the systems, which are always the same."""
    del seeds
    lines = []
    for name in PROBLEMS:
        for cells, finer in GRIDS:
            file = directory / f"{name}-{cells}-{finer}.json"
            end = kept.kept(file, lambda given=(name, cells, finer): found(*given))
            lines += [[name.replace("_", "-"), f"{cells}", f"{finer}", *row] for row in _rows(end)]
    return table(("", "cells", "finer", "coefficient", "error [%]", "told", "exponax"), lines)


def _rows(end: dict[str, Any]) -> list[list[str]]:
    rows = []
    for name, error in end["ours"].items():
        theirs = f"{100 * end['theirs'][name]:+.3f}" if end["theirs"] else ""
        rows.append([name, f"{100 * error:+.3f}", f"{100 * end['told'][name]:+.3f}", theirs])
    return rows


def _theirs(name: str, cells: int) -> dict[str, float]:
    held = states(name, cells)
    first = range(0, FRAMES, HORIZON)
    starts = np.concatenate([held[:, k] for k in first])
    targets = np.concatenate([held[:, k + 1 : k + 1 + HORIZON] for k in first])
    return peer.search(name, starts, targets, np.ones((cells, cells), bool), START).errors


def _recordings(name: str, held: np.ndarray) -> hj.Recordings:
    systems = []
    for number, own in enumerate(held):
        exact = np.zeros(own.shape[:-1])
        films = [reference.film(name, c, own[..., c], exact) for c in range(own.shape[-1])]
        systems.append(hj.System(f"system {number}", tuple(films)))
    return hj.Recordings(tuple(systems), begin=0.0)


if __name__ == "__main__":
    print(found(sys.argv[1], int(sys.argv[2]), int(sys.argv[3])))
