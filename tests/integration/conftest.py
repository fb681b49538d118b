"""What the tests of whole commands share."""

import sys

import pytest

from hycojax import commandline


@pytest.fixture(scope="session")
def command():
    """A function that runs a command in this process and returns its exit status."""

    def run(main, *words):
        try:
            sys.argv = ["hycojax", *map(str, words)]
            commandline.run(main)
        except SystemExit as end:
            return end.code
        return 0

    return run
