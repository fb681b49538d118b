"""First states: as a prior makes them, and as the first measurements tell them."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from test_filters import covariance

import hycojax as hj
from hycojax.data import first_guess, observing
from hycojax.data.observations import First
from hycojax.grid import filters
from hycojax.grid.domain import CLOSED, PERIODIC
from hycojax.inference.first_states import states
from hycojax.solvers import INITIAL_STATES

UNKNOWN = hj.Unknown(start=0.1)
LINE = hj.physics.Heat(diffusivity=UNKNOWN).on(hj.Domain((12,), (1.0,), PERIODIC), 1.0)


def prior(physics, mean=0.0, ties=(), static=None):
    """Return a prior of amplitude 1 for all channels but static and tied ones, of one system."""
    grid = physics.domain
    tied = [c for c, *_ in ties]
    spectrum = tuple(
        filters.matern(grid, float(not own.static and c not in tied), 0.3)
        for c, own in enumerate(grid.channels)
    )
    means = np.full((1, *grid.shape, len(grid.channels)), mean, np.float32)
    means = np.where(grid.evolves(), means, 0.0 if static is None else static)
    sizes = tuple(np.ones_like(own) for own in spectrum)
    return First(
        means, spectrum=spectrum, sizes=sizes, start=0 * means, ties=ties, kind="estimated"
    )


def drawn(physics, first, seed=0):
    """Return a state of the prior."""
    q = np.random.default_rng(seed).normal(size=first.mean.shape).astype(np.float32)
    scale = jnp.ones(q.shape[-1])
    return q, np.asarray(states(physics, first, scale, {INITIAL_STATES: jnp.asarray(q)}))


@pytest.mark.parametrize(
    ("pde", "boundary", "velocity"),
    [
        (hj.physics.Kolmogorov(viscosity=UNKNOWN, waves=1), PERIODIC, 0),
        (hj.physics.NavierStokes(buoyancy=UNKNOWN), CLOSED, 1),
        (hj.physics.Smoke(buoyancy=UNKNOWN), CLOSED, 1),
    ],
)
def test_a_flow_begins_without_divergence_and_stays_in_the_box(pde, boundary, velocity):
    physics = pde.on(hj.Domain((8, 8), (1.0, 1.0), boundary), 0.01)
    q, found = drawn(physics, prior(physics, static=0.7))
    u, v = found[0, ..., velocity], found[0, ..., velocity + 1]
    beyond = [np.roll(a, -1, axis) for axis, a in enumerate((u, v))]
    if boundary is CLOSED:  # the upper wall's faces are not stored
        beyond[0][-1], beyond[1][:, -1] = 0, 0
        assert (u[0] == 0).all()
        assert (v[:, 0] == 0).all()
    divergence = 8 * (beyond[0] - u + beyond[1] - v)
    assert np.abs(divergence).max() < 1e-4 * 8 * np.abs(u).max()
    assert u.std() > 0.1
    others = [c for c in range(found.shape[-1]) if c not in (velocity, velocity + 1)]
    for c in others:
        if physics.domain.channels[c].static:
            assert (found[..., c] == np.float32(0.7)).all()
        else:
            field = filters.filtered(physics.domain, prior(physics).spectrum[c], q[0, ..., c])
            np.testing.assert_allclose(found[0, ..., c], field, atol=1e-5)


def test_a_tied_channel_follows_the_other_one():
    pde = hj.physics.GrayScott(feed=hj.Unknown(start=0.03))
    physics = pde.on(hj.Domain((8, 8), (8.0, 8.0), PERIODIC), 1.0)
    _, found = drawn(physics, prior(physics, mean=0.2, ties=((0, 1, -2.0, 1.0),)))
    np.testing.assert_allclose(found[..., 0], 1 - 2 * found[..., 1], atol=1e-5)
    assert found[..., 1].std() > 0.3


def test_a_measured_state_is_corrected_where_it_is_measured_alone():
    """In units of a tenth of the scale times the root of the number of values."""
    rng = np.random.default_rng(0)
    mean, q = rng.normal(size=(2, 2, 12, 1)).astype(np.float32)
    measured = rng.random(mean.shape) < 0.5
    first, scale = First(mean, measured=measured, kind="measured"), jnp.array([3.0])
    np.testing.assert_array_equal(states(LINE, first, scale), mean)
    np.testing.assert_array_equal(states(LINE, first, scale, {"diffusivity": 1.0}), mean)
    found = states(LINE, first, scale, {INITIAL_STATES: jnp.asarray(q)})
    expected = mean + np.where(measured, q * 0.1 * 3.0 * np.sqrt(mean.size), 0)
    np.testing.assert_allclose(found, expected, rtol=1e-5)


# What the first measurements tell.


def look(*series, priors=None, sigma=0.05, **options):
    points = [hj.Points("temperature", "K", *own, sigma=sigma) for own in series]
    own = hj.Recordings(
        tuple(hj.System(f"simulation {i}", (p,)) for i, p in enumerate(points)),
        first=hj.Estimated({} if priors is None else {"temperature": priors}),
        validation=hj.LastPart(0.1),
        **options,
    )
    return observing.seen(own, LINE, 0).known


def test_without_a_search_it_is_the_mean_given_the_earliest_values_of_all_places():
    """By a dense solve: m + C H^T (H C H^T + S)^-1 (y - m), S with what time may have changed."""
    rng, grid = np.random.default_rng(0), LINE.domain
    cells, times = np.array([1, 4, 5, 9, 1, 4, 7]), np.array([0.0, 0, 0.5, 2, 1, 2, 3])
    values = 20 + 2 * rng.normal(size=7)
    places = ((cells + 0.5) / 12)[:, None]
    own = hj.Prior(mean=20.0, amplitude=2.0, length=0.2)
    late = (np.array([9.0]), np.array([[0.5]]), np.array([20.0]))  # for validation
    everything = [np.concatenate(pair) for pair in zip((times, places, values), late, strict=True)]
    known = look(everything, priors=own)
    first, change = known.training.first, float(known.statistics.change[0])
    earliest = [0, 1, 2, 3, 6]
    waves = np.fft.rfft(np.eye(12), axis=0) / np.sinc(np.fft.rfftfreq(12))[:, None]
    h = np.fft.irfft(waves, 12, axis=0)[cells[earliest]]  # values at centres, by means over cells
    s = np.diag(0.05**2 + (change * times[earliest]) ** 2)
    c = covariance(grid, 2.0, 0.2)
    gain = c @ h.T @ np.linalg.inv(h @ c @ h.T + s)
    expected = 20 + gain @ (values[earliest] - 20)
    found = states(LINE, first, known.scale)[0, :, 0]
    np.testing.assert_allclose(found, expected, atol=0.02)
    np.testing.assert_allclose(found[cells[:2]], values[:2], atol=0.1)  # seen at time 0


def test_what_the_user_does_not_say_of_a_prior_is_taken_from_the_earliest_values_of_all_places():
    rng = np.random.default_rng(0)
    times = np.concatenate([rng.uniform(0, 0.2, 40), rng.uniform(4, 10, 40)])
    places = np.tile(rng.uniform(size=(40, 1)), (2, 1))
    values = np.where(times < 1, 300 + 5 * np.sin(2 * np.pi * places[:, 0]), 7.0)
    found = look((times, places, values)).training.first
    own = values[:40]
    np.testing.assert_allclose(found.mean, own.mean(), rtol=1e-3)
    amplitude = np.sqrt(np.mean(np.diag(spread(amplitudes(found)))))
    assert 0.4 < amplitude / own.std() < 2.5
    given = look((times, places, values), priors=hj.Prior(mean=290.0, amplitude=3.0, length=0.1))
    first = given.training.first
    np.testing.assert_allclose(first.mean, 290.0)
    np.testing.assert_allclose(amplitudes(first), filters.matern(LINE.domain, 3.0, 0.1), rtol=1e-5)


def amplitudes(first):
    """Return the amplitude of each wave of the prior of the only channel."""
    return first.spectrum[0] / first.sizes[0]


def spread(spectrum):
    """Return the covariance of a prior of one channel on the line."""
    root = jax.vmap(partial(filters.filtered, LINE.domain, spectrum))(np.eye(12, dtype=np.float32))
    return np.asarray(root).T @ np.asarray(root)


@pytest.mark.parametrize("length", [0.08, 0.2])
def test_the_length_over_which_values_are_alike_is_found(length):
    """Of 20 fields of a known one, to a third."""
    rng, grid = np.random.default_rng(1), hj.Domain((64,), (1.0,), PERIODIC)
    physics, own = hj.physics.Heat(UNKNOWN).on(grid, 1.0), filters.matern(grid, 1.0, length)
    fields = jax.vmap(partial(filters.filtered, grid, own))(rng.normal(size=(20, 64)))
    places = (np.arange(64) + 0.5) / 64
    systems = tuple(
        hj.System(
            f"simulation {i}",
            (hj.Film("temperature", "K", np.arange(2.0), (places,), np.stack([f, f])),),
        )
        for i, f in enumerate(np.asarray(fields))
    )
    data = hj.Recordings(systems, first=hj.Estimated(), validation=hj.LastPart(0.3))
    spectrum = amplitudes(observing.seen(data, physics, 0).known.training.first)
    # a(k)^2 ~ (1 + k^2 l^2 / 6)^-(3 + 1/2)
    ratio = (spectrum[0] / spectrum[1]) ** (2 / 3.5)
    found = np.sqrt(6 * (ratio - 1)) / (2 * np.pi)
    np.testing.assert_allclose(found, length, rtol=1 / 3)


def test_a_state_is_mean_and_filtered_numbers(double):
    """C^(1/2) q, by the matrix of the filter."""
    first = prior(LINE, mean=4.0)
    q = np.random.default_rng(0).normal(size=(12, 1))
    found = first_guess.state(LINE.domain, LINE.pde.admissible, first, first.mean[0], q)
    root = jax.vmap(partial(filters.filtered, LINE.domain, first.spectrum[0]))(np.eye(12))
    np.testing.assert_allclose(found[:, 0], 4.0 + np.asarray(root).T @ q[:, 0], rtol=1e-6)
