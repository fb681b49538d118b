"""The directory of a run: what lies where, whose it is, and who is at work in it."""

from __future__ import annotations

import dataclasses
import json
import os
import platform
import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import jax
import numpy as np
from filelock import FileLock, Timeout

from hycojax import __version__
from hycojax.errors import InputError
from hycojax.experiment import Experiment, Extent
from hycojax.run import classes
from hycojax.settings.values import (
    as_json,
    differences,
    digest,
    from_json,
    from_words,
    to_words,
)

#: Of experiment.json and of what a checkpoint holds; runs of the first design have none.
FORMAT = 3
_PACKAGES = ("jax", "jaxlib", "phiflow", "phiml", "flax", "optax", "jaxopt", "numpy")
_PACKAGES += ("orbax-checkpoint",)


@dataclass(frozen=True)
class RunDir:
    """Paths inside a run directory."""

    root: Path

    @property
    def record(self) -> Path:
        """The experiment as values, its schedules, versions and device."""
        return self.root / "experiment.json"

    @property
    def arrays(self) -> Path:
        """Arrays that belong to the experiment."""
        return self.root / "experiment.nc"

    @property
    def code(self) -> Path:
        """Copies of the user's modules that the experiment's classes come from."""
        return self.root / "code"

    @property
    def log(self) -> Path:
        """The logbook, a line of JSON a cycle."""
        return self.root / "metrics.jsonl"

    @property
    def checkpoints(self) -> Path:
        """The latest checkpoints."""
        return self.root / "checkpoints"

    @property
    def figures(self) -> Path:
        """Pictures and the animation."""
        return self.root / "figures"

    @property
    def trace(self) -> Path:
        """The profiler's trace of a cycle."""
        return self.root / "trace"

    @property
    def parameters(self) -> Path:
        """Truth, start and estimate of each parameter."""
        return self.root / "parameters.nc"

    @property
    def predictions(self) -> Path:
        """What the models were tried on, and what they predict."""
        return self.root / "predictions.nc"

    @property
    def summary(self) -> Path:
        """The figures that count."""
        return self.root / "summary.json"

    @property
    def program(self) -> Path:
        """The step of the trained network, which runs without this package."""
        return self.root / "surrogate.jax"

    @property
    def weights(self) -> Path:
        """Weights and statistics of the trained network."""
        return self.root / "surrogate.safetensors"

    @property
    def card(self) -> Path:
        """What a user of the trained network has to know."""
        return self.root / "surrogate.json"

    @property
    def lock(self) -> Path:
        """The lock of the process that trains."""
        return self.root / ".lock"

    @property
    def holder(self) -> Path:
        """Who holds the lock."""
        return self.root / ".holder.json"


@dataclass(frozen=True)
class Stored:
    """What experiment.json says.

    Attributes:
        experiment: The experiment.
        legs: Cycles of each schedule, in order.
    """

    experiment: Experiment
    legs: tuple[int, ...]


@dataclass(frozen=True)
class Recorded:
    """What experiment.json says of the recordings that a run learns from.

    Attributes:
        extent: How much is recorded for training.
        digest: Of all of them.
    """

    extent: Extent
    digest: str


def default(experiment: Experiment) -> Path:
    """Return where a command keeps a run unless it is told."""
    return Path("runs") / experiment.name / f"{experiment.mode.value}-{experiment.seed}"


@contextmanager
def held(directory: RunDir) -> Iterator[None]:
    """Hold the lock of a run directory, which is made if there is none, and kept if it gets files.

    Raises:
        InputError: Another process holds it, or there is something else in that place.
    """
    root = directory.root
    if root.exists() and not root.is_dir():
        raise InputError(f"{root} exists and is no run directory: choose another")
    made = [path for path in root.parents if not path.exists()]
    root.mkdir(parents=True, exist_ok=True)
    lock = FileLock(directory.lock)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        raise InputError(f"{root} is in use by {_holder(directory)}: wait for it") from None
    try:
        write_json(directory.holder, {"process": os.getpid(), "host": platform.node()})
        yield
    finally:
        directory.holder.unlink(missing_ok=True)
        lock.release()
        directory.lock.unlink(missing_ok=True)
        for path in (root, *made):
            if any(path.iterdir()):
                break
            path.rmdir()


def is_claimed(directory: RunDir) -> bool:
    """Return whether a directory holds a run.

    Raises:
        InputError: It holds something else.
    """
    if directory.record.exists():
        return True
    left = (directory.lock, directory.holder, directory.code, directory.arrays)
    own = {path.name for path in (*left, directory.predictions, directory.log)}
    if directory.root.exists() and any(
        entry.name not in own and entry.suffix != ".partial" for entry in directory.root.iterdir()
    ):
        raise InputError(f"{directory.root} exists and is no run directory: choose another")
    return False


def claim(
    directory: RunDir,
    experiment: Experiment,
    legs: tuple[int, ...],
    recordings: Recorded | None = None,
) -> None:
    """Write what a run is. It is the run's own from the moment that experiment.json is there."""
    arrays: dict[str, np.ndarray] = {}
    value = as_json(experiment, arrays)
    shutil.rmtree(directory.code, ignore_errors=True)
    names = classes.keep_copies(experiment, directory.code)
    _write_arrays(directory.arrays, arrays)
    write_json(
        directory.record,
        {
            "format": FORMAT,
            "experiment": value,
            "legs": list(legs),
            "recordings": None if recordings is None else dataclasses.asdict(recordings),
            "modules": names,
            "versions": {"hycojax": __version__, **{name: version(name) for name in _PACKAGES}},
            "device": f"{jax.devices()[0].device_kind} ({jax.default_backend()})",
        },
    )


