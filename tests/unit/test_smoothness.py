"""Penalties against closed forms on waves and steps, in every dimension and both boxes."""

import math
from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from hycojax.grid.domain import Boundary, Domain
from hycojax.models.smoothness import Laplacian, Slope, TotalVariation

ALL = [Slope(1.0), TotalVariation(1.0), Laplacian(1.0)]


def box(n, dims=2, boundary=Boundary.PERIODIC):
    return Domain((n,) * dims, (3.0, 70.0, 0.2)[:dims], boundary)


def wave(domain, k, axis=0):
    x = (np.arange(domain.shape[axis]) + 0.5) / domain.shape[axis]
    shape = [-1 if i == axis else 1 for i in range(domain.dims)]
    values = np.cos(k * x).reshape(shape)
    return jnp.asarray(np.broadcast_to(values, domain.shape), jnp.float32)


@pytest.mark.parametrize("boundary", list(Boundary))
@pytest.mark.parametrize("dims", [1, 2, 3])
@pytest.mark.parametrize("measure", ALL)
def test_a_constant_costs_nothing(measure, dims, boundary):
    assert measure.penalty(box(8, dims, boundary), jnp.full((8,) * dims, 3.3)) == 0


@pytest.mark.parametrize(("boundary", "k"), [(Boundary.PERIODIC, 2), (Boundary.CLOSED, 1)])
@pytest.mark.parametrize("axis", [0, 1])
def test_waves_cost_what_calculus_says(boundary, k, axis):
    """r = cos(k x): the means of r'^2, |r'| and r''^2 are k^2/2, 2 k/pi and k^4/2."""
    domain, k = box(256, 2, boundary), k * math.pi
    field = wave(domain, k, axis)
    expected = [k**2 / 2, 2 * k / math.pi, k**4 / 2]
    measures = [Slope(1.0), TotalVariation(1.0, corner=1e-3), Laplacian(1.0)]
    for measure, value in zip(measures, expected, strict=True):
        np.testing.assert_allclose(measure.penalty(domain, field), value, rtol=0.02)
        twice = replace(measure, weight=2.0).penalty(domain, field)
        np.testing.assert_allclose(twice, 2 * measure.penalty(domain, field), rtol=1e-6)


def test_each_prefers_another_field():
    """A jump against a ramp over half the box: total variation alone sees no difference."""
    domain = box(64, 1, Boundary.CLOSED)
    x = np.arange(64)
    step = jnp.asarray(x >= 32, jnp.float32)
    ramp = jnp.asarray(np.clip((x - 16) / 32, 0, 1), jnp.float32)
    slope, variation, bend = ALL
    assert slope.penalty(domain, step) > 20 * slope.penalty(domain, ramp)
    ratio = variation.penalty(domain, step) / variation.penalty(domain, ramp)
    np.testing.assert_allclose(ratio, 1, atol=0.15)
    straight = jnp.linspace(0, 1, 64)
    assert bend.penalty(domain, straight) < 1e-6
    assert slope.penalty(domain, straight) > 0.9


@pytest.mark.parametrize("boundary", list(Boundary))
@pytest.mark.parametrize("measure", ALL)
def test_gradients_equal_central_differences(measure, boundary, double):
    domain = box(6, 2, boundary)
    field, direction = np.random.default_rng(0).normal(size=(2, 6, 6))

    def value(t):
        return measure.penalty(domain, jnp.asarray(field + t * direction))

    h = 1e-5
    expected = (value(h) - value(-h)) / (2 * h)
    found = jax.grad(lambda f: measure.penalty(domain, f))(jnp.asarray(field))
    np.testing.assert_allclose(jnp.sum(found * direction), expected, rtol=1e-7)


@pytest.mark.parametrize("make", [Slope, TotalVariation, Laplacian])
def test_a_negative_weight_is_refused(make):
    with pytest.raises(ValueError, match="weight = -1"):
        make(weight=-1.0)
    with pytest.raises(ValueError, match="corner"):
        TotalVariation(corner=0.0)
