"""A network for each recorded simulation, as a function of space and time."""

from dataclasses import replace
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import hycojax as hj
from hycojax.data.observations import Statistics
from hycojax.data.regions import Scattered
from hycojax.data.times import EveryNth
from hycojax.game import state as games
from hycojax.game.schedule import Interaction
from hycojax.grid.domain import Boundary, Domain, with_channels
from hycojax.models.model import Starts, Stepper, beginnings
from hycojax.networks import NeuralField
from hycojax.physics import Heat, Smoke
from hycojax.run.compiled import compiled_cycle
from hycojax.settings.numbers import split
from hycojax.solvers import Adam, MultiStart

STEPS = 6


def small(grid, **fields):
    """Return a small field on a grid, with frames a second apart."""
    own = {"steps": STEPS, "features": 8, "layers": 2, "waves": 4} | fields
    return NeuralField(**own).on(grid, 1.0)


def box(shape, size, boundary):
    """Return a grid with the channel of heat."""
    return with_channels(Domain(shape, size, boundary), Heat().channels(len(shape)))


def line(n=16, boundary=Boundary.PERIODIC):
    return box((n,), (100.0,), boundary)


def random_params(model, seed=0):
    """Return weights, and statistics that are not those of scaled data."""
    n = len(model.domain.channels)
    scales = Statistics(jnp.linspace(0.3, 0.6, n), jnp.linspace(2.0, 3.0, n), jnp.ones(n))
    return jax.jit(lambda key: model.normalise(model.init(key), scales))(jax.random.key(seed))


def predict(model, params, starts, steps):
    return jax.jit(model.predict, static_argnums=2)(params, starts, steps)


def states(domain, count):
    shape = (count, *domain.shape, len(domain.channels))
    return jax.random.normal(jax.random.key(5), shape)


@pytest.fixture(params=Boundary)
def model(request):
    domain = Domain((6, 5), (3.0, 20.0), request.param)
    return small(with_channels(domain, Smoke().channels(2)), simulations=3)


def test_a_prediction_begins_with_the_start(model):
    start = states(model.domain, 3)
    path = predict(model, random_params(model), beginnings(start), 4)
    assert path.shape == (3, 5, 6, 5, 4)
    np.testing.assert_array_equal(path[:, 0], start)


def test_static_channels_and_faces_in_walls_pass_unchanged(model):
    start, evolves = states(model.domain, 3), model.domain.evolves()
    path = np.asarray(predict(model, random_params(model), beginnings(start), 4))
    fixed = np.broadcast_to(~evolves, path.shape)
    stays = np.broadcast_to(start[:, None], path.shape)
    np.testing.assert_array_equal(path[fixed], stays[fixed])
    assert (path[:, 1:] != stays[:, 1:])[:, :, evolves].all()


def test_what_evolves_depends_on_the_weights_alone_not_on_the_start(model):
    params, evolves = random_params(model), model.domain.evolves()
    one, other = (
        np.asarray(predict(model, params, beginnings(s), 4))[:, 1:, evolves]
        for s in (states(model.domain, 3), 7 - states(model.domain, 3))
    )
    np.testing.assert_array_equal(one, other)
    assert (np.ptp(one, axis=0) > 0).all()  # each simulation has its own network
    assert (np.ptp(one, axis=1) > 0).all()


def test_statistics_scale_the_output_and_are_not_trained(model):
    """m + r net: with mean 0 and deviation 1 it is the net."""
    evolves, start = model.domain.evolves(), beginnings(states(model.domain, 3))
    plain = jax.jit(model.init)(jax.random.key(0))
    params, dynamic = random_params(model), model.domain.dynamic
    net = predict(model, plain, start, 4)[:, 1:, ..., dynamic]
    found = predict(model, params, start, 4)[:, 1:, ..., dynamic]
    mean, std = (
        getattr(params["statistics"], name)[jnp.array(dynamic)] for name in ("mean", "std")
    )
    moving = np.broadcast_to(evolves[..., dynamic], net.shape)
    np.testing.assert_allclose(found[moving], (mean + std * net)[moving], rtol=1e-5, atol=1e-5)
    gradient = jax.jit(jax.grad(lambda p: jnp.sum(model.predict(p, start, 4) ** 2)))(params)
    assert all((g == 0).all() for g in jax.tree.leaves(gradient["statistics"]))
    assert all((g != 0).any() for g in jax.tree.leaves(gradient["weights"]))


def test_in_a_periodic_box_the_field_is_periodic_in_space_alone():
    """At the coordinates 0 and 1 of an axis, and at others a whole box apart."""
    for boundary in Boundary:
        model = small(box((6, 5), (3.0, 20.0), boundary), waves=16, bandwidth=2.0)
        weights = jax.tree.map(lambda w: w[0], jax.jit(model.init)(jax.random.key(0))["weights"])
        field = jax.jit(partial(model._network().apply, weights))
        places = jax.random.uniform(jax.random.key(1), (50, 3))
        for axis in range(3):
            zero, one = (places.at[:, axis].set(x) for x in (0.0, 1.0))
            periodic = boundary is Boundary.PERIODIC and axis < 2
            apart = [
                np.abs(field(zero) - field(one)).max(),
                np.abs(field(places) - field(places.at[:, axis].add(2.0))).max(),
            ]
            assert max(apart) < 1e-4 if periodic else min(apart) > 1e-2, (boundary, axis)


