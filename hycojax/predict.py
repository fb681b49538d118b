"""python -m hycojax.predict RUN_DIR --initial FILE --steps N --out FILE.nc: what follows."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

import numpy as np
import tyro
from jaxtyping import Float

from hycojax import commandline
from hycojax.data.files import Files
from hycojax.data.states import at_frame, naming, whole_states
from hycojax.errors import InputError
from hycojax.result import Result, load
from hycojax.run import directory as directories


@dataclass(frozen=True)
class Options:
    """Predict what follows from initial states, by a model of a run."""

    run_dir: tyro.conf.Positional[Path]
    """The directory that `train` wrote."""
    initial: Path
    """File with the initial states: a variable for each channel, in all cells of the model, of one
    simulation or several. Whatever recordings are read from is read: NetCDF, HDF5, Zarr, npz."""
    steps: int
    """Intervals."""
    out: Path
    """The NetCDF file to write."""
    group: str | None = None
    """The group of the file that holds the initial states; None: the root."""
    frame: int | None = None
    """Number of the frame that is the initial state, from 0; None: the file has one only."""
    units: dict[str, str] = field(default_factory=dict)
    """Units by channel, in place of those that the file gives."""
    model: Literal["synthetic", "physical"] | None = None
    """Which model predicts; None: the network if it was trained, else the PDE."""


def main(arguments: list[str]) -> None:
    """Run the command."""
    options = tyro.cli(Options, args=arguments, prog="python -m hycojax.predict")
    if options.out.exists():
        raise InputError(f"--out: {options.out} is there already: give another name")
    result = load(options.run_dir)
    try:
        states, assumed = initial_states(result, options)
        found = result.predict(states, options.steps, options.model)
    except InputError:
        raise
    except ValueError as error:
        raise InputError(str(error)) from error
    options.out.parent.mkdir(parents=True, exist_ok=True)
    with directories.replacing(options.out) as partial:
        found.to_netcdf(partial, engine="h5netcdf")
    for sentence in assumed:
        print(sentence)
    sizes = ", ".join(f"{name} {count}" for name, count in found.sizes.items())
    print(f"{options.out}: {sizes}, by the {found.attrs['model']} model")


def initial_states(
    result: Result, options: Options
) -> tuple[Float[np.ndarray, "... *shape channels"], list[str]]:
    """Return the state in a file, or several along a first axis, and what was assumed of units.

    Channels may have the names that they have in the recordings of the run.

    Raises:
        InputError: The file can't be read, or does not hold them.
    """
    recordings = Files(options.initial, group=options.group).read()
    known = replace(naming(result.experiment.sources.values()), given=options.units)
    try:
        if options.frame is not None:
            recordings = at_frame(recordings, options.frame)
        found, assumed = whole_states(recordings, result.experiment.physics.domain, known)
    except InputError as error:
        raise InputError(f"{options.initial}: {error}") from error
    return found if len(found) > 1 else found[0], assumed


if __name__ == "__main__":
    commandline.run(main)
