"""python -m hycojax.check EXPERIMENT.py: what a run will be, before it is long.

Shapes, memory and compile time; how far the grid and the step move each parameter; and whether the
gradients are right (a Taylor test in double precision).
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from functools import partial
from typing import Any

import jax
import numpy as np
from rich.console import Console
from rich.table import Table

from hycojax import commandline, fitting, generate
from hycojax.commandline import Overridable
from hycojax.data.observations import Observations
from hycojax.data.parts import LEAST_NOISE
from hycojax.experiment import Experiment
from hycojax.game import state as games
from hycojax.game.state import TrainingState
from hycojax.inference import deviations
from hycojax.inference.taylor import taylor_slopes
from hycojax.kernels import programs
from hycojax.run import compiled
from hycojax.settings.numbers import split
from hycojax.solvers import CORRECTION, INITIAL_STATES

#: Within this of 2 the slope of a Taylor test is that of a gradient that is right.
_SLACK = 0.05


@dataclass(frozen=True)
class Options:
    """Tell what a run of an experiment will be, without training."""

    experiment: Overridable


def main(arguments: list[str]) -> None:
    """Run the command."""
    file, words = commandline.split_experiment(arguments, "hycojax.check")
    defaults = Options(commandline.load(file))
    asked = commandline.parse(Options, defaults, file, words, "hycojax.check").experiment
    programs.keep()
    console = Console(highlight=False)
    experiment, recordings = fitting.settled(asked)
    stored = generate.place(experiment) if experiment.simulated else None
    data, _ = fitting.known(experiment, recordings, stored)
    for sentence in recordings.told if recordings else ():
        console.print(sentence)
    state = games.start(experiment.game(), data, jax.random.key(experiment.seed))
    for line in (*shapes(experiment, data), compilation(experiment, data, state)):
        console.print(line)
    if "physical" in experiment.mode.players:
        console.print(parameters(experiment, data.of("physical"), state.players["physical"].params))


def shapes(experiment: Experiment, data: Observations) -> list[str]:
    """Return what is computed, in sentences."""
    physics = experiment.physics
    cells = " x ".join(map(str, physics.domain.shape))
    solved = " x ".join(map(str, physics.at.domain.shape))
    channels = ", ".join(channel.name for channel in physics.channels)
    told = [
        f"states: {cells} cells, {channels}",
        f"PDE: {solved} cells, {physics.at.pieces} steps of {physics.at.dt:.4g} s an interval",
    ]
    for name in data.views or ("",):
        own, whose = (data.of(name), f" ({name})") if name else (data, "")
        known, noise = own.training, f"noise {100 * float(own.noise):.2g} % of the scale"
        told += [
            f"training{whose}: {known.simulations} systems, {known.steps} intervals, "
            f"{int(known.count)} measurements, {noise}",
            f"first states{whose}: {known.first.kind}",
        ]
    return told


def compilation(experiment: Experiment, data: Observations, state: TrainingState) -> str:
    """Return how long a cycle compiles, and the memory that it takes, in a sentence."""
    game = experiment.game()
    stage, turns = games.stage(game, 0), games.turns(game, 0)
    structure, numbers = split(stage)
    begun = time.perf_counter()
    program = compiled.cycle_program(structure).lower(numbers, data, state, turns).compile()
    seconds = time.perf_counter() - begun
    found = program.memory_analysis()
    names = ("argument_size_in_bytes", "output_size_in_bytes", "temp_size_in_bytes")
    size = sum(getattr(found, name, 0) for name in names) / 2**20
    return f"a cycle: compiled in {seconds:.0f} s, {size:.0f} MiB"


def parameters(experiment: Experiment, data: Observations, params: dict[str, Any]) -> Table:
    """Return a table of what is searched: its start, what the grid does to it, its gradient."""
    physics, known = experiment.physics, data.training
    noise = max(float(data.noise), LEAST_NOISE)
    about = known.first, known.parts, data.scale, noise, params
    doubts = deviations.doubts(physics, experiment.finer_physics, *about)
    orders = taylor_slopes(physics, data, params)
    starts = {name: float(np.mean(value)) for name, value in physics.starts().items()}
    judge = partial(judged, smooth=physics.pde.smooth)
    table = Table("parameter", "start", "noise", "grid and step", "Taylor test")
    for name, start in starts.items():
        shift = doubts[name].discretisation
        moved = "unknown" if np.isnan(shift) else f"{100 * shift / start:+.2g} % of the start"
        sd = f"± {100 * doubts[name].sd / start:.2g} % of the start"
        unit = physics.units[name]
        table.add_row(name, f"{start:.4g} {unit}", sd, moved, judge(orders[name]))
    if CORRECTION in orders:
        table.add_row("learned term", "0", "", "", judge(orders[CORRECTION]))
    if INITIAL_STATES in orders:
        table.add_row("first states", "", "", "", judge(orders[INITIAL_STATES]))
    return table


def judged(order: float, smooth: bool = True) -> str:
    """Return the order of a Taylor test in words: 2 is that of a gradient that is right."""
    if np.isnan(order):
        return "the loss hardly depends on it: not judged"
    if not smooth:
        return f"{order:.3f} (a limited scheme: not judged)"
    fine = abs(order - 2) <= _SLACK
    return f"{order:.3f}" + ("" if fine else ": the gradient is wrong, or the loss has kinks")


if __name__ == "__main__":
    commandline.run(main)
