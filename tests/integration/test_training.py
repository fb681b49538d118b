"""Whole runs of the tiny experiments, as a user starts them."""

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import jax
import numpy as np
import pytest
from rich.console import Console

from hycojax import commandline, compare, evaluate, generate, train
from hycojax.data.observation import Endpoints, Everywhere, Observation, Sensors
from hycojax.errors import DivergedError, InputError, StoppedError
from hycojax.experiment import Mode
from hycojax.game.player import Early
from hycojax.game.state import Schedule
from hycojax.prepare import first_state
from hycojax.run import checkpoint, logbook
from hycojax.run import directory as rundir
from hycojax.run.directory import RunDir

FIXTURES = Path(__file__).parents[1] / "fixtures"
FIGURES = ["error_over_time.png", "losses.png", "parameters.png", "rollout.gif"]


def last_state(directory, experiment, stored):
    template = first_state(experiment, stored)[2]
    return checkpoint.restore(directory.checkpoints, template)[0]


def stop_after(cycle, monkeypatch):
    """Ask runs to stop by a signal after a cycle."""
    append = logbook.append

    def append_and_signal(path, record):
        append(path, record)
        if record["cycle"] == cycle:
            os.kill(os.getpid(), signal.SIGTERM)

    monkeypatch.setattr(logbook, "append", append_and_signal)


