"""Experiments, the command line, and where imports may point."""

import ast
import dataclasses
import json
from pathlib import Path

import pytest

import hycojax
from hycojax import commandline, generate, train
from hycojax.experiment import Mode
from hycojax.settings.values import as_json, differences

FILE = Path(__file__).parents[1] / "fixtures" / "heat.py"
PACKAGE = Path(hycojax.__file__).parent

#: What a module may import: modules of its own folder, and of those further up.
LAYERS = [
    ["errors", "settings", "kernels"],
    ["solvers", "grid"],
    ["models"],
    ["physics", "data"],
    ["networks"],
    ["inference"],
    ["game"],
    ["experiment"],
    ["run"],
    ["report"],
    ["result"],
    ["fitting"],
    ["comparing"],
    ["__init__"],
    ["commandline"],
    ["generate", "evaluate", "compare", "inspect", "predict"],
    ["train", "check"],
    ["__main__"],
]
ONLY_IN = {"phi": "physics", "phiml": "physics", "jaxopt": "solvers", "orbax": "run"}
ONLY_IN |= {"h5py": "data", "matplotlib": "report", "tyro": "commandline", "safetensors": "run"}
#: Commands that take a directory or a recording in place of an experiment parse it themselves.
PARSES_ITSELF = ("evaluate", "inspect", "predict")


def modules():
    for path in sorted(PACKAGE.rglob("*.py")):
        yield path.relative_to(PACKAGE).parts[0].removesuffix(".py"), ast.parse(path.read_text())


def imports(tree):
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def test_imports_point_one_way():
    level = {name: i for i, layer in enumerate(LAYERS) for name in layer}
    folders = {path.name for path in PACKAGE.iterdir()}
    for name, tree in modules():
        for target in imports(tree):
            other = target.split(".")[1] if target.startswith("hycojax.") else None
            if (
                other is None
                or other == "__version__"
                or f"{other}.py" not in folders | {f"{folder}.py" for folder in folders}
            ):
                continue
            assert other in level, f"{name} imports {target}: which layer is it in?"
            allowed = level[other] < level[name] or other == name
            assert allowed, f"{name} imports {target}, which lies above it"


def test_each_dependency_has_its_one_place():
    for name, tree in modules():
        for target in imports(tree):
            home = ONLY_IN.get(target.split(".")[0], name)
            told = f"{name} imports {target}, which is for {home} alone"
            assert home == name or name in PARSES_ITSELF, told


def test_the_layout_stays_easy_to_see():
    """Few files at the top, the method on fewer than a thousand lines."""
    assert len(list(PACKAGE.glob("*.py"))) <= 15
    method = (path.read_text().count("\n") for path in (PACKAGE / "game").glob("*.py"))
    assert sum(method) <= 1000


def parse(*words, file=FILE):
    defaults = train.Options(commandline.load(file))
    return commandline.parse(train.Options, defaults, file, words, "hycojax.train")


def test_overrides_reach_their_fields():
    options = parse(
        *("--domain.shape", "32", "32", "--physical.model.diffusivity.start", "0.3"),
        *("--mode", "physical", "--seed", "7", "--resume", "--synthetic.model.levels", "2"),
    )
    experiment = options.experiment
    assert options.resume
    assert experiment.mode is Mode.PHYSICAL
    assert experiment.seed == 7
    assert experiment.physical.model.diffusivity.start == 0.3
    assert experiment.synthetic.model.levels == 2
    for model in (experiment.physics, experiment.surrogate):
        assert model.domain.shape == (32, 32)


@pytest.mark.parametrize("file", [FILE, FILE.with_name("inverse.py")])
def test_help_has_a_line_on_every_field(file, capsys):
    with pytest.raises(SystemExit) as end:
        parse("--help-all", file=file)
    assert end.value.code == 0
    text = capsys.readouterr().out

    def check(value, prefix):
        for field in dataclasses.fields(value):
            inner = getattr(value, field.name)
            if field.name == "data" and inner is None:
                continue  # which class it is of is said in the file
            if dataclasses.is_dataclass(inner):
                check(inner, f"{prefix}{field.name}.")
            else:
                name = f"no-{field.name}" if inner is True else field.name  # a flag's other value
                assert f"--{prefix}{name}".replace("_", "-") in text

    check(commandline.load(file), "")
    assert "{fixed}" not in text  # what tyro cannot set
    assert text.count("(default:") >= 30


