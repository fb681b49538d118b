"""Arrays by name, as in an `.npz` file or in HDF5 without dimensions."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from hycojax.data.formats import tables
from hycojax.data.variables import NAMES
from hycojax.errors import InputError

if TYPE_CHECKING:
    import xarray as xr

AXES = ("x", "y", "z")


def read(path: Path, only: Collection[str]) -> list[xr.Dataset]:
    """Return what an `.npz` file holds.

    Args:
        path: The file.
        only: Names of the channels that are read; empty: all.

    Raises:
        InputError: Its arrays do not tell what they are.
    """
    with np.load(path, allow_pickle=False) as file:
        found = labelled({name: file[name] for name in file.files if is_read(name, only)})
        return [found.assign_attrs({NAMES: file.files})]


def read_hdf5(path: Path, only: Collection[str]) -> list[xr.Dataset]:
    """Return what an HDF5 file holds, whose arrays have no named dimensions.

    Raises:
        InputError: Its arrays do not tell what they are.
    """
    import h5py  # loaded where a file is used

    with h5py.File(path, "r") as file:
        found = {n: v for n, v in file.items() if isinstance(v, h5py.Dataset) and is_read(n, only)}
        units = {n: v.attrs["units"] for n, v in found.items() if "units" in v.attrs}
        data = labelled({name: values[...] for name, values in found.items()})
        data.attrs[NAMES] = [n for n, v in file.items() if isinstance(v, h5py.Dataset)]
    for name, unit in units.items():
        data[name].attrs["units"] = unit
    return [data]


def is_read(name: str, only: Collection[str]) -> bool:
    """Return whether a variable is one that is wanted, or tells of one."""
    return not only or name in only or name.removesuffix("_sigma") in only or name in _COORDINATES


_COORDINATES = ("time", "t", *AXES, "simulation")


def labelled(arrays: Mapping[str, Any]) -> xr.Dataset:
    """Return arrays as a Dataset.

    Coordinates are `time` and `x`, `y`, `z`. Other arrays lie along (simulation, time, x, y, z) in
    this order; they may lack the first, or the first two. If all are rows of one length, they are
    a table with a measurement a row.

    Raises:
        InputError: A coordinate is missing, or an array does not lie along them.
    """
    import xarray as xr

    arrays = {name: np.asarray(values) for name, values in tables.with_time(arrays).items()}
    rows = {values.shape for values in arrays.values() if values.ndim}
    if len(rows) == 1 and len(next(iter(rows))) == 1 and {"time", "x"} <= set(arrays):
        return tables.labelled({n: v for n, v in arrays.items() if v.ndim})
    space = [axis for axis in AXES if axis in arrays]
    if not space or space != list(AXES[: len(space)]):
        missing = next(axis for axis in AXES if axis not in arrays)
        raise InputError(
            f"the array {missing} with places along an axis is missing: there are "
            f"{', '.join(arrays)}"
        )
    lengths = {name: len(arrays[name]) for name in ("time", *space) if name in arrays}
    variables = {
        name: (_dims(name, values.shape, lengths, space), values) for name, values in arrays.items()
    }
    return xr.Dataset(variables)


def _dims(
    name: str, shape: tuple[int, ...], lengths: Mapping[str, int], space: list[str]
) -> tuple[str, ...]:
    """Return the dimensions of an array: those of space last, as far as its lengths are theirs."""
    if name in lengths:
        return (name,)
    if len(shape) < 2 and (len(shape) < len(space) or shape != (lengths["x"],)):
        return ("simulation",)[: len(shape)]
    leading = shape[: len(shape) - len(space)]
    own = {0: (), 2: ("simulation", "time")}.get(len(leading))
    if len(leading) == 1:
        own = ("time",) if leading[0] == lengths.get("time") else ("simulation",)
    dims = None if own is None else (*own, *space)
    if dims is None or any(n != lengths.get(d, n) for n, d in zip(shape, dims, strict=True)):
        told = ", ".join(f"{n} of {axis}" for axis, n in lengths.items())
        raise InputError(
            f"{name}: an array {shape} does not lie along (simulation, time, {', '.join(space)}): "
            f"there are {told}"
        )
    return dims
