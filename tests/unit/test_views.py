"""Recordings of the same systems of which each player sees its own."""

from dataclasses import replace

import jax
import numpy as np
import pytest

import hycojax as hj
from hycojax.data import views
from hycojax.data.observing import seen
from hycojax.data.views import Views
from hycojax.errors import InputError

X, TIMES = np.arange(8) + 0.5, np.arange(7.0)
LINE = hj.physics.Heat(diffusivity=hj.Unknown(start=1.0)).on(
    hj.Domain((8,), (8.0,), hj.PERIODIC), 1.0
)
PLAYERS = ("synthetic", "physical")


def warmth(x, t):
    return 20 + np.exp(-0.3 * t) * np.sin(2 * np.pi * x / 8 + 0.3)


def film(sigma=0.1, seed=0):
    values = warmth(X, TIMES[:, None])
    noise = sigma * np.random.default_rng(seed).normal(size=values.shape)
    return hj.Film("temperature", "K", TIMES, (X,), values + noise, sigma)


def probes(places=(1.2, 5.3), sigma=0.0, times=TIMES):
    t, x = np.tile(times, len(places)), np.repeat(places, len(times))
    return hj.Points("temperature", "K", t, x[:, None], warmth(x, t), sigma)


def recordings(*series, systems=2, **options):
    names = [f"simulation {i}" for i in range(systems)]
    return hj.Recordings(tuple(hj.System(name, series) for name in names), **options)


def united(one, other):
    """Return what both players see, the network's first."""
    return views.read(None, dict(zip(PLAYERS, (one, other), strict=True)))


def look(one, other, seed=0, **options):
    return seen(replace(united(one, other), **options), LINE, seed)


def counts(observed):
    return int(observed.count)


def assert_equal(one, other):
    for a, b in zip(jax.tree.leaves(one), jax.tree.leaves(other), strict=True):
        np.testing.assert_array_equal(a, b)


# Which systems, and who sees what.


def test_what_both_see_is_there_once():
    """A probe for both, a camera for the network."""
    both = united(recordings(film(), probes()), recordings(probes()))
    assert isinstance(both, Views)
    for system, whose in zip(both.systems, both.seen_by, strict=True):
        assert [type(series).__name__ for series in system.series] == ["Film", "Points"]
        assert whose == (("synthetic",), ("synthetic", "physical"))


def test_the_same_twice_is_no_view_but_the_recordings():
    one, other = recordings(film(), probes()), recordings(film(), probes())
    found = united(one, other)
    assert type(found) is hj.Recordings
    assert found.digest == one.digest
    assert views.read(one, dict.fromkeys(PLAYERS)) is one
    assert type(views.read(one, {"synthetic": None, "physical": other})) is hj.Recordings


def test_a_digest_says_who_sees_what():
    one, other = recordings(film()), recordings(probes())
    digests = [united(*own).digest for own in ((one, other), (one, recordings(film(), probes())))]
    assert len({*digests, recordings(film(), probes()).digest}) == 3
    assert united(one, other).digest == digests[0]


def test_systems_are_matched_by_name():
    one = recordings(film())
    other = recordings(probes())
    turned = replace(other, systems=other.systems[::-1])
    assert united(one, turned).digest == united(one, other).digest


def test_dates_have_one_clock():
    """The probes were read 2 s later."""
    one, other = recordings(film()), recordings(probes())
    clocks = "2020-01-01T00:00:00", "2020-01-01T00:00:02"
    one, other = (
        replace(own, systems=tuple(replace(s, clock=clock) for s in own.systems))
        for own, clock in zip((one, other), clocks, strict=True)
    )
    late = united(one, other).systems[0].series[1]
    np.testing.assert_array_equal(late.times, probes().times + 2)


@pytest.mark.parametrize(
    ("other", "told"),
    [
        (recordings(probes(), systems=3), "physical.data sees 3 systems, synthetic.data 2"),
        (
            hj.Recordings(
                (hj.System("simulation 0", (probes(),)), hj.System("run 7", (probes(),)))
            ),
            "physical.data sees simulation 0, run 7, synthetic.data simulation 0, simulation 1: "
            "only some of these are the same",
        ),
        (
            recordings(probes(), validation=hj.LastPart(0.3)),
            r"physical.data.validation = LastPart\(share=0.3\), but synthetic.data.validation = "
            r"Share\(share=0.2\): it holds for both players",
        ),
        (recordings(replace(probes(), places=np.ones((14, 2)))), "as many axes of space"),
    ],
)
def test_what_does_not_go_together_is_told(other, told):
    with pytest.raises(InputError, match=told):
        united(recordings(film(), validation=hj.Share(0.2)), other)


def test_a_player_that_sees_the_first_states_alone_learns_nothing():
    early = recordings(probes(times=np.zeros(1)))
    with pytest.raises(InputError, match=r"physical.data: nothing is left to learn from"):
        look(recordings(film()), early)


def test_uses_are_common_but_for_first_states_and_relative_noise():
    one = recordings(replace(film(), sigma=None), validation=hj.Share(0.2), relative_sigma=0.05)
    other = recordings(probes(), first=hj.Estimated({"temperature": hj.Prior(mean=20.0)}))
    found = united(one, other)
    assert found.validation == hj.Share(0.2)
    known = seen(found, LINE, 0).known
    assert float(known.of("synthetic").noise) == pytest.approx(0.05, rel=1e-4)
    assert float(known.of("physical").noise) == 0
    np.testing.assert_array_equal(known.of("physical").training.first.mean, 20.0)


