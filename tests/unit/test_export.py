"""The network as files: what the program computes without this package, the weights, the card."""

import dataclasses
import json
import subprocess
import sys
import warnings
from functools import cache

import jax
import jax.export
import jax.numpy as jnp
import numpy as np
import pytest
from safetensors import safe_open
from safetensors.numpy import load_file

import hycojax as hj
from hycojax.data.observations import First, Statistics
from hycojax.grid.domain import Channel, with_channels
from hycojax.networks import FNO, Block, ConvNet, NeuralField, ResNet, UNet
from hycojax.report.evaluation import Trial
from hycojax.result import Learned, Result
from hycojax.run import checkpoint, export
from hycojax.run.directory import RunDir
from hycojax.run.record import PlayerRecord, Record

NETWORKS = {
    "convnet": ConvNet(features=4, layers=2),
    "resnet": ResNet(features=4, blocks=1, dilations=(1, 2)),
    "fno": FNO(features=4, layers=2, modes=3),
    "unet": UNet(levels=1, features=4),
    "plain unet": UNet(levels=1, features=4, growth=1, block=Block.PLAIN, coordinates=True),
}
#: So that no face of a state and no static channel is like another.
CHANNELS = (Channel("flow", "m/s", face=0), Channel("smoke", "kg"), Channel("inflow", static=True))
#: Rounding of the same sums, and of Winograd's form.
SAME, NEAR = 1e-6, 3e-5


def random_params(model):
    """Return weights and statistics that are nowhere zero."""
    params, rng = jax.eval_shape(model.init, jax.random.key(0)), np.random.default_rng(0)
    weights = jax.tree.map(
        lambda w: jnp.asarray(rng.normal(0, 0.3, w.shape), w.dtype), params["weights"]
    )
    scales = np.array([0.3, 0.2, 0.1], np.float32)[: len(model.channels)]
    return model.normalise({"weights": weights}, Statistics(scales, scales + 1, scales + 2))


@cache
def bound(name, dims):
    """Return a network on 8 cells an axis, and parameters."""
    domain = hj.Domain((8,) * dims, (2.0, 3.0, 4.0)[:dims], hj.CLOSED)
    model = NETWORKS[name].on(with_channels(domain, CHANNELS), 0.5)
    return model, random_params(model)


@cache
def serialised(name, dims):
    return bytes(export.program(*bound(name, dims)).serialize(vjp_order=1))


@cache
def expected(name, dims):
    """Return three states and a cotangent, the states one interval later, and the gradient."""
    model, params = bound(name, dims)
    shape = (3, *model.domain.shape, len(CHANNELS))
    states, cotangent = jax.random.normal(jax.random.key(2), (2, *shape))

    def step(states):
        return jax.vmap(lambda state: model.forward(params, state))(states)

    @jax.jit
    def both(states, cotangent):
        after, pull = jax.vjp(step, states)
        return after, *pull(cotangent)

    return states, cotangent, *both(states, cotangent)


def assert_close(found, wanted, tolerance=SAME):
    np.testing.assert_allclose(found, wanted, atol=tolerance * np.abs(wanted).max())


EVERY = pytest.mark.parametrize("name", NETWORKS)
LONGER = [pytest.param(dims, marks=pytest.mark.accuracy) for dims in (2, 3)]
#: Networks that run where the package is not, on 8 x 8 cells.
ABROAD = ("convnet", "fno")


@EVERY
@pytest.mark.parametrize("dims", [1, *LONGER])
def test_the_program_and_its_gradient_are_those_of_the_network(name, dims):
    program = jax.export.deserialize(serialised(name, dims))
    states, cotangent, after, gradient = expected(name, dims)
    assert np.abs(after - states).max() > 0.1
    assert_close(jax.jit(program.call)(states), after)
    assert_close(jax.jit(program.vjp().call)(states, cotangent)[0], gradient)


@pytest.mark.skipif(jax.default_backend() != "cpu", reason="it exchanges what the CPU does")
@pytest.mark.parametrize("name", ["convnet", "fno"])
@pytest.mark.parametrize("platform", ["cuda", "tpu"])
def test_what_it_does_on_accelerators_is_the_same(name, platform):
    """Their part of the program, run here: it is in the place of the CPU's."""
    program = jax.export.deserialize(serialised(name, 2))
    assert program.platforms == export.PLATFORMS
    states, cotangent, after, gradient = expected(name, 2)
    for own, arguments, wanted in (
        (program, (states,), after),
        (program.vjp(), (states, cotangent), gradient),
    ):
        swap = {platform: "cpu", "cpu": platform}
        exchanged = tuple(swap.get(p, p) for p in own.platforms)
        other = dataclasses.replace(own, platforms=exchanged)
        compiled = [jax.jit(p.call).lower(*arguments).compile() for p in (own, other)]
        convolutions = [" convolution(" in c.as_text() for c in compiled]
        assert convolutions == [False, name == "convnet"]
        assert_close(jax.tree.leaves(compiled[1](*arguments))[0], wanted, NEAR)


