"""PDEBench's HDF5 layouts.

Source: M. Takamoto et al., "PDEBench: An Extensive Benchmark for Scientific Machine Learning",
NeurIPS 2022, with its generators of data.
"""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from hycojax.data.formats.arrays import AXES
from hycojax.errors import InputError

if TYPE_CHECKING:
    import h5py
    import xarray as xr


def read(path: Path, only: Collection[str]) -> list[xr.Dataset]:
    """Return the samples of a file.

    It has datasets `[sample, time, x, y, z]` beside `x-coordinate` and `t-coordinate`, as `tensor`
    or `density`; or a group a sample, with `data` `[time, x, y, channel]` and `grid`. Channels of
    `data` are called `data_0`, `data_1`, ..., or `data` if there is one.

    Args:
        path: The file.
        only: Names of the channels that are read; empty: all.

    Raises:
        InputError: A coordinate is missing.
    """
    import h5py  # loaded where a file is used

    with h5py.File(path, "r") as file:
        if "x-coordinate" in file:
            return [_datasets(file, only)]
        return [_group(name, file[name]) for name in sorted(file) if name.isdigit()]


def _datasets(file: h5py.File, only: Collection[str]) -> xr.Dataset:
    """Return datasets beside their coordinates."""
    import xarray as xr

    if "t-coordinate" not in file:
        raise InputError("t-coordinate is missing: the file has no times")
    space = [axis for axis in AXES if f"{axis}-coordinate" in file]
    places = {axis: file[f"{axis}-coordinate"][...] for axis in space}
    times = file["t-coordinate"][...]
    variables = {}
    for name, dataset in file.items():
        if name.endswith("-coordinate") or (only and name not in only):
            continue
        leading = ("simulation", "time")[: dataset.ndim - len(space)]
        if dataset.ndim - len(space) not in (1, 2):
            raise InputError(
                f"{name}: an array {dataset.shape} for sample, time, {', '.join(space)}"
            )
        times = _of_frames(times, dataset.shape[1]) if len(leading) == 2 else times
        variables[name] = ((*leading, *space), dataset[...])
    return _checked(xr, variables, {"time": times} | places)


def _group(name: str, group: h5py.Group) -> xr.Dataset:
    """Return one sample, which is a group."""
    import xarray as xr

    for part in ("data", "grid/x", "grid/t"):
        if part not in group:
            raise InputError(f"{name}/{part} is missing")
    data = group["data"][...]
    places = {axis: group[f"grid/{axis}"][...] for axis in AXES if f"grid/{axis}" in group}
    coordinates = {"time": _of_frames(group["grid/t"][...], len(data))} | places
    if data.ndim != len(coordinates) + 1:
        raise InputError(
            f"{name}/data: an array {data.shape} for {', '.join(coordinates)}, channel"
        )
    channels = range(data.shape[-1])
    names = ["data"] if len(channels) == 1 else [f"data_{i}" for i in channels]
    variables = {own: (tuple(coordinates), data[..., i]) for i, own in enumerate(names)}
    return _checked(xr, variables, coordinates)


def _of_frames(times: np.ndarray, frames: int) -> np.ndarray:
    """Return the times of frames: some files name the end of the last step too."""
    return times[:-1] if len(times) == frames + 1 else times


def _checked(xr, variables: dict[str, tuple], coordinates: dict[str, np.ndarray]) -> xr.Dataset:
    lengths = {name: len(values) for name, values in coordinates.items()}
    for name, (dims, values) in variables.items():
        for dim, length in zip(dims, values.shape, strict=True):
            if length != lengths.get(dim, length):
                raise InputError(
                    f"{name}: {length} along {dim}, where it has {lengths[dim]} values"
                )
    return xr.Dataset(variables, coordinates)
