"""What a user would pick instead, on the same recordings: a proof of `profiling.proofs`.

    python -m profiling.instead heat 0

The centre quarter of four systems with 5 % noise, first states known, the search begins three times
too high: our physical mode, and SciPy's L-BFGS-B over exponax's step (`peer`), which makes as many
pieces of an interval as ours. Our times are of all that `hj.fit` does, standard deviations
included; a second call, with another seed, finds all compiled. Each seed has a process of its own,
and an empty folder for compiled programs.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

import hycojax as hj
from hycojax.report.comparison import table
from profiling import kept, own_recordings, peer
from profiling.own_recordings import Case
from profiling.reference import PROBLEMS

NAMES, START = ("heat", "burgers"), 3.0


def found(name: str, seed: int) -> dict[str, Any]:
    """Return relative errors and seconds of both, with compilation and without."""
    case = Case(name, "centre", 0.05, "known")
    cold, experiment, error = _ours(case, seed)
    warm, _, _ = _ours(case, seed + 1)
    theirs = peer.search(name, *_arrays(experiment.data), START, experiment.physics.at.pieces)
    coefficient = next(iter(PROBLEMS[name].unknown))
    seconds = {"ours": (cold, warm), "theirs": (theirs.compile + theirs.seconds, theirs.seconds)}
    errors = {"ours": error, "theirs": theirs.errors[coefficient]}
    return {"errors": errors, "seconds": seconds}


def prove(directory: Path, seeds: int) -> str:
    """Return the table."""
    lines = []
    for name in NAMES:
        ends = [
            kept.kept(directory / f"{name}-{seed}.json", lambda given=(name, seed): _alone(*given))
            for seed in range(seeds)
        ]
        for who in ("ours", "theirs"):
            errors = kept.percent(end["errors"][who] for end in ends)
            cold, warm = np.median([end["seconds"][who] for end in ends], 0)
            lines.append([name, who, errors, f"{cold:.2f}", f"{warm:.2f}"])
    return table(("", "", "errors [%]", "seconds", "compiled"), lines)


def _alone(name: str, seed: int) -> dict[str, Any]:
    """Return what a process finds that has compiled nothing before."""
    words = [sys.executable, "-m", "profiling.instead", name, str(seed)]
    with tempfile.TemporaryDirectory() as folder:
        env = os.environ | {"JAX_COMPILATION_CACHE_DIR": folder}
        done = subprocess.run(words, env=env, capture_output=True, text=True, check=True)
    return json.loads(done.stdout.splitlines()[-1])


def _ours(case: Case, seed: int) -> tuple[float, hj.Experiment, float]:
    experiment = own_recordings.experiment(case, START, seed, cycles=1)
    began = time.perf_counter()
    result = hj.fit(experiment)
    ((coefficient, estimate),) = result.parameters.items()
    seconds = time.perf_counter() - began
    return seconds, experiment, float(estimate.last) / PROBLEMS[case.name].unknown[coefficient] - 1


def _arrays(data: hj.Recordings) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return first states, what follows, and where something is seen."""
    films = [[film.values for film in system.series] for system in data.systems]
    values = np.stack([np.stack(own, -1) for own in films])
    return values[:, 0], np.nan_to_num(values[:, 1:]), ~np.isnan(values[0, -1, ..., 0])


if __name__ == "__main__":
    print(json.dumps(found(sys.argv[1], int(sys.argv[2]))))
