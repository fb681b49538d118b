"""python -m hycojax.generate EXPERIMENT.py [--out FILE]: simulate what is to be recorded."""

from __future__ import annotations

import hashlib
import inspect
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import jax
import numpy as np

from hycojax import commandline
from hycojax.config import Experiment, Overridable, as_dict
from hycojax.data import store
from hycojax.data.simulation import ROLES, simulate
from hycojax.failure import InputError
from hycojax.physics import operators

#: Streams of random numbers under an experiment's seed; see also `train.py`.
SIMULATIONS, NOISE, TRAINING = range(3)


@dataclass(frozen=True)
class Options:
    """Simulate the recordings of an experiment and store them."""

    experiment: Overridable
    out: Path | None = None
    """The file to write; None: where `train` looks for it, data/NAME-DIGEST.h5."""


def provenance(experiment: Experiment) -> dict[str, Any]:
    """Return all that decides the simulated numbers: equal provenance, equal data."""
    model = experiment.physical.model
    physics = as_dict(model)
    for value in physics.values():
        if isinstance(value, dict):
            value.pop("start", None)  # where a search begins does not touch the data
    code = inspect.getsource(inspect.getmodule(model)) + inspect.getsource(operators)
    return {
        "physics": physics,
        "data": as_dict(experiment.data),
        "seed": experiment.seed,
        "code": hashlib.sha256(code.encode()).hexdigest(),
        "versions": {name: version(name) for name in ("hycojax", "phiflow", "phiml", "jax")},
    }


def simulations(experiment: Experiment, path: Path | None = None) -> tuple[store.Simulations, Path]:
    """Return the simulations of an experiment and their file, which is made if there is none.

    Raises:
        InputError: The file holds something else, or the true solver produced no finite numbers.
    """
    origin = provenance(experiment)
    path = path or Path("data") / f"{experiment.name}-{store.digest(origin)}.h5"
    found = store.read(path, origin)
    if found is not None:
        return found, path
    if path.exists():
        raise InputError(
            f"{path} holds simulations of another origin: choose another, or remove it"
        )
    data = experiment.data
    counts = {role: getattr(data, role) for role in ROLES}
    key = jax.random.fold_in(jax.random.key(experiment.seed), SIMULATIONS)
    made = simulate(experiment.physical.model, key, counts, data.steps, data.refinement)
    if not all(np.isfinite(trajectories).all() for trajectories in made.values()):
        raise InputError("the simulation of the true system diverged: take a smaller time step dt")
    store.write(path, made, origin)
    return made, path


def main(arguments: list[str]) -> None:
    """Run the command."""
    file, rest = commandline.split_experiment(arguments, "generate")
    defaults = Options(commandline.load(file))
    options = commandline.parse(Options, defaults, file, rest, "generate")
    made, path = simulations(options.experiment, options.out)
    shapes = ", ".join(f"{role} {'x'.join(map(str, t.shape))}" for role, t in made.items())
    print(f"{path}: {shapes}")


if __name__ == "__main__":
    commandline.run(main)
