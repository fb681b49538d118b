"""python -m profiling.cycle EXPERIMENT.py: where the time of a cycle goes, with a profiler trace.

Times, warm and after `block_until_ready`, the median of several runs of: a step and a rollout of
each model, value and gradient of each player's loss, and a whole cycle; compile times apart. A
trace of one cycle is written for TensorBoard or Perfetto.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import jax
from rich.console import Console
from rich.table import Table

from hycojax import commandline
from hycojax.experiment import Overridable
from hycojax.game import cycle as hybrid
from hycojax.game import state as games
from hycojax.game.completion import complete
from hycojax.game.objective import objective
from hycojax.game.state import Game, Recordings, TrainingState
from hycojax.models.model import Stepper, rollout
from hycojax.prepare import first_state, simulations
from hycojax.run import trace
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
    stored, _ = simulations(options.experiment)
    game, data, state = first_state(options.experiment, stored)
    console = Console()
    table = Table("part", "compile [s]", "median [ms]", title=f"{file.stem} on {clock.device()}")
    for name, function, inputs in _parts(game, data, state):
        compiled, seconds = clock.compiled(function, inputs)
        table.add_row(
            name, f"{seconds:.1f}", f"{1e3 * clock.median(compiled, inputs, options.repeats):.2f}"
        )
    turns = games.turns(game, options.experiment.schedule.warmup)
    stage = games.stage(game, options.experiment.schedule.warmup)
    cycle, seconds = clock.compiled(partial(hybrid.cycle, stage), (data, state, turns))
    milliseconds = 1e3 * clock.median(cycle, (data, state, turns), options.repeats)
    table.add_row("a whole cycle", f"{seconds:.1f}", f"{milliseconds:.2f}")
    console.print(table)
    with jax.profiler.trace(str(options.trace), create_perfetto_trace=True):
        jax.block_until_ready(cycle(data, state, turns))
    for part, seconds in trace.seconds(options.trace, cycle).items():
        console.print(f"{part}: {1e3 * seconds:.1f} ms of the cycle that was traced")
    console.print(f"trace: {options.trace}")


def _parts(
    game: Game, data: Recordings, state: TrainingState
) -> list[tuple[str, Callable, tuple[Any, ...]]]:
    """Return what is timed: name, function, inputs."""
    parts = []
    meeting = games.turns(game, game.schedule.warmup)
    name = next(iter(game.players))
    observed = complete(game, data, state.players, name, meeting[name])
    start = observed.starts[0, 0]
    steps = observed.targets.shape[1] - 1
    for name, player in game.players.items():
        params, model = state.players[name].params, player.model
        if isinstance(model, Stepper):
            path = partial(rollout, model, steps=steps)
            parts += [
                (f"{name}: a step", model.forward, (params, start)),
                (f"{name}: a rollout of {steps} steps", path, (params, start)),
            ]
        loss = objective(player, observed, observed, meeting[name], data.scale)
        gradient = jax.value_and_grad(loss, has_aux=True)
        parts.append((f"{name}: its loss and gradient", gradient, (params, jax.random.key(0))))
    return parts


if __name__ == "__main__":
    commandline.run(main)
