"""Attributes of variables, and what CF's conventions make of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from hycojax.errors import InputError

if TYPE_CHECKING:
    import h5py
    import xarray as xr

#: Attributes of HDF5 that say where a variable lies: its dimensions.
_HIDDEN = ("CLASS", "NAME", "DIMENSION_LIST", "REFERENCE_LIST", "DIMENSION_LABELS")


def decoded(data: xr.Dataset) -> xr.Dataset:
    """Return what CF's conventions make of variables: NaN for what is missing, dates.

    Raises:
        InputError: Its times are no dates of a calendar that can be read.
    """
    import xarray as xr  # loaded where a file is used

    try:  # durations stay numbers with a unit, which are converted as all others are
        return xr.decode_cf(data, decode_timedelta=False)
    except ValueError as error:
        raise InputError(
            f"its times are no dates ({' '.join(str(error).split())}): give them in seconds, or in "
            "the calendar of real days"
        ) from error


def attributes(item: h5py.Dataset) -> dict[str, Any]:
    """Return the attributes of a variable in an HDF5 file that tell of its values."""
    found = {n: attribute(item.attrs[n]) for n in item.attrs if n not in _HIDDEN}
    found = {n: v for n, v in found.items() if v is not None and n[:7] != "_Netcdf"}
    fill = found.get("_FillValue")
    if isinstance(fill, float | np.floating) and np.isnan(fill):
        del found["_FillValue"]  # which NaN is without it
    return found


def attribute(value: Any) -> Any:
    """Return an attribute as a string, a number or an array; None: it is something else."""
    if isinstance(value, bytes):
        return value.decode()
    if isinstance(value, np.ndarray) and value.size == 1:
        return attribute(value.reshape(-1)[0])
    return value if isinstance(value, str | np.generic | np.ndarray) else None
