"""Windows and losses against plain Python."""

from dataclasses import replace
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from hycojax.data.recordings import recordings
from hycojax.data.statistics import Recording
from hycojax.data.windows import Source, cut, deal, draw, seen_values, tile
from hycojax.game.initial_states import corrected
from hycojax.game.objective import _trained_on, _windows, objective, visible_loss
from hycojax.game.player import Early, Physical, Player, Weights
from hycojax.game.schedule import Turn
from hycojax.grid.domain import with_channels
from hycojax.inference.losses import data_loss, relative_square, window_loss
from hycojax.models.coefficients import Unknown
from hycojax.models.model import rollout, rollouts
from hycojax.models.pde import Unconstrained
from hycojax.networks import UNet
from hycojax.physics import Heat, Smoke
from hycojax.solvers import INITIAL_STATES, LBFGS, Adam

#: A turn of a player that learns from the recordings alone.
ALONE = Turn(*map(jnp.asarray, (True, 1.0, 0.0, False, False)))


@pytest.fixture
def model(heat_box):
    """Heat with an unknown diffusivity, and frames 5 s apart."""
    return Heat(diffusivity=Unknown(start=0.5)).on(heat_box, 5.0)


@pytest.fixture
def free(heat_box):
    """The same as an optimiser sees it, with frames a second apart."""
    return Unconstrained(Heat(diffusivity=Unknown(start=0.5)).on(heat_box, 1.0))


@pytest.fixture
def source():
    rng = np.random.default_rng(0)
    values = jnp.asarray(rng.normal(size=(3, 8, 16, 16, 1)), jnp.float32)
    seen = jnp.asarray(rng.random(values.shape) < 0.4)
    return Source(starts=values + 1, targets=values, seen=seen)


def test_cut_takes_a_start_and_the_frames_after_it(source):
    windows = cut(source, jnp.array([2, 0]), jnp.array([1, 4]), 3)
    np.testing.assert_array_equal(windows.starts.state[0], source.starts[2, 1])
    np.testing.assert_array_equal(windows.starts.simulation, [2, 0])
    np.testing.assert_array_equal(windows.starts.time, [1, 4])
    np.testing.assert_array_equal(windows.targets[0], source.targets[2, 2:5])
    np.testing.assert_array_equal(windows.seen[1], source.seen[0, 5:8])


def test_tile_covers_each_trajectory_end_to_end(source):
    windows = tile(source, 3)
    assert windows.starts.state.shape[0] == 3 * 2  # frames 1-3 and 4-6 of 0-7; the rest is left out
    np.testing.assert_array_equal(windows.targets[:2].reshape(6, 16, 16, 1), source.targets[0, 1:7])


def test_draw_reaches_every_window_and_no_other(source):
    marks = jnp.arange(24.0).reshape(3, 8, 1)
    marked = Source(marks, marks, jnp.ones(marks.shape, bool))
    windows = draw(marked, jax.random.key(0), 500, 3)
    expected = {8.0 * s + t for s in range(3) for t in range(5)}
    assert set(np.asarray(windows.starts.state[:, 0]).tolist()) == expected
    np.testing.assert_array_equal(windows.targets[:, -1], windows.starts.state + 3)


