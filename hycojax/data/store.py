"""Simulations on disk: a NetCDF file that `hj.Files` reads too, and that knows where it comes from.

A group for each role, a variable for each channel. Checksums tell what has changed: one of each
chunk (fletcher32), and one of the file (SHA-256) at its end, which HDF5 does not read: of a damaged
file HDF5 may make other numbers, or never come back.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import Float

from hycojax.data import labelled
from hycojax.errors import InputError
from hycojax.grid.domain import Grid

if TYPE_CHECKING:
    import xarray as xr

Simulations = dict[str, Float[np.ndarray, "simulation time *shape channels"]]

ROLES = ("training", "validation", "test")
#: Attribute of the file, and what stands before the checksum at its end.
_ORIGIN, _MARK = "provenance", b"\nsha256:"


def digest(provenance: dict[str, Any]) -> str:
    """Return a short name for a provenance: equal if and only if the provenance is."""
    return hashlib.sha256(_canonical(provenance).encode()).hexdigest()[:10]


def write(
    path: Path, simulations: Simulations, provenance: dict[str, Any], grid: Grid, interval: float
) -> None:
    """Write simulations with their provenance.

    The file is made in memory first: a full disk is an OSError, and no crash of the library. A
    killed process leaves no half of a file.

    Args:
        path: Where to.
        simulations: By role.
        provenance: What decided the numbers.
        grid: Where they live, with their channels.
        interval: Time between frames, in seconds.
    """
    import xarray as xr  # loaded where a file is used

    groups = {f"/{role}": labelled.to_xarray(grid, interval, v) for role, v in simulations.items()}
    about = xr.Dataset(attrs={_ORIGIN: _canonical(provenance)})
    tree = xr.DataTree.from_dict({"/": about, **groups})
    checked = {role: {v: {"fletcher32": True} for v in own} for role, own in groups.items()}
    content = tree.to_netcdf(None, engine="h5netcdf", encoding=checked)
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with partial.open("wb") as file:
            file.write(content)
            file.write(_MARK + hashlib.sha256(content).hexdigest().encode())
            file.flush()
            os.fsync(file.fileno())
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


def read(path: Path, provenance: dict[str, Any], grid: Grid) -> Simulations | None:
    """Return the simulations in a file; None if there is none or its provenance is another.

    Raises:
        InputError: The file can't be read, or is damaged.
    """
    if not path.exists():
        return None
    found, simulations = _read(path, grid)
    return simulations if found == _canonical(provenance) else None


def read_all(path: Path, grid: Grid) -> Simulations:
    """Return the simulations in a file, whatever their provenance.

    Raises:
        InputError: There is no file, it can't be read, is damaged, or lies on another grid.
    """
    if not path.exists():
        raise InputError(f"there is no file {path}")
    return _read(path, grid)[1]


def _read(path: Path, grid: Grid) -> tuple[str, Simulations]:
    import xarray as xr

    if path.is_dir():
        raise InputError(f"{path} is a directory: simulations are a file")
    content, mark, checksum = path.read_bytes().rpartition(_MARK)
    if not mark:
        raise InputError(
            f"{path} can't be read as simulations: it is empty, truncated or was not written by "
            "hycojax.generate"
        )
    if hashlib.sha256(content).hexdigest().encode() != checksum:
        raise InputError(f"{path} is damaged: its content is not what was written")
    try:
        with xr.open_datatree(io.BytesIO(content), engine="h5netcdf") as tree:
            provenance = tree.attrs[_ORIGIN]
            groups = {role: group.to_dataset().load() for role, group in tree.children.items()}
    except (OSError, KeyError, ValueError, RuntimeError, EOFError) as error:
        raise InputError(
            f"{path} can't be read as simulations: it is of another kind ({error})"
        ) from error
    return provenance, _checked(path, groups, grid)


def _checked(path: Path, groups: dict[str, xr.Dataset], grid: Grid) -> Simulations:
    """Return the arrays of the roles.

    Raises:
        InputError: They are none, lie on another grid, or are not finite.
    """
    try:
        found = {role: labelled.from_xarray(grid, groups[role]) for role in ROLES if role in groups}
    except InputError as error:
        raise InputError(f"{path}: {error}") from error
    if set(groups) != set(found):
        others = ", ".join(sorted(set(groups) - set(found)))
        raise InputError(f"{path}: it holds {others}, where {', '.join(ROLES)} are simulations")
    for role, trajectories in found.items():
        if not np.isfinite(trajectories).all():
            raise InputError(f"{path}: {role} holds values that are not finite numbers")
    return found


def _canonical(provenance: dict[str, Any]) -> str:
    return json.dumps(provenance, sort_keys=True)
