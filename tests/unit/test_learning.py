"""Windows and losses against plain Python."""

from dataclasses import replace
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
import scipy.stats

from hycojax.data.observations import Dense, First, Observations, Observed, Rows, Statistics
from hycojax.data.parts import LEAST_NOISE
from hycojax.data.simulated import observations
from hycojax.data.windows import Source, cut, deal, draw, seen_values, tile
from hycojax.game.objective import _windows, objective, visible_loss
from hycojax.game.player import Early, Physical, Player, Weights
from hycojax.game.schedule import Turn
from hycojax.grid.domain import with_channels
from hycojax.inference.first_states import states
from hycojax.inference.losses import data_loss, misfit, usual, window_loss
from hycojax.models.coefficients import Unknown
from hycojax.models.model import rollout, rollouts
from hycojax.models.pde import Unconstrained
from hycojax.networks import UNet
from hycojax.physics import Heat
from hycojax.solvers import INITIAL_STATES, LBFGS, Adam

#: A turn of a player that learns from the recordings alone.
ALONE = Turn(*map(jnp.asarray, (True, 1.0, 0.0, False, False)))
KEY = jax.random.key(0)


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
    return Source(values + 1, (Dense(values, seen),))


def with_seen(source, seen):
    """Return a source with another mask."""
    return replace(source, parts=(replace(source.parts[0], seen=seen),))


def marks():
    """Return a source whose numbers say simulation and time: 8 s + t."""
    numbers = jnp.arange(24.0).reshape(3, 8, 1)
    return Source(numbers, (Dense(numbers, jnp.ones(numbers.shape, bool)),))


def about(first, scale=1.0, noise=0.0):
    """Return all that a loss takes from observations but the windows."""
    nothing = Observed((), First(first), None, np.zeros((len(first), 8), bool))
    numbers = Statistics(jnp.zeros(1), jnp.full(1, scale), jnp.ones(1))
    return Observations(nothing, nothing, numbers, jnp.float32(noise), whole=False)


def with_first(source, first, scale=1.0, noise=0.0):
    """Return observations of these first states, as they are known, and the source's numbers."""
    data = about(first.mean, scale, noise)
    return replace(data, training=replace(data.training, parts=source.parts, first=first))


# Windows.


def test_cut_takes_a_start_and_the_frames_from_there_on(source):
    """What is measured at the start counts only where that is estimated."""
    for first in (False, True):
        windows = cut(replace(source, first=first), jnp.array([2, 0]), jnp.array([1, 4]), 3)
        np.testing.assert_array_equal(windows.starts.state[0], source.starts[2, 1])
        np.testing.assert_array_equal(windows.starts.simulation, [2, 0])
        np.testing.assert_array_equal(windows.starts.time, [1, 4])
        (part,), (whole,) = windows.parts, source.parts
        np.testing.assert_array_equal(part.values[0], whole.values[2, 1:5])
        np.testing.assert_array_equal(part.seen[1, 1:], whole.seen[0, 5:8])
        np.testing.assert_array_equal(part.seen[1, 0], whole.seen[0, 4] & first)


def as_rows(part):
    """Return the same measurements as rows, each of weight 1 on its cell, and padding between."""
    windows, frames = part.values.shape[:2]
    flat = (windows, frames, -1)
    cells = np.arange(int(np.prod(part.values.shape[2:])))
    return Rows(
        values=part.values.reshape(flat),
        weights=part.seen.reshape(flat).astype(np.float32),
        fraction=jnp.ones_like(part.values.reshape(flat)),
        row=jnp.broadcast_to(cells, part.values.reshape(flat).shape),
        cells=cells[:, None],
        coefficients=jnp.ones((len(cells), 1)),
        channel=jnp.zeros(len(cells), int),
        refinement=1,
    )


