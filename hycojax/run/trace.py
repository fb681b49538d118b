"""Where the time of a cycle goes: a trace by jax.profiler, and what it says of a cycle's parts."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jax

#: Scopes of `game.cycle`, the inner ones first.
PARTS = ("interaction", "validation", "synthetic", "physical")

_INSTRUCTION = re.compile(r'%?([\w.\-]+) = [^\n]*?metadata=\{[^}\n]*?op_name="([^"]+)"')


def seconds(directory: Path, program: Any) -> dict[str, float]:
    """Return the seconds of each part in the latest trace of a compiled cycle.

    "interaction" is what the partner predicts and what completes the recordings, the players' names
    stand for their training. From the start of an operation to that of the next one the time is the
    first one's.
    """
    parts = {name: _part(path) for name, path in _INSTRUCTION.findall(program.as_text())}
    events = sorted((e.start_ns, e.end_ns, parts[name]) for name, e in _events(directory, parts))
    total: dict[str, float] = defaultdict(float)
    for i, (start, end, part) in enumerate(events):
        until = events[i + 1][0] if i + 1 < len(events) else end
        total[part] += (until - start) / 1e9
    return {part: total[part] for part in (*PARTS, "rest") if part in total}


def _part(path: str) -> str:
    """Return the part that an operation belongs to, by the scopes that it was traced in."""
    scopes = path.split("/")
    return next((part for part in PARTS if part in scopes), "rest")


def _events(directory: Path, names: dict[str, str]) -> Iterator[tuple[str, Any]]:
    """Return the operations of the latest trace, as they ran on any device or thread."""
    latest = max(directory.rglob("*.xplane.pb"), key=lambda path: path.stat().st_mtime)
    for plane in jax.profiler.ProfileData.from_file(str(latest)).planes:
        for line in plane.lines:
            for event in line.events:
                if event.name in names:
                    yield event.name, event
                elif plane.name.startswith("/device"):  # kernels have names of their own
                    name = dict(event.stats).get("hlo_op")
                    if name in names:
                        yield name, event
