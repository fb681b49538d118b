"""How much a partner counts, by sums of squares that are written down or drawn."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats

from hycojax.inference.evidence import leads, trust

TRUST = jax.jit(trust, static_argnames="limited")


def trusted(own, partner, noise=0.0, fitted=-1.0, counts=None, limited=True):
    """Return the trust by channel from mean squares of the frames, `[frame, channel]`."""
    return both(own, partner, noise, fitted, counts, limited)[0]


def both(own, partner, noise=0.0, fitted=-1.0, counts=None, limited=True):
    """Return the trust by channel, and how much is known."""
    own, partner = (np.asarray(a, np.float32)[None] for a in (own, partner))
    counts = np.full(own.shape, 10.0) if counts is None else np.asarray(counts, float)[None]
    about = jnp.float32(noise), jnp.float32(fitted)
    found = TRUST(own * counts, partner * counts, jnp.asarray(counts), *about, limited)
    return [np.asarray(share) for share in found]


@pytest.mark.parametrize(
    ("own", "partner", "noise", "expected"),
    [
        (4.0, 1.0, 0.0, 0.75),  # three quarters of the own error are no error of the partner
        (4.0, 1.0, 1.0, 1.0),  # what is left of it is noise
        (4.0, 2.0, 1.0, 2 / 3),
        (4.0, 1.0, 3.0, 1.0),  # noise that nobody knows well is no more than the lower error
        (1.0, 4.0, 0.0, 0.0),  # it is worse
        (1.0, 1.0, 1.0, 0.0),
        (0.0, 0.0, 0.0, 0.0),  # both are exact
        (4.0, 0.0, 0.0, 1.0),  # the partner is
        (0.0, 4.0, 0.0, 0.0),  # the player is
        (4.0, np.inf, 0.0, 0.0),  # it has diverged
        (np.inf, 4.0, 0.0, 1.0),
        (np.inf, np.inf, 0.0, 0.0),
        (-1.0, 4.0, 0.0, 0.0),  # nobody has looked yet
        (4.0, -1.0, 0.0, 0.0),
        (-1.0, -1.0, 0.0, 0.0),
    ],
)
def test_trust_is_the_share_of_what_is_to_learn(own, partner, noise, expected):
    """Where each frame says the same, there is no doubt of it."""
    found = trusted(np.full((5, 1), own), np.full((5, 1), partner), noise)
    np.testing.assert_allclose(found, [expected], atol=1e-6)


def test_two_standard_errors_are_on_the_safe_side():
    """Those of a paired test by SciPy, frame by frame, where the sizes tell nothing."""
    draw = np.random.default_rng(3)
    own = 4 + draw.random((12, 1))
    partner = 7 - own + 0.01 * draw.random((12, 1))
    t = stats.ttest_rel(own[:, 0], partner[:, 0])
    gain = np.mean(own - partner) * (1 - 2 / t.statistic)
    np.testing.assert_allclose(trusted(own, partner), [gain / np.mean(own)], rtol=1e-3)


def test_the_error_of_a_ratio_is_that_of_a_jackknife():
    """By leaving out a frame at a time, with NumPy."""
    draw = np.random.default_rng(6)
    own = 2.0 ** np.arange(8)[:, None] * (1 + 0.2 * draw.random((8, 1)))
    partner = own * (0.3 + 0.1 * draw.random((8, 1)))
    apart, sizes = own - partner, own + partner
    ratios = np.array([np.delete(apart, i).sum() / np.delete(sizes, i).sum() for i in range(8)])
    whole = apart.sum() / sizes.sum()
    error = np.sqrt(7 / 8 * np.sum((ratios - whole) ** 2)) * sizes.sum()
    gain = apart.sum() - 2 * error
    np.testing.assert_allclose(trusted(own, partner), [gain / own.sum()], rtol=1e-3)


@pytest.mark.parametrize("growth", [1.5, 4.0])
def test_errors_that_grow_along_a_rollout_are_no_doubt(growth):
    own = 1e-3 * growth ** np.arange(10)[:, None]
    np.testing.assert_allclose(trusted(own, 0 * own), [1], rtol=1e-5)
    np.testing.assert_allclose(trusted(own, 0.25 * own), [0.75], rtol=1e-5)


def test_one_frame_among_others_that_tell_nothing_is_one_frame():
    own, partner = np.zeros((2, 5, 1))
    own[4], partner[4] = 8.0, 1.0
    assert trusted(own, partner) == [0.0]


def test_what_the_noise_does_to_both_is_no_doubt():
    """A frame that is bad for both tells nothing of the difference."""
    noise = np.random.default_rng(4).exponential(50, (12, 1))
    found = trusted(noise + 4, noise + 1)
    np.testing.assert_allclose(found, [3 / np.mean(noise + 4)], rtol=1e-4)


def test_equals_hardly_ever_trust_each_other():
    """By chance a partner seems better by two standard errors in a few of a hundred cases."""
    draw = np.random.default_rng(5)
    own, partner = draw.chisquare(40, (2, 2000, 30, 1)) / 40
    counts = np.full((1, 30, 1), 40.0)
    many = jax.vmap(lambda a, b: trust(a, b, counts, 1.0, -1.0, limited=True)[0])
    heard = np.mean(np.asarray(many(40 * own[:, None], 40 * partner[:, None])) > 0)
    assert 0.01 < heard < 0.05


def test_one_frame_tells_nothing():
    counts = [[10.0], [0.0], [0.0]]
    assert trusted(np.full((3, 1), 4.0), np.full((3, 1), 1.0), counts=counts) == [0.0]


def test_each_channel_has_a_trust_of_its_own_and_one_that_nobody_sees_that_of_all():
    own, partner = np.tile([4.0, 1.0, 0.0], (5, 1)), np.tile([1.0, 1.0, 0.0], (5, 1))
    counts = np.tile([10.0, 10.0, 0.0], (5, 1))
    found = trusted(own, partner, counts=counts)
    np.testing.assert_allclose(found, [0.75, 0.0, (5 - 2) / 5], atol=1e-6)


@pytest.mark.parametrize("wrong", [2.0, 1e4, 1e20, np.inf])
def test_a_channel_that_is_known_to_be_worse_spoils_the_others(wrong):
    """Its trajectories are states of both: 1 / wrong is what the partner's error has of the own."""
    own, partner = np.tile([4.0, 1.0], (5, 1)), np.tile([1.0, wrong], (5, 1))
    expected = 0.75 / wrong if wrong < 10 else 0  # less than a hundredth is none
    np.testing.assert_allclose(trusted(own, partner), [expected, 0], rtol=1e-5)


