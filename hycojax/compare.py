"""python -m hycojax.compare EXPERIMENT.py [--seeds N]: is it worth to cooperate?

Each model alone, one-way both ways, and hybrid: the same data, the same number of updates (no run
ends early), the same program, other weights. One-way from the network, the physics trains in the
last quarter of the cycles only. "Early stopping" means the parameters that were best in validation,
as everywhere for the networks. A command that was stopped goes on where it was.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jax
import numpy as np
from rich.console import Console
from rich.table import Table

from hycojax import commandline, train
from hycojax.commandline import RunOptions
from hycojax.errors import DivergedError, InputError
from hycojax.experiment import Experiment, Overridable
from hycojax.game.state import NAMES
from hycojax.prepare import simulations
from hycojax.run import directory as rundir
from hycojax.run.directory import RunDir, write_json

_SYNTHETIC_ALONE = {"synthetic.weights.interaction": "0", "synthetic.weights.later": "None"}
_PHYSICAL_ALONE = {"physical.weights.interaction": "0", "physical.weights.later": "None"}


def _fitted_to_the_network(experiment: Experiment) -> dict[str, str]:
    """Return the settings of one way from the network.

    In the last quarter of the cycles, when it changes little, the physics is fitted to it; at most
    half of these turns are early ones.
    """
    cycles, warmup = experiment.schedule.cycles, experiment.schedule.warmup
    begin = max(3 * cycles // 4, warmup)
    return _SYNTHETIC_ALONE | {
        "physical.weights.data": "0",
        "physical.weights.data-later": "None",
        "physical.weights.interaction": "1",
        "physical.weights.later": "None",
        "physical.begin": str(begin),
        "physical.end": "None",
        "physical.early.cycles": str(min(experiment.physical.early.cycles, (cycles - begin) // 2)),
    }


#: Settings of each scheme, for an experiment.
SCHEMES: dict[str, Callable[[Experiment], dict[str, str]]] = {
    "alone": lambda experiment: _SYNTHETIC_ALONE | _PHYSICAL_ALONE,
    "physics-to-network": lambda experiment: _PHYSICAL_ALONE,
    "network-to-physics": _fitted_to_the_network,
    "hybrid": lambda experiment: {},
}


@dataclass(frozen=True)
class Row:
    """A line of the table: which player of which scheme, at its end or where it was best."""

    label: str
    scheme: str
    player: str
    last: bool = False


ROWS = (
    Row("physical only", "alone", "physical", last=True),
    Row("physical only, early stopping", "alone", "physical"),
    Row("network to physics: physical", "network-to-physics", "physical"),
    Row("hybrid: physical", "hybrid", "physical", last=True),
    Row("hybrid: physical, early stopping", "hybrid", "physical"),
    Row("synthetic only", "alone", "synthetic"),
    Row("physics to network: synthetic", "physics-to-network", "synthetic"),
    Row("hybrid: synthetic", "hybrid", "synthetic"),
)


@dataclass(frozen=True)
class Options:
    """Compare hybrid training with each model alone and with the one-way schemes."""

    experiment: Overridable
    seeds: int = 3
    """Seeds, from the experiment's own on: other initial states, noise, weights and batches."""
    run_dir: Path | None = None
    """Where the runs and the comparison are kept; None: runs/NAME/compare."""


def main(arguments: list[str]) -> None:
    """Run the command."""
    file, words = commandline.split_experiment(arguments, "hycojax.compare")
    defaults = Options(commandline.load(file))
    options = commandline.parse(Options, defaults, file, words, "hycojax.compare")
    if options.seeds < 1:
        raise InputError(f"seeds = {options.seeds}: at least 1 is needed")
    root = options.run_dir or Path("runs") / options.experiment.name / "compare"
    overrides = commandline.without(words, ("--seeds", "--run-dir", "--seed"))
    if commandline.without(overrides, ("--mode",)) != overrides:
        raise InputError("--mode: a comparison trains both players of an experiment; leave it out")
    for name in NAMES:
        if not getattr(options.experiment, name).weights.sees_data:
            raise InputError(
                f"{name}.weights.data = 0: a comparison trains each player alone too, and without "
                "a partner there is nothing else to fit"
            )
    compare(root, file, overrides, options, Console())


