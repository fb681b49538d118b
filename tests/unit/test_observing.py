"""From recordings to observations: what instruments saw, as a model meets it."""

from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import hycojax as hj
from hycojax.data import operators, revisits
from hycojax.data.lines import centres
from hycojax.data.observations import Dense, Rows
from hycojax.data.observing import interval_of, seen
from hycojax.errors import InputError
from hycojax.inference.losses import misfit
from hycojax.report import evaluation

X = np.arange(8) + 0.5
TIMES = np.arange(7.0)
HEAT = hj.physics.Heat(diffusivity=hj.Unknown(start=1.0))
BOX = hj.Domain((8,), (8.0,), hj.PERIODIC)
LINE = HEAT.on(BOX, 1.0)
#: Two channels that evolve, and a box with walls, faces and a static channel.
TWO = hj.physics.GrayScott(feed=hj.Unknown(start=0.03)).on(
    hj.Domain((8, 8), (8.0, 8.0), hj.PERIODIC), 1.0
)
PLUME = hj.physics.Smoke(buoyancy=hj.Unknown(start=0.1)).on(
    hj.Domain((8, 6), (8.0, 6.0), hj.CLOSED), 1.0
)


def warmth(x, t):
    return 20 + np.exp(-0.3 * t) * np.sin(2 * np.pi * x / 8 + 0.3)


def film(places=X, times=TIMES, shift=0.0, **fields):
    """Return a decaying wave, seen frame by frame."""
    values = warmth(places + shift, times[:, None])
    return hj.Film("temperature", "K", times, (places,), values, **fields)


def points(times=(0.0, 0.7, 1.0, 2.4, 6.0), places=(0.5, 3.21, 3.21, 8.0, 0.0), **fields):
    times, places = np.array(times), np.array(places)
    values = warmth(places, times)
    return hj.Points("temperature", "K", times, places[:, None], values, **fields)


def recordings(*systems, **options):
    """Return recordings of systems, each a series or a tuple of them."""
    found = [own if isinstance(own, tuple) else (own,) for own in systems]
    named = [hj.System(f"simulation {i}", series) for i, series in enumerate(found)]
    return hj.Recordings(tuple(named), **{"validation": hj.Share(0.2), **options})


def look(*systems, physics=LINE, seed=0, **options):
    return seen(recordings(*systems, **options), physics, seed)


def lines(observed):
    """Return all measurements of rows: system, frame, fraction and value, in order."""
    found = []
    for part in observed.parts:
        if isinstance(part, Rows):
            where = np.nonzero(part.weights > 0)
            found += [
                (s, k, f, v)
                for s, k, f, v in zip(
                    *where[:2], part.fraction[where], part.values[where], strict=True
                )
            ]
    return sorted(found)


def assert_equal(one, other):
    for a, b in zip(jax.tree.leaves(one), jax.tree.leaves(other), strict=True):
        np.testing.assert_array_equal(a, b)


# Cells and rows.


def test_what_lies_in_cells_at_frames_is_dense():
    given = film()
    given.values[2, 5] = np.nan
    known = look(given).known
    (learned,), (held,) = known.training.parts, known.validation.parts
    assert isinstance(learned, Dense)
    np.testing.assert_array_equal((learned.seen | held.seen)[0, ..., 0], np.isfinite(given.values))
    for part in (learned, held):
        found = part.values[0, ..., 0]
        seen_there = part.seen[0, ..., 0]
        np.testing.assert_allclose(found[seen_there], given.values[seen_there], rtol=1e-6)
        assert (found[~seen_there] == 0).all()


def test_a_film_of_other_pixels_is_rows_and_so_is_what_lies_between_frames():
    other = look(film(places=np.linspace(0, 7, 5))).known.training
    assert all(isinstance(part, Rows) for part in other.parts)
    late = look(film(times=np.array([0.0, 1.0, 1.5, 2.0, 3.0]))).known
    assert {type(part) for part in late.training.parts} == {Dense, Rows}
    between = [*lines(late.training), *lines(late.validation)]
    assert len(between) == 8
    assert {(k, round(float(f), 6)) for _, k, f, _ in between} == {(2, 0.5)}


def test_points_are_rows_between_the_frames_around_them():
    """The first state is not measured completely, so that it is estimated."""
    known = look(points(), validation=hj.LastPart(0.1)).known
    times = [k - 1 + f for _, k, f, _ in [*lines(known.training), *lines(known.validation)]]
    np.testing.assert_allclose(times, [0, 0.7, 1, 2.4, 6], atol=1e-6)
    values = [v for *_, v in lines(known.training)]
    np.testing.assert_allclose(values, points().values[:4], rtol=1e-6)
    assert known.training.steps == 6
    assert known.training.first.kind == "estimated"


