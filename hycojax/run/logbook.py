"""metrics.jsonl: a line of JSON for each cycle of a run."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hycojax.run import directory as directories
from hycojax.run.record import Record, as_json, from_json
from hycojax.settings.values import from_words, to_words


@dataclass(frozen=True)
class Logbook:
    """Writes a line for each cycle."""

    path: Path

    def phase(self, text: str) -> None:
        """Leave out what is not about a cycle."""

    def cycle(self, record: Record) -> None:
        """Add a record."""
        with self.path.open("a") as file:
            file.write(_line(record))

    def close(self, summary: dict[str, Any] | None) -> None:
        """Write nothing: the summary has a file of its own."""


def read(path: Path) -> tuple[tuple[Record, ...], list[str]]:
    """Return the records of a logbook, and a warning for each line that can't be read.

    A last line that a killed process left half is no reason for a warning.
    """
    if not path.exists():
        return (), []
    records, warnings = [], []
    lines = path.read_bytes().split(b"\n")  # the last is empty, or half a line
    for number, line in enumerate(lines, 1):
        try:
            records.append(from_json(from_words(json.loads(line))))
        except (ValueError, TypeError, KeyError, AttributeError):
            if number < len(lines):
                warnings.append(f"{path}, line {number}: it can't be read and is passed over")
    return tuple(records), warnings


def keep(path: Path, records: Sequence[Record]) -> None:
    """Write a logbook anew, with these records only: a resumed run writes the others again."""
    directories.write(path, "".join(map(_line, records)).encode())


def _line(record: Record) -> str:
    return json.dumps(to_words(as_json(record)), allow_nan=False) + "\n"
