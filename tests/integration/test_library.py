"""The library from Python: in a script, a notebook, a thread; numbers as arguments; own classes."""

import io
import json
import os
import subprocess
import sys
import textwrap
import threading
from dataclasses import replace
from pathlib import Path

import jax
import numpy as np
import pytest
import xarray as xr
from rich.console import Console

import hycojax as hj
from hycojax import commandline, evaluate, generate, train
from hycojax.report import pictures
from hycojax.report.summary import show

ROOT = Path(__file__).parents[2]


def readme_example():
    """Return the first Python example of the README."""
    text = (ROOT / "README.md").read_text()
    return text.split("```python\n")[1].split("```")[0]


@pytest.fixture(scope="module")
def fitted(tiny_heat):
    """The tiny experiment on heat, in memory."""
    return hj.fit(tiny_heat)


@pytest.mark.accuracy
def test_the_example_of_the_readme_runs_and_leaves_one_file(tmp_path):
    example = readme_example()
    assert len([line for line in example.splitlines() if line.strip()]) <= 15
    subprocess.run([sys.executable, "-c", example], cwd=tmp_path, check=True)
    (file,) = tmp_path.iterdir()
    found = xr.load_dataset(file, engine="h5netcdf")
    assert found["temperature"].attrs["units"] == "K"
    assert np.isfinite(found["temperature"]).all()


@pytest.mark.accuracy
def test_it_runs_in_a_notebook_too(tmp_path, monkeypatch):
    nbformat, nbclient = pytest.importorskip("nbformat"), pytest.importorskip("nbclient")
    cells = [
        "import matplotlib, logging, jax; before = jax.config.jax_enable_x64, logging.root.level",
        readme_example(),
        "assert before == (jax.config.jax_enable_x64, logging.root.level)",
        "assert matplotlib.get_backend().lower().endswith('inline'), matplotlib.get_backend()",
        "result.parameters['diffusivity'].estimate",
    ]
    book = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in cells])
    monkeypatch.setenv("MPLBACKEND", "module://matplotlib_inline.backend_inline")
    nbclient.NotebookClient(book, timeout=300, resources={"metadata": {"path": tmp_path}}).execute()
    assert "array(" in book.cells[-1].outputs[0]["data"]["text/plain"]


def test_importing_changes_nothing_for_others():
    code = """
        import logging, os, jax, matplotlib
        before = jax.config.jax_enable_x64, matplotlib.get_backend(), logging.root.level
        handlers, absl = list(logging.root.handlers), logging.getLogger("absl").level
        import hycojax
        assert before == (jax.config.jax_enable_x64, matplotlib.get_backend(), logging.root.level)
        assert handlers == logging.root.handlers and absl == logging.getLogger("absl").level
        assert jax.config.jax_compilation_cache_dir is None
    """
    env = {k: v for k, v in os.environ.items() if k != "JAX_COMPILATION_CACHE_DIR"}
    for backend in ("module://matplotlib_inline.backend_inline", "svg"):
        own = env | {"MPLBACKEND": backend}
        subprocess.run([sys.executable, "-c", textwrap.dedent(code)], check=True, env=own)


def test_it_runs_in_a_thread(tiny_heat, fitted):
    found = []
    thread = threading.Thread(target=lambda: found.append(hj.fit(tiny_heat)))
    thread.start()
    thread.join()
    assert found[0].summary["physical"] == fitted.summary["physical"]


