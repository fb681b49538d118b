"""Errors, pictures, and what was identified."""

import io
from dataclasses import replace

import jax
import numpy as np
import pytest
from PIL import Image
from rich.console import Console
from test_logbook import RECORDS

import hycojax as hj
from hycojax.comparing import Row
from hycojax.grid.domain import with_channels
from hycojax.inference.deviations import Doubt
from hycojax.report import comparison, evaluation, figures, metrics, summary
from hycojax.report.evaluation import Prediction
from hycojax.report.metrics import RolloutErrors
from hycojax.report.summary import Estimate


@pytest.fixture(scope="module")
def smoke_grid(plume):
    return plume.domain


def test_the_error_equals_its_formula(smoke_grid):
    rng = np.random.default_rng(0)
    truth, prediction = rng.normal(size=(2, 2, 4, 16, 16, 4)) * [1.0, 50.0, 0.1, 9.0] + 3
    mask = rng.random((4, 16, 16)) < 0.3  # in each frame other cells
    found = metrics.rollout_errors(smoke_grid, prediction, truth, mask)
    about = truth[:, 1:, ..., :3] - truth[:, 1:, ..., :3].mean((0, 1, 2, 3))
    rms = np.sqrt((about**2).mean((0, 1, 2, 3)))
    for whole, part in ((np.ones_like(mask), "whole"), (mask, "seen"), (~mask, "hidden")):
        for s, t in np.ndindex(2, 3):
            cells = whole[t + 1]
            off = ((prediction - truth)[s, t + 1, cells, :3] / rms).ravel()
            size = (about[s, t, cells] / rms).ravel()
            expected = np.linalg.norm(off) / np.linalg.norm(size)
            np.testing.assert_allclose(getattr(found, part)[s, t], expected, rtol=1e-4)


def test_units_do_not_matter_and_static_channels_do_not_count(smoke_grid):
    rng = np.random.default_rng(0)
    truth, prediction = rng.normal(size=(2, 1, 3, 16, 16, 4))
    mask = np.ones((3, 16, 16), bool)
    scales = np.array([1.0, 1000.0, 0.01, 1.0])
    one = metrics.rollout_errors(smoke_grid, prediction, truth, mask).whole
    prediction[..., 3] += 100
    other = metrics.rollout_errors(smoke_grid, scales * prediction, scales * truth, mask).whole
    np.testing.assert_allclose(one, other, rtol=1e-4)


def test_parts_without_cells_have_no_error_and_do_not_count_in_the_mean(smoke_grid):
    """Of 5 frames, that at the start not counted, two are seen in half and two not at all."""
    rng = np.random.default_rng(0)
    truth, prediction = rng.normal(size=(2, 2, 5, 16, 16, 4))
    mask = np.zeros((5, 16, 16), bool)
    mask[[2, 4], :8] = True
    found = metrics.rollout_errors(smoke_grid, prediction, truth, mask)
    assert np.isnan(found.seen[:, [0, 2]]).all()
    assert np.isfinite(found.seen[:, [1, 3]]).all()
    for part in (found.whole, found.hidden):
        assert np.isfinite(part).all()
    np.testing.assert_allclose(found.hidden[:, [0, 2]], found.whole[:, [0, 2]], rtol=1e-5)

    results = {"recorded": Prediction(prediction, jax.tree.map(np.asarray, found), None)}
    means = evaluation.errors(results, {})
    assert list(means) == ["recorded_nrmse", "recorded_nrmse_seen", "recorded_nrmse_hidden"]
    np.testing.assert_allclose(means["recorded_nrmse"], found.whole.mean(), rtol=1e-6)
    np.testing.assert_allclose(
        means["recorded_nrmse_seen"], found.seen[:, [1, 3]].mean(), rtol=1e-6
    )
    np.testing.assert_allclose(means["recorded_nrmse_hidden"], found.hidden.mean(), rtol=1e-6)

    # Seen everywhere there is nothing to divide: a part that is all, and one that is nothing.
    whole = metrics.rollout_errors(smoke_grid, prediction, truth, np.ones_like(mask))
    assert np.isnan(whole.hidden).all()
    results = {kind: Prediction(prediction, whole, None) for kind in ("recorded", "test")}
    assert list(evaluation.errors(results, {})) == ["recorded_nrmse", "test_nrmse"]