def test_points_in_cells_at_frames_are_what_a_film_of_values_is():
    """The same loss of any trajectory."""
    given = replace(film(sigma=0.1), instrument=hj.Value())
    x, t = np.meshgrid(X, TIMES)
    scattered = hj.Points(
        "temperature", "K", t.ravel(), x.reshape(-1, 1), given.values.ravel(), sigma=0.1
    )
    dense, rows = (
        look(own, validation=hj.LastPart(0.1), first=hj.Estimated()).known
        for own in (given, scattered)
    )
    path = np.random.default_rng(0).normal(20, 1, (1, 7, 8, 1)).astype(np.float32)
    losses = [misfit(own.training.parts, path, own.scale) for own in (dense, rows)]
    np.testing.assert_allclose(*losses, rtol=1e-4)
    np.testing.assert_allclose(*[own.scale for own in (dense, rows)], rtol=1e-5)
    np.testing.assert_allclose(*[own.statistics.change for own in (dense, rows)], rtol=1e-4)
    np.testing.assert_allclose(dense.noise, rows.noise, rtol=1e-5)


def test_a_first_frame_without_noise_is_known_though_later_ones_are_noisy():
    """What is exact says nothing of the noise of the rest."""
    sigma = np.where(TIMES[:, None] == 0, 0.0, 0.1) * np.ones((7, 8))
    found, noisy = look(film(sigma=sigma)).known, look(film(sigma=0.1)).known
    assert found.training.first.kind == "known"
    np.testing.assert_array_equal(found.training.exact, [[True] + 6 * [False]])
    np.testing.assert_allclose(found.noise, noisy.noise, rtol=0.05)
    assert not found.whole


@pytest.mark.parametrize("boundary", [hj.PERIODIC, hj.CLOSED])
def test_a_film_tells_whether_it_holds_means_or_values(boundary):
    """Of cos(k x) the mean over a cell is sinc(k dx / 2) of the value at its centre."""
    domain = replace(BOX, boundary=boundary)
    physics = HEAT.on(domain, 1.0)
    width = domain.dx[0]
    wave = 2 * np.pi / domain.size[0] * (X if boundary is hj.PERIODIC else X / 2)
    values = np.cos(wave)
    share = np.sinc((wave[1] - wave[0]) / 2 / np.pi)
    films = {
        "means": (hj.Mean(widths=(width,)), values * share),
        "values": (hj.Value(), values),
        "as the model holds them": (None, values * share),
    }
    state = np.broadcast_to((values * share)[None, None, :, None], (1, 7, len(X), 1))
    for instrument, shown in films.values():
        given = replace(film(), values=np.tile(shown, (7, 1)), instrument=instrument)
        known = look(replace(given, sigma=np.zeros(())), physics=physics).known
        (part,) = known.training.parts
        off = operators.distances(part, jnp.asarray(state, jnp.float32), known.scale)
        assert np.abs(off).max() < (1e-6 if boundary is hj.PERIODIC else 3e-3)
        assert known.training.first.kind == "known"
        np.testing.assert_allclose(known.training.first.mean, state[:, 0], atol=3e-3)


def test_the_corner_of_the_box_may_lie_anywhere():
    there = replace(BOX, origin=(-3.0,))
    moved = film(places=X - 3, shift=3.0)
    found = look(moved, physics=HEAT.on(there, 1.0)).known
    assert_equal(found, look(film()).known)


def test_several_instruments_see_one_system():
    both = look((film(places=X[:4]), film(places=X[2:]), points())).known.training
    dense = [part for part in both.parts if isinstance(part, Dense)]
    assert len(dense) == 2  # cells that both see
    total = sum(int(part.seen.sum()) for part in both.parts)
    held = sum(
        int(part.seen.sum())
        for part in look((film(places=X[:4]), film(places=X[2:]), points())).known.validation.parts
    )
    assert total + held == 4 * 7 + 6 * 7 + 5


def test_recordings_may_differ_in_length():
    known = look(film(), film(times=TIMES[:4]), validation=hj.Share(0.2)).known
    (part,) = known.training.parts
    assert part.seen.shape == (2, 7, 8, 1)
    assert part.seen[0, 4:].any()
    assert not part.seen[1, 4:].any()


def test_the_interval_is_that_between_frames():
    assert interval_of(recordings(film(times=TIMES * 0.1), points())) == 0.1
    assert interval_of(recordings(points())) is None


# Noise.


