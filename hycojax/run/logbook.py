"""What a person looks at while a run goes on: metrics.jsonl, and a live view on the terminal."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from rich.console import Console, Group
from rich.live import Live
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn
from rich.table import Table

Record = dict[str, Any]


def read(path: Path) -> list[Record]:
    """Return the records of a logbook; a last line that a killed process left half is left out."""
    if not path.exists():
        return []
    records = []
    for line in path.read_text().splitlines():
        try:
            records.append(json.loads(line))
        except json.JSONDecodeError:
            break
    return records


def append(path: Path, record: Record) -> None:
    """Add a record, one line of JSON."""
    with path.open("a") as file:
        file.write(json.dumps(record) + "\n")


def keep(path: Path, cycles: int) -> list[Record]:
    """Drop the records after a cycle, which a resumed run writes again; return the others."""
    records = [r for r in read(path) if r["cycle"] <= cycles]
    partial = path.with_suffix(".partial")
    partial.write_text("".join(json.dumps(r) + "\n" for r in records))
    partial.replace(path)
    return records


class View:
    """The live view: a table that is redrawn on a terminal, a line a cycle elsewhere."""

    def __init__(self, console: Console, cycles: int, live: Live | None, progress: Progress):
        self._console, self._cycles = console, cycles
        self._live, self._progress = live, progress
        self._task = progress.add_task("starting", total=cycles, left="")

    def phase(self, text: str) -> None:
        """Tell what is going on."""
        if self._live is None:
            self._console.print(text, highlight=False)
        else:
            self._progress.update(self._task, description=text)

    def cycle(self, record: Record) -> None:
        """Tell how a cycle went, and how long the rest takes if it goes like this one."""
        left = f"{_duration((self._cycles - record['cycle']) * record['seconds'])} left"
        if self._live is None:
            self._console.print(
                f"{record['phase']} {record['cycle']}/{self._cycles}: "
                f"{summary_line(record)}; {left}",
                highlight=False,
                soft_wrap=True,
            )
            return
        self._progress.update(
            self._task, description=record["phase"], completed=record["cycle"], left=left
        )
        self._live.update(Group(self._progress, _table(record)))


@contextmanager
def view(cycles: int, console: Console | None = None) -> Iterator[View]:
    """Show a `View` as long as the context lasts."""
    console = console or Console()
    progress = Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("cycles, {task.fields[left]}"),
        console=console,
    )
    if not console.is_terminal:
        yield View(console, cycles, None, progress)
        return
    with Live(progress, console=console, refresh_per_second=4) as live:
        shown = View(console, cycles, live, progress)
        yield shown


def warn(console: Console, messages: list[str]) -> None:
    """Tell what a user should know but need not act on."""
    for message in messages:
        console.print(f"warning: {message}", style="yellow", highlight=False)


def summary_line(record: Record) -> str:
    """Return a record in one line: losses, validation errors, estimates."""
    parts = []
    if "parts" in record:
        times = (f"{part} {seconds:.2f} s" for part, seconds in record["parts"].items())
        parts.append(f"time: {', '.join(times)}")
    for name in ("synthetic", "physical"):
        if name in record:
            r = record[name]
            parts.append(f"{name} data {r['data']:.2e} interaction {r['interaction']:.2e}")
            parts[-1] += f" validation {r['validation']:.3f}"
            parts += [f"{n} {_estimate(r, n)}" for n in r.get("parameters", {})]
            parts += [r["reason"]] if "evaluations" in r else []
    return "; ".join(parts)


def _table(record: Record) -> Table:
    columns = ("data loss", "interaction loss", "validation error", "estimates", "ended")
    table = Table("player", *columns)
    for name in ("synthetic", "physical"):
        if name in record:
            r = record[name]
            estimates = ", ".join(f"{n} = {_estimate(r, n)}" for n in r.get("parameters", {}))
            numbers = [f"{r[k]:.2e}" for k in ("data", "interaction")]
            table.add_row(name, *numbers, f"{r['validation']:.4f}", estimates, r["reason"])
    return table


def _estimate(r: Record, name: str) -> str:
    spread = f" ± {r['spread'][name]:.2g}" if "spread" in r else ""
    return f"{r['parameters'][name]:.4g}{spread}"


def _duration(seconds: float) -> str:
    minutes, seconds = divmod(round(seconds), 60)
    return f"{minutes} min {seconds:02d} s" if minutes else f"{seconds} s"
