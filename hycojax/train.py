"""python -m hycojax.train EXPERIMENT.py: train the players of an experiment, report the result."""

from __future__ import annotations

import json
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from functools import partial
from pathlib import Path
from typing import Any

import jax
from rich.console import Console

from hycojax import commandline
from hycojax.data.store import Simulations
from hycojax.errors import DivergedError, StoppedError
from hycojax.experiment import Experiment
from hycojax.game import cycle as hybrid
from hycojax.game import state as games
from hycojax.game.player import Turn
from hycojax.game.state import NAMES, Game, Recordings, TrainingState
from hycojax.kernels import programs
from hycojax.prepare import first_state, simulations
from hycojax.report.summary import report, show
from hycojax.run import checkpoint, logbook, trace
from hycojax.run import directory as rundir
from hycojax.run.directory import RunDir
from hycojax.run.logbook import View
from hycojax.solvers import Reason

#: What goes on where a run was stopped.
AGAIN = "the same command with --resume"

Compiler = Callable[[Game, Recordings, TrainingState, dict[str, Turn]], tuple[Any, float]]


def main(arguments: list[str]) -> None:
    """Run the command."""
    file, overrides = commandline.split_experiment(arguments, "hycojax.train")
    defaults = commandline.RunOptions(commandline.load(file))
    options = commandline.parse(commandline.RunOptions, defaults, file, overrides, "hycojax.train")
    experiment = options.experiment
    directory = RunDir(options.run_dir or rundir.default(experiment))
    rundir.claim(directory, experiment, file, overrides, options.resume)
    console = Console()
    if rundir.is_finished(directory):
        console.print(f"{directory.root} is finished", highlight=False)
        show(json.loads(directory.summary.read_text()), console)
        return
    stored, path = simulations(experiment)
    console.print(f"simulations: {path}", highlight=False)
    summary = train(directory, experiment, stored, console, traced=options.trace)
    show(summary, console)
    console.print(f"results: {directory.root}", highlight=False)


def train(
    directory: RunDir,
    experiment: Experiment,
    stored: Simulations,
    console: Console,
    compiler: Compiler | None = None,
    traced: bool = False,
) -> dict[str, Any]:
    """Train from where the run directory stands to the end; return the summary.

    The compiler of cycles may remember those of other runs; by default it is `compile_cycle`. If
    `traced`, the second cycle after the warm-up is, of a run that is resumed after it the second
    one from there, or the last one if there are not as many.

    Raises:
        StoppedError: A signal asked to stop; the last cycle is saved.
        DivergedError: A loss is not finite; the cycle before is saved.
    """
    began, compiler = time.perf_counter(), compiler or compile_cycle
    game, data, state = first_state(experiment, stored)
    if checkpoint.steps(directory.checkpoints):
        state, warnings = checkpoint.restore(directory.checkpoints, state)
        logbook.warn(console, warnings)
    records = logbook.keep(directory.log, int(state.cycle))
    second = max(experiment.schedule.warmup, int(state.cycle)) + 1
    traced_cycle = min(second, experiment.schedule.cycles - 1) if traced else None
    with logbook.view(experiment.schedule.cycles, console) as view, _stop_requests(view) as stop:
        before = records[-1] if records else {"elapsed": 0.0, "compile_seconds": 0.0}
        compile_seconds, began, staged = before["compile_seconds"], began - before["elapsed"], None
        while not games.is_over(experiment.schedule, state):
            number = int(state.cycle)
            current, turns = games.stage(game, number), games.turns(game, number)
            if current != staged:
                view.phase("compiling")
                program, seconds = compiler(current, data, state, turns)
                compile_seconds, staged = compile_seconds + seconds, current
            with _trace(directory.trace if number == traced_cycle else None) as tracing:
                tick = time.perf_counter()
                state, found = program(data, state, turns)
                record = _record(experiment, state, jax.device_get(found))
                now = time.perf_counter()
            clock = {"seconds": now - tick, "elapsed": now - began}
            if tracing:
                clock["parts"] = trace.seconds(directory.trace, program)
            records.append(record | {"compile_seconds": compile_seconds} | clock)
            _check_finite(record, directory)
            # The record first: a resumed run drops what lies after its checkpoint.
            logbook.append(directory.log, records[-1])
            checkpoint.save(directory.checkpoints, record["cycle"], state)
            view.cycle(records[-1])
            if stop:
                raise StoppedError(
                    f"stopped after cycle {record['cycle']}, which is saved in {directory.root}"
                )
        view.phase("evaluating")
        return report(directory, experiment, game, data, state, stored, records)


def compile_cycle(
    game: Game, data: Recordings, state: TrainingState, turns: dict[str, Turn]
) -> tuple[Any, float]:
    """Compile a cycle, once for all that are alike. Returns it and the seconds that it took."""
    began = time.perf_counter()
    program = cycle_program(game).lower(data, state, turns).compile()
    return program, time.perf_counter() - began


def cycle_program(game: Game) -> Any:
    """Return `cycle(data, state, turns)` of a game under `jax.jit`; its state is donated."""
    return programs.jit(partial(hybrid.cycle, game), programs.LOOP, donate_argnums=1)


@contextmanager
def _trace(directory: Path | None) -> Iterator[bool]:
    """Trace what runs in the context into a directory, if there is one."""
    with jax.profiler.trace(str(directory)) if directory else nullcontext():
        yield directory is not None


@contextmanager
def _stop_requests(view: View) -> Iterator[list[int]]:
    """Collect the first interrupt or termination signal; a second one has its usual effect."""
    requests: list[int] = []

    def note(number, frame):
        requests.append(number)
        signal.signal(number, previous[number])
        view.phase("stopping after this cycle")

    previous = {n: signal.signal(n, note) for n in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield requests
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)


def _record(experiment: Experiment, state: TrainingState, found: dict) -> dict[str, Any]:
    number = int(state.cycle)
    warming = len(experiment.mode.players) > 1 and number <= experiment.schedule.warmup
    phase = "warm-up" if warming else experiment.mode.value
    record = {"cycle": number, "phase": phase, **jax.tree.map(float, found)}
    for name in experiment.mode.players:
        record[name]["reason"] = Reason(int(found[name]["reason"])).words
    return record


def _check_finite(record: dict[str, Any], directory: RunDir) -> None:
    """Stop before a diverged state is saved over a sound one."""
    for name in NAMES:
        if name not in record or record[name]["loss"] < float("inf"):
            continue
        fine = {term: record[name][term] < float("inf") for term in ("data", "interaction")}
        misled = fine["data"] and not fine["interaction"]  # by the partner's trajectories
        cause = next(other for other in NAMES if other != name) if misled else name
        raise DivergedError(
            f"the {cause} player diverged in cycle {record['cycle']}: the {name} loss is not "
            f"finite. The cycle before is saved in {directory.root}; start anew with a smaller "
            f"{cause}.horizon, or gentler settings of {cause}.solver, in another --run-dir"
        )


if __name__ == "__main__":
    commandline.run(main, AGAIN)
