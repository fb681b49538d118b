"""Metrics, figures and the logbook."""

import io
import json
from dataclasses import replace

import jax
import numpy as np
import pytest
from PIL import Image
from rich.console import Console

from hycojax.grid.domain import Boundary, Domain
from hycojax.physics import heat
from hycojax.report import figures, metrics
from hycojax.report import summary as report
from hycojax.report.metrics import RolloutErrors
from hycojax.run import logbook

RECORDS = [
    {
        "cycle": i,
        "phase": "warm-up" if i < 2 else "hybrid",
        "seconds": 30.0,
        "physical": {
            "data": 0.1 / i,
            "interaction": 0.2 * (i > 1),
            "validation": 0.3,
            "parameters": {"diffusivity": 1 + 1 / i},
            "spread": {"diffusivity": 0.125 / i},
            "evaluations": 7.0,
            "reason": "line search failed",
        },
        "synthetic": {
            "data": 0.5 / i,
            "interaction": 0.1 * (i > 1),
            "validation": 0.7,
            "reason": "iteration limit",
        },
    }
    for i in (1, 2, 3)
]


def test_the_error_equals_its_formula(smoke_box):
    rng = np.random.default_rng(0)
    truth, prediction = rng.normal(size=(2, 2, 4, 16, 16, 4)) * [1.0, 50.0, 0.1, 9.0]
    mask = rng.random((4, 16, 16)) < 0.3  # in each frame other cells
    found = metrics.rollout_errors(smoke_box, prediction, truth, mask)
    rms = np.sqrt((truth[:, 1:, ..., :3] ** 2).mean((0, 1, 2, 3)))
    for whole, part in ((np.ones_like(mask), "whole"), (mask, "seen"), (~mask, "hidden")):
        for s, t in np.ndindex(2, 3):
            cells = whole[t + 1]
            off = ((prediction - truth)[s, t + 1, cells, :3] / rms).ravel()
            size = (truth[s, t + 1, cells, :3] / rms).ravel()
            expected = np.linalg.norm(off) / np.linalg.norm(size)
            np.testing.assert_allclose(getattr(found, part)[s, t], expected, rtol=1e-4)


def test_units_do_not_matter_and_static_channels_do_not_count(smoke_box):
    rng = np.random.default_rng(0)
    truth, prediction = rng.normal(size=(2, 1, 3, 16, 16, 4))
    mask = np.ones((3, 16, 16), bool)
    scales = np.array([1.0, 1000.0, 0.01, 1.0])
    one = metrics.rollout_errors(smoke_box, prediction, truth, mask).whole
    prediction[..., 3] += 100
    other = metrics.rollout_errors(smoke_box, scales * prediction, scales * truth, mask).whole
    np.testing.assert_allclose(one, other, rtol=1e-4)


def test_parts_without_cells_have_no_error_and_do_not_count_in_the_mean(smoke_box):
    """Of 5 frames, that at the start not counted, two are seen in half and two not at all."""
    rng = np.random.default_rng(0)
    truth, prediction = rng.normal(size=(2, 2, 5, 16, 16, 4))
    mask = np.zeros((5, 16, 16), bool)
    mask[[2, 4], :8] = True
    found = metrics.rollout_errors(smoke_box, prediction, truth, mask)
    assert np.isnan(found.seen[:, [0, 2]]).all()
    assert np.isfinite(found.seen[:, [1, 3]]).all()
    for part in (found.whole, found.hidden):
        assert np.isfinite(part).all()
    np.testing.assert_allclose(found.hidden[:, [0, 2]], found.whole[:, [0, 2]], rtol=1e-5)

    results = {"recorded": report._Result(prediction, jax.tree.map(np.asarray, found))}
    means = report._errors(results)
    assert list(means) == ["recorded_nrmse", "recorded_nrmse_seen", "recorded_nrmse_hidden"]
    np.testing.assert_allclose(means["recorded_nrmse"], found.whole.mean(), rtol=1e-6)
    np.testing.assert_allclose(
        means["recorded_nrmse_seen"], found.seen[:, [1, 3]].mean(), rtol=1e-6
    )
    np.testing.assert_allclose(means["recorded_nrmse_hidden"], found.hidden.mean(), rtol=1e-6)

    # Seen everywhere there is nothing to divide: a part that is all, and one that is nothing.
    whole = metrics.rollout_errors(smoke_box, prediction, truth, np.ones_like(mask))
    assert np.isnan(whole.hidden).all()
    results = {kind: report._Result(prediction, whole) for kind in ("test", "last_test")}
    assert list(report._errors(results)) == ["test_nrmse", "last_test_nrmse"]


