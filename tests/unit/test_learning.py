"""Windows and losses against plain Python."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from hycojax.data.windows import Source, cut, draw, tile
from hycojax.losses import relative_square, window_loss
from hycojax.physics.heat import Heat
from hycojax.player import Player, Weights, objective
from hycojax.solvers import LBFGS


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


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Weights(data=-1.0), "must not be negative"),
        (lambda: Weights(data=0.0, interaction=0.0), "both zero"),
    ],
)
def test_impossible_settings_are_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()
