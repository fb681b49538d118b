"""What a run tells of its cycles: records, the logbook, the view on a terminal."""

import dataclasses
import io
import json
import math

import pytest
from rich.console import Console

from hycojax.run import directory as directories
from hycojax.run import logbook, record, terminal
from hycojax.run.directory import RunDir
from hycojax.run.logbook import Logbook
from hycojax.run.record import PlayerRecord, Record
from hycojax.settings.values import as_json, from_json

RECORDS = tuple(
    Record(
        cycle=i,
        leg=1,
        phase="warm-up" if i < 2 else "hybrid",
        players={
            "synthetic": PlayerRecord(
                loss=0.6 / i,
                data=0.5 / i,
                interaction=0.1 * (i > 1),
                penalty=0.0,
                validation=0.7,
                reason="iteration limit",
            ),
            "physical": PlayerRecord(
                loss=0.3 / i,
                data=0.1 / i,
                interaction=0.2 * (i > 1),
                penalty=0.0,
                validation=0.3,
                reason="line search failed",
                parameters={"diffusivity": 1 + 1 / i},
                spread={"diffusivity": 0.125 / i},
                iterations=5,
                evaluations=7,
                reverted=i > 2,
                trust={"u": 0.25},
            ),
        },
        seconds=30.0,
        elapsed=40.0 * i,
        compile_seconds=10.0,
        parts={"synthetic": 20.0, "rest": 10.0} if i == 3 else None,
    )
    for i in (1, 2, 3)
)


@pytest.fixture
def path(tmp_path):
    """A logbook of three cycles."""
    book = Logbook(tmp_path / "metrics.jsonl")
    book.phase("compiling")
    for found in RECORDS:
        book.cycle(found)
    book.close({"finished": True})
    return book.path


@pytest.mark.parametrize("found", RECORDS, ids=lambda found: f"cycle {found.cycle}")
def test_a_record_comes_back_from_json(found):
    written = json.loads(json.dumps(record.as_json(found)))
    assert record.from_json(written) == found
    assert written["physical"]["parameters"] == found.players["physical"].parameters
    empty = {"parameters", "spread", "iterations", "evaluations", "reverted"}
    assert not empty & set(written["synthetic"])  # nothing stands for nothing
    assert ("parts" in written) == (found.parts is not None)


def strict(text):
    """Return what JSON stands for, as a parser reads it that knows JSON's numbers only."""

    def refuse(word):
        raise AssertionError(f"{word} is no JSON")

    return json.loads(text, parse_constant=refuse)


def test_numbers_that_json_does_not_have_come_back(tmp_path):
    own = dataclasses.replace(RECORDS[1].players["physical"], validation=math.inf)
    found = dataclasses.replace(RECORDS[1], players={"physical": own})
    Logbook(tmp_path / "metrics.jsonl").cycle(found)
    assert strict((tmp_path / "metrics.jsonl").read_text())["physical"]["validation"] == "inf"
    assert logbook.read(tmp_path / "metrics.jsonl") == ((found,), [])
    run = RunDir(tmp_path)
    summary = {"finished": True, "of": [1.0, -math.inf], "name": "inflow"}
    directories.write_json(run.summary, summary)
    assert strict(run.summary.read_text())["of"] == [1.0, "-inf"]
    assert directories.finished(run) == summary


def test_settings_that_json_does_not_have_come_back():
    setting = {"high": math.inf, "low": [-math.inf, 0.5], "number": 1.0, "names": {"number": "u"}}
    written = strict(json.dumps(as_json(setting), allow_nan=False))
    assert from_json(written, {}, None) == setting | {"low": (-math.inf, 0.5)}


def test_what_is_no_record_is_refused():
    written = record.as_json(RECORDS[0])
    for wrong in ({**written, "physical": {"loss": 1.0}}, {"cycle": 1}, {**written, "extra": 5}):
        with pytest.raises((KeyError, TypeError)):
            record.from_json(wrong)


