"""The comparison of hybrid training with each model alone and with the one-way schemes."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

import hycojax as hj
from hycojax import commandline, comparing, evaluate, train
from hycojax.comparing import ROWS, SCHEMES, Row
from hycojax.report import comparison
from hycojax.run import logbook
from hycojax.run.directory import RunDir

FILE = Path(__file__).parents[1] / "fixtures" / "heat.py"


@pytest.fixture(scope="session")
def compare_command():
    """The command's main. Importing its module leaves `hj.compare` something to call."""
    from hycojax.compare import main

    return main


@pytest.fixture(scope="module")
def compared(tmp_path_factory, command, compare_command):
    """A directory in which two seeds were compared."""
    here = tmp_path_factory.mktemp("compared")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(here)
        assert command(compare_command, FILE, "--seeds", "2", "--run-dir", "all") == 0
    return here


#: The schemes of both players.
ONE_PROGRAM = [scheme for scheme in SCHEMES if scheme != "corrected"]


def records(here, run):
    return logbook.read(RunDir(here / "all" / run).log)[0]


@pytest.mark.accuracy
def test_a_comparison_leaves_a_table_a_figure_and_its_runs(compared):
    found = json.loads((compared / "all" / "comparison.json").read_text())
    assert list(found["rows"]) == [row.label for row in ROWS]
    for label, values in found["rows"].items():
        assert all(len(numbers) == 2 for numbers in values.values())
        assert ("parameter" in values) is ("synthetic" not in label)
        assert values["test"][0] != values["test"][1]
    table = (compared / "all" / "comparison.md").read_text().splitlines()
    assert len(table) == len(ROWS) + 2
    assert (compared / "all" / "comparison.png").stat().st_size > 10_000
    runs = sorted(path.name for path in (compared / "all").iterdir() if path.is_dir())
    assert runs == sorted(f"{scheme}-{seed}" for scheme in SCHEMES for seed in (0, 1))


@pytest.mark.accuracy
def test_the_schemes_differ_in_who_learns_from_whom(compared):
    last = {scheme: records(compared, f"{scheme}-0")[-1] for scheme in ONE_PROGRAM}
    assert list(records(compared, "corrected-0")[-1].players) == ["physical"]
    learns = {
        s: [r.players[p].interaction > 0 for p in ("synthetic", "physical")]
        for s, r in last.items()
    }
    assert learns == {
        "alone": [False, False],
        "physics-to-network": [True, False],
        "network-to-physics": [False, True],
        "hybrid": [True, False],  # the PDE is right, and learns nothing from the network
        "equal-trust": [True, True],
    }
    assert last["network-to-physics"].players["physical"].data == 0  # it sees the network alone
    frozen = [r.players["physical"].reason for r in records(compared, "network-to-physics-0")]
    assert frozen[:2] == ["frozen", "frozen"] != frozen[1:]


@pytest.mark.accuracy
def test_all_schemes_get_the_same_data_and_who_is_not_taught_trains_alike(compared):
    alone, one_way = (records(compared, run) for run in ("alone-0", "physics-to-network-0"))
    for a, b in zip(alone, one_way, strict=True):
        assert a.players["physical"] == b.players["physical"]
    one_way = records(compared, "network-to-physics-0")
    # The network begins where the PDE's player says that the recordings begin, so it trains alike
    # but for the corrections of measured first states.
    assert alone[0].players["synthetic"] == one_way[0].players["synthetic"]
    for a, b in zip(alone, one_way, strict=True):
        assert a.players["synthetic"].loss == pytest.approx(b.players["synthetic"].loss, rel=0.02)


@pytest.mark.accuracy
def test_one_program_serves_all_schemes_and_seeds(compared):
    runs = [f"{scheme}-{seed}" for seed in (0, 1) for scheme in ONE_PROGRAM]
    seconds = [records(compared, run)[-1].compile_seconds for run in runs]
    assert seconds[0] > 0
    assert max(seconds[1:]) < 0.01 * seconds[0]


