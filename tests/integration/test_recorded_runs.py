"""Runs on recordings of one's own: nobody knows a truth, and none is made up."""

import json
import shutil
import sys
from dataclasses import replace
from pathlib import Path

import jax
import numpy as np
import pytest
import xarray as xr

import hycojax as hj
from hycojax import commandline, comparing, evaluate, generate, predict, train
from hycojax.data import labelled, simulated
from hycojax.errors import InputError
from hycojax.report.comparison import markdown
from hycojax.run import directory as directories
from hycojax.run.directory import RunDir

FILE = Path(__file__).parents[1] / "fixtures" / "heat.py"
NOISE = 0.02


def film(experiment, seed=0):
    """Return simulations as a film: noise, degrees Celsius, and a strip that nobody sees."""
    path = simulated.simulate(*experiment.simulation)["training"]
    sigma = NOISE * path.std()
    values = path + sigma * np.random.default_rng(seed).normal(size=path.shape)
    values[:, :, :4] = np.nan
    data = labelled.to_xarray(experiment.physics.domain, experiment.interval, values + 20)
    dye = data["temperature"].astype(np.float32).assign_attrs(units="degC")
    about = {"dye": dye, "dye_sigma": ((), np.float32(sigma), {"units": "K"})}
    return xr.Dataset(about), labelled.to_xarray(experiment.physics.domain, 4.0, path + 293.15)


@pytest.fixture(scope="module")
def recorded_run(tmp_path_factory, tiny_heat, command):
    """A folder with recordings, an experiment file for them, and a finished run."""
    here = tmp_path_factory.mktemp("recorded")
    text = FILE.read_text()
    begin, end = text.index("    data=hj.Simulated("), text.index("    schedule=")
    data = '    data=hj.Files("tank.nc", channels={"temperature": "dye"}),\n'
    own = text[:begin] + data + text[end:].replace("cycles=3", "cycles=2")
    (here / "tank.py").write_text(own)
    recorded, whole = film(tiny_heat)
    recorded.to_netcdf(here / "tank.nc", engine="h5netcdf")
    film(tiny_heat, 1)[0].to_netcdf(here / "other.nc", engine="h5netcdf")
    whole.isel(time=0).to_netcdf(here / "initial.nc", engine="h5netcdf")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(here)
        assert command(train.main, "tank.py", "--run-dir", "run") == 0
    yield here
    sys.modules.pop("tank", None)


@pytest.fixture
def here(recorded_run, tmp_path, monkeypatch):
    """A copy of that folder."""
    shutil.copytree(recorded_run, tmp_path / "here")
    monkeypatch.chdir(tmp_path / "here")
    return tmp_path / "here"


def changed_film(here):
    """Change one value of the recordings."""
    data = xr.load_dataset(here / "tank.nc", engine="h5netcdf")
    data["dye"][0, 3, 9, 9] += 0.01
    (here / "tank.nc").unlink()
    data.to_netcdf(here / "tank.nc", engine="h5netcdf")


def test_a_run_reports_without_a_truth(recorded_run):
    directory = RunDir(recorded_run / "run")
    summary = json.loads(directory.summary.read_text())
    for name in ("synthetic", "physical"):
        own = summary[name]
        assert not any("test" in key or "seen" in key for key in own)
        assert own["held_out_chi2"] == pytest.approx((own["held_out_nrmse"] / NOISE) ** 2, rel=0.2)
        assert 0 < own["held_out_nrmse"] < 1
    found = summary["physical"]["parameters"]["diffusivity"]
    assert not {"true", "relative_error", "last_relative_error"} & set(found)
    assert 0 < found["sd"] < 0.1
    assert found["estimate"] == pytest.approx(1, abs=0.3)
    figures = sorted(path.name for path in directory.figures.iterdir())
    assert figures == [
        "losses.png",
        "parameters.png",
        "residuals_temperature.png",
        "rollout.gif",
        "states_temperature.png",
    ]
    with xr.open_datatree(directory.predictions, engine="h5netcdf") as tree:
        assert set(tree.children) == {"recorded", "held_out"}
        assert "truth" not in tree["recorded"].children
        predicted = tree["recorded/physical"]["temperature"]
        assert float(abs(predicted - 293.15).max()) < 10  # kelvin, the unit of the model