def test_a_field_is_one_function_of_space_on_every_grid():
    """The centres of a coarse grid are centres of one 3 times finer."""
    domain = box((5, 10), (3.0, 20.0), Boundary.CLOSED)
    coarse, fine = small(domain), small(domain.refine(3))
    params = random_params(coarse)
    one, other = (predict(m, params, beginnings(states(m.domain, 1)), 3) for m in (coarse, fine))
    np.testing.assert_allclose(one[:, 1:], other[:, 1:, 1::3, 1::3], atol=1e-5)


def test_windows_predict_what_a_prediction_from_the_beginning_has_at_their_times(model):
    params = random_params(model)
    whole = predict(model, params, beginnings(states(model.domain, 3)), STEPS)
    simulation, time = jnp.array([2, 0, 1, 1]), jnp.array([0, 3, 1, 3])
    windows = Starts(whole[simulation, time], simulation, time)
    found = predict(model, params, windows, 3)
    for path, s, t in zip(found, simulation, time, strict=True):
        np.testing.assert_allclose(path, whole[s, t : t + 4], atol=1e-5)


def test_time_is_counted_in_steps_of_the_recording():
    """Half of a recording with twice the steps is the same function: frame 2 t is frame t."""
    short, long = (small(line(), steps=steps) for steps in (5, 10))
    params, start = random_params(short), beginnings(states(line(), 1))
    one, other = predict(short, params, start, 5), predict(long, params, start, 10)
    np.testing.assert_allclose(one, other[:, ::2], atol=1e-5)


def fit(model, params, loss, updates=300, rate=1e-2):
    """Return parameters after a cycle of Adam."""
    solver = Adam(learning_rate=rate, updates=updates)

    def goal(params, key, number):
        value = loss(params)
        return value, {"data": value}

    run = jax.jit(lambda p: solver.run(goal, p, solver.init(p, 1), jax.random.key(0), 1)[0])
    return run(params)


def test_to_train_one_simulation_leaves_the_others_as_they_are():
    model = small(line(), simulations=2)
    params = random_params(model)
    start = Starts(states(line(), 1), jnp.array([1]), jnp.array([0]))
    after = fit(model, params, lambda p: jnp.mean(model.predict(p, start, STEPS) ** 2), updates=20)
    for old, new in zip(jax.tree.leaves(params), jax.tree.leaves(after), strict=True):
        if old.ndim > 1:  # the weights
            np.testing.assert_array_equal(old[0], new[0])
            assert (old[1] != new[1]).any()
        else:
            np.testing.assert_array_equal(old, new)
    one, other = (predict(model, p, beginnings(states(line(), 2)), STEPS) for p in (params, after))
    np.testing.assert_array_equal(one[0], other[0])
    assert np.abs(one[1] - other[1]).max() > 0.01


@pytest.mark.accuracy
@pytest.mark.parametrize("boundary", Boundary)
def test_it_fits_a_wave_that_travels(boundary):
    """sin(2 pi (x - t)) + 3, for a whole period of 20 steps, to a few percent of its size."""
    domain = line(16, boundary)
    model = NeuralField(steps=20, features=32, layers=2, waves=16).on(domain, 1.0)
    x, t = domain.centers()[0] / 100, np.arange(21)[:, None] / 20
    truth = jnp.asarray(np.sin(2 * np.pi * (x - t))[None, ..., None] + 3, jnp.float32)
    scales = Statistics(jnp.array([3.0]), jnp.array([0.7]), jnp.ones(1))
    params = model.normalise(model.init(jax.random.key(0)), scales)
    start = beginnings(truth[:, 0])

    def loss(params):
        return jnp.mean((model.predict(params, start, 20) - truth) ** 2)

    before, after = map(jax.jit(loss), (params, fit(model, params, loss)))
    assert np.sqrt(after / 0.5) < 0.04
    assert after < 2e-3 * before


def test_the_waves_of_a_bandwidth_are_as_fast_as_stated():
    """Numbers of waves: normally distributed; whole ones along a periodic axis, not in time."""
    for boundary in Boundary:
        numbers = np.array(
            small(line(boundary=boundary), waves=3000, bandwidth=2.5)._network().numbers
        )
        assert numbers.shape == (3000, 2)
        np.testing.assert_allclose(numbers.std(0), 2.5, rtol=0.06)
        np.testing.assert_allclose(numbers.mean(0), 0, atol=0.2)
        whole = (numbers == np.round(numbers)).all(0)
        np.testing.assert_array_equal(whole, [boundary is Boundary.PERIODIC, False])


