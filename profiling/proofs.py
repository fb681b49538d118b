"""python -m profiling.proofs: the tables that take hours, each a section of docs/results.md.

A section is written as soon as its table is finished. It tells when, from which commit and on which
device the table was made; the other sections stay as they are. A command that was stopped goes on
where it was. A table that is finished is not made again, unless the code that it depends on, the
device or the number of seeds is another.
"""

from __future__ import annotations

import hashlib
import json
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from types import ModuleType

import tyro
from rich.console import Console
from rich.markdown import Markdown

from hycojax import commandline
from hycojax.errors import InputError, StoppedError
from hycojax.run.directory import write_json
from profiling import (
    chaotic,
    clock,
    closed_flows,
    cooperation,
    corrected,
    exact_recordings,
    harm,
    hidden,
    instead,
    kelvin,
    own_recordings,
    surrogates,
    two_instruments,
)

_ROOT = Path(__file__).parents[1]
_BEGINNING = """\
# Results

Tables that take hours, written by `make proofs`. The first lines of each section say how it was
made. A section is replaced as a whole when its table is made anew."""


@dataclass(frozen=True)
class Proof:
    """A table, and how it is made."""

    name: str
    """What the command line calls it."""
    title: str
    """The heading of its section."""
    make: Callable[[Path, int], str]
    """Return its Markdown, from the directory where its runs are kept and the number of seeds. Runs
    that are there already are not made again."""
    files: tuple[str, ...] = ()
    """What it writes into that directory for the reader: figures, numbers."""


PROOFS = (
    Proof("cooperation", "Cooperation", cooperation.prove, cooperation.FILES),
    Proof("exact", "What the step alone does to a parameter", exact_recordings.prove),
    Proof("closed", "What the step does to flows between walls", closed_flows.prove),
    Proof("instead", "What a user would pick instead", instead.prove),
    Proof("recordings-heat", "Heat from another solver", own_recordings.prove_heat),
    Proof("recordings-burgers", "Burgers from another solver", own_recordings.prove_burgers),
    Proof("recordings-patterns", "Patterns from another solver", own_recordings.prove_patterns),
    Proof(
        "recordings-hybrid",
        "Cooperation on another solver's recordings",
        own_recordings.prove_hybrid,
    ),
    Proof("hidden-substrate", "Gray-Scott of which one channel is seen", hidden.prove_substrate),
    Proof("hidden-velocity", "Smoke of which the density is seen", hidden.prove_smoke),
    Proof("harm", "Cooperation where the PDE is wrong", harm.prove),
    Proof("corrected", "Known physics plus a learned term", corrected.prove),
    Proof("own-data", "A camera for the network, probes for the PDE", two_instruments.prove),
    Proof("kelvin", "Temperatures around 293 K, half of them seen", kelvin.prove),
    Proof("chaotic", "Long recordings of chaotic flow", chaotic.prove),
    Proof("surrogates", "Accuracy of the architectures for a fixed budget", surrogates.prove),
)


@dataclass(frozen=True)
class Options:
    """Make the tables that take hours."""

    only: tuple[str, ...] = ()
    """Names of tables; none: all of them."""
    seeds: int = 3
    """Seeds of each."""
    run_dir: Path = Path("runs/proofs")
    """Where the runs are kept."""
    results: Path = Path("docs/results.md")
    """The file that holds the sections. Figures are put beside it."""


def main(words: list[str], proofs: Sequence[Proof] = PROOFS) -> None:
    """Run the command."""
    options = tyro.cli(Options, prog="python -m profiling.proofs", args=words)
    console = Console()
    for proof in _chosen(options, proofs):
        directory = options.run_dir / proof.name / code(proof, clock.device())
        section = _finished(directory, options.seeds)
        console.print(f"{proof.name}: {'finished' if section else directory}", highlight=False)
        section = section or _make(proof, directory, options.seeds)
        _publish(proof, directory, section, options.results)
        console.print(Markdown(section))
    console.print(f"results: {options.results}", highlight=False)


