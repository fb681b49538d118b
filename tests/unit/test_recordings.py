"""Masks in space and time, recordings through them, and statistics of what is seen."""

from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from test_regions import FRAMES, REGIONS

from hycojax.data import simulated
from hycojax.data.recordings import hold_out, observe
from hycojax.data.regions import Centre, Everywhere, Range, Sensors
from hycojax.data.simulated import Simulated
from hycojax.data.statistics import Recording, statistics
from hycojax.data.times import AllFrames, Chosen, Endpoints, EveryNth
from hycojax.errors import InputError
from hycojax.grid.domain import Boundary, Domain, with_channels
from hycojax.physics import Heat, Smoke

TIMES = {
    "all": AllFrames(),
    "endpoints": Endpoints(),
    "every third": EveryNth(3),
    "chosen": Chosen((2, 5)),
}
#: Boxes with one axis and with two; the latter with static channels, and faces in walls.
BOXES = {
    1: with_channels(Domain((24,), (100.0,), Boundary.PERIODIC), Heat().channels(1)),
    2: with_channels(Domain((16, 12), (100.0, 100.0), Boundary.CLOSED), Smoke().channels(2)),
}
MASKS = [
    pytest.param(dims, make(dims), times, id=f"{dims}D-{name}-{when}")
    for dims in BOXES
    for name, make in REGIONS.items()
    if make(dims) is not None
    for when, times in TIMES.items()
]


@pytest.fixture
def grid(plume):
    return plume.domain


@pytest.fixture
def trajectories(grid):
    return numbers(grid, 3, 5)


def numbers(domain, simulations, frames):
    """Return random trajectories; what does not evolve is 7."""
    rng, channels = np.random.default_rng(0), len(domain.channels)
    values = rng.normal(size=(simulations, frames, *domain.shape, channels))
    values = values * [1.0, 10.0, 0.1, 1.0][:channels] + 2.0
    return jnp.asarray(np.where(domain.evolves(), values, 7.0), jnp.float32)


def settings(region, times=AllFrames(), noise=0.0, frames=FRAMES):
    return Simulated(Heat(), steps=frames - 1, region=region, times=times, noise=noise)


def look(domain, trajectories, region, times=AllFrames(), noise=0.0, seed=0):
    """Return what is known of trajectories through the mask of settings."""
    mask = settings(region, times, noise, trajectories.shape[1]).mask(domain)
    return observe(mask, noise, domain, trajectories, jax.random.key(seed))


