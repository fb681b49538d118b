"""Players that see different recordings: whole runs of a camera for one, probes for the other.

Two systems of heat on a line, known in closed form: means over 16 cells with noise for the network,
exact values at three places for the PDE.
"""

import json
from dataclasses import replace

import jax
import numpy as np
import pytest

import hycojax as hj
from hycojax import evaluate, fitting, train
from hycojax.errors import InputError
from hycojax.game import state as games
from hycojax.inference import deviations, priors
from hycojax.run.compiled import compiled_cycle
from hycojax.run.directory import RunDir
from hycojax.settings.numbers import split

CELLS, LENGTH, DIFFUSIVITY = 16, 16.0, 0.2
X, TIMES = np.arange(CELLS) + 0.5, np.arange(9.0)
#: Wave, amplitude and phase, by system.
WAVES = (
    ((1, 1.0, 0.3), (2, 0.6, 1.0), (3, 0.4, 2.0)),
    ((1, 0.7, 2.1), (2, 0.8, 0.4), (3, 0.3, 1.0)),
)


def warmth(x, t, waves, width=0.0):
    """Return means of a width about places, at times."""
    found = 0.0
    for wave, size, phase in waves:
        k = 2 * np.pi * wave / LENGTH
        mean = np.sinc(k * width / (2 * np.pi))
        found = found + size * mean * np.exp(-DIFFUSIVITY * k**2 * t) * np.sin(k * x + phase)
    return found


def recordings(series, **options):
    systems = (hj.System(f"run {i}", (series(waves),)) for i, waves in enumerate(WAVES))
    return hj.Recordings(tuple(systems), **{"validation": hj.Share(0.2), **options})


def camera(sigma=0.05):
    rng = np.random.default_rng(0)

    def film(waves):
        values = warmth(X, TIMES[:, None], waves, width=1.0)
        values = values + sigma * rng.normal(size=values.shape)
        return hj.Film("temperature", "K", TIMES, (X,), values, sigma)

    return recordings(film)


def probes(places=(1.3, 6.2, 11.7)):
    t, x = np.tile(TIMES, len(places)), np.repeat(places, len(TIMES))
    about = t, x[:, None]
    return recordings(lambda w: hj.Points("temperature", "K", *about, warmth(x, t, w), 0.0))


def experiment(**fields):
    """Return the experiment in which each player has an instrument of its own."""
    given = {
        "name": "own",
        "domain": hj.Domain((CELLS,), (LENGTH,), hj.PERIODIC),
        "physical": hj.Physical(
            hj.physics.Heat(diffusivity=hj.Unknown(start=1.0)),
            hj.LBFGS(iterations=40),
            data=probes(),
        ),
        "synthetic": hj.Synthetic(
            hj.networks.UNet(levels=1, features=8),
            hj.Adam(1e-2, updates=60),
            batch=8,
            data=camera(),
        ),
        "interval": 1.0,
        "schedule": hj.Schedule(warmup=1, cycles=3),
    }
    return hj.Experiment(**{**given, **fields})


def shared(data, **fields):
    """Return the experiment in which both learn from the same."""
    own = experiment()
    players = {name: replace(getattr(own, name), data=None) for name in games.NAMES}
    return replace(own, **players, data=data, **fields)


def assert_equal(one, other):
    for a, b in zip(jax.tree.leaves(one), jax.tree.leaves(other), strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.fixture(scope="module")
def own_run(tmp_path_factory):
    """The result of a whole run, and its directory."""
    run = tmp_path_factory.mktemp("own") / "run"
    return hj.fit(experiment(), run=run), run


@pytest.fixture(scope="module")
def apart(own_run):
    """The game, what is known, and a function that plays two cycles of it."""
    found, about = fitting.settled(experiment())
    game = found.game()
    programs = {}

    def play(data, deaf=()):
        """Return the players after a cycle alone and one in which those meet that are not deaf."""
        state, told = games.start(game, data, jax.random.key(1)), None
        for number in range(2):
            turns = games.turns(game, number)
            for name in turns:
                meets = number == 1 and name not in deaf
                turn = replace(turns[name], equal=np.asarray(True), meets=np.asarray(meets))
                weight = np.asarray(meets, turn.interaction.dtype)
                turns[name] = replace(turn, interaction=weight)
            tree = jax.tree.structure(data)
            if tree not in programs:
                programs[tree] = compiled_cycle(games.stage(game, 0), data, state, turns)
            numbers = split(games.stage(game, number))[1]
            state, told = programs[tree](numbers, data, state, turns)
        return state.players, told

    return game, about.known, play


# What a player learns from.


def with_nan(observed):
    """Return what is known with NaN in all values."""
    parts = (replace(p, values=np.full_like(p.values, np.nan)) for p in observed.parts)
    return replace(observed, parts=tuple(parts))


@pytest.mark.parametrize(("deaf", "other"), [games.NAMES, games.NAMES[::-1]])
def test_the_partner_s_recordings_are_nothing_to_a_player_that_does_not_meet_it(apart, deaf, other):
    """NaN in all that the partner learns from, and in the union, from which nobody learns."""
    _, data, play = apart
    view = replace(data.views[other], training=with_nan(data.views[other].training))
    spoiled = replace(data, views=data.views | {other: view}, training=with_nan(data.training))
    expected, found = (play(own, deaf=games.NAMES)[0] for own in (data, spoiled))
    assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(expected))
    assert_equal(expected[deaf], found[deaf])
    changed = [(np.asarray(a) != b).any() for a, b in pairs(expected[other], found[other])]
    assert any(changed)


