"""Test what a change in hand touches: `make quick`, in under a minute.

Of each module that differs from the last commit, the unit tests of its name, and the test files
that differ themselves; without any, a few that stand for the rest.
"""

import subprocess
import sys
from pathlib import Path

import pytest

DEFAULT = ("test_domain", "test_parameter", "test_config")


def changed():
    """Return the files that differ from the last commit, new ones included."""
    words = (["diff", "--name-only", "HEAD"], ["ls-files", "--others", "--exclude-standard"])
    return {
        Path(line)
        for own in words
        for line in subprocess.check_output(["git", *own], text=True).splitlines()
    }


def tests_of(files):
    """Return the test files of changed files, or the few that stand for all."""
    names = {f.stem if f.parts[0] == "tests" else f"test_{f.stem}" for f in files}
    known = sorted(Path("tests/unit").glob("test_*.py"))
    return [t for t in known if t.stem in names] or [t for t in known if t.stem in DEFAULT]


if __name__ == "__main__":
    found = [str(test) for test in tests_of(changed())]
    sys.exit(pytest.main([*found, "-m", "not accuracy", *sys.argv[1:]]))