def test_the_zero_of_a_unit_does_not_count(heat_box):
    """Persistence on one field scores the same in kelvin and in degrees Celsius."""
    grid = with_channels(heat_box, hj.physics.Heat().channels(2))
    rng = np.random.default_rng(0)
    celsius = 20 + rng.normal(size=(2, 5, 16, 16, 1)).cumsum(1)
    mask = np.ones((5, 16, 16), bool)

    def persistence(truth):
        truth = truth.astype(np.float32)
        still = np.broadcast_to(truth[:, :1], truth.shape)
        return metrics.rollout_errors(grid, still, truth, mask).whole

    one, other = persistence(celsius), persistence(celsius + 273.15)
    np.testing.assert_allclose(other, one, rtol=1e-3)
    assert (one[:, -1] > 0.5).all()
    mean = np.broadcast_to(celsius[:, 1:].mean(), celsius.shape)
    found = metrics.rollout_errors(grid, mean, celsius, mask).whole
    np.testing.assert_allclose(np.sqrt((np.square(found)).mean()), 1, rtol=0.1)


@pytest.mark.parametrize("broken", [np.nan, np.inf, 1e30])
def test_a_rollout_that_is_not_finite_counts_as_infinite_and_is_named(smoke_grid, broken):
    rng = np.random.default_rng(0)
    truth, prediction = rng.normal(size=(2, 6, 4, 16, 16, 4)).astype(np.float32)
    prediction[1, 2:, :, :, 0] = prediction[4, 3, 5, 5, 1] = broken
    mask = np.zeros((4, 16, 16), bool)
    mask[:, :8] = True  # it is broken at (5, 5), which is seen
    errors = jax.tree.map(np.asarray, metrics.rollout_errors(smoke_grid, prediction, truth, mask))
    off = np.zeros((6, 3), bool)
    off[1, 1:] = off[4, 2] = True
    np.testing.assert_array_equal(np.isinf(errors.whole), off)
    off[4, 2] = False
    np.testing.assert_array_equal(np.isinf(errors.hidden), off)
    found = {"test": Prediction(prediction, errors, None)}
    assert evaluation.errors(found, {})["test_nrmse"] == np.inf
    named = ["synthetic: 2 of 6 test rollouts are not finite"] if broken != 1e30 else []
    assert evaluation.not_finite("synthetic", found) == named
    assert evaluation.not_finite("synthetic", {"test": Prediction(truth, errors, None)}) == []


@pytest.fixture(params=[(12,), (12, 8), (6, 8, 4)], ids=["1D", "2D", "3D"])
def domain(request):
    box = hj.Domain(request.param, (3.0,) * len(request.param), hj.PERIODIC)
    return with_channels(box, hj.physics.Heat().channels(box.dims))


def paths(domain):
    rng = np.random.default_rng(0)
    truth, one, two = rng.normal(size=(3, 7, *domain.shape, 1))
    region = np.zeros(domain.shape, bool)
    region[2:-2] = True
    return truth, {"physical": one, "synthetic": two}, region


def saved(figure, tmp_path):
    figure.savefig(tmp_path / "figure.png")
    picture = np.asarray(Image.open(tmp_path / "figure.png").convert("L"))
    assert picture.std() > 5  # not a blank page
    return picture


def test_states_show_every_player_and_the_seen_part(domain, tmp_path):
    truth, predictions, region = paths(domain)
    figure = figures.states(domain, 0, truth, predictions, region, 0.5, "test")
    labels = [ax.get_ylabel() for ax in figure.axes if ax.get_ylabel()]
    expected = ["truth", "physical", "physical - truth", "synthetic", "synthetic - truth"]
    assert labels == expected
    assert "dashed" in figure.get_suptitle()
    assert "a test simulation" in figure.get_suptitle()
    saved(figure, tmp_path)


def test_the_animation_moves(domain, tmp_path):
    truth, predictions, region = paths(domain)
    truth[:, :3] = np.nan  # as of a recording
    panels = {"recorded": truth, **predictions}
    moving = figures.animation(domain, 0, panels, region, 0.5)
    moving.save(tmp_path / "rollout.gif", writer="pillow")
    picture = Image.open(tmp_path / "rollout.gif")
    assert picture.n_frames == 7
    frames = []
    for frame in (0, 6):
        picture.seek(frame)
        frames.append(np.asarray(picture.convert("L")))
    assert (frames[0] != frames[1]).any()


def estimate(value, **others):
    given = {name: np.asarray(other, np.float32) for name, other in others.items()}
    return Estimate(np.asarray(value, np.float32), unit="m²/s", **given)