def test_a_run_whose_network_breaks_leaves_json_that_every_parser_reads(here):
    result = hj.load("run")
    own = result.learned["synthetic"]
    broken = replace(own, best=jax.tree.map(lambda leaf: np.full_like(leaf, np.nan), own.best))
    result = replace(result, learned=result.learned | {"synthetic": broken})
    assert result.summary["synthetic"]["held_out_nrmse"] == np.inf
    result.save("run")

    def refuse(word):
        raise AssertionError(f"{word} is no JSON")

    for path in (*Path("run").glob("*.json"), Path("run", "metrics.jsonl")):
        for text in path.read_text().splitlines() if "jsonl" in path.name else [path.read_text()]:
            json.loads(text, parse_constant=refuse)
    assert directories.finished(RunDir(Path("run"))) == result.summary
    told = "synthetic: 2 of 2 held-out rollouts are not finite"
    assert told in json.loads(Path("run", "summary.json").read_text())["warnings"]


def test_lessons_that_begin_otherwise_are_a_warning_of_the_summary(recorded_run):
    """The recordings lie about 293 K, what the PDE samples about 0."""
    result = hj.load(recorded_run / "run")
    assert "warnings" not in result.summary
    fresh = replace(result.experiment.interaction, fresh="sampled")
    other = replace(result, experiment=replace(result.experiment, interaction=fresh))
    (told,) = other.summary["warnings"]
    assert told.startswith("lessons begin with temperature at ")
    assert "recordings at 293" in told


def test_what_is_held_out_is_scored_as_the_residuals_are(recorded_run):
    """chi2 is the mean square of the residuals, in sigma, of what was held out."""
    from hycojax.report import residuals

    result = hj.load(recorded_run / "run")
    trial = result.tried["held_out"]
    off = residuals.residuals(trial, result.predictions["physical"]["held_out"].values)
    assert np.mean(off**2) == pytest.approx(result.summary["physical"]["held_out_chi2"], rel=1e-3)
    counts = [sum(int(np.sum(p.seen)) for p in result.tried[k].parts) for k in result.tried]
    assert sum(counts) == 2 * 7 * 12 * 16


def test_a_finished_run_needs_its_recordings_no_more(here, capsys, command):
    before = json.loads(Path("run", "summary.json").read_text())
    words = ("tank.py", "--run-dir", "run", "--resume")
    assert command(train.main, *words) == 0
    assert "warning" not in capsys.readouterr().out
    Path("tank.nc").unlink()
    assert command(train.main, *words) == 0
    told = " ".join(capsys.readouterr().out.split())
    assert "whether the recordings are still the same is unknown: there is no file tank.nc" in told
    assert "run is finished" in told
    assert command(train.main, *words, "--seed", "3") == 2
    assert "holds another run (seed: 0, not 3)" in capsys.readouterr().err
    assert command(train.main, *words, "--schedule.cycles", "3") == 2
    assert "there is no file tank.nc" in capsys.readouterr().err
    assert command(evaluate.main, "run") == 0
    assert json.loads(Path("run", "summary.json").read_text()) == before


@pytest.mark.parametrize("more", [(), ("--schedule.cycles", "3")], ids=["finished", "longer"])
def test_a_run_does_not_go_on_with_other_recordings(here, capsys, command, more):
    changed_film(here)
    assert command(train.main, "tank.py", "--run-dir", "run", "--resume", *more) == 2
    assert "run has learned from other recordings (digest" in capsys.readouterr().err


def test_a_digest_tells_any_number_apart_and_nothing_else(tiny_heat):
    data = film(tiny_heat)[0]
    one, again = (hj.Recordings.from_xarray(data) for _ in range(2))
    assert one.digest == again.digest
    assert replace(one, begin=0.0).digest == one.digest  # how they are used is a setting
    for name in ("dye", "time", "x"):
        other = data.copy(deep=True)
        values = other[name].values.copy()
        values.flat[-1] = np.nextafter(values.flat[-1], np.inf)
        assert (
            hj.Recordings.from_xarray(other.assign({name: other[name].copy(data=values)})).digest
            != one.digest
        )