def test_what_is_more_precise_counts_for_more():
    """By (mean sigma / sigma)^2, whose mean is 1; the noise is that mean over the scale."""
    one, other = film(sigma=0.1), film(places=X + 0.25, sigma=0.4)
    known = look((one, other), validation=hj.LastPart(0.1)).known
    assert known.sure
    weights = []
    for part in known.training.parts:
        own = np.ones(part.values.shape) if part.weights is None else part.weights
        weights.append(np.unique(own[np.asarray(part.seen)]))
    (fine,), (coarse,) = weights
    np.testing.assert_allclose(fine / coarse, 16, rtol=1e-5)
    np.testing.assert_allclose((fine + coarse) / 2, 1, rtol=1e-5)
    mean = np.sqrt(2 / (0.1**-2 + 0.4**-2))
    np.testing.assert_allclose(known.noise, mean / known.scale[0], rtol=1e-5)
    # A residual of one sigma counts 1 in chi^2, whoever measured it.
    path = np.full((1, 7, 8, 1), 20.0, np.float32)
    chi = 0.0
    for own, sigma in ((one, 0.1), (other, 0.4)):
        kept = own.times <= 5.4
        chi += np.sum(((own.values[kept] - 20) / sigma) ** 2)
    found = misfit(known.training.parts, path, known.scale) / known.noise**2
    np.testing.assert_allclose(found * known.training.count, chi, rtol=1e-4)


def test_what_is_told_does_not_depend_on_how_warm_each_system_is():
    """The spread between rooms was taken for one in each: a diffusivity went to 0."""

    def known(*warmer):
        own = [points(tuple(np.linspace(0, 6, 5)), sigma=0.02) for _ in warmer]
        moved = [replace(p, values=p.values + w) for p, w in zip(own, warmer, strict=True)]
        return look(*moved).known

    one, other = known(0.0, 0.0, 0.0), known(-20.0, 0.0, 50.0)
    np.testing.assert_allclose(other.scale, one.scale, rtol=1e-4)
    np.testing.assert_allclose(other.noise, one.noise, rtol=1e-4)
    first, moved = one.training.first, other.training.first
    np.testing.assert_allclose(moved.spectrum[0], first.spectrum[0], rtol=0.02)
    apart = (moved.mean - first.mean)[:, 0, 0]
    np.testing.assert_allclose(apart, [-20.0, 0.0, 50.0], atol=0.1)
    assert other.statistics.std > 20 * other.scale


def test_integrals_along_lines_are_means_of_what_they_pass():
    """They had been taken for values: of a box of a quarter of a metre, a quarter of these."""
    box = hj.physics.Heat(hj.Unknown(0.3)).on(hj.Domain((8, 8), (0.25, 8.0), hj.PERIODIC), 1.0)
    places = np.column_stack([np.zeros(20), np.tile(X[::2], 5)[:20]])
    times = np.repeat(np.arange(5.0), 4)
    values = 0.25 * warmth(places[:, 1], times)
    lines = hj.Points("temperature", "K m", times, places, values, 0.25 * 0.1, hj.Line(0))
    known = look(lines, physics=box).known
    np.testing.assert_allclose(known.statistics.mean, 20, atol=0.3)
    np.testing.assert_allclose(known.noise * known.scale, 0.1, rtol=1e-3)


def test_noise_that_nobody_states_is_estimated_and_not_sure():
    rng, times = np.random.default_rng(0), np.linspace(0, 6, 61)
    own = film(times=times)
    noisy = replace(own, values=own.values + 0.05 * rng.normal(size=own.values.shape))
    found = look(noisy, physics=HEAT.on(BOX, 0.1))
    assert not found.known.sure
    np.testing.assert_allclose(found.known.noise * found.known.scale[0], 0.05, rtol=0.2)
    assert any("by the values alone" in sentence for sentence in found.told)
    assert not any("by the values alone" in sentence for sentence in look(film(sigma=0.1)).told)


def test_an_instrument_whose_noise_nobody_states_counts_by_its_values():
    """It takes nothing from what is stated of others: a film a hundred times as precise."""
    rng = np.random.default_rng(0)
    sure = film(sigma=0.001)
    times, places = np.repeat(np.linspace(0, 6, 60), 5), np.tile(np.linspace(0.3, 7.7, 5), 60)
    rough = points(times, places)
    rough = replace(rough, values=rough.values + 0.1 * rng.normal(size=300))
    stated = replace(rough, sigma=np.full(300, 0.1))

    def ratio(*series):
        """Return how much more a value of the film counts than one of the probes."""
        parts = look(series).known.training.parts
        film_part = next(part for part in parts if isinstance(part, Dense))
        probes = next(part for part in parts if isinstance(part, Rows))
        weights = np.asarray(probes.weights)
        return film_part.weights[film_part.seen].mean() / weights[weights > 0].mean()

    np.testing.assert_allclose(ratio(sure, rough), ratio(sure, stated), rtol=0.4)
    assert ratio(sure, stated) == pytest.approx(1e4, rel=1e-3)


