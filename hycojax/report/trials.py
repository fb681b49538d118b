"""What models are tried on, and what they predict of it, as a NetCDF file that stands alone."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from hycojax.data import labelled
from hycojax.data.observations import Dense, First, Part, Rows
from hycojax.errors import InputError
from hycojax.grid.domain import Grid, Holding
from hycojax.kernels.precision import real
from hycojax.report.evaluation import Trial
from hycojax.run import directory as directories

if TYPE_CHECKING:
    import xarray as xr

_PARTS = {"dense": Dense, "rows": Rows}
_VIEW = "seen_by_"
_HOLDINGS = ("points", "holding")


def write(
    path: Path,
    grid: Grid,
    interval: float,
    tried: dict[str, Trial],
    predicted: dict[str, dict[str, np.ndarray]],
) -> None:
    """Write what models are tried on, and what they predict of it by player and trial.

    Groups of a NetCDF file: "recorded", "test" or "held_out", and in each `truth` or `part_0`, ...,
    `first`, and the players; `seen_by_NAME` if players have learned from different recordings.
    """
    import xarray as xr

    groups: dict[str, xr.Dataset] = {}
    for kind, trial in tried.items():
        groups |= _groups(f"/{kind}", trial)
        if trial.truth is not None:
            groups[f"/{kind}/truth"] = labelled.to_xarray(grid, interval, trial.truth)
        for name, own in predicted.items():
            if kind in own:
                groups[f"/{kind}/{name}"] = labelled.to_xarray(grid, interval, own[kind])
    tree = xr.DataTree.from_dict(groups)
    with directories.replacing(path) as partial:
        tree.to_netcdf(partial, engine="h5netcdf")


def _groups(path: str, trial: Trial) -> dict[str, xr.Dataset]:
    """Return the groups of a trial, and in it those of what each player knows."""
    import xarray as xr

    about = {"steps": trial.steps, "noise": trial.noise}
    about |= {"trained": int(trial.trained), "sure": int(trial.sure)}
    found = {path: xr.Dataset(attrs=about), f"{path}/first": _plain(trial.first)}
    found[f"{path}/about"] = _arrays({"scale": trial.scale, "mask": trial.mask})
    found |= {f"{path}/part_{i}": _plain(part) for i, part in enumerate(trial.parts)}
    for name, view in trial.views.items():
        found |= _groups(f"{path}/{_VIEW}{name}", view)
    return found


def read(path: Path, grid: Grid) -> dict[str, Trial]:
    """Return what a run's models are tried on.

    Raises:
        InputError: The file is missing or damaged.
    """
    import xarray as xr

    try:
        with xr.open_datatree(path, engine="h5netcdf") as tree:
            return {kind: _trial(grid, group) for kind, group in tree.children.items()}
    except (OSError, KeyError, ValueError) as error:
        raise InputError(f"{path} can't be read: {error}") from error


def _trial(grid: Grid, group: Any) -> Trial:
    children = {name: child.to_dataset() for name, child in group.children.items()}
    views = {
        name.removeprefix(_VIEW): _trial(grid, child)
        for name, child in group.children.items()
        if name.startswith(_VIEW)
    }
    about = children["about"]
    truth = children.get("truth")
    numbers = sum(name.startswith("part_") for name in children)
    mask = about["mask"].values.astype(bool) if "mask" in about else None
    return Trial(
        first=_built(First, children["first"]),
        steps=int(group.attrs["steps"]),
        scale=_real(about["scale"].values),
        noise=float(group.attrs["noise"]),
        truth=None if truth is None else labelled.from_xarray(grid, truth),
        parts=tuple(_part(children[f"part_{i}"]) for i in range(numbers)),
        mask=mask,
        trained=bool(group.attrs["trained"]),
        sure=bool(group.attrs["sure"]),
        views=views,
    )


def _part(data: xr.Dataset) -> Part:
    return _built(_PARTS[data.attrs["class"]], data)


def _plain(value: First | Part) -> xr.Dataset:
    """Return the arrays of a pytree as variables, and its other fields as attributes."""
    fields = {f.name: getattr(value, f.name) for f in dataclasses.fields(value)}
    arrays, about = {}, {"class": type(value).__name__.lower()}
    for name, own in fields.items():
        if name == "ties":
            about[name] = [number for tie in own for number in tie]
        elif isinstance(own, Holding):
            about[name] = json.dumps(dataclasses.asdict(own))
        elif isinstance(own, tuple):
            arrays |= {f"{name}_{i}": a for i, a in enumerate(own)}
        elif own is None or isinstance(own, str | int | float):
            about |= {} if own is None else {name: own}
        else:
            arrays[name] = own
    return _arrays(arrays).assign_attrs(about)


def _built(kind: type, data: xr.Dataset) -> Any:
    """Return the pytree that `_plain` has written."""
    fields: dict[str, Any] = {}
    for field in dataclasses.fields(kind):
        name = field.name
        if name == "ties":
            fields[name] = _ties(np.atleast_1d(data.attrs.get(name, [])))
        elif name in _HOLDINGS and name in data.attrs:
            fields[name] = _holding(json.loads(data.attrs[name]))
        elif f"{name}_0" in data:
            count = sum(str(v).startswith(f"{name}_") for v in data)
            fields[name] = tuple(_real(data[f"{name}_{i}"].values) for i in range(count))
        elif name in data:
            values = data[name].values
            fields[name] = values.astype(bool) if name in ("seen", "measured") else _real(values)
        elif name in data.attrs:
            own = data.attrs[name]
            fields[name] = own.item() if hasattr(own, "item") else own
        elif field.default is dataclasses.MISSING:
            raise KeyError(name)
    return kind(**fields)


def _real(values: np.ndarray) -> np.ndarray:
    """Return numbers in the precision at hand, and indices as they are."""
    return values.astype(real()) if values.dtype.kind == "f" else values


def _ties(flat: np.ndarray) -> tuple[tuple[int, int, float, float], ...]:
    rows = np.reshape(flat, (-1, 4)).tolist()
    return tuple((int(a), int(b), float(c), float(d)) for a, b, c, d in rows)


def _holding(told: dict[str, Any]) -> Holding:
    return Holding(tuple(tuple(own) for own in told["means"]), told["closed"])


def _arrays(arrays: dict[str, np.ndarray | None]) -> xr.Dataset:
    import xarray as xr

    found = {n: np.asarray(a) for n, a in arrays.items() if a is not None}
    found = {n: a.astype(np.int8) if a.dtype == bool else a for n, a in found.items()}
    return xr.Dataset({n: ([f"{n}_{i}" for i in range(a.ndim)], a) for n, a in found.items()})
