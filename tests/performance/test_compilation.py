"""What makes a run fast is compiled once, stays on the device, and stays in single precision."""

import re
from dataclasses import replace
from functools import partial
from pathlib import Path

import jax
import jax.numpy as jnp
import pytest

import hycojax as hj
from hycojax import commandline
from hycojax.data.simulated import observations
from hycojax.game import state as games
from hycojax.run import checkpoint
from hycojax.run.compiled import compiled_cycle, cycle_program
from hycojax.run.directory import RunDir
from hycojax.settings.numbers import split

FIXTURES = Path(__file__).parents[1] / "fixtures"


class Marks:
    """A logger that notes after each cycle how many programs were compiled until then."""

    def __init__(self, compilations):
        self.compilations, self.counts = compilations, []

    def phase(self, text):
        pass

    def cycle(self, record):
        self.counts.append(len(self.compilations))

    def close(self, summary):
        pass


def test_the_cycle_is_compiled_once_for_the_whole_run(ready, tmp_path, compilations):
    """One program for all cycles, warm-up included, and none but it while they last.

    Nor for another run whose numbers differ.
    """
    # Another number of updates than in other tests, so that no program of theirs can serve.
    solver = hj.Adam(learning_rate=3e-3, updates=3)
    experiment = replace(
        ready.experiment, synthetic=replace(ready.experiment.synthetic, solver=solver)
    )
    marks, run = Marks(compilations), tmp_path / "run"
    hj.fit(experiment, run=run, simulations=ready.stored, loggers=[marks])
    assert sum("cycle" in name for name in compilations) == 1
    assert len(marks.counts) == 3
    assert marks.counts[0] == marks.counts[1] == marks.counts[2]
    assert checkpoint.steps(RunDir(run).checkpoints) == [1, 2, 3]

    physical = hj.Physical(
        hj.physics.Heat(diffusivity=hj.Unknown(start=2.0)),
        hj.LBFGS(iterations=6, tolerance=1e-5),
        hj.Weights(data=0.5, interaction=0.3),
    )
    solver = hj.Adam(learning_rate=1e-3, updates=3)
    other = replace(
        experiment, physical=physical, synthetic=replace(experiment.synthetic, solver=solver)
    )
    compilations.clear()
    found = hj.fit(replace(other, seed=1), cycles=2, simulations=ready.stored)
    assert len(found.history) == 2
    assert not any("cycle" in name for name in compilations)


@pytest.mark.parametrize("name", ["heat", "smoke"])
def test_a_cycle_computes_in_single_precision(name, recorded):
    game = commandline.load(FIXTURES / f"{name}.py").game()
    path = jnp.zeros((2, 7, 16, 16, len(game.physics.channels)))
    data = observations(recorded(path), recorded(path))
    with jax.enable_x64(False):
        state = jax.eval_shape(partial(games.start, game), data, jax.random.key(0))
        structure, numbers = split(games.stage(game, 0))
        program = cycle_program(structure).lower(numbers, data, state, games.turns(game, 1))
        program = program.as_text()
    assert re.search(r"tensor<(\d+x)*f32>", program)
    assert not re.search(r"tensor<(\d+x)*f64>", program)


def test_cycles_need_no_transfer_between_host_and_device(ready):
    """But for the numbers that a user sets."""
    state, data = ready.start(), jax.device_put(ready.data)
    stages = [games.stage(ready.game, number) for number in range(2)]
    turns = jax.device_put([games.turns(ready.game, number) for number in range(2)])
    numbers = jax.device_put([split(stage)[1] for stage in stages])
    with jax.transfer_guard("disallow"):
        for own, turn in zip(numbers, turns, strict=True):
            state, _ = ready.program(own, data, state, turn)
        jax.block_until_ready(state)
    assert int(state.cycle) == 2


def test_games_of_one_structure_share_a_program_in_a_process(ready, changed):
    state, turns = ready.start(), games.turns(ready.game, 0)

    def program(game):
        return compiled_cycle(games.stage(game, 0), ready.data, state, turns)

    own = program(ready.game)
    assert program(changed(ready.game, "physical", weights=hj.Weights(data=0.3))) is own
    solver = hj.Adam(learning_rate=0.1, updates=4)
    assert program(changed(ready.game, "synthetic", solver=solver)) is own