def test_a_relative_sigma_is_a_share_of_the_spread_of_what_is_learned_from():
    """What is set aside as a test has no say in it."""
    own, other = film(), film()
    other.values[5:] *= 3.0
    test = hj.LastPart(0.3)
    one, same = (look(f, test=test, relative_sigma=0.1).known for f in (own, other))
    assert_equal(one, same)
    assert one.sure
    assert one.noise == pytest.approx(0.1, rel=1e-3)
    exact = look(film(sigma=0.0), relative_sigma=0.1).known
    assert exact.noise == 0


@pytest.mark.parametrize("boundary", [hj.PERIODIC, hj.CLOSED])
def test_a_pixel_is_the_same_whenever_it_is_read(boundary):
    """Between frames too a film sees what the model holds: here a parabola in time."""
    physics = HEAT.on(replace(BOX, boundary=boundary), 1.0)
    late = film(times=np.array([0.0, 1.0, 1.5, 2.0, 3.5]))
    parts = look(late, physics=physics).known.training.parts
    (rows,) = (part for part in parts if isinstance(part, Rows))
    start, speed, bend = np.random.default_rng(0).normal(size=(3, 8))

    def state(t):
        return start + speed * t + bend * t**2

    path = np.stack([state(t) for t in range(5)])[None, ..., None].astype(np.float32)
    found, there = np.asarray(operators.read(rows, path)), np.asarray(rows.weights) > 0
    for frame, time in ((2, 1.5), (4, 3.5)):
        cells = rows.cells[rows.row[0, frame], 0][there[0, frame]]
        assert len(cells) > 3
        np.testing.assert_allclose(found[0, frame][there[0, frame]], state(time)[cells], rtol=1e-4)


def test_a_sigma_may_be_unknown_for_some_values():
    """They get a guess of their own; what is stated stays."""
    rng = np.random.default_rng(0)
    own = film(times=np.linspace(0, 6, 61))
    noisy = replace(own, values=own.values + 0.05 * rng.normal(size=own.values.shape))
    sigma = np.where(np.arange(8) < 4, 0.05, np.nan) * np.ones(own.values.shape)
    physics = HEAT.on(BOX, 0.1)
    found = look(replace(noisy, sigma=sigma), physics=physics).known
    assert not found.sure
    (part,) = found.training.parts
    ratio = (
        part.weights[..., :4, 0][part.seen[..., :4, 0]].mean()
        / part.weights[..., 4:, 0][part.seen[..., 4:, 0]].mean()
    )
    assert ratio == pytest.approx(1.0, rel=0.4)
    assert look(replace(noisy, sigma=0.05), physics=physics).known.sure


def test_sensors_with_outliers_are_parts_of_their_own():
    known = look((film(sigma=0.1), points(sigma=0.1, noise=hj.Student(3.0)))).known
    assert [part.degrees for part in known.training.parts] == [None, 3.0]


# What is set aside.


@pytest.mark.parametrize("own", [film(), points(np.linspace(0, 6, 80), np.linspace(0, 8, 80))])
def test_what_is_set_aside_tells_the_training_nothing(own):
    """Nor the priors, statistics and noise that are taken from the values."""
    clean = look(own, validation=hj.Share(0.3)).known
    if isinstance(own, hj.Film):
        held = np.asarray(clean.validation.parts[0].seen)[0, ..., 0]
    else:
        told = {float(v) for *_, v in lines(clean.validation)}
        held = np.array([float(np.float32(v)) in told for v in own.values])
        assert held.sum() == len(told)
    assert 0.1 < held.mean() < 0.5
    spoiled = replace(own, values=np.where(held, own.values + 100, own.values))
    found = look(spoiled, validation=hj.Share(0.3)).known
    assert_equal(found.training, clean.training)
    assert_equal(found.statistics, clean.statistics)
    assert found.noise == clean.noise
    values = [float(np.max(part.values)) for part in found.validation.parts]
    assert max(values) > 100


def test_shares_are_disjoint_and_complete_and_the_first_time_stays():
    shown = look(film(), film(shift=1.0), validation=hj.Share(0.3), test=hj.Share(0.4))
    known, test = shown.known, shown.test
    parts = [own.parts[0].seen for own in (known.training, known.validation, test)]
    assert (sum(part.astype(int) for part in parts) == 1).all()
    learned, held, kept = (part[:, 1:].mean() for part in parts)
    assert parts[0][:, 0].all()
    np.testing.assert_allclose([kept, held], [0.4, 0.6 * 0.3], atol=0.15)
    assert learned > 0.2
    assert known.held_out
    again = look(film(), film(shift=1.0), validation=hj.Share(0.3), test=hj.Share(0.4))
    assert_equal(again.known, known)
    other = look(film(), film(shift=1.0), validation=hj.Share(0.3), seed=1)
    assert (other.known.training.parts[0].seen != parts[0]).any()