#: What a user without the package does: of each file the step and its gradient, of each batch.
ELSEWHERE = """
import sys


class Refuse:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in ("hycojax", "phi", "phiml", "flax"):
            raise ImportError(f"{name} is refused")


sys.meta_path.insert(0, Refuse())
for name in ("hycojax", "phi", "phiml", "flax"):
    try:
        __import__(name)
    except ImportError:
        continue
    sys.exit(f"{name} can be imported")

from pathlib import Path

import jax
import jax.export
import numpy as np

for file in sorted(Path(sys.argv[1]).glob("*.jax")):
    program = jax.export.deserialize(file.read_bytes())
    for batch in (1, 3):
        given = np.load(file.with_name(f"{file.stem}-{batch}.npz"))
        states, cotangent = given["states"], given["cotangent"]
        (gradient,) = program.vjp().call(states, cotangent)
        found = {"after": program.call(states), "gradient": gradient}
        np.savez(file.with_name(f"{file.stem}-{batch}-found.npz"), **found)
"""


@pytest.fixture(scope="module")
def elsewhere(tmp_path_factory):
    """Return the folder where a process without the package has used all programs."""
    folder = tmp_path_factory.mktemp("elsewhere")
    for name in ABROAD:
        (folder / f"{name}.jax").write_bytes(serialised(name, 2))
        for batch in (1, 3):
            states, cotangent = (v[:batch] for v in expected(name, 2)[:2])
            np.savez(folder / f"{name}-{batch}.npz", states=states, cotangent=cotangent)
    command = [sys.executable, "-I", "-c", ELSEWHERE, str(folder)]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    return folder


@pytest.mark.parametrize("name", ABROAD)
@pytest.mark.parametrize("batch", [1, 3])
def test_it_runs_where_the_package_is_not(name, batch, elsewhere):
    after, gradient = (v[:batch] for v in expected(name, 2)[2:])
    found = np.load(elsewhere / f"{name}-{batch}-found.npz")
    assert_close(found["after"], after)
    assert_close(found["gradient"], gradient)


def test_a_pde_can_be_a_program_too():
    """Its primitives are other ones: those of advection."""
    box = hj.Domain((8,), (10.0,), hj.PERIODIC)
    model = hj.physics.Advection(coefficient=0.7).on(box, 1.0)
    states = jax.random.normal(jax.random.key(0), (2, 8, 2))
    program = jax.export.deserialize(export.program(model, {}).serialize())
    assert_close(program.call(states), jax.jit(jax.vmap(lambda s: model.forward({}, s)))(states))


ABOUT = {"name": "plume", "errors": {"test_nrmse": 0.25, "test_nrmse_seen": 0.125}}


@pytest.fixture
def written(tmp_path):
    """Return the directory of an exported network, the network, and its parameters."""
    model, params = bound("convnet", 1)
    directory = RunDir(tmp_path / "new" / "folder")
    export.write(directory, ABOUT["name"], model, params, ABOUT["errors"])
    return directory, model, params


def test_the_three_files_and_no_other_are_written(written):
    directory, *_ = written
    names = {path.name for path in directory.root.iterdir()}
    assert names == {"surrogate.jax", "surrogate.safetensors", "surrogate.json"}
    program = jax.export.deserialize(directory.program.read_bytes())
    states, _, after, _ = expected("convnet", 1)
    assert_close(program.call(states), after)


def test_it_can_be_a_part_of_what_is_differentiated(written):
    program = jax.export.deserialize(written[0].program.read_bytes())
    states, cotangent, _, gradient = expected("convnet", 1)
    loss = jax.jit(jax.grad(lambda s: (cotangent * program.call(s)).sum()))
    assert_close(loss(states), gradient)


def test_the_weights_make_the_same_network_again(written):
    directory, model, params = written
    arrays = load_file(directory.weights)
    kernel = params["weights"]["params"]["body"]["Convolution_0"]["kernel"]
    np.testing.assert_array_equal(arrays["weights.params.body.Convolution_0.kernel"], kernel)
    np.testing.assert_array_equal(arrays["statistics.change"], params["statistics"].change)
    template = jax.eval_shape(model.init, jax.random.key(0))
    jax.tree.map(np.testing.assert_array_equal, checkpoint.part(arrays, "", template), params)
    assert len(arrays) == len(jax.tree.leaves(params))


def test_arrays_in_another_order_of_memory_are_written_as_they_are(tmp_path):
    turned = np.arange(6.0).reshape(2, 3).T
    file = tmp_path / "turned.safetensors"
    file.write_bytes(export.tensors({"turned": turned, "number": np.float32(2.0)}, {}))
    found = load_file(file)
    np.testing.assert_array_equal(found["turned"], turned)
    assert found["number"].shape == ()


