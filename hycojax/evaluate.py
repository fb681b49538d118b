"""python -m hycojax.evaluate RUN_DIR: metrics and figures of a run again, from a checkpoint."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import tyro
from rich.console import Console

from hycojax import commandline
from hycojax.errors import InputError
from hycojax.prepare import first_state, simulations
from hycojax.report.summary import report, show
from hycojax.run import checkpoint, logbook
from hycojax.run import directory as rundir


@dataclass(frozen=True)
class Options:
    """Make the metrics and figures of a run again, from its latest checkpoint."""

    run_dir: tyro.conf.Positional[Path]
    """The directory that `train` wrote."""


def main(arguments: list[str]) -> None:
    """Run the command."""
    options = tyro.cli(Options, args=arguments, prog="python -m hycojax.evaluate")
    directory, experiment = rundir.open_run(options.run_dir)
    console = Console()
    if not checkpoint.steps(directory.checkpoints):
        raise InputError(f"{directory.root} holds no checkpoint yet: train it first")
    stored, _ = simulations(experiment)
    game, data, template = first_state(experiment, stored)
    state, warnings = checkpoint.restore(directory.checkpoints, template)
    logbook.warn(console, warnings)
    records = [r for r in logbook.read(directory.log) if r["cycle"] <= int(state.cycle)]
    if not records:
        raise InputError(f"{directory.log} is missing or empty: train the run again elsewhere")
    show(report(directory, experiment, game, data, state, stored, records), console)
    console.print(f"results: {directory.root}", highlight=False)


if __name__ == "__main__":
    commandline.run(main)