def test_the_last_part_of_the_time_is_set_aside():
    shown = look(film(), validation=hj.LastPart(0.3), test=hj.LastPart(0.4))
    for own, frames in (
        (shown.known.training, [0, 1, 2]),
        (shown.known.validation, [3]),
        (shown.test, [4, 5, 6]),
    ):
        (part,) = own.parts
        np.testing.assert_array_equal(np.flatnonzero(part.seen.all((0, 2, 3))), frames)
        np.testing.assert_array_equal(np.flatnonzero(part.seen.any((0, 2, 3))), frames)


def test_the_last_part_is_that_of_each_system():
    """The shorter one too has a part that is not learned from."""
    short = film(times=TIMES[:4], shift=1.0)
    known = look(film(), short, validation=hj.LastPart(0.4)).known
    (learned,), (held,) = known.training.parts, known.validation.parts
    np.testing.assert_array_equal(learned.seen[..., 0, 0].sum(1), [4, 2])
    np.testing.assert_array_equal(held.seen[..., 0, 0].sum(1), [3, 2])


@pytest.mark.parametrize("test", [hj.Share(0.3), hj.LastPart(0.3)])
def test_a_part_of_the_systems_that_are_trained_on_may_be_the_test(test):
    """Though the validation has whole systems, of which nothing is lost then."""
    systems = [film(shift=s, sigma=0.1) for s in range(3)]
    shown = look(*systems, validation=hj.Systems(1), test=test)
    (learned,), (kept,), (held,) = (
        own.parts for own in (shown.known.training, shown.test, shown.known.validation)
    )
    assert shown.test.first is shown.known.training.first
    assert learned.seen.shape[0] == kept.seen.shape[0] == 2
    assert held.seen.shape[0] == 1
    assert not (learned.seen & kept.seen).any()
    assert (learned.seen | kept.seen).all()
    assert held.seen[:, 1:].all()
    tried = evaluation.measured_trials(shown.known, shown.test)
    assert list(tried) == ["recorded", "test"]
    assert tried["test"].trained


@pytest.mark.parametrize(
    ("options", "kind", "trained"),
    [
        ({}, "held_out", True),
        ({"test": hj.LastPart(0.3)}, "test", True),
        ({"test": hj.Share(0.3)}, "test", True),
        ({"test": hj.Systems(1)}, "test", False),
        ({"validation": hj.Systems(1)}, "test", False),
    ],
)
def test_what_the_final_figures_are_of(options, kind, trained):
    shown = look(*[film(shift=s, sigma=0.1) for s in range(3)], **options)
    tried = evaluation.measured_trials(shown.known, shown.test)
    assert set(tried) == {"recorded", kind}
    assert tried["recorded"].trained
    assert tried[kind].trained is trained


def test_whole_systems_are_set_aside():
    """The last ones: of what they start from nothing is compared."""
    shown = look(
        *[film(shift=s, sigma=0.1) for s in range(4)],
        validation=hj.Systems(2),
        test=hj.Systems(1),
    )
    known = shown.known
    assert not known.held_out
    for own, shifts in ((known.training, [0]), (known.validation, [1, 2]), (shown.test, [3])):
        (part,) = own.parts
        expected = [film(shift=s).values for s in shifts]
        first = np.array(expected)[:, 0]  # smoothed a little where it is set aside
        np.testing.assert_allclose(own.first.mean[..., 0], first, atol=0.03)
        assert part.seen[:, 1:].all()
        np.testing.assert_allclose(part.values[:, 1:, :, 0], np.array(expected)[:, 1:], rtol=1e-6)
    assert known.training.parts[0].seen[:, 0].all()  # measured, with noise
    assert not known.validation.parts[0].seen[:, 0].any()
    assert not shown.test.parts[0].seen[:, 0].any()


def test_first_states_of_systems_that_are_set_aside_are_smoothed():
    """Their noise had gone along in each later frame: a chi2 of 2 for the right model."""
    x, rng = (np.arange(32) + 0.5) / 4, np.random.default_rng(0)
    line = hj.physics.Heat(hj.Unknown(0.3)).on(hj.Domain((32,), (8.0,), hj.PERIODIC), 1.0)
    own = [film(x, shift=s, sigma=0.2) for s in range(3)]
    noisy = [replace(f, values=f.values + 0.2 * rng.normal(size=f.values.shape)) for f in own]
    known = look(*noisy, physics=line, validation=hj.Systems(1)).known
    truth = own[2].values[0]
    before, found = (
        np.std(v - truth) for v in (noisy[2].values[0], known.validation.first.mean[0, :, 0])
    )
    assert found < 0.6 * before


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"validation": hj.Systems(1)}, "1 systems are to be set aside, of 1: none would be left"),
        ({"validation": hj.Share(1e-6)}, "validation: nothing is set aside; choose a larger share"),
        ({"begin": 1.0}, r"begin = 1.0: simulation 0 was measured before it, at 0 s"),
        ({"first": hj.Known()}, r"first = Known\(\): of the first states 38 % of temperature is"),
        ({"first": hj.Measured()}, r"first = Measured\(\): .* take hj.Estimated\(\)"),
    ],
)
def test_what_can_not_be_is_refused(options, message):
    partly = film()
    partly.values[0, 2:5] = np.nan
    with pytest.raises(InputError, match=message):
        look(partly, **options)