def test_curves_of_a_run(tmp_path):
    saved(figures.losses(RECORDS, warmup=1), tmp_path)
    found = {"diffusivity": estimate(1.5, start=3.0, last=1.4, true=1.0)}
    figure = figures.parameters(RECORDS, found, warmup=1)
    (curve, *_) = figure.axes[0].lines
    np.testing.assert_allclose(curve.get_ydata(), [3.0, 2.0, 1.5, 4 / 3])
    assert "1.5" in figure.axes[0].get_title()
    assert "truth 1" in [text.get_text() for text in figure.axes[0].get_legend().texts]
    saved(figure, tmp_path)
    unknown = {"diffusivity": replace(found["diffusivity"], true=None)}
    (curve, *others) = figures.parameters(RECORDS, unknown, warmup=0).axes[0].lines
    assert not others  # of recordings nobody knows the truth
    some, none = np.full((2, 5), 0.1), np.full((2, 5), np.nan)
    parts = RolloutErrors(whole=some, seen=some, hidden=some)
    figure = figures.error_over_time({"physical": parts}, 0.5, "recorded")
    assert len(figure.axes[0].lines) == 3
    assert "recorded simulations" in figure.axes[0].get_title()
    whole = figures.error_over_time({"physical": replace(parts, hidden=none)}, 0.5, "test")
    assert len(whole.axes[0].lines) == 1
    saved(figure, tmp_path)


def test_a_comparison_draws_every_row(tmp_path):
    """A dot for each seed and a line for their mean, where a row has such numbers."""
    rows = {
        "physical only": {"test": [0.1, 0.2, 0.3], "parameter": [0.01, 0.02, 0.03]},
        "hybrid: physical": {"test": [0.1], "seen": [0.1], "hidden": [0.2], "parameter": [0.01]},
        "hybrid: synthetic": {"test": [0.4, 0.6], "seen": [0.3, 0.3], "hidden": [0.5, 0.7]},
    }
    figure = figures.comparison(rows, "test")
    panels = {ax.get_title(): ax for ax in figure.axes}
    assert list(panels) == ["test nRMSE", "its hidden part", "parameter error"]
    labels = [text.get_text() for text in figure.axes[0].get_yticklabels()]
    assert labels == list(rows)
    drawn = {"test nRMSE": [0, 1, 2], "its hidden part": [1, 2], "parameter error": [0, 1]}
    for title, places in drawn.items():
        dots = [line for line in panels[title].lines if line.get_linestyle() == "None"]
        assert [int(line.get_ydata()[0]) for line in dots] == places
    dots, mean = panels["test nRMSE"].lines[:2]
    np.testing.assert_allclose(dots.get_xdata(), [0.1, 0.2, 0.3])
    np.testing.assert_allclose(mean.get_xdata(), [0.2, 0.2])
    assert panels["test nRMSE"].lines[4].get_color() == figures.COLORS["synthetic"]
    saved(figure, tmp_path)
    one = figures.comparison({"synthetic only": {"recorded": [0.5]}, "hybrid": {}}, "recorded")
    assert [ax.get_title() for ax in one.axes] == ["recorded nRMSE"]
    saved(one, tmp_path)


def test_the_correlation_is_pearsons_over_cells_and_dynamic_channels(smoke_grid):
    rng = np.random.default_rng(0)
    truth = rng.normal(size=(2, 4, 16, 16, 4)) + 3
    other = truth + rng.normal(size=truth.shape)
    found = metrics.correlation(smoke_grid, other, truth)
    assert found.shape == (2, 3)
    dynamic = list(smoke_grid.dynamic)
    for s, t in np.ndindex(2, 3):
        centred = [
            p[s, t + 1][..., dynamic] - p[s, t + 1][..., dynamic].mean((0, 1))
            for p in (other, truth)
        ]
        expected = np.corrcoef(centred[0].ravel(), centred[1].ravel())[0, 1]
        np.testing.assert_allclose(found[s, t], expected, atol=5e-3)  # all channels are alike
    np.testing.assert_allclose(metrics.correlation(smoke_grid, -truth, truth), -1, atol=1e-5)
    still = np.zeros_like(truth)
    np.testing.assert_array_equal(metrics.correlation(smoke_grid, still, truth), np.zeros((2, 3)))