def test_a_run_is_tried_on_other_recordings(here, capsys, command):
    before = Path("run", "summary.json").read_text()
    assert command(evaluate.main, "run", "--data", "other.nc") == 0
    printed = capsys.readouterr().out
    assert "test nRMSE" in printed
    assert "chi2 a value" in printed
    assert Path("run", "summary.json").read_text() == before
    trial = evaluate.tried_on(hj.load("run"), here / "other.nc").tried["test"]
    assert sum(int(np.sum(part.seen)) for part in trial.parts) == 2 * 7 * 12 * 16  # all of them
    assert command(evaluate.main, "run", "--data", "none.nc") == 2
    assert "error: there is no file none.nc" in capsys.readouterr().err
    xr.load_dataset("other.nc").rename(dye="ink").to_netcdf("ink.nc", engine="h5netcdf")
    assert command(evaluate.main, "run", "--data", "ink.nc") == 2
    assert "ink.nc: there is no variable dye for the channel temperature" in capsys.readouterr().err


def test_other_recordings_are_read_as_an_instrument_of_the_run(here):
    """Of several that which has their variables, with its units and sigma."""
    data = hj.load("run").experiment.data
    other = hj.Files("a.nc", channels={"temperature": "ink"})
    found = evaluate.recorded_in([hj.Together((other, data))], here / "other.nc")
    assert found.digest == evaluate.recorded_in([data], here / "other.nc").digest
    with pytest.raises(InputError, match="no variable ink for the channel temperature"):
        evaluate.recorded_in([other], here / "other.nc")


def test_recordings_are_not_generated(here, capsys, command):
    assert command(generate.main, "tank.py") == 2
    assert "only simulated data are generated" in capsys.readouterr().err


# Predictions from initial states in files.


@pytest.mark.parametrize("model", [None, "synthetic", "physical"])
def test_predict_writes_what_the_result_predicts(here, capsys, command, model):
    chosen = () if model is None else ("--model", model)
    words = ("run", "--initial", "initial.nc", "--steps", "3", "--out", "new/out.nc")
    assert command(predict.main, *words, *chosen) == 0
    found = xr.load_dataset("new/out.nc", engine="h5netcdf")
    told = f"simulation 2, time 4, x 16, y 16, by the {model or 'synthetic'} model"
    assert told in capsys.readouterr().out
    initial = xr.load_dataset("initial.nc", engine="h5netcdf")
    expected = hj.load("run").predict(initial, 3, model)
    np.testing.assert_allclose(found["temperature"], expected["temperature"], atol=1e-4)
    assert found["temperature"].attrs["units"] == "K"
    assert found.attrs["model"] == (model or "synthetic")
    assert command(predict.main, *words) == 2
    assert "out.nc is there already: give another name" in capsys.readouterr().err


def test_predict_takes_the_names_and_units_of_the_recordings(here, command):
    data = xr.load_dataset("initial.nc", engine="h5netcdf").isel(simulation=0)
    data = data.rename(temperature="dye")
    celsius = data.assign(dye=(data["dye"] - 273.15).assign_attrs(units="degC"))
    for name, own in (("k", data), ("c", celsius)):
        own.to_netcdf(f"{name}.nc", engine="h5netcdf")
        words = ("run", "--initial", f"{name}.nc", "--steps", "2", "--out", f"{name}-out.nc")
        assert command(predict.main, *words, "--model", "physical") == 0
    one, other = (xr.load_dataset(f"{n}-out.nc", engine="h5netcdf") for n in "kc")
    assert one["temperature"].dims == ("time", "x", "y")
    np.testing.assert_allclose(one["temperature"], other["temperature"], atol=1e-3)