def test_the_short_help_fits_on_a_screen(capsys):
    with pytest.raises(SystemExit) as end:
        parse("--help")
    assert end.value.code == 0
    lines = capsys.readouterr().out.splitlines()
    assert 15 <= sum(line.startswith("  --") for line in lines) <= 25
    assert max(map(len, lines)) <= 100
    shown = [line.split()[0] for line in lines if line.startswith("  --")]
    assert {"--seed", "--mode", "--physical.model.diffusivity.start", "--data.noise"} <= set(shown)
    assert "--help-all" in shown


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--physical.modle.pieces", "1"], "--physical.model.pieces"),
        (["--interval", "fast"], "could not convert string to float: 'fast'"),
        (["--schedule.cycles", "2.5"], "--schedule.cycles"),
        (["--mode", "both"], "hybrid"),
        (["--data.truth.diffusivity", "-1"], "diffusivity = -1 is out of bounds"),
        (["--data.noise", "-0.1"], "noise = -0.1"),
    ],
)
def test_a_wrong_word_gets_one_message_and_status_2(capsys, words, message):
    with pytest.raises(SystemExit) as end:
        parse(*words)
    assert end.value.code == 2
    printed = capsys.readouterr().err
    assert message in " ".join(printed.replace("│", " ").split())
    assert "Traceback" not in printed


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--domain.shape", "20", "15"], "15 cells cannot be halved 1 times; take 14 or 16"),
        (["--physical.model.diffusivity.high", "2"], "diffusivity.start = 3 is out of bounds"),
        (["--domain.size", "100", "-1"], "domain.size: lengths must be positive"),
        (
            ["--physical.horizon", "99"],
            "physical.horizon = 99: longer than the recordings, which have 6",
        ),
        (["--physical.lesson-steps", "2"], "lesson_steps = 2: it must lie between the horizon, 6,"),
        (["--physical.lesson-steps", "7"], "lesson_steps = 7: it must lie between the horizon, 6,"),
        (["--synthetic.lesson-steps", "0"], "lesson_steps = 0: at least 1 is needed"),
        (["--data.region.fraction", "0.001"], "nothing is seen after the first frame"),
        (["--interval", "0"], "interval = 0.0: the time between frames must be positive"),
        (["--physical.model.pieces", "0"], "pieces = 0: at least 1 is needed"),
        (["--seed", "-1"], "seed = -1"),
        (["--data.training", "0"], "training = 0: at least 1"),
        (["--data.validation", "-1"], "validation = -1: it must not be negative"),
        (["--data.held-out", "1"], "held_out = 1.0: it must lie between 0 and 1"),
        (["--interaction.alpha", "0"], "the players need fresh initial states, or recorded=True"),
        (["--interaction.points", "0"], "points = 0.0: it must lie between 0 and 1"),
        (["--physical.weights.data", "-1"], "weights.data = -1.0: it must not be negative"),
        (
            ["--physical.weights.data", "0", "--synthetic.weights.data", "0"],
            "nobody would learn from the recordings",
        ),
        (["--physical.revert", "-1"], "revert = -1.0: it must not be negative"),
        (
            ["--physical.horizon", "4"],
            "the PDE fits whole recordings (6 intervals) from their first",
        ),
        (["--physical.early.horizon", "2"], "leave horizon, batch and early away"),
        (["--physical.early.horizon", "0"], "early.horizon = 0: at least one step"),
        (["--physical.early.cycles", "-1"], "early.cycles = -1"),
        (["--physical.solver.tolerance", "0"], "tolerance = 0.0"),
        (["--physical.weights.data", "nan"], "data = nan: a finite number is needed"),
        (
            ["--synthetic.early.cycles", "1", "--synthetic.early.horizon", "9"],
            "synthetic.early.horizon = 9: longer than the recordings",
        ),
        (
            ["--mode", "physical", "--physical.weights.data", "0"],
            "physical.weights.data = 0: without a partner there is nothing else to fit",
        ),
        (
            ["--schedule.patience", "2", "--physical.begin", "2"],
            "the run could end before physical.begin = 2",
        ),
    ],
)
def test_values_that_do_not_fit_together_get_one_message(monkeypatch, capsys, words, message):
    monkeypatch.setattr("sys.argv", ["train", str(FILE), *words])
    with pytest.raises(SystemExit) as end:
        commandline.run(train.main)
    assert end.value.code == 2
    printed = capsys.readouterr().err
    assert message in " ".join(printed.replace("│", " ").split())
    assert "Traceback" not in printed


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("x = 1", "defines no `experiment"),
        ("\nx = 1 / 0", "line 2: ZeroDivisionError: division by zero"),
        ("x = = 1", "line 1: SyntaxError"),
        ("raise KeyboardInterrupt", "interrupted"),
        ("import hycojxa", "line 1: ModuleNotFoundError"),
    ],
)
def test_a_broken_experiment_file_gets_one_message(tmp_path, monkeypatch, capsys, content, message):
    file = tmp_path / "broken.py"
    file.write_text(content)
    for main in (train.main, generate.main):
        monkeypatch.setattr("sys.argv", ["command", str(file)])
        with pytest.raises(SystemExit) as end:
            commandline.run(main)
        assert end.value.code == (3 if "Interrupt" in content else 2)
        printed = capsys.readouterr().err
        assert message in printed
        assert printed.count("error: ") == 1
        assert "Traceback" not in printed