@pytest.mark.parametrize("batch", [4, 7, 35])
def test_epochs_deal_every_window_once_in_changing_order(batch):
    """15 windows: batches that divide an epoch, that do not, and that are longer than one."""
    marks = jnp.arange(24.0).reshape(3, 8, 1)
    marked = Source(marks, marks, jnp.ones(marks.shape, bool))
    dealt = jax.jit(lambda i: deal(marked, jax.random.key(0), i, batch, 3).starts.state[:, 0])
    order = np.concatenate([dealt(i) for i in range(70 // batch + 1)])[:60].reshape(4, 15)
    expected = [8.0 * s + t for s in range(3) for t in range(5)]
    np.testing.assert_array_equal(np.sort(order, axis=1), [expected] * 4)
    assert len({tuple(epoch) for epoch in order}) == 4
    other = deal(marked, jax.random.key(1), 0, batch, 3).starts.state[:, 0]
    assert (np.asarray(other) != np.asarray(dealt(0))).any()


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
    gradient = jax.grad(relative_square)(*map(jnp.array, (prediction, target, seen)), scale)
    assert np.isfinite(gradient).all()
    assert (gradient[~seen] == 0).all()
    assert relative_square(jnp.ones(3), jnp.zeros(3), jnp.zeros(3, bool), jnp.ones(3)) == 0


def test_the_window_loss_equals_a_python_loop_in_value_and_gradient(model, source):
    scale = jnp.array([0.7])
    windows = tile(source, 3)

    def by_hand(a):
        total, count = 0.0, 0
        for i in range(windows.starts.state.shape[0]):
            state = windows.starts.state[i]
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


@pytest.mark.parametrize(("a", "b"), [(2.0, 3.0), (2.0, 0.0), (0.0, 3.0)])
def test_a_player_weighs_its_two_terms(model, source, a, b):
    """By the numbers of its turn; a term without weight is not computed."""
    player = Player(model, LBFGS(), Weights(data=7.0, interaction=9.0), horizon=3)
    other = Source(source.starts, source.starts, jnp.ones_like(source.seen))
    turn = replace(ALONE, data=jnp.float32(a), interaction=jnp.float32(b))
    loss = objective(player, source, other, turn, jnp.ones(1))
    params = {"diffusivity": jnp.float32(0.5)}
    value, terms = loss(params, jax.random.key(0))
    data = window_loss(model, params, tile(source, 3), jnp.ones(1))
    interaction = window_loss(model, params, tile(other, 3), jnp.ones(1))
    np.testing.assert_allclose(value, a * data + b * interaction, rtol=1e-6)
    np.testing.assert_allclose(terms["data"], data if a else 0, rtol=1e-6)
    np.testing.assert_allclose(terms["interaction"], interaction if b else 0, rtol=1e-6)


def test_the_mean_loss_of_batches_is_that_of_all_windows(free, source):
    """An epoch of batches that see much or, here at most times, nothing."""
    source = replace(source, seen=source.seen.at[:, 1:7].set(False))
    player = Player(free, Adam(), Weights(1.0, 0.0), horizon=3, batch=5)
    loss = jax.jit(objective(player, source, None, ALONE, jnp.ones(1)))
    params, key = {"diffusivity": jnp.float32(0.3)}, jax.random.key(0)
    losses = [loss(params, key, i)[0] for i in range(3)]
    every = cut(source, jnp.repeat(jnp.arange(3), 5), jnp.tile(jnp.arange(5), 3), 3)
    expected = window_loss(free, params, every, jnp.ones(1))
    np.testing.assert_allclose(np.mean(losses), expected, rtol=1e-5)


def test_both_terms_of_a_batch_have_the_gradient_that_they_have_apart(free, source):
    """And a term without weight has none, though it is not finite."""
    player = Player(free, Adam(), Weights(), horizon=3, batch=4)
    params, key = {"diffusivity": jnp.float32(0.3)}, jax.random.key(0)

    def gradient(other, a, b):
        loss = objective(player, source, other, Turn(True, a, b, False, False), jnp.ones(1))
        return jax.jit(jax.value_and_grad(lambda p: loss(p, key, 2)[0]))(params)[1]["diffusivity"]

    def of_windows(source, i):
        windows = deal(source, jax.random.fold_in(key, i), 2, 4, 3)
        count = 4 * seen_values(source, 3)
        loss = partial(window_loss, free, windows=windows, scale=jnp.ones(1), count=count)
        return jax.jit(jax.grad(loss))(params)["diffusivity"]

    other = replace(source, targets=source.targets + 2)
    data, interaction = of_windows(source, 0), of_windows(other, 1)
    both = gradient(other, 2.0, 0.5)
    np.testing.assert_allclose(both, 2 * data + 0.5 * interaction, rtol=1e-5)
    broken = replace(source, targets=jnp.full_like(source.targets, jnp.inf))
    assert gradient(broken, 2.0, 0.0) == gradient(None, 2.0, 0.0)


def test_estimated_first_frames_are_weighed_like_all_frames(model, source):
    """The loss is the mean over all seen values, those of the first frame included."""
    player = Physical(model, LBFGS(), Weights(1.0, 0.0), horizon=7, initial_states=True)
    source = replace(source, starts=source.targets)
    scale = jnp.array([0.7])
    loss = objective(player, source, None, ALONE, scale)
    correction = jax.random.normal(jax.random.key(1), (3, 16, 16, 1)) / 100
    params = {"diffusivity": jnp.float32(0.4), INITIAL_STATES: correction}
    frames = corrected(params, source.starts[:, 0], source.seen[:, 0], scale)
    assert (frames != source.starts[:, 0]).sum() == source.seen[:, 0].sum()
    path = rollouts(model, {"diffusivity": 0.4}, frames, 7)
    square = ((path - source.targets) / scale) ** 2
    expected = jnp.sum(square * source.seen) / jnp.sum(source.seen)
    np.testing.assert_allclose(loss(params, jax.random.key(0))[0], expected, rtol=1e-5)


def test_the_visible_loss_is_that_of_all_windows_without_noise(model, source):
    """And of the first frames as they are estimated, if they are."""
    scale = jnp.array([0.7])
    player = Player(model, Adam(), Weights(), horizon=3, batch=2, noise=0.3)
    params = {"diffusivity": jnp.float32(0.4)}
    expected = window_loss(model, params, tile(source, 3), scale)
    np.testing.assert_allclose(visible_loss(player, source, params, scale), expected, rtol=1e-5)
    source = replace(source, starts=source.targets)
    player = Physical(model, LBFGS(), Weights(), horizon=7, initial_states=True)
    params |= {INITIAL_STATES: jax.random.normal(jax.random.key(1), (3, 16, 16, 1)) / 100}
    loss = objective(player, source, None, Turn(True, 1.0, 0.0, False, False), scale)
    expected = loss(params, jax.random.key(0))[0]
    np.testing.assert_allclose(visible_loss(player, source, params, scale), expected, rtol=1e-5)


@pytest.mark.accuracy
def test_an_epoch_equals_a_loop_of_steps(heat_box, source):
    """The compiled epoch of a network: against explicit windows, rollouts and optax, in Python."""
    scale = jnp.array([0.7])
    solver = Adam(learning_rate=0.01, updates=3)
    grid = with_channels(heat_box, Heat().channels(2))
    model = UNet(levels=1, features=2).on(grid, 1.0)
    player = Player(model, solver, Weights(1.0, 0.0), horizon=2, batch=4)
    params = jax.jit(model.init)(jax.random.key(2))
    key = jax.random.key(3)
    loss = objective(player, source, None, ALONE, scale)
    found, _, terms = jax.jit(lambda p: solver.run(loss, p, solver.init(p, 1), key, 1))(params)

    every = [source.seen[s, t + 1 : t + 3].sum() for s in range(3) for t in range(6)]

    def by_hand(params, windows):
        total = 0.0
        rows = zip(windows.starts.state, windows.targets, windows.seen, strict=True)
        for start, targets, seen in rows:
            state = start
            for target, counts in zip(targets, seen, strict=True):
                state = model.forward(params, state)
                total += jnp.sum(((state - target) / scale) ** 2 * counts)
        return total / (4 * np.mean(every))

    step = jax.jit(jax.value_and_grad(by_hand))
    optimiser = optax.adam(optax.cosine_decay_schedule(0.01, 3))
    expected, state, losses = params, optimiser.init(params), []
    for i in range(3):
        windows = deal(source, jax.random.fold_in(key, 0), i, 4, 2)
        value, gradient = step(expected, windows)
        change, state = optimiser.update(gradient, state)
        expected = optax.apply_updates(expected, change)
        losses.append(value)
    np.testing.assert_allclose(terms["loss"], np.mean(losses), rtol=1e-5)
    for one, other in zip(jax.tree.leaves(found), jax.tree.leaves(expected), strict=True):
        np.testing.assert_allclose(one, other, atol=3e-5)


def test_truncated_back_propagation_forgets_the_steps_before(model):
    """Of 5 steps, cut before the third and the fifth; the value is the same."""
    state = jax.random.normal(jax.random.key(0), (16, 16, 1))

    def cut_by_hand(a):
        path, current = [], state
        for i in range(5):
            current = jax.lax.stop_gradient(current) if i in (2, 4) else current
            current = model.forward({"diffusivity": a}, current)
            path.append(current)
        return jnp.sum(jnp.stack(path) ** 2)

    def ours(a, truncation):
        path = rollout(model, {"diffusivity": a}, state, 5, truncation)
        return jnp.sum(path[1:] ** 2)

    value, slope = jax.value_and_grad(ours)(0.5, 2)
    expected, steepness = jax.value_and_grad(cut_by_hand)(0.5)
    np.testing.assert_allclose([value, slope], [expected, steepness], rtol=1e-5)
    whole = jax.grad(ours)(0.5, None)
    assert abs(slope / whole - 1) > 0.1


@pytest.mark.accuracy
def test_noise_disturbs_what_evolves_of_the_starts_by_its_size(smoke_box):
    grid = with_channels(smoke_box, Smoke().channels(2))
    path, evolves = jnp.ones((8, 4, 16, 16, 4)), grid.evolves()
    source = Source(path, path, jnp.asarray(np.broadcast_to(evolves, path.shape)))
    scale = jnp.array([1.0, 2.0, 3.0, 4.0])
    model = UNet().on(grid, 1.0)
    player = Player(model, Adam(), Weights(), horizon=1, batch=8, noise=0.1)
    quiet, key = replace(player, noise=0.0), jax.random.key(0)
    windows, noisy = (_windows(p, source, scale, key, 0) for p in (quiet, player))
    off = np.asarray(noisy.starts.state - windows.starts.state)
    assert (off[:, ~evolves] == 0).all()
    for i in range(3):
        np.testing.assert_allclose(off[:, evolves[..., i], i].std(), 0.1 * scale[i], rtol=0.1)
    np.testing.assert_array_equal(noisy.targets, windows.targets)
    loss = objective(player, source, None, ALONE, scale)
    params = jax.jit(player.model.init)(jax.random.key(0))
    values = [loss(params, jax.random.key(0), number)[1]["data"] for number in (0, 0, 1)]
    assert values[0] == values[1] != values[2]  # another draw in each update


def test_the_horizon_grows_in_stages(model):
    early = Early(cycles=6, horizon=1, stages=3)
    player = Player(model, LBFGS(), Weights(), horizon=8, early=early)
    assert [player.at(c).horizon for c in range(8)] == [1, 1, 2, 2, 4, 4, 8, 8]
    late = replace(player, begin=2)  # its first turn is that of cycle 2
    assert [late.at(c).horizon for c in range(9)] == [1, 1, 1, 1, 2, 2, 4, 4, 8]


def test_windows_from_the_first_frames_alone_know_nothing_of_later_ones(model):
    early = Early(cycles=1, horizon=2, first=True)
    player = Player(model, LBFGS(), Weights(), horizon=4, early=early)
    path = jax.random.normal(jax.random.key(0), (3, 9, 16, 16, 1))
    source = Source(path, path, jnp.ones(path.shape, bool))
    early, later = (tile(_trained_on(p, source), p.horizon) for p in map(player.at, (0, 1)))
    np.testing.assert_array_equal(early.starts.state, path[:, 0])
    np.testing.assert_array_equal(early.targets, path[:, 1:3])
    assert later.targets.shape[:2] == (6, 4)


def test_early_cycles_are_another_problem(model):
    player = Player(model, LBFGS(), horizon=4, early=Early(cycles=2, horizon=1))
    assert [player.at(c).horizon for c in range(4)] == [1, 1, 4, 4]
    assert player.at(2) == player.at(3) != player.at(1)
    later = replace(player, early=Early(cycles=2))
    assert later.at(0) == later.at(5)  # nothing differs: nothing is compiled anew


@pytest.mark.parametrize("horizon", [None, 3])
def test_the_loss_on_recordings_is_that_of_their_windows(model, source, horizon):
    """Of the whole recordings, or of pieces of them, from the values as they are known."""
    known = Recording(source.targets, source.seen)
    data, params = recordings(known, known), {"diffusivity": jnp.float32(0.4)}
    windows = tile(replace(source, starts=source.targets), horizon or 7)
    expected = window_loss(model, params, windows, data.scale)
    np.testing.assert_allclose(data_loss(model, params, data, horizon), expected, rtol=1e-6)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Weights(data=-1.0), "data = -1.0: it must not be negative"),
        (lambda: Weights(interaction=float("inf")), "interaction = inf: a finite number"),
        (lambda: Weights(data=0.0, interaction=0.0), "both zero"),
        (lambda: Early(stages=0), "early.stages = 0"),
        (lambda: Early(cycles=-1), "early.cycles = -1"),
        (lambda: Early(horizon=0), "early.horizon = 0"),
        (lambda: Player(None, LBFGS(), truncation=0), "truncation = 0"),
        (lambda: Player(None, LBFGS(), horizon=0), "horizon = 0"),
        (lambda: Player(None, LBFGS(), batch=0), "batch = 0"),
        (lambda: Player(None, LBFGS(), lesson_steps=0), "lesson_steps = 0"),
        (lambda: Player(None, LBFGS(), noise=-0.1), "noise = -0.1"),
        (lambda: Player(None, LBFGS(), begin=-1), "begin = -1"),
        (lambda: Player(None, LBFGS(), revert=-0.1), "revert = -0.1"),
    ],
)
def test_impossible_settings_are_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()
