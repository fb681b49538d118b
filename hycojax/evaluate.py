"""python -m hycojax.evaluate RUN_DIR [--data FILE]: metrics and figures of a run again."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import tyro
from rich.console import Console

from hycojax import commandline
from hycojax.data import observing, store
from hycojax.data.files import Files, instruments
from hycojax.data.observations import First
from hycojax.data.recordings import Recorded, Recordings
from hycojax.data.splits import Share
from hycojax.errors import InputError
from hycojax.models.model import Model, Stepper
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
    """What to try the models on: simulations as `generate` writes them, or recordings for a run of
    recordings, which are read as those of the run were. Nothing is written then. None: what the run
    has kept."""


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
    """Return a result whose models are tried on what a file holds, as "test".

    A model that knows the recorded systems only is left out.

    Raises:
        InputError: The file can't be read, or does not suit the models.
    """
    experiment = result.experiment
    learned = {
        n: own for n, own in result.learned.items() if isinstance(_model(result, n), Stepper)
    }
    if not learned:
        name = type(experiment.synthetic.model).__name__
        raise InputError(f"{name} knows the recorded systems only: it can't be tried on others")
    made = simulated if experiment.simulated else recorded
    tried = {"recorded": result.tried["recorded"], "test": made(result, path)}
    return replace(result, learned=learned, tried=tried)


def simulated(result: Result, path: Path) -> Trial:
    """Return the test simulations of a file, or those for training if there are none.

    Raises:
        InputError: The file can't be read, or its states are not on the grid of the models.
    """
    grid = result.experiment.physics.domain
    found = store.read_all(path, grid)
    simulations = found.get("test", found.get("training"))
    own, mask = result.tried["recorded"], result.experiment.mask()
    wanted = (len(mask), *grid.shape, len(grid.channels))
    if simulations.shape[1:] != wanted:
        raise InputError(f"{path}: simulations {simulations.shape[1:]}, where the run has {wanted}")
    first = First(simulations[:, 0])
    return Trial(first, own.steps, own.scale, own.noise, simulations, mask=mask)


def recorded(result: Result, path: Path) -> Trial:
    """Return all measurements in a file, which is read as the recordings of the run were.

    First states that are not complete there are taken from what is measured first.

    Raises:
        InputError: The file can't be read, or does not suit the models.
    """
    experiment = result.experiment
    sources = experiment.sources.values()
    uses = {n: _one([getattr(s, n) for s in sources]) for n in ("first", "relative_sigma")}
    about = {**uses, "begin": experiment.use.begin, "validation": Share(), "test": None}
    try:
        recordings = replace(recorded_in(sources, path), **about)
        known = observing.seen(recordings, experiment.physics, experiment.seed).known
    except InputError as error:
        told = str(error)
        raise InputError(told if str(path) in told else f"{path}: {told}") from error
    parts = (*known.training.parts, *known.validation.parts)
    first, steps = known.training.first, known.training.steps
    scale, noise = np.asarray(known.scale), float(known.noise)
    return Trial(first, steps, scale, noise, parts=parts, sure=known.sure)


def _one(values: Sequence[Any]) -> Any:
    """Return the first of values that are all the same; None if they are not."""
    return values[0] if all(value == values[0] for value in values) else None


def recorded_in(sources: Iterable[Recorded], path: Path) -> Recordings:
    """Return what a file holds, read as the first instrument whose variables it has.

    Raises:
        InputError: It can't be read as any of them.
    """
    files = [replace(p, path=str(path)) for p in instruments(sources) if isinstance(p, Files)]
    files = files or [Files(path)]
    for last in files[:-1]:
        with contextlib.suppress(InputError):
            return last.read()
    return files[-1].read()


def _model(result: Result, player: str) -> Model:
    experiment = result.experiment
    return experiment.physics if player == "physical" else experiment.surrogate


if __name__ == "__main__":
    commandline.run(main)