@pytest.mark.accuracy
def test_its_baseline_is_what_the_mode_gives(compared, tmp_path, monkeypatch, command):
    monkeypatch.chdir(tmp_path)
    assert command(train.main, FILE, "--mode", "physical", "--run-dir", "run") == 0
    summary = json.loads((tmp_path / "run" / "summary.json").read_text())["physical"]
    run = json.loads((compared / "all" / "alone-0" / "summary.json").read_text())["physical"]
    assert run["parameters"] == summary["parameters"]
    rows = json.loads((compared / "all" / "comparison.json").read_text())["rows"]
    last = rows["physical only"]
    assert last["test"][0] == pytest.approx(summary["last_test_nrmse"], rel=1e-6)
    error = summary["parameters"]["diffusivity"]["last_relative_error"]
    assert last["parameter"][0] == pytest.approx(error, rel=1e-6)
    assert rows["hybrid: physical"]["test"] != rows["hybrid: physical, early stopping"]["test"]
    best = rows["physical only, early stopping"]
    assert best["test"][0] == pytest.approx(summary["test_nrmse"], rel=1e-6)
    error = summary["parameters"]["diffusivity"]["relative_error"]
    assert best["parameter"][0] == pytest.approx(error, rel=1e-6)


@pytest.mark.accuracy
def test_a_finished_comparison_trains_nothing_and_another_is_refused(
    compared, monkeypatch, capsys, command, compare_command
):
    monkeypatch.chdir(compared)
    before = (compared / "all" / "comparison.json").read_text()
    monkeypatch.setattr(comparing, "fit", None)
    assert command(compare_command, FILE, "--seeds", "2", "--run-dir", "all") == 0
    assert (compared / "all" / "comparison.json").read_text() == before
    other = ("--run-dir", "all", "--data.noise", "0.1")
    assert command(compare_command, FILE, *other) == 2
    assert "holds another run (data.noise: 0.02, not 0.1)" in capsys.readouterr().err
    assert command(compare_command, FILE, "--seeds", "0") == 2
    assert "seeds = 0" in capsys.readouterr().err


@pytest.mark.accuracy
def test_a_stopped_comparison_goes_on_where_it_was(tmp_path, monkeypatch, capsys):
    """What is finished is not trained again."""
    experiment, begun, real = commandline.load(FILE), [], comparing.fit

    def stopping(own, run, **rest):
        begun.append(run.name)
        if begun[-1] == "network-to-physics-0" and len(begun) == 3:
            raise hj.StoppedError("stopped")
        return real(own, run=run, **rest)

    monkeypatch.setattr(comparing, "fit", stopping)
    with pytest.raises(hj.StoppedError):
        hj.compare(experiment, seeds=1, run=tmp_path)
    assert not (tmp_path / "comparison.json").exists()
    found = hj.compare(experiment, seeds=1, run=tmp_path)
    left = ["network-to-physics-0", "hybrid-0", "equal-trust-0", "corrected-0"]
    assert begun[2:] == ["network-to-physics-0", *left]
    assert (tmp_path / "comparison.png").exists()
    assert found.runs == dict.fromkeys(SCHEMES, 1)


@pytest.mark.accuracy
def test_a_run_that_diverges_is_left_out(
    compared, tmp_path, monkeypatch, capsys, command, compare_command
):
    monkeypatch.chdir(tmp_path)
    shutil.copytree(compared / "all", tmp_path / "all")
    for name in ("hybrid-1", "network-to-physics-0", "network-to-physics-1"):
        (tmp_path / "all" / name / "summary.json").unlink()
    monkeypatch.setattr(comparing, "fit", diverging)
    assert command(compare_command, FILE, "--seeds", "2", "--run-dir", "all") == 0
    assert "hybrid: 1 of 2 runs diverged" in capsys.readouterr().out
    found = json.loads(Path("all", "comparison.json").read_text())
    assert found["runs"] == {
        "alone": 2,
        "physics-to-network": 2,
        "network-to-physics": 0,
        "hybrid": 1,
        "equal-trust": 2,
        "corrected": 2,
    }
    assert len(found["rows"]["hybrid: physical"]["test"]) == 1
    assert found["rows"]["network to physics: physical"] == {}


def diverging(*_, **__):
    raise hj.DivergedError("the synthetic player diverged")


def test_if_all_runs_diverge_there_is_one_message(
    tmp_path, monkeypatch, capsys, command, compare_command
):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(comparing, "fit", diverging)
    assert command(compare_command, FILE, "--seeds", "1", "--run-dir", "all") == 3
    assert "all runs diverged, so there is nothing to compare" in capsys.readouterr().err


