"""What is said of recordings: noise, the box, facts, what is odd, a first experiment."""

import dataclasses
from pathlib import Path

import jax
import numpy as np
import pytest
import xarray as xr

from hycojax import fitting, inspect
from hycojax.commandline import load
from hycojax.data.extent import box
from hycojax.data.noise import noise_estimate, noise_of_lines
from hycojax.data.recordings import Film, Points, Recordings, System
from hycojax.errors import InputError
from hycojax.report import inspection

X = (np.arange(32) + 0.5) / 32
TIMES = np.linspace(0, 1, 40)


def film(noise=0.0, dtype=np.float64):
    """Return a decaying wave in a periodic box of 1 m."""
    rng = np.random.default_rng(0)
    x, y = np.meshgrid(2 * np.pi * X, 2 * np.pi * X, indexing="ij")
    values = np.exp(-TIMES)[:, None, None] * np.sin(x) * np.cos(y)
    noisy = values + noise * rng.normal(size=values.shape)
    return Film("temperature", "K", TIMES, (X, X), noisy.astype(dtype))


def points(noise=0.0, seed=0):
    """Return the same at 10 places, with clocks of their own."""
    rng = np.random.default_rng(seed)
    places = np.repeat(rng.uniform(size=(10, 2)), 60, axis=0)
    times = np.sort(rng.uniform(size=(10, 60)), axis=1).ravel()
    wave = np.sin(2 * np.pi * places[:, 0]) * np.cos(2 * np.pi * places[:, 1])
    values = np.exp(-times) * wave + noise * rng.normal(size=600)
    return Points("temperature", "K", times, places, values)


def with_holes(own):
    rng = np.random.default_rng(0)
    values = np.where(rng.uniform(size=own.values.shape) < 0.5, np.nan, own.values)
    return dataclasses.replace(own, values=values)


def first(own):
    return dataclasses.replace(own, times=own.times[:1], values=own.values[:1])


def known(*series):
    return Recordings((System("simulation 0", series),))


# Noise


@pytest.mark.parametrize("noise", [1e-3, 0.02, 0.3])
def test_noise_is_found(noise):
    for own in (film(noise), points(noise), with_holes(film(noise)), first(film(noise))):
        assert noise_estimate(own) == pytest.approx(noise, rel=0.3)


def test_noise_of_lines():
    rng = np.random.default_rng(0)
    own = [points(0.02), points(0.02, seed=1)]
    places = np.concatenate([p.places for p in own])
    _, sites = np.unique(places, axis=0, return_inverse=True)
    lines = [np.concatenate([getattr(p, name) for p in own]) for name in ("values", "times")]
    order = rng.permutation(1200)
    values, times, systems, sites = (
        a[order] for a in (*lines, np.repeat([0, 1], 600), sites.ravel())
    )
    assert noise_of_lines(values, systems, times, sites) == pytest.approx(0.02, rel=0.2)
    assert noise_of_lines(values[:9], systems[:9], times[:9], sites[:9]) is None


def test_outliers_do_not_change_the_noise():
    own = film(0.02)
    own.values[:, ::9, ::5] += 5
    own.values[7] += 40
    assert noise_estimate(own) == pytest.approx(0.02, rel=0.2)


def test_where_noise_can_not_be_told():
    constant = dataclasses.replace(film(), values=np.ones((40, 32, 32)))
    few = dataclasses.replace(points(), **{n: getattr(points(), n)[:9] for n in FIELDS})
    for own in (film(), film(dtype=np.float32), points(), constant, few):
        assert noise_estimate(own) is None


FIELDS = ("times", "places", "values")

# The box


def test_the_box_of_a_film():
    assert box(known(film())) == ((0.0, 0.0), (1.0, 1.0))
    shifted = dataclasses.replace(film(), places=(X - 2, 2 * np.pi * X))
    origin, size = box(known(shifted))
    np.testing.assert_allclose((*origin, *size), (-2, 0, 1, 2 * np.pi), rtol=1e-12)


