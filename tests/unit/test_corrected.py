"""A PDE with a learned term: no term at first, what it adds, what it costs, that it is found."""

import json
import sys
from dataclasses import dataclass, replace

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import hycojax as hj
from hycojax import commandline, fitting
from hycojax.data.observations import Statistics
from hycojax.inference import deviations
from hycojax.inference.taylor import taylor_slopes
from hycojax.models.model import beginnings
from hycojax.models.pde import Unconstrained
from hycojax.result import load
from hycojax.solvers import CORRECTION, MultiStart
from profiling import corrected

LINE = hj.Domain((16,), (1.0,), hj.PERIODIC)
LOCAL = hj.networks.ConvNet(features=6, layers=1, width=1)
COOLING = 0.8


@dataclass(frozen=True)
class Cooled(hj.physics.Heat):
    """Heat that is lost: dT/dt = a laplace T - c T + d, exactly."""

    def step(self, at, values, state):
        decay = np.exp(-COOLING * at.dt)
        return decay * super().step(at, values, state) + 0.3 / COOLING * (1 - decay)


def drawn(model, seed=0, size=0.3):
    """Return parameters whose learned term is not 0."""
    params = model.init(jax.random.key(seed))
    flat, unflatten = jax.flatten_util.ravel_pytree(params[CORRECTION]["weights"])
    weights = unflatten(flat + size * jax.random.normal(jax.random.key(seed + 1), flat.shape))
    statistics = Statistics(*(jnp.full(len(model.channels), x) for x in (0.2, 0.7, 0.4)))
    return {**params, CORRECTION: {"weights": weights, "statistics": statistics}}


CASES = {
    "line": (hj.physics.Heat(hj.Unknown(2e-3)), LINE, 1),
    "closed, one step": (
        hj.physics.Heat(1e-3, pieces=1),
        hj.Domain((8, 6), (1.0, 1.0), hj.CLOSED),
        1,
    ),
    "static channels": (hj.physics.Advection(0.1), hj.Domain((8, 8), (1.0, 1.0), hj.PERIODIC), 1),
    "faces, walls": (
        hj.physics.Smoke(hj.Unknown(0.1)),
        hj.Domain((8, 8), (9.0, 9.0), hj.CLOSED),
        1,
    ),
    "finer": (hj.physics.Heat(hj.Unknown(2e-3)), hj.Domain((8, 8), (1.0, 1.0), hj.CLOSED), 2),
    "3D": (hj.physics.Heat(2e-3), hj.Domain((4, 4, 4), (1.0, 1.0, 1.0), hj.PERIODIC), 1),
}


def both(name):
    """Return a PDE with a learned term, and the PDE in as many steps."""
    pde, domain, finer = CASES[name]
    model = hj.Corrected(pde, LOCAL).on(domain, 0.1, finer=finer)
    return model, pde.divided(model.at.pieces).on(domain, 0.1, finer=finer)


@pytest.mark.parametrize("name", CASES)
def test_untrained_it_is_the_pde(name):
    """The same steps, bit for bit where the compiler does not fuse them in another way."""
    model, plain = both(name)
    assert model.at.pieces % 2 == 0
    state, params = jax.jit(plain.sample)(jax.random.key(3)), model.init(jax.random.key(0))
    found = jax.jit(lambda s: model.forward(params, s))(state)
    expected = jax.jit(lambda s: plain.forward(params, s))(state)
    exact = name in ("line", "closed, one step")
    rounding = 0 if exact else 1e-6 * np.abs(expected).max()
    np.testing.assert_allclose(found, expected, rtol=0, atol=rounding)


@pytest.mark.parametrize("name", CASES)
def test_a_term_changes_what_evolves_alone(name):
    model, plain = both(name)
    params = drawn(model)
    state = jax.jit(plain.sample)(jax.random.key(3))
    moved = jax.jit(lambda s: model.forward(params, s) - plain.forward(params, s))(state)
    evolves = model.domain.evolves()
    assert np.abs(moved[evolves]).max() > 1e-3
    np.testing.assert_array_equal(np.asarray(moved)[~evolves], 0)
    np.testing.assert_array_equal(np.asarray(model.rate(params, state))[~evolves], 0)


