"""States as labelled data: an xarray Dataset with a variable for each channel, and back.

Dimensions are `simulation`, `time` and `x`, `y`, `z`; a component of a staggered vector lies on
lower faces, along a dimension of their own: `x_face`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import Float

from hycojax.data import units
from hycojax.errors import InputError
from hycojax.grid.domain import Channel, Domain, Grid
from hycojax.kernels.precision import real

if TYPE_CHECKING:
    import xarray as xr

AXES = ("x", "y", "z")


def to_xarray(
    grid: Grid, interval: float, values: Float[np.ndarray, "... channels"], first: float = 0.0
) -> xr.Dataset:
    """Return states `[*shape, channels]`, trajectories or data sets of them as a Dataset.

    Args:
        grid: Where they live, with their channels.
        interval: Time between frames, in seconds.
        values: Of a state, with an axis of time before, and one of simulations before that.
        first: Time of the first frame, in seconds.
    """
    import xarray as xr  # loaded where a file is used

    leading = ("simulation", "time")[2 - (np.ndim(values) - grid.dims - 1) :]
    variables = {
        channel.name: (
            (*leading, *dimensions(grid, channel.face)),
            np.asarray(values[..., i]),
            {"units": channel.unit} | ({"static": "true"} if channel.static else {}),
        )
        for i, channel in enumerate(grid.channels)
    }
    coordinates = _coordinates(grid, {channel.face for channel in grid.channels})
    if "time" in leading:
        frames = np.shape(values)[len(leading) - 1]
        coordinates["time"] = ("time", first + interval * np.arange(frames), {"units": "s"})
    return xr.Dataset(variables, coordinates)


def from_xarray(grid: Grid, data: xr.Dataset) -> Float[np.ndarray, "... channels"]:
    """Return the array of a Dataset that has a variable for each channel, in the channels' units.

    Raises:
        InputError: A channel is missing, is not on this grid, or in a unit that does not convert.
    """
    parts, leading = [], ("simulation", "time")
    for channel in grid.channels:
        if channel.name not in data:
            found = ", ".join(map(str, data.data_vars))
            raise InputError(f"{channel.name} is missing: the data have {found}")
        space = dimensions(grid, channel.face)
        own = data[channel.name]
        if set(own.dims) - set(leading) != set(space):
            raise InputError(f"{channel.name}: it lies along {own.dims}, but {space} are needed")
        own = own.transpose(*leading, *space, missing_dims="ignore")
        if own.shape[-grid.dims :] != grid.shape:
            raise InputError(f"{channel.name}: {own.shape} values for {grid.shape} cells")
        parts.append(_in_unit(own, channel))
    return np.stack(parts, axis=-1).astype(real())


def _in_unit(own: xr.DataArray, channel: Channel) -> np.ndarray:
    """Return values in the unit of a channel, which is assumed where none is given."""
    unit = str(own.attrs.get("units", channel.unit))
    try:
        return units.convert(own.values, unit, channel.unit)
    except InputError as error:
        raise InputError(f"{channel.name}: {error}") from error


def states(grid: Grid, given: Any) -> Float[np.ndarray, "... channels"]:
    """Return initial states, one or several, from an array or a Dataset of them.

    Raises:
        InputError: They are not on this grid, or have an axis of time with several frames.
    """
    if hasattr(given, "data_vars"):
        frames = given.sizes.get("time", 1)
        if frames != 1:
            raise InputError(f"{frames} frames were given as an initial state: choose one of them")
        return from_xarray(grid, given.isel(time=0) if "time" in given.dims else given)
    values = np.asarray(given)
    wanted = (*grid.shape, len(grid.channels))
    if values.shape[-len(wanted) :] != wanted or values.ndim > len(wanted) + 1:
        raise InputError(f"initial: an array {wanted} is needed, or several, not {values.shape}")
    return values.astype(real())


def field(domain: Domain, values: Float[np.ndarray, "*shape"], unit: str) -> xr.DataArray:
    """Return a field, or a number, as a DataArray."""
    import xarray as xr

    if np.ndim(values) == 0:
        return xr.DataArray(np.asarray(values), attrs={"units": unit})
    coordinates = _coordinates(domain, {None})
    return xr.DataArray(np.asarray(values), coordinates, AXES[: domain.dims], attrs={"units": unit})


def dimensions(domain: Domain, face: int | None) -> tuple[str, ...]:
    """Return the names of the space axes of cell values, or of those on faces across an axis."""
    return tuple(f"{a}_face" if i == face else a for i, a in enumerate(AXES[: domain.dims]))


def _coordinates(domain: Domain, faces: set[int | None]) -> dict[str, tuple]:
    pairs = zip(AXES, domain.shape, domain.dx, strict=False)
    found = {}
    for axis, (name, cells, dx) in enumerate(pairs):
        corner = domain.corner[axis]
        found[name] = (name, corner + dx * (np.arange(cells) + 0.5), {"units": "m"})
        if axis in faces:
            places = corner + dx * np.arange(cells)
            found[f"{name}_face"] = (f"{name}_face", places, {"units": "m"})
    return found
