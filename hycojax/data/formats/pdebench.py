"""PDEBench's HDF5 layouts.

Source: M. Takamoto et al., "PDEBench: An Extensive Benchmark for Scientific Machine Learning",
NeurIPS 2022, with its generators of data.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from hycojax.data.formats.arrays import AXES
from hycojax.data.variables import NAMES
from hycojax.errors import InputError

if TYPE_CHECKING:
    import h5py
    import xarray as xr

#: What the simulations of incompressible flow hold, which have no places.
_FLOW = {"velocity", "particles", "t"}


def is_one(file: h5py.File) -> bool:
    """Return whether a file without named dimensions has one of the layouts."""
    names = set(file)
    alone = names == {"tensor"} or names >= _FLOW
    return has_samples(file) or alone or any(name.endswith("-coordinate") for name in names)


def has_samples(file: h5py.File) -> bool:
    """Return whether a file has a group a sample."""
    return bool(_samples(file))


def _samples(file: h5py.File) -> list[str]:
    return sorted(name for name in file if name.isdigit() and f"{name}/data" in file)


def read(path: Path, only: Collection[str]) -> list[xr.Dataset]:
    """Return the samples of a file.

    It has datasets `[sample, time, x, y, z]` beside `x-coordinate` and `t-coordinate`, as `tensor`
    or `density`; or a group a sample, with `data` `[time, x, y, channel]` and `grid`. Channels of
    `data`, and of a dataset that has an axis of them last, are called `data_0`, `data_1`, ..., or
    `data` if there is one.

    Args:
        path: The file.
        only: Names of the channels that are read; empty: all.

    Raises:
        InputError: A coordinate is missing; the message says how it is given.
    """
    import h5py  # loaded where a file is used

    with h5py.File(path, "r") as file:
        if samples := _samples(file):
            return [_group(name, file[name], only) for name in samples]
        return [_datasets(file, only)]


def _datasets(file: h5py.File, only: Collection[str]) -> xr.Dataset:
    """Return datasets beside their coordinates."""
    fields = {n: v for n, v in file.items() if hasattr(v, "shape") and not _is_axis(n)}
    space = [axis for axis in AXES if f"{axis}-coordinate" in file]
    axes = {axis: file[f"{axis}-coordinate"][...] for axis in space}
    for axis in ("x", "t"):
        if f"{axis}-coordinate" not in file:
            raise InputError(_missing(f"{axis}-coordinate", fields))
    times, variables = file["t-coordinate"][...], {}
    for name, dataset in fields.items():
        if not _is_read(name, only):
            continue
        dims = _dims(name, dataset.shape, axes, fields)
        times = _of_frames(times, dataset.shape[1]) if "time" in dims else times
        variables |= _channels(name, dims, dataset[...], only)
    return _checked(variables, {"time": times} | axes).assign_attrs({NAMES: list(fields)})


def _is_read(name: str, only: Collection[str]) -> bool:
    return not only or any(own == name or own.startswith(f"{name}_") for own in only)


def _is_axis(name: str) -> bool:
    return name.endswith("-coordinate") or name == "t"


def _dims(
    name: str,
    shape: tuple[int, ...],
    axes: Mapping[str, np.ndarray],
    fields: Mapping[str, h5py.Dataset],
) -> tuple[str, ...]:
    """Return the dimensions of a dataset: sample, time if it has them, space, channels if any.

    Channels are one, or the components of a vector: more cells along an axis are none.
    """
    lengths = tuple(map(len, axes.values()))
    for last in ((), ("channel",)) if shape[-1] in (1, len(axes)) else ((),):
        end = len(shape) - len(last)
        leading = end - len(lengths)
        if leading in (1, 2) and shape[leading:end] == lengths:
            return (*("simulation", "time")[:leading], *axes, *last)
    if len(axes) < len(AXES) and len(shape) - 2 > len(axes):
        raise InputError(_missing(f"{AXES[len(axes)]}-coordinate", fields))
    raise InputError(
        f"{name}: an array {shape} for sample, time, {', '.join(axes)}: there are "
        f"{', '.join(f'{len(values)} of {axis}' for axis, values in axes.items())}"
    )


def _group(name: str, group: h5py.Group, only: Collection[str]) -> xr.Dataset:
    """Return one sample, which is a group."""
    for part in ("grid/x", "grid/t"):
        if part not in group:
            raise InputError(_missing(f"{name}/{part}", {f"{name}/data": group["data"]}))
    data = group["data"][...]
    places = {axis: group[f"grid/{axis}"][...] for axis in AXES if f"grid/{axis}" in group}
    coordinates = {"time": _of_frames(group["grid/t"][...], len(data))} | places
    if data.ndim != len(coordinates) + 1:
        raise InputError(
            f"{name}/data: an array {data.shape} for {', '.join(coordinates)}, channel"
        )
    found = _channels("data", (*coordinates, "channel"), data, ())
    kept = {own: labelled for own, labelled in found.items() if not only or own in only}
    return _checked(kept, coordinates).assign_attrs({NAMES: list(found)})


def _channels(
    name: str, dims: tuple[str, ...], values: np.ndarray, only: Collection[str]
) -> dict[str, tuple]:
    """Return a variable for each channel of a dataset."""
    if dims[-1] != "channel":
        return {name: (dims, values)}
    count = values.shape[-1]
    names = [name] if count == 1 else [f"{name}_{i}" for i in range(count)]
    found = {own: (dims[:-1], values[..., i]) for i, own in enumerate(names)}
    return {own: labelled for own, labelled in found.items() if not only or own in only}


def _of_frames(times: np.ndarray, frames: int) -> np.ndarray:
    """Return the times of frames: some files name the end of the last step too."""
    return times[:-1] if len(times) == frames + 1 else times


def _missing(what: str, fields: Mapping[str, h5py.Dataset]) -> str:
    """Return a message on a coordinate that is missing, with a way to give it."""
    shapes = ", ".join(f"{name} {dataset.shape}" for name, dataset in fields.items())
    name = next(iter(fields), "tensor")
    return (
        f"{what} is missing, so nothing says where or when its values were taken ({shapes}): read "
        "it by h5py, and give hj.Recordings.from_xarray(xarray.Dataset({"
        f"{name!r}: (('simulation', 'time', 'x'), values)}}, {{'time': ..., 'x': ...}})), with "
        "'y', 'z' if it has them"
    )


def _checked(variables: dict[str, tuple], coordinates: dict[str, np.ndarray]) -> xr.Dataset:
    import xarray as xr  # loaded where a file is used

    lengths = {name: len(values) for name, values in coordinates.items()}
    for name, (dims, values) in variables.items():
        for dim, length in zip(dims, values.shape, strict=True):
            if length != lengths.get(dim, length):
                raise InputError(
                    f"{name}: {length} along {dim}, where it has {lengths[dim]} values"
                )
    return xr.Dataset(variables, coordinates)
