"""Residuals of measurements in cells and between them, and their pictures; predictions on disk."""

from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

import hycojax as hj
from hycojax.data import operators
from hycojax.data.instruments import Blur, Instrument, Line, Mean, Order
from hycojax.data.observations import Dense, First, Rows
from hycojax.grid.domain import with_channels
from hycojax.inference import losses
from hycojax.report import evaluation, figures, residuals, trials
from hycojax.report.evaluation import Prediction, Trial

SHAPES = {1: (12,), 2: (12, 8), 3: (6, 8, 4)}
SIZES = {1: (3.0,), 2: (3.0, 8.0), 3: (3.0, 8.0, 2.0)}


def grid_of(dims, boundary=hj.PERIODIC, pde=None):
    box = hj.Domain(SHAPES[dims], SIZES[dims], boundary)
    return with_channels(box, (pde or hj.physics.Heat()).channels(dims))


@pytest.fixture(params=SHAPES, ids="{}D".format)
def grid(request):
    return grid_of(request.param)


def rows_at(grid, places, channel=0, instrument=None, values=None, noise=None):
    """Return one system in which each place is read once, one after another, half a frame late."""
    cells, coefficients = operators.rows(grid, channel, places, instrument)
    count = len(places)
    shape = (1, count + 1, 1)
    weights, row = np.zeros(shape, np.float32), np.zeros(shape, np.int32)
    weights[0, 1:, 0], row[0, 1:, 0] = 1, np.arange(count)
    return Rows(
        values=np.zeros(shape, np.float32) if values is None else values,
        weights=weights,
        fraction=np.full(shape, 0.5, np.float32),
        row=row,
        cells=cells,
        coefficients=coefficients,
        channel=np.full(count, channel, np.int32),
        refinement=operators.refinement(instrument, grid),
    )


@pytest.mark.parametrize("boundary", [hj.PERIODIC, hj.CLOSED])
@pytest.mark.parametrize("instrument", [None, Instrument(order=Order.LINEAR), Blur(width=0.1)])
@pytest.mark.parametrize("channel", [0, 1])
def test_the_place_of_a_row_is_where_it_was_measured(boundary, instrument, channel):
    """Cubic and linear weights reproduce a place; on faces too, and across a periodic edge."""
    grid = grid_of(2, boundary, hj.physics.Smoke())
    rng = np.random.default_rng(0)
    size = np.array(grid.size)
    inside = 0.02 if boundary is hj.PERIODIC else 0.25
    places = size * rng.uniform(inside, 1 - inside, (20, 2))
    found = residuals.measured(grid, (rows_at(grid, places, channel, instrument),))
    np.testing.assert_allclose(found.place, places, atol=2e-4 * size.max())
    np.testing.assert_allclose(found.time, np.arange(20) + 0.5)
    assert set(found.channel) == {channel}
    assert set(found.system) == {0}


def test_what_reads_a_part_of_the_box_lies_in_its_middle():
    grid = grid_of(2)
    places = np.array([[1.1, 3.3], [2.9, 7.9]])
    whole = residuals.measured(grid, (rows_at(grid, places, 0, Line(axis=0)),))
    np.testing.assert_allclose(whole.place[:, 1], places[:, 1], atol=1e-3)
    pixel = residuals.measured(grid, (rows_at(grid, places, 0, Mean(widths=(0.5, 0.5))),))
    np.testing.assert_allclose(pixel.place, places, atol=1e-3)


