"""What a long proof keeps of each fit, so that it goes on where it was stopped."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from hycojax.run.directory import write_json


def kept(file: Path, make: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """Return what a file holds, which is made if there is none."""
    if not file.exists():
        write_json(file, make())
    return json.loads(file.read_text())


def percent(errors: Iterable[float]) -> str:
    """Return relative errors as a cell of a table."""
    return ", ".join(f"{100 * error:+.2f}" for error in errors)


def listed(values: Iterable[float], digits: int = 2) -> str:
    """Return numbers as a cell of a table."""
    return ", ".join(f"{value:.{digits}g}" for value in values)


def reasons(ends: Iterable[dict[str, Any]]) -> str:
    """Return why searches ended, as a cell of a table."""
    return ", ".join(sorted({end["reason"] for end in ends}))