# Where and when.


def test_the_first_state_may_be_earlier_than_all_measurements():
    late = film(times=TIMES + 3)
    at_once = look(late).known.training
    assert at_once.steps == 6
    assert at_once.first.kind == "measured"  # its noise is not known
    earlier = look(late, begin=0.5).known.training
    assert earlier.steps == 9
    assert earlier.first.kind == "estimated"
    frames = {k - 1 + float(f) for _, k, f, _ in lines(earlier)}
    assert frames == set(TIMES + 2.5)


def test_times_and_places_that_differ_by_rounding_are_the_models():
    found = look(film(places=X.astype(np.float32) * (1 + 1e-7), times=TIMES + 1e-6)).known
    assert all(isinstance(part, Dense) for part in found.training.parts)


@pytest.mark.parametrize("place", [8.1, -0.1])
def test_a_sensor_outside_the_box_is_named(place):
    message = rf"temperature of simulation 0: 1 places lie outside .*\({place}\) m of measurement 2"
    with pytest.raises(InputError, match=message):
        look(points(places=(0.5, 3.21, place, 8.0, 0.0)))


def test_a_channel_that_the_model_does_not_have_is_refused():
    with pytest.raises(InputError, match="humidity: the model has no such channel; it has temper"):
        look((film(), replace(film(), channel="humidity")))


@pytest.mark.parametrize(
    ("own", "interval", "message"),
    [
        (film(times=TIMES[:1]), 1.0, "nothing is recorded after the first state: see `begin`"),
        (film(), 1e-9, "interval = 1e-09: the recordings last 6000000000 of them, which no memo"),
        (replace(film(), values=1e200 * film().values), 1.0, r"values of temperature: 2.\d+e\+201"),
        (
            replace(points(), values=1e39 * points().values),
            1.0,
            "values of temperature: .* use oth",
        ),
        (film(sigma=1e39), 1.0, r"sigma of temperature: 1e\+39 is out of the range"),
    ],
)
def test_what_no_computer_can_fit_is_one_message(own, interval, message):
    with pytest.raises(InputError, match=message):
        look(own, physics=HEAT.on(BOX, interval))


def test_numbers_that_the_model_does_not_take_are_told():
    system = hj.System("tank", (film(),), {"inflow": 1.0, "depth": 2.0})
    told = seen(hj.Recordings((system,)), LINE, 0).told
    assert "numbers that the model has no channel for: inflow, depth" in told
    assert not any("no channel for" in sentence for sentence in look(film()).told)


def test_a_recording_begins_where_something_is_seen_first():
    """A film whose first frames are empty is the table of its values."""
    own = film(times=TIMES + 3, sigma=0.1)
    own.values[:2] = np.nan
    x, t = np.meshgrid(X, TIMES + 3)
    there = np.isfinite(own.values).ravel()
    table = hj.Points(
        "temperature", "K", t.ravel()[there], x.reshape(-1, 1)[there], own.values.ravel()[there]
    )
    for given in (own, table):
        known = look(given, validation=hj.LastPart(0.3), first=hj.Estimated()).known
        assert known.training.steps == 4
    assert look(own).known.training.first.kind == "measured"


@pytest.mark.parametrize("own", [film(), points()], ids=["film", "points"])
@pytest.mark.parametrize(
    ("instrument", "message"),
    [
        (hj.Mean((1.0, 1.0)), r"Mean, widths = \(1.0, 1.0\): 2 lengths, the box has 1 axes"),
        (hj.Line(axis=1), "Line, axis = 1: the box has 1 axes, numbered from 0"),
        (hj.Blur(0.1, order=hj.Order.SPECTRAL), "Blur, order = spectral: the box is closed"),
    ],
)
def test_an_instrument_that_does_not_suit_the_box_is_named(own, instrument, message):
    box = replace(BOX, boundary=hj.CLOSED)
    with pytest.raises(InputError, match=f"temperature of simulation 0: instrument {message}"):
        look(replace(own, instrument=instrument), physics=HEAT.on(box, 1.0))


