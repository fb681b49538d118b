"""Simulations on disk: an HDF5 file which knows where its numbers come from."""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float

from hycojax.errors import InputError

Simulations = dict[str, Float[np.ndarray, "simulation time *shape channels"]]


def digest(provenance: dict[str, Any]) -> str:
    """Return a short name for a provenance: equal if and only if the provenance is."""
    return hashlib.sha256(_canonical(provenance).encode()).hexdigest()[:10]


def write(path: Path, simulations: Simulations, provenance: dict[str, Any]) -> None:
    """Write simulations with their provenance. A killed process leaves no half of a file."""
    import h5py  # loaded where a file is used

    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with h5py.File(partial, "w") as file:
            file.attrs["provenance"] = _canonical(provenance)
            for role, trajectories in simulations.items():
                dataset = file.create_dataset(role, data=trajectories)
                dataset.attrs["axes"] = "simulation, time, space..., channel"
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


def read(path: Path, provenance: dict[str, Any]) -> Simulations | None:
    """Return the simulations in a file; None if there is none or its provenance is another.

    Raises:
        InputError: The file can't be read, or its numbers are not finite.
    """
    if not path.exists():
        return None
    found, simulations = _read(path)
    return simulations if found == _canonical(provenance) else None


def read_all(path: Path) -> Simulations:
    """Return the simulations in a file, whatever their provenance.

    Raises:
        InputError: There is no file, it can't be read, or its numbers are not finite.
    """
    if not path.exists():
        raise InputError(f"there is no file {path}")
    return _read(path)[1]


def _read(path: Path) -> tuple[str, Simulations]:
    import h5py

    try:
        with h5py.File(path, "r") as file:
            provenance = file.attrs["provenance"]
            simulations = {role: file[role][...] for role in file}
    except (OSError, KeyError) as error:
        raise InputError(
            f"{path} can't be read as simulations: it is empty, truncated or of another kind "
            f"({error})"
        ) from error
    for role, trajectories in simulations.items():
        if not np.isfinite(trajectories).all():
            raise InputError(f"{path}: {role} holds values that are not finite numbers")
    return provenance, simulations


def _canonical(provenance: dict[str, Any]) -> str:
    return json.dumps(provenance, sort_keys=True)
