"""python -m hycojax.compare EXPERIMENT.py [--seeds N]: is it worth to cooperate?

A command that was stopped goes on where it was.
"""

from __future__ import annotations

import sys
import types
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console

from hycojax import commandline, comparing
from hycojax.commandline import Overridable
from hycojax.errors import InputError
from hycojax.report.comparison import show
from hycojax.run import terminal
from hycojax.run.terminal import Terminal


@dataclass(frozen=True)
class Options:
    """Compare hybrid training with each model alone, with a learned term, and one-way schemes."""

    experiment: Overridable
    seeds: int = 3
    """Seeds, from the experiment's own on: other initial states, noise, weights and batches."""
    schemes: tuple[str, ...] = ()
    """Schemes, as "alone" and "hybrid"; none: all of them."""
    run_dir: Path | None = None
    """Where the runs and the comparison are kept; None: runs/NAME/compare."""


def main(arguments: list[str]) -> None:
    """Run the command."""
    file, words = commandline.split_experiment(arguments, "hycojax.compare")
    if commandline.without(words, ("--mode",)) != list(words):
        raise InputError("--mode: a comparison trains both players of an experiment; leave it out")
    defaults = Options(commandline.load(file))
    options = commandline.parse(Options, defaults, file, words, "hycojax.compare")
    root = options.run_dir or Path("runs") / options.experiment.name / "compare"
    console, cycles = Console(), options.experiment.schedule.cycles
    with ExitStack() as shown:

        def loggers(scheme: str, seed: int) -> list[Terminal]:
            shown.pop_all().close()  # the view of the run before
            console.print(f"{scheme}, seed {seed}: {root / f'{scheme}-{seed}'}", highlight=False)
            return [shown.enter_context(terminal.view(cycles, console))]

        found = comparing.compare(options.experiment, options.seeds, root, loggers, options.schemes)
    show(found, console)
    console.print(f"results: {root}", highlight=False)


class _Callable(types.ModuleType):
    """This module takes the place of the function `hycojax.compare`: it is called in its place."""

    __call__ = staticmethod(comparing.compare)


sys.modules[__name__].__class__ = _Callable

if __name__ == "__main__":
    commandline.run(main)