@pytest.mark.parametrize("boundary", Boundary)
@pytest.mark.parametrize("dims", [1, 2, 3])
def test_other_dimensions(dims, boundary):
    domain = box((5, 4, 6)[:dims], (1.0,) * dims, boundary)
    model = small(domain)
    path = predict(model, random_params(model), beginnings(states(domain, 1)), 2)
    assert path.shape == (1, 3, *domain.shape, 1)
    assert (np.ptp(path[0, 1:], axis=tuple(range(dims + 1))) > 0).all()
    assert path.dtype == jnp.float32


@pytest.mark.parametrize("name", ["simulations", "steps", "features", "layers", "waves"])
def test_numbers_below_one_are_refused(name):
    with pytest.raises(ValueError, match=f"{name} = 0: at least 1 is needed"):
        NeuralField(**{name: 0})


@pytest.mark.parametrize("bandwidth", [0.0, -1.0, float("inf"), float("nan")])
def test_an_impossible_bandwidth_is_refused(bandwidth):
    told = "it must be positive" if np.isfinite(bandwidth) else "a finite number is needed"
    with pytest.raises(ValueError, match=f"bandwidth = {bandwidth}: {told}"):
        NeuralField(bandwidth=bandwidth)


# In an experiment.


@pytest.fixture(scope="module")
def suited(tiny_heat):
    """The tiny experiment with all that a neural field needs."""
    field = NeuralField(simulations=2, steps=STEPS, features=16, layers=2, waves=8)
    return replace(
        tiny_heat,
        synthetic=replace(tiny_heat.synthetic, model=field, horizon=2, batch=4),
        data=replace(tiny_heat.data, validation=0, held_out=0.2),
        interaction=Interaction(alpha=0.0, recorded=True),
    )


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"interaction": Interaction(alpha=1.0, recorded=True)}, "set interaction.alpha to 0 and"),
        ({"synthetic.noise": 0.1}, "synthetic.noise: it steps from no state to the next"),
        ({"synthetic.truncation": 1}, "synthetic.truncation: it steps from no state"),
        ({"synthetic.solver": MultiStart(Adam())}, "MultiStart is for the physical player only"),
        ({"interaction": Interaction(alpha=1.0)}, "set interaction.alpha to 0 and interaction.rec"),
        ({"data.validation": 1}, "set data.validation to 0"),
        ({"data.training": 3}, "model.simulations = 2: the training data have 3, set it to that"),
        (
            {"synthetic.model.simulations": 1},
            "model.simulations = 1: the training data have 2, set",
        ),
        ({"data.steps": 8}, "model.steps = 6: the training data have 8, set it to that"),
        ({"synthetic.model.steps": 5}, "model.steps = 5: the training data have 6, set it to that"),
    ],
)
def test_an_experiment_that_does_not_suit_it_is_refused(suited, changes, message):
    assert not isinstance(suited.surrogate, Stepper)

    def change(value, path, new):
        name, _, rest = path.partition(".")
        new = change(getattr(value, name), rest, new) if rest else new
        return replace(value, **{name: new})

    for path, new in changes.items():
        with pytest.raises(ValueError, match=message.replace(".", r"\.")):
            change(suited, path, new)


def test_it_learns_from_what_is_seen_and_is_validated_on_what_is_held_out(suited, first_state):
    """And what is held out or hidden changes nothing that it learns, but by the evidence."""
    seen = {"region": Scattered(0.5, anew=True), "times": EveryNth(2), "noise": 0.01}
    players = {
        name: replace(own, weights=replace(own.weights, trust=hj.Trust.EQUAL))
        for name, own in ((n, getattr(suited, n)) for n in games.NAMES)
    }
    experiment = replace(suited, **players, data=replace(suited.data, **seen))
    game, _, data, state = first_state(experiment)
    stage = games.stage(game, 0)
    program, numbers = compiled_cycle(stage, data, state, games.turns(game, 0)), split(stage)[1]

    def play(data):
        """Return the states after each of three cycles; in the last two the players meet."""
        path = [state]
        for number in range(3):
            given = jax.tree.map(jnp.copy, path[-1])  # the program takes its buffers
            path.append(program(numbers, data, given, games.turns(game, number))[0])
        return path[1:]

    path = play(data)
    (held,), (learned,) = data.validation.parts, data.training.parts
    other = replace(held, values=jnp.where(held.seen, held.values + 0.3, jnp.nan))
    hidden = replace(learned, values=jnp.where(learned.seen, learned.values, jnp.nan))
    spoiled = replace(
        data,
        training=replace(data.training, parts=(hidden,)),
        validation=replace(data.validation, parts=(other,)),
    )
    for one, changed in zip(path, play(spoiled), strict=True):
        for name in games.NAMES:
            ours, theirs = one.players[name], changed.players[name]
            pairs = zip(jax.tree.leaves(ours.params), jax.tree.leaves(theirs.params), strict=True)
            assert all((a == b).all() for a, b in pairs)
            assert ours.error != theirs.error
    errors = [float(s.players["synthetic"].error) for s in path]
    assert errors[-1] < errors[0]