def test_a_player_that_has_diverged_in_a_channel_hears_of_both():
    """What is left of its sums says nothing, nor does what it fits."""
    own, partner = np.tile([4.0, np.inf], (5, 1)), np.tile([1.0, 1.0], (5, 1))
    about = {"fitted": 0.1, "limited": False}
    np.testing.assert_allclose(trusted(own, partner, **about), [0.75, 1], atol=1e-6)
    huge = np.tile([4.0, 1e18], (5, 1))
    np.testing.assert_allclose(trusted(huge, partner, **about), [0.75, 1], atol=1e-6)


def test_what_is_fitted_is_shared_out_by_the_errors_of_the_channels():
    """The mean of what is held out is 2.5: two thirds of it can't be fitted, in both channels."""
    own, partner = np.tile([4.0, 1.0], (5, 1)), np.tile([2.0, 0.1], (5, 1))
    found = trusted(own, partner, fitted=2.5 * 2 / 3, limited=True)
    np.testing.assert_allclose(found, [1 / 3, 1 / 3], rtol=1e-5)


def test_noise_is_no_more_than_the_lower_of_both_errors():
    """Also where that is the player's own, and the partner is worse by what noise there is."""
    own, partner = np.tile([4.0, 1.0], (5, 1)), np.tile([1.0, 2.0], (5, 1))
    found = trusted(own, partner, noise=3.0)
    np.testing.assert_allclose(found, [0, 0], atol=1e-6)


@pytest.mark.parametrize(
    ("fitted", "network", "pde"),
    [(1.0, 0.75, 0.75), (3.0, 0.75, 0.25), (4.5, 0.75, 0.0), (0.5, 0.375, 0.375), (0.0, 0.0, 0.0)],
)
def test_nobody_learns_from_who_fits_worse_nor_a_pde_what_it_can_not_fit(fitted, network, pde):
    for limited, expected in ((False, network), (True, pde)):
        found = trusted(np.full((5, 1), 4.0), np.full((5, 1), 1.0), fitted=fitted, limited=limited)
        np.testing.assert_allclose(found, [expected], atol=1e-6)


def test_what_a_partner_knows_is_not_less_for_who_fits_better():
    """Its weight falls with the player's own error; where systems begin does not flip with it."""
    for fitted in (1.0, 0.5, 0.0):
        about = {"fitted": fitted, "limited": False}
        known = both(np.full((5, 1), 4.0), np.full((5, 1), 1.0), **about)[1]
        np.testing.assert_allclose(known, [0.75], atol=1e-6)


@pytest.mark.parametrize(
    ("counted", "known", "expected"),
    [
        ([0.2, 0.7], [0.9, 0.9], True),  # what it is worth beside what is fitted may be little
        ([0.02, 0.1], [0.9, 0.9], False),  # but its errors must not be of another size
        ([0.9, 0.0], [0.9, 0.0], False),  # it knows less than half
        ([0.9, 0.3], [0.9, 0.3], True),
        ([0.0], [0.0], False),
    ],
)
def test_a_partner_leads_that_knows_most_and_is_not_far_off(counted, known, expected):
    assert bool(leads(jnp.asarray(counted), jnp.asarray(known))) is expected