class Same(nn.Module):
    """What it reads."""

    @nn.compact
    def __call__(self, x):
        return x


@pytest.mark.parametrize("interval", [0.1, 0.2])
def test_a_linear_term_adds_to_the_decay_of_a_wave(interval):
    """By the midpoint rule: exp(-c h) to third order, and diffusion exactly."""
    a, c, k = 3e-3, 0.5, 2 * np.pi
    model = hj.Corrected(hj.physics.Heat(a), hj.networks.Custom(Same())).on(LINE, interval)
    params = model.init(jax.random.key(0))
    weights = {"params": {"Dense_0": {"kernel": jnp.full((1, 1), -c * interval)}}}
    weights["params"]["Dense_0"]["bias"] = jnp.zeros(1)
    assert jax.tree.structure(weights) == jax.tree.structure(params[CORRECTION]["weights"])
    params[CORRECTION]["weights"] = weights
    wave = np.cos(k * LINE.centers()[0])[:, None].astype(np.float32)
    expected = np.exp(-(a * k**2 + c) * interval) * wave
    off = np.abs(np.asarray(model.forward(params, wave)) - expected).max()
    assert 0.5 < off / ((c * interval) ** 3 / 6) < 1.1
    np.testing.assert_allclose(model.rate(params, wave), -c * wave, rtol=1e-5)


@pytest.mark.usefixtures("double")
def test_the_gradient_is_that_of_central_differences():
    model = Unconstrained(hj.Corrected(CASES["line"][0], hj.networks.ConvNet(4, 1)).on(LINE, 0.1))
    double = jax.tree.map(lambda x: jnp.asarray(x, jnp.float64), drawn(model.model))
    point, unflatten = jax.flatten_util.ravel_pytree(model.model.unconstrain(double))
    state = jnp.cos(2 * np.pi * jnp.asarray(LINE.centers()[0]))[:, None]
    seen = jnp.stack([state, 0.5 * state])

    @jax.jit
    def loss(x):
        params = unflatten(x)
        end = model.forward(params, model.forward(params, state))
        return jnp.sum(end**3) + model.excess(params, seen)

    weights = jax.flatten_util.ravel_pytree(double[CORRECTION]["weights"])[0].size
    gradient = jax.grad(loss)(point)
    step = 1e-5
    sides = [loss(point + step * e) - loss(point - step * e) for e in jnp.eye(point.size)]
    places = np.flatnonzero(gradient)
    assert len(places) == weights + 1  # statistics are no weights
    np.testing.assert_allclose(gradient[places], np.array(sides)[places] / 2e-5, rtol=1e-5)


@pytest.mark.parametrize("name", ["static channels", "faces, walls"])
def test_the_penalty_is_the_mean_square_over_what_evolves(name):
    pde, domain, _ = CASES[name]
    model = hj.Corrected(pde, LOCAL, weight=0.03).on(domain, 0.1)
    params = drawn(model)
    states = jax.vmap(model.sample)(jax.random.split(jax.random.key(2), 3))
    change = np.stack([model.network.change(params[CORRECTION], s) for s in states])
    evolves = np.broadcast_to(model.domain.evolves(), change.shape)
    expected = 0.03 * np.mean((change[evolves] / 0.4) ** 2)
    np.testing.assert_allclose(model.excess(params, states), expected, rtol=1e-5)
    free = hj.Corrected(pde, LOCAL, weight=0.0).on(domain, 0.1)
    assert free.excess(params, states) == 0


def test_a_network_of_width_one_reads_each_cell_alone():
    model = hj.Corrected(hj.physics.Heat(1e-3), LOCAL).on(LINE, 0.1)
    params, state = drawn(model), jnp.zeros((16, 1))
    moved = model.rate(params, state.at[5].set(1.0)) - model.rate(params, state)
    assert np.flatnonzero(moved).tolist() == [5]


