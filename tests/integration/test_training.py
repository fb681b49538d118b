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
import xarray as xr

import hycojax as hj
from hycojax import commandline, evaluate, generate, train
from hycojax.data import simulated
from hycojax.game import state as games
from hycojax.run import checkpoint, logbook, loop
from hycojax.run import directory as directories
from hycojax.run.directory import RunDir
from hycojax.run.record import PlayerRecord, Record

FIXTURES = Path(__file__).parents[1] / "fixtures"
FIGURES = ["error_over_time.png", "losses.png", "parameters.png", "rollout.gif"]


def leaves(directory):
    """Return all numbers of the last checkpoint of a run, by name."""
    return checkpoint.read(RunDir(Path(directory)).checkpoints)[0]


def read(path):
    """Return the records of a run's logbook."""
    return logbook.read(path)[0]


def assert_equal_states(one, other):
    for a, b in zip(jax.tree.leaves(one), jax.tree.leaves(other), strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize("mode", [m.value for m in hj.Mode])
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
    assert [p for p in ("synthetic", "physical") if p in summary] == list(hj.Mode(mode).players)
    figures = sorted(p.name for p in directory.figures.iterdir())
    expected = [f for f in FIGURES if f != "parameters.png" or mode != "synthetic"]
    assert figures == [*expected, "states_temperature.png"]
    records = read(directory.log)
    assert [r.cycle for r in records] == [1, 2, 3]
    assert all(0 <= summary[p]["test_nrmse"] < 1 for p in hj.Mode(mode).players)
    if mode != "synthetic":
        found = summary["physical"]["parameters"]["diffusivity"]
        assert found["relative_error"] < 0.2
        error = abs(found["estimate"] / found["true"] - 1)
        np.testing.assert_allclose(found["relative_error"], error, atol=1e-6)
        stored = xr.load_dataset(directory.parameters, engine="h5netcdf")["diffusivity_estimate"]
        np.testing.assert_allclose(stored, found["estimate"], rtol=1e-6)
        assert stored.attrs["units"] == found["unit"] == "m²/s"
    record = json.loads(directory.record.read_text())
    assert record["experiment"]["physical"]["model"]["diffusivity"]["start"] == 3.0
    assert record["versions"]["phiflow"] == "3.4.0"
    with xr.open_datatree(directory.predictions, engine="h5netcdf") as tree:
        for player in hj.Mode(mode).players:
            predicted = tree[f"test/{player}"]["temperature"]
            assert predicted.dims == ("simulation", "time", "x", "y")
            assert predicted.attrs["units"] == "K"
            off = predicted - tree["test/truth"]["temperature"]
            assert float(abs(off).max()) < 2


@pytest.mark.accuracy
def test_a_parameter_that_is_a_field_is_identified_and_drawn(here, command):
    assert command(train.main, FIXTURES / "burgers.py", "--mode", "physical") == 0
    directory = RunDir(here / "runs" / "tiny-burgers" / "physical-0")
    found = json.loads(directory.summary.read_text())["physical"]["parameters"]["viscosity"]
    stored = xr.load_dataset(directory.parameters, engine="h5netcdf")
    true, start, estimate = (stored[f"viscosity_{k}"].values for k in ("true", "start", "estimate"))
    assert true.shape == start.shape == estimate.shape == (16, 16)
    assert (start == 6).all()
    np.testing.assert_allclose(found["estimate"], estimate.mean(), rtol=1e-5)
    error = np.linalg.norm(estimate - true) / np.linalg.norm(true)
    np.testing.assert_allclose(found["relative_error"], error, rtol=1e-5)
    assert error < 0.6 * np.linalg.norm(start - true) / np.linalg.norm(true)
    assert (directory.figures / "parameter_viscosity.png").stat().st_size > 10_000
    records = read(directory.log)
    assert records[0].players["physical"].parameters["viscosity"] < 6


@pytest.mark.accuracy
def test_a_run_from_many_starts(here, command):
    """A short time first, then all of it, by one program; the spread of the starts is reported."""
    assert command(train.main, FIXTURES / "inverse.py", "--schedule.cycles", "2") == 0
    directory = RunDir(here / "runs" / "tiny-inverse" / "physical-0")
    physical = json.loads(directory.summary.read_text())["physical"]
    assert physical["reason"] in ("converged", "iteration limit")
    found = physical["parameters"]["diffusivity"]
    stored = xr.load_dataset(directory.parameters, engine="h5netcdf")
    assert found["relative_error"] < 0.3
    np.testing.assert_allclose(
        found["spread"], float(stored["diffusivity_spread"].mean()), rtol=1e-5
    )
    assert 0 < found["spread"] < 2
    first, last = read(directory.log)
    assert last.compile_seconds == first.compile_seconds > 0
    spread = last.players["physical"].spread["diffusivity"]
    assert spread == pytest.approx(found["spread"], rel=1e-4)
    assert (directory.figures / "parameter_diffusivity.png").stat().st_size > 10_000
    assert command(evaluate.main, directory.root) == 0  # all of it can be restored
    again = xr.load_dataset(directory.parameters, engine="h5netcdf")
    for name in stored:
        np.testing.assert_allclose(again[name], stored[name], rtol=1e-6)


@pytest.mark.accuracy
def test_the_smoke_experiment_runs_by_the_same_code(here, command):
    assert command(train.main, FIXTURES / "smoke.py", "--run-dir", "run") == 0
    summary = json.loads((here / "run" / "summary.json").read_text())
    assert summary["physical"]["parameters"]["buoyancy"]["relative_error"] < 1.0  # it was 2.0
    assert (here / "run" / "figures" / "states_velocity_y.png").stat().st_size > 5000


@pytest.mark.accuracy
def test_evaluate_makes_the_same_summary_again(here, command):
    """Without the data, from another directory, where the run was moved to."""
    words = (FIXTURES / "heat.py", "--run-dir", "run", "--seed", "3")
    assert command(train.main, *words) == 0
    before = json.loads((here / "run" / "summary.json").read_text())
    for path in [here / "run" / "summary.json", *(here / "run" / "figures").iterdir()]:
        path.unlink()
    for path in (here / "data").iterdir():
        path.unlink()
    (here / "there").mkdir()
    (here / "run").rename(here / "there" / "moved")
    os.chdir(here / "there")
    assert command(evaluate.main, "moved") == 0
    assert json.loads(Path("moved", "summary.json").read_text()) == before
    assert len(list(Path("moved", "figures").iterdir())) == 5
    assert sorted(path.name for path in here.iterdir()) == ["data", "there"]
    assert not list((here / "data").iterdir())


@pytest.mark.accuracy
def test_evaluate_tries_a_run_on_another_data_file(here, capsys, command):
    words = (FIXTURES / "heat.py", "--mode", "physical")
    assert command(train.main, *words, "--run-dir", "run") == 0
    assert command(generate.main, *words, "--seed", "9", "--out", "other.h5") == 0
    before = (here / "run" / "summary.json").read_text()
    assert command(evaluate.main, "run", "--data", "other.h5") == 0
    assert "physical" in capsys.readouterr().out
    assert (here / "run" / "summary.json").read_text() == before
    found = evaluate.tried_on(hj.load("run"), here / "other.h5").summary["physical"]
    assert found["test_nrmse"] != json.loads(before)["physical"]["test_nrmse"]
    assert 0 < found["test_nrmse"] < 0.1
    other = ("--data.steps", "7", "--out", "longer.h5")
    assert command(generate.main, *words, *other) == 0
    assert command(evaluate.main, "run", "--data", "longer.h5") == 2
    assert "longer.h5: simulations (8, 16, 16, 1), where the run has (7," in capsys.readouterr().err


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
    assert command(generate.main, FIXTURES / "heat.py", "--data.truth.diffusivity", "2") == 0
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
        seen = np.array(getattr(ready.data, role).parts[0].seen)
        seen[:, 0] = True  # the first frame is known
        assert not seen.all()
        spoiled[role] = np.where(seen, ready.stored[role], np.nan)
    results = [hj.fit(experiment, simulations=stored) for stored in (ready.stored, spoiled)]
    assert_equal_states(*(result.state for result in results))
    # Errors on the recordings are taken against the whole truth, hidden part included.
    found = [
        {k: v for k, v in result.summary[name].items() if "recorded" not in k}
        for name in experiment.mode.players
        for result in results
    ]
    assert all({"test_nrmse", "last_test_nrmse"} <= set(own) for own in found)
    assert found[0] == found[1]
    assert found[2] == found[3]


@pytest.mark.parametrize("mode", list(hj.Mode))
def test_smoke_starts_from_what_is_seen_alone(mode):
    """All that a cycle is given is the same with NaN in the hidden part, in every mode."""
    experiment = replace(commandline.load(FIXTURES / "smoke.py"), mode=mode)
    game, rng = experiment.game(), np.random.default_rng(0)
    evolves = game.physics.domain.evolves()
    path = rng.normal(size=(2, 7, 16, 16, 4)).astype(np.float32) * evolves
    path += 0.1 * ~evolves * np.array([0, 0, 0, 1], np.float32)
    stored = {"training": path, "validation": path[:1], "test": path}

    def begin(simulations):
        data = simulated.known(experiment.data, game.physics.domain, simulations, 0)
        return data, games.start(game, data, jax.random.key(0))

    data, state = begin(stored)
    hidden = ~np.asarray(data.training.parts[0].seen) & evolves
    hidden[:, 0] = False  # the first frame is known
    assert hidden.any()
    spoiled = {
        role: np.where(hidden[: len(v)], np.nan, v) if role != "test" else v
        for role, v in stored.items()
    }
    assert_equal_states((data, state), begin(spoiled))


def test_a_stopped_run_resumes_to_the_same_end(ready, tmp_path, stop_after):
    """Stopped by a signal after cycle 1, then resumed: bit for bit the uninterrupted run."""
    experiment, given = ready.experiment, {"simulations": ready.stored}
    expected = hj.fit(experiment, run=tmp_path / "whole", **given)
    part = hj.fit(experiment, run=tmp_path / "parts", loggers=[stop_after(1)], **given)
    assert not part.finished
    assert not part.summary["finished"]
    assert checkpoint.steps(tmp_path / "parts" / "checkpoints") == [1]
    with pytest.raises(ValueError, match="1 of 3 cycles"):
        hj.fit(experiment, run=tmp_path / "parts", **given)
    found = hj.fit(experiment, run=tmp_path / "parts", resume=True, **given)
    assert_equal_states(leaves(tmp_path / "whole"), leaves(tmp_path / "parts"))
    assert found.summary["physical"] == expected.summary["physical"]
    assert [r.cycle for r in read(RunDir(tmp_path / "parts").log)] == [1, 2, 3]
    assert found.finished


@pytest.mark.accuracy
def test_a_run_stops_when_validation_gets_no_better(here, capsys, command):
    """Early: before its last cycle, with the best parameters of all; and that is its end."""
    words = (FIXTURES / "heat.py", "--mode", "synthetic", "--run-dir", "run")
    words += ("--schedule.cycles", "60", "--schedule.patience", "2")
    words += ("--synthetic.solver.learning-rate", "0.05")
    assert command(train.main, *words) == 0
    summary = json.loads((here / "run" / "summary.json").read_text())
    records = read(here / "run" / "metrics.jsonl")
    assert summary["finished"] is True
    assert 3 <= summary["cycles"] == len(records) < 60
    assert summary["synthetic"]["weights"] > 100
    capsys.readouterr()
    assert command(train.main, *words, "--resume") == 0
    assert "is finished" in capsys.readouterr().out
    assert len(read(here / "run" / "metrics.jsonl")) == len(records)


@pytest.mark.parametrize(
    "mode",
    ["physical", *(pytest.param(m, marks=pytest.mark.accuracy) for m in ("synthetic", "hybrid"))],
)
def test_double_precision_trains_and_no_nan_is_made(here, mode):
    words = [sys.executable, "-m", "hycojax.train", str(FIXTURES / "heat.py"), "--mode", mode]
    asked = {"JAX_ENABLE_X64": "1", "JAX_DEBUG_NANS": "1"}
    subprocess.run([*words, "--run-dir", "run"], env=os.environ | asked, check=True)
    summary = json.loads((here / "run" / "summary.json").read_text())
    for player in hj.Mode(mode).players:
        assert np.isfinite(summary[player]["test_nrmse"])
    if mode != "synthetic":
        found = summary["physical"]["parameters"]["diffusivity"]
        assert abs(found["estimate"] - 1) < 3 * found["sd"] < 0.05


@pytest.mark.accuracy
def test_a_killed_process_loses_at_most_its_last_cycle(here, command):
    words = [sys.executable, "-m", "hycojax.train", str(FIXTURES / "heat.py"), "--run-dir", "run"]
    words += ["--schedule.cycles", "400", "--mode", "physical"]
    process = subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    directory = RunDir(here / "run")
    deadline = time.monotonic() + 120
    while len(read(directory.log)) < 3 and time.monotonic() < deadline:
        time.sleep(0.05)
    process.kill()
    process.wait()
    saved = checkpoint.steps(directory.checkpoints)
    logged = read(directory.log)[-1].cycle
    assert saved
    assert logged - 1 <= saved[-1] <= logged
    assert command(evaluate.main, "run") == 0  # what was saved can be looked at
    resumed = subprocess.Popen([*words, "--resume"], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    while len(read(directory.log)) < logged + 2 and time.monotonic() < deadline:
        time.sleep(0.05)
    resumed.send_signal(signal.SIGINT)
    _, errors = resumed.communicate(timeout=120)
    assert resumed.returncode == 3
    assert b"--resume goes on from there" in errors
    cycles = [r.cycle for r in read(directory.log)]
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
    file = here / "run" / "experiment.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), "format": 2}))
    assert command(evaluate.main, "run") == 2
    assert "was written in format 2" in " ".join(capsys.readouterr().err.split())


@pytest.mark.accuracy
def test_a_run_that_diverges_stops_with_the_reason(ready, tmp_path):
    solver = replace(ready.experiment.synthetic.solver, learning_rate=1e30)
    synthetic = replace(ready.experiment.synthetic, solver=solver)
    experiment = replace(ready.experiment, synthetic=synthetic)
    with pytest.raises(hj.DivergedError, match="synthetic player diverged in cycle 1"):
        hj.fit(experiment, run=tmp_path / "run", simulations=ready.stored)
    assert checkpoint.steps(tmp_path / "run" / "checkpoints") == []


def test_who_is_misled_by_a_diverged_partner_is_not_blamed():
    def check(**players):
        loop._check_finite(Record(4, 1, "hybrid", players, 1.0, 1.0, 0.0))

    fine = PlayerRecord(0.1, 0.1, 0.1, 0.0, 0.1, "converged")
    misled = replace(fine, interaction=float("nan"), loss=float("nan"))
    with pytest.raises(hj.DivergedError, match="the physical player diverged in cycle 4: the synt"):
        check(physical=fine, synthetic=misled)
    check(physical=fine, synthetic=fine)
    with pytest.raises(hj.DivergedError, match="the physical player diverged in cycle 4: the phys"):
        check(physical=replace(fine, loss=float("inf")))  # by its penalty; there is no partner


def test_a_split_that_leaves_nothing_to_validate_on_is_refused(ready):
    sparse = {"region": hj.Sensors(((30.0, 30.0),)), "times": hj.Endpoints()}
    data = replace(ready.experiment.data, validation=0, held_out=0.01, **sparse)
    with pytest.raises(ValueError, match="after the first frame that is left for validation"):
        simulated.known(data, ready.game.physics.domain, ready.stored, 0)


@pytest.mark.parametrize(
    ("changes", "times", "message"),
    [
        ({"horizon": 4, "batch": None}, hj.Endpoints(), r"synthetic.horizon = 4: .* that divides"),
        # The last frame is not in the windows of the first turn.
        (
            {"horizon": 6, "batch": None, "early": hj.Early(cycles=1, horizon=4)},
            hj.Endpoints(),
            "synthetic.horizon = 4: .* end at frame 4",
        ),
        # A turn would never be undone.
        (
            {"horizon": 4, "batch": 3, "revert": 0.1},
            hj.Endpoints(),
            "synthetic.horizon = 4: .* end at frame 4",
        ),
    ],
)
def test_turns_that_see_nothing_are_refused(tiny_heat, changes, times, message):
    player = replace(tiny_heat.synthetic, **changes)
    with pytest.raises(ValueError, match=message):
        replace(tiny_heat, data=replace(tiny_heat.data, times=times), synthetic=player)
    replace(tiny_heat, synthetic=player)  # with more to see it is all right


def test_seen_values_that_are_not_finite_are_an_input_error(ready):
    broken = dict(ready.stored, training=ready.stored["training"].copy())
    broken["training"][0, 2, 8, 8, 0] = np.nan
    with pytest.raises(ValueError, match="training simulations: 1 of the observed values"):
        simulated.known(ready.experiment.data, ready.game.physics.domain, broken, 0)


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
    records = read(here / "run" / "metrics.jsonl")
    assert [record.parts is not None for record in records] == [False, False, True]
    parts = records[2].parts
    assert set(parts) >= {"interaction", "synthetic", "physical", "validation"}
    assert all(seconds > 0 for seconds in parts.values())
    assert 0.3 * records[2].seconds < sum(parts.values()) < records[2].seconds
    assert "time: interaction" in capsys.readouterr().out


@pytest.mark.accuracy
def test_a_run_that_is_resumed_is_traced_too(ready, tmp_path, stop_after):
    experiment = replace(ready.experiment, schedule=hj.Schedule(warmup=1, cycles=5))
    given = {"run": tmp_path / "run", "simulations": ready.stored}
    hj.fit(experiment, loggers=[stop_after(3)], **given)
    result = hj.fit(experiment, resume=True, trace=True, **given)
    assert [record.parts is not None for record in result.history] == [*[False] * 4, True]


def test_cycles_are_added_to_a_finished_run(ready, tmp_path):
    """By the library and by --resume with more cycles: the same, and the history says so."""
    given = {"simulations": ready.stored}
    result = hj.fit(ready.experiment, run=tmp_path / "run", **given)
    assert result.finished
    longer = hj.fit(result, cycles=2, **given)
    schedule = replace(ready.experiment.schedule, cycles=5)
    again = hj.fit(
        replace(ready.experiment, schedule=schedule), run=tmp_path / "run", resume=True, **given
    )
    for found in (longer, again, hj.load(tmp_path / "run")):
        assert found.legs == (3, 2)
        assert [(r.cycle, r.leg) for r in found.history] == [(1, 1), (2, 1), (3, 1), (4, 2), (5, 2)]
        assert found.finished
    assert_equal_states(longer.state, again.state)
    rates = [record.players["synthetic"].loss for record in longer.history]
    assert rates[3] != rates[2]  # the learning rate is not at its end
    log = RunDir(tmp_path / "run").log
    log.write_text(log.read_text().replace('"cycle": 2,', '"cycle": two,'))  # a damaged line
    damaged = hj.load(tmp_path / "run")
    assert [r.cycle for r in damaged.history] == [1, 3, 4, 5]
    assert damaged.finished
    assert damaged.summary["cycles"] == 5
    assert any("line 2" in warning for warning in damaged.warnings)
    with pytest.raises(ValueError, match=r"schedule.cycles = 4: 5 cycles were played already"):
        hj.fit(
            replace(ready.experiment, schedule=replace(schedule, cycles=4)),
            run=tmp_path / "run",
            resume=True,
            **given,
        )


def test_a_failed_start_leaves_nothing_that_blocks_the_next(ready, tmp_path):
    broken = dict(ready.stored, training=np.full_like(ready.stored["training"], np.nan))
    with pytest.raises(ValueError, match="are not finite"):
        hj.fit(ready.experiment, run=tmp_path / "run", simulations=broken)
    assert not (tmp_path / "run").exists()
    (tmp_path / "run" / "code").mkdir(parents=True)  # as a killed start leaves it
    (tmp_path / "run" / ".lock").touch()
    directory = RunDir(tmp_path / "run")
    assert not directories.is_claimed(directory)
    directories.claim(directory, ready.experiment, (3,))
    assert directories.is_claimed(directory)


def test_a_second_process_is_told_who_holds_a_run(tmp_path):
    directory = RunDir(tmp_path / "run")
    with directories.held(directory):
        code = f"""
from pathlib import Path
from hycojax.run import directory
try:
    with directory.held(directory.RunDir(Path({str(directory.root)!r}))):
        print("held")
except ValueError as error:
    print(error)
"""
        told = subprocess.check_output([sys.executable, "-c", code], text=True)
    assert f"is in use by process {os.getpid()} on" in told
    assert not directory.root.exists()  # an empty one is not left


def test_a_figure_that_fails_is_a_warning(ready, tmp_path, monkeypatch):
    from hycojax.report import pictures

    def fail(*_):
        raise RuntimeError("no fonts")

    monkeypatch.setattr(pictures, "draw", fail)
    with pytest.warns(UserWarning, match="figures are not complete: RuntimeError: no fonts"):
        hj.fit(ready.experiment, run=tmp_path / "run", simulations=ready.stored)
    assert json.loads((tmp_path / "run" / "summary.json").read_text())["finished"]
