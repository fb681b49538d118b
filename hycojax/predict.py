"""python -m hycojax.predict RUN_DIR --initial FILE --steps N --out FILE.nc: what follows."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import tyro
from jaxtyping import Float

from hycojax import commandline
from hycojax.data.files import Files
from hycojax.data.recordings import Reading
from hycojax.data.states import at_frame, whole_states
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
    model: Literal["synthetic", "physical"] | None = None
    """Which model predicts; None: the network if it was trained, else the PDE."""


def main(arguments: list[str]) -> None:
    """Run the command."""
    options = tyro.cli(Options, args=arguments, prog="python -m hycojax.predict")
    if options.out.exists():
        raise InputError(f"--out: {options.out} is there already: give another name")
    result = load(options.run_dir)
    try:
        states = initial_states(result, options.initial, options.group, options.frame)
        found = result.predict(states, options.steps, options.model)
    except InputError:
        raise
    except ValueError as error:
        raise InputError(str(error)) from error
    options.out.parent.mkdir(parents=True, exist_ok=True)
    with directories.replacing(options.out) as partial:
        found.to_netcdf(partial, engine="h5netcdf")
    sizes = ", ".join(f"{name} {count}" for name, count in found.sizes.items())
    print(f"{options.out}: {sizes}, by the {found.attrs['model']} model")


def initial_states(
    result: Result, path: Path, group: str | None = None, frame: int | None = None
) -> Float[np.ndarray, "... *shape channels"]:
    """Return the state in a file, or several along a first axis.

    Channels may have the names that they have in the recordings of the run.

    Raises:
        InputError: The file can't be read, or does not hold them.
    """
    data = result.experiment.data
    known = (data.channels, data.units) if isinstance(data, Reading) else ({}, {})
    recordings = Files(path, group=group).read()
    try:
        recordings = recordings if frame is None else at_frame(recordings, frame)
        found = whole_states(recordings, result.experiment.physics.domain, *known)
    except InputError as error:
        raise InputError(f"{path}: {error}") from error
    return found if len(found) > 1 else found[0]


if __name__ == "__main__":
    commandline.run(main)
