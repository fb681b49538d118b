"""Masks in space and time, recordings through them, and statistics of what is seen."""

from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from test_regions import FRAMES, REGIONS

from hycojax.data import simulated
from hycojax.data.observations import Dense, statistics
from hycojax.data.regions import Centre, Everywhere, Range, Sensors
from hycojax.data.simulated import Simulated, hold_out, observe
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


def numbers_of(found):
    """Return the statistics of what is known."""
    return statistics(found.parts, np.asarray(found.first.mean))


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
    """Static channels and faces in walls as they are: these are no measurements."""
    found, paths = look(grid, trajectories, Centre(0.25)), np.asarray(trajectories)
    (part,), evolves = found.parts, grid.evolves()
    np.testing.assert_array_equal(found.first.mean, paths[:, 0])
    np.testing.assert_array_equal(part.seen[:, 0], np.broadcast_to(evolves, paths[:, 0].shape))
    inside = Centre(0.25).mask(grid, 5)
    np.testing.assert_array_equal(part.seen[1, 2], inside[..., None] & evolves)
    np.testing.assert_array_equal(part.values[part.seen], paths[part.seen])
    hidden = ~np.asarray(part.seen[..., :3])
    hidden[:, 0] = False
    assert (part.values[..., :3][hidden] == 0).all()
    assert (part.values[..., 3] == 7).all()


@pytest.mark.parametrize("noise", [0.0, 0.1])
def test_a_first_frame_is_known_unless_there_is_noise(grid, trajectories, noise):
    """With noise it is a measurement; what does not evolve never is."""
    found = look(grid, trajectories, Centre(0.25), EveryNth(2), noise)
    first = found.first
    assert first.kind == ("measured" if noise else "known")
    if noise:
        np.testing.assert_array_equal(first.measured, found.parts[0].seen[:, 0])
        fixed = ~np.broadcast_to(grid.evolves(), first.mean.shape)
        np.testing.assert_array_equal(first.mean[fixed], trajectories[:, 0][fixed])
    else:
        assert first.measured is None
    # Complete states without noise: in mid-recording there are none here.
    np.testing.assert_array_equal(found.exact, [[not noise, False, False, False, False]] * 3)
    assert (found.states is None) == bool(noise)
    whole = look(grid, trajectories, Everywhere(), EveryNth(2))
    np.testing.assert_array_equal(whole.exact, [[True, False, True, False, True]] * 3)
    np.testing.assert_array_equal(whole.states[:, ::2], trajectories[:, ::2])


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
    (part,) = clean.parts
    np.testing.assert_array_equal(part.seen, known & domain.evolves())
    assert np.isfinite(part.values).all()
    assert (part.values[~known] == 0).all()
    off = np.abs(part.values - paths)[known]
    assert 0 < off.max() < 0.2 * np.abs(paths).max()  # noise alone
    for anything in (np.nan, np.inf, -np.inf):
        spoiled = look(domain, jnp.where(known, paths, anything), *how)
        assert_equal(clean, spoiled)
        assert_equal(numbers_of(clean), numbers_of(spoiled))


def test_noise_has_the_stated_size_and_spares_what_is_known(grid, trajectories):
    (part,) = look(grid, trajectories, Everywhere(), noise=0.1).parts
    noise = np.asarray(part.values - trajectories)
    evolves = np.broadcast_to(grid.evolves(), noise.shape)
    for channel, size in enumerate([1.0, 10.0, 0.1]):
        moving = noise[..., channel][evolves[..., channel]]
        measured = np.asarray(trajectories[..., channel]).std()
        assert abs(moving.std() / (0.1 * measured) - 1) < 0.05, size
    assert (noise[~evolves] == 0).all()