@pytest.fixture(params=[(12,), (12, 8), (6, 8, 4)], ids=["1D", "2D", "3D"])
def domain(request):
    return Domain(request.param, (3.0,) * len(request.param), Boundary.PERIODIC, heat.CHANNELS)


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
    moving = figures.animation(domain, 0, truth, predictions, region, 0.5)
    moving.save(tmp_path / "rollout.gif", writer="pillow")
    picture = Image.open(tmp_path / "rollout.gif")
    assert picture.n_frames == 7
    frames = []
    for frame in (0, 6):
        picture.seek(frame)
        frames.append(np.asarray(picture.convert("L")))
    assert (frames[0] != frames[1]).any()


def test_curves_of_a_run(tmp_path):
    saved(figures.losses(RECORDS, warmup=1), tmp_path)
    found = {"diffusivity": {"true": 1.0, "start": 3.0, "estimate": 1.5}}
    units = {"diffusivity": "m²/s"}
    figure = figures.parameters(RECORDS, found, units, warmup=1)
    (curve, *_) = figure.axes[0].lines
    np.testing.assert_allclose(curve.get_ydata(), [3.0, 2.0, 1.5, 4 / 3])
    assert "1.5" in figure.axes[0].get_title()
    saved(figure, tmp_path)
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


def test_the_logbook_forgets_what_a_resumed_run_does_again(tmp_path):
    path = tmp_path / "metrics.jsonl"
    assert logbook.keep(path, 3) == []
    for record in RECORDS:
        logbook.append(path, record)
    with path.open("a") as file:
        file.write('{"cycle": 4, "pha')  # a process killed in mid-line
    assert logbook.read(path) == RECORDS
    assert logbook.keep(path, 2) == RECORDS[:2]
    assert [json.loads(line)["cycle"] for line in path.read_text().splitlines()] == [1, 2]


def test_the_view_prints_lines_where_there_is_no_terminal():
    out = io.StringIO()
    with logbook.view(3, Console(file=out, width=60)) as view:
        view.phase("compiling")
        for record in RECORDS:
            view.cycle(record)
    lines = out.getvalue().splitlines()
    assert lines[0] == "compiling"
    assert len(lines) == 4
    assert lines[1].startswith("warm-up 1/3: ")
    assert lines[1].endswith("1 min 00 s left")
    assert "diffusivity 1.333 ± 0.042; line search failed" in lines[3]
    assert "iteration limit" not in lines[3]  # Adam's only way to end: not worth a word
    assert "\x1b" not in out.getvalue()


def test_the_view_redraws_a_table_on_a_terminal():
    out = io.StringIO()
    console = Console(file=out, force_terminal=True, width=160)
    with logbook.view(3, console) as view:
        view.phase("compiling")
        view.cycle(RECORDS[2])
    text = out.getvalue()
    assert "diffusivity = 1.333 ± 0.042" in text
    assert "line search failed" in text
    assert "3/3" in text
    assert "\x1b" in text


def test_the_correlation_is_pearsons_over_cells_and_dynamic_channels(smoke_box):
    rng = np.random.default_rng(0)
    truth = rng.normal(size=(2, 4, 16, 16, 4)) + 3
    other = truth + rng.normal(size=truth.shape)
    found = metrics.correlation(smoke_box, other, truth)
    assert found.shape == (2, 3)
    dynamic = list(smoke_box.dynamic)
    for s, t in np.ndindex(2, 3):
        centred = [
            p[s, t + 1][..., dynamic] - p[s, t + 1][..., dynamic].mean((0, 1))
            for p in (other, truth)
        ]
        expected = np.corrcoef(centred[0].ravel(), centred[1].ravel())[0, 1]
        np.testing.assert_allclose(found[s, t], expected, atol=5e-3)  # all channels are alike
    np.testing.assert_allclose(metrics.correlation(smoke_box, -truth, truth), -1, atol=1e-5)
    still = np.zeros_like(truth)
    np.testing.assert_array_equal(metrics.correlation(smoke_box, still, truth), np.zeros((2, 3)))