def test_nothing_seen_is_refused():
    empty = replace(film(), values=np.full((7, 8), np.nan))
    with pytest.raises(InputError, match="nothing is seen: all values are missing"):
        look(empty)


# First states.


def holed():
    own = film(sigma=0.0)
    own.values[0, 3] = np.nan
    return own


@pytest.mark.parametrize(
    ("own", "kind"),
    [
        (film(sigma=0.0), "known"),
        (film(sigma=0.1), "measured"),
        (film(), "measured"),  # nobody says that it has none
        (holed(), "estimated"),
        (points(sigma=0.0), "estimated"),
        (film(places=X + 0.1, sigma=0.0), "estimated"),
    ],
)
def test_the_first_state_is_known_measured_or_estimated(own, kind):
    shown = look(own, validation=hj.LastPart(0.2))
    first = shown.known.training.first
    assert first.kind == kind
    assert f"first states: {kind}" in shown.told
    measured = [part.seen[:, 0].any() for part in shown.known.training.parts]
    assert any(measured) == (kind != "known")  # what is known is no measurement


def test_complete_frames_without_noise_are_known_as_states():
    own = film(sigma=0.0)
    own.values[3, 3] = np.nan
    known = look(own, film(sigma=0.0), film(sigma=0.0), validation=hj.Systems(1)).known
    exact = np.ones((2, 7), bool)
    exact[0, 3] = False
    np.testing.assert_array_equal(known.training.exact, exact)
    states = known.training.states[..., 0]
    np.testing.assert_allclose(states[1], film().values, rtol=1e-6)
    assert not known.whole
    whole = look(film(sigma=0.0), film(sigma=0.0), validation=hj.Systems(1)).known
    assert whole.whole


def test_exact_sensors_make_no_frame_a_known_state():
    """What lies between cells says nothing of a whole state; a complete exact frame still does."""
    first = film(times=TIMES[:1], sigma=0.0)
    exact = np.zeros((1, 7), bool)
    exact[:, 0] = True
    for sigma in (0.1, 0.0):
        found = look((first, points(sigma=sigma)), validation=hj.Share(0.3)).known.training
        np.testing.assert_array_equal(found.exact, exact)
        np.testing.assert_allclose(found.states[0, 0, :, 0], warmth(X, 0.0), rtol=1e-6)
        assert found.first.kind == "known"


def test_whole_systems_that_are_set_aside_need_their_first_states():
    with pytest.raises(InputError, match="the first states of systems that are set aside as a who"):
        look(film(), points(), validation=hj.Systems(1))


# How soon something is seen again.


def often(times, places):
    """Return points at all places at all times, one after the other."""
    pairs = np.array([(t, x) for t in times for x in places])
    return points(pairs[:, 0], pairs[:, 1], sigma=0.1)


RNG = np.random.default_rng(0)
LONG = np.arange(17.0)


@pytest.mark.parametrize(
    ("own", "expected"),
    [
        (film(times=LONG, sigma=0.1), 4),  # in the first interval
        (film(times=np.arange(0, 17.0, 4), sigma=0.1), 2),  # in the first quarter
        (often(LONG, (1.3, 2.7)), 4),
        (often((0.0, 7.5, 16.0), (1.3, 2.7)), 1),
        (points(RNG.uniform(0, 16, 90), RNG.uniform(0, 8, 90), sigma=0.1), 0),  # never
        (film(times=LONG, sigma=0.0), None),  # the first state is known
    ],
)
def test_how_often_the_time_may_double_so_that_places_are_seen_again(own, expected):
    found = look(own, validation=hj.LastPart(0.01)).known.training
    assert revisits.doublings(found) == expected


# Channels that are static, and such as nobody sees.


VELOCITY = dict.fromkeys(("velocity_x", "velocity_y"), hj.Prior(mean=0.0, amplitude=0.3))


def look_at_smoke(*series, numbers=None, priors=VELOCITY):
    system = hj.System("tank", series, numbers or {})
    own = hj.Recordings((system,), first=hj.Estimated(priors), validation=hj.Share(0.2))
    return seen(own, PLUME, 0).known.training


def density(channel="density", times=4):
    x, y = (np.arange(n) + 0.5 for n in PLUME.domain.shape)
    values = np.random.default_rng(0).uniform(size=(times, 8, 6))
    return hj.Film(channel, None, np.arange(float(times)), (x, y), values, sigma=0.1)


