"""A comparison of schemes: its table, as JSON, Markdown, on the terminal, and as a picture."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table

from hycojax.game.state import NAMES
from hycojax.run.directory import write_json


@dataclass(frozen=True)
class Comparison:
    """What a comparison has found.

    Attributes:
        experiment: Its name.
        seeds: How many were asked for.
        runs: How many runs of each scheme did not diverge.
        errors: Whether errors are those on "test" or on "recorded" simulations.
        rows: For each line lists of numbers, one a seed: the error by its kind, its "seen" and
            "hidden" part, and the mean relative error of the parameters as "parameter".
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
    every = [summary[name] for own in summaries.values() for summary in own for name in NAMES]
    kind = "test" if all("test_nrmse" in result for result in every) else "recorded"
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
    title = f"{found.experiment}: mean (range) of the seeds"
    shown = Table(*headers(found.errors), title=title)
    for label, values in found.rows.items():
        shown.add_row(label, *cells(values, found.errors))
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
            for name, suffix in ((kind, ""), ("seen", "_seen"), ("hidden", "_hidden")):
                if f"{kind}_nrmse{suffix}" in result:
                    found.setdefault(name, []).append(result[f"{kind}_nrmse{suffix}"])
        error = "last_relative_error" if row.last else "relative_error"
        errors = [p[error] for p in result.get("parameters", {}).values() if error in p]
        if errors:
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
