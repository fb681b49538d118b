"""The live view of a run: a table that is redrawn on a terminal, a line a cycle elsewhere."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from rich.console import Console, Group
from rich.live import Live
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn
from rich.table import Table

from hycojax.run.record import PlayerRecord, Record


class Terminal:
    """Shows how a run goes."""

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
        left = f"{_duration((self._cycles - record.cycle) * record.seconds)} left"
        if self._live is None:
            self._console.print(
                f"{record.phase} {record.cycle}/{self._cycles}: {summary_line(record)}; {left}",
                highlight=False,
                soft_wrap=True,
            )
            return
        self._progress.update(
            self._task, description=record.phase, completed=record.cycle, left=left
        )
        self._live.update(Group(self._progress, _table(record)))

    def close(self, summary: dict[str, Any] | None) -> None:
        """Show nothing more: the command prints the summary."""


@contextmanager
def view(cycles: int, console: Console) -> Iterator[Terminal]:
    """Show a run of so many cycles as long as the context lasts."""
    progress = Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("cycles, {task.fields[left]}"),
        console=console,
    )
    if not console.is_terminal:
        yield Terminal(console, cycles, None, progress)
        return
    with Live(progress, console=console, refresh_per_second=4) as live:
        yield Terminal(console, cycles, live, progress)


def warn(console: Console, messages: list[str]) -> None:
    """Tell what a user should know but need not act on."""
    for message in messages:
        console.print(f"warning: {message}", style="yellow", highlight=False)


def summary_line(record: Record) -> str:
    """Return a record in one line: losses, validation errors, estimates."""
    parts = []
    if record.parts:
        times = (f"{part} {seconds:.2f} s" for part, seconds in record.parts.items())
        parts.append(f"time: {', '.join(times)}")
    for name, own in record.players.items():
        parts.append(f"{name} data {own.data:.2e} interaction {own.interaction:.2e}")
        parts[-1] += f" validation {own.validation:.3f}"
        parts += [f"{n} {_estimate(own, n)}" for n in own.parameters]
        parts += [own.reason] if own.evaluations else []
    return "; ".join(parts)


def _table(record: Record) -> Table:
    columns = ("data loss", "interaction loss", "validation error", "estimates", "ended")
    table = Table("player", *columns)
    for name, own in record.players.items():
        estimates = ", ".join(f"{n} = {_estimate(own, n)}" for n in own.parameters)
        numbers = (f"{own.data:.2e}", f"{own.interaction:.2e}", f"{own.validation:.4f}")
        table.add_row(name, *numbers, estimates, own.reason)
    return table


def _estimate(own: PlayerRecord, name: str) -> str:
    spread = f" (starts: {own.spread[name]:.2g} apart)" if name in own.spread else ""
    return f"{own.parameters[name]:.4g}{spread}"


def _duration(seconds: float) -> str:
    minutes, seconds = divmod(round(seconds), 60)
    return f"{minutes} min {seconds:02d} s" if minutes else f"{seconds} s"