@pytest.mark.parametrize("more", [0, 1], ids=["lower faces", "all faces"])
def test_films_on_faces_have_no_say(more):
    faces, values = np.arange(32 + more) / 32, np.ones((40, 32 + more, 32))
    along = Film("velocity_x", None, TIMES, (faces, X), values)
    across = Film("velocity_y", None, TIMES, (X, faces), np.swapaxes(values, 1, 2))
    for own in ((along, across), (film(), along, across)):
        assert box(known(*own)) == ((0.0, 0.0), (1.0, 1.0))


def test_boxes_that_are_not_known():
    with pytest.raises(InputError, match="points do not say where the box ends: give its size"):
        box(known(points()))
    assert box(known(points()), size=(1, 2)) == ((0.0, 0.0), (1.0, 2.0))
    half = dataclasses.replace(film(), places=(X[:16], X), values=film().values[:, :16])
    with pytest.raises(InputError, match="films fill different parts of the box along x: 0 to 1"):
        box(known(film(), half))


# The report


def test_facts():
    data = known(with_holes(film(0.02)), dataclasses.replace(points(), unit=None))
    seen, probes = inspection.facts(data)
    assert (seen.channel, seen.kind, seen.unit, seen.frames) == (
        "temperature",
        "film",
        "K",
        (40, 40),
    )
    assert seen.places == "32 x 32 pixels of 0.03125 x 0.03125 m"
    assert seen.missing == pytest.approx(0.5, abs=0.02)
    assert seen.complete == 0
    assert seen.noise == pytest.approx(0.02, rel=0.3)
    assert (probes.kind, probes.places, probes.noise) == ("points", "10 places", None)
    assert probes.step == pytest.approx(1 / 60, rel=0.7)
    assert inspection.table(data).row_count == 12


def test_nothing_is_odd_about_good_recordings():
    assert inspection.odd(known(film(0.02), points(0.02))) == []


def test_what_is_odd():
    own = film(0.02)
    values = own.values.copy()
    values[5, 3, 3] += 9
    values[20] = values[19]
    values[:, 0, 0] = 1
    values[30] = np.nan
    times = np.where(own.times > 0.5, own.times + 1, own.times)
    probes = points(0.02)
    still = np.where(probes.places[:, 0] == probes.places[0, 0], 2.0, probes.values)
    places, clock = probes.places.copy(), probes.times.copy()
    places[100], clock[100] = places[101], clock[101]
    told = inspection.odd(
        known(
            dataclasses.replace(own, values=values, times=times),
            dataclasses.replace(probes, values=still, places=places, times=clock, unit=None),
        )
    )
    for sentence in (
        "a gap in time, from 0.487179 to 1.51282 s",
        "nothing is seen in 1 frame",
        "1 frame repeat the one before",
        "1 pixel never change",
        "outliers",
        "1 measurement repeat a place and a time",
        "never changes",
        "it has no unit",
    ):
        assert any(sentence in line for line in told), (sentence, told)


def test_a_periodic_film_with_both_ends_is_told():
    """Its box would become a pixel too long, and a diffusivity 5 % too high."""
    rng = np.random.default_rng(0)
    x = np.linspace(0, 1, 17)
    wave = np.sin(2 * np.pi * x + 0.3)[:, None] + np.cos(2 * np.pi * x)
    values = np.exp(-np.arange(6))[:, None, None] * wave + 0.01 * rng.normal(size=(6, 17, 17))
    closed = Film("u", "K", np.arange(6.0), (x, x), values)
    told = [line for line in inspection.odd(known(closed)) if "repeat the first ones" in line]
    assert [line.split("along ")[1][:6] for line in told] == ["axis 0", "axis 1"]
    opened = Film("u", "K", np.arange(6.0), (x[:-1], x[:-1]), values[:, :-1, :-1])
    assert not [line for line in inspection.odd(known(opened)) if "repeat the first" in line]


