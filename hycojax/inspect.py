"""python -m hycojax.inspect FILE [--pde NAME] [--write EXPERIMENT.py]: what is in a recording."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import tyro
from rich.console import Console

from hycojax import commandline, physics
from hycojax.data.boundaries import words
from hycojax.data.files import Files
from hycojax.data.formats import layouts
from hycojax.data.recordings import Recordings
from hycojax.data.variables import nearest
from hycojax.errors import InputError
from hycojax.models.pde import PDE
from hycojax.report import first_experiment, inspection
from hycojax.run import classes


@dataclass(frozen=True)
class Options:
    """Tell what is in recordings, and write a first experiment for them."""

    file: tyro.conf.Positional[str]
    """The file, or a pattern for several."""
    pde: str | None = None
    """What they may be recordings of: a class of hycojax.physics, or FILE.py:CLASS."""
    write: Path | None = None
    """Where a first experiment with that PDE is written."""
    group: str | None = None
    """The group of a NetCDF, HDF5 or Zarr file; None: the root."""
    picture: Path | None = None
    """Where a picture of the first system is written; None: beside the file."""


def main(arguments: list[str]) -> None:
    """Run the command."""
    options = tyro.cli(Options, args=arguments, prog="python -m hycojax.inspect")
    if options.write is not None and options.pde is None:
        raise InputError("--pde is needed with --write: it says what is fitted to the recordings")
    kind, module = (None, None) if options.pde is None else find(options.pde)
    console = Console(markup=False, highlight=False)
    paths = layouts.paths(options.file)
    recordings = Files(options.file, group=options.group).read()
    console.print(f"{options.file}: {_layout(paths)}")
    show(recordings, console)
    console.print(
        f"picture: {_draw(recordings, paths[0], options.picture)}", markup=False, highlight=False
    )
    if kind is not None:
        _plan(recordings, kind, module, options, console)


def show(recordings: Recordings, console: Console) -> None:
    """Print what is in recordings, and what is odd about them."""
    console.print(inspection.table(recordings))
    for system in recordings.systems:
        told = [f"{name} = {value:g}" for name, value in system.numbers.items()]
        told += [f"second 0 is {system.clock}"] if system.clock else []
        told += [f"its box is {words(system.boundary)}"] if system.boundary else []
        if told:
            console.print(f"{system.name}: {', '.join(told)}")
    for sentence in recordings.left_out:
        console.print(f"left out: {sentence}")
    for sentence in inspection.odd(recordings):
        console.print(f"odd: {sentence}")


def find(name: str) -> tuple[type[PDE], str | None]:
    """Return the class of a PDE by its name, and the module of a user's own.

    Raises:
        InputError: There is none.
    """
    path, colon, own = name.rpartition(":")
    if not colon:
        known = {kind.lower(): kind for kind in physics.__all__}
        plain = name.lower().replace("_", "").replace("-", "")
        if plain not in known:
            raise InputError(f"--pde: there is no PDE {name}{nearest(plain, known)}")
        return getattr(physics, known[plain]), None
    if not Path(path).is_file():
        raise InputError(f"--pde: there is no file {path}")
    module = classes.import_file(Path(path))
    kind = getattr(module, own, None)
    if not (isinstance(kind, type) and issubclass(kind, PDE)):
        raise InputError(f"--pde: {path} has no PDE {own}")
    return kind, Path(path).stem


def _layout(paths: list[Path]) -> str:
    about = f"{len(paths)} files, " if len(paths) > 1 else ""
    return f"{about}layout {layouts.detect(paths[0]).value}"


def _draw(recordings: Recordings, path: Path, picture: Path | None) -> Path:
    """Draw the first system to a file, and return its path."""
    target = path.with_name(f"{path.stem}-inspected.png") if picture is None else picture
    target.parent.mkdir(parents=True, exist_ok=True)
    inspection.picture(recordings).savefig(target, format="png", dpi=120)
    return target


def _plan(
    recordings: Recordings,
    kind: type[PDE],
    module: str | None,
    options: Options,
    console: Console,
) -> None:
    """Tell how a PDE goes with recordings, and write the experiment."""
    found = first_experiment.plan(recordings, kind)
    for channel, name in found.channels.items():
        console.print(f"{channel}: taken from {name}")
    for told in (*found.assumed, *(f"{name}: nothing is seen of it" for name in found.unseen)):
        console.print(told)
    if options.write is None:
        return
    target = options.write
    if target.exists():
        raise InputError(f"--write: {target} is there already: give another name")
    if module and target.resolve().parent != Path(options.pde.rpartition(":")[0]).resolve().parent:
        raise InputError(f"--write: put {target.name} beside {module}.py, which it imports")
    if missing := [name for name, prior in found.unseen.items() if prior is None]:
        raise InputError(
            f"--write: {', '.join(missing)} is static in {kind.__name__}, and the file has nothing "
            "of it: add it as a field or as a number"
        )
    source = first_experiment.Source(options.file, options.group)
    words = first_experiment.text(found, source, target.name, kind, module)
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(words, encoding="utf-8")
    console.print(
        f"experiment: {target}; run python -m hycojax.train {target}", markup=False, highlight=False
    )


if __name__ == "__main__":
    commandline.run(main)
