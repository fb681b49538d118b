"""The directory of a run: what lies where, and whose it is."""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import jax

from hycojax import __version__
from hycojax.commandline import RunOptions, load, parse
from hycojax.errors import InputError
from hycojax.experiment import Experiment, as_dict, differences
from hycojax.run import logbook

_PACKAGES = ("jax", "jaxlib", "phiflow", "phiml", "flax", "optax", "jaxopt", "numpy")
_PACKAGES += ("orbax-checkpoint",)


@dataclass(frozen=True)
class RunDir:
    """Paths inside a run directory."""

    root: Path

    @property
    def record(self) -> Path:
        """The resolved experiment, how it was asked for, versions and device."""
        return self.root / "experiment.json"

    @property
    def source(self) -> Path:
        """A copy of the experiment file."""
        return self.root / "experiment.py"

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
        """Truth, start and estimate of each parameter, as arrays."""
        return self.root / "parameters.npz"

    @property
    def summary(self) -> Path:
        """The figures that count."""
        return self.root / "summary.json"


def default(experiment: Experiment) -> Path:
    """Return where a run goes unless it is told."""
    return Path("runs") / experiment.name / f"{experiment.mode.value}-{experiment.seed}"


def claim(
    directory: RunDir, experiment: Experiment, file: Path, overrides: list[str], resume: bool
) -> None:
    """Make the directory this run's own, or raise if it holds what must not be overwritten.

    Raises:
        InputError: It holds another run, or this one and `resume` is not asked for.
    """
    root = directory.root
    if directory.record.exists():
        _check_same_run(directory, experiment, resume)
        return
    if root.exists() and (not root.is_dir() or any(root.iterdir())):
        raise InputError(f"{root} exists and is no run directory: choose another --run-dir")
    record = {
        "experiment": as_dict(experiment),
        "overrides": overrides,
        "versions": {"hycojax": __version__, **{name: version(name) for name in _PACKAGES}},
        "device": f"{jax.devices()[0].device_kind} ({jax.default_backend()})",
    }
    root.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(file, directory.source)
    write_json(directory.record, record)


def is_finished(directory: RunDir) -> bool:
    """Return whether the run was trained and reported to its end."""
    if not directory.summary.exists():
        return False
    return json.loads(directory.summary.read_text())["finished"]


def open_run(root: Path) -> tuple[RunDir, Experiment]:
    """Return the run in a directory: its paths, and its experiment as it was resolved.

    Raises:
        InputError: It holds no run, or one that this version reads differently.
    """
    directory = RunDir(root)
    if not directory.record.exists():
        raise InputError(f"{root} holds no run: there is no {directory.record.name} in it")
    record = _read_record(directory)
    defaults = RunOptions(load(directory.source))
    options = parse(RunOptions, defaults, directory.source, record["overrides"], "hycojax.evaluate")
    if changes := differences(as_dict(options.experiment), record["experiment"]):
        raise InputError(f"{root} was written by another version: " + "; ".join(changes))
    return directory, options.experiment


def write_json(path: Path, value: Any) -> None:
    """Write JSON so that a killed process leaves the old file or the new one."""
    partial = path.with_suffix(".partial")
    partial.write_text(json.dumps(value, indent=2, ensure_ascii=False) + "\n")
    partial.replace(path)


def _check_same_run(directory: RunDir, experiment: Experiment, resume: bool) -> None:
    root = directory.root
    if changes := differences(_read_record(directory)["experiment"], as_dict(experiment)):
        raise InputError(
            f"{root} holds another run ({'; '.join(changes)}): "
            "choose another --run-dir, or remove it"
        )
    if resume:
        return
    if is_finished(directory):
        state, aim = "finished", "see its result"
    else:
        records = logbook.read(directory.log)
        done = records[-1]["cycle"] if records else 0
        state, aim = f"{done} of {experiment.schedule.cycles} cycles", "continue it"
    raise InputError(
        f"{root} holds this run already ({state}): add --resume to {aim}, "
        "choose another --run-dir, or remove it"
    )


def _read_record(directory: RunDir) -> dict[str, Any]:
    try:
        return json.loads(directory.record.read_text())
    except json.JSONDecodeError as error:
        raise InputError(f"{directory.record} is damaged ({error}): remove the run") from error