def test_a_static_channel_is_a_number_or_a_field():
    by_number = look_at_smoke(density(), numbers={"source": 0.7})
    assert (by_number.first.mean[..., 3] == np.float32(0.7)).all()
    given = replace(density("source", 1), sigma=None)
    still = hj.Film("source", None, None, given.places, given.values[0])
    for own in (given, still):
        found = look_at_smoke(density(), own)
        np.testing.assert_allclose(found.first.mean[0, ..., 3], given.values[0], rtol=1e-6)
        assert not any(part.seen[..., 3].any() for part in found.parts)  # it is no measurement
    with pytest.raises(InputError, match="source of tank is static: give it as a field or as a n"):
        look_at_smoke(density())
    moving = density("source")
    with pytest.raises(InputError, match=r"source of tank: it is static .*, but its frames differ"):
        look_at_smoke(density(), moving)
    held = replace(moving, values=np.broadcast_to(moving.values[:1], moving.values.shape))
    found = look_at_smoke(density(), held)
    np.testing.assert_allclose(found.first.mean[0, ..., 3], moving.values[0], rtol=1e-6)
    partial = hj.Film(
        "source", None, None, (given.places[0][:4], given.places[1]), still.values[:4]
    )
    with pytest.raises(InputError, match="source of tank: it must be given in all cells"):
        look_at_smoke(density(), partial)
    broken = replace(still, values=np.where(still.values > 0.9, np.nan, still.values))
    with pytest.raises(InputError, match="source of tank: it must be complete, without NaN"):
        look_at_smoke(density(), broken)


def test_a_static_channel_may_be_a_column_of_a_table_but_is_one_thing_only():
    at = np.array([[2.5, 3.5], [4.5, 1.5]])
    column = hj.Points("source", "1", np.array([0.0, 1.0]), at, np.full(2, 0.5))
    found = look_at_smoke(density(), column).first.mean[..., 3]
    np.testing.assert_array_equal(found, 0.5)
    with pytest.raises(InputError, match="source of tank is static: give it as a field or as a nu"):
        look_at_smoke(density(), replace(column, values=np.array([0.5, 0.6])))
    field = replace(density("source", 1), times=None, values=np.ones((8, 6)))
    with pytest.raises(InputError, match="source of tank is given as a number and as a field"):
        look_at_smoke(density(), field, numbers={"source": 0.25})


def test_pixels_of_which_nothing_is_seen_may_lie_outside_the_box():
    wide = film(places=np.arange(-1.0, 9.5, 0.5))
    wide.values[:, (wide.places[0] < 0) | (wide.places[0] > 8)] = np.nan
    assert look(wide).known.training.parts
    wide.values[:, 0] = 20.0
    with pytest.raises(InputError, match="places lie outside the box"):
        look(wide)


def test_a_channel_that_nobody_sees_needs_a_prior_or_a_tie():
    grid = TWO.domain
    x, y = (np.arange(n) + 0.5 for n in grid.shape)
    values = np.random.default_rng(0).uniform(size=(4, 8, 8))
    own = hj.Film("v", None, np.arange(4.0), (x, y), values, sigma=0.1)

    def find(**priors):
        return look(own, physics=TWO, first=hj.Estimated(priors)).known.training

    for priors in ({}, {"u": hj.Prior(mean=1.0)}, {"u": hj.Prior(amplitude=1.0)}):
        with pytest.raises(InputError, match=r"u is never seen, so nothing tells of .* hj.Tie"):
            find(**priors)
    with pytest.raises(InputError, match=r"u is never seen"):
        look(own, physics=TWO)  # the rule takes hj.Estimated() too
    for name, prior, message in (
        ("w", hj.Prior(), "the model has no channel 'w'"),
        ("u", hj.Tie("w"), "u is tied to w, which is no channel; there are u, v"),
        ("u", hj.Tie("u"), "u is tied to u, which is itself"),
    ):
        with pytest.raises(InputError, match=message):
            find(**{name: prior})
    with pytest.raises(InputError, match="u is tied to v, which is tied as well"):
        find(u=hj.Tie("v"), v=hj.Tie("u"))
    alone = find(u=hj.Prior(mean=1.0, amplitude=0.1))
    np.testing.assert_allclose(alone.first.mean[..., 0], 1.0)
    assert not alone.parts[0].seen[..., 0].any()
    tied = find(u=hj.Tie("v", factor=-1.0, offset=1.0))
    assert tied.first.ties == ((0, 1, -1.0, 1.0),)
    assert not np.any(tied.first.spectrum[0])


def test_faces_in_walls_are_no_measurements():
    grid = PLUME.domain
    x, y = np.arange(8.0), np.arange(6) + 0.5  # the lower faces along x
    values = np.random.default_rng(0).uniform(size=(4, 8, 6))
    own = hj.Film("velocity_x", None, np.arange(4.0), (x, y), values, sigma=0.1)
    found = look_at_smoke(density(), own, numbers={"source": 0.0})
    np.testing.assert_array_equal(centres(grid, 1)[::6, 0], x)
    (part,) = found.parts
    assert not part.seen[:, :, 0, :, 1].any()
    assert part.seen[:, 0, 1:, :, 1].all()