def compare(
    root: Path,
    file: Path,
    overrides: list[str],
    options: Options,
    console: Console,
) -> None:
    """Make all runs that are not there yet, and write the comparison.

    The overrides are those of the experiment, besides its seed and mode.

    A run that diverges is left out, and counted in comparison.json.

    Raises:
        StoppedError: A signal asked to stop.
        InputError: The directory holds runs of another experiment.
        DivergedError: All runs diverged.
    """
    compiler, defaults = remembering(), RunOptions(options.experiment)
    first = options.experiment.seed
    summaries: dict[str, list[dict[str, Any]]] = {scheme: [] for scheme in SCHEMES}
    for seed in range(first, first + options.seeds):
        stored = None
        for scheme, settings in SCHEMES.items():
            fixed = {"schedule.patience": "None", "mode": "hybrid", "seed": str(seed)}
            pairs = (settings(options.experiment) | fixed).items()
            words = [*overrides, *(word for name, value in pairs for word in (f"--{name}", value))]
            run = RunDir(root / f"{scheme}-{seed}")
            parsed = commandline.parse(RunOptions, defaults, file, words, "hycojax.compare")
            rundir.claim(run, parsed.experiment, file, words, resume=True)
            if not rundir.is_finished(run):
                console.print(f"{scheme}, seed {seed}: {run.root}", highlight=False)
                stored = stored or simulations(parsed.experiment)[0]
                try:
                    train.train(run, parsed.experiment, stored, console, compiler)
                except DivergedError as failure:
                    console.print(f"left out: {failure}", highlight=False)
                    continue
            summaries[scheme].append(json.loads(run.summary.read_text()))
    _conclude(root, options, summaries, console)


def remembering() -> train.Compiler:
    """Return a compiler of cycles that remembers: seeds and schemes differ in numbers alone."""
    programs: list[tuple[Any, Any]] = []

    def compiler(game, data, state, turns):
        shapes = jax.tree.map(np.shape, (data, state, turns))
        for known, program in programs:
            if known == (game, shapes):
                return program, 0.0
        program, seconds = train.compile_cycle(game, data, state, turns)
        programs.append(((game, shapes), program))
        return program, seconds

    return compiler


def _conclude(
    root: Path, options: Options, summaries: dict[str, list[dict[str, Any]]], console: Console
) -> None:
    from hycojax.report import figures  # matplotlib is loaded where something is drawn

    every = [summary[name] for scheme in summaries.values() for summary in scheme for name in NAMES]
    if not every:
        raise DivergedError(
            "all runs diverged, so there is nothing to compare: the messages above say which "
            "settings to make gentler; take another --run-dir then"
        )
    kind = "test" if all("test_nrmse" in result for result in every) else "recorded"
    rows = {row.label: _values(row, summaries[row.scheme], kind) for row in ROWS}
    runs = {scheme: len(found) for scheme, found in summaries.items()}
    about = {"experiment": options.experiment.name, "seeds": options.seeds, "runs": runs}
    write_json(root / "comparison.json", {**about, "errors": kind, "rows": rows})
    (root / "comparison.md").write_text(markdown(rows, kind))
    figures.comparison(rows, kind).savefig(root / "comparison.png", dpi=120)
    shown = Table(*headers(kind), title=f"{options.experiment.name}: mean (range) of the seeds")
    for label, values in rows.items():
        shown.add_row(label, *cells(values, kind))
    console.print(shown)
    for scheme, count in runs.items():
        if count < options.seeds:
            console.print(f"{scheme}: {options.seeds - count} of {options.seeds} runs diverged")
    console.print(f"results: {root}", highlight=False)


def _values(row: Row, summaries: list[dict[str, Any]], kind: str) -> dict[str, list[float]]:
    """Return what counts of a player, a number for each seed."""
    found: dict[str, list[float]] = {}
    for summary in summaries:
        result = summary[row.player]
        if row.last:
            found.setdefault(kind, []).append(result[f"last_{kind}_nrmse"])
        else:
            for name, suffix in ((kind, ""), ("seen", "_seen"), ("hidden", "_hidden")):
                if f"{kind}_nrmse{suffix}" in result:
                    found.setdefault(name, []).append(result[f"{kind}_nrmse{suffix}"])
        error = "last_relative_error" if row.last else "relative_error"
        if parameters := result.get("parameters"):
            errors = [p[error] for p in parameters.values()]
            found.setdefault("parameter", []).append(float(np.mean(errors)))
    return found


def headers(kind: str) -> tuple[str, ...]:
    """Return the titles of the columns, for errors on "test" or on "recorded" simulations."""
    return "", f"{kind} nRMSE", "seen part", "hidden part", "parameter error"


def cells(values: dict[str, list[float]], kind: str) -> list[str]:
    """Return the columns of a line."""
    return [cell(values.get(name, [])) for name in (kind, "seen", "hidden", "parameter")]


def cell(values: list[float]) -> str:
    """Return the mean, and the range over the seeds if there are several; empty without any."""
    if not values:
        return ""
    if len(values) == 1:
        return f"{values[0]:.3g}"
    mean, low, high = np.mean(values), min(values), max(values)
    return f"{mean:.3g} ({low:.2g} to {high:.2g})"


def markdown(rows: dict[str, dict[str, list[float]]], kind: str) -> str:
    """Return the table as Markdown."""
    return table(headers(kind), [[label, *cells(values, kind)] for label, values in rows.items()])


def table(titles: Sequence[str], lines: Sequence[Sequence[str]]) -> str:
    """Return lines of cells as a table in Markdown."""
    rows = titles, ["---"] * len(titles), *lines
    return "".join("| " + " | ".join(row) + " |\n" for row in rows)


if __name__ == "__main__":
    commandline.run(main)
