"""What a run tells of a cycle."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from typing import Any

from hycojax.solvers import Reason


@dataclass(frozen=True)
class PlayerRecord:
    """A player's turn in a cycle.

    Attributes:
        loss: What it minimised, at its end; `data`, `interaction` and `penalty` are its terms.
        validation: Error on the validation recordings after it.
        reason: Why its search ended, in words.
        parameters: Coefficients; of a field its mean.
        spread: Standard deviations of these over starts, of a search from many.
        iterations: Iterations, of a solver that has some.
        evaluations: Evaluations of the loss.
        reverted: Whether the turn was undone, of a player that may do that.
        trust: How much the partner counted, from 0 to 1, by channel; 0 if they did not meet.
        led: Whether systems began where the partner said.
    """

    loss: float
    data: float
    interaction: float
    penalty: float
    validation: float
    reason: str
    parameters: dict[str, float] = field(default_factory=dict)
    spread: dict[str, float] = field(default_factory=dict)
    iterations: int | None = None
    evaluations: int | None = None
    reverted: bool | None = None
    trust: dict[str, float] = field(default_factory=dict)
    led: bool = False


@dataclass(frozen=True)
class Record:
    """A cycle of a run.

    Attributes:
        cycle: How many cycles were played after it.
        leg: Which schedule it belongs to: 1, and one more for each time that cycles were added.
        phase: "warm-up", or who trains: "hybrid", "synthetic", "physical".
        players: What each player did.
        seconds: Time that it took.
        elapsed: Time since the run began, over all its processes.
        compile_seconds: Part of that in which cycles were compiled.
        parts: Seconds of the parts of the cycle, if it was traced.
    """

    cycle: int
    leg: int
    phase: str
    players: dict[str, PlayerRecord]
    seconds: float
    elapsed: float
    compile_seconds: float
    parts: dict[str, float] | None = None


def player_record(terms: dict[str, Any]) -> PlayerRecord:
    """Return what a cycle's program has reported of a player."""
    numbers = {k: float(v) for k, v in terms.items() if k in _FLOATS}
    counts = {k: int(terms[k]) for k in ("iterations", "evaluations") if k in terms}
    return PlayerRecord(
        **numbers,
        **counts,
        reason=Reason(int(terms["reason"])).words,
        parameters={name: float(v) for name, v in terms["parameters"].items()},
        spread={name: float(v) for name, v in terms["spread"].items()},
        reverted=bool(terms["reverted"]) if "reverted" in terms else None,
        trust={name: float(v) for name, v in terms["trust"].items()},
        led=bool(terms["led"]),
    )


def as_json(record: Record) -> dict[str, Any]:
    """Return a record as JSON types: the players by name among the rest, without what is empty."""
    plain = dataclasses.asdict(record)
    players = plain.pop("players")
    kept = {name: _without_nothing(found) for name, found in players.items()}
    return _without_nothing(plain) | kept


def from_json(found: dict[str, Any]) -> Record:
    """Return the record that JSON types stand for.

    Raises:
        KeyError, TypeError: It is none.
    """
    own = {f.name for f in dataclasses.fields(Record)}
    players = {k: PlayerRecord(**v) for k, v in found.items() if k not in own}
    return Record(**{k: v for k, v in found.items() if k in own}, players=players)


_FLOATS = ("loss", "data", "interaction", "penalty", "validation")


def _without_nothing(found: dict[str, Any]) -> dict[str, Any]:
    return {k: v for k, v in found.items() if v is not None and v != {}}