def test_the_card_says_what_the_numbers_mean(written):
    directory, _, params = written
    card = json.loads(directory.card.read_text())
    with safe_open(directory.weights, "numpy") as file:
        assert json.loads(file.metadata()["card"]) == card
    assert card.pop("versions") == {"hycojax": hj.__version__, "jax": jax.__version__}
    assert card.pop("network")["class"] == "hycojax.networks.convnet:ConvNet"
    for name, values in card.pop("statistics").items():
        np.testing.assert_array_equal(values, getattr(params["statistics"], name))
    assert card == {
        "format": 1,
        "states": "float32 [batch, *shape, channels]",
        "channels": [
            {"name": "flow", "unit": "m/s", "static": False, "face": 0, "points": False},
            {"name": "smoke", "unit": "kg", "static": False, "face": None, "points": False},
            {"name": "inflow", "unit": "1", "static": True, "face": None, "points": False},
        ],
        "domain": {"shape": [8], "size": [2.0], "boundary": "closed"},
        "interval": 0.5,
        "units": {"size": "m", "interval": "s"},
        **ABOUT,
    }


def test_where_a_program_fails_none_of_other_weights_is_left(written, monkeypatch):
    directory, model, params = written
    monkeypatch.setattr(jax.export, "export", None)
    with pytest.raises(TypeError):
        export.write(directory, ABOUT["name"], model, params, ABOUT["errors"])
    assert not directory.program.exists()


@pytest.fixture
def result(tiny_heat):
    """Return a result of a network that was never trained."""
    alone = dataclasses.replace(tiny_heat, mode="synthetic")
    params = random_params(alone.surrogate)
    truth = np.asarray(jax.random.normal(jax.random.key(1), (2, 7, 16, 16, 1)))
    turn = PlayerRecord(0.0, 0.0, 0.0, 0.0, 0.0, "")
    history = (Record(1, 1, "synthetic", {"synthetic": turn}, 1.0, 1.0, 1.0),)
    first = First(truth[:, 0])
    trial = Trial(first, 6, np.ones(1), 0.0, truth=truth, mask=alone.mask())
    tried = {"recorded": dataclasses.replace(trial, trained=True), "test": trial}
    return Result(alone, (1,), history, {"synthetic": Learned(params, params, 1, {})}, tried)


@pytest.fixture
def no_pictures(monkeypatch):
    from hycojax.report import pictures

    monkeypatch.setattr(pictures, "draw", lambda *_: None)


@pytest.mark.usefixtures("no_pictures")
def test_a_run_holds_what_its_result_exports(result, tmp_path):
    run = RunDir(tmp_path / "run")
    run.root.mkdir()
    result.save(run.root)
    result.export(tmp_path / "other")
    one, other = run.card.read_text(), RunDir(tmp_path / "other").card.read_text()
    assert one == other
    errors = json.loads(run.summary.read_text())["synthetic"]
    found = json.loads(one)["errors"]
    parts = ("nrmse", "nrmse_seen", "nrmse_hidden")
    assert found == {f"{k}_{p}": errors[f"{k}_{p}"] for k in ("recorded", "test") for p in parts}
    program = jax.export.deserialize(run.program.read_bytes())
    states = result.tried["test"].truth[:, 0]
    assert_close(program.call(states), jax.vmap(result.surrogate)(states))


@pytest.mark.usefixtures("no_pictures")
def test_a_failure_is_a_warning(result, tmp_path, monkeypatch):
    def fail(*_):
        raise OSError("the disk is full")

    monkeypatch.setattr(export, "write", fail)
    with pytest.warns(UserWarning, match="the network is not exported: OSError: the disk") as told:
        result.save(tmp_path)
    assert told[0].filename == __file__
    assert RunDir(tmp_path).summary.exists()


@pytest.mark.usefixtures("no_pictures")
def test_a_function_of_space_and_time_is_no_program(result, tmp_path):
    field = NeuralField(simulations=2, steps=6, features=4, layers=1, waves=2)
    about = result.experiment
    about = dataclasses.replace(
        about,
        synthetic=dataclasses.replace(about.synthetic, model=field),
        data=dataclasses.replace(about.data, validation=0),
        interaction=hj.Interaction(alpha=0.0, recorded=True),
    )
    params, tried = random_params(about.surrogate), {"recorded": result.tried["test"]}
    learned = {"synthetic": Learned(params, params, 1, {})}
    own = dataclasses.replace(result, experiment=about, learned=learned, tried=tried)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        own.save(tmp_path)
    names = {path.name for path in tmp_path.iterdir()}
    assert names == {"summary.json", "predictions.nc"}
    with pytest.raises(ValueError, match="NeuralField is a function of space and time"):
        own.export(tmp_path)