@pytest.mark.parametrize("first", [False, True])
def test_rows_in_cells_at_frames_are_what_cells_are(model, source, first):
    """Cut to the same windows, with the same loss and slope."""
    source, found = replace(source, first=first), []
    for own in (source, replace(source, parts=(as_rows(source.parts[0]),))):
        windows = cut(own, jnp.array([2, 0, 1]), jnp.array([1, 4, 0]), 3)
        loss = partial(window_loss, model, windows=windows, scale=jnp.array([0.7]))
        value, slope = jax.jit(jax.value_and_grad(loss))({"diffusivity": jnp.float32(0.5)})
        counts = windows.parts[0].seen.sum(), seen_values(own, 3)
        found.append([value, slope["diffusivity"], *counts])
    np.testing.assert_allclose(*found, rtol=1e-4)


def test_tile_covers_each_trajectory_end_to_end(source):
    windows = tile(source, 3)
    assert windows.starts.state.shape[0] == 3 * 2  # frames 1-3 and 4-6 of 0-7; the rest is left out
    after = windows.parts[0].values[:2, 1:]
    np.testing.assert_array_equal(after.reshape(6, 16, 16, 1), source.parts[0].values[0, 1:7])


def test_draw_reaches_every_window_and_no_other():
    windows = draw(marks(), jax.random.key(0), 500, 3)
    expected = {8.0 * s + t for s in range(3) for t in range(5)}
    assert set(np.asarray(windows.starts.state[:, 0]).tolist()) == expected
    np.testing.assert_array_equal(windows.parts[0].values[:, -1], windows.starts.state + 3)


@pytest.mark.parametrize(("share", "latest"), [(0.0, 0), (0.5, 2), (1.0, 4)])
def test_windows_may_begin_early_alone(share, latest):
    """In a share of the time from the first state on, whether they are drawn or dealt."""
    early = replace(marks(), share=jnp.float32(share))
    dealt = [deal(early, jax.random.key(0), i, 15, 3) for i in range(3)]
    for windows in (draw(early, jax.random.key(0), 100, 3), *dealt):
        assert set(np.asarray(windows.starts.time).tolist()) == set(range(latest + 1))
        assert set(np.asarray(windows.starts.simulation).tolist()) == {0, 1, 2}


def test_windows_see_as_many_values_as_all_of_them_in_the_mean(source):
    every = cut(source, jnp.repeat(jnp.arange(3), 5), jnp.tile(jnp.arange(5), 3), 3)
    expected = np.sum(every.parts[0].seen) / 15
    np.testing.assert_allclose(seen_values(source, 3), expected, rtol=1e-6)


