"""python -m hycojax.generate EXPERIMENT.py [--out FILE]: simulate what is to be recorded."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from hycojax import commandline
from hycojax.commandline import Overridable
from hycojax.data import simulated, store
from hycojax.errors import InputError
from hycojax.experiment import Experiment


@dataclass(frozen=True)
class Options:
    """Simulate the recordings of an experiment and store them."""

    experiment: Overridable
    out: Path | None = None
    """The file to write; None: where `train` looks for it, data/NAME-DIGEST.nc."""


def main(arguments: list[str]) -> None:
    """Run the command."""
    file, rest = commandline.split_experiment(arguments, "hycojax.generate")
    defaults = Options(commandline.load(file))
    options = commandline.parse(Options, defaults, file, rest, "hycojax.generate")
    if not options.experiment.simulated:
        raise InputError("data: these are recordings; only simulated data are generated")
    path = options.out or place(options.experiment)
    made = simulated.stored(*options.experiment.simulation, path)
    shapes = ", ".join(f"{role} {'x'.join(map(str, t.shape))}" for role, t in made.items())
    print(f"{path}: {shapes}")


def place(experiment: Experiment) -> Path:
    """Return where commands keep the simulations of an experiment."""
    digest = store.digest(simulated.origin(*experiment.simulation))
    return Path("data") / f"{experiment.name}-{digest}.nc"


if __name__ == "__main__":
    commandline.run(main)