def test_schemes_are_chosen_by_name(tmp_path, monkeypatch, capsys, command, compare_command):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(comparing, "fit", diverging)
    assert command(compare_command, FILE, "--schemes", "alone", "hybrids") == 2
    known = "alone, physics-to-network, network-to-physics, hybrid, equal-trust, corrected"
    assert f"schemes: no hybrids; there are {known}" in capsys.readouterr().err
    with pytest.raises(ValueError, match="schemes: no hybrids;"):
        hj.compare(commandline.load(FILE), schemes="hybrids")
    assert command(compare_command, FILE, "--seeds", "1", "--schemes", "hybrid") == 3
    assert "hybrid, seed 0" in (told := capsys.readouterr().out)
    assert "alone" not in told


def test_hybrid_is_by_evidence_whatever_the_experiment_says():
    experiment = commandline.load(FILE)
    equal, evidence = (SCHEMES[name](experiment) for name in ("equal-trust", "hybrid"))
    assert evidence == experiment == SCHEMES["hybrid"](equal)
    assert equal == SCHEMES["equal-trust"](equal) != evidence


def test_a_pde_with_nothing_to_find_out_is_told_in_a_line():
    """It may be left out of training, but here both train."""
    known = replace(commandline.load(FILE), mode=hj.Mode.SYNTHETIC)
    still = replace(known.physical, model=hj.physics.Heat(0.01))
    with pytest.raises(ValueError, match=r"a comparison trains both players: physical\.model: "):
        hj.compare(replace(known, physical=still))


def test_corrected_physics_is_the_pde_alone_with_a_learned_term():
    experiment = commandline.load(FILE)
    found = SCHEMES["corrected"](experiment)
    assert found.mode is hj.Mode.PHYSICAL
    assert found.physical.model.pde == experiment.physical.model
    assert SCHEMES["corrected"](found).physical.model == found.physical.model


def test_who_never_sees_the_data_cannot_be_compared(
    tmp_path, monkeypatch, capsys, command, compare_command
):
    monkeypatch.chdir(tmp_path)
    assert command(compare_command, FILE, "--synthetic.weights.data", "0") == 2
    assert "synthetic.weights.data = 0: a comparison trains each" in capsys.readouterr().err


def test_one_way_from_the_network_the_physics_has_turns_of_both_kinds():
    """Whatever an experiment says of its early turns."""
    experiment = commandline.load(FILE)
    for cycles, warmup, own, expected in (
        (20, 2, 0, (15, 0)),
        (20, 2, 9, (15, 2)),
        (8, 4, 4, (6, 1)),
        (20, 18, 1, (18, 1)),
    ):
        given = replace(
            experiment,
            schedule=replace(experiment.schedule, cycles=cycles, warmup=warmup),
            physical=replace(experiment.physical, early=hj.Early(cycles=own)),
        )
        found = SCHEMES["network-to-physics"](given).physical
        assert (found.begin, found.early.cycles) == expected
        assert (found.weights.data, found.weights.interaction) == (0.0, 1.0)


def test_a_comparison_has_no_mode(tmp_path, monkeypatch, capsys, command, compare_command):
    monkeypatch.chdir(tmp_path)
    assert command(compare_command, FILE, "--mode", "physical") == 2
    assert "--mode: a comparison trains both players" in capsys.readouterr().err


def test_errors_on_the_recordings_are_called_so():
    """A model that knows the recorded simulations only has no others."""
    errors = {"recorded_nrmse": 0.2, "recorded_nrmse_seen": 0.1, "last_recorded_nrmse": 0.3}
    summaries = [{"synthetic": errors}]
    best, last = (
        comparison._values(Row("", "hybrid", "synthetic", last=last), summaries, "recorded")
        for last in (False, True)
    )
    assert best == {"recorded": [0.2], "seen": [0.1]}
    assert last == {"recorded": [0.3]}
    table = comparison.markdown({"hybrid: synthetic": best}, "recorded")
    assert table.startswith("|  | recorded nRMSE | seen part")
    assert table.endswith("| hybrid: synthetic | 0.2 | 0.1 |\n")


@pytest.mark.accuracy
def test_a_run_of_a_comparison_can_be_looked_at_like_any_other(compared, monkeypatch, command):
    monkeypatch.chdir(compared)
    run = RunDir(Path("all") / "network-to-physics-1")
    before = json.loads(run.summary.read_text())
    assert command(evaluate.main, run.root) == 0
    assert json.loads(run.summary.read_text()) == before


def test_a_cell_holds_mean_and_range():
    names = ("test", "parameter")
    assert comparison.cells({"test": [0.1, 0.2, 0.3]}, names) == ["0.2 (0.1 to 0.3)", ""]
    assert comparison.cells({"parameter": [0.5]}, names) == ["", "0.5"]
