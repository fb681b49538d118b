"""The loop: cycle after cycle until the game is over, or somebody asks to stop."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any, Protocol

import jax

from hycojax.data.observations import Observations
from hycojax.errors import DivergedError
from hycojax.game import state as games
from hycojax.game.state import NAMES, Game, TrainingState
from hycojax.run import legs, trace
from hycojax.run.compiled import compiled_cycle
from hycojax.run.record import Record, player_record
from hycojax.settings.numbers import split


class Logger(Protocol):
    """Who is told how a run goes."""

    def phase(self, text: str) -> None:
        """Hear what is going on."""

    def cycle(self, record: Record) -> None:
        """Hear how a cycle went."""

    def close(self, summary: dict[str, Any] | None) -> None:
        """Hear the result; None if there is none."""


def train(
    game: Game,
    data: Observations,
    state: TrainingState,
    history: Sequence[Record] = (),
    leg: int = 1,
    loggers: Sequence[Logger] = (),
    save: Callable[[int, TrainingState], None] | None = None,
    stop: Callable[[], bool] = lambda: False,
    traced: Path | None = None,
) -> tuple[TrainingState, tuple[Record, ...]]:
    """Train from a state to the end of a game; return the last state and the records of all cycles.

    Args:
        game: Who plays, and how.
        data: What is known of the system.
        state: Where the game stands. It is donated.
        history: Records of the cycles that were played.
        leg: Number of this schedule.
        loggers: Who is told.
        save: What keeps a state after a cycle.
        stop: Whether to end after the cycle in hand.
        traced: Directory for a profiler's trace of the second cycle after the warm-up (of a game
            that goes on after it the second one from here, or the last if there are not as many).

    Raises:
        DivergedError: A loss is not finite. The cycle before is the last that was saved.
    """
    records, begun = list(history), time.perf_counter()
    elapsed = records[-1].elapsed if records else 0.0
    compile_seconds = records[-1].compile_seconds if records else 0.0
    second = max(game.schedule.warmup, int(state.cycle)) + 1
    traced_cycle = min(second, game.schedule.cycles - 1)
    staged, program = None, None
    while not legs.is_over(game, state):
        number = int(state.cycle)
        stage, turns = games.stage(game, number), games.turns(game, number)
        structure, numbers = split(stage)
        if structure != staged:
            tell(loggers, "compiling")
            tick = time.perf_counter()
            program, staged = compiled_cycle(stage, data, state, turns), structure
            compile_seconds += time.perf_counter() - tick
        with _trace(traced if number == traced_cycle else None) as tracing:
            tick = time.perf_counter()
            state, found = program(numbers, data, state, turns)
            found = jax.device_get(found)
            now = time.perf_counter()
        records.append(
            Record(
                cycle=number + 1,
                leg=leg,
                phase=_phase(game, number),
                players={name: player_record(terms) for name, terms in found.items()},
                seconds=now - tick,
                elapsed=elapsed + now - begun,
                compile_seconds=compile_seconds,
                parts=trace.seconds(traced, program) if tracing else None,
            )
        )
        _finish(records[-1], state, loggers, save)
        if stop():
            break
    return state, tuple(records)


def _finish(
    record: Record,
    state: TrainingState,
    loggers: Sequence[Logger],
    save: Callable[[int, TrainingState], None] | None,
) -> None:
    """Tell of a cycle and save its state, if it is finite.

    The record comes first: on resume, what lies after the saved state is dropped.
    """
    _check_finite(record)
    for logger in loggers:
        logger.cycle(record)
    if save is not None:
        save(record.cycle, state)


def tell(loggers: Sequence[Logger], text: str) -> None:
    """Tell all loggers what is going on."""
    for logger in loggers:
        logger.phase(text)


def _phase(game: Game, cycle: int) -> str:
    names = [name for name, _ in game.seats]
    if len(names) == 1:
        return names[0]
    return "warm-up" if cycle < game.schedule.warmup else "hybrid"


@contextmanager
def _trace(directory: Path | None) -> Iterator[bool]:
    """Trace what runs in the context into a directory, if there is one."""
    with jax.profiler.trace(str(directory)) if directory else nullcontext():
        yield directory is not None


def _check_finite(record: Record) -> None:
    """Stop before a diverged state is saved over a sound one."""
    for name, own in record.players.items():
        if own.loss < float("inf"):
            continue
        misled = own.data < float("inf") and not own.interaction < float("inf")
        cause = next(other for other in NAMES if other != name) if misled else name
        raise DivergedError(
            f"the {cause} player diverged in cycle {record.cycle}: the {name} loss is not finite. "
            f"The cycle before is kept; start anew with a smaller {cause}.horizon, or gentler "
            f"settings of {cause}.solver"
        )