def assert_equal_states(one, other):
    for a, b in zip(jax.tree.leaves(one), jax.tree.leaves(other), strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize("mode", [m.value for m in Mode])
def test_a_run_leaves_what_the_design_promises(here, mode, command):
    assert command(train.main, FIXTURES / "heat.py", "--mode", mode) == 0
    directory = RunDir(here / "runs" / "tiny-heat" / f"{mode}-0")
    summary = json.loads(directory.summary.read_text())
    assert [summary[k] for k in ("experiment", "mode", "seed", "cycles")] == [
        "tiny-heat",
        mode,
        0,
        3,
    ]
    assert summary["wall_seconds"] > summary["compile_seconds"] > 0
    assert [p for p in ("synthetic", "physical") if p in summary] == list(Mode(mode).players)
    figures = sorted(p.name for p in directory.figures.iterdir())
    expected = [f for f in FIGURES if f != "parameters.png" or mode != "synthetic"]
    assert figures == [*expected, "states_temperature.png"]
    records = logbook.read(directory.log)
    assert [r["cycle"] for r in records] == [1, 2, 3]
    assert all(0 <= summary[p]["test_nrmse"] < 1 for p in Mode(mode).players)
    if mode != "synthetic":
        found = summary["physical"]["parameters"]["diffusivity"]
        assert found["relative_error"] < 0.2
        error = abs(found["estimate"] / found["true"] - 1)
        np.testing.assert_allclose(found["relative_error"], error, atol=1e-6)
        stored = np.load(directory.parameters)["diffusivity_estimate"]
        np.testing.assert_allclose(stored, found["estimate"], rtol=1e-6)
    record = json.loads(directory.record.read_text())
    assert record["experiment"]["physical"]["model"]["diffusivity"]["start"] == 3.0
    assert record["versions"]["phiflow"] == "3.4.0"


@pytest.mark.accuracy
def test_a_parameter_that_is_a_field_is_identified_and_drawn(here, command):
    assert command(train.main, FIXTURES / "burgers.py", "--mode", "physical") == 0
    directory = RunDir(here / "runs" / "tiny-burgers" / "physical-0")
    found = json.loads(directory.summary.read_text())["physical"]["parameters"]["viscosity"]
    stored = np.load(directory.parameters)
    true, start, estimate = (stored[f"viscosity_{k}"] for k in ("true", "start", "estimate"))
    assert true.shape == start.shape == estimate.shape == (16, 16)
    assert (start == 6).all()
    np.testing.assert_allclose(found["estimate"], estimate.mean(), rtol=1e-5)
    error = np.linalg.norm(estimate - true) / np.linalg.norm(true)
    np.testing.assert_allclose(found["relative_error"], error, rtol=1e-5)
    assert error < 0.6 * np.linalg.norm(start - true) / np.linalg.norm(true)
    assert (directory.figures / "parameter_viscosity.png").stat().st_size > 10_000
    records = logbook.read(directory.log)
    assert records[0]["physical"]["parameters"]["viscosity"] < 6


@pytest.mark.accuracy
def test_a_run_from_many_starts_through_an_early_stage(here, command):
    """Coarse and short first, then in full: two programs; the spread of the starts is reported."""
    assert command(train.main, FIXTURES / "inverse.py", "--schedule.cycles", "2") == 0
    directory = RunDir(here / "runs" / "tiny-inverse" / "physical-0")
    physical = json.loads(directory.summary.read_text())["physical"]
    assert physical["reason"] in ("converged", "iteration limit")
    found, stored = physical["parameters"]["diffusivity"], np.load(directory.parameters)
    assert found["relative_error"] < 0.3
    np.testing.assert_allclose(found["spread"], stored["diffusivity_spread"].mean(), rtol=1e-5)
    assert 0 < found["spread"] < 2
    first, last = logbook.read(directory.log)
    assert last["compile_seconds"] > first["compile_seconds"] > 0
    assert last["physical"]["spread"]["diffusivity"] == pytest.approx(found["spread"], rel=1e-4)
    assert (directory.figures / "parameter_diffusivity.png").stat().st_size > 10_000
    estimate = stored["diffusivity_estimate"]
    assert command(evaluate.main, directory.root) == 0  # all of it can be restored
    np.testing.assert_array_equal(np.load(directory.parameters)["diffusivity_estimate"], estimate)


@pytest.mark.accuracy
def test_the_smoke_experiment_runs_by_the_same_code(here, command):
    assert command(train.main, FIXTURES / "smoke.py", "--run-dir", "run") == 0
    summary = json.loads((here / "run" / "summary.json").read_text())
    assert summary["physical"]["parameters"]["buoyancy"]["relative_error"] < 1.0  # it was 2.0
    assert (here / "run" / "figures" / "states_velocity_y.png").stat().st_size > 5000


@pytest.mark.accuracy
def test_evaluate_makes_the_same_summary_again(here, command):
    words = (FIXTURES / "heat.py", "--run-dir", "run", "--seed", "3")
    assert command(train.main, *words) == 0
    before = (here / "run" / "summary.json").read_text()
    for path in [here / "run" / "summary.json", *(here / "run" / "figures").iterdir()]:
        path.unlink()
    assert command(evaluate.main, "run") == 0
    assert (here / "run" / "summary.json").read_text() == before
    assert len(list((here / "run" / "figures").iterdir())) == 5


def test_data_are_generated_once_and_found_again(here, capsys, command):
    assert command(generate.main, FIXTURES / "heat.py") == 0
    (file,) = (here / "data").iterdir()
    written = file.stat().st_mtime_ns
    assert "training 2x7x16x16x1" in capsys.readouterr().out
    assert command(train.main, FIXTURES / "heat.py", "--mode", "physical") == 0
    start = ("--physical.model.diffusivity.start", "0.4")  # no part of the data
    assert command(generate.main, FIXTURES / "heat.py", *start) == 0
    assert [file.stat().st_mtime_ns] == [p.stat().st_mtime_ns for p in (here / "data").iterdir()]
    assert file.stat().st_mtime_ns == written
    assert (
        command(generate.main, FIXTURES / "heat.py", "--physical.model.diffusivity.true", "2") == 0
    )
    assert len(list((here / "data").iterdir())) == 2
    other = ("--seed", "1", "--out", file)
    assert command(generate.main, FIXTURES / "heat.py", *other) == 2
    assert "holds simulations of another origin" in capsys.readouterr().err


@pytest.mark.accuracy
@pytest.mark.filterwarnings("ignore:Mean of empty slice")
def test_nothing_hidden_leaks(ready, tmp_path):
    """With every unobserved value NaN the run is the same, bit for bit."""
    experiment, spoiled = ready.experiment, dict(ready.stored)
    for role in ("training", "validation"):
        seen = np.asarray(getattr(ready.data, role).seen)
        assert not seen.all()
        spoiled[role] = np.where(seen, ready.stored[role], np.nan)
    states = []
    for i, stored in enumerate((ready.stored, spoiled)):
        directory = RunDir(tmp_path / str(i))
        rundir.claim(directory, experiment, FIXTURES / "heat.py", [], resume=False)
        summary = train.train(directory, experiment, stored, Console(quiet=True))
        # Errors on the recordings are taken against the whole truth, hidden part included.
        found = {
            name: {k: v for k, v in summary[name].items() if "recorded" not in k}
            for name in experiment.mode.players
        }
        assert all({"test_nrmse", "last_test_nrmse"} <= set(own) for own in found.values())
        states.append((last_state(directory, experiment, ready.stored), found))
    assert_equal_states(states[0][0], states[1][0])
    assert states[0][1] == states[1][1]


@pytest.mark.parametrize("mode", list(Mode))
def test_smoke_starts_from_what_is_seen_alone(mode, tmp_path):
    """All that a cycle is given is the same with NaN in the hidden part, in every mode."""
    experiment = replace(commandline.load(FIXTURES / "smoke.py"), mode=mode)
    rng = np.random.default_rng(0)
    path = rng.normal(size=(2, 7, 16, 16, 4)).astype(np.float32) * experiment.domain.evolves()
    path += 0.1 * ~experiment.domain.evolves() * np.array([0, 0, 0, 1], np.float32)
    stored = {"training": path, "validation": path[:1], "test": path}
    _, data, state = first_state(experiment, stored)
    seen = np.asarray(data.training.seen)
    spoiled = {
        role: np.where(seen[: len(v)], v, np.nan) if role != "test" else v
        for role, v in stored.items()
    }
    _, other, same = first_state(experiment, spoiled)
    assert_equal_states((data, state), (other, same))


def test_a_stopped_run_resumes_to_the_same_end(ready, tmp_path, monkeypatch):
    """Stopped by a signal after cycle 1, then resumed: bit for bit the uninterrupted run."""
    experiment, quiet = ready.experiment, Console(quiet=True)
    whole, parts = RunDir(tmp_path / "whole"), RunDir(tmp_path / "parts")
    for directory in (whole, parts):
        rundir.claim(directory, experiment, FIXTURES / "heat.py", [], resume=False)
    compiler = compare.remembering()  # they all play the same cycle
    expected = train.train(whole, experiment, ready.stored, quiet, compiler)

    stop_after(1, monkeypatch)
    with pytest.raises(StoppedError, match="stopped after cycle 1, which is saved"):
        train.train(parts, experiment, ready.stored, quiet, compiler)
    monkeypatch.undo()
    assert checkpoint.steps(parts.checkpoints) == [1]
    assert not parts.summary.exists()
    with pytest.raises(InputError, match="1 of 3 cycles"):
        rundir.claim(parts, experiment, FIXTURES / "heat.py", [], resume=False)
    rundir.claim(parts, experiment, FIXTURES / "heat.py", [], resume=True)
    found = train.train(parts, experiment, ready.stored, quiet, compiler)
    states = [last_state(d, experiment, ready.stored) for d in (whole, parts)]
    assert_equal_states(*states)
    assert found["physical"] == expected["physical"]
    assert [r["cycle"] for r in logbook.read(parts.log)] == [1, 2, 3]


@pytest.mark.accuracy
def test_a_run_stops_when_validation_gets_no_better(here, capsys, command):
    """Early: before its last cycle, with the best parameters of all; and that is its end."""
    words = (FIXTURES / "heat.py", "--mode", "synthetic", "--run-dir", "run")
    words += ("--schedule.cycles", "40", "--schedule.patience", "3")
    words += ("--schedule.improvement", "0.5")
    assert command(train.main, *words) == 0
    summary = json.loads((here / "run" / "summary.json").read_text())
    records = logbook.read(here / "run" / "metrics.jsonl")
    assert summary["finished"] is True
    assert 4 <= summary["cycles"] == len(records) < 40
    assert summary["synthetic"]["weights"] > 100
    capsys.readouterr()
    assert command(train.main, *words, "--resume") == 0
    assert "is finished" in capsys.readouterr().out
    assert len(logbook.read(here / "run" / "metrics.jsonl")) == len(records)


@pytest.mark.accuracy
def test_a_killed_process_loses_at_most_its_last_cycle(here, command):
    words = [sys.executable, "-m", "hycojax.train", str(FIXTURES / "heat.py"), "--run-dir", "run"]
    words += ["--schedule.cycles", "400", "--mode", "physical"]
    process = subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    directory = RunDir(here / "run")
    deadline = time.monotonic() + 120
    while len(logbook.read(directory.log)) < 3 and time.monotonic() < deadline:
        time.sleep(0.05)
    process.kill()
    process.wait()
    saved = checkpoint.steps(directory.checkpoints)
    logged = logbook.read(directory.log)[-1]["cycle"]
    assert saved
    assert logged - 1 <= saved[-1] <= logged
    assert command(evaluate.main, "run") == 0  # what was saved can be looked at
    resumed = subprocess.Popen([*words, "--resume"], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    while len(logbook.read(directory.log)) < logged + 2 and time.monotonic() < deadline:
        time.sleep(0.05)
    resumed.send_signal(signal.SIGINT)
    _, errors = resumed.communicate(timeout=120)
    assert resumed.returncode == 3
    assert b"--resume goes on from there" in errors
    cycles = [r["cycle"] for r in logbook.read(directory.log)]
    assert cycles == list(range(1, len(cycles) + 1))


def test_a_run_directory_is_never_overwritten(here, capsys, command):
    words = (FIXTURES / "heat.py", "--mode", "physical", "--run-dir", "run")
    assert command(train.main, *words) == 0
    summary = (here / "run" / "summary.json").read_text()
    assert command(train.main, *words) == 2
    assert "holds this run already (finished)" in capsys.readouterr().err
    assert command(train.main, *words, "--seed", "1", "--resume") == 2
    assert "holds another run (seed: 0, not 1)" in capsys.readouterr().err
    assert command(train.main, *words, "--resume") == 0
    assert "is finished" in capsys.readouterr().out
    assert (here / "run" / "summary.json").read_text() == summary
    (here / "other").mkdir()
    (here / "other" / "thesis.tex").write_text("years of work")
    assert command(train.main, *words[:3], "--run-dir", "other") == 2
    assert "is no run directory" in capsys.readouterr().err
    assert command(evaluate.main, "other") == 2
    assert "holds no run" in capsys.readouterr().err


@pytest.mark.accuracy
def test_a_run_that_diverges_stops_with_the_reason(ready, tmp_path):
    experiment, directory = ready.experiment, RunDir(tmp_path / "run")
    solver = replace(experiment.synthetic.solver, learning_rate=1e30)
    experiment = replace(experiment, synthetic=replace(experiment.synthetic, solver=solver))
    rundir.claim(directory, experiment, FIXTURES / "heat.py", [], resume=False)
    with pytest.raises(StoppedError, match="synthetic player diverged in cycle 1"):
        train.train(directory, experiment, ready.stored, Console(quiet=True))
    assert checkpoint.steps(directory.checkpoints) == []


def test_who_is_misled_by_a_diverged_partner_is_not_blamed(tmp_path):
    fine = {"data": 0.1, "interaction": 0.1, "loss": 0.1}
    misled = {**fine, "interaction": float("nan"), "loss": float("nan")}
    record = {"cycle": 4, "physical": fine, "synthetic": misled}
    with pytest.raises(DivergedError, match="the physical player diverged in cycle 4: the synth"):
        train._check_finite(record, RunDir(tmp_path))
    train._check_finite({**record, "synthetic": fine}, RunDir(tmp_path))
    penalty = {"cycle": 4, "physical": {**fine, "loss": float("inf")}}  # and there is no partner
    with pytest.raises(
        DivergedError, match="the physical player diverged in cycle 4: the physical"
    ):
        train._check_finite(penalty, RunDir(tmp_path))


def test_a_split_that_leaves_nothing_to_validate_on_is_refused(ready):
    sparse = Observation(Sensors(((30.0, 30.0),)), Endpoints())
    data = replace(ready.experiment.data, validation=0, held_out=0.01)
    experiment = replace(ready.experiment, observation=sparse, data=data)
    with pytest.raises(InputError, match="after the first frame that is left for validation"):
        first_state(experiment, ready.stored)


def test_windows_that_miss_all_that_is_seen_are_refused(ready):
    sparse = replace(ready.experiment.observation, times=Endpoints())
    player = replace(ready.experiment.physical, horizon=4)
    with pytest.raises(ValueError, match=r"physical.horizon = 4: .* a horizon that divides"):
        replace(ready.experiment, observation=sparse, physical=player)


@pytest.mark.parametrize(
    ("changes", "observation", "message"),
    [
        # Single cells on cells twice as wide, of which all four would have to be seen.
        ({"coarsening": 2}, Observation(Sensors(((30.0, 30.0),))), "on cells 2 times as wide"),
        (
            {"early": Early(cycles=1, coarsening=4)},
            Observation(Sensors(((30.0, 30.0),))),
            "on cells 4 times as wide",
        ),
        # The last frame is not among those that the first turns know.
        (
            {"early": Early(cycles=1, horizon=2, first=True)},
            Observation(Everywhere(), Endpoints()),
            "physical.horizon = 2: .* end at frame 2",
        ),
        # A turn would never be undone.
        (
            {"horizon": 4, "batch": 3, "revert": 0.1},
            Observation(Everywhere(), Endpoints()),
            "physical.horizon = 4: .* end at frame 4",
        ),
    ],
)
def test_turns_that_see_nothing_are_refused(tiny_heat, changes, observation, message):
    player = replace(tiny_heat.physical, **changes)
    with pytest.raises(ValueError, match=message):
        replace(tiny_heat, observation=observation, physical=player)
    replace(tiny_heat, physical=player)  # with more to see it is all right


def test_seen_values_that_are_not_finite_are_an_input_error(ready):
    broken = dict(ready.stored, training=ready.stored["training"].copy())
    broken["training"][0, 2, 8, 8, 0] = np.nan
    with pytest.raises(InputError, match="training simulations: 1 of the observed values"):
        first_state(ready.experiment, broken)


@pytest.mark.accuracy
def test_a_full_disk_is_told_and_can_be_resumed(here, monkeypatch, capsys, command):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(checkpoint, "save", full)
    assert command(train.main, FIXTURES / "heat.py", "--run-dir", "run") == 3
    printed = capsys.readouterr().err
    assert "No space left on device; what was saved is kept" in printed
    monkeypatch.undo()
    os.chdir(here)
    assert command(train.main, FIXTURES / "heat.py", "--run-dir", "run", "--resume") == 0


@pytest.mark.accuracy
def test_a_traced_cycle_tells_the_time_of_its_parts(here, capsys, command):
    assert command(train.main, FIXTURES / "heat.py", "--run-dir", "run", "--trace") == 0
    records = logbook.read(here / "run" / "metrics.jsonl")
    assert ["parts" in record for record in records] == [False, False, True]
    parts = records[2]["parts"]
    assert set(parts) >= {"interaction", "synthetic", "physical", "validation"}
    assert all(seconds > 0 for seconds in parts.values())
    assert 0.3 * records[2]["seconds"] < sum(parts.values()) < records[2]["seconds"]
    assert "time: interaction" in capsys.readouterr().out


@pytest.mark.accuracy
def test_a_run_that_is_resumed_is_traced_too(ready, tmp_path, monkeypatch):
    compiler = compare.remembering()
    run = RunDir(tmp_path)
    experiment = replace(ready.experiment, schedule=Schedule(warmup=1, cycles=5))
    rundir.claim(run, experiment, FIXTURES / "heat.py", [], resume=False)
    stop_after(3, monkeypatch)
    with pytest.raises(StoppedError, match="stopped after cycle 3"):
        train.train(run, experiment, ready.stored, Console(quiet=True), compiler)
    train.train(run, experiment, ready.stored, Console(quiet=True), compiler, traced=True)
    records = logbook.read(run.log)
    assert ["parts" in record for record in records] == [*[False] * 4, True]