def test_nothing_is_written_without_a_directory(fitted, tiny_heat, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    result = hj.fit(replace(tiny_heat, mode="physical", schedule=hj.Schedule(warmup=1, cycles=1)))
    result.predict(result.tried["test"].truth[0, 0], steps=2, model="physical")
    assert not list(tmp_path.iterdir())


def test_a_result_has_parameters_models_and_predictions(fitted):
    found = fitted.parameters["diffusivity"]
    assert found.unit == "m²/s"
    assert found.relative_error == pytest.approx(abs(float(found.estimate) - 1), rel=1e-5)
    truth = fitted.tried["test"].truth
    for trained in (fitted.surrogate, fitted.physics):
        path = hj.rollout(trained, 6)(truth[0, 0])
        assert path.shape == (7, 16, 16, 1)
        np.testing.assert_allclose(trained(truth[0, 0]), path[1], atol=1e-6)
        batch = jax.vmap(trained)(truth[:, 0])
        np.testing.assert_allclose(batch[0], path[1], atol=1e-5)
    values = fitted.predictions["physical"]["test"].values
    exact = hj.rollout(fitted.physics, 6)(truth[0, 0])
    np.testing.assert_allclose(values[0], exact, atol=1e-5)


def test_a_summary_says_who_was_trained_alone(fitted):
    """A PDE that is right learns nothing from a network; that one learns from the PDE."""
    (told,) = fitted.summary["cooperation"]
    assert told.startswith(
        "the network is not known to predict held-out values better: chi2 per value "
    )
    assert told.endswith("; the PDE was trained alone from cycle 2 on")
    trusts = [record.players["synthetic"].trust["temperature"] for record in fitted.history]
    assert trusts[0] == 0 < min(trusts[1:])
    screen = Console(file=io.StringIO(), width=400)
    show(fitted.summary, screen)
    assert told in screen.file.getvalue()


def test_predictions_are_labelled(fitted):
    truth = fitted.tried["test"].truth
    several = fitted.predict(truth[:, 0], steps=3)
    assert several["temperature"].dims == ("simulation", "time", "x", "y")
    assert several["time"].values.tolist() == [0.0, 4.0, 8.0, 12.0]
    again = fitted.predict(several.isel(time=0), steps=3)
    np.testing.assert_allclose(again["temperature"], several["temperature"], atol=1e-6)
    with pytest.raises(ValueError, match="4 frames were given as an initial state"):
        fitted.predict(several, steps=3)
    with pytest.raises(
        ValueError,
        match='model = "network": "synthetic" or "physical"'.replace('"n', "'n").replace(
            'k"', "k'"
        ),
    ):
        fitted.predict(truth[0, 0], steps=3, model="network")


def test_a_rollout_that_is_not_finite_is_infinite_named_and_drawn(fitted, tmp_path):
    own = fitted.learned["synthetic"]
    nothing = jax.tree.map(lambda leaf: np.full_like(leaf, np.nan), own.best)
    broken = replace(fitted, learned={**fitted.learned, "synthetic": replace(own, best=nothing)})
    found = broken.summary
    for kind in ("test", "recorded"):
        assert found["synthetic"][f"{kind}_nrmse"] == np.inf
        assert np.isfinite(found["synthetic"][f"last_{kind}_nrmse"])
        assert np.isfinite(found["physical"][f"{kind}_nrmse"])
        assert f"synthetic: 2 of 2 {kind} rollouts are not finite" in found["warnings"]
    assert len(found["warnings"]) == 2
    assert "warnings" not in fitted.summary
    pictures.draw(broken, tmp_path)
    assert len(list(tmp_path.iterdir())) == 5


def test_each_parameter_has_a_standard_deviation(fitted, tmp_path):
    found = fitted.parameters["diffusivity"]
    assert 0 < found.sd < 0.05
    assert fitted.summary["physical"]["parameters"]["diffusivity"]["sd"] == pytest.approx(found.sd)
    assert found.spread is None


def test_numbers_are_arguments_of_what_is_compiled(compilations, fitted, tiny_heat):
    """Other seeds, starts, bounds, truths, rates, noise and weights compile nothing."""
    physical = replace(
        tiny_heat.physical,
        model=hj.physics.Heat(diffusivity=hj.Unknown(start=2.0)),
        weights=hj.Weights(data=0.7, interaction=0.3),
        solver=replace(tiny_heat.physical.solver, tolerance=1e-5),
    )
    synthetic = replace(
        tiny_heat.synthetic,
        solver=replace(tiny_heat.synthetic.solver, learning_rate=1e-3),
        weights=hj.Weights(data=0.5, interaction=2.0),
    )
    data = replace(tiny_heat.data, truth=hj.physics.Heat(diffusivity=1.3), noise=0.03)
    other = replace(tiny_heat, physical=physical, synthetic=synthetic, data=data, seed=5)
    assert hj.fit(tiny_heat).summary["physical"] == fitted.summary["physical"]
    compilations.clear()
    result = hj.fit(other)
    assert result.summary["physical"]["parameters"]["diffusivity"]["true"] == pytest.approx(1.3)
    assert compilations == []


OWN = '''
"""An experiment with classes of its own."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import flax.linen as nn
import numpy as np

import hycojax as hj
import own_rates


@dataclass(frozen=True)
class Decay(hj.PDE):
    """du/dt = -k u"""

    k: hj.Coefficient = hj.coefficient(0.5, unit="1/s", low=0.0)

    def channels(self, dims):
        return (hj.Channel("u"),)

    def step(self, at, values, state):
        return own_rates.after(state, values["k"], at.dt)

    def draw(self, domain, key):
        return hj.random_field(key, domain)[..., None]


class Small(nn.Module):
    @nn.compact
    def __call__(self, x):
        return nn.gelu(nn.Dense(4)(x))


@dataclass(frozen=True)
class Stripe:
    """Every other column, from a file beside this one."""

    def mask(self, domain, frames):
        return np.load(Path(__file__).parent / "columns.npy")


@dataclass(frozen=True)
class Height:
    """Mean square of a field."""

    weight: float = 0.0

    def penalty(self, domain, field):
        return self.weight * (field**2).mean()


columns = np.load(Path(__file__).parent / "columns.npy")
experiment = hj.Experiment(
    name="own",
    domain=hj.Domain((8, 8), (1.0, 1.0), hj.PERIODIC),
    interval=0.5,
    physical=hj.Physical(Decay(k=hj.Unknown(start=0.2)), hj.LBFGS()),
    synthetic=hj.Synthetic(hj.networks.Custom(Small()), hj.Adam(updates=3), horizon=2, batch=2),
    data=hj.Simulated(Decay(k=0.5), training=1, validation=1, test=1, steps=4, region=Stripe()),
    schedule=hj.Schedule(warmup=1, cycles=2),
)
'''


@pytest.fixture
def own(tmp_path):
    """An experiment file with a module and a data file beside it, in a folder of their own."""
    folder = tmp_path / "mine"
    folder.mkdir()
    (folder / "own_experiment.py").write_text(OWN)
    rates = (
        "import jax.numpy as jnp\n\n\ndef after(u, k, t):\n    return u * jnp.exp(-{} * k * t)\n"
    )
    (folder / "own_rates.py").write_text(rates.format(1))
    np.save(folder / "columns.npy", np.arange(64).reshape(8, 8) % 2 == 0)
    yield folder
    for name in ("own_experiment", "own_rates"):
        sys.modules.pop(name, None)
    sys.path.remove(str(folder))


@pytest.mark.accuracy
def test_classes_of_ones_own_work_after_their_files_are_gone(own, tmp_path, monkeypatch, command):
    """From another directory, and in another process, after the run was moved."""
    monkeypatch.chdir(tmp_path)
    assert command(train.main, "mine/own_experiment.py", "--run-dir", "run") == 0
    summary = json.loads(Path("run", "summary.json").read_text())
    assert summary["physical"]["parameters"]["k"]["relative_error"] < 0.01
    for file in own.iterdir():
        file.unlink() if file.is_file() else None
    Path("elsewhere").mkdir()
    Path("run").rename(Path("elsewhere") / "moved")
    code = "from hycojax import commandline, evaluate; commandline.run(evaluate.main)"
    words = [sys.executable, "-c", code, str(tmp_path / "elsewhere" / "moved")]
    subprocess.run(words, cwd=Path("/"), check=True, stdout=subprocess.DEVNULL)
    assert json.loads(Path("elsewhere", "moved", "summary.json").read_text()) == summary
    assert command(evaluate.main, tmp_path / "elsewhere" / "moved") == 0


def test_data_are_made_anew_if_a_module_changes_that_a_pde_imports(
    own, tmp_path, monkeypatch, command
):
    monkeypatch.chdir(tmp_path)
    words = ("mine/own_experiment.py", "--mode", "physical")
    assert command(train.main, *words, "--run-dir", "one") == 0
    rates = own / "own_rates.py"
    rates.write_text(rates.read_text().replace("-1 *", "-5 *"))
    sys.modules.pop("own_rates")
    assert command(train.main, *words, "--run-dir", "two") == 0
    assert len(list(Path("data").iterdir())) == 2
    np.save(own / "columns.npy", np.arange(64).reshape(8, 8) % 4 == 0)  # a file that it names
    assert command(generate.main, *words) == 0
    assert len(list(Path("data").iterdir())) == 3
    found = json.loads(Path("two", "summary.json").read_text())["physical"]["parameters"]["k"]
    assert found["relative_error"] < 0.01


def test_classes_of_a_notebook_are_given_to_load(tiny_heat, tmp_path):
    class Warm(hj.physics.Heat):
        """A class that no module holds."""

    model = Warm(diffusivity=hj.Unknown(start=3.0))
    experiment = replace(
        tiny_heat, mode="physical", physical=replace(tiny_heat.physical, model=model)
    )
    hj.fit(experiment, run=tmp_path / "run")
    with pytest.raises(ValueError, match=r"give it as classes=\["):
        hj.load(tmp_path / "run")
    found = hj.load(tmp_path / "run", classes=[Warm])
    assert type(found.experiment.physical.model) is Warm


def test_a_neural_field_predicts_nothing_from_another_state():
    experiment = commandline.load(ROOT / "experiments" / "gray_scott_points.py")
    result = hj.Result(experiment, (1,), (), {"synthetic": None}, {})
    with pytest.raises(ValueError, match="NeuralField is a function of space and time"):
        result.predict(np.zeros((64, 64, 2)), steps=1)


def test_wrong_numbers_and_objects_are_refused_by_name(fitted, tiny_heat, tmp_path):
    state = fitted.tried["test"].truth[0, 0]
    for steps, message in ((0, "steps = 0: at least 1"), (2.5, "steps = 2.5: a whole number")):
        with pytest.raises(ValueError, match=message):
            fitted.predict(state, steps=steps)
    with pytest.raises(ValueError, match="initial: it holds values that are not finite"):
        fitted.predict(np.full_like(state, np.nan), steps=1)
    for cycles, message in ((0, "cycles = 0: at least 1"), (2.5, "cycles = 2.5"), (True, "True")):
        with pytest.raises(ValueError, match=message):
            hj.fit(fitted, cycles=cycles)
    with pytest.raises(ValueError, match="how many to add to the result"):
        hj.fit(fitted)
    calls = {
        "start = 3: an Experiment or a Result is needed": lambda: hj.fit(3),
        "run = 3: a Path or a string is needed": lambda: hj.fit(tiny_heat, run=3),
        "run = 4: a Path or a string is needed": lambda: hj.load(4),
        "experiment = 3: an Experiment is needed": lambda: hj.compare(3),
        "trained = 3: a Trained is needed": lambda: hj.rollout(3, 1),
        "diffusivity: 1 of its values are not finite": lambda: hj.physics.Heat([1.0, np.nan]),
        "not an empty one": lambda: hj.physics.Heat(diffusivity=[]),
    }
    for message, call in calls.items():
        with pytest.raises(ValueError, match=message):
            call()
    with pytest.raises(ValueError, match="low < high is needed"):
        hj.Unknown(start=1.5, low=2.0, high=1.0)
    truth = hj.physics.Heat(diffusivity=np.ones((8, 8)))
    with pytest.raises(ValueError, match=r"data.truth: .*diffusivity: \(8, 8\) values for"):
        replace(tiny_heat, data=replace(tiny_heat.data, truth=truth))


def test_results_are_saved_where_there_is_no_directory_yet(fitted, tmp_path):
    fitted.save(tmp_path / "not" / "there")
    assert (tmp_path / "not" / "there" / "summary.json").exists()
