"""Arrays by name, as in an `.npz` file or in HDF5 without dimensions."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from hycojax.data.formats import cf, tables
from hycojax.data.variables import NAMES
from hycojax.errors import InputError

if TYPE_CHECKING:
    import xarray as xr

AXES = ("x", "y", "z")
#: Bytes of an array that may be numbers of the simulations.
_SMALL = 2**16


def read(path: Path, only: Collection[str]) -> list[xr.Dataset]:
    """Return what an `.npz` file holds.

    Args:
        path: The file.
        only: Names of the channels that are read; empty: all.

    Raises:
        InputError: Its arrays do not tell what they are.
    """
    with np.load(path, allow_pickle=False) as file:
        small = [n for n in file.files if file.zip.getinfo(f"{n}.npy").file_size < _SMALL]
        data = labelled({name: file[name] for name in file.files if is_read(name, only)})
        data = _with_numbers(data, {n: file[n] for n in small if not is_read(n, only)})
        return [data.assign_attrs({NAMES: file.files})]


def read_hdf5(path: Path, only: Collection[str]) -> list[xr.Dataset]:
    """Return what an HDF5 file holds, whose arrays have no named dimensions.

    Raises:
        InputError: Its arrays do not tell what they are.
    """
    import h5py  # loaded where a file is used

    with h5py.File(path, "r") as file:
        every = {name: item for name, item in file.items() if isinstance(item, h5py.Dataset)}
        about = {name: cf.attributes(item) for name, item in every.items()}
        small = {n: v[...] for n, v in every.items() if v.ndim < 2 and not is_read(n, only)}
        data = labelled({n: item[...] for n, item in every.items() if is_read(n, only)})
    data = _with_numbers(data, small).assign_attrs({NAMES: list(every)})
    for name in data.variables:
        data[name].attrs |= about.get(str(name), {})
    return [cf.decoded(data)]


def _with_numbers(data: xr.Dataset, arrays: Mapping[str, np.ndarray]) -> xr.Dataset:
    """Return a Dataset with the arrays that are numbers, or one for each simulation."""
    count = data.sizes.get("simulation")
    for name, values in arrays.items():
        if values.dtype.kind in "iuf" and values.shape in ((), (count,)):
            data = data.assign({name: (("simulation",)[: values.ndim], values)})
    return data


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

    arrays = {n: tables.filled(v) for n, v in tables.with_time(arrays, arrays).items()}
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
    lengths = {n: _length(n, arrays[n]) for n in ("time", *space) if n in arrays}
    lengths = {name: length for name, length in lengths.items() if length is not None}
    films = {v.shape[0] for n, v in arrays.items() if n not in lengths and v.ndim == len(space) + 2}
    lengths |= {"simulation": films.pop()} if len(films) == 1 else {}
    variables = {n: (_dims(n, v.shape, lengths, tuple(space)), v) for n, v in arrays.items()}
    try:
        return xr.Dataset(variables)
    except ValueError as error:
        raise InputError(f"the arrays do not belong together: {error}") from error


def _length(name: str, values: np.ndarray) -> int | None:
    """Return the number of values of a coordinate; None: it is the time of one frame.

    Raises:
        InputError: It has no axis of its own, as the places that `meshgrid` makes.
    """
    if not values.ndim and name == "time":
        return None
    if values.ndim != 1:
        raise InputError(
            f"{name}: an array {values.shape}, where one of the coordinate along its own axis is "
            "needed, as numpy.meshgrid takes it"
        )
    return len(values)


def _dims(
    name: str, shape: tuple[int, ...], lengths: Mapping[str, int], space: tuple[str, ...]
) -> tuple[str, ...]:
    """Return the dimensions of an array: those whose lengths it has.

    Raises:
        InputError: It may lie along others as well, or has no such lengths.
    """
    if name in (*lengths, "simulation") and len(shape) == 1:
        return (name,)
    leading = ((), ("time",), ("simulation",), ("simulation", "time"))
    found = [own for own in (*leading, *((*d, *space) for d in leading)) if len(own) == len(shape)]
    found = [d for d in found if all(n == lengths.get(a, n) for n, a in zip(shape, d, strict=True))]
    if "simulation" not in lengths:  # of one simulation, unless nothing else fits
        found = [own for own in found if "simulation" not in own] or found
    if len(found) == 1:
        return found[0]
    told = ", ".join(f"{n} of {axis}" for axis, n in lengths.items())
    if found:
        either = " or ".join(f"({', '.join(own)})" for own in found)
        raise InputError(
            f"{name}: an array {shape} may lie along {either}, as there are {told}: name its "
            "dimensions in a Dataset, or store a NetCDF file"
        )
    raise InputError(
        f"{name}: an array {shape} does not lie along (simulation, time, {', '.join(space)}): "
        f"there are {told}"
    )