def commit(root: Path = _ROOT) -> str:
    """Return the commit of a checkout, with a note if files differ from it, those in docs/ apart.

    Raises:
        InputError: It is no checkout of git.
    """
    try:
        name = _git(root, "rev-parse", "--short", "HEAD")
        changes = _git(root, "status", "--porcelain", "--", ".", ":(exclude)docs")
    except (OSError, subprocess.CalledProcessError) as error:
        cause = getattr(error, "stderr", "") or error
        raise InputError(f"a table names its commit, from a checkout of git: {cause}") from error
    return f"{name}+changes" if changes else name


def code(proof: Proof, device: str, root: Path = _ROOT) -> str:
    """Return a name for our code that a table depends on, and the device; libraries are pinned."""
    files = [path for part in ("hycojax", "experiments") for path in (root / part).rglob("*.py")]
    found = hashlib.sha256(device.encode())
    for path in [*sorted(files), *sorted(_files(sys.modules[proof.make.__module__]))]:
        found.update(path.name.encode() + path.read_bytes())
    return found.hexdigest()[:12]


def _files(module: ModuleType) -> set[Path]:
    """Return the file of a module, and those of the modules beside it that it uses."""
    own = Path(module.__file__)
    used = [part for part in vars(module).values() if isinstance(part, ModuleType)]
    beside = [part for part in used if part.__name__.startswith(f"{__package__}.")]
    return {own}.union(*(_files(part) for part in beside))


def with_section(text: str, section: str) -> str:
    """Return the text of a file in which a section stands for that of the same heading.

    If there is none, it comes last.
    """
    first, *sections = (part.strip() for part in re.split(r"^(?=## )", text, flags=re.MULTILINE))
    places = {part.splitlines()[0]: part for part in sections}
    places[section.splitlines()[0]] = section.strip()
    return "\n\n".join([first or _BEGINNING, *places.values()]) + "\n"


def _chosen(options: Options, proofs: Sequence[Proof]) -> list[Proof]:
    names = [proof.name for proof in proofs]
    if unknown := sorted(set(options.only) - set(names)):
        raise InputError(f"only: no {', '.join(unknown)}; there are {', '.join(names)}")
    if options.seeds < 1:
        raise InputError(f"seeds = {options.seeds}: at least 1 is needed")
    return [proof for proof in proofs if proof.name in (options.only or names)]


def _finished(directory: Path, seeds: int) -> str | None:
    """Return the section, if it was finished with as many seeds."""
    record = directory / "finished.json"
    found = json.loads(record.read_text()) if record.exists() else {}
    return found.get("section") if found.get("seeds") == seeds else None


def _make(proof: Proof, directory: Path, seeds: int) -> str:
    """Make a table; return its section, which is kept with the runs.

    Raises:
        StoppedError: The user asked to stop.
    """
    record, before = directory / "finished.json", commit()
    directory.mkdir(parents=True, exist_ok=True)
    record.unlink(missing_ok=True)
    try:
        text = proof.make(directory, seeds)
    except KeyboardInterrupt as stop:
        raise StoppedError(f"stopped in the table {proof.name}") from stop
    section = _section(proof, seeds, before, commit(), text)
    write_json(record, {"seeds": seeds, "section": section})
    return section


def _section(proof: Proof, seeds: int, before: str, after: str, text: str) -> str:
    """Return a section: heading, origin, table. Both commits are named if they differ."""
    made = before if before == after else f"{before} to {after}"
    count = f"{seeds} seed" if seeds == 1 else f"{seeds} seeds"
    origin = f"{date.today().isoformat()}, commit {made}, {count}, {clock.device()}"
    command = f"`python -m profiling.proofs --only {proof.name} --seeds {seeds}`"
    return f"## {proof.title}\n\n{origin}: {command}\n\n{text.strip()}\n"


def _publish(proof: Proof, directory: Path, section: str, results: Path) -> None:
    """Put a section into the results, so that a killed process leaves the old file or the new."""
    results.parent.mkdir(parents=True, exist_ok=True)
    for name in proof.files:
        shutil.copyfile(directory / name, results.parent / name)
    partial = results.with_suffix(".partial")
    partial.write_text(with_section(results.read_text() if results.exists() else "", section))
    partial.replace(results)


def _git(root: Path, *words: str) -> str:
    done = subprocess.run(["git", *words], cwd=root, capture_output=True, text=True, check=True)
    return done.stdout.strip()


if __name__ == "__main__":
    commandline.run(main)
