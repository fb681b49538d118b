"""Tables with a measurement a row: CSV, and what is like it in Python."""

from __future__ import annotations

import re
import warnings
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from hycojax.errors import InputError

if TYPE_CHECKING:
    import pandas as pd
    import xarray as xr

_COORDINATES = ("time", "x", "y", "z", "simulation")
#: The name of a column with its unit: "temperature [K]", "time (ms)".
_WITH_UNIT = re.compile(r"(.*?)\s*[\[(]([^\])]*)[\])]\s*")
_SEPARATORS = (",", ";", "\t")
#: A field of a table that is separated by semicolons: a number with this decimal mark.
_DECIMAL = {mark: re.compile(rf"(?:^|;) *[+-]?\d*{re.escape(mark)}\d") for mark in ",."}


def read(path: Path) -> list[xr.Dataset]:
    """Return the measurements of a CSV file; the line of names may give units: "x [cm]".

    Raises:
        InputError: It is no table of numbers, or columns are missing.
    """
    import pandas as pd  # loaded where a file is used

    with path.open(encoding="utf-8-sig") as file:
        first = next((line for line in file if line.strip() and not line.startswith("#")), "")
        separator = max(_SEPARATORS, key=first.count)
        _check_once([name for name in map(str.strip, first.split(separator)) if name])
        rows = [line for line in file if line.strip() and not line.startswith("#")]
        _check_lengths(rows, first.count(separator), separator)
        point = _decimal_mark(rows) if separator == ";" else "."
    options = {"comment": "#", "skipinitialspace": True, "encoding": "utf-8-sig"}
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", pd.errors.ParserWarning)
            # A row that is longer than the names must not make its first field a label.
            table = pd.read_csv(path, sep=separator, decimal=point, index_col=False, **options)
    except pd.errors.ParserWarning as error:
        raise InputError(
            f"its rows have more fields than its line of names ({first.strip()}): name each "
            "column; numbers are written with decimal points where commas separate them"
        ) from error
    except (pd.errors.ParserError, pd.errors.EmptyDataError) as error:
        raise InputError(f"it is no table: {' '.join(str(error).split())}") from error
    return [labelled(_named(table))]


def _check_lengths(rows: Sequence[str], separators: int, separator: str) -> None:
    """Check that no row ends before the last column, as one that was cut off."""
    for number, line in enumerate(rows, 1):
        if line.count(separator) < separators:
            raise InputError(
                f"row {number} has {line.count(separator) + 1} fields of {separators + 1}: is the "
                "table cut off? Where nothing is seen, leave the field empty"
            )


def _decimal_mark(rows: Sequence[str]) -> str:
    """Return the decimal mark of a table's numbers.

    Raises:
        InputError: There are both.
    """
    found = {}
    for number, line in enumerate(rows, 1):
        for mark in _DECIMAL:
            if mark not in found and _DECIMAL[mark].search(line):
                found[mark] = number
    if len(found) > 1:
        raise InputError(
            f"it has a decimal comma in row {found[',']} and a decimal point in row {found['.']}: "
            "one of them is needed"
        )
    return next(iter(found), ".")


def _named(table: pd.DataFrame) -> pd.DataFrame:
    """Return a table without columns that have no name: they must be empty, or count the rows."""
    for name in [name for name in table if str(name).startswith("Unnamed: ")]:
        values = table.pop(name)
        if not (values.isna().all() or values.tolist() == list(range(len(values)))):
            raise InputError(f"column {int(str(name).split()[1]) + 1} has no name: give it one")
    return table


