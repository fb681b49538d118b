import jax
import jax.numpy as jnp
import numpy as np
import pytest

from hycojax.data.statistics import statistics
from hycojax.observation import Centre, Everywhere, Observation, Scattered, observe


@pytest.fixture
def trajectories(smoke_box):
    rng = np.random.default_rng(0)
    values = rng.normal(size=(3, 5, 16, 16, 4)) * [1.0, 10.0, 0.1, 1.0] + 2.0
    return jnp.asarray(values * smoke_box.evolves() + 7.0 * ~smoke_box.evolves(), jnp.float32)


def look(observation, domain, trajectories, seed=0):
    return observe(observation, domain, trajectories, jax.random.key(seed))


@pytest.mark.parametrize("fraction", [0.25, 0.5, 1.0])
def test_the_centre_holds_its_fraction_of_the_area(smoke_box, fraction):
    domain = smoke_box.refine(8)
    mask = Centre(fraction).mask(domain)
    assert abs(mask.mean() - fraction) < 0.02
    np.testing.assert_array_equal(mask, mask[::-1, ::-1])
    assert mask[64, 64]


def test_the_first_frame_and_static_channels_are_known_in_full(smoke_box, trajectories):
    recording = look(Observation(Centre(0.25)), smoke_box, trajectories)
    assert recording.seen[:, 0].all()
    assert recording.seen[..., 3].all()
    inside = Centre(0.25).mask(smoke_box)
    np.testing.assert_array_equal(recording.seen[1, 2, ..., 0], inside)
    np.testing.assert_array_equal(
        recording.values[recording.seen], np.asarray(trajectories)[recording.seen]
    )
    assert (recording.values[~recording.seen] == 0).all()


def test_noise_has_the_stated_size_and_spares_what_is_known(smoke_box, trajectories):
    recording = look(Observation(Everywhere(), noise=0.1), smoke_box, trajectories)
    noise = np.asarray(recording.values - trajectories)
    evolves = np.broadcast_to(smoke_box.evolves(), noise.shape)
    for channel, size in enumerate([1.0, 10.0, 0.1]):
        moving = noise[..., channel][evolves[..., channel]]
        measured = np.asarray(trajectories[..., channel]).std()
        assert abs(moving.std() / (0.1 * measured) - 1) < 0.05, size
    assert (noise[~evolves] == 0).all()


def test_noise_differs_from_place_to_place_and_is_the_seeds(smoke_box, trajectories):
    one, same, other = (
        look(Observation(Everywhere(), 0.1), smoke_box, trajectories, s).values for s in (0, 0, 1)
    )
    np.testing.assert_array_equal(one, same)
    assert (one != other).mean() > 0.7


def test_hidden_values_may_be_anything(smoke_box, trajectories):
    observation = Observation(Centre(0.5), noise=0.02)
    clean = look(observation, smoke_box, trajectories)
    spoiled = look(observation, smoke_box, jnp.where(clean.seen, trajectories, jnp.nan))
    np.testing.assert_array_equal(clean.values, spoiled.values)
    for one, other in zip(
        jax.tree.leaves(statistics(clean)), jax.tree.leaves(statistics(spoiled)), strict=True
    ):
        np.testing.assert_array_equal(one, other)


def test_a_seen_value_that_is_not_finite_is_an_error(smoke_box, trajectories):
    broken = trajectories.at[1, 2, 8, 8, 0].set(jnp.nan)
    with pytest.raises(ValueError, match="1 of the observed values"):
        look(Observation(Centre(0.5)), smoke_box, broken)


def test_statistics_are_those_of_the_seen_values(smoke_box, trajectories):
    recording = look(Observation(Centre(0.5)), smoke_box, trajectories)
    found = statistics(recording)
    for channel in range(3):
        seen = np.asarray(recording.seen[..., channel])
        values = np.asarray(trajectories[..., channel])
        np.testing.assert_allclose(found.mean[channel], values[seen].mean(), rtol=1e-4)
        np.testing.assert_allclose(found.std[channel], values[seen].std(), rtol=1e-4)
        change = np.diff(values, axis=1)[seen[:, 1:] & seen[:, :-1]]
        np.testing.assert_allclose(found.change[channel], np.sqrt((change**2).mean()), rtol=1e-4)
    assert found.std[3] == 1.0  # constant in this data


@pytest.mark.parametrize("fraction", [0.1, 0.25, 1.0])
def test_scattered_sensors_are_as_many_as_stated_and_anywhere(smoke_box, fraction):
    masks = [Scattered(fraction, seed).mask(smoke_box) for seed in range(200)]
    assert {int(mask.sum()) for mask in masks} == {round(fraction * 256)}
    chance = np.mean(masks, axis=0)
    np.testing.assert_allclose(chance, fraction, atol=5 * np.sqrt(fraction * (1 - fraction) / 200))
    np.testing.assert_array_equal(masks[3], Scattered(fraction, 3).mask(smoke_box))


@pytest.mark.parametrize("fraction", [0.0, -1.0, 1.5, float("nan")])
def test_an_impossible_fraction_is_refused(fraction):
    with pytest.raises(ValueError, match="fraction"):
        Centre(fraction)


@pytest.mark.parametrize("noise", [-0.1, float("nan"), float("inf")])
def test_an_impossible_noise_is_refused(noise):
    with pytest.raises(ValueError, match="noise"):
        Observation(Everywhere(), noise)
