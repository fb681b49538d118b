"""A comparison of schemes: its table, as JSON, Markdown, on the terminal, and as a picture."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table

from hycojax.game.state import NAMES
from hycojax.report import evaluation
from hycojax.run.directory import write_json


@dataclass(frozen=True)
class Comparison:
    """What a comparison has found.

    Attributes:
        experiment: Its name.
        seeds: How many were asked for.
        runs: How many runs of each scheme did not diverge.
        errors: What errors are taken on: "test", "held_out" or "recorded", as in summaries.
        rows: For each line lists of numbers, one a seed: the error by its kind. With a truth, its
            "seen" and "hidden" part, and the mean relative error of the parameters as "parameter";
            without one, "chi2" per value.
    """

    experiment: str
    seeds: int
    runs: dict[str, int]
    errors: str
    rows: dict[str, dict[str, list[float]]]


def compared(
    experiment: str, seeds: int, summaries: dict[str, list[dict[str, Any]]], rows: Sequence[Any]
) -> Comparison:
    """Return the comparison of summaries, a list of them for each scheme."""
    found = (summary for own in summaries.values() for summary in own)
    every = [summary[name] for summary in found for name in NAMES if name in summary]
    kind = evaluation.kind_of(every)
    lines = {row.label: _values(row, summaries[row.scheme], kind) for row in rows}
    runs = {scheme: len(found) for scheme, found in summaries.items()}
    return Comparison(experiment, seeds, runs, kind, lines)


def write(found: Comparison, root: Path) -> None:
    """Write comparison.json, comparison.md and comparison.png."""
    from hycojax.report import figures  # matplotlib is loaded where something is drawn

    root.mkdir(parents=True, exist_ok=True)
    about = {name: getattr(found, name) for name in ("experiment", "seeds", "runs", "errors")}
    write_json(root / "comparison.json", {**about, "rows": found.rows})
    (root / "comparison.md").write_text(markdown(found.rows, found.errors))
    figures.comparison(found.rows, found.errors).savefig(root / "comparison.png", dpi=120)


def show(found: Comparison, console: Console) -> None:
    """Print a comparison."""
    titles = columns(found.rows, found.errors)
    about = f"{found.experiment}: mean (range) of the seeds"
    shown = Table("", *titles.values(), title=about)
    for label, values in found.rows.items():
        shown.add_row(label, *cells(values, titles))
    console.print(shown)
    for scheme, count in found.runs.items():
        if count < found.seeds:
            console.print(f"{scheme}: {found.seeds - count} of {found.seeds} runs diverged")


def _values(row: Any, summaries: list[dict[str, Any]], kind: str) -> dict[str, list[float]]:
    """Return what counts of a player, a number for each seed."""
    found: dict[str, list[float]] = {}
    for summary in summaries:
        result = summary[row.player]
        if row.last:
            found.setdefault(kind, []).append(result[f"last_{kind}_nrmse"])
        else:
            parts = {kind: "nrmse", "seen": "nrmse_seen", "hidden": "nrmse_hidden", "chi2": "chi2"}
            for name, ending in parts.items():
                if f"{kind}_{ending}" in result:
                    found.setdefault(name, []).append(result[f"{kind}_{ending}"])
        error = "last_relative_error" if row.last else "relative_error"
        errors = [p[error] for p in result.get("parameters", {}).values() if error in p]
        if errors:
            found.setdefault("parameter", []).append(float(np.mean(errors)))
    return found


def columns(rows: dict[str, dict[str, list[float]]], kind: str) -> dict[str, str]:
    """Return the title of each column that some line has numbers for, by their name."""
    titles = {
        kind: f"{evaluation.called(kind)} nRMSE",
        "seen": "seen part",
        "hidden": "hidden part",
        "chi2": "chi2 a value",
        "parameter": "parameter error",
    }
    return {n: t for n, t in titles.items() if any(n in values for values in rows.values())}


def cells(values: dict[str, list[float]], names: Iterable[str]) -> list[str]:
    """Return the columns of a line."""
    return [cell(values.get(name, [])) for name in names]


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
    shown = columns(rows, kind)
    lines = [[label, *cells(values, shown)] for label, values in rows.items()]
    return table(("", *shown.values()), lines)


def table(titles: Sequence[str], lines: Sequence[Sequence[str]]) -> str:
    """Return lines of cells as a table in Markdown."""
    rows = titles, ["---"] * len(titles), *lines
    return "".join("| " + " | ".join(row) + " |\n" for row in rows)