def pairs(one, other):
    return zip(jax.tree.leaves(one), jax.tree.leaves(other), strict=True)


@pytest.mark.parametrize("name", games.NAMES)
def test_a_player_alone_learns_as_if_its_own_were_all(apart, name):
    """The same bits as with its view as the data of both, validated on the same."""
    _, data, play = apart
    alone = replace(data.of(name), validation=data.validation, noise=data.of(name).noise)
    one, other = (play(own, deaf=games.NAMES)[0][name] for own in (data, alone))
    assert_equal(one.params, other.params)
    assert_equal(one.fitted, other.fitted)
    assert float(one.fitted) > 0


def test_first_states_of_the_pde_meet_the_trajectories_of_its_partner(apart):
    """Three probes tell little of them; the network has a camera."""
    _, data, play = apart
    deaf, met = (play(data, deaf)[0] for deaf in (games.NAMES, ("synthetic",)))
    truth = np.stack([warmth(X, 0.0, waves, width=1.0) for waves in WAVES])
    off = [
        np.sqrt(np.mean((np.asarray(own["physical"].recorded[:, 0, :, 0]) - truth) ** 2))
        for own in (deaf, met)
    ]
    assert off[1] < 0.5 * off[0]
    assert float(met["physical"].error) < 0.5 * float(deaf["physical"].error)


# Whole runs.


def test_a_camera_and_probes_find_more_together(own_run):
    result, run = own_run
    summary = json.loads(RunDir(run).summary.read_text())
    found = summary["physical"]["parameters"]["diffusivity"]
    assert found["estimate"] == pytest.approx(DIFFUSIVITY, rel=0.08)
    for name in games.NAMES:
        own = summary[name]
        assert 0 < own["own_nrmse"] < 0.2
        assert 0 < own["held_out_nrmse"] < 0.2
    assert 0.5 < summary["synthetic"]["own_chi2"] < 2
    assert "own_chi2" not in summary["physical"]  # exact values have none
    assert not any("refute" in told for told in summary.get("warnings", ()))
    alone = hj.fit(experiment(mode="physical"))
    off = [abs(float(r.parameters["diffusivity"].estimate) - DIFFUSIVITY) for r in (result, alone)]
    assert off[0] < 0.5 * off[1]
    errors = [r.summary["physical"]["held_out_nrmse"] for r in (result, alone)]
    assert errors[0] < 0.5 * errors[1]


def test_a_run_of_two_sources_is_loaded_as_it_was(own_run):
    result, run = own_run
    found = hj.load(run)
    assert found.summary == result.summary
    assert set(found.tried) == {"recorded", "held_out"}
    for name in games.NAMES:
        known = result.predictions[name]
        assert_equal(known["recorded"].values, known["held_out"].values)  # the same systems
        one, other = (r.tried["recorded"].of(name) for r in (found, result))
        assert_equal((one.first, one.parts), (other.first, other.parts))
        assert (one.noise, one.sure, one.steps) == (other.noise, other.sure, other.steps)
        for kind, own in found.predictions[name].items():
            assert_equal(own.values, result.predictions[name][kind].values)
    assert found.experiment.data is None
    assert found.experiment.read().digest == experiment().read().digest


def test_a_deviation_is_that_of_what_the_pde_sees(own_run):
    result, _ = own_run
    union, own = result.told["recorded"], result.learned["physical"]
    found = {}
    for name, trial in (("own", union.views["physical"]), ("union", union)):
        first = priors.shaped(union.views["physical"].first, own.prior)
        about = first, trial.parts, trial.scale, trial.noise
        physics = result.experiment.physics, None
        found[name] = deviations.doubts(*physics, *about, own.best)["diffusivity"].sd
    sd = float(result.parameters["diffusivity"].sd)
    assert sd == pytest.approx(found["own"], rel=1e-4)
    assert found["own"] != pytest.approx(found["union"], rel=0.05)


def test_a_stopped_run_of_two_sources_resumes_to_the_same_end(own_run, tmp_path, stop_after):
    result, _ = own_run
    part = hj.fit(experiment(), run=tmp_path, loggers=[stop_after(1)])
    assert part.played == 1
    found = hj.fit(experiment(), run=tmp_path, resume=True)
    assert found.played == 3
    assert_equal(found.state.players, result.state.players)
    moved = replace(experiment().physical, data=probes((1.3, 6.2, 11.8)))
    with pytest.raises(InputError, match="holds another run"):
        hj.fit(experiment(physical=moved), run=tmp_path, resume=True)


