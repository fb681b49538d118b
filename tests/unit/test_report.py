"""Metrics, figures and the logbook."""

import io
import json

import numpy as np
import pytest
from PIL import Image
from rich.console import Console

from hycojax import figures, logbook, metrics
from hycojax.domain import Boundary, Domain
from hycojax.physics import heat

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
    region = rng.random((16, 16)) < 0.3
    found = metrics.rollout_errors(smoke_box, prediction, truth, region)
    rms = np.sqrt((truth[:, 1:, ..., :3] ** 2).mean((0, 1, 2, 3)))
    for cells, part in ((np.ones((16, 16), bool), "whole"), (region, "seen"), (~region, "hidden")):
        for s, t in np.ndindex(2, 3):
            off = ((prediction - truth)[s, t + 1, cells, :3] / rms).ravel()
            size = (truth[s, t + 1, cells, :3] / rms).ravel()
            expected = np.linalg.norm(off) / np.linalg.norm(size)
            np.testing.assert_allclose(getattr(found, part)[s, t], expected, rtol=1e-4)


def test_units_do_not_matter_and_static_channels_do_not_count(smoke_box):
    rng = np.random.default_rng(0)
    truth, prediction = rng.normal(size=(2, 1, 3, 16, 16, 4))
    region = np.ones((16, 16), bool)
    scales = np.array([1.0, 1000.0, 0.01, 1.0])
    one = metrics.rollout_errors(smoke_box, prediction, truth, region).whole
    prediction[..., 3] += 100
    other = metrics.rollout_errors(smoke_box, scales * prediction, scales * truth, region).whole
    np.testing.assert_allclose(one, other, rtol=1e-4)


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
    figure = figures.states(domain, 0, truth, predictions, region, 0.5)
    labels = [ax.get_ylabel() for ax in figure.axes if ax.get_ylabel()]
    expected = ["truth", "physical", "physical - truth", "synthetic", "synthetic - truth"]
    assert labels == expected
    assert "dashed" in figure.get_suptitle()
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
    parts = {k: np.full((2, 5), 0.1) for k in ("whole", "seen", "hidden")}
    figure = figures.error_over_time({"physical": parts}, 0.5)
    assert len(figure.axes[0].lines) == 3
    whole = figures.error_over_time({"physical": {"whole": parts["whole"]}}, 0.5)
    assert len(whole.axes[0].lines) == 1
    saved(figure, tmp_path)


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
