"""python -m hycojax.evaluate RUN_DIR [--data FILE]: metrics and figures of a run again."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import tyro
from rich.console import Console

from hycojax import commandline
from hycojax.data import store
from hycojax.errors import InputError
from hycojax.report.evaluation import Trial
from hycojax.report.summary import show
from hycojax.result import Result, load
from hycojax.run import terminal


@dataclass(frozen=True)
class Options:
    """Make the metrics and figures of a run again, from its latest checkpoint."""

    run_dir: tyro.conf.Positional[Path]
    """The directory that `train` wrote."""
    data: Path | None = None
    """Simulations to try the models on, as `generate` writes them: nothing is written then; None:
    those of the run."""


def main(arguments: list[str]) -> None:
    """Run the command."""
    options = tyro.cli(Options, args=arguments, prog="python -m hycojax.evaluate")
    console, result = Console(), load(options.run_dir)
    terminal.warn(console, list(result.warnings))
    if options.data is not None:
        show(tried_on(result, options.data).summary, console)
        return
    result.save(options.run_dir)
    show(result.summary, console)
    console.print(f"results: {options.run_dir}", highlight=False)


def tried_on(result: Result, path: Path) -> Result:
    """Return a result whose models are tried on the simulations of a file, as tests.

    Raises:
        InputError: The file can't be read, or its states are not on the grid of the models.
    """
    found = store.read_all(path)
    simulations = found.get("test", found.get("training"))
    grid = result.experiment.physics.domain
    wanted = (*grid.shape, len(grid.channels))
    frames = result.experiment.mask().shape[0]
    if simulations.shape[1:] != (frames, *wanted):
        raise InputError(
            f"{path}: simulations {simulations.shape[1:]}, where the run has {(frames, *wanted)}"
        )
    return replace(result, tried={"test": Trial(simulations, simulations[:, 0])})


if __name__ == "__main__":
    commandline.run(main)