@pytest.mark.parametrize("dims", [1, 2, 3])
def test_the_picture(dims, tmp_path):
    rng = np.random.default_rng(0)
    places = (X[:8],) * dims
    values = rng.normal(size=(40, *(8,) * dims))
    values[3] = np.nan
    static = Film("source", None, None, places, values[0])
    probes = dataclasses.replace(points(), places=rng.uniform(size=(600, dims)))
    data = known(Film("u", "K", TIMES, places, values), static, probes)
    inspection.picture(data).savefig(tmp_path / "a.png")
    assert (tmp_path / "a.png").stat().st_size > 10_000


# The command


@pytest.fixture
def command(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    data = film(0.02, np.float32)
    known(dataclasses.replace(data, channel="T", unit="degC")).to_xarray().to_netcdf(
        "tank.nc", engine="h5netcdf"
    )
    return inspect.main


def test_the_command_tells_what_is_there(command, capsys, tmp_path):
    command(["tank.nc"])
    told = capsys.readouterr().out
    for words in ("layout labelled", "T, film", "degC", "32 x 32 pixels", "tank-inspected.png"):
        assert words in told
    assert (tmp_path / "tank-inspected.png").exists()


def test_a_first_experiment_is_written(command, capsys, tmp_path):
    command(["tank.nc", "--pde", "Heat", "--write", "mine.py", "--picture", "a.png"])
    assert "temperature: taken from T" in capsys.readouterr().out
    words = (tmp_path / "mine.py").read_text()
    compile(words, "mine.py", "exec")
    for line in (
        'name="mine"',
        "shape=(32, 32)",
        "size=(1.0, 1.0)",
        "boundary=hj.PERIODIC",
        "interval=0.025641",
        "diffusivity=hj.Unknown(start=0.01)",
        'data=hj.Files("tank.nc", channels={"temperature": "T"})',
    ):
        assert line in words
    with pytest.raises(InputError, match=r"mine\.py is there already"):
        command(["tank.nc", "--pde", "heat", "--write", "mine.py"])


def test_a_folder_is_made_for_the_experiment(command, tmp_path):
    command(["tank.nc", "--pde", "Heat", "--write", "new/mine.py"])
    assert (tmp_path / "new" / "mine.py").exists()


@pytest.mark.parametrize(
    ("ends", "boundary", "told"),
    [
        (("wall", "wall"), "CLOSED", "its box is wall along x, wall along y"),
        (("periodic", ""), "PERIODIC", "its box is periodic along x"),
        (("periodic", "open"), "PERIODIC", "the model's periodic on all sides: near its ends they"),
    ],
)
def test_a_box_ends_as_the_file_says(command, capsys, tmp_path, ends, boundary, told):
    """Though opposite sides look like neighbours."""
    left = ("drive: of no use",)
    own = Recordings((System("one", (film(0.02),), boundary=ends, left_out=left),))
    own.to_xarray().to_netcdf("own.nc", engine="h5netcdf")
    command(["own.nc", "--pde", "heat", "--write", "own.py"])
    printed = " ".join(capsys.readouterr().out.split())
    assert told in printed
    assert "left out: drive: of no use" in printed
    assert f"boundary=hj.{boundary}" in (tmp_path / "own.py").read_text()
    if boundary == "CLOSED":
        (tmp_path / "ring.py").write_text(
            "import hycojax as hj\n\n\nclass Ring(hj.physics.Heat):\n"
            "    boundaries = (hj.PERIODIC,)\n"
        )
        with pytest.raises(InputError, match=r"Ring can't be fitted to this: .*periodic"):
            command(["own.nc", "--pde", "ring.py:Ring"])


def test_a_pde_of_the_users_own(command, tmp_path):
    (tmp_path / "own_pde.py").write_text(
        "import hycojax as hj\n\n\nclass Mine(hj.physics.Heat):\n    '''Mine.'''\n"
    )
    command(["tank.nc", "--pde", "own_pde.py:Mine", "--write", "mine.py"])
    words = (tmp_path / "mine.py").read_text()
    assert "from own_pde import Mine" in words
    assert "model=Mine(" in words


def moving(channel, **fields):
    return dataclasses.replace(film(0.02, np.float32), channel=channel, **fields)


def test_a_first_experiment_for_a_channel_that_nobody_sees_suits_its_recordings(command, capsys):
    """It gives the prior that is needed: of the states that the package draws for the PDE."""
    known(moving("v", unit="1")).to_xarray().to_netcdf("v.nc", engine="h5netcdf")
    command(["v.nc", "--pde", "gray-scott", "--write", "mine.py"])
    assert "u: nothing is seen of it" in capsys.readouterr().out
    experiment, found = fitting.settled(load(Path("mine.py")))
    (prior,) = experiment.data.first.priors.values()
    states = np.stack([experiment.physics.sample(jax.random.key(i))[..., 0] for i in range(5)])
    assert prior.mean == pytest.approx(states.mean(), abs=0.5 * states.std())
    assert prior.amplitude == pytest.approx(states.std(), rel=0.5)
    assert found.known.training.first.kind == "estimated"


def test_a_first_experiment_is_not_written_without_what_is_static(command, capsys):
    known(moving("density", unit="1")).to_xarray().to_netcdf("a.nc", engine="h5netcdf")
    command(["a.nc", "--pde", "smoke"])
    message = "source is static in Smoke, and the file has nothing of it: add it as a field"
    with pytest.raises(InputError, match=message):
        command(["a.nc", "--pde", "smoke", "--write", "mine.py"])
    assert not Path("mine.py").exists()


def test_series_of_two_units_are_two_columns():
    kelvin, celsius = moving("T"), moving("T", unit="degC")
    found = inspection.facts(known(kelvin, celsius))
    assert [f.unit for f in found] == ["K", "degC"]
    unseen = dataclasses.replace(kelvin, sigma=np.where(kelvin.values > 0, 0.5, np.nan))
    assert inspection.facts(known(unseen))[0].sigma == pytest.approx(0.5)


def test_names_with_quotes_are_quoted(command, tmp_path):
    own = known(moving('temp"air', unit="degC"))
    own.to_xarray().to_netcdf('a"b.nc', engine="h5netcdf")
    command(['a"b.nc', "--pde", "heat", "--write", "mine.py"])
    assert load(Path("mine.py")).data.read().systems[0].series[0].channel == "temperature"


def test_a_group_of_a_file(command, capsys):
    tree = xr.DataTree.from_dict({"/test/truth": xr.load_dataset("tank.nc")})
    tree.to_netcdf("tree.nc", engine="h5netcdf")
    with pytest.raises(InputError, match="choose one of the groups test/truth"):
        command(["tree.nc"])
    command(["tree.nc", "--group", "test/truth", "--pde", "heat", "--write", "mine.py"])
    assert "T, film" in capsys.readouterr().out
    assert load(Path("mine.py")).data.read().systems[0].series[0].channel == "temperature"


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--pde", "heet"], "there is no PDE heet: did you mean heat"),
        (["--write", "mine.py"], "--pde is needed with --write"),
        (["--pde", "none.py:Mine"], r"there is no file none\.py"),
        (["--pde", "smoke"], "Smoke can't be fitted|none of its channels|do not convert"),
    ],
)
def test_wrong_words(command, words, message):
    with pytest.raises(InputError, match=message):
        command(["tank.nc", *words])


def test_points_alone_get_a_box_from_0_on(command, tmp_path):
    probes = dataclasses.replace(points(0.02), times=np.round(TIMES[0] + np.arange(600) / 600, 4))
    table = {"time": probes.times, "x": probes.places[:, 0], "temperature": probes.values}
    frame = xr.Dataset({n: ("row", v) for n, v in table.items()}).to_dataframe()
    frame.to_csv("probes.csv", index=False)
    command(["probes.csv", "--pde", "heat", "--write", "mine.py"])
    words = (tmp_path / "mine.py").read_text()
    assert "shape=(32,)" in words
    assert "size=(1.0,)" in words
