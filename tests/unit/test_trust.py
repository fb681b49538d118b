"""What is said of the trust between the players."""

import pytest

from hycojax.game.state import NAMES
from hycojax.report.trust import led, told
from hycojax.run.record import PlayerRecord, Record

NOTHING = dict.fromkeys(("loss", "data", "interaction", "penalty"), 0.0)


def history(synthetic, physical, errors=(0.02, 0.08), frozen=0):
    """Return records of cycles, the first of them a warm-up, with the trust of both players."""
    records = []
    for i, trusts in enumerate(zip(synthetic, physical, strict=True)):
        players = {
            name: PlayerRecord(
                **NOTHING,
                validation=error,
                reason="frozen" if i < frozen else "converged",
                trust={"u": trust, "v": trust / 2},
                led=trust > 0,
            )
            for name, trust, error in zip(NAMES, trusts, errors, strict=True)
        }
        phase = "hybrid" if i else "warm-up"
        records.append(Record(i + 1, 1, phase, players, seconds=1, elapsed=1, compile_seconds=0))
    return tuple(records)


def test_a_pde_that_the_recordings_refute_is_named_with_its_chi2():
    found = told(history([0, 0.4, 0, 0], [0, 0, 0.6, 0.5]), NAMES, 0.02)
    assert found == [
        "the recordings refute the PDE: chi2 per value 16, that of the network 1; "
        "the network was trained alone from cycle 3 on",
        "the network pulls at the PDE to the end, with a trust of 0.5: "
        "standard deviations leave that out",
    ]


def test_without_noise_errors_stand_for_chi2():
    (found,) = told(history([0, 0], [0, 0]), ["synthetic"], 0.0)
    assert found.startswith("the recordings refute the PDE: error 0.08, that of the network 0.02;")


def test_a_partner_that_is_merely_no_better_is_not_refuted():
    found = told(history([0, 0], [0, 0], errors=(0.0201, 0.0202)), NAMES, 0.02)
    assert found == [
        "the PDE is not known to predict held-out values better: chi2 per value 1, "
        "that of the network 1; "
        "the network was trained alone from cycle 2 on",
        "the network is not known to predict held-out values better: chi2 per value 1, "
        "that of the PDE 1; "
        "the PDE was trained alone from cycle 2 on",
    ]


def test_without_noise_equals_refute_nobody():
    (found,) = told(history([0, 0], [0, 0], errors=(2.00e-6, 2.01e-6)), ["synthetic"], 0.0)
    assert found.startswith("the PDE is not known to predict held-out values better: error 2e-06")


def test_a_partner_that_is_better_has_other_reasons_not_to_be_heard():
    """One frame tells nothing; what a PDE can't fit nobody can teach it. Neither is refuted."""
    (network,) = told(history([0, 0], [0, 0], errors=(0.4, 0.08)), ["synthetic"], 0.02)
    assert network.startswith(
        "the PDE predicts held-out values better, but these are too few to be sure of it, or it is "
        "worse in one channel: chi2 per value 16, that of the network 4e+02; the network was "
        "trained alone from cycle 2 on"
    )
    (physical,) = told(history([0, 0], [0, 0], errors=(0.02, 0.08)), ["physical"], 0.02)
    assert physical.startswith("what the PDE can't fit the network can't teach it: chi2 per value")


@pytest.mark.parametrize(
    ("given", "meeting"),
    [
        (history([0, 0.5], [0, 0]), ["synthetic"]),  # it learns to the end
        (history([0, 0], [0, 0]), []),  # the user has wanted it so
        (history([0], [0]), NAMES),  # the warm-up alone
        (history([0, 0], [0, 0], frozen=2), NAMES),  # none had a turn
    ],
)
def test_nothing_is_said_where_nobody_was_left_alone(given, meeting):
    assert told(given, meeting, 0.02) == []


def test_a_player_is_led_in_the_cycles_that_say_so():
    given = history([0, 0.8, 0.6], [0, 0, 0.8])
    assert [led(given, "synthetic", cycle) for cycle in (1, 2, 3, 4)] == [0, 1, 1, 0]
    assert [led(given, "physical", cycle) for cycle in (1, 2, 3)] == [0, 0, 1]
