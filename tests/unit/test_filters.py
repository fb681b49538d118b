"""Random fields by a filter: their covariance, as a matrix, against Matern's formula."""

import jax
import numpy as np
import pytest
from scipy.special import gamma, kv

from hycojax.grid import filters
from hycojax.grid.domain import CLOSED, PERIODIC, Domain

SHAPES = {1: (12,), 2: (8, 6), 3: (6, 4, 5)}
BOUNDARIES = pytest.mark.parametrize("boundary", [PERIODIC, CLOSED])


def covariance(domain, amplitude, length):
    """Return C = C^(1/2) C^(1/2)^T, a row a cell, by all unit fields."""
    own = filters.matern(domain, amplitude, length)
    count = int(np.prod(domain.shape))
    units = np.eye(count, dtype=np.float32).reshape(count, *domain.shape)
    columns = jax.jit(jax.vmap(lambda q: filters.filtered(domain, own, q)))(units)
    root = np.asarray(columns, float).reshape(count, count)
    return root.T @ root


def matern(distance, length, smoothness=3.0):
    """Return Matern's correlation, from his formula."""
    scaled = np.sqrt(2 * smoothness) * np.maximum(np.abs(distance), 1e-9) / length
    return 2 ** (1 - smoothness) / gamma(smoothness) * scaled**smoothness * kv(smoothness, scaled)


@BOUNDARIES
@pytest.mark.parametrize("dims", SHAPES)
def test_a_field_has_the_stated_standard_deviation(dims, boundary):
    """In a periodic box in each cell, in a closed one in the mean over all."""
    domain = Domain(SHAPES[dims], (1.0, 2.0, 1.5)[:dims], boundary)
    variances = np.diag(covariance(domain, 1.7, 0.3))
    np.testing.assert_allclose(variances.mean(), 1.7**2, rtol=1e-4)
    if boundary is PERIODIC:
        np.testing.assert_allclose(variances, 1.7**2, rtol=1e-4)


@pytest.mark.parametrize("length", [0.05, 0.1])
def test_far_from_its_copies_a_periodic_field_has_materns_correlation(length):
    n = 128
    found = covariance(Domain((n,), (1.0,), PERIODIC), 1.0, length)[0, : n // 2]
    np.testing.assert_allclose(found, matern(np.arange(n // 2) / n, length), atol=2e-3)


def test_along_each_axis_of_a_plane_it_is_the_same_of_the_distance():
    domain = Domain((32, 16), (2.0, 1.0), PERIODIC)
    found = covariance(domain, 1.0, 0.15)[0].reshape(32, 16)
    x, y = np.meshgrid(np.arange(16) / 16, np.arange(8) / 16, indexing="ij")
    np.testing.assert_allclose(found[:16, :8], matern(np.hypot(x, y), 0.15), atol=1e-2)


def test_walls_reflect():
    """By mirror images: C(x, y) = k(x - y) + k(x + y) and, at the other wall, k(2 - x - y)."""
    n, length = 64, 0.1
    found = covariance(Domain((n,), (1.0,), CLOSED), 1.0, length)
    x = (np.arange(n) + 0.5) / n
    one, other = np.meshgrid(x, x, indexing="ij")
    images = sum(matern(d, length) for d in (one - other, one + other, 2 - one - other))
    expected = images / np.diag(images).mean()
    np.testing.assert_allclose(found, expected, atol=5e-3)


@BOUNDARIES
@pytest.mark.parametrize("dims", SHAPES)
def test_each_wave_is_in_a_shell(dims, boundary):
    """A wave that is put into the box by hand comes back from its shell alone, and whole."""
    domain = Domain(SHAPES[dims], (1.0, 2.0, 1.5)[:dims], boundary)
    shells, waves = filters.shells(domain), filters.waves_in_shells(domain)
    assert waves.sum() == np.prod(domain.shape)
    assert shells.max() < filters.SHELLS
    along = np.reshape(np.arange(domain.shape[0]) + 0.5, (-1, *(1,) * (dims - 1)))
    turns = 2 if boundary is PERIODIC else 1
    for number in range(3):
        wave = np.cos(turns * np.pi * number * along / domain.shape[0])
        wave = np.broadcast_to(wave, domain.shape).astype(np.float32)
        length = max(domain.size) * number / domain.size[0]  # over the longest wave's
        expected = np.searchsorted([0.5, 1.5, 2.5, 3.5, 4.5, 6.08, 8.2], length)
        own = filters.filtered(domain, np.where(shells == expected, 1.0, 0.0), wave)
        np.testing.assert_allclose(own, wave, atol=1e-5)