def test_the_logbook_has_a_line_for_each_cycle(path):
    assert logbook.read(path) == (RECORDS, [])
    assert [json.loads(line)["cycle"] for line in path.read_text().splitlines()] == [1, 2, 3]


def test_no_logbook_is_no_record(tmp_path):
    assert logbook.read(tmp_path / "none.jsonl") == ((), [])


def test_the_logbook_forgets_what_a_resumed_run_does_again(path):
    with path.open("a") as file:
        file.write('{"cycle": 4, "pha')  # a process killed in mid-line
    records, _ = logbook.read(path)
    logbook.keep(path, records[:2])
    assert logbook.read(path) == (RECORDS[:2], [])
    assert [json.loads(line)["cycle"] for line in path.read_text().splitlines()] == [1, 2]
    assert [p.name for p in path.parent.iterdir()] == [path.name]


@pytest.mark.parametrize("length", [1, 17, -2])
def test_a_half_last_line_is_dropped_silently(path, length):
    whole = path.read_text().splitlines(keepends=True)
    path.write_text("".join(whole[:2]) + whole[2][:length])
    assert logbook.read(path) == (RECORDS[:2], [])


DAMAGE = {
    "half": lambda line: line[: len(line) // 2],
    "no text": lambda line: bytes(b ^ 0xFF for b in line),
    "other line ends": lambda line: line[:20] + b"\r\x0c\x1c\xc2\x85" + line[20:],
    "zeros": lambda line: b"\0" * len(line),
    "another value": lambda line: b"[1, 2]",
    "a number": lambda line: b"5",
    "a field is missing": lambda line: line.replace(b'"seconds"', b'"minutes"'),
    "a player is no player": lambda line: line.replace(b'"physical": {', b'"physical": 5, "p": {'),
    "empty": lambda line: b"",
}


@pytest.mark.parametrize("how", DAMAGE)
def test_a_damaged_line_is_passed_over_and_named(path, how):
    one, two, three = path.read_bytes().splitlines()
    path.write_bytes(b"\n".join([one, DAMAGE[how](two), three, b""]))
    records, (warning,) = logbook.read(path)
    assert records == (RECORDS[0], RECORDS[2])
    assert warning == f"{path}, line 2: it can't be read and is passed over"


def test_a_damaged_last_line_is_named_if_it_was_written_to_its_end(path):
    one, two, three = path.read_bytes().splitlines()
    path.write_bytes(b"\n".join([one, two, three[:-9] + b"#" * 9, b""]))
    records, (warning,) = logbook.read(path)
    assert records == RECORDS[:2]
    assert "line 3:" in warning


# The view.


def test_the_view_prints_lines_where_there_is_no_terminal():
    out = io.StringIO()
    with terminal.view(3, Console(file=out, width=60)) as view:
        view.phase("compiling")
        for found in RECORDS:
            view.cycle(found)
        view.close(None)
    lines = out.getvalue().splitlines()
    assert lines[0] == "compiling"
    assert len(lines) == 4
    assert lines[1].startswith("warm-up 1/3: ")
    assert lines[1].endswith("1 min 00 s left")
    assert "diffusivity 1.333 (starts: 0.042 apart); line search failed" in lines[3]
    assert "±" not in out.getvalue()  # a spread of starts is no standard deviation
    assert "iteration limit" not in lines[3]  # Adam's only way to end: not worth a word
    assert "time: synthetic 20.00 s, rest 10.00 s" in lines[3]
    assert "\x1b" not in out.getvalue()


def test_the_view_redraws_a_table_on_a_terminal():
    out = io.StringIO()
    console = Console(file=out, force_terminal=True, width=160)
    with terminal.view(3, console) as view:
        view.phase("compiling")
        view.cycle(RECORDS[2])
    text = out.getvalue()
    assert "diffusivity = 1.333 (starts: 0.042 apart)" in text
    assert "line search failed" in text
    assert "3/3" in text
    assert "\x1b" in text


def test_a_warning_is_a_line():
    out = io.StringIO()
    terminal.warn(Console(file=out), ["one", "two"])
    assert out.getvalue() == "warning: one\nwarning: two\n"