def test_noise_differs_from_place_to_place_and_is_the_seeds(grid, trajectories):
    one, same, other = (
        look(grid, trajectories, Everywhere(), noise=0.1, seed=s).parts[0].values for s in (0, 0, 1)
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
def divided(request, grid, trajectories):
    """What is known, what of it is learned from, what is held out, and the share of that."""
    found = look(grid, trajectories, Centre(0.5), EveryNth(2), noise=0.1)
    return (found, *hold_out(found, request.param, jax.random.key(3)), request.param)


def test_what_is_held_out_is_not_learned_from(divided):
    """The first frame, from which predictions start, is learned from."""
    found, training, validation, _ = divided
    (whole,), (learned,), (held,) = (own.parts for own in (found, training, validation))
    assert not (learned.seen & held.seen).any()
    assert not held.seen[:, 0].any()
    np.testing.assert_array_equal(learned.seen | held.seen, whole.seen)
    for part in (learned, held):
        np.testing.assert_array_equal(part.values, np.where(part.seen, whole.values, 0))
    assert_equal(training.first, found.first)
    assert_equal(validation.first, found.first)


def test_what_is_held_out_in_part_is_not_known_completely(grid, trajectories):
    found = look(grid, trajectories, Everywhere())
    assert found.exact.all()
    training, _ = hold_out(found, 0.1, jax.random.key(3))
    np.testing.assert_array_equal(training.exact, [[True, False, False, False, False]] * 3)


def test_the_stated_share_is_held_out_and_whole_cells_of_it(divided, grid):
    found, _, validation, share = divided
    drawn, seen = (np.asarray(r.parts[0].seen)[:, 1:, :, :, 0] for r in (validation, found))
    atol = 4 * np.sqrt(share * (1 - share) / seen.sum())
    np.testing.assert_allclose(drawn.sum() / seen.sum(), share, atol=atol)
    for channel in (1, 2):
        inside = grid.evolves()[..., channel]
        other = np.asarray(validation.parts[0].seen)[:, 1:, :, :, channel]
        np.testing.assert_array_equal(other[..., inside], drawn[..., inside])
    assert (drawn[0] != drawn[1]).any()  # each simulation has its own, and each frame
    assert (drawn[:, 1] != drawn[:, 3]).any()


def test_what_is_held_out_is_the_keys(grid, trajectories):
    found = look(grid, trajectories, Everywhere())
    one, same, other = (hold_out(found, 0.3, jax.random.key(k))[1].parts[0].seen for k in (0, 0, 1))
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
        (part,) = getattr(found, role).parts
        np.testing.assert_array_equal(part.seen[:, 1:], mask[:, 1:])
        off.append(np.asarray(part.values - made[role])[mask])
    assert found.training.parts[0].seen[:, 0].all()
    # What validation starts from is not compared.
    assert not found.validation.parts[0].seen[:, 0].any()
    assert (off[0] != off[1]).all()
    np.testing.assert_array_equal(found.scale, numbers_of(found.training).std)
    np.testing.assert_allclose(found.noise, 0.1, rtol=1e-6)
    assert found.sure
    assert not found.whole
    assert not found.held_out
    other = simulated.known(data, domain, made, seed=4)
    assert (other.training.parts[0].values != found.training.parts[0].values).any()


def test_without_validation_simulations_a_part_is_held_out():
    domain, data = BOXES[1], replace(settings(Everywhere()), validation=0, held_out=0.3)
    found = simulated.known(data, domain, simulations(domain, "training"), seed=3)
    assert found.held_out
    learned, held = (own.parts[0].seen for own in (found.training, found.validation))
    assert not (learned & held).any()
    assert (learned | held).all()
    assert not found.whole
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
    found = look(grid, trajectories, Centre(0.5))
    numbers = numbers_of(found)
    for channel in range(3):
        seen = np.asarray(found.parts[0].seen[..., channel])
        values = np.asarray(trajectories[..., channel])
        np.testing.assert_allclose(numbers.mean[channel], values[seen].mean(), rtol=1e-4)
        np.testing.assert_allclose(numbers.std[channel], values[seen].std(), rtol=1e-4)
        change = np.diff(values, axis=1)[seen[:, 1:] & seen[:, :-1]]
        np.testing.assert_allclose(numbers.change[channel], np.sqrt((change**2).mean()), rtol=1e-4)
    assert numbers.mean[3] == 7.0
    assert numbers.std[3] == 1.0  # constant in this data


def test_a_static_channel_has_the_statistics_of_itself(grid, trajectories):
    """Though nobody measures it."""
    source = np.random.default_rng(5).normal(size=grid.shape)
    paths = trajectories.at[..., 3].set(source)
    numbers = numbers_of(look(grid, paths, Centre(0.5)))
    np.testing.assert_allclose(numbers.mean[3], source.mean(), rtol=1e-4)
    np.testing.assert_allclose(numbers.std[3], source.std(), rtol=1e-4)


@pytest.mark.parametrize("times", TIMES.values(), ids=TIMES)
@pytest.mark.parametrize("dims", BOXES)
def test_where_frames_are_missing_the_change_is_still_that_in_a_time_step(dims, times):
    """Of u = b + a t, with a of each cell and channel: the rms of a, however often it is seen."""
    domain = BOXES[dims]
    rng = np.random.default_rng(1)
    start, slope = rng.normal(size=(2, 2, 1, *domain.shape, len(domain.channels)))
    slope = slope * domain.evolves() * [1.0, 5.0, 0.2, 0.0][: len(domain.channels)]
    time = np.arange(8).reshape(-1, *(1,) * (dims + 1))
    found = look(domain, jnp.asarray(start + slope * time), Everywhere(), times)
    evolves = domain.evolves().sum(tuple(range(dims)))
    squares = (slope**2).sum(tuple(range(1, dims + 2))).sum(0) / (2 * np.maximum(evolves, 1))
    dynamic = list(domain.dynamic)
    expected = np.sqrt(squares)[dynamic]
    np.testing.assert_allclose(numbers_of(found).change[dynamic], expected, rtol=1e-5)


@pytest.mark.parametrize("name", ["sensors", "scattered anew", "moving sensors"])
def test_a_cells_change_is_that_since_it_was_seen_last(name):
    """By a loop over all that is seen: (value - last value) / (time - last time)."""
    box = Domain((16, 16), (100.0, 100.0), Boundary.PERIODIC)
    domain = with_channels(box, Heat().channels(2))
    paths = numbers(domain, 2, FRAMES)
    how = REGIONS[name](2), EveryNth(2)
    found = look(domain, paths, *how)
    values, mask, squares = np.asarray(paths, float), settings(*how).mask(domain), []
    for s, i, j in np.ndindex(2, *domain.shape):
        times = np.flatnonzero(mask[:, i, j])
        squares += list((np.diff(values[s, times, i, j, 0]) / np.diff(times)) ** 2)
    expected = np.sqrt(np.mean(squares))
    np.testing.assert_allclose(numbers_of(found).change, [expected], rtol=1e-5)


def test_statistics_of_what_does_not_change_leave_numbers_as_they_are(heat_box):
    still = np.full((2, 5, *heat_box.shape, 1), 3.0)
    found = statistics((Dense(still, np.ones(still.shape, bool)),), still[:, 0])
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