@pytest.mark.parametrize("batch", [4, 7, 35])
def test_epochs_deal_every_window_once_in_changing_order(batch):
    """15 windows: batches that divide an epoch, that do not, and that are longer than one."""
    marked = marks()
    dealt = jax.jit(lambda i: deal(marked, jax.random.key(0), i, batch, 3).starts.state[:, 0])
    order = np.concatenate([dealt(i) for i in range(70 // batch + 1)])[:60].reshape(4, 15)
    expected = [8.0 * s + t for s in range(3) for t in range(5)]
    np.testing.assert_array_equal(np.sort(order, axis=1), [expected] * 4)
    assert len({tuple(epoch) for epoch in order}) == 4
    other = deal(marked, jax.random.key(1), 0, batch, 3).starts.state[:, 0]
    assert (np.asarray(other) != np.asarray(dealt(0))).any()


# Losses.


@pytest.fixture
def measured():
    """Predictions of windows, what was measured of them, and the scale of both channels."""
    rng = np.random.default_rng(0)
    predicted, values = rng.normal(size=(2, 2, 4, 5, 2)).astype(np.float32)
    return predicted, values, rng.random(values.shape) < 0.5, np.array([2.0, 0.1], np.float32)


def test_the_loss_is_a_mean_over_seen_values_only(measured):
    predicted, values, seen, scale = measured
    expected = np.mean(((predicted - values) / scale)[seen] ** 2)
    part = Dense(jnp.where(seen, values, jnp.nan), jnp.asarray(seen))
    found, gradient = jax.value_and_grad(lambda p: misfit((part,), p, scale))(predicted)
    np.testing.assert_allclose(found, expected, rtol=1e-5)
    assert np.isfinite(gradient).all()
    assert (gradient[~seen] == 0).all()
    nothing = Dense(part.values, jnp.zeros_like(part.seen))
    assert misfit((nothing,), predicted, scale) == 0
    both = misfit((part, part, nothing), predicted, scale)  # several instruments
    np.testing.assert_allclose(both, expected, rtol=1e-5)


def test_what_has_less_noise_counts_for_more(measured):
    predicted, values, seen, scale = measured
    weights = np.random.default_rng(1).uniform(0.1, 3, values.shape).astype(np.float32)
    part = Dense(values, seen, weights)
    expected = np.mean((weights * ((predicted - values) / scale) ** 2)[seen])
    np.testing.assert_allclose(misfit((part,), predicted, scale), expected, rtol=1e-5)


@pytest.mark.parametrize("degrees", [None, 3.0, 4.0])
def test_the_usual_square_of_the_truth_is_that_of_drawn_errors(degrees):
    """So what is fitted can be compared with what is held out (`frame_squares`)."""
    rng, noise = np.random.default_rng(0), 0.3
    drawn = rng.normal(size=100_000) if degrees is None else rng.standard_t(degrees, 100_000)
    values = jnp.asarray(noise * drawn.reshape(1, 1, -1, 1), jnp.float32)
    parts = (Dense(values, jnp.ones(values.shape, bool), degrees=degrees),)
    found = misfit(parts, 0 * values, jnp.ones(1), noise) / noise**2
    assert float(usual(parts)) == pytest.approx(float(found), rel=0.02)


def test_errors_by_students_t_count_by_their_likelihood(measured):
    """Two losses differ by 2 noise^2 / N times the logarithm of the ratio of likelihoods."""
    predicted, values, seen, scale = measured
    part, noise = Dense(values, seen, degrees=3.0), 0.4
    found = [misfit((part,), p, scale, noise) for p in (predicted, predicted + 0.3)]
    density = [
        scipy.stats.t(3).logpdf(((p - values) / scale / noise)[seen]).sum()
        for p in (predicted, predicted + 0.3)
    ]
    expected = 2 * noise**2 / seen.sum() * (density[0] - density[1])
    np.testing.assert_allclose(found[1] - found[0], expected, rtol=1e-4)
    slope = jax.grad(lambda p: misfit((part,), p, scale, noise))(predicted)
    assert np.isfinite(slope).all()
    far = misfit((part,), predicted + 1e3, scale, noise)
    assert far < 1e-3 * misfit((Dense(values, seen),), predicted + 1e3, scale)


def test_the_window_loss_equals_a_python_loop_in_value_and_gradient(model, source):
    scale = jnp.array([0.7])
    windows = tile(source, 3)
    (part,) = windows.parts

    def by_hand(a):
        total, count = 0.0, 0
        for i in range(windows.starts.state.shape[0]):
            state = windows.starts.state[i]
            for t in range(1, 4):
                state = model.forward({"diffusivity": a}, state)
                square = ((state - part.values[i, t]) / scale) ** 2
                total += (square * part.seen[i, t]).sum()
                count += part.seen[i, t].sum()
        return total / count

    def ours(a):
        return window_loss(model, {"diffusivity": a}, windows, scale)

    for found, expected in zip(
        jax.value_and_grad(ours)(0.5), jax.value_and_grad(by_hand)(0.5), strict=True
    ):
        np.testing.assert_allclose(found, expected, rtol=1e-5)


# A player's loss.


@pytest.mark.parametrize(("a", "b"), [(2.0, 3.0), (2.0, 0.0), (0.0, 3.0)])
def test_a_player_weighs_its_two_terms(model, source, a, b):
    """By the numbers of its turn; a term without weight is not computed."""
    player = Player(model, LBFGS(), Weights(data=7.0, interaction=9.0), horizon=3)
    other = Source(source.starts, (Dense(source.starts, jnp.ones(source.starts.shape, bool)),))
    turn = replace(ALONE, data=jnp.float32(a), interaction=jnp.float32(b))
    loss = objective(player, about(source.starts[:, 0]), source, other, turn, model)
    params = {"diffusivity": jnp.float32(0.5)}
    value, terms = loss(params, jax.random.key(0))
    data = window_loss(model, params, tile(source, 3), jnp.ones(1))
    interaction = window_loss(model, params, tile(other, 3), jnp.ones(1))
    np.testing.assert_allclose(value, a * data + b * interaction, rtol=1e-6)
    np.testing.assert_allclose(terms["data"], data if a else 0, rtol=1e-6)
    np.testing.assert_allclose(terms["interaction"], interaction if b else 0, rtol=1e-6)


def test_the_mean_loss_of_batches_is_that_of_all_windows(free, source):
    """An epoch of batches that see much or, here at most times, nothing."""
    source = with_seen(source, source.parts[0].seen.at[:, 1:7].set(False))
    player = Player(free, Adam(), Weights(1.0, 0.0), horizon=3, batch=5)
    data = about(source.starts[:, 0])
    loss = jax.jit(objective(player, data, source, None, ALONE, free.model))
    params, key = {"diffusivity": jnp.float32(0.3)}, jax.random.key(0)
    losses = [loss(params, key, i)[0] for i in range(3)]
    every = cut(source, jnp.repeat(jnp.arange(3), 5), jnp.tile(jnp.arange(5), 3), 3)
    expected = window_loss(free, params, every, jnp.ones(1))
    np.testing.assert_allclose(np.mean(losses), expected, rtol=1e-5)


def test_both_terms_of_a_batch_have_the_gradient_that_they_have_apart(free, source):
    """And a term without weight has none, though it is not finite."""
    player = Player(free, Adam(), Weights(), horizon=3, batch=4)
    params, key = {"diffusivity": jnp.float32(0.3)}, jax.random.key(0)
    known, (part,) = about(source.starts[:, 0]), source.parts

    def gradient(other, a, b):
        turn = Turn(True, a, b, False, False)
        loss = objective(player, known, source, other, turn, free.model)
        return jax.jit(jax.value_and_grad(lambda p: loss(p, key, 2)[0]))(params)[1]["diffusivity"]

    def of_windows(source, i):
        windows = deal(source, jax.random.fold_in(key, i), 2, 4, 3)
        count = 4 * seen_values(source, 3)
        loss = partial(window_loss, free, windows=windows, scale=jnp.ones(1), count=count)
        return jax.jit(jax.grad(loss))(params)["diffusivity"]

    other = replace(source, parts=(replace(part, values=part.values + 2),))
    data, interaction = of_windows(source, 0), of_windows(other, 1)
    both = gradient(other, 2.0, 0.5)
    np.testing.assert_allclose(both, 2 * data + 0.5 * interaction, rtol=1e-5)
    infinite = replace(part, values=jnp.full_like(part.values, jnp.inf))
    broken = replace(source, parts=(infinite,))
    assert gradient(broken, 2.0, 0.0) == gradient(None, 2.0, 0.0)


def estimated(source):
    """Return a player that estimates first states, parameters, and the data with noise in them."""
    first = First(
        source.parts[0].values[:, 0], measured=source.parts[0].seen[:, 0], kind="measured"
    )
    correction = jax.random.normal(jax.random.key(1), (3, 16, 16, 1)) / 100
    params = {"diffusivity": jnp.float32(0.4), INITIAL_STATES: correction}
    return with_first(source, first, 0.7, 0.1), params


def test_estimated_first_states_are_weighed_like_all_frames(model, source):
    """The loss is the mean over all seen values, those of the first frame included."""
    data, params = estimated(source)
    player = Physical(model, LBFGS(), Weights(1.0, 0.0), horizon=7)
    loss = objective(player, data, source, None, ALONE, model)
    frames = states(model, data.training.first, data.scale, params)
    (part,) = source.parts
    assert ((frames != part.values[:, 0]) == part.seen[:, 0]).all()
    path = rollouts(model, {"diffusivity": 0.4}, frames, 7)
    square = ((path - part.values) / 0.7) ** 2
    expected = jnp.sum(square * part.seen) / jnp.sum(part.seen)
    np.testing.assert_allclose(loss(params, jax.random.key(0))[0], expected, rtol=1e-5)
    unmoved = {**params, INITIAL_STATES: jnp.zeros((3, 16, 16, 1))}
    np.testing.assert_array_equal(
        states(model, data.training.first, data.scale, unmoved), part.values[:, 0]
    )


def test_over_a_short_time_nothing_later_counts(model, source):
    """The time that is fitted grows: NaN after `reach` changes nothing."""
    data, params = estimated(source)
    player = Physical(model, LBFGS(), Weights(1.0, 0.0), horizon=7)
    (part,), turn = source.parts, replace(ALONE, reach=jnp.float32(2.5))
    late = jnp.arange(8).reshape(-1, 1, 1, 1) > 2
    expected = objective(player, data, with_seen(source, part.seen & ~late), None, ALONE, model)(
        params, jax.random.key(0)
    )
    spoiled = replace(source, parts=(replace(part, values=jnp.where(late, jnp.nan, part.values)),))
    found = objective(player, data, spoiled, None, turn, model)(params, jax.random.key(0))
    assert found[0] == expected[0]
    assert found[0] != objective(player, data, source, None, ALONE, model)(params, KEY)[0]


def test_improbable_first_states_and_their_uncertainty_are_counted_by_the_noise(model, source):
    """noise^2 / N (|q|^2 + 2 slope theta): of that, minus twice the logarithm of the posterior."""
    spectrum = (np.ones((16, 9), np.float32),)  # a prior without any smoothness
    sizes = (2 * spectrum[0],)  # q is twice the numbers of the search
    mean = jnp.zeros((3, 16, 16, 1))
    first = First(mean, spectrum=spectrum, sizes=sizes, start=mean, kind="estimated")
    q = jax.random.normal(jax.random.key(1), mean.shape)
    params = {"diffusivity": jnp.float32(0.4), INITIAL_STATES: q / 2}
    player = Physical(model, LBFGS(), Weights(1.0, 0.0), horizon=7)
    count = int(source.parts[0].seen.sum())
    for noise, weight in ((0.1, 0.1), (0.0, LEAST_NOISE)):
        data = with_first(source, first, noise=noise)
        terms = objective(player, data, source, None, ALONE, model)(params, KEY)[1]
        expected = weight**2 * float(jnp.sum(q**2)) / count
        np.testing.assert_allclose(terms["penalty"], expected, rtol=1e-5)
    data, slant = with_first(source, first, noise=0.1), {"diffusivity": jnp.float32(7.0)}
    leaning = objective(player, data, source, None, ALONE, model, slant)(params, KEY)[1]
    expected = 0.1**2 * (float(jnp.sum(q**2)) + 2 * 7.0 * 0.4) / count
    np.testing.assert_allclose(leaning["penalty"], expected, rtol=1e-5)


def test_the_visible_loss_is_that_of_all_windows_without_noise(model, source):
    """And of the first states as they are estimated, if they are."""
    player = Player(model, Adam(), Weights(), horizon=3, batch=2, noise=0.3)
    params = {"diffusivity": jnp.float32(0.4)}
    expected = window_loss(model, params, tile(source, 3), jnp.array([0.7]))
    data = about(source.starts[:, 0], 0.7)
    found = visible_loss(player, data, source, params, model)
    np.testing.assert_allclose(found, expected, rtol=1e-5)
    data, params = estimated(source)
    player = Physical(model, LBFGS(), Weights(), horizon=7)
    loss = objective(player, data, source, None, ALONE, model)
    expected = loss(params, jax.random.key(0))[0]
    found = visible_loss(player, data, source, params, model)
    np.testing.assert_allclose(found, expected, rtol=1e-5)


@pytest.mark.accuracy
def test_an_epoch_equals_a_loop_of_steps(heat_box, source):
    """The compiled epoch of a network: against explicit windows, rollouts and optax, in Python."""
    scale, (part,) = jnp.array([0.7]), source.parts
    solver = Adam(learning_rate=0.01, updates=3)
    grid = with_channels(heat_box, Heat().channels(2))
    model = UNet(levels=1, features=2).on(grid, 1.0)
    player = Player(model, solver, Weights(1.0, 0.0), horizon=2, batch=4)
    params = jax.jit(model.init)(jax.random.key(2))
    key = jax.random.key(3)
    physics = Heat(diffusivity=Unknown(start=0.5)).on(heat_box, 1.0)
    loss = objective(player, about(source.starts[:, 0], 0.7), source, None, ALONE, physics)
    found, _, terms = jax.jit(lambda p: solver.run(loss, p, solver.init(p, 1), key, 1))(params)

    every = [part.seen[s, t + 1 : t + 3].sum() for s in range(3) for t in range(6)]

    def by_hand(params, windows):
        total = 0.0
        (part,) = windows.parts
        for start, targets, seen in zip(windows.starts.state, part.values, part.seen, strict=True):
            state = start
            for target, counts in zip(targets[1:], seen[1:], strict=True):
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
def test_noise_disturbs_what_evolves_of_the_starts_by_its_size(plume):
    grid = plume.domain
    path, evolves = jnp.ones((8, 4, 16, 16, 4)), grid.evolves()
    seen = jnp.asarray(np.broadcast_to(evolves, path.shape))
    source = Source(path, (Dense(path, seen),))
    scale = jnp.array([1.0, 2.0, 3.0, 4.0])
    model = UNet().on(grid, 1.0)
    player = Player(model, Adam(), Weights(), horizon=1, batch=8, noise=0.1)
    quiet, key = replace(player, noise=0.0), jax.random.key(0)
    windows, noisy = (_windows(p, source, scale, key, 0) for p in (quiet, player))
    off = np.asarray(noisy.starts.state - windows.starts.state)
    assert (off[:, ~evolves] == 0).all()
    for i in range(3):
        np.testing.assert_allclose(off[:, evolves[..., i], i].std(), 0.1 * scale[i], rtol=0.1)
    np.testing.assert_array_equal(noisy.parts[0].values, windows.parts[0].values)
    data = about(path[:, 0])
    data = replace(data, statistics=replace(data.statistics, std=scale))
    loss = objective(player, data, source, None, ALONE, plume)
    params = jax.jit(player.model.init)(jax.random.key(0))
    values = [loss(params, jax.random.key(0), number)[1]["data"] for number in (0, 0, 1)]
    assert values[0] == values[1] != values[2]  # another draw in each update


def test_the_horizon_grows_in_stages(model):
    early = Early(cycles=6, horizon=1, stages=3)
    player = Player(model, LBFGS(), Weights(), horizon=8, early=early)
    assert [player.at(c).horizon for c in range(8)] == [1, 1, 2, 2, 4, 4, 8, 8]
    late = replace(player, begin=2)  # its first turn is that of cycle 2
    assert [late.at(c).horizon for c in range(9)] == [1, 1, 1, 1, 2, 2, 4, 4, 8]


def test_early_cycles_are_another_problem(model):
    player = Player(model, LBFGS(), horizon=4, early=Early(cycles=2, horizon=1))
    assert [player.at(c).horizon for c in range(4)] == [1, 1, 4, 4]
    assert player.at(2) == player.at(3) != player.at(1)
    later = replace(player, early=Early(cycles=2))
    assert later.at(0) == later.at(5)  # nothing differs: nothing is compiled anew


@pytest.mark.parametrize("horizon", [None, 3])
def test_the_loss_on_recordings_is_that_of_their_windows(model, source, horizon, recorded):
    """Of the whole time from the first states, or, where all is known, of pieces of it."""
    (part,), params = source.parts, {"diffusivity": jnp.float32(0.4)}
    known = recorded(part.values, None if horizon else part.seen)
    data = observations(known, known)
    windows = tile(Source(part.values, known.parts), horizon or 7)
    expected = window_loss(model, params, windows, data.scale)
    np.testing.assert_allclose(data_loss(model, params, data, horizon), expected, rtol=1e-6)


def test_no_loss_is_of_windows_that_begin_in_what_is_seen_in_part(model, source, recorded):
    known = recorded(source.parts[0].values, source.parts[0].seen)
    with pytest.raises(ValueError, match="windows in mid-recording need complete frames"):
        data_loss(model, {"diffusivity": 0.4}, observations(known, known), 3)


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
