"""python -m hycojax.evaluate RUN_DIR: metrics and figures of a run again, from a checkpoint."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import jax
import tyro
from rich.console import Console

from hycojax import checkpoint, commandline, hybrid, logbook, rundir
from hycojax.failure import InputError
from hycojax.generate import NOISE, TRAINING, simulations
from hycojax.report import report, show
from hycojax.train import recordings


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
    game = hybrid.game(
        experiment.physical, experiment.synthetic, experiment.schedule, experiment.mode.players
    )
    key = jax.random.key(experiment.seed)
    data = recordings(experiment, stored, jax.random.fold_in(key, NOISE))
    template = hybrid.start(game, data, jax.random.fold_in(key, TRAINING))
    state, warnings = checkpoint.restore(directory.checkpoints, template)
    for warning in warnings:
        console.print(f"warning: {warning}", style="yellow", highlight=False)
    if not logbook.keep(directory.log, int(state.cycle)):
        raise InputError(f"{directory.log} is missing or empty: resume the run to write it again")
    show(report(directory, experiment, game, state, stored), console)
    console.print(f"results: {directory.root}", highlight=False)


if __name__ == "__main__":
    commandline.run(main)
