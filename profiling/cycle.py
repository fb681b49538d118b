"""python -m profiling.cycle EXPERIMENT.py: where the time of a cycle goes, with a profiler trace.

Times, warm and after `block_until_ready`, the median of several runs of: a step and a rollout of
each model, value and gradient of each player's loss, and a whole cycle; compile times apart. All
are compiled with the effort that goes into a run's programs. A trace of one cycle is written for
TensorBoard or Perfetto.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import jax
from rich.console import Console
from rich.table import Table

from hycojax import commandline, generate
from hycojax.commandline import Overridable
from hycojax.data import simulated
from hycojax.data.observations import Observations
from hycojax.experiment import Experiment
from hycojax.game import state as games
from hycojax.game.completion import complete
from hycojax.game.objective import objective
from hycojax.game.schedule import Turn
from hycojax.game.state import Game, TrainingState
from hycojax.models.model import Stepper, rollout
from hycojax.run import trace
from hycojax.run.compiled import compiled_cycle
from hycojax.settings.numbers import split
from profiling import clock


@dataclass(frozen=True)
class Options:
    """Time the parts of a cycle, and trace one."""

    experiment: Overridable
    trace: Path = Path("runs/trace")
    """Where the profiler's trace is written."""
    repeats: int = 5
    """Runs that are timed after a first one that is not."""


def main(arguments: list[str]) -> None:
    """Run the command."""
    file, rest = commandline.split_experiment(arguments, "profiling.cycle")
    options = commandline.parse(
        Options, Options(commandline.load(file)), file, rest, "profiling.cycle"
    )
    game, data, state, turns = _first_meeting(options.experiment)
    console = Console()
    table = Table("part", "compile [s]", "median [ms]", title=f"{file.stem} on {clock.device()}")
    for name, function, inputs in _parts(game, data, state, turns):
        compiled, seconds = clock.compiled(function, inputs, clock.AS_IN_RUNS)
        table.add_row(
            name, f"{seconds:.1f}", f"{1e3 * clock.median(compiled, inputs, options.repeats):.2f}"
        )
    began = time.perf_counter()
    program = compiled_cycle(game, data, state, turns)
    seconds, times = time.perf_counter() - began, []
    cycle = partial(program, split(game)[1], data)
    for _ in range(1 + options.repeats):  # from state to state: each is donated
        one, (state, _) = clock.timed(cycle, state, turns)
        times.append(one)
    milliseconds = 1e3 * statistics.median(times[1:])
    table.add_row("a whole cycle", f"{seconds:.1f}", f"{milliseconds:.2f}")
    console.print(table)
    with jax.profiler.trace(str(options.trace), create_perfetto_trace=True):
        jax.block_until_ready(cycle(state, turns))
    for part, seconds in trace.seconds(options.trace, program).items():
        console.print(f"{part}: {1e3 * seconds:.1f} ms of the cycle that was traced")
    console.print(f"trace: {options.trace}")


def _first_meeting(
    experiment: Experiment,
) -> tuple[Game, Observations, TrainingState, dict[str, Turn]]:
    """Return the game in the first cycle after the warm-up: players, data, a state, turns."""
    about = experiment.data, experiment.domain, experiment.interval, experiment.seed
    stored, game = simulated.stored(*about, generate.place(experiment)), experiment.game()
    data = simulated.known(experiment.data, game.physics.domain, stored, experiment.seed)
    state = games.start(game, data, jax.random.key(experiment.seed))
    cycle = experiment.schedule.warmup
    return games.stage(game, cycle), data, state, games.turns(game, cycle)


def _parts(
    game: Game, data: Observations, state: TrainingState, turns: dict[str, Turn]
) -> list[tuple[str, Callable, tuple[Any, ...]]]:
    """Return what is timed: name, function, inputs."""
    parts = []
    name = next(iter(game.players))
    observed = complete(game, data, state.players, name, turns[name])
    start = observed.starts[0, 0]
    steps = observed.starts.shape[1] - 1
    for name, player in game.seats:
        params, model = state.players[name].params, player.model
        if isinstance(model, Stepper):
            path = partial(rollout, model, steps=steps)
            parts += [
                (f"{name}: a step", model.forward, (params, start)),
                (f"{name}: a rollout of {steps} steps", path, (params, start)),
            ]
        shown = replace(observed)  # as large as what a partner shows
        loss = objective(player, data, observed, shown, turns[name], game.physics)
        gradient = jax.value_and_grad(loss, has_aux=True)
        parts.append((f"{name}: its loss and gradient", gradient, (params, jax.random.key(0))))
    return parts


if __name__ == "__main__":
    commandline.run(main)
