"""python -m hycojax.train EXPERIMENT.py: train the players of an experiment, report the result."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console

from hycojax import commandline, generate
from hycojax.commandline import Overridable
from hycojax.errors import DivergedError, InputError, StoppedError
from hycojax.experiment import Experiment
from hycojax.fitting import fit
from hycojax.report.summary import show
from hycojax.run import directory as directories
from hycojax.run import terminal
from hycojax.run.directory import RunDir

#: What goes on where a run was stopped.
AGAIN = "the same command with --resume"


@dataclass(frozen=True)
class Options:
    """Train the players of an experiment, and report how well they do on test simulations."""

    experiment: Overridable
    run_dir: Path | None = None
    """Where the run is kept; None: runs/NAME/MODE-SEED."""
    resume: bool = False
    """Continue the run that is kept there, or start it if there is none yet. With a larger
    schedule.cycles, cycles are added, and the schedules of the solvers start anew."""
    trace: bool = False
    """Trace a cycle after the warm-up by jax.profiler, for TensorBoard or Perfetto; its record then
    has the time of its parts."""


def main(arguments: list[str]) -> None:
    """Run the command."""
    file, words = commandline.split_experiment(arguments, "hycojax.train")
    defaults = Options(commandline.load(file))
    options = commandline.parse(Options, defaults, file, words, "hycojax.train")
    experiment, console = options.experiment, Console()
    directory = RunDir(options.run_dir or directories.default(experiment))
    if options.resume and (summary := _done(directory, experiment.schedule.cycles)):
        directories.check_same(directory, experiment)
        _check_recordings(directory, experiment, console)
        console.print(f"{directory.root} is finished", highlight=False)
        show(summary, console)
        return
    stored = generate.place(experiment) if experiment.simulated else None
    if stored is not None:
        console.print(f"simulations: {stored}", highlight=False)
    with terminal.view(experiment.schedule.cycles, console) as view:
        try:
            result = fit(
                experiment,
                run=directory.root,
                resume=options.resume,
                simulations=stored,
                loggers=[view],
                trace=options.trace,
            )
        except DivergedError as error:
            raise DivergedError(f"{error}, in another --run-dir than {directory.root}") from error
    terminal.warn(console, list(result.warnings))
    if not result.finished:
        raise StoppedError(
            f"stopped after cycle {result.played}, which is saved in {directory.root}"
        )
    show(result.summary, console)
    console.print(f"results: {directory.root}", highlight=False)


def _check_recordings(directory: RunDir, experiment: Experiment, console: Console) -> None:
    """Check that a finished run has learned from the recordings as they are now, if they are there.

    Its result needs them no more: where they can't be read, a warning says so.
    """
    if experiment.simulated:
        return
    try:
        found = experiment.read()
    except InputError as error:
        terminal.warn(console, [f"whether the recordings are still the same is unknown: {error}"])
        return
    directories.check_recordings(directory, found.digest)


def _done(directory: RunDir, cycles: int) -> dict[str, Any] | None:
    """Return the summary of a finished run of which no more cycles are asked for."""
    done = directory.record.exists() and sum(directories.legs(directory)) == cycles
    return directories.finished(directory) if done else None


if __name__ == "__main__":
    commandline.run(main, AGAIN)
