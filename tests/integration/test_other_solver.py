"""Parameters from recordings that an independent solver has made, with noise, seen in part."""

from dataclasses import replace
from pathlib import Path

import pytest

import hycojax as hj
from hycojax import commandline
from profiling import own_recordings

EXPERIMENTS = Path(__file__).parents[2] / "experiments"

pytestmark = pytest.mark.accuracy


@pytest.mark.parametrize("start", [3.0, 1 / 3])
def test_a_diffusivity_from_scattered_cells_of_an_unknown_first_state(start):
    """Within its standard deviations, and these are small: the step is exact on means of cells."""
    experiment = own_recordings.experiment("heat", "scattered", 0.05, "unknown", start, 0, cycles=3)
    end = own_recordings.found("heat", hj.fit(experiment))
    assert end["sd"] < 0.0025
    assert abs(end["error"]) < 2.5 * end["sd"]
    assert end["reason"] == "converged"


def test_a_viscosity_is_as_good_as_the_step():
    """Its error is that of the scheme, a per cent or two: noise says far less than that."""
    for noise, first, limit in ((0.0, "known", 0.01), (0.05, "measured", 0.025)):
        experiment = own_recordings.experiment("burgers", "full", noise, first, 3.0, 0, cycles=1)
        end = own_recordings.found("burgers", hj.fit(experiment))
        assert abs(end["error"]) < limit
        assert end["sd"] < 0.001


def test_the_worked_example_finds_its_viscosity():
    """From a table of 40 sensors with clocks of their own: 0.03 m^2/s, within its deviation."""
    experiment = commandline.load(EXPERIMENTS / "burgers_sensors.py")
    at_once = replace(experiment.physical, growth=0)  # a quarter of the time
    result = hj.fit(replace(experiment, physical=at_once), cycles=1)
    found = result.parameters["viscosity"]
    assert found.true is None
    assert found.sd < 6e-4
    assert abs(found.estimate - 0.03) < 2.5 * found.sd
    assert result.summary["physical"]["held_out_chi2"] < 2
