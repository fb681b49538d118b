"""What the step of flows between walls does to their parameters: a proof of `profiling.proofs`.

    python -m profiling.closed_flows smoke 1

No independent solver has these PDEs: the recordings are their own, complete and exact, from a grid
four times finer and with a quarter of the step. Four systems; the search begins three times too
high, that of a field at half of its mean.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np

import hycojax as hj
from hycojax.models.pde import PDE
from hycojax.report.comparison import table
from profiling import kept

CELLS, LENGTH, REFINEMENT, START = 32, 100.0, 4, 3.0
#: A field is smoothed by so little that exact recordings decide it.
FIELD = hj.UnknownField(start=0.05, smoothness=hj.Laplacian(weight=1e-8), coarsening=2)
#: PDE, what is true, and the interval in seconds.
FLOWS: dict[str, tuple[type[PDE], dict[str, Any], float]] = {
    "navier_stokes": (hj.physics.NavierStokes, {"buoyancy": 0.1, "viscosity": 2.0}, 2.0),
    "navier_stokes_field": (
        hj.physics.NavierStokes,
        {"buoyancy": hj.Waves(mean=0.1, amplitude=0.03)},
        1.5,
    ),
    "smoke": (hj.physics.Smoke, {"buoyancy": 0.1, "viscosity": 2.0, "inflow": 0.1}, 2.0),
}
#: Flows, and how many times finer the PDE's own grid is.
CASES = (("navier_stokes", 1), ("navier_stokes", 2), ("smoke", 1), ("navier_stokes_field", 1))


def experiment(name: str, finer: int) -> hj.Experiment:
    """Return the search."""
    kind, true, interval = FLOWS[name]
    unknown = {
        n: hj.Unknown(start=START * value) if isinstance(value, float) else FIELD
        for n, value in true.items()
    }
    return hj.Experiment(
        name=name,
        domain=hj.Domain((CELLS, CELLS), (LENGTH, LENGTH), hj.CLOSED),
        interval=interval,
        physical=hj.Physical(kind(**unknown), hj.LBFGS(iterations=100), finer=finer, horizon=4),
        synthetic=hj.Synthetic(hj.networks.ConvNet(), hj.Adam()),
        data=hj.Simulated(
            truth=kind(**true), training=4, validation=1, test=0, steps=12, refinement=REFINEMENT
        ),
        mode="physical",
        schedule=hj.Schedule(warmup=0, cycles=1),
    )


def found(name: str, finer: int) -> dict[str, Any]:
    """Return relative errors: ours, and what we say of the step's; of a field in the L2 norm."""
    result = hj.fit(experiment(name, finer))
    ends = {}
    for coefficient, own in result.parameters.items():
        off, true = np.asarray(own.last) - own.true, np.asarray(own.true)
        size = float(np.linalg.norm(true))
        error = float(off / true) if off.ndim == 0 else float(np.linalg.norm(off)) / size
        told = None if own.discretisation is None else np.asarray(own.discretisation)
        ends[coefficient] = {"error": error, "told": _relative(told, true)}
    return {"ends": ends, "reason": result.summary["physical"]["reason"]}


def prove(directory: Path, seeds: int) -> str:
    """Return the table. Nothing is drawn but the systems, which are always the same."""
    del seeds
    lines = []
    for name, finer in CASES:
        file = directory / f"{name}-{finer}.json"
        end = kept.kept(file, lambda given=(name, finer): found(*given))
        for coefficient, own in end["ends"].items():
            told = "" if own["told"] is None else f"{100 * own['told']:+.3f}"
            error = f"{100 * own['error']:+.3f}"
            lines.append([name.replace("_", "-"), f"{finer}", coefficient, error, told])
    return table(("", "finer", "coefficient", "error [%]", "told"), lines)


def _relative(told: np.ndarray | None, true: np.ndarray) -> float | None:
    """Return what is told of a number's error; of a field nothing is."""
    return float(told / true) if told is not None and true.ndim == 0 else None


if __name__ == "__main__":
    print(found(sys.argv[1], int(sys.argv[2])))
