"""Windows, losses and optimisers against plain Python."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from scipy.optimize import minimize, rosen

from hycojax.data.windows import Source, cut, draw, tile
from hycojax.losses import relative_square, window_loss
from hycojax.physics.heat import Heat
from hycojax.player import Player, Weights, objective
from hycojax.solvers import LBFGS, Adam


@pytest.fixture
def source():
    rng = np.random.default_rng(0)
    values = jnp.asarray(rng.normal(size=(3, 8, 16, 16, 1)), jnp.float32)
    seen = jnp.asarray(rng.random(values.shape) < 0.4)
    return Source(starts=values + 1, targets=values, seen=seen)


def test_cut_takes_a_start_and_the_frames_after_it(source):
    windows = cut(source, jnp.array([2, 0]), jnp.array([1, 4]), 3)
    np.testing.assert_array_equal(windows.start[0], source.starts[2, 1])
    np.testing.assert_array_equal(windows.targets[0], source.targets[2, 2:5])
    np.testing.assert_array_equal(windows.seen[1], source.seen[0, 5:8])


def test_tile_covers_each_trajectory_end_to_end(source):
    windows = tile(source, 3)
    assert windows.start.shape[0] == 3 * 2  # frames 1-3 and 4-6 of 0-7; the rest is left out
    np.testing.assert_array_equal(windows.targets[:2].reshape(6, 16, 16, 1), source.targets[0, 1:7])


def test_draw_reaches_every_window_and_no_other(source):
    marks = jnp.arange(24.0).reshape(3, 8, 1)
    marked = Source(marks, marks, jnp.ones(marks.shape, bool))
    windows = draw(marked, jax.random.key(0), 500, 3)
    expected = {8.0 * s + t for s in range(3) for t in range(5)}
    assert set(np.asarray(windows.start[:, 0]).tolist()) == expected
    np.testing.assert_array_equal(windows.targets[:, -1], windows.start + 3)


def test_the_loss_is_a_mean_over_seen_values_only():
    rng = np.random.default_rng(0)
    prediction, target = rng.normal(size=(2, 4, 5, 2))
    seen = rng.random((4, 5, 2)) < 0.5
    scale = np.array([2.0, 0.1])
    expected = np.mean([((p - t) / scale[i % 2]) ** 2 for i, (p, t, s) in enumerate(zip(
        prediction.ravel(), target.ravel(), seen.ravel(), strict=True)) if s])  # fmt: skip
    target[~seen] = np.nan
    found = relative_square(jnp.array(prediction), jnp.array(target), jnp.array(seen), scale)
    np.testing.assert_allclose(found, expected, rtol=1e-5)
    assert relative_square(jnp.ones(3), jnp.zeros(3), jnp.zeros(3, bool), jnp.ones(3)) == 0


def test_the_window_loss_equals_a_python_loop_in_value_and_gradient(heat_box, source):
    model, scale = Heat(heat_box, dt=5.0), jnp.array([0.7])
    windows = tile(source, 3)

    def by_hand(a):
        total, count = 0.0, 0
        for i in range(windows.start.shape[0]):
            state = windows.start[i]
            for t in range(3):
                state = model.forward({"diffusivity": a}, state)
                square = ((state - windows.targets[i, t]) / scale) ** 2
                total += (square * windows.seen[i, t]).sum()
                count += windows.seen[i, t].sum()
        return total / count

    def ours(a):
        return window_loss(model, {"diffusivity": a}, windows, scale)

    for found, expected in zip(
        jax.value_and_grad(ours)(0.5), jax.value_and_grad(by_hand)(0.5), strict=True
    ):
        np.testing.assert_allclose(found, expected, rtol=1e-5)


@pytest.mark.parametrize(("cooperating", "factor"), [(True, 3.0), (False, 0.0)])
def test_a_player_weighs_its_two_terms(heat_box, source, cooperating, factor):
    model = Heat(heat_box)
    player = Player(model, LBFGS(), Weights(data=2.0, interaction=3.0), horizon=3)
    other = Source(source.starts, source.starts, jnp.ones_like(source.seen))
    loss = objective(player, source, other, jnp.asarray(cooperating), jnp.ones(1))
    params = {"diffusivity": jnp.float32(0.5)}
    value, terms = loss(params, jax.random.key(0))
    data = window_loss(model, params, tile(source, 3), jnp.ones(1))
    interaction = window_loss(model, params, tile(other, 3), jnp.ones(1))
    np.testing.assert_allclose(value, 2 * data + factor * interaction, rtol=1e-6)
    np.testing.assert_allclose(terms["data"], data, rtol=1e-6)


def rosenbrock(params, key):
    value = 100 * (params["y"] - params["x"] ** 2) ** 2 + (1 - params["x"]) ** 2
    return value, {"data": value}


def test_lbfgs_ends_where_scipy_does():
    start = {"x": jnp.float32(-1.2), "y": jnp.float32(1.0)}
    solver = LBFGS(iterations=60)
    found, _, terms = jax.jit(lambda p: solver.run(rosenbrock, p, (), jax.random.key(0), 1))(start)
    theirs = minimize(rosen, [-1.2, 1.0], method="L-BFGS-B").x
    np.testing.assert_allclose([found["x"], found["y"]], theirs, atol=2e-3)
    assert terms["data"] < 1e-5
    assert terms["evaluations"] > 10


def test_lbfgs_is_not_misled_by_a_first_step_that_is_too_short():
    """A flat start: the gradient step is tiny, and no halving of it is any better."""

    def flat(params, key):
        value = 1e-3 * (params["x"] - 5.0) ** 2
        return value, {"data": value}

    found, _, _ = LBFGS(iterations=10).run(flat, {"x": jnp.float32(0.0)}, (), jax.random.key(0), 1)
    np.testing.assert_allclose(found["x"], 5.0, atol=0.05)


@pytest.mark.parametrize("bad", [jnp.nan, jnp.inf])
def test_lbfgs_returns_its_start_where_nothing_is_finite(bad):
    def broken(params, key):
        return params["x"] * bad, {"data": params["x"] * bad}

    start = {"x": jnp.float32(2.0)}
    found, _, _ = LBFGS().run(broken, start, (), jax.random.key(0), 1)
    assert found["x"] == 2.0


def test_lbfgs_steps_back_from_a_wall_of_nan():
    """The full step leaves the domain of the logarithm."""

    def walled(params, key):
        value = params["x"] - 0.1 * jnp.log(params["x"])
        return value, {"data": value}

    found, _, _ = LBFGS(20).run(walled, {"x": jnp.float32(0.9)}, (), jax.random.key(0), 1)
    np.testing.assert_allclose(found["x"], 0.1, atol=1e-3)


def test_adam_equals_a_plain_loop_over_two_cycles():
    def noisy(params, key):
        value = jnp.sum((params - jax.random.normal(key, (3,))) ** 2)
        return value, {"data": value}

    solver, params = Adam(learning_rate=0.1, updates=5), jnp.ones(3)
    state = solver.init(params, cycles=2)
    expected, optimiser = params, optax.adam(optax.cosine_decay_schedule(0.1, 10))
    theirs = optimiser.init(expected)
    for cycle in range(2):
        key = jax.random.key(cycle)
        params, state, _ = solver.run(noisy, params, state, key, cycles=2)
        for i in range(5):
            gradient = jax.grad(lambda p, k: noisy(p, k)[0])(expected, jax.random.fold_in(key, i))
            step, theirs = optimiser.update(gradient, theirs)
            expected = optax.apply_updates(expected, step)
    np.testing.assert_allclose(params, expected, atol=1e-6)


def test_adams_rate_falls_to_zero_over_the_whole_run():
    def slope(params, key):
        return params, {"data": params}

    solver, steps = Adam(learning_rate=0.1, updates=50), []
    params, state = jnp.float32(0.0), solver.init(jnp.float32(0.0), cycles=2)
    for _ in range(2):
        after, state, _ = solver.run(slope, params, state, jax.random.key(0), cycles=2)
        steps.append(float(params - after))
        params = after
    rates = 0.1 * 0.5 * (1 + np.cos(np.pi * np.arange(100) / 100))
    np.testing.assert_allclose(steps, rates.reshape(2, 50).sum(1), rtol=1e-3)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Adam(learning_rate=0.0), "learning_rate"),
        (lambda: Adam(updates=0), "updates"),
        (lambda: LBFGS(iterations=0), "iterations"),
        (lambda: Weights(data=-1.0), "must not be negative"),
        (lambda: Weights(data=0.0, interaction=0.0), "both zero"),
    ],
)
def test_impossible_settings_are_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()