def test_weights_are_no_starts_that_a_search_scatters():
    params = {"a": jnp.zeros(()), CORRECTION: {"weights": {"kernel": jnp.ones((2, 2))}}}
    starts = MultiStart(hj.LBFGS(), members=3).init(params, 1).params
    assert len(set(np.asarray(starts["a"]).tolist())) == 3
    np.testing.assert_array_equal(starts[CORRECTION]["weights"]["kernel"], np.ones((3, 2, 2)))


def experiment(**fields):
    """Return a search for the diffusivity of a rod that cools, of which no PDE tells."""
    pde = hj.physics.Heat(diffusivity=hj.Unknown(start=4e-3))
    return hj.Experiment(
        **{
            "name": "rod",
            "domain": LINE,
            "interval": 0.2,
            "physical": hj.Physical(hj.Corrected(pde, LOCAL), hj.LBFGS(iterations=60), growth=1),
            "synthetic": hj.Synthetic(hj.networks.ConvNet(4, 1), hj.Adam(updates=2), batch=2),
            "data": hj.Simulated(
                Cooled(2e-3), training=3, validation=1, test=1, steps=6, refinement=1, noise=0.0
            ),
            "mode": hj.Mode.PHYSICAL,
            "schedule": hj.Schedule(warmup=0, cycles=2),
        }
        | fields
    )


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A run that is stopped after its first cycle, goes on, and one that is not stopped."""
    folder = tmp_path_factory.mktemp("rod")
    hj.fit(experiment(schedule=hj.Schedule(warmup=0, cycles=1)), run=folder / "stopped")
    on = hj.fit(experiment(), run=folder / "stopped", resume=True)
    return folder / "stopped", on


def test_diffusivity_and_term_are_found(run):
    """The truth is in closed form: a and d - c T."""
    _, result = run
    assert result.parameters["diffusivity"].relative_error < 0.01
    path = result.tried["test"].truth[0]
    found = np.stack([result.correction(state) for state in path])
    true = 0.3 - COOLING * path
    assert np.linalg.norm(found - true) < 0.02 * np.linalg.norm(true)
    batch = jax.vmap(result.correction)(path)
    np.testing.assert_allclose(batch, found, rtol=1e-4, atol=1e-5)


def test_the_pde_alone_is_misled():
    alone = experiment()
    alone = replace(alone, physical=replace(alone.physical, model=alone.physical.model.pde))
    assert hj.fit(alone).parameters["diffusivity"].relative_error > 0.1


def test_summary_and_figure_tell_of_the_term(run):
    folder, result = run
    told = json.loads((folder / "summary.json").read_text())["physical"]["correction"]
    rates = np.stack([[result.correction(s) for s in path] for path in paths(result)])
    np.testing.assert_allclose(told["temperature"]["rate"], np.sqrt(np.mean(rates**2)), rtol=1e-3)
    change = np.sqrt(np.mean(np.diff(paths(result), axis=1) ** 2))
    np.testing.assert_allclose(
        told["temperature"]["share"], 0.2 * np.sqrt(np.mean(rates**2)) / change, rtol=1e-3
    )
    assert told["temperature"]["unit"] == "K/s"
    assert (folder / "figures" / "correction.png").stat().st_size > 1e4


def paths(result):
    return result.predictions["physical"]["recorded"].values


def test_a_run_that_was_stopped_goes_on_bit_for_bit_and_is_loaded(run):
    folder, on = run
    whole = hj.fit(hj.fit(experiment(schedule=hj.Schedule(warmup=0, cycles=1))), cycles=1)
    loaded = load(folder)
    for other in (whole, loaded):
        same = jax.tree.map(
            np.array_equal, other.learned["physical"].last, on.learned["physical"].last
        )
        assert all(jax.tree.leaves(same))
    state = on.tried["test"].truth[0, 2]
    np.testing.assert_array_equal(loaded.correction(state), on.correction(state))
    np.testing.assert_array_equal(loaded.physics(state), on.physics(state))
    with pytest.raises(ValueError, match=r"state: an array \(16, 1\) is needed, not \(2, 16, 1\)"):
        on.correction(np.stack([state, state]))
    assert loaded.experiment.physical.model == on.experiment.physical.model


def test_both_players_learn_where_the_pde_has_a_term():
    both = experiment(mode=hj.Mode.HYBRID, schedule=hj.Schedule(warmup=1, cycles=2))
    short = replace(both.physical, solver=hj.LBFGS(iterations=4))
    result = hj.fit(replace(both, physical=short))
    assert np.isfinite(result.summary["physical"]["test_nrmse"])
    assert np.abs(result.correction(result.tried["test"].truth[0, 0])).max() > 0


def test_a_pde_in_which_nothing_is_unknown_may_have_a_term():
    model = hj.Corrected(hj.physics.Heat(2e-3), LOCAL)
    known = experiment()
    known = replace(known, physical=replace(known.physical, model=model))
    result = hj.fit(known)
    assert result.parameters == {}
    assert result.summary["physical"]["test_nrmse"] < 0.01


def test_noisy_first_states_are_found_with_the_term():
    """They are parameters too; the standard deviation tells of the freedom of all."""
    noisy = experiment(data=replace(experiment().data, noise=0.02))
    result = hj.fit(noisy)
    own = result.parameters["diffusivity"]
    assert own.relative_error < 0.1
    assert own.relative_error < 4 * own.sd / own.true


def test_a_standard_deviation_is_that_of_gauss_newton():
    """Of all parameters together, against a dense pseudo-inverse."""
    rod = experiment()
    physics = hj.Corrected(rod.physical.model.pde, hj.networks.ConvNet(1, 1, 1), 1e-3)
    rod = replace(rod, physical=replace(rod.physical, model=physics)).settled()
    data, tried = fitting.known(rod, None)
    model, trial = Unconstrained(rod.physics), tried["recorded"]
    params = model.normalise(model.model.unconstrain(drawn(model.model)), data.statistics)
    noise = 0.02
    found = deviations.doubts(
        rod.physics, None, trial.first, trial.parts, trial.scale, noise, params
    )["diffusivity"].sd
    point, unflatten = jax.flatten_util.ravel_pytree(params)
    scale, (part,) = float(trial.scale[0]), trial.parts
    first = beginnings(jnp.asarray(trial.first.mean))

    def residuals(x):
        path = model.predict(unflatten(x), first, 6)
        return (jnp.where(part.seen, path - part.values, 0) / (scale * noise)).ravel()

    states = model.predict(params, first, 6).reshape(-1, 16, 1)
    count = int(part.seen.sum())
    jacobian = np.asarray(jax.jacobian(residuals)(point), float)
    curved = jax.hessian(lambda x: model.excess(unflatten(x), states))(point)
    matrix = jacobian.T @ jacobian + np.asarray(curved, float) * count / (2 * noise**2)
    slope = np.asarray(jax.grad(lambda x: model.estimates(unflatten(x))["diffusivity"])(point))
    inverse = np.linalg.pinv(matrix, rcond=1e-9, hermitian=True)
    freedom = count - np.trace(jacobian @ inverse @ jacobian.T)
    square = np.sum(np.asarray(residuals(point), float) ** 2) / freedom
    expected = np.sqrt(square * slope @ inverse @ slope)
    np.testing.assert_allclose(found, expected, rtol=0.03)


def test_the_check_of_gradients_knows_the_term():
    rod = experiment().settled()
    data, _ = fitting.known(rod, None)
    model = Unconstrained(rod.physics)
    params = model.normalise(model.model.unconstrain(drawn(model.model)), data.statistics)
    slopes = taylor_slopes(rod.physics, data, params)
    assert set(slopes) == {"diffusivity", CORRECTION}
    np.testing.assert_allclose(list(slopes.values()), 2, atol=0.05)


@pytest.mark.accuracy
def test_diffusion_and_reaction_of_fitzhugh_nagumo_are_found():
    """The PDE knows diffusion alone; from half as many simulations of SciPy as in the proofs."""
    one = corrected.SYSTEMS["fitzhugh-nagumo"]
    few = replace(one, simulations=8)
    search = corrected.experiment("fitzhugh-nagumo", 0.0, "corrected", 0)
    physical = replace(search.physical, solver=hj.LBFGS(iterations=70), growth=0)
    search = replace(
        search,
        data=corrected.recordings(few, 0.0, 0),
        physical=physical,
        schedule=hj.Schedule(warmup=0, cycles=1),
    )
    result = hj.fit(search)
    found = result.physics.params
    for name, true in few.true.items():
        assert abs(float(found[name]) / true - 1) < 0.05
    truth = few.paths(4, 77)
    paths = jax.vmap(hj.rollout(result.physics, 30))(jnp.asarray(truth[:, 0]))
    assert np.log10(np.mean((np.asarray(paths) - truth)[:, 1:] ** 2)) < -3.5


@pytest.mark.parametrize(
    ("model", "message"),
    [
        (lambda p: hj.Corrected(p, hj.networks.FNO(modes=12)), r"^physical\.model: network: modes"),
        (lambda p: hj.Corrected(p, p), r"^network = Heat.*: a Network is needed"),
        (lambda p: hj.Corrected(p, None), r"^network = None: a Network is needed"),
        (lambda p: hj.Corrected(p, hj.networks.NeuralField(3, 6)), r"^network = .* is needed"),
        (lambda p: hj.Corrected(hj.Corrected(p, LOCAL), LOCAL), r"^pde = .*: a PDE is needed"),
        (lambda p: hj.Corrected(p, LOCAL, weight=-1.0), r"^weight = -1\.0: .* not be negative"),
        (lambda p: hj.Corrected(hj.physics.Smoke(), LOCAL), r"^domain\.shape: Smoke"),
        (lambda p: hj.Corrected(p, hj.networks.ConvNet(width=2)), r"^width = 2: .* 3 or 1"),
    ],
)
def test_what_does_not_suit_is_named(model, message):
    rod = experiment()
    with pytest.raises(ValueError, match=message):
        replace(rod, physical=replace(rod.physical, model=model(rod.physical.model.pde)))


def test_messages_name_the_field_of_its_pde_that_divides_an_interval():
    rod, wave = experiment(), hj.physics.Advection(coefficient=hj.Unknown(start=1.0, high=2.0))
    physical = replace(rod.physical, model=hj.Corrected(wave, LOCAL))
    still = replace(rod.data, truth=hj.physics.Advection(coefficient=1.0))
    with pytest.raises(ValueError, match=r"or set physical\.model\.pde\.pieces"):
        replace(rod, physical=physical, data=still, interval=1e6)


def test_there_is_no_term_without_one():
    alone = experiment()
    alone = replace(alone, physical=replace(alone.physical, model=alone.physical.model.pde))
    result = hj.fit(alone, cycles=1)
    with pytest.raises(ValueError, match=r"correction: no term was learned beside Heat; make"):
        result.correction(np.zeros((16, 1)))
    assert result.term is None
    assert "correction" not in result.summary["physical"]


def test_the_command_line_reaches_its_fields(tmp_path):
    file = tmp_path / "rod.py"
    file.write_text(
        f"import sys; sys.path.insert(0, {str(tmp_path)!r})\n"
        "import hycojax as hj\n"
        "pde = hj.physics.Heat(hj.Unknown(start=4e-3))\n"
        "experiment = hj.Experiment(name='rod', domain=hj.Domain((16,), (1.0,), hj.PERIODIC),\n"
        "    interval=0.2, physical=hj.Physical(\n"
        "        hj.Corrected(pde, hj.networks.ConvNet(6, 1, 1)), hj.LBFGS()),\n"
        "    synthetic=hj.Synthetic(hj.networks.ConvNet(4, 1), hj.Adam()),\n"
        "    data=hj.Simulated(hj.physics.Heat(2e-3)), mode=hj.Mode.PHYSICAL)\n"
    )

    @dataclass
    class Options:
        """Only an experiment."""

        experiment: commandline.Overridable

    words = ["--physical.model.weight", "0.5", "--physical.model.network.features", "9"]
    words += ["--physical.model.pde.diffusivity.start", "0.003"]
    before = set(sys.modules)
    given = Options(commandline.load(file))
    found = commandline.parse(Options, given, file, words, "train").experiment.physical.model
    for name in set(sys.modules) - before:
        sys.modules.pop(name)
    assert (found.weight, found.network.features) == (0.5, 9)
    assert found.pde.diffusivity.start == 0.003