def test_the_noise_of_a_film_that_says_none_is_each_player_s_own():
    """Also of one that both see: it counts for each as it says."""
    still = replace(film(), sigma=None)
    one, other = (recordings(still, relative_sigma=share) for share in (0.1, 0.3))
    known = seen(united(one, other), LINE, 0).known
    assert float(known.of("synthetic").noise) == pytest.approx(0.1, rel=1e-4)
    assert float(known.of("physical").noise) == pytest.approx(0.3, rel=1e-4)


def test_the_box_ends_alike_for_both():
    one, other = (
        replace(own, systems=tuple(replace(s, boundary=(end,)) for s in own.systems))
        for own, end in ((recordings(film()), "periodic"), (recordings(probes()), "wall"))
    )
    assert united(one, recordings(probes())).systems[0].boundary == ("periodic",)
    with pytest.raises(InputError, match="simulation 0: the box ends by periodic and by wall"):
        united(one, other)


# What each learns from, and what is set aside.


def test_frames_scale_and_what_is_set_aside_are_those_of_all():
    long = np.arange(9.0)
    found = look(recordings(film()), recordings(probes(times=long)))
    known = found.known
    assert known.training.steps == 8
    for name in PLAYERS:
        own = known.of(name)
        assert own.training.steps == 8
        assert own.views is None
        np.testing.assert_array_equal(own.scale, known.scale)
        assert_equal(own.validation, known.validation)
    kinds = {name: known.of(name).training.first.kind for name in PLAYERS}
    assert kinds == {"synthetic": "measured", "physical": "estimated"}
    assert found.told[-2:] == (
        "first states: measured (synthetic), estimated (physical)",
        "noise: 23 % of the scale (synthetic), 0 % of the scale (physical)",
    )
    learned = sum(counts(known.of(name).training) for name in PLAYERS)
    assert learned + counts(known.validation) == 2 * (7 * 8 + 9 * 2)
    assert counts(found.every.training) == learned


def test_a_view_is_what_its_recordings_are_alone():
    """The partner sees the same values with another noise: so scale and frames are alike.

    But for a degree of freedom in the scale, a mean that is taken off twice as many values.
    """
    last = hj.LastPart(0.3)
    one = recordings(film(), validation=last)
    other = recordings(replace(film(), sigma=0.02), validation=last)
    alone = seen(one, LINE, 0).known
    own = look(one, other).known.of("synthetic")
    for a, b in zip(jax.tree.leaves(own.training), jax.tree.leaves(alone.training), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-6, atol=1e-6)
    np.testing.assert_allclose(own.noise, alone.noise, rtol=0.01)
    assert own.sure == alone.sure


def measured(observed):
    """Return place, time and value of all measurements of films and of points in cells, rounded."""
    found = set()
    for part in observed.parts:
        where = np.nonzero(np.asarray(part.seen))
        values = np.asarray(part.values)[where]
        if hasattr(part, "cells"):
            frame = where[1] - 1 + np.asarray(part.fraction)[where]
            place = np.asarray(part.row)[where]
            pairs = zip(where[0], frame, np.asarray(part.cells)[place].min(1), values, strict=True)
            found |= {(int(s), round(float(t), 3), round(float(v), 4)) for s, t, _, v in pairs}
        else:
            pairs = zip(*where[:2], values, strict=True)
            found |= {(int(s), float(t), round(float(v), 4)) for s, t, v in pairs}
    return found


@pytest.mark.parametrize("test", [None, hj.Share(0.2)])
def test_a_value_that_is_set_aside_is_in_nobody_s_training(test):
    """Not even where it came by two ways: pixels of the camera as probes of the PDE."""
    whole = film()
    pixels = [1, 4, 6]
    t, x = np.tile(TIMES, 3), np.repeat(X[pixels], len(TIMES))
    picked = hj.Points("temperature", "K", t, x[:, None], whole.values[:, pixels].T.ravel(), 0.1)
    share = {"validation": hj.Share(0.3), "test": test}
    found = look(recordings(whole, **share), recordings(picked, **share))
    held = measured(found.known.validation)
    aside = held | (measured(found.test) if test else set())
    assert len(held) > 20
    for name in PLAYERS:
        learned = measured(found.known.of(name).training)
        assert learned
        assert not learned & aside
    if test:
        assert not held & measured(found.test)


def test_whole_systems_that_are_set_aside_leave_the_others_as_they_are():
    """Systems are numbered anew in each role: equal numbers are not the same system."""
    aside = {"validation": hj.Systems(1)}
    found = look(recordings(film(), systems=3, **aside), recordings(probes(), systems=3, **aside))
    assert counts(found.known.of("synthetic").training) == 2 * 7 * 8
    assert counts(found.known.of("physical").training) == 2 * 7 * 2
    assert found.known.validation.simulations == 1
    assert counts(found.known.validation) == 6 * 8 + 6 * 2  # predictions start from the first


def test_each_counts_by_its_own_noise_and_what_is_held_out_alike():
    """Exact probes would outweigh a camera by thousands; they lie where the PDE has learned."""
    found = look(recordings(film()), recordings(probes()))
    known, every = found.known, found.every
    assert float(known.of("physical").noise) == 0
    camera = float(known.of("synthetic").noise)
    assert camera == pytest.approx(0.1 / float(known.scale[0]), rel=1e-5)
    assert float(known.noise) == camera
    for part in known.validation.parts:
        weights = np.ones(1) if part.weights is None else np.asarray(part.weights)
        np.testing.assert_allclose(weights[weights > 0], 1, rtol=1e-5)
    heaviest = max(np.max(p.weights) for p in every.validation.parts if p.weights is not None)
    assert heaviest > 100


def test_a_noise_is_sure_where_it_is_stated():
    known = look(recordings(replace(film(), sigma=None)), recordings(probes())).known
    assert not known.of("synthetic").sure
    assert known.of("physical").sure