def test_predict_takes_a_frame_of_a_group(here, capsys, command):
    """As of a file that `generate` wrote."""
    data = xr.load_dataset("initial.nc", engine="h5netcdf")
    frames = [data, data + 1, data + 9]
    film = xr.concat([own.drop_vars("time") for own in frames], "time")
    film = film.assign_coords(time=4.0 * np.arange(3))
    film["temperature"].attrs = data["temperature"].attrs
    tree = xr.DataTree.from_dict({"/test": film})
    tree.to_netcdf("film.nc", engine="h5netcdf")
    words = ("run", "--initial", "film.nc", "--group", "test", "--steps", "2", "--out")
    assert command(predict.main, *words, "a.nc", "--frame", "0") == 0
    expected = hj.load("run").predict(data, 2)
    found = xr.load_dataset("a.nc", engine="h5netcdf")
    np.testing.assert_allclose(found["temperature"], expected["temperature"], atol=1e-4)
    assert command(predict.main, *words, "b.nc", "--frame", "3") == 2
    assert "film.nc: temperature: frame 3 of 3, from 0" in capsys.readouterr().err
    assert command(predict.main, *words, "b.nc") == 2
    assert "3 frames were given as an initial state" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--initial", "none.nc"), "error: there is no file none.nc"),
        (("--initial", "tank.py"), "tank.py: "),
        (("--initial", "many.nc"), "many.nc: temperature: 7 frames were given as an initial state"),
        (("--initial", "wrong.nc"), "wrong.nc: temperature is missing: did you mean temprature?"),
        (("--units", "temperature kg"), "initial.nc: temperature: values in 'kg' do not convert"),
        (("--steps", "0"), "steps = 0: at least 1 is needed"),
        (("--steps", "few"), "--steps"),
        (("--model", "both"), "invalid choice 'both'"),
    ],
)
def test_predict_tells_what_is_wrong_in_one_message(here, capsys, command, words, message):
    initial = xr.load_dataset("initial.nc", engine="h5netcdf")
    several = initial.drop_vars("time").expand_dims(time=4.0 * np.arange(7))
    several.to_netcdf("many.nc", engine="h5netcdf")
    initial.rename(temperature="temprature").to_netcdf("wrong.nc", engine="h5netcdf")
    usual = {"--initial": "initial.nc", "--steps": "1", "--out": "out.nc"} | dict([words])
    flat = [word for pair in usual.items() for own in pair for word in own.split()]
    assert command(predict.main, "run", *flat) == 2
    printed = capsys.readouterr().err
    assert message in printed
    assert "Traceback" not in printed
    assert not Path("out.nc").exists()


def test_predict_needs_a_player_that_has_played(here, capsys, command):
    words = ("tank.py", "--mode", "physical", "--run-dir", "alone", "--schedule.cycles", "1")
    assert command(train.main, *words, "--schedule.warmup", "1") == 0
    usual = ("alone", "--initial", "initial.nc", "--steps", "1", "--out", "out.nc")
    assert command(predict.main, *usual, "--model", "synthetic") == 2
    assert "the synthetic player did not play: mode is physical" in capsys.readouterr().err
    assert command(predict.main, *usual) == 0


# A comparison.


@pytest.mark.accuracy
def test_schemes_are_compared_on_recordings(here, monkeypatch):
    experiment = commandline.load(here / "tank.py")
    found = hj.compare(experiment, seeds=1, run="all")
    assert found.errors == "held_out"
    assert found.runs == dict.fromkeys(comparing.SCHEMES, 1)
    titles = markdown(found.rows, found.errors).splitlines()[0]
    assert titles == "|  | held-out nRMSE | chi2 a value |"
    assert all(set(values) <= {"held_out", "chi2"} for values in found.rows.values())
    assert Path("all", "comparison.png").stat().st_size > 10_000
    records = [
        json.loads(RunDir(p).record.read_text()) for p in Path("all").iterdir() if p.is_dir()
    ]
    assert len({record["recordings"]["digest"] for record in records}) == 1
    monkeypatch.setattr(comparing, "fit", None)
    assert hj.compare(experiment, seeds=1, run="all") == found  # nothing is trained again
    changed_film(here)
    with pytest.raises(ValueError, match="has learned from other recordings"):
        hj.compare(experiment, seeds=1, run="all")


@pytest.mark.accuracy
def test_points_are_reported_too(here, tiny_heat):
    """Sensors with clocks of their own: dots in place of frames, by the same calls."""
    rng = np.random.default_rng(0)
    path = xr.load_dataset("initial.nc", engine="h5netcdf")["temperature"].isel(simulation=0)
    places = rng.uniform(0, 100, (60, 2))
    columns = {"time": rng.uniform(0, 24, 60), "x": places[:, 0], "y": places[:, 1]}
    table = columns | {"temperature": float(path.mean()) + rng.normal(size=60)}
    recordings = hj.Recordings.from_points(table, sigma={"temperature": 0.5})
    experiment = replace(tiny_heat, data=recordings, mode="physical", schedule=hj.Schedule(1, 1))
    hj.fit(experiment, run="points")
    result = hj.load("points")
    assert "held_out_chi2" in result.summary["physical"]
    names = {file.name for file in Path("points", "figures").iterdir()}
    assert {"states_temperature.png", "residuals_temperature.png", "rollout.gif"} <= names
