"""python -m profiling.startup [EXPERIMENT.py ...]: the time from a command to its first cycle.

Without the reading of options and the run directory. Each experiment starts twice, in a process of
its own: cold, with nothing compiled and nothing simulated, and warm, with what the first start has
left. The seconds of each part are told apart: imports with the start of Python, simulations, the
first state, and of the cycle tracing, lowering, XLA (warm: reading its program) and the first run.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import tyro
from rich.console import Console
from rich.table import Table

PARTS = ("imports", "simulations", "first state", "tracing", "lowering", "XLA", "first cycle")
#: All programs are kept, however small.
_KEEP = {
    "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0",
    "JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES": "-1",
}


@dataclass(frozen=True)
class Options:
    """Time the way from the command to the first cycle, cold and warm."""

    experiments: tyro.conf.Positional[tuple[Path, ...]] = (Path("experiments/smoke.py"),)
    """Experiment files."""


def main(options: Options) -> None:
    """Run the command."""
    table = Table("experiment", "start", *PARTS, "compile", "in all", title="seconds")
    for file in options.experiments:
        with tempfile.TemporaryDirectory() as kept:
            for start in ("cold", "warm"):
                parts = _start(file, Path(kept))
                compilation = sum(parts[name] for name in ("tracing", "lowering", "XLA"))
                numbers = [*(parts[name] for name in PARTS), compilation, sum(parts.values())]
                table.add_row(file.stem, start, *(f"{number:.1f}" for number in numbers))
    Console(width=140).print(table)


def _start(file: Path, kept: Path) -> dict[str, float]:
    """Start an experiment in a process of its own; return the seconds of each part."""
    environment = os.environ | _KEEP | {"JAX_COMPILATION_CACHE_DIR": str(kept / "programs")}
    words = [sys.executable, "-m", "profiling.startup", "--measured", str(file), str(kept)]
    began = time.time()
    found = subprocess.run(words, env=environment, check=True, stdout=subprocess.PIPE, text=True)
    times = json.loads(found.stdout.splitlines()[-1])
    return {name: b - a for name, a, b in zip(PARTS, [began, *times], times, strict=False)}


def _measured(file: Path, kept: Path) -> list[float]:
    """Play the first cycle of an experiment; return the time at the end of each part."""
    import jax

    from hycojax import commandline
    from hycojax.data import simulated
    from hycojax.game import state as games
    from hycojax.run.compiled import cycle_program
    from hycojax.settings.numbers import split

    experiment, times = commandline.load(file), [time.time()]
    about = experiment.data, experiment.domain, experiment.interval, experiment.seed
    stored = simulated.stored(*about, kept / "simulations.h5")
    times.append(time.time())
    game = experiment.game()
    data = simulated.known(experiment.data, game.physics.domain, stored, experiment.seed)
    state = jax.block_until_ready(games.start(game, data, jax.random.key(experiment.seed)))
    times.append(time.time())
    structure, numbers = split(games.stage(game, 0))
    inputs = numbers, data, state, games.turns(game, 0)
    traced = cycle_program(structure).trace(*inputs)
    times.append(time.time())
    lowered = traced.lower()
    times.append(time.time())
    program = lowered.compile()
    times.append(time.time())
    jax.block_until_ready(program(*inputs))
    return [*times, time.time()]


if __name__ == "__main__":
    if sys.argv[1:2] == ["--measured"]:
        print(json.dumps(_measured(*map(Path, sys.argv[2:]))))
    else:
        main(tyro.cli(Options, prog="python -m profiling.startup"))
