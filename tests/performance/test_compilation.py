"""What makes a run fast is compiled once, stays on the device, and stays in single precision."""

import re
from dataclasses import replace
from functools import partial
from pathlib import Path

import jax
import pytest
from rich.console import Console

from hycojax import commandline, train
from hycojax.data.observation import Recording
from hycojax.game import cycle as hybrid
from hycojax.game import state as games
from hycojax.prepare import game_of
from hycojax.run import checkpoint, logbook
from hycojax.run import directory as rundir
from hycojax.run.directory import RunDir

FIXTURES = Path(__file__).parents[1] / "fixtures"


def test_the_cycle_is_compiled_once_for_the_whole_run(ready, tmp_path, monkeypatch, compilations):
    """One program for all cycles, warm-up included, and none but it while they last."""
    directory, marks, append = RunDir(tmp_path / "run"), [], logbook.append

    def append_and_mark(path, record):
        marks.append(len(compilations))
        append(path, record)

    monkeypatch.setattr(logbook, "append", append_and_mark)
    # Another learning rate than in other tests, so that no cache of theirs can serve.
    solver = replace(ready.experiment.synthetic.solver, learning_rate=0.00123)
    experiment = replace(
        ready.experiment, synthetic=replace(ready.experiment.synthetic, solver=solver)
    )
    rundir.claim(directory, experiment, FIXTURES / "heat.py", [], resume=False)
    train.train(directory, experiment, ready.stored, Console(quiet=True))
    assert sum("cycle" in name for name in compilations) == 1
    assert len(marks) == 3
    assert marks[0] == marks[1] == marks[2]
    assert checkpoint.steps(directory.checkpoints) == [1, 2, 3]


@pytest.mark.parametrize("name", ["heat", "smoke"])
def test_a_cycle_computes_in_single_precision(name):
    experiment = commandline.load(FIXTURES / f"{name}.py")
    game = game_of(experiment)
    channels = len(experiment.domain.channels)
    path = jax.numpy.zeros((2, 7, 16, 16, channels))
    recording = Recording(path, jax.numpy.ones(path.shape, bool))
    data = games.recordings(recording, recording)
    with jax.enable_x64(False):
        state = jax.eval_shape(partial(games.start, game), data, jax.random.key(0))
        program = jax.jit(partial(hybrid.cycle, game)).lower(data, state, games.turns(game, 1))
        program = program.as_text()
    assert re.search(r"tensor<(\d+x)*f32>", program)
    assert not re.search(r"tensor<(\d+x)*f64>", program)


def test_cycles_need_no_transfer_between_host_and_device(ready):
    state, data = ready.start(), jax.device_put(ready.data)
    turns = jax.device_put([games.turns(ready.game, number) for number in range(2)])
    with jax.transfer_guard("disallow"):
        for turn in turns:
            state, _ = ready.program(data, state, turn)
        jax.block_until_ready(state)
    assert int(state.cycle) == 2