def dense(grid, systems=2, steps=4, seed=0):
    rng = np.random.default_rng(seed)
    values = rng.normal(size=(systems, steps + 1, *grid.shape, 1)).astype(np.float32)
    seen = rng.random(values.shape) < 0.4
    seen[:, :, : grid.shape[0] // 3] = False
    return Dense(np.where(seen, values, 0), seen), values


def trial_of(*parts, grid, noise=0.1, scale=2.0, steps=4):
    first = First(np.zeros((2, *grid.shape, 1), np.float32))
    return Trial(first, steps, np.full(1, scale, np.float32), noise, parts=parts)


def test_cells_have_their_centres_and_frames_their_gaps(grid):
    part, values = dense(grid)
    found = residuals.measured(grid, (part,))
    index = np.nonzero(part.seen)
    np.testing.assert_array_equal(found.value, values[index])
    np.testing.assert_array_equal(found.time, index[1])
    centres = np.stack([c[index[2:-1]] for c in grid.centers()], -1)
    np.testing.assert_allclose(found.place, centres)
    filled = residuals.frames(grid, 4, (part, replace(part, seen=~part.seen)), system=1)
    np.testing.assert_array_equal(filled[part.seen[1]], values[1][part.seen[1]])
    gaps = residuals.frames(grid, 4, (part,), system=1)
    np.testing.assert_array_equal(np.isnan(gaps), ~part.seen[1])


def test_residuals_are_in_sigma_and_their_chi2_is_that_of_the_summary(grid):
    """sigma_i = noise scale / sqrt(w_i); without noise they are over the scale."""
    part, values = dense(grid)
    rng = np.random.default_rng(1)
    weights = rng.uniform(0.5, 2, values.shape).astype(np.float32)
    part = replace(part, weights=weights)
    predicted = values + rng.normal(size=values.shape).astype(np.float32)
    own = trial_of(part, grid=grid)
    found = residuals.residuals(own, predicted)
    sigma = 0.1 * 2.0 / np.sqrt(weights)
    np.testing.assert_allclose(found, ((predicted - values) / sigma)[part.seen], rtol=1e-3)
    exact = residuals.residuals(replace(own, noise=0.0), predicted)
    np.testing.assert_allclose(exact, 0.1 * found, rtol=1e-5)


def errors_of(trial, predicted, grid):
    """Return what a summary says of trajectories that are predicted, as in `evaluation`."""
    square = float(losses.misfit(trial.parts, predicted, trial.scale, trial.noise))
    found = Prediction(
        predicted, None, square, float(losses.nrmse(trial.parts, predicted, trial.scale))
    )
    return evaluation.errors({"recorded": found}, {"recorded": trial}), found


def test_an_nrmse_has_no_weights_and_chi2_has_those_of_sigma(grid):
    """Both by their formulas: of a sure half and of one a hundred times as noisy."""
    part, values = dense(grid)
    rng = np.random.default_rng(1)
    weights = np.where(rng.uniform(size=values.shape) < 0.5, 1.0, 1e-4).astype(np.float32)
    sigma = 0.1 * 2.0 / np.sqrt(weights)
    predicted = (values + sigma * rng.normal(size=values.shape)).astype(np.float32)
    trial = trial_of(replace(part, weights=weights), grid=grid)
    found, _ = errors_of(trial, predicted, grid)
    off = (predicted - values)[part.seen]
    assert found["recorded_nrmse"] == pytest.approx(np.sqrt(np.mean(off**2)) / 2.0, rel=1e-4)
    assert found["recorded_chi2"] == pytest.approx(np.mean((off / sigma[part.seen]) ** 2), rel=1e-4)


def test_chi2_of_student_s_errors_is_1_where_they_are_right(grid):
    part, values = dense(grid)
    noise = np.random.default_rng(1).standard_t(4, values.shape)
    predicted = (values + 0.1 * 2.0 * noise).astype(np.float32)
    trial = trial_of(replace(part, degrees=4.0), grid=grid)
    chi2 = errors_of(trial, predicted, grid)[0]["recorded_chi2"]
    assert chi2 == pytest.approx(1.0, abs=5 / np.sqrt(part.seen.sum()))


def test_a_noise_that_nobody_states_is_told_by_the_residuals(grid):
    """Of the player that is nearest to what was learned from; a guess is 8 times too low here."""
    part, values = dense(grid)
    rng = np.random.default_rng(1)
    near, far = (
        (values + size * 2.0 * rng.normal(size=values.shape)).astype(np.float32)
        for size in (0.8, 1.6)
    )
    trial = replace(trial_of(part, grid=grid), sure=False)
    pairs = {"physical": near, "synthetic": far}.items()
    found = {name: {"recorded": errors_of(trial, path, grid)[1]} for name, path in pairs}
    told = evaluation.told({"recorded": trial}, found)["recorded"]
    assert told.noise == pytest.approx(found["physical"]["recorded"].nrmse, rel=1e-4)
    assert errors_of(told, near, grid)[0]["recorded_chi2"] == pytest.approx(1.0, rel=1e-3)
    sure = replace(trial, sure=True)
    assert evaluation.told({"recorded": sure}, found)["recorded"].noise == 0.1


def test_means_by_cell_and_by_frame(grid):
    part, values = dense(grid)
    where = residuals.measured(grid, (part,))
    off = np.random.default_rng(2).normal(size=len(where.value))
    whole = np.full(values.shape, np.nan)
    whole[part.seen] = off
    kept = range(2, 2 + min(grid.dims, 2))  # a 3D box is seen along its third axis
    column = tuple(i for i in range(whole.ndim) if i not in kept)
    counts = np.isfinite(whole).sum(column)
    sums = np.nansum(whole, column)
    found = residuals.in_cells(grid, where, off)
    np.testing.assert_array_equal(np.isnan(found), counts == 0)
    np.testing.assert_allclose(found[counts > 0], (sums / np.maximum(counts, 1))[counts > 0])
    squares = np.nanmean(whole**2, tuple(i for i in range(whole.ndim) if i != 1))
    np.testing.assert_allclose(residuals.over_time(where, off, 4), np.sqrt(squares))
    later = residuals.over_time(where, off, 6)  # nothing is recorded then
    assert np.isnan(later[5:]).all()


# Pictures.


def saved(figure, tmp_path):
    figure.savefig(tmp_path / "figure.png", dpi=60)
    return np.asarray(Image.open(tmp_path / "figure.png").convert("RGB"))


GREY = np.array([191, 191, 191])


def grey_share(picture):
    """Return the share of a picture that has the grey of what is not seen."""
    return (picture == GREY).all(-1).mean()


def test_a_recording_is_grey_where_nothing_is_seen_beside_both_predictions(grid, tmp_path):
    part, values = dense(grid)
    seen = residuals.frames(grid, 4, (part,), system=0)
    none = residuals.measured(grid, ())
    one = {"synthetic": values[0], "physical": values[0]}
    figure = figures.recorded_states(grid, 0, seen, none, one, 0.5)
    labels = [ax.get_ylabel() for ax in figure.axes if ax.get_ylabel()]
    assert labels == ["recorded", "synthetic", "physical"]
    assert not any(ax.collections[0].get_offsets().size for ax in figure.axes[:15])
    whole = figures.recorded_states(grid, 0, values[0], none, one, 0.5)
    assert grey_share(saved(figure, tmp_path)) > 0.02 + grey_share(saved(whole, tmp_path))


def test_points_are_dots_in_the_colour_of_their_value_at_the_nearest_frame(grid, tmp_path):
    count = 4
    places = np.full((count, grid.dims), 0.5) * grid.size * np.linspace(0.9, 1.1, count)[:, None]
    values = np.arange(count + 1, dtype=np.float32).reshape(1, -1, 1)
    part = rows_at(grid, places, values=values)
    points = residuals.measured(grid, residuals.between((part,)))
    nothing = residuals.frames(grid, count, (part,), system=0)
    assert np.isnan(nothing).all()
    path = np.zeros_like(nothing)
    figure = figures.recorded_states(grid, 0, nothing, points, {"physical": path}, 0.5)
    for line in (figure.axes[:5], figure.axes[5:10]):
        shown = [ax.collections[0].get_array().tolist() for ax in line]
        # At half a frame they go to the even one.
        assert shown == [[1.0], [], [2.0, 3.0], [], [4.0]]
        (ends,) = {(ax.collections[0].norm.vmin, ax.collections[0].norm.vmax) for ax in line}
        assert ends == (1.0, 4.0)
    assert "dots" in figure.get_suptitle()
    assert grey_share(saved(figure, tmp_path)) > 0.04


def test_residuals_have_a_map_a_curve_and_a_histogram(grid, tmp_path):
    part, _ = dense(grid)
    rng = np.random.default_rng(3)
    where = residuals.measured(grid, (part,))
    off = rng.normal(size=len(where.value))
    half = rng.random(len(off)) < 0.5
    kinds = {
        "recorded": (where.only(half), off[half]),
        "held_out": (where.only(~half), off[~half]),
    }
    found = {"synthetic": kinds, "physical": kinds}
    figure = figures.residuals(grid, 0, found, 4, 0.5, noisy=True)
    titles = [ax.get_title() for ax in figure.axes if ax.get_title()]
    assert titles == ["synthetic: mean [sigma]", "physical: mean [sigma]"]
    _, time, spread = figure.axes[:3]
    told = [text.get_text() for text in time.get_legend().texts]
    assert told == ["recorded", "held-out", "the noise"]
    np.testing.assert_allclose(time.lines[0].get_xdata(), 0.5 * np.arange(5))
    expected = residuals.over_time(*kinds["recorded"], 4)
    np.testing.assert_allclose(time.lines[0].get_ydata(), expected)
    normal = spread.lines[0]
    np.testing.assert_allclose(max(normal.get_ydata()), 1 / np.sqrt(2 * np.pi), rtol=1e-3)
    area = np.trapezoid(normal.get_ydata(), normal.get_xdata())
    np.testing.assert_allclose(area, 1, rtol=1e-3)
    assert saved(figure, tmp_path).std() > 5
    exact = figures.residuals(grid, 0, found, 4, 0.5, noisy=False)
    assert not exact.axes[2].lines  # there is no noise to compare with
    assert "standard deviations of the channel" in exact.axes[1].get_ylabel()


# What models are tried on, on disk.


def test_trials_come_back_from_disk(grid, tmp_path):
    """Every field does: of each class all are set here, so that a new one can't be forgotten."""
    part, values = dense(grid)
    weighted = replace(part, weights=np.ones_like(values), degrees=4.0, points=grid.holding)
    first = First(
        mean=values[:, 0],
        measured=np.ones(values[:, 0].shape, bool),
        spectrum=(np.arange(3.0, dtype=np.float32),),
        sizes=(np.arange(4.0, dtype=np.float32),),
        shells=(np.arange(4, dtype=np.int32),),
        start=values[:, 1],
        ties=((0, 0, 0.5, 1.0),),
        kind="estimated",
    )
    rows = replace(
        rows_at(grid, np.ones((3, grid.dims))), degrees=4.0, refinement=4, holding=grid.holding
    )
    for full in (first, weighted, rows):
        assert all(own is not None for own in vars(full).values()), type(full)
    tried = {
        "recorded": replace(trial_of(weighted, rows, grid=grid), first=first),
        "test": replace(trial_of(grid=grid), truth=values, mask=part.seen[0, ..., 0]),
    }
    path = tmp_path / "predictions.nc"
    trials.write(path, grid, 0.5, tried, {"physical": {"test": values}})
    found = trials.read(path, grid)
    assert list(found) == list(tried)

    def same(one, other):
        assert type(one) is type(other)
        for name, own in vars(one).items():
            again = getattr(other, name)
            if name in ("first",):
                same(own, again)
            elif name == "parts":
                [same(*pair) for pair in zip(own, again, strict=True)]
            elif name in ("spectrum", "sizes", "shells"):
                np.testing.assert_array_equal(own, again)
            elif isinstance(own, np.ndarray):
                np.testing.assert_array_equal(own, again)
                assert own.dtype == again.dtype
            else:
                assert own == again, name

    for kind, own in tried.items():
        same(own, found[kind])
    assert evaluation.kind_of([{f"{kind}_nrmse": 0.1 for kind in tried}]) == "test"
