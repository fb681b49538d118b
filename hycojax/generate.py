"""python -m hycojax.generate EXPERIMENT.py [--out FILE]: simulate what is to be recorded."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from hycojax import commandline
from hycojax.experiment import Overridable
from hycojax.prepare import simulations


@dataclass(frozen=True)
class Options:
    """Simulate the recordings of an experiment and store them."""

    experiment: Overridable
    out: Path | None = None
    """The file to write; None: where `train` looks for it, data/NAME-DIGEST.h5."""


def main(arguments: list[str]) -> None:
    """Run the command."""
    file, rest = commandline.split_experiment(arguments, "hycojax.generate")
    defaults = Options(commandline.load(file))
    options = commandline.parse(Options, defaults, file, rest, "hycojax.generate")
    made, path = simulations(options.experiment, options.out)
    shapes = ", ".join(f"{role} {'x'.join(map(str, t.shape))}" for role, t in made.items())
    print(f"{path}: {shapes}")


if __name__ == "__main__":
    commandline.run(main)
