"""The command line of every command: the experiment file, overrides, messages, exit statuses."""

from __future__ import annotations

import ast
import contextlib
import dataclasses
import enum
import errno
import inspect
import itertools
import os
import re
import sys
import textwrap
import traceback
import warnings
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Annotated, Any

import tyro

from hycojax.errors import InputError, StoppedError
from hycojax.experiment import Experiment
from hycojax.run import classes

#: The type that the command line parses: the fields of an experiment without a prefix.
Overridable = Annotated[Experiment, tyro.conf.arg(name="")]

_FULL_DISK = (errno.ENOSPC, errno.EDQUOT)
_CONFIG = (
    tyro.conf.EnumChoicesFromValues,
    tyro.conf.FlagCreatePairsOff,
    tyro.conf.AvoidSubcommands,  # data are of the kind that the file gives
)


def run(main: Callable[[list[str]], None], again: str = "the same command") -> None:
    """Run a command and leave with its exit status; an expected failure prints one message.

    `again` says what goes on where the command was stopped.
    """
    os.environ["MPLBACKEND"] = "agg"  # a command draws to files
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
    """Return the `experiment` that a file defines. The file is imported as a module of its name.

    Raises:
        InputError: There is no such file, it raises, or it defines none.
    """
    if not path.is_file():
        raise InputError(f"there is no experiment file {path}")
    try:
        found = getattr(classes.import_file(path), "experiment", None)
    except Exception as error:
        kind = "" if isinstance(error, InputError) else f"{type(error).__name__}: "
        told = f"{path}{_line(error, path)}: {kind}{error}"
        raise InputError(told + _first_design(path)) from error
    if not isinstance(found, Experiment):
        raise InputError(f"{path} defines no `experiment = Experiment(...)`")
    return found


def parse(options: type, defaults: Any, path: Path, arguments: Sequence[str], command: str) -> Any:
    """Return `defaults` with the overrides of the command line.

    A word that can't be understood ends the process with exit status 2, `--help` with 0: it shows
    what people change most, `--help-all` everything.

    Raises:
        InputError: The values do not fit together.
    """
    words, prog = list(arguments), f"python -m {command} {path}"
    if "--help-all" in words:
        words = ["--help"]
    elif "--help" in words or "-h" in words:
        print(_short_help(options, defaults, prog))
        sys.exit(0)
    try:
        return tyro.cli(options, default=defaults, args=words, prog=prog, config=_CONFIG)
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


#: Options that people change, in the order of the short help: their names, or how these end.
_COMMON = (
    "run-dir", "resume", "trace", "seeds", "out", "mode", "seed", "schedule.cycles",
    "schedule.warmup", ".start", "data.training", "data.steps", "data.noise",
    "data.region.fraction", "physical.horizon", "physical.weights.interaction",
    "physical.solver.iterations", "synthetic.horizon", "synthetic.batch",
    "synthetic.weights.interaction", "synthetic.solver.learning-rate", "synthetic.solver.updates",
    "synthetic.model.features", "synthetic.model.levels",
)  # fmt: skip


def _short_help(options: type, defaults: Any, prog: str) -> str:
    """Return a line for each of the options that people change."""
    found = dict(_fields(defaults, ""))
    names = [
        name
        for end in _COMMON
        for name in found
        if name == end or (end.startswith(".") and name.endswith(end))
    ]
    width = 2 + max(map(len, names))
    short = {n: textwrap.shorten(found[n], 96 - width, placeholder=" ...") for n in names}
    shown = [f"  --{name:{width}}{text}" for name, text in short.items()]
    about = (options.__doc__ or "").splitlines()[0]
    everything = f"  --{'help-all':{width}}all options"
    return "\n".join([f"usage: {prog} [OPTIONS]", "", about, "", *shown, everything])


def _fields(value: Any, path: str) -> Iterator[tuple[str, str]]:
    """Yield the name of each option, its default and the first sentence about it."""
    told = _attribute_docs(type(value))
    for field in dataclasses.fields(value):
        own, name = getattr(value, field.name), f"{path}{field.name}".replace("_", "-")
        if dataclasses.is_dataclass(own):
            yield from _fields(own, "" if field.name == "experiment" else f"{name}.")
        else:
            shown = own.value if isinstance(own, enum.Enum) else own
            first = re.split(r"[.;:](?:\s|$)", " ".join(told.get(field.name, "").split()))[0]
            yield name, f"{shown}: {first}" if first else str(shown)


def _attribute_docs(kind: type) -> dict[str, str]:
    """Return the docstrings of the fields of a class, those of its base classes too."""
    found: dict[str, str] = {}
    for own in reversed(kind.__mro__):
        with contextlib.suppress(OSError, TypeError):  # a class without a source
            body = ast.parse(textwrap.dedent(inspect.getsource(own))).body[0].body
            for one, after in itertools.pairwise(body):
                constant = isinstance(after, ast.Expr) and isinstance(after.value, ast.Constant)
                if isinstance(one, ast.AnnAssign) and constant:
                    found[one.target.id] = str(after.value.value)
    return found


def _line(error: BaseException, path: Path) -> str:
    """Return the line of the experiment file where an error arose."""
    if isinstance(error, SyntaxError):
        return f", line {error.lineno}"
    frames = traceback.extract_tb(error.__traceback__)
    lines = [f.lineno for f in frames if f.filename == str(path.resolve())]
    return f", line {lines[-1]}" if lines else ""


def _first_design(path: Path) -> str:
    """Return advice for an experiment file of the first design."""
    with contextlib.suppress(OSError, UnicodeDecodeError), path.open() as file:
        if "hycojax.config" in file.read():
            return " (it is written for hycojax 0.1: see experiments/heat.py for today's form)"
    return ""