def assert_equal(one, other):
    for a, b in zip(jax.tree.leaves(one), jax.tree.leaves(other), strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize(("dims", "region", "times"), MASKS)
def test_a_mask_is_the_region_at_these_times_and_the_whole_first_frame(dims, region, times):
    mask = settings(region, times).mask(BOXES[dims])
    assert mask.shape == (FRAMES, *BOXES[dims].shape)
    where = region.mask(BOXES[dims], FRAMES)
    assert mask[0].all()
    for i in range(1, FRAMES):
        inside = where[i] if where.ndim > dims else where
        np.testing.assert_array_equal(mask[i], inside if times.frames(FRAMES)[i] else False)


# Recordings.


def test_the_first_frame_and_static_channels_are_known_in_full(grid, trajectories):
    recording = look(grid, trajectories, Centre(0.25))
    assert recording.seen[:, 0].all()
    assert recording.seen[..., 3].all()
    inside = Centre(0.25).mask(grid, 5)
    np.testing.assert_array_equal(recording.seen[1, 2, ..., 0], inside)
    np.testing.assert_array_equal(
        recording.values[recording.seen], np.asarray(trajectories)[recording.seen]
    )
    assert (recording.values[~recording.seen] == 0).all()


@pytest.mark.parametrize(("dims", "region", "times"), MASKS)
def test_hidden_values_may_be_anything(dims, region, times):
    """NaN and infinity in all of them change no bit of a recording and its statistics."""
    domain, how = BOXES[dims], (region, times, 0.02)
    paths = numbers(domain, 2, FRAMES)
    where = np.broadcast_to(region.mask(domain, FRAMES), (FRAMES, *domain.shape))
    known = np.array([c.static for c in domain.channels]) | np.zeros(paths.shape, bool)
    known[:, 0] = True
    for i in np.flatnonzero(times.frames(FRAMES)):
        known[:, i] |= where[i][..., None]
    everything = region == Everywhere() and times == AllFrames()
    assert known.all() == everything
    clean = look(domain, paths, *how)
    np.testing.assert_array_equal(clean.seen, known)
    assert np.isfinite(clean.values).all()
    assert (clean.values[~known] == 0).all()
    off = np.abs(clean.values - paths)[known]
    assert 0 < off.max() < 0.2 * np.abs(paths).max()  # noise alone
    for anything in (np.nan, np.inf, -np.inf):
        spoiled = look(domain, jnp.where(known, paths, anything), *how)
        assert_equal(clean, spoiled)
        assert_equal(statistics(clean), statistics(spoiled))


def test_noise_has_the_stated_size_and_spares_what_is_known(grid, trajectories):
    recording = look(grid, trajectories, Everywhere(), noise=0.1)
    noise = np.asarray(recording.values - trajectories)
    evolves = np.broadcast_to(grid.evolves(), noise.shape)
    for channel, size in enumerate([1.0, 10.0, 0.1]):
        moving = noise[..., channel][evolves[..., channel]]
        measured = np.asarray(trajectories[..., channel]).std()
        assert abs(moving.std() / (0.1 * measured) - 1) < 0.05, size
    assert (noise[~evolves] == 0).all()


def test_noise_differs_from_place_to_place_and_is_the_seeds(grid, trajectories):
    one, same, other = (
        look(grid, trajectories, Everywhere(), noise=0.1, seed=s).values for s in (0, 0, 1)
    )
    np.testing.assert_array_equal(one, same)
    assert (one != other).mean() > 0.7


def test_a_seen_value_that_is_not_finite_is_an_error(grid, trajectories):
    broken = trajectories.at[1, 2, 8, 8, 0].set(jnp.nan)
    with pytest.raises(ValueError, match="1 of the observed values"):
        look(grid, broken, Centre(0.5))
    look(grid, broken, Centre(0.5), EveryNth(3))  # this frame is not seen


# What is held out for validation.


@pytest.fixture(params=[0.1, 0.5])
def parts(request, grid, trajectories):
    """A recording, what of it is learned from, what is held out, and the share of that."""
    recording = look(grid, trajectories, Centre(0.5), EveryNth(2), noise=0.1)
    return (
        recording,
        *hold_out(recording, grid, request.param, jax.random.key(3)),
        request.param,
    )


def test_what_is_held_out_is_not_learned_from(parts):
    recording, training, validation, _ = parts
    assert not (training.seen & validation.seen)[:, 1:].any()
    assert (training.seen & validation.seen)[:, 0].all()
    np.testing.assert_array_equal(training.seen | validation.seen, recording.seen)
    for part in (training, validation):
        np.testing.assert_array_equal(part.values, np.where(part.seen, recording.values, 0))


def test_what_never_changes_is_not_held_out(parts, grid):
    """Static channels and faces in walls: there is nothing in them to validate."""
    recording, training, _, _ = parts
    fixed = np.broadcast_to(~grid.evolves(), recording.seen.shape)
    np.testing.assert_array_equal(training.seen[fixed], recording.seen[fixed])


def test_the_stated_share_is_held_out_and_whole_cells_of_it(parts, grid):
    recording, _, validation, share = parts
    drawn, seen = (np.asarray(r.seen)[:, 1:, :, :, 0] for r in (validation, recording))
    atol = 4 * np.sqrt(share * (1 - share) / seen.sum())
    np.testing.assert_allclose(drawn.sum() / seen.sum(), share, atol=atol)
    for channel in (1, 2):
        inside = grid.evolves()[..., channel]
        other = np.asarray(validation.seen)[:, 1:, :, :, channel]
        np.testing.assert_array_equal(other[..., inside], drawn[..., inside])
    assert (drawn[0] != drawn[1]).any()  # each simulation has its own, and each frame
    assert (drawn[:, 1] != drawn[:, 3]).any()


def test_what_is_held_out_is_the_keys(grid, trajectories):
    recording = look(grid, trajectories, Everywhere())
    one, same, other = (
        hold_out(recording, grid, 0.3, jax.random.key(k))[1].seen for k in (0, 0, 1)
    )
    np.testing.assert_array_equal(one, same)
    assert (one != other).any()


# What is known of simulations.


def simulations(domain, *roles):
    return {role: np.asarray(numbers(domain, 2, FRAMES)) + i for i, role in enumerate(roles)}


def test_what_is_known_is_each_role_with_noise_of_its_own():
    domain, data = BOXES[1], settings(Centre(0.5), EveryNth(2), noise=0.1)
    made = simulations(domain, "training", "validation", "test")
    found = simulated.known(data, domain, made, seed=3)
    again = simulated.known(data, domain, made, seed=3)
    assert_equal(found, again)
    mask = data.mask(domain)[None, ..., None] & np.ones((2, 1, 1, 1), bool)
    off = []
    for role in ("training", "validation"):
        recording = getattr(found, role)
        np.testing.assert_array_equal(recording.seen, mask)
        off.append(np.asarray(recording.values - made[role])[mask])
    assert (off[0] != off[1]).all()
    np.testing.assert_array_equal(found.scale, statistics(found.training).std)
    assert not found.whole
    assert not found.held_out
    other = simulated.known(data, domain, made, seed=4)
    assert (other.training.values != found.training.values).any()


def test_without_validation_simulations_a_part_is_held_out():
    domain, data = BOXES[1], replace(settings(Everywhere()), validation=0, held_out=0.3)
    found = simulated.known(data, domain, simulations(domain, "training"), seed=3)
    assert found.held_out
    assert not (found.training.seen & found.validation.seen)[:, 1:].any()
    assert (found.training.seen | found.validation.seen).all()
    whole = simulated.known(
        settings(Everywhere()), domain, simulations(domain, "training", "validation"), seed=3
    )
    assert whole.whole


def test_what_can_not_be_learned_from_is_refused_by_its_role():
    domain, made = BOXES[1], simulations(BOXES[1], "training", "validation")
    made["validation"][1, 2, 3, 0] = np.nan
    with pytest.raises(InputError, match="validation simulations: 1 of the observed values"):
        simulated.known(settings(Everywhere()), domain, made, seed=0)
    little = settings(Sensors(((50.0,),)), Chosen((3,)))
    with pytest.raises(InputError, match="nothing is seen after the first frame that is left for"):
        simulated.known(replace(little, validation=0, training=1), domain, made, seed=0)


# Statistics.


def test_statistics_are_those_of_the_seen_values(grid, trajectories):
    recording = look(grid, trajectories, Centre(0.5))
    found = statistics(recording)
    for channel in range(3):
        seen = np.asarray(recording.seen[..., channel])
        values = np.asarray(trajectories[..., channel])
        np.testing.assert_allclose(found.mean[channel], values[seen].mean(), rtol=1e-4)
        np.testing.assert_allclose(found.std[channel], values[seen].std(), rtol=1e-4)
        change = np.diff(values, axis=1)[seen[:, 1:] & seen[:, :-1]]
        np.testing.assert_allclose(found.change[channel], np.sqrt((change**2).mean()), rtol=1e-4)
    assert found.std[3] == 1.0  # constant in this data


@pytest.mark.parametrize("times", TIMES.values(), ids=TIMES)
@pytest.mark.parametrize("dims", BOXES)
def test_where_frames_are_missing_the_change_is_still_that_in_a_time_step(dims, times):
    """Of u = b + a t, with a of each cell and channel: the rms of a, however often it is seen."""
    domain = BOXES[dims]
    rng = np.random.default_rng(1)
    start, slope = rng.normal(size=(2, 2, 1, *domain.shape, len(domain.channels)))
    slope = slope * domain.evolves() * [1.0, 5.0, 0.2, 0.0][: len(domain.channels)]
    time = np.arange(8).reshape(-1, *(1,) * (dims + 1))
    recording = look(domain, jnp.asarray(start + slope * time), Everywhere(), times)
    expected = np.sqrt((slope**2).mean(tuple(range(dims + 2))))
    expected = np.where(expected > 0, expected, 1.0)  # a static channel's scale
    np.testing.assert_allclose(statistics(recording).change, expected, rtol=1e-5)


@pytest.mark.parametrize("name", ["sensors", "scattered anew", "moving sensors"])
def test_a_cells_change_is_that_since_it_was_seen_last(name):
    """By a loop over all that is seen: (value - last value) / (time - last time)."""
    box = Domain((16, 16), (100.0, 100.0), Boundary.PERIODIC)
    domain = with_channels(box, Heat().channels(2))
    paths = numbers(domain, 2, FRAMES)
    how = REGIONS[name](2), EveryNth(2)
    recording = look(domain, paths, *how)
    values, mask, squares = np.asarray(paths, float), settings(*how).mask(domain), []
    for s, i, j in np.ndindex(2, *domain.shape):
        times = np.flatnonzero(mask[:, i, j])
        squares += list((np.diff(values[s, times, i, j, 0]) / np.diff(times)) ** 2)
    expected = np.sqrt(np.mean(squares))
    np.testing.assert_allclose(statistics(recording).change, [expected], rtol=1e-5)


def test_statistics_of_what_does_not_change_leave_numbers_as_they_are(heat_box):
    still = jnp.full((2, 5, *heat_box.shape, 1), 3.0)
    found = statistics(Recording(still, jnp.ones(still.shape, bool)))
    np.testing.assert_array_equal(found.mean, [3.0])
    np.testing.assert_array_equal(found.std, [1.0])
    np.testing.assert_array_equal(found.change, [1.0])


# Settings.


@pytest.mark.parametrize("noise", [-0.1, float("nan"), float("inf")])
def test_an_impossible_noise_is_refused(noise):
    with pytest.raises(ValueError, match="noise"):
        Simulated(Heat(), noise=noise)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            {"region": Sensors(((50.0, 500.0),))},
            r"data\.region\.positions: a sensor stands outside",
        ),
        ({"region": Range((0.0,), (1.0,))}, r"data\.region\.low: 1 numbers for the 2 axes"),
        ({"times": Chosen((7,))}, r"data\.times\.numbers = \(7,\): frames 0 to 6"),
        ({"times": Chosen((0,))}, "nothing is seen after the first frame"),
        ({"times": EveryNth(7)}, "nothing is seen after the first frame"),
        ({"region": Centre(0.001)}, "nothing is seen after the first frame"),
    ],
)
def test_an_experiment_with_a_mask_that_does_not_suit_is_refused(tiny_heat, change, message):
    with pytest.raises(ValueError, match=message):
        replace(tiny_heat, data=replace(tiny_heat.data, **change))
