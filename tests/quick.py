"""Test what a change in hand touches: `make quick`, in under a minute.

Of each module that differs from the last commit: the unit tests of its name, with more `of` what
or without, or those that the table names for it. Of each test file that differs: itself. Without
any, a few that stand for the rest. What has no test of its own is told.
"""

import re
import subprocess
import sys
from pathlib import Path

import pytest

DEFAULT = ("test_domain", "test_coefficients", "test_experiment")
#: Where modules are tested whose names say nothing of it.
TESTED_IN = {
    **dict.fromkeys(("adam", "curvature", "jaxopt", "lbfgs"), "test_solvers"),
    **dict.fromkeys(("multistart", "solver"), "test_solvers"),
    **dict.fromkeys(("completion", "cycle", "legs", "mixtures", "search"), "test_hybrid"),
    **dict.fromkeys(("player", "schedule", "state", "turn", "validation"), "test_hybrid"),
    "compiled": "test_hybrid",
    **dict.fromkeys(("winograd", "im2col"), "test_convolution"),
    **dict.fromkeys(("convnet", "emulator", "fno", "resnet", "unet"), "test_networks"),
    **dict.fromkeys(("accumulation", "model", "objective"), "test_learning"),
    **dict.fromkeys(("losses", "windows"), "test_learning"),
    "simulated": "test_recordings",
    "instruments": "test_operators_of_observation",
    **dict.fromkeys(("lines", "observations", "parts", "roles", "splits"), "test_observing"),
    "first_guess": "test_first_states",
    "uniting": "test_views",
    **dict.fromkeys(("marginal", "priors"), "test_deviations"),
    **dict.fromkeys(("arrays", "files", "labels", "layouts", "netcdf"), "test_formats"),
    **dict.fromkeys(("cf", "pdebench", "systems", "the_well", "variables"), "test_formats"),
    **dict.fromkeys(("extent", "first_experiment", "inspection", "noise"), "test_inspect"),
    **dict.fromkeys(("commandline", "train", "values"), "test_experiment"),
    **dict.fromkeys(("comparison", "evaluation", "figures", "metrics"), "test_report"),
    "trials": "test_residuals",
    "summary": "test_report",
    **dict.fromkeys(("record", "terminal"), "test_logbook"),
    "classes": "test_provenance",
    "axes": "test_domain",
    **dict.fromkeys(("spectrum", "stencils"), "test_diffuse"),
    **dict.fromkeys(("inviscid_burgers", "stages"), "test_physics"),
    "heat_sensors": "test_heat_spots",
    **dict.fromkeys(("cooperation", "surrogates", "two_instruments"), "test_proofs"),
}


def changed():
    """Return the files that differ from the last commit, new ones included."""
    words = (["diff", "--name-only", "HEAD"], ["ls-files", "--others", "--exclude-standard"])
    return {
        Path(line)
        for own in words
        for line in subprocess.check_output(["git", *own], text=True).splitlines()
        if line.endswith(".py")
    }


def tests_of(file):
    """Return the test files of a changed file; none if it is no module or has none."""
    if file.parts[0] == "tests":
        return [file] if re.match(r"test_.*", file.name) and file.exists() else []
    name = TESTED_IN.get(file.stem, f"test_{file.stem}")
    folder = Path("tests/unit")
    return sorted({*folder.glob(f"{name}.py"), *folder.glob(f"{name}_of_*.py")})


def main(words):
    """Run the tests of all that has changed; return pytest's exit status."""
    found = {file: tests_of(file) for file in changed()}
    for file in sorted(file for file, tests in found.items() if not tests):
        print(f"{file} has no unit tests of its own: `make test` covers it")
    default = [Path("tests/unit") / f"{name}.py" for name in DEFAULT]
    tests = sorted({test for own in found.values() for test in own}) or default
    return pytest.main([*map(str, tests), "-m", "not accuracy", *words])


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