def test_a_comparison_is_a_table(tmp_path):
    rows = {"one": {"test": [0.1, 0.3], "parameter": [0.5, 0.5]}, "two": {"test": [0.25]}}
    assert comparison.markdown(rows, "test").splitlines() == [
        "|  | test nRMSE | parameter error |",
        "| --- | --- | --- |",
        "| one | 0.2 (0.1 to 0.3) | 0.5 (0.5 to 0.5) |",
        "| two | 0.25 |  |",
    ]


def test_a_comparison_of_recordings_tells_of_no_truth(tmp_path):
    errors = {"held_out_nrmse": 0.2, "held_out_chi2": 1.5, "last_held_out_nrmse": 0.3}
    own = {"synthetic": errors, "physical": errors | {"parameters": {"k": {"estimate": 1.0}}}}
    rows = [Row("best", "hybrid", "physical"), Row("last", "hybrid", "synthetic", last=True)]
    found = comparison.compared("tank", 1, {"hybrid": [own]}, rows)
    assert found.errors == "held_out"
    assert found.rows == {"best": {"held_out": [0.2], "chi2": [1.5]}, "last": {"held_out": [0.3]}}
    table = comparison.markdown(found.rows, "held_out")
    assert table.splitlines()[0] == "|  | held-out nRMSE | chi2 a value |"
    figure = figures.comparison(found.rows, "held_out")
    assert [ax.get_title() for ax in figure.axes] == ["held-out nRMSE", "chi2 a value"]
    saved(figure, tmp_path)


# What was identified.


def test_an_estimate_tells_how_far_off_it_is():
    own = estimate(1.5, start=3.0, last=0.5, true=1.0, spread=0.25)
    short = own.in_short()
    assert short.pop("unit") == "m²/s"
    numbers = {"true": 1, "start": 3, "estimate": 1.5, "last": 0.5, "spread": 0.25}
    assert short == {**numbers, "relative_error": 0.5, "last_relative_error": 0.5}
    real = estimate(1.5, start=3.0, last=0.5)  # of recordings nobody knows the truth
    assert real.relative_error is None
    assert list(real.in_short()) == ["start", "estimate", "last", "unit"]


def test_a_parameter_that_the_grid_moves_further_than_the_noise_is_named():
    moved = estimate(1.0, start=1.0, last=1.0, sd=0.1, discretisation=-0.2)
    (told,) = summary.coarse({"k": moved, "l": replace(moved, sd=np.asarray(0.3))})
    assert told.startswith("k: the grid and the step move it by -0.2, more than its standard")
    assert "physical.finer = 2" in told
    assert summary.coarse({"k": replace(moved, discretisation=None)}) == []


def test_a_search_that_was_stopped_on_its_way_is_told():
    (told,) = summary.unfinished("iteration limit")
    assert "still under way" in told
    assert not summary.unfinished("converged")


def test_a_pde_that_the_recordings_refute_is_told():
    """From three squares of the noise on; simulations have a truth in place of a chi2."""
    (told,) = summary.unlikely({"recorded_chi2": 53.0})
    assert "the recordings refute the PDE as it was found: chi2 53 per value" in told
    assert summary.unlikely({"recorded_chi2": 1.4}) == summary.unlikely({}) == []


def test_rollouts_that_leave_the_limit_of_a_step_are_named():
    """The limit is |u| dt <= dx."""
    line = hj.Domain((8,), (8.0,), hj.PERIODIC)
    physics = hj.physics.Burgers(viscosity=1.0, pieces=2).on(line, 1.0)
    slow = np.full((1, 2, 8, 1), 1.9)
    told = evaluation.unstable(
        physics,
        {},
        {"recorded": Prediction(1.5 * slow, None, None), "test": Prediction(2 * slow, None, None)},
    )
    (sentence,) = told  # of both that leave it, the one that is further off
    assert "test rollouts become so fast that a step of 0.5 s is 1.9 times" in sentence
    assert sentence.endswith("set physical.model.pieces = 4")
    assert evaluation.unstable(physics, {}, {"test": Prediction(slow, None, None)}) == []


def test_the_error_of_a_field_is_that_of_its_values_not_of_its_mean():
    true = np.array([1.0, 3.0])
    own = estimate([3.0, 1.0], start=[2.0, 2.0], last=true, true=true)
    np.testing.assert_allclose(own.relative_error, np.sqrt(8 / 10), rtol=1e-6)
    assert own.in_short()["last_relative_error"] == 0
    assert own.in_short()["estimate"] == own.in_short()["true"] == 2


