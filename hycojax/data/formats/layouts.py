"""Which layout a file has, and how it is opened; what is wrong with a file is one message."""

from __future__ import annotations

import enum
import errno
import glob
import re
import zipfile
from collections.abc import Collection
from pathlib import Path
from typing import TYPE_CHECKING

from hycojax.data.formats import arrays, netcdf, pdebench, tables, the_well
from hycojax.errors import InputError

if TYPE_CHECKING:
    import h5py
    import xarray as xr

_HDF5 = b"\x89HDF\r\n\x1a\n"
_ZARR = ("zarr.json", ".zgroup", ".zmetadata")


class Layout(enum.Enum):
    """How a file is laid out."""

    LABELLED = "labelled"
    """Variables with named dimensions: NetCDF, HDF5, Zarr."""
    ARRAYS = "arrays"
    """Arrays by name: `.npz`, HDF5."""
    TABLE = "table"
    """A measurement a row: CSV."""
    THE_WELL = "the_well"
    """The Well's."""
    PDEBENCH = "pdebench"
    """PDEBench's."""


def paths(pattern: str) -> list[Path]:
    """Return the files that a path, or a pattern with *, ? and [], stands for, in their order.

    Raises:
        InputError: There is none.
    """
    one = Path(pattern).expanduser()
    if one.exists():
        return [one]
    found = sorted(map(Path, glob.glob(str(one), recursive=True)), key=_order)
    if not found and glob.has_magic(pattern):
        raise InputError(f"no file matches {pattern}")
    if not found:
        raise InputError(f"there is no file {pattern}")
    return found


def _order(path: Path) -> list[tuple[bool, int, str]]:
    """Return what files are sorted by: run-2 comes before run-10."""
    parts = re.findall(r"\d+|\D+", str(path))
    return [(not p.isdecimal(), int(p) if p.isdecimal() else 0, p) for p in parts]


def open_file(
    path: Path, layout: Layout | None, only: Collection[str] = (), group: str | None = None
) -> list[xr.Dataset]:
    """Return what a file holds as Datasets, whose simulations follow each other.

    Args:
        path: The file.
        layout: How it is laid out; None: this is found out.
        only: Names of the variables that are read; empty: all.
        group: The group of a labelled file.

    Raises:
        InputError: It can't be read; the message says why.
    """
    layout = detect(path) if layout is None else layout
    if group is not None and layout is not Layout.LABELLED:
        raise InputError(
            f"group = {group!r}: only labelled files have groups, this is {layout.value}"
        )
    if layout is Layout.LABELLED:
        return netcdf.read(path, only, group)
    if layout is Layout.TABLE:
        return tables.read(path)
    if layout is Layout.ARRAYS:
        return (arrays.read if zipfile.is_zipfile(path) else arrays.read_hdf5)(path, only)
    return (the_well if layout is Layout.THE_WELL else pdebench).read(path, only)


def detect(path: Path) -> Layout:
    """Return how a file is laid out.

    Raises:
        InputError: It can't be found out.
    """
    if path.is_dir():
        if any((path / name).exists() for name in _ZARR):
            return Layout.LABELLED
        raise InputError(
            "it is a directory: give a file in it, or a pattern such as DIRECTORY/*.nc"
        )
    with path.open("rb") as file:
        start = file.read(4096)
    if not start:
        raise InputError("it is empty")
    if start.startswith(_HDF5):
        return _of_hdf5(path)
    if start.startswith(b"CDF"):
        return Layout.LABELLED
    if start.startswith(b"PK"):
        return Layout.ARRAYS
    if start.lstrip()[:1] in b"<{[" and start.strip():
        raise InputError("its layout is unknown: it looks like HTML, XML or JSON, not like a table")
    if b"\0" not in start:
        return Layout.TABLE
    raise InputError(
        "its layout is unknown: NetCDF, HDF5, Zarr, npz and tables such as CSV can be read"
    )


def _of_hdf5(path: Path) -> Layout:
    import h5py  # loaded where a file is used

    with h5py.File(path, "r") as file:
        names = set(file)
        if {"dimensions", "t0_fields"} <= names:
            return Layout.THE_WELL
        if "x-coordinate" not in names and _has_dimensions(file):
            return Layout.PDEBENCH if pdebench.has_samples(file) else Layout.LABELLED
        return Layout.PDEBENCH if pdebench.is_one(file) else Layout.ARRAYS


def _has_dimensions(file: h5py.File) -> bool:
    """Return whether an HDF5 file names dimensions, or has groups only."""
    import h5py

    own = [item for item in file.values() if isinstance(item, h5py.Dataset)]
    names = ("DIMENSION_LIST", "CLASS", "_Netcdf4Dimid", "_Netcdf4Coordinates")
    return not own or "_NCProperties" in file.attrs or any(n in i.attrs for i in own for n in names)


def told(error: BaseException, layout: Layout | None = None) -> str:
    """Return what is wrong with a file that can't be read, by the layout that was asked for."""
    text = " ".join(str(error).split())
    number = getattr(error, "errno", None)
    if (number in (errno.EAGAIN, errno.EACCES) and "lock" in text) or "unable to lock" in text:
        return "another process has locked it: wait until that has closed the file"
    if number == errno.EACCES:
        return "it may not be read: its permissions forbid it"
    if isinstance(error, UnicodeDecodeError):
        found = f"byte {error.object[error.start]:#x} after {error.start} others"
        return f"it is no table in UTF-8 ({found}): if it is a table, store it in UTF-8"
    asked = "" if layout is None else f" as {layout.value}"
    return f"it can't be read{asked}: it is truncated, damaged or of another kind ({text})"
