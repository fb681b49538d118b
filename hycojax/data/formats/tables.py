"""Tables with a measurement a row: CSV, and what is like it in Python."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from hycojax.errors import InputError

if TYPE_CHECKING:
    import xarray as xr

_COORDINATES = ("time", "x", "y", "z", "simulation")
#: The name of a column with its unit: "temperature [K]", "time (ms)".
_WITH_UNIT = re.compile(r"(.*?)\s*[\[(]([^\])]*)[\])]\s*")
_SEPARATORS = (",", ";", "\t")


def read(path: Path) -> list[xr.Dataset]:
    """Return the measurements of a CSV file; the line of names may give units: "x [cm]".

    Raises:
        InputError: It is no table of numbers, or columns are missing.
    """
    import pandas as pd  # loaded where a file is used

    with path.open(encoding="utf-8-sig") as file:
        first = next((line for line in file if line.strip() and not line.startswith("#")), "")
        separator = max(_SEPARATORS, key=first.count)
        _check_once([name.strip() for name in first.split(separator)])
        point = "," if separator == ";" and any("," in line for line in file) else "."
    try:
        options = {"comment": "#", "skipinitialspace": True, "encoding": "utf-8-sig"}
        table = pd.read_csv(path, sep=separator, decimal=point, **options)
    except (pd.errors.ParserError, pd.errors.EmptyDataError) as error:
        raise InputError(f"it is no table: {error}") from error
    return [labelled(table)]


def labelled(table: Any) -> xr.Dataset:
    """Return a table as a Dataset along `measurement`.

    Columns: `time`, `x` (`y`, `z`), and one a channel, or `channel` and `value`. `simulation`, and
    `sigma` or `NAME_sigma`, if there are any.

    Raises:
        InputError: A column is missing, or holds what is no number.
    """
    import xarray as xr

    columns, units = map(with_time, _columns(table))
    for name in ("time", "x"):
        if name not in columns:
            raise InputError(f"the column {name} is missing: there are {', '.join(columns)}")
    if "channel" in columns:
        columns = _one_a_channel(columns)
    channels = [n for n in columns if n not in (*_COORDINATES, "sigma")]
    if not channels:
        raise InputError("there is no column of a channel, or the pair channel, value")
    if "sigma" in columns:
        sigma = columns.pop("sigma")
        columns |= {f"{n}_sigma": sigma for n in channels if not n.endswith("_sigma")}
    coordinates = {n: v for n, v in columns.items() if n in _COORDINATES}
    return xr.Dataset(
        {n: _labelled(n, v, units) for n, v in columns.items() if n not in coordinates},
        {_coordinate(n): _labelled(n, v, units) for n, v in coordinates.items()},
    )


def _check_once(names: Sequence[str]) -> None:
    for name in names:
        if names.count(name) > 1:
            raise InputError(f"the column {name} is there twice")


def with_time(columns: Mapping[str, Any]) -> dict[str, Any]:
    """Return columns by name; t is the time if nothing is called so."""
    known = "t" if "time" not in columns else "time"
    return {"time" if name == known else name: values for name, values in columns.items()}


def _coordinate(name: str) -> str:
    return "simulation_1" if name == "simulation" else name  # it is no axis of this name


def _labelled(name: str, values: np.ndarray, units: Mapping[str, str]) -> tuple:
    return ("measurement", values, {"units": units[name]} if name in units else {})


def _columns(table: Any) -> tuple[dict[str, np.ndarray], dict[str, str]]:
    """Return the columns of a table by name, and their units."""
    names = getattr(getattr(table, "dtype", None), "names", None)
    if names is None and not hasattr(table, "keys"):
        raise InputError("a dict of arrays, a DataFrame or a structured array is needed")
    names = list(table.keys()) if names is None else names
    columns, units = {}, {}
    for name in names:
        match = _WITH_UNIT.fullmatch(str(name))
        own = match[1] if match else str(name).strip()
        _check_once([*columns, own])
        units |= {own: match[2]} if match else {}
        columns[own] = _values(own, np.asarray(table[name]))
    lengths = {name: len(values) for name, values in columns.items()}
    if len(set(lengths.values())) > 1:
        raise InputError(f"the columns have different lengths: {lengths}")
    if not lengths or not next(iter(lengths.values())):
        raise InputError("the table has no rows")
    return columns, units


def _values(name: str, values: np.ndarray) -> np.ndarray:
    """Return a column as numbers, dates, or the names of simulations and channels."""
    if values.ndim != 1:
        raise InputError(f"the column {name} has {values.ndim} axes: one is needed")
    if values.dtype.kind in "iufMm" or name in ("simulation", "channel"):
        return values.astype(str) if values.dtype.kind == "O" else values
    if name == "time":
        return _dates(values)
    try:
        return values.astype(np.float64)
    except (TypeError, ValueError) as error:
        row = next(i for i, value in enumerate(values) if not _is_number(value))
        raise InputError(
            f"the column {name} has {str(values[row])!r} in row {row + 1}: a number is needed, or "
            "nothing where nothing is seen"
        ) from error


def _is_number(value: Any) -> bool:
    try:
        float(value)
    except (TypeError, ValueError):
        return False
    return True


def _dates(values: np.ndarray) -> np.ndarray:
    import pandas as pd

    try:
        dates = pd.to_datetime(values, utc=True, format="ISO8601")
    except (ValueError, TypeError) as error:
        raise InputError(
            f"the column time has {str(values[0])!r}: numbers or dates like 2026-01-31T12:00:00 "
            "are needed"
        ) from error
    return dates.tz_localize(None).to_numpy().astype("datetime64[ns]")


def _one_a_channel(columns: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Return the pair channel, value as a column a channel, NaN in the rows of the others."""
    if "value" not in columns:
        raise InputError("the column value is missing beside the column channel")
    channel, value = columns.pop("channel"), columns.pop("value").astype(np.float64)
    for name in dict.fromkeys(channel.tolist()):
        columns[str(name)] = np.where(channel == name, value, np.nan)
    return columns
