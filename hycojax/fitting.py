"""Fit an experiment: from its data to a result, in memory or in a run directory."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import jax
import numpy as np

from hycojax.data import observing, revisits, simulated
from hycojax.data.observations import Observations
from hycojax.data.observing import Seen
from hycojax.data.recordings import Recordings
from hycojax.data.store import Simulations
from hycojax.errors import InputError
from hycojax.experiment import Experiment, Extent
from hycojax.game import state as games
from hycojax.game.state import Game, TrainingState
from hycojax.kernels import programs
from hycojax.kernels.precision import real
from hycojax.models import coefficients
from hycojax.report import evaluation, lessons, trials
from hycojax.report.evaluation import Trial
from hycojax.result import Result, concluded, load, replace_cycles
from hycojax.run import checkpoint, logbook, loop
from hycojax.run import directory as directories
from hycojax.run import legs as run_legs
from hycojax.run.directory import RunDir
from hycojax.run.logbook import Logbook
from hycojax.run.loop import Logger
from hycojax.run.record import Record
from hycojax.settings.checked import converted

# How far from their mean recorded values go, in standard deviations, when pieces are chosen.
_DEVIATIONS = 3.0
# Stream of random numbers under an experiment's seed; those of its data are 0 and 1.
_TRAINING = 2


@dataclass(frozen=True)
class _Position:
    """Where a fit stands before it goes on."""

    experiment: Experiment
    legs: tuple[int, ...]
    state: TrainingState
    history: tuple[Record, ...]
    warnings: tuple[str, ...] = ()


def fit(
    start: Experiment | Result,
    cycles: int | None = None,
    run: Path | str | None = None,
    resume: bool = False,
    simulations: Simulations | Path | str | None = None,
    loggers: Sequence[Logger] = (),
    trace: bool = False,
    seen: Seen | None = None,
) -> Result:
    """Train the players of an experiment, or train on from a result.

    An interrupt (Ctrl-C), or a signal that asks to end, ends it after the cycle in hand: the result
    is what there is then.

    Args:
        start: What to fit, or a result to add cycles to: their schedule starts anew.
        cycles: How many, in place of the schedule's own; needed for a result.
        run: Directory that keeps it; None: no file is written.
        resume: Go on with what the directory holds, if it holds something.
        simulations: The simulated data, or their file, which is made if there is none; None: they
            are made in memory.
        loggers: Who is told how it goes.
        trace: Write a profiler's trace of a cycle into the run directory.
        seen: What its recordings are for the model, as `look` returns it; None: they are read.

    Raises:
        ValueError: The input is wrong; the message says where, and what to do.
        DivergedError: Training diverged. What was saved before is kept.
    """
    if trace and run is None:
        raise InputError("trace: it is written into the run directory, so `run` is needed")
    programs.keep()
    asked = _asked(start, cycles)
    directory = None if run is None else RunDir(Path(converted(Path | str, run, "run")))
    with ExitStack() as context:
        if directory is not None:
            context.enter_context(directories.held(directory))
            _check_place(directory, asked, resume or isinstance(start, Result))
        experiment, recordings = settled(asked, seen)
        if directory is not None and recordings is not None and directories.is_claimed(directory):
            directories.check_recordings(directory, recordings.digest)
        data, tried = known(experiment, recordings, simulations)
        if recordings is not None:
            for sentence in (*recordings.told, *lessons.unlike(experiment, tried["recorded"])):
                loop.tell(loggers, sentence)
        first = _beginning(start, experiment, cycles, data, directory)
        if directory is not None:
            _claim(directory, first, recordings, tried)
        stop = context.enter_context(_stop_requests(loggers))
        return _play(first, data, tried, directory, loggers, stop, trace)


def known(
    experiment: Experiment,
    recordings: Seen | None,
    simulations: Simulations | Path | str | None = None,
) -> tuple[Observations, dict[str, Trial]]:
    """Return what is known of the systems of a settled experiment, and what models are tried on.

    Args:
        experiment: As its data settle it.
        recordings: What its recordings are, as `settled` returns it; None: it has simulated data.
        simulations: These, or their file, which is made if there is none; None: they are made.
    """
    if recordings is not None:
        about = recordings.every, recordings.test, recordings.known.views
        return recordings.known, evaluation.measured_trials(*about)
    stored = _simulations(experiment, simulations)
    data = simulated.known(experiment.data, experiment.physics.domain, stored, experiment.seed)
    return data, evaluation.simulated_trials(data, stored, experiment.mask())


def settled(experiment: Experiment, seen: Seen | None = None) -> tuple[Experiment, Seen | None]:
    """Return an experiment as its data settle it, and these if they are recordings.

    Args:
        experiment: As it was asked.
        seen: What its recordings are; None: they are read.

    Raises:
        ValueError: The recordings can't be read, or do not suit the experiment.
    """
    if experiment.simulated:
        return experiment.settled(), None
    found = look(experiment, experiment.read()) if seen is None else seen
    training = found.known.of("physical").training
    model, searched = experiment.physical.model, training.first.kind != "known"
    if "physical" in experiment.mode.players and not (searched or model.learns):
        names = ", ".join(coefficients.quantities(model))
        raise InputError(
            "physical.model: nothing is unknown, and the first states are known: give a "
            f"coefficient a start ({names})"
        )
    try:
        return experiment.settled(_extent(found), found.interval), found
    except ValueError as error:  # as of values that no step carries in this interval
        raise InputError(str(error)) from error


def look(experiment: Experiment, recordings: Recordings) -> Seen:
    """Return what recordings are for the model of an experiment.

    Raises:
        ValueError: They do not suit it.
    """
    interval = experiment.interval or observing.interval_of(recordings)
    if interval is None:
        raise InputError("interval: the recordings have no frames; give the time between states")
    physics = replace(experiment, interval=interval).physics
    return replace(observing.seen(recordings, physics, experiment.seed), digest=recordings.digest)


def _extent(found: Seen) -> Extent:
    training = found.known.of("physical").training
    about = training.simulations, training.steps, bool(np.all(training.exact))
    spread = found.known.statistics
    largest = np.abs(spread.mean) + _DEVIATIONS * spread.std
    about = *about, revisits.doublings(training), tuple(map(float, largest))
    return Extent(*about, apart=bool(found.known.views))


def _asked(start: Experiment | Result, cycles: int | None) -> Experiment:
    """Return the experiment that is to be fitted, in so many cycles."""
    if not isinstance(start, Experiment | Result):
        raise InputError(f"start = {start!r}: an Experiment or a Result is needed")
    if cycles is not None and converted(int, cycles, "cycles") < 1:
        raise InputError(f"cycles = {cycles}: at least 1 is needed")
    if isinstance(start, Result):
        if cycles is None:
            raise InputError("cycles: how many to add to the result?")
        return start.experiment
    if cycles is None:
        return start
    warmup = min(start.schedule.warmup, cycles)
    return replace(start, schedule=replace(start.schedule, cycles=cycles, warmup=warmup))


def _play(
    first: _Position,
    data: Observations,
    tried: dict[str, Trial],
    directory: RunDir | None,
    loggers: Sequence[Logger],
    stop: Callable[[], bool],
    trace: bool,
) -> Result:
    """Play a game to its end, and conclude."""
    game, own = _game(first), list(loggers)
    if directory is not None:
        own.insert(0, Logbook(directory.log))
    state, history = loop.train(
        game,
        data,
        first.state,
        first.history,
        leg=len(first.legs),
        loggers=own,
        save=_saver(directory),
        stop=stop,
        traced=directory.trace if trace and directory else None,
    )
    loop.tell(own, "evaluating")
    result = concluded(
        replace_cycles(first.experiment, first.legs),
        first.legs,
        history,
        game,
        state,
        tried,
        warnings=first.warnings,
        run=directory.root if directory else None,
    )
    if directory is not None:
        result.save(directory.root)
    for logger in own:
        logger.close(result.summary)
    return result


def _game(position: _Position) -> Game:
    """Return the game of the schedule at hand."""
    game = position.experiment.game()
    if len(position.legs) == 1:
        return game
    *before, cycles = position.legs
    return run_legs.continued(game, sum(before), cycles)


def _beginning(
    start: Experiment | Result,
    experiment: Experiment,
    cycles: int | None,
    data: Observations,
    directory: RunDir | None,
) -> _Position:
    """Return where a fit goes on: at a result, at what a run directory holds, or at nothing."""
    game = experiment.game()
    key = jax.random.fold_in(jax.random.key(experiment.seed), _TRAINING)
    empty = games.start(game, data, key)
    if isinstance(start, Result):
        state = start.state or _restored(start, empty)
        legs = (*_played(start), cycles)
        return _Position(experiment, legs, _again(game, state), start.history)
    wanted = experiment.schedule.cycles
    if directory is None or not checkpoint.steps(directory.checkpoints):
        return _Position(experiment, (wanted,), empty, ())
    state, warnings = checkpoint.restore(directory.checkpoints, empty)
    history, damaged = logbook.read(directory.log)
    history = tuple(r for r in history if r.cycle <= int(state.cycle))
    legs, told = directories.legs(directory), (*warnings, *damaged)
    if wanted == sum(legs):
        if len(legs) > 1 and int(state.cycle) == sum(legs[:-1]):  # stopped before its first cycle
            state = _again(game, state)
        return _Position(experiment, legs, state, history, told)
    played = int(state.cycle)
    if wanted <= played:
        raise InputError(f"schedule.cycles = {wanted}: {played} cycles were played already")
    begun = sum(legs[:-1])
    legs = (*legs[:-1], played - begun, wanted - played)
    return _Position(experiment, legs, _again(game, state), history, told)


def _played(result: Result) -> tuple[int, ...]:
    """Return the legs of a result as they were played."""
    begun = sum(result.legs[:-1])
    return (*result.legs[:-1], result.played - begun)


def _again(game: Game, state: TrainingState) -> TrainingState:
    """Return a copy of a state whose schedules begin anew."""
    return jax.tree.map(jax.numpy.copy, run_legs.restarted(game, state))


def _restored(result: Result, template: TrainingState) -> TrainingState:
    """Return the state of a result from disk."""
    return checkpoint.restore(RunDir(result.run).checkpoints, template)[0]


def _simulations(experiment: Experiment, given: Simulations | Path | str | None) -> Simulations:
    if given is None:
        return simulated.simulate(*experiment.simulation)
    if isinstance(given, Path | str):
        return simulated.stored(*experiment.simulation, Path(given))
    return {role: np.asarray(values, real()) for role, values in given.items()}


def _check_place(directory: RunDir, experiment: Experiment, resume: bool) -> None:
    """Raise an InputError if a directory holds what must not be overwritten."""
    if not directories.is_claimed(directory):
        return
    directories.check_same(directory, experiment)
    if resume:
        return
    if directories.finished(directory):
        state, aim = "finished", "see its result"
    else:
        records, _ = logbook.read(directory.log)
        done = records[-1].cycle if records else 0
        state, aim = f"{done} of {experiment.schedule.cycles} cycles", "continue it"
    raise InputError(
        f"{directory.root} holds this run already ({state}): resume it (--resume) to {aim}, choose "
        "another directory, or remove it"
    )


def _claim(
    directory: RunDir, first: _Position, recordings: Seen | None, tried: dict[str, Trial]
) -> None:
    """Write what the run is, and drop the records after its checkpoint."""
    kept = directories.is_claimed(directory)
    if not kept:
        grid, interval = first.experiment.physics.domain, first.experiment.interval
        trials.write(directory.predictions, grid, interval, tried, {})
    if not kept or directories.legs(directory) != first.legs:
        found = recordings and directories.Recorded(_extent(recordings), recordings.digest)
        whole = replace_cycles(first.experiment, first.legs)
        directories.claim(directory, whole, first.legs, found)
    logbook.keep(directory.log, first.history)


def _saver(directory: RunDir | None) -> Callable[[int, TrainingState], None] | None:
    if directory is None:
        return None
    return lambda cycle, state: checkpoint.save(directory.checkpoints, cycle, state)


@contextmanager
def _stop_requests(loggers: Sequence[Logger]) -> Iterator[Callable[[], bool]]:
    """Collect the first interrupt or termination signal; a second one has its usual effect.

    Only the main thread can: elsewhere nothing asks to stop.
    """
    if threading.current_thread() is not threading.main_thread():
        yield lambda: False
        return
    requests: list[int] = []

    def note(number, frame):
        requests.append(number)
        signal.signal(number, previous[number])
        loop.tell(loggers, "stopping after this cycle")

    previous = {n: signal.signal(n, note) for n in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield lambda: bool(requests)
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)


__all__ = ["fit", "load"]