def test_the_same_twice_is_the_run_of_both():
    """No second program: it is that of the shared data, to the bit."""
    both = camera()
    players = {name: replace(getattr(experiment(), name), data=both) for name in games.NAMES}
    one = hj.fit(experiment(**players), cycles=2)
    other = hj.fit(shared(both), cycles=2)
    assert_equal(one.learned["physical"].last, other.learned["physical"].last)
    assert_equal(one.learned["synthetic"].last, other.learned["synthetic"].last)
    assert one.tried["recorded"].views == {}
    assert one.history[-1].players["synthetic"].trust["temperature"] > 0  # they have met


def test_one_player_has_its_own_the_other_the_experiment_s():
    own = replace(experiment().synthetic, data=None)
    found = fitting.settled(experiment(synthetic=own, data=camera()))[1]
    assert_equal(found.known, fitting.settled(experiment())[1].known)
    assert found.digest == experiment().read().digest


def test_schemes_are_compared_on_the_same_recordings(own_run):
    """Those of hybrid training are the numbers of the run itself."""
    result, _ = own_run
    found = hj.compare(experiment(), seeds=1)
    assert found.errors == "held_out"
    errors = {label: own["held_out"] for label, own in found.rows.items()}
    for name in games.NAMES:
        (hybrid,) = errors[f"hybrid: {name}" if name == "synthetic" else _EARLY]
        assert hybrid == result.summary[name]["held_out_nrmse"]
    assert errors[_EARLY][0] < 0.5 * errors["physical only, early stopping"][0]


_EARLY = "hybrid: physical, early stopping"


# Messages.


def test_what_does_not_go_together_is_told_as_the_experiment_is_made():
    own = experiment()
    simulated = hj.Simulated(hj.physics.Heat())
    with pytest.raises(ValueError, match=r"^data: both players have data of their own; leave it"):
        replace(own, data=camera())
    with pytest.raises(ValueError, match=r"^data: what is known of the system is needed, or data"):
        replace(own, physical=replace(own.physical, data=None))
    with pytest.raises(ValueError, match=r"^physical.data: simulations are seen by both players"):
        replace(own, synthetic=replace(own.synthetic, data=None), data=simulated)
    with pytest.raises(ValueError, match=r"^synthetic.data: simulations are seen by both players"):
        replace(own, synthetic=replace(own.synthetic, data=simulated))
    other = replace(own.physical, data=replace(probes(), begin=-1.0))
    begun = replace(own.synthetic, data=replace(camera(), begin=-2.0))
    with pytest.raises(ValueError, match=r"^physical.data.begin = -1.0, but synthetic.data.begin"):
        replace(own, physical=other, synthetic=begun)


# From the command line.

FILE = """
import hycojax as hj

experiment = hj.Experiment(
    name="two",
    domain=hj.Domain((16,), (16.0,), hj.PERIODIC),
    physical=hj.Physical(
        hj.physics.Heat(diffusivity=hj.Unknown(start=1.0)),
        hj.LBFGS(iterations=40),
        data=hj.Files("probes.nc", sigma={"temperature": 0.0}),
    ),
    synthetic=hj.Synthetic(
        hj.networks.UNet(levels=1, features=8),
        hj.Adam(1e-2, updates=60),
        batch=8,
        data=hj.Files("camera.nc", channels={"temperature": "dye"}),
    ),
    schedule=hj.Schedule(warmup=1, cycles=1),
)
"""


def test_files_of_two_instruments_from_the_command_line(tmp_path, monkeypatch, capsys, command):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "two.py").write_text(FILE)
    seen = camera().to_xarray()
    names = {str(n): str(n).replace("temperature", "dye") for n in seen.data_vars}
    seen.rename(names).to_netcdf("other.nc", engine="h5netcdf")
    probes().to_xarray().to_netcdf("probes.nc", engine="h5netcdf")
    words = ("two.py", "--run-dir", "run")
    assert command(train.main, *words) == 2
    assert "there is no file camera.nc" in capsys.readouterr().err
    words += ("--synthetic.data.path", "other.nc")
    assert command(train.main, *words) == 0
    assert "first states: measured (synthetic), estimated (physical)" in capsys.readouterr().out
    assert command(train.main, *words, "--resume") == 0
    assert command(evaluate.main, "run") == 0
    assert command(evaluate.main, "run", "--data", "other.nc") == 0
    probes((1.3, 6.2, 11.8)).to_xarray().to_netcdf("probes.nc", engine="h5netcdf")
    capsys.readouterr()
    assert command(train.main, *words, "--resume") == 2
    assert "run has learned from other recordings (digest" in capsys.readouterr().err