@pytest.mark.parametrize(
    "start", [hj.Unknown(2.0), hj.UnknownField(2.0, high=9.0)], ids=["number", "field"]
)
def test_the_truth_is_told_in_the_form_of_the_unknown(start, heat_box):
    waves = hj.Waves(mean=1.0, amplitude=0.3)
    physics = hj.physics.Heat(diffusivity=start).on(heat_box, 1.0)
    values = waves.on(heat_box)
    found = summary.true_values(physics, hj.physics.Heat(diffusivity=waves))["diffusivity"]
    field = isinstance(start, hj.UnknownField)
    assert found.shape == (heat_box.shape if field else ())
    np.testing.assert_allclose(found, values if field else np.mean(values), rtol=1e-6)
    one = summary.true_values(physics, hj.physics.Heat(diffusivity=1.5))["diffusivity"]
    np.testing.assert_array_equal(one, np.full(found.shape, 1.5, np.float32))


def test_there_is_a_truth_of_what_has_the_same_name_and_unit(heat_box):
    physics = hj.physics.Burgers(viscosity=hj.Unknown(1.0, high=9.0)).on(heat_box, 1.0)
    assert list(summary.true_values(physics, hj.physics.Burgers(viscosity=0.5))) == ["viscosity"]
    assert summary.true_values(physics, hj.physics.Heat(diffusivity=0.5)) == {}
    assert summary.true_values(physics, None) == {}


def test_estimates_are_values_inside_their_bounds(heat_box):
    """What an optimiser sees are numbers without bounds."""
    physics = hj.physics.Heat(diffusivity=hj.Unknown(start=2.0)).on(heat_box, 1.0)
    best, last = (physics.unconstrain({"diffusivity": np.float32(v)}) for v in (1.5, 1.25))
    truth, spread = hj.physics.Heat(diffusivity=1.0), {"diffusivity": np.float32(0.1)}
    doubts = {"diffusivity": Doubt(0.01, -0.02)}
    found = summary.estimates(physics, truth, best, last, spread, doubts)["diffusivity"]
    assert summary.coarse({"diffusivity": found}) == [
        "diffusivity: the grid and the step move it by -0.02, more than its standard deviation, "
        "0.01: take physical.finer = 2"
    ]
    values = {name: float(value) for name, value in found.arrays().items()}
    expected = {"true": 1.0, "start": 2.0, "estimate": 1.5, "last": 1.25, "spread": 0.1, "sd": 0.01}
    expected["discretisation"] = -0.02
    assert values == pytest.approx(expected, rel=1e-6)
    assert found.unit == "m²/s"
    unsure = {"diffusivity": Doubt(float("nan"), float("nan"))}  # the measurements say nothing
    found = summary.estimates(physics, None, best, last, {}, unsure)["diffusivity"]
    assert list(found.arrays()) == ["start", "estimate", "last"]


# The table on the terminal.


def shown(results, **more):
    """Return the lines that a summary prints."""
    out = io.StringIO()
    summary.show({**results, **more}, Console(file=out, width=120))
    return out.getvalue()


def test_the_table_of_recordings_has_no_truth_and_no_error():
    parameters = {"diffusivity": estimate(1.5, start=3.0, last=1.4, sd=0.0123).in_short()}
    own = {"recorded_nrmse": 0.1, "held_out_nrmse": 0.25, "held_out_chi2": 1.75}
    text = shown({"synthetic": own, "physical": {**own, "parameters": parameters}})
    for told in ("held-out nRMSE", "chi2 a value", "0.2500", "1.75", "1.5 ± 0.012 m²/s"):
        assert told in text
    for untold in ("true", "error", "hidden", "warning"):
        assert untold not in text
    exact = {"held_out_nrmse": 0.25}  # without noise there is no chi2
    assert "chi2" not in shown({"synthetic": exact})


def test_the_table_with_a_truth_has_both_and_calls_a_spread_a_spread():
    found = estimate(1.5, start=3.0, last=1.4, true=1.0, spread=6e-8)
    own = {"test_nrmse": 0.25, "test_nrmse_seen": 0.2, "test_nrmse_hidden": 0.3}
    results = {"physical": {**own, "parameters": {"diffusivity": found.in_short()}}}
    text = shown(results, warnings=["physical: 2 of 6 test rollouts are not finite"])
    assert "0.2 / 0.3" in text
    assert "1.5 m²/s (starts: 6e-08 apart) (true 1)" in text
    assert "50.00 %" in text
    assert "±" not in text
    assert "warning: physical: 2 of 6 test rollouts are not finite" in text
