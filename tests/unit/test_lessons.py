"""Whether lessons begin like recordings: a warning where they do not."""

from dataclasses import replace

import numpy as np
import pytest

import hycojax as hj
from hycojax import fitting
from hycojax.grid.domain import with_channels
from hycojax.report import evaluation, lessons

BOX = hj.Domain((16, 16), (100.0, 100.0), hj.PERIODIC)
GRID = with_channels(BOX, hj.physics.GrayScott().channels(2))
ONE = np.ones(2)


def states(mean=0.0, deviation=1.0, seed=0):
    """Return states whose second channel has a mean and a deviation."""
    values = np.random.default_rng(seed).normal(size=(4, 16, 16, 2))
    values = (values - values.mean((0, 1, 2))) / values.std((0, 1, 2))
    return values * [1.0, deviation] + [0.0, mean]


@pytest.mark.parametrize("mean", [-1.5, 0.0, 1.5])
@pytest.mark.parametrize("deviation", [0.4, 1.0, 2.5])
def test_what_begins_alike_is_not_worth_a_word(mean, deviation):
    assert lessons.differences(GRID, states(mean, deviation), states(seed=1), ONE) == []


@pytest.mark.parametrize(
    ("mean", "deviation", "told"),
    [(2.5, 1.0, "2.5 ± 1"), (0.0, 4.0, "± 4"), (0.0, 0.2, "± 0.2"), (293.0, 1.0, "293 ± 1")],
)
def test_a_channel_that_begins_otherwise_is_named(mean, deviation, told):
    (sentence,) = lessons.differences(GRID, states(mean, deviation), states(seed=1), ONE)
    assert sentence.startswith("lessons begin with v at ")
    assert told in sentence
    assert sentence.endswith("take interaction.fresh = mixed")


def test_what_is_still_at_the_start_is_alike():
    still = 1e-3 * states()
    assert lessons.differences(GRID, still, 0 * still, ONE) == []


def warm(experiment, mean, fresh):
    """Return the experiment on a film of temperatures about a mean, and what it is tried on."""
    x, rng = (np.arange(16) + 0.5) * 100 / 16, np.random.default_rng(0)
    values = mean + rng.normal(size=(1, 16, 16)) + np.zeros((7, 1, 1))
    film = hj.Film("temperature", "K", 4.0 * np.arange(7), (x, x), values, sigma=0.1)
    own = replace(
        experiment,
        data=hj.Recordings((hj.System("tank", (film,)),)),
        interaction=replace(experiment.interaction, fresh=fresh),
    )
    found, shown = fitting.settled(own)
    return found, evaluation.measured_trials(shown.known, shown.test)["recorded"]


def test_sampled_states_are_compared_with_the_first_ones_of_recordings(tiny_heat):
    (told,) = lessons.unlike(*warm(tiny_heat, 293.0, "sampled"))
    assert told.startswith("lessons begin with temperature at ")
    assert "recordings at 293 ± 1 K" in told
    assert lessons.unlike(*warm(tiny_heat, 0.0, "sampled")) == []
    assert lessons.unlike(*warm(tiny_heat, 293.0, None)) == []  # mixtures of the recorded ones
    alone, trial = warm(replace(tiny_heat, mode="physical"), 293.0, "sampled")
    assert lessons.unlike(alone, trial) == []  # nobody learns from them


def test_simulations_are_drawn_alike(tiny_heat):
    """Nothing is compared: the recordings themselves are sampled."""
    assert lessons.unlike(tiny_heat.settled(), None) == []


def test_a_run_says_it_once(tiny_heat, monkeypatch):
    """When it begins, and in the summary."""

    class Ear:
        def __init__(self):
            self.heard = []

        def phase(self, text):
            self.heard.append(text)

    experiment, ear = warm(tiny_heat, 293.0, "sampled")[0], Ear()
    monkeypatch.setattr(fitting, "_play", lambda *_: None)
    hj.fit(experiment, loggers=[ear])
    assert sum(text.startswith("lessons begin") for text in ear.heard) == 1