@pytest.mark.parametrize(
    ("words", "message"),
    [(["none.py"], "no experiment file none.py"), ([], "comes first"), (["--seed", "1"], "first")],
)
def test_a_missing_experiment_file_gets_one_message(monkeypatch, capsys, words, message):
    monkeypatch.setattr("sys.argv", ["train", *words])
    with pytest.raises(SystemExit) as end:
        commandline.run(train.main)
    assert end.value.code == 2
    assert message in capsys.readouterr().err


def test_differences_name_the_fields():
    one = as_json(commandline.load(FILE))
    other = json.loads(json.dumps(one))
    assert differences(one, other) == []
    other["physical"]["model"]["pieces"] = 9
    other["domain"]["shape"] = [8, 8]
    assert differences(one, other) == [
        "domain.shape: [16, 16], not [8, 8]",
        "physical.model.pieces: None, not 9",
    ]


def test_what_the_finer_grid_of_the_recordings_forbids_is_told(monkeypatch, capsys):
    words = ["--data.truth.viscosity.mean", "50000"]
    monkeypatch.setattr("sys.argv", ["train", str(FILE.with_name("burgers.py")), *words])
    with pytest.raises(SystemExit) as end:
        commandline.run(train.main)
    assert end.value.code == 2
    printed = " ".join(capsys.readouterr().err.replace("│", " ").split())
    assert "data.truth: with refinement = 2: viscosity up to" in printed
    assert "diffusion stages a step: set viscosity.high" in printed


def test_a_file_of_the_first_design_is_refused_in_one_sentence(tmp_path, monkeypatch, capsys):
    file = tmp_path / "old.py"
    file.write_text("from hycojax.config import Data, Experiment\n")
    monkeypatch.setattr("sys.argv", ["train", str(file)])
    with pytest.raises(SystemExit) as end:
        commandline.run(train.main)
    assert end.value.code == 2
    assert "it is written for hycojax 0.1" in capsys.readouterr().err


def test_a_model_in_which_nothing_is_unknown_is_refused():
    experiment = commandline.load(FILE)
    known = dataclasses.replace(experiment.physical, model=hycojax.physics.Heat(diffusivity=2.0))
    with pytest.raises(ValueError, match=r"nothing is unknown; give one a start \(diffusivity\)"):
        dataclasses.replace(experiment, physical=known)


def test_a_truth_on_other_channels_is_refused():
    experiment = commandline.load(FILE)
    data = dataclasses.replace(experiment.data, truth=hycojax.physics.Burgers())
    with pytest.raises(
        ValueError, match=r"data.truth: its channels \(velocity_x, velocity_y\) are"
    ):
        dataclasses.replace(experiment, data=data)
