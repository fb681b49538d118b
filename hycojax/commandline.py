"""The command line of every command: the experiment file, overrides, messages, exit statuses."""

from __future__ import annotations

import errno
import runpy
import sys
import traceback
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import tyro

from hycojax.errors import InputError, StoppedError
from hycojax.experiment import Experiment, Overridable, on_one_domain

_FULL_DISK = (errno.ENOSPC, errno.EDQUOT)
_CONFIG = (tyro.conf.EnumChoicesFromValues, tyro.conf.FlagCreatePairsOff)


@dataclass(frozen=True)
class RunOptions:
    """Train the players of an experiment, and report how well they do on test simulations."""

    experiment: Overridable
    run_dir: Path | None = None
    """Where the run is kept; None: runs/NAME/MODE-SEED."""
    resume: bool = False
    """Continue the run that is kept there, or start it if there is none yet."""
    trace: bool = False
    """Trace a cycle after the warm-up by jax.profiler, for TensorBoard or Perfetto; its record then
    has the time of its parts."""


def run(main: Callable[[list[str]], None], again: str = "the same command") -> None:
    """Run a command and leave with its exit status; an expected failure prints one message.

    `again` says what goes on where the command was stopped.
    """
    try:
        with warnings.catch_warnings():
            warnings.showwarning = _show_once()
            main(sys.argv[1:])
    except (InputError, StoppedError) as failure:
        advice = f": {again} goes on from there" if failure.resumable else ""
        print(f"error: {failure}{advice}", file=sys.stderr)
        sys.exit(failure.status)
    except OSError as failure:
        full = failure.errno in _FULL_DISK
        advice = f"; what was saved is kept: free some space, {again} then goes on" if full else ""
        print(f"error: {failure}{advice}", file=sys.stderr)
        sys.exit(StoppedError.status if full else InputError.status)
    except KeyboardInterrupt:
        print("error: interrupted", file=sys.stderr)
        sys.exit(StoppedError.status)


def _show_once() -> Callable[..., None]:
    """Return a way to show warnings, a line each.

    JAX tells of each program that it can't keep: that is one warning.
    """
    shown: set[str] = set()

    def show(message, category, filename, lineno, file=None, line=None):
        kept = "persistent compilation cache" in str(message)
        kind = "programs" if kept else f"{category.__name__}: {message}"
        if kind not in shown:
            shown.add(kind)
            print(f"warning: {message}", file=file or sys.stderr)

    return show


def split_experiment(arguments: Sequence[str], command: str) -> tuple[Path, list[str]]:
    """Return the experiment file, which comes first, and the arguments after it.

    Raises:
        InputError: There is none.
    """
    usage = f"usage: python -m {command} EXPERIMENT.py [--help] [OPTIONS]"
    if arguments and arguments[0] in ("-h", "--help"):
        print(f"{usage}\n\nThe options depend on the experiment: put --help after its file.")
        sys.exit(0)
    if not arguments or arguments[0].startswith("-"):
        raise InputError(f"the experiment file comes first\n{usage}")
    return Path(arguments[0]), list(arguments[1:])


def load(path: Path) -> Experiment:
    """Return the `experiment` that a file defines.

    Raises:
        InputError: There is no such file, it raises, or it defines none.
    """
    if not path.is_file():
        raise InputError(f"there is no experiment file {path}")
    try:
        found = runpy.run_path(str(path)).get("experiment")
    except Exception as error:
        raise InputError(f"{path}{_line(error, path)}: {type(error).__name__}: {error}") from error
    if not isinstance(found, Experiment):
        raise InputError(f"{path} defines no `experiment = Experiment(...)`")
    return found


def parse(options: type, defaults: Any, path: Path, arguments: Sequence[str], command: str) -> Any:
    """Return `defaults` with the overrides of the command line, its experiment on one domain.

    A word that can't be understood ends the process with exit status 2, `--help` with 0.

    Raises:
        InputError: The values do not fit together.
    """
    prog = f"python -m {command} {path}"
    try:
        parsed = tyro.cli(
            options, default=defaults, args=list(arguments), prog=prog, config=_CONFIG
        )
        return replace(parsed, experiment=on_one_domain(parsed.experiment))
    except ValueError as error:
        raise InputError(str(error)) from error


def without(words: Sequence[str], names: Sequence[str]) -> list[str]:
    """Return the words of a command line without some options and their values."""
    kept, skipping = [], False
    for word in words:
        name, equals, _ = word.partition("=")
        if name.replace("_", "-") in names:
            skipping = not equals
        elif skipping:
            skipping = False
        else:
            kept.append(word)
    return kept


def _line(error: BaseException, path: Path) -> str:
    """Return the line of the experiment file where an error arose."""
    if isinstance(error, SyntaxError):
        return f", line {error.lineno}"
    frames = traceback.extract_tb(error.__traceback__)
    lines = [f.lineno for f in frames if f.filename == str(path)]
    return f", line {lines[-1]}" if lines else ""