def labelled(table: Any) -> xr.Dataset:
    """Return a table as a Dataset along `measurement`.

    Columns: `time`, `x` (`y`, `z`), and one a channel, or `channel` and `value`. `simulation`, and
    `sigma` or `NAME_sigma`, if there are any.

    Raises:
        InputError: A column is missing, or holds what is no number.
    """
    import xarray as xr

    columns, units = _columns(table)
    units, columns = with_time(units, columns), with_time(columns, columns)
    for name in ("time", "x"):
        if name not in columns:
            raise InputError(f"the column {name} is missing: there are {', '.join(columns)}")
    if "channel" in columns:
        columns, units = _one_a_channel(columns, units)
    channels = [n for n in columns if n not in (*_COORDINATES, "sigma")]
    if not channels:
        raise InputError("there is no column of a channel, or the pair channel, value")
    if "sigma" in columns:
        own = [f"{n}_sigma" for n in channels if not n.endswith("_sigma")]
        own = [name for name in own if name not in columns]
        columns |= dict.fromkeys(own, columns.pop("sigma"))
        units |= dict.fromkeys(own, units["sigma"]) if "sigma" in units else {}
    coordinates = {n: v for n, v in columns.items() if n in _COORDINATES}
    return xr.Dataset(
        {n: _labelled(n, v, units) for n, v in columns.items() if n not in coordinates},
        {_coordinate(n): _labelled(n, v, units) for n, v in coordinates.items()},
    )


def _check_once(names: Sequence[str]) -> None:
    for name in names:
        if names.count(name) > 1:
            raise InputError(f"the column {name} is there twice")


def with_time(about: Mapping[str, Any], names: Collection[str]) -> dict[str, Any]:
    """Return what is said of columns; t is the time if none of the names is called so."""
    known = "t" if "time" not in names else "time"
    return {"time" if name == known else name: own for name, own in about.items()}


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
        columns[own] = _values(own, filled(table[name]))
    lengths = {name: len(values) for name, values in columns.items()}
    if len(set(lengths.values())) > 1:
        raise InputError(f"the columns have different lengths: {lengths}")
    if not lengths or not next(iter(lengths.values())):
        raise InputError("the table has no rows")
    return columns, units


def filled(values: Any) -> np.ndarray:
    """Return an array in which what is masked, or missing in pandas' own types, is NaN or NaT."""
    import pandas as pd

    if isinstance(values, np.ma.MaskedArray):
        if values.dtype.kind in "iub":
            values = values.astype(np.float64)
        if values.dtype.kind in "fcMm":
            return values.filled(np.nan if values.dtype.kind in "fc" else "NaT")
        values = values.astype(object).filled(np.nan)
    values = np.asarray(values)
    if values.dtype.kind != "O":
        return values
    return np.where(pd.isna(values), np.array(np.nan, object), values)


def _values(name: str, values: np.ndarray) -> np.ndarray:
    """Return a column as numbers, dates, or the names of simulations and channels."""
    if values.ndim != 1:
        raise InputError(f"the column {name} has {values.ndim} axes: one is needed")
    if name in ("simulation", "channel"):
        return _labels(name, values)
    if values.dtype.kind in "iufMm":
        return values
    try:
        return values.astype(np.float64)
    except (TypeError, ValueError) as error:
        if name == "time":
            return _dates(values)
        row = next(i for i, value in enumerate(values) if not _is_number(value))
        raise InputError(
            f"the column {name} has {str(values[row])!r} in row {row + 1}: a number is needed, or "
            "nothing where nothing is seen"
        ) from error


def _labels(name: str, values: np.ndarray) -> np.ndarray:
    """Return the names, or numbers, of simulations or channels, which each row must have."""
    empty = values != values if values.dtype.kind in "fO" else np.zeros(values.shape, bool)
    values = values.astype(str) if values.dtype.kind in "OS" else values
    empty |= np.char.strip(values) == "" if values.dtype.kind == "U" else False
    if empty.any():
        raise InputError(f"the column {name} is empty in row {int(np.argmax(empty)) + 1}")
    return values


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


def _one_a_channel(
    columns: dict[str, np.ndarray], units: dict[str, str]
) -> tuple[dict[str, np.ndarray], dict[str, str]]:
    """Return the pair channel, value as a column a channel, NaN in the rows of the others."""
    if "value" not in columns:
        raise InputError("the column value is missing beside the column channel")
    rest = {n: v for n, v in columns.items() if n not in ("channel", "value")}
    channel, value = columns["channel"], columns["value"].astype(np.float64)
    names = list(dict.fromkeys(channel.tolist()))
    _check_once([*rest, *map(str, names)])
    own = {str(name): np.where(channel == name, value, np.nan) for name in names}
    unit = dict.fromkeys(own, units["value"]) if "value" in units else {}
    return rest | own, units | unit
