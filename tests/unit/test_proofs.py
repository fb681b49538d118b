"""The tables that take hours: what is made, what is kept, and where it is written."""

import datetime
import itertools
import shutil
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest

import hycojax as hj
from hycojax import commandline
from hycojax.comparing import ROWS
from hycojax.run.directory import write_json
from profiling import closed_flows, cooperation, harm, own_recordings, proofs, surrogates
from profiling.proofs import Proof


@pytest.fixture
def table(tmp_path, monkeypatch):
    """Return a command that makes two fake tables, and a log of what was made."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(proofs, "commit", lambda: "1a2b3c4")
    monkeypatch.setattr(proofs, "code", lambda proof, device: "code")
    monkeypatch.setattr(proofs.clock, "device", lambda: "abacus (cpu), jax 1.0")
    made, failures = [], {}

    def make(name):
        def made_of(directory, seeds):
            made.append((name, seeds))
            if name in failures:
                raise failures.pop(name)
            (directory / f"{name}.png").write_text(f"picture of {seeds}")
            return f"| {name} |\n| --- |\n| {len(made)} |\n"

        return Proof(name, f"The {name}", made_of, (f"{name}.png",))

    fakes = make("apples"), make("pears")

    def run(*words):
        monkeypatch.setattr(sys, "argv", ["proofs", *words])
        commandline.run(lambda words: proofs.main(words, fakes))
        return (tmp_path / "docs" / "results.md").read_text()

    return run, made, failures


def test_a_section_is_replaced_and_the_others_stay():
    text = "# Title\n\nWords.\n\n## A\n\nold a\n\n### Part\n\n## B\n\nold b\n"
    text = proofs.with_section(text, "## A\n\nnew a\n")
    assert text == "# Title\n\nWords.\n\n## A\n\nnew a\n\n## B\n\nold b\n"
    text = proofs.with_section(text, "## C\n\nfirst c")
    assert text == "# Title\n\nWords.\n\n## A\n\nnew a\n\n## B\n\nold b\n\n## C\n\nfirst c\n"
    assert proofs.with_section("", "## C\n\nc\n").startswith("# Results\n\n")


def test_a_section_tells_its_origin(table):
    run, _, _ = table
    text = run("--only", "pears", "--seeds", "2")
    today = datetime.date.today().isoformat()
    assert "The apples" not in text
    assert (
        f"## The pears\n\n{today}, commit 1a2b3c4, 2 seeds, abacus (cpu), jax 1.0: "
        "`python -m profiling.proofs --only pears --seeds 2`\n\n| pears |"
    ) in text


def test_a_commit_made_meanwhile_is_told(table, monkeypatch):
    run, _, _ = table
    commits = iter(["1a2b3c4", "5d6e7f8+changes"])
    monkeypatch.setattr(proofs, "commit", lambda: next(commits))
    assert "commit 1a2b3c4 to 5d6e7f8+changes, 1 seed, " in run("--only", "pears", "--seeds", "1")


def test_what_is_finished_is_not_made_again(table, tmp_path, monkeypatch):
    run, made, _ = table
    text = run()
    assert made == [("apples", 3), ("pears", 3)]
    (tmp_path / "docs" / "results.md").unlink()
    assert run() == text
    assert len(made) == 2
    run("--seeds", "4", "--only", "apples")
    assert made[2:] == [("apples", 4)]
    assert (tmp_path / "docs" / "apples.png").read_text() == "picture of 4"
    monkeypatch.setattr(proofs, "code", lambda proof, device: "other code")
    run("--only", "apples", "--seeds", "4")
    assert made[3:] == [("apples", 4)]


@pytest.mark.parametrize(
    ("failure", "message"),
    [
        (KeyboardInterrupt(), "stopped in the table pears: the same command goes on from there"),
        (proofs.StoppedError("after cycle 3"), "after cycle 3: the same command goes on"),
    ],
)
def test_goes_on_where_it_was_stopped(table, tmp_path, capsys, failure, message):
    run, made, failures = table
    failures["pears"] = failure
    with pytest.raises(SystemExit) as stop:
        run()
    assert stop.value.code == 3
    assert message in capsys.readouterr().err
    assert "The apples" in (tmp_path / "docs" / "results.md").read_text()
    assert "The pears" in run()
    assert [name for name, _ in made] == ["apples", "pears", "pears"]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--only", "plums", "apples"), "error: only: no plums; there are apples, pears\n"),
        (("--seeds", "0"), "error: seeds = 0: at least 1 is needed\n"),
    ],
)
def test_what_is_wrong_is_one_message(table, capsys, words, message):
    run, made, _ = table
    with pytest.raises(SystemExit) as stop:
        run(*words)
    assert stop.value.code == 2
    assert capsys.readouterr().err == message
    assert not made


@pytest.mark.skipif(not shutil.which("git"), reason="needs git")
def test_a_commit_notes_changes_but_those_of_the_results(tmp_path):
    def git(*words):
        user = "-c", "user.name=Nobody", "-c", "user.email=nobody@example.org"
        subprocess.run(["git", *user, *words], cwd=tmp_path, check=True, capture_output=True)

    with pytest.raises(proofs.InputError, match=r"a table names its commit.*not a git repository"):
        proofs.commit(tmp_path)
    git("init")
    git("commit", "--allow-empty", "--message", "first")
    clean = proofs.commit(tmp_path)
    assert len(clean) >= 7
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "results.md").write_text("made")
    assert proofs.commit(tmp_path) == clean
    (tmp_path / "new.py").write_text("")
    assert proofs.commit(tmp_path) == f"{clean}+changes"


def test_a_table_depends_on_package_and_device(tmp_path):
    def nothing(directory, seeds):
        return ""

    proof = Proof("pears", "The pears", nothing)
    package = tmp_path / "hycojax" / "physics"
    package.mkdir(parents=True)
    names = {proofs.code(proof, "abacus", tmp_path), proofs.code(proof, "loom", tmp_path)}
    (package / "new.py").write_text("a = 1")
    names.add(proofs.code(proof, "abacus", tmp_path))
    (tmp_path / "README.md").write_text("words")
    names.add(proofs.code(proof, "abacus", tmp_path))
    assert len(names) == 3


def test_a_table_depends_on_the_modules_that_make_it():
    names = {path.name for path in proofs._files(own_recordings)}
    assert names == {"own_recordings.py", "reference.py", "kept.py"}


# What is made.


@pytest.mark.parametrize("name", cooperation.EXPERIMENTS)
def test_the_settings_of_a_comparison_suit_its_experiment(name):
    words = *cooperation.SEEN, *cooperation.EXPERIMENTS[name]
    experiment = cooperation.experiment_of(name, words)
    assert (experiment.data.region.fraction, experiment.data.noise) == (0.25, 0.05)


def test_an_exact_first_state_is_known_or_unknown():
    cases = own_recordings.every("heat")
    assert len(cases) == 4 * (2 + 3)
    assert {case.first for case in cases if not case.noise} == {"known", "unknown"}


@pytest.mark.parametrize(("name", "finer"), closed_flows.CASES)
def test_flows_between_walls_are_recorded_on_a_finer_grid(name, finer):
    """By a truth with a quarter of the step; all that it has is unknown to the search."""
    found = closed_flows.experiment(name, finer)
    truth = found.data.bound(found.domain, found.interval)
    assert truth.domain.shape == (4 * closed_flows.CELLS,) * 2
    assert truth.at.pieces == 4 * found.physics.at.pieces / finer
    assert set(found.physics.unknowns) == set(closed_flows.FLOWS[name][1])


def test_each_network_is_trained_alone_on_each_system():
    pairs = itertools.product(surrogates.SYSTEMS.values(), surrogates.NETWORKS.values())
    budget = surrogates.Budget()
    for system, network in pairs:
        experiment = surrogates.experiment_of(system, network, 1, budget)
        assert experiment.mode is hj.Mode.SYNTHETIC
        updates = experiment.synthetic.solver.updates * experiment.schedule.cycles
        assert updates == budget.updates
        assert experiment.data.truth == system.pde()


def test_the_tables_of_a_comparison_have_a_line_for_each_case():
    values = {kind: [0.1, 0.3] for kind in ("test", "seen", "hidden", "parameter")}
    rows = dict.fromkeys((*cooperation.SYNTHETIC, *cooperation.PHYSICAL), values)
    diverged = {label: {} for label in rows}
    text = cooperation.tables({"heat": rows, "smoke": diverged})
    lines = [line for line in text.splitlines() if line.startswith("|")]
    assert lines[2].split(" | ")[:2] == ["| heat", "0.2 (0.1 to 0.3)"]
    assert len({line.count("|") for line in lines[:4]}) == 1
    assert len({line.count("|") for line in lines[4:]}) == 1
    assert len(lines) == 8


def test_the_labels_of_the_tables_are_those_of_a_comparison():
    labels = [row.label for row in ROWS if row.scheme in cooperation.SCHEMES]
    assert {*cooperation.SYNTHETIC, *cooperation.PHYSICAL} == set(labels)


@pytest.mark.parametrize("name", harm.CASES)
def test_a_case_of_harm_is_an_experiment_whose_pde_has_what_is_recorded(name, monkeypatch):
    """Of flat recordings: no other solver is asked here."""
    case = harm.CASES[name]
    flat = np.ones((8, 4, harm.CELLS, harm.CELLS, len(case.channels)))
    flat += np.random.default_rng(0).normal(size=flat.shape)
    case = replace(case, truth=lambda: flat)
    for scheme, weights in harm.SCHEMES.items():
        experiment = harm.experiment(case, scheme, 0)
        assert experiment.physical.weights == experiment.synthetic.weights == weights
    names = [c.name for c in experiment.physics.channels]
    assert names == list(case.channels)
    assert set(case.true) <= set(experiment.physics.unknowns)
    seen = [np.isfinite(s.values).mean((1, 2)) for s in harm.recordings(case, 0).systems[0].series]
    np.testing.assert_allclose(seen, [[1, *[case.seen**2] * 3]] * len(names))


def test_the_table_of_harm_has_a_line_for_each_player_and_coefficient(tmp_path):
    ends = {"network": 0.5, "PDE": 0.25}
    for name, scheme in itertools.product(harm.CASES, harm.SCHEMES):
        off = dict.fromkeys(harm.CASES[name].true, -0.02)
        write_json(tmp_path / f"{name}-{scheme}-0.json", {**ends, "coefficients": off})
    lines = harm.prove(tmp_path, 1).splitlines()[2:]
    assert len(lines) == sum(2 + len(case.true) for case in harm.CASES.values())
    assert lines[2].endswith("| diffusivity_u: error [%] | 2 | 2 | 2 |")
