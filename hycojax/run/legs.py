"""Schedules one after the other: a game that goes on after its end, and when it is over."""

from __future__ import annotations

from dataclasses import replace

from hycojax.game.player import Early
from hycojax.game.state import Game, TrainingState


def continued(game: Game, played: int, cycles: int) -> Game:
    """Return a game with so many cycles more after those that were played.

    The players meet from the first of them on, and the plans of their solvers start anew.
    """
    seats = tuple((n, replace(p, begin=played, early=Early())) for n, p in game.seats)
    schedule = replace(game.schedule, warmup=0, cycles=played + cycles)
    return replace(game, seats=seats, schedule=schedule)


def restarted(game: Game, state: TrainingState) -> TrainingState:
    """Return a state whose solvers begin a new schedule from the parameters that they reached."""
    players = {
        name: replace(own, solver=game.players[name].solver.restart(own.solver))
        for name, own in state.players.items()
    }
    return replace(state, players=players)


def is_over(game: Game, state: TrainingState) -> bool:
    """Return whether all cycles are played, or no player has become better for long enough."""
    played, schedule = int(state.cycle), game.schedule
    if schedule.patience is None or played >= schedule.cycles:
        return played >= schedule.cycles
    waited = [
        played - max(int(state.players[name].best_cycle), player.begin)
        for name, player in game.seats
    ]
    return min(waited) >= schedule.patience