def open_run(directory: RunDir, own: Iterable[type] = ()) -> Stored:
    """Return what a run is. Of classes that a user wrote, its copies are executed.

    Args:
        directory: Its place.
        own: Classes that are taken in place of those of their names.

    Raises:
        InputError: There is no run, or one of the first design, or its classes can't be found.
    """
    found = read_record(directory)
    find = classes.finder(directory.code, found["modules"], own)
    try:
        experiment = from_json(found["experiment"], _read_arrays(directory.arrays), find)
    except (ValueError, TypeError, KeyError) as error:
        raise InputError(f"{directory.record} can't be read: {error}") from error
    return Stored(experiment, legs(directory))


def read_record(directory: RunDir) -> dict[str, Any]:
    """Return experiment.json.

    Raises:
        InputError: There is none, or it is damaged or of the first design.
    """
    path = directory.record
    if not path.exists():
        raise InputError(f"{directory.root} holds no run: there is no {path.name} in it")
    try:
        found = json.loads(path.read_text())
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise InputError(f"{path} is damaged ({error}): remove the run") from error
    if found.get("format") != FORMAT:
        raise InputError(
            f"{directory.root} was written in format {found.get('format', 1)}, this version reads "
            f"{FORMAT}: read it with the version that wrote it, or make the run anew"
        )
    return found


def check_same(directory: RunDir, experiment: Experiment) -> None:
    """Check that a directory holds the run of an experiment, whatever its number of cycles.

    No recordings are read: what they settle of an experiment is taken from the run.

    Raises:
        InputError: It holds another one; the message names the fields that differ.
    """
    record = read_record(directory)
    one, other = record["experiment"], as_json(_settled(record, experiment))
    for value in (one, other):
        value["schedule"].pop("cycles")
    if changes := differences(one, other):
        raise InputError(
            f"{directory.root} holds another run ({'; '.join(changes)}): choose another directory, "
            "or remove it"
        )


def check_recordings(directory: RunDir, digest: str) -> None:
    """Check that a run has learned from recordings of a digest.

    Raises:
        InputError: It has learned from others.
    """
    found = read_record(directory).get("recordings")
    if found is not None and found["digest"] != digest:
        raise InputError(
            f"{directory.root} has learned from other recordings (digest {found['digest']}, now "
            f"{digest}): bring them back, or choose another directory"
        )


def _settled(record: dict[str, Any], experiment: Experiment) -> Experiment:
    """Return an experiment as the data of a run settle it, if they suit it."""
    found = record.get("recordings")
    try:
        if experiment.simulated:
            return experiment.settled()
        if found is not None:
            extent = Extent(**found["extent"])
            return experiment.settled(extent, record["experiment"]["interval"])
    except ValueError:  # it is another experiment: its fields tell
        pass
    return experiment


def legs(directory: RunDir) -> tuple[int, ...]:
    """Return the cycles of each schedule of a run, in order."""
    return tuple(read_record(directory)["legs"])


def finished(directory: RunDir) -> dict[str, Any] | None:
    """Return the summary of a run that was trained and reported to its end; None of others."""
    if not directory.summary.exists():
        return None
    found = from_words(json.loads(directory.summary.read_text()))
    return found if found["finished"] else None


def write_json(path: Path, value: Any) -> None:
    """Write JSON as `write` does; what is no number in JSON is a word (`settings.values`)."""
    text = json.dumps(to_words(value), indent=2, ensure_ascii=False, allow_nan=False)
    write(path, f"{text}\n".encode())


def write(path: Path, content: bytes) -> None:
    """Write a file as `replacing` does."""
    with replacing(path) as partial:
        partial.write_bytes(content)


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Give a path to write to, which then takes the place of a file.

    A killed process leaves the old file or the new one.
    """
    partial = path.with_suffix(".partial")
    partial.unlink(missing_ok=True)
    partial.touch()  # where nobody can write, this says so in a line, and HDF5 in many
    yield partial
    partial.replace(path)


def _holder(directory: RunDir) -> str:
    try:
        found = json.loads(directory.holder.read_text())
        return f"process {found['process']} on {found['host']}"
    except (OSError, ValueError, KeyError):
        return "another process"


def _write_arrays(path: Path, arrays: dict[str, np.ndarray]) -> None:
    import xarray as xr

    path.unlink(missing_ok=True)
    if not arrays:
        return
    variables = {name: ([f"{name}_{i}" for i in range(a.ndim)], a) for name, a in arrays.items()}
    with replacing(path) as partial:
        xr.Dataset(variables).to_netcdf(partial, engine="h5netcdf")


def _read_arrays(path: Path) -> dict[str, np.ndarray]:
    if not path.exists():
        return {}
    import xarray as xr

    with xr.open_dataset(path, engine="h5netcdf") as found:
        arrays = {str(name): found[name].values for name in found}
    for name, array in arrays.items():
        if name != f"array-{digest(array)}":
            raise InputError(f"{path} is damaged: {name} holds other numbers")
    return arrays
