"""Parameters from recordings that an independent solver has made, with noise, seen in part."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import hycojax as hj
from hycojax import commandline
from profiling import hidden, own_recordings

EXPERIMENTS = Path(__file__).parents[2] / "experiments"

pytestmark = pytest.mark.accuracy


@pytest.mark.parametrize("start", [3.0, 1 / 3])
def test_a_diffusivity_from_scattered_cells_of_an_unknown_first_state(start):
    """Within its standard deviations, and these are small: the step is exact on means of cells."""
    case = own_recordings.Case("heat", "scattered", 0.05, "unknown")
    end = own_recordings.found(case, hj.fit(own_recordings.experiment(case, start, 0, cycles=3)))
    deviation = end["sd"]["diffusivity"]
    assert deviation < 0.0025
    assert abs(end["error"]["diffusivity"]) < 2.5 * deviation
    assert end["reason"] == "converged"


def test_a_diffusivity_from_exact_values_of_sensors_of_an_unknown_first_state():
    """It had gone to a third: over a short time the first state explains nearly any of them."""
    case = own_recordings.Case("heat", "sensors", 0.0, "unknown")
    end = own_recordings.found(case, hj.fit(own_recordings.experiment(case, 3.0, 0, cycles=3)))
    assert abs(end["error"]["diffusivity"]) < 0.015


def test_a_viscosity_is_as_good_as_the_step():
    """Its error is that of the scheme, a per cent or two: noise says far less than that."""
    for noise, first, limit in ((0.0, "known", 0.01), (0.05, "measured", 0.025)):
        case = own_recordings.Case("burgers", "full", noise, first)
        end = own_recordings.found(case, hj.fit(own_recordings.experiment(case, 3.0, 0, cycles=1)))
        assert abs(end["error"]["viscosity"]) < limit
        assert end["sd"]["viscosity"] < 0.001


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


def test_a_substrate_that_nobody_sees():
    """Both diffusivities, as far as the step allows, if a tie says what is there at the start."""
    experiment = hidden.substrate("1 - 10/7 v", 0.05, 3.0, 0)
    end = hidden.substrate_found(hj.fit(_quickly(experiment)))
    assert max(map(abs, end["error"].values())) < 0.05
    assert end["nrmse"]["physical"] < 0.05


def test_a_velocity_that_nobody_sees():
    """The fluid is at rest at the start; the coarse grid costs more than the noise does."""
    experiment = hidden.smoke("0 ± 0.01 m/s", 0.05, 3.0, 0)
    end = hidden.smoke_found(hj.fit(_quickly(experiment)))
    assert abs(end["error"]["buoyancy"]) < 0.12
    assert end["velocity"] < 0.16


def test_a_trajectory_of_which_one_frame_is_seen():
    """Mean absolute error over the whole of it, of a wave of 1 m/s that becomes a shock."""
    experiment = commandline.load(EXPERIMENTS / "burgers_one_frame.py")
    result = hj.fit(experiment)
    first = result.predictions["physical"]["recorded"].values[0, 0]
    path = result.predict(first, steps=32, model="physical")["velocity_x"]
    truth = np.load(EXPERIMENTS / "data" / "shock.npz")["truth"]
    assert np.abs(path.values - truth).mean() < 0.012


def _quickly(experiment):
    """Return the same with one system, in a cycle, over all of the time at once."""
    data = replace(experiment.data, systems=experiment.data.systems[:1])
    solver = hj.LBFGS(iterations=40, memory=30)
    at_once = replace(experiment.physical, growth=0, solver=solver)
    schedule = hj.Schedule(warmup=0, cycles=1)
    return replace(experiment, data=data, physical=at_once, schedule=schedule)
