"""Recordings in files, and several instruments that see the same systems."""

from __future__ import annotations

import zipfile
import zlib
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING

from hycojax.data import systems, uniting
from hycojax.data.formats import layouts
from hycojax.data.formats.layouts import Layout
from hycojax.data.recordings import Reading, Recorded, Recordings
from hycojax.errors import InputError

if TYPE_CHECKING:
    import xarray as xr

#: What libraries raise for a file that is damaged.
_DAMAGED = (OSError, EOFError, KeyError, RuntimeError, ValueError, zipfile.BadZipFile, zlib.error)


@dataclass(frozen=True)
class Files(Reading, Recorded):
    """Recordings in files: NetCDF, HDF5, Zarr, `.npz`, CSV, The Well's and PDEBench's layouts.

    Dimensions are `simulation`, `time`, `x`, `y`, `z`, or any with such coordinates along them. NaN
    and `_FillValue` mean not seen, `NAME_sigma` is the standard deviation of the noise of NAME.
    Lengths and times are converted to metres and seconds; dates become seconds since the first.
    """

    path: str | Path
    """A file, or a pattern such as "run-*.nc": several files are several systems."""
    layout: Layout | None = None
    """How the files are laid out; None: this is found out."""
    group: str | None = None
    """The group of a NetCDF, HDF5 or Zarr file that is read; None: the root."""

    def __post_init__(self):
        super().__post_init__()
        object.__setattr__(self, "path", str(self.path))

    def read(self) -> Recordings:
        """Return what the files hold.

        Raises:
            InputError: A file can't be read, or lacks something; the message says which, and what.
        """
        found = layouts.paths(self.path)
        parts = [self._read(*pair) for pair in zip(found, _names(found), strict=True)]
        return replace(parts[0], systems=tuple(s for part in parts for s in part.systems))

    def _read(self, path: Path, name: str) -> Recordings:
        with _named(path, self.layout):
            only = set(self.channels.values())
            data = _opened(path, self.layout, only, self.group)
            try:
                return systems.recordings(data, self, name)
            finally:
                for one in data:
                    one.close()


def _names(paths: Sequence[Path]) -> list[str]:
    """Return what the systems of files are called after: the parts of their paths that differ.

    One file has no need of a name.
    """
    if len(paths) == 1:
        return [""]
    parts = [(*path.parts[:-1], path.stem) for path in paths]
    if len({len(own) for own in parts}) > 1 or len(set(parts)) < len(parts):
        return [str(path) for path in paths]
    differ = [len(set(column)) > 1 for column in zip(*parts, strict=True)]
    return ["/".join(p for p, d in zip(own, differ, strict=True) if d) for own in parts]


def _opened(
    path: Path, layout: Layout | None, only: Collection[str], group: str | None
) -> list[xr.Dataset]:
    """Return what a file holds as Datasets.

    Raises:
        InputError: It can't be read.
    """
    try:
        return layouts.open_file(path, layout, only, group)
    except InputError:
        raise
    except Exception as error:  # libraries raise whatever a damaged file makes them meet
        raise InputError(layouts.told(error, layout)) from error


@contextmanager
def _named(path: Path, layout: Layout | None) -> Iterator[None]:
    """Put the name of a file before what is wrong with it, or with what it holds."""
    try:
        yield
    except InputError as error:
        raise InputError(f"{path}: {error}") from error
    except _DAMAGED as error:
        raise InputError(f"{path}: {layouts.told(error, layout)}") from error


@dataclass(frozen=True)
class Together(Recorded):
    """Several instruments that see the same systems, as a film and a few probes.

    Systems are matched by name if all have the same names, by their order if none has a name of
    another instrument: films `run-1.nc`, `run-2.nc` and probes `run-1.csv`, `run-2.csv`.
    """

    instruments: tuple[Files | Recordings, ...]
    """What each of them has recorded; how it is used is said here, not there."""

    def __post_init__(self):
        super().__post_init__()
        if not self.instruments:
            raise ValueError("instruments: at least one is needed")
        for i, part in enumerate(self.instruments):
            for field in fields(Recorded):
                if getattr(part, field.name) != field.default:
                    raise ValueError(
                        f"instruments[{i}].{field.name}: give it to Together, which holds for all"
                    )

    def read(self) -> Recordings:
        """Return what all instruments have seen, by system.

        Raises:
            InputError: One can't be read, or they do not see the same systems.
        """
        parts = {f"instruments[{i}]": p.read().systems for i, p in enumerate(self.instruments)}
        merged = tuple(map(uniting.merged, zip(*uniting.matched(parts), strict=True)))
        settings = {field.name: getattr(self, field.name) for field in fields(Recorded)}
        try:
            return Recordings(merged, **settings)
        except ValueError as error:
            raise InputError(str(error)) from error


def instruments(sources: Iterable[Recorded]) -> tuple[Recorded, ...]:
    """Return all instruments of several sources."""
    return tuple(p for s in sources for p in (s.instruments if isinstance(s, Together) else (s,)))
