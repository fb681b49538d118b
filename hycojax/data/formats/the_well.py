"""The Well's HDF5 layout: simulations on uniform grids, by rank of the fields.

Source: R. Ohana et al., "The Well: a Large-Scale Collection of Diverse Physics Simulations for
Machine Learning", NeurIPS 2024, with the description of its format.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Collection
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from hycojax.data.formats.arrays import AXES
from hycojax.data.variables import ABOUT, NAMES
from hycojax.errors import InputError

if TYPE_CHECKING:
    import h5py
    import xarray as xr

_RANKS = ("t0_fields", "t1_fields", "t2_fields")


def read(path: Path, only: Collection[str]) -> list[xr.Dataset]:
    """Return the fields of all trajectories. Components of a vector are `NAME_x`, `NAME_y`, ...

    Constant scalars are known numbers. How the box ends is said in the attribute `ABOUT`.

    Args:
        path: The file.
        only: Names of the channels that are read; empty: all.

    Raises:
        InputError: The grid is not Cartesian, or a part is missing.
    """
    import h5py  # loaded where a file is used
    import xarray as xr

    with h5py.File(path, "r") as file:
        space = _axes(file)
        coordinates = _coordinates(file, space)
        variables, names = _scalars(file, coordinates), []
        for rank, group in enumerate(_RANKS):
            for name, field in file.get(group, {}).items():
                own = _names(name, rank, coordinates)
                names += own
                if not only or set(own) & set(only):
                    variables |= _components(own, field, coordinates, only)
        about = {ABOUT: json.dumps(_boundaries(file, space)), NAMES: names}
    return [xr.Dataset(variables, coordinates, about)]


def _names(name: str, rank: int, coordinates: dict[str, tuple]) -> list[str]:
    """Return the names of a field's components."""
    space = [axis for axis in AXES if axis in coordinates]
    ends = ["".join(axes) for axes in itertools.product(space, repeat=rank)]
    return [f"{name}_{end}" if end else name for end in ends]


def _boundaries(file: h5py.File, space: list[str]) -> dict[str, list[str]]:
    """Return how the box ends along each axis, and sentences on what stands inside it."""
    ends: dict[str, dict[str, None]] = {axis: {} for axis in space}
    inside = []
    for name, group in file.get("boundary_conditions", {}).items():
        kind = _text(group.attrs.get("bc_type", "")).lower()
        dims = [_text(dim) for dim in np.atleast_1d(group.attrs.get("associated_dims", space))]
        mask = _mask(name, group, dims)
        reached = [d for i, d in enumerate(dims) if d in ends and _reaches(mask, i)]
        for axis in reached:
            ends[axis][kind] = None
        if kind and dims and not reached:
            inside.append(f"{name}: boundaries inside the box ({kind}): models have none")
    found = [" and ".join(filter(None, kinds)) for kinds in ends.values()]
    return {"boundary": found if any(found) else []} | ({"left_out": inside} if inside else {})


def _mask(name: str, group: h5py.Group, dims: list[str]) -> np.ndarray | None:
    """Return where a boundary is, of the first trajectory and time; None: on all sides."""
    if "mask" not in group:
        return None
    mask = group["mask"][...].astype(bool)
    if not mask.size or mask.ndim < len(dims):
        raise InputError(f"{name}: a mask {mask.shape} for {', '.join(dims)}")
    return mask.reshape(-1, *mask.shape[mask.ndim - len(dims) :])[0]


def _reaches(mask: np.ndarray | None, axis: int) -> bool:
    """Return whether a boundary is one of the two sides across an axis."""
    return mask is None or any(np.take(mask, end, axis).all() for end in (0, -1))


def _axes(file: h5py.File) -> list[str]:
    """Return the names of the axes of space in the file."""
    kind = _text(file.attrs.get("grid_type", "cartesian"))
    if kind != "cartesian":
        raise InputError(f"its grid is {kind}: only Cartesian ones can be read")
    names = file["dimensions"].attrs.get("spatial_dims")
    if names is None:
        raise InputError("dimensions has no attribute spatial_dims")
    return [_text(name) for name in np.atleast_1d(names)]


def _text(value: Any) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)


def _coordinates(file: h5py.File, space: list[str]) -> dict[str, tuple]:
    """Return times and places; those that differ by trajectory lie along it too."""
    found = {}
    for name, own in zip(("time", *space), ("time", *AXES), strict=False):
        if name not in file["dimensions"]:
            raise InputError(f"dimensions/{name} is missing")
        values = file["dimensions"][name][...]
        units = file["dimensions"][name].attrs.get("units")
        dims = (own,) if values.ndim == 1 else ("simulation", f"along_{own}")
        found[own] = (dims, values, {} if units is None else {"units": _text(units)})
    return found


def _scalars(file: h5py.File, coordinates: dict[str, tuple]) -> dict[str, tuple]:
    """Return the scalars: numbers, by trajectory and time if they vary with these."""
    found = {}
    for name, scalar in file.get("scalars", {}).items():
        values = np.atleast_1d(scalar[...])
        runs = bool(scalar.attrs.get("time_varying", False))
        varies = scalar.attrs.get("sample_varying", values.size > 1 and not runs)
        dims = (*(["simulation"] if varies else []), *(coordinates["time"][0][-1:] if runs else []))
        found[name] = (dims, values if dims else values[0])
    return found


def _components(
    names: list[str], field: h5py.Dataset, coordinates: dict[str, tuple], only: Collection[str]
) -> dict[str, tuple]:
    """Return the components of a field, a variable each."""
    space = [axis for axis in AXES if axis in coordinates]
    varies = [bool(v) for v in field.attrs.get("dim_varying", [True] * len(space))]
    dims = ["simulation"] if field.attrs.get("sample_varying", True) else []
    dims += [coordinates["time"][0][-1]] if field.attrs.get("time_varying", True) else []
    dims += [coordinates[axis][0][-1] for axis, own in zip(space, varies, strict=True) if own]
    values = field[...]
    parts = values.reshape(*values.shape[: len(dims)], -1)
    if parts.shape[-1] != len(names) or parts.ndim != len(dims) + 1:
        raise InputError(
            f"{names[0]}: an array {values.shape} for {', '.join(dims)} and its components"
        )
    known = {own: found.shape[-1] for (*_, own), found, _ in coordinates.values()}
    for dim, length in zip(dims, values.shape, strict=False):
        if length != known.get(dim, length):
            raise InputError(f"{names[0]}: {length} along {dim}, where it has {known[dim]} values")
    units = {"units": _text(field.attrs["units"])} if "units" in field.attrs else {}
    whole = [_whole(parts[..., i], dims, varies, space, coordinates) for i in range(len(names))]
    return {
        own: (*part, units)
        for own, part in zip(names, whole, strict=True)
        if not only or own in only
    }


def _whole(
    values: np.ndarray,
    dims: list[str],
    varies: list[bool],
    space: list[str],
    coordinates: dict[str, tuple],
) -> tuple[tuple[str, ...], np.ndarray]:
    """Return a field with all axes of space; it is the same along those that it does not have."""
    leading = len(dims) - sum(varies)
    lengths = [coordinates[axis][1].shape[-1] for axis in space]
    for axis, own in enumerate(varies):
        if not own:
            values = np.expand_dims(values, leading + axis)
    names = [coordinates[axis][0][-1] for axis in space]
    whole = np.broadcast_to(values, (*values.shape[:leading], *lengths))
    return (*dims[:leading], *names), whole
