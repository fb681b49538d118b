import jax
import jax.numpy as jnp
import numpy as np
import pytest

from hycojax.grid.domain import Boundary, Domain
from hycojax.grid.random_fields import Waves
from hycojax.models.coefficients import Unknown
from hycojax.models.model import rollout
from hycojax.physics import Advection


def box(shape, size=1.0):
    return Domain(shape, (size,) * len(shape), Boundary.PERIODIC)


def hill(*x):
    return np.prod([np.sin(2 * np.pi * c + i) for i, c in enumerate(x)], axis=0)


@pytest.mark.parametrize("dims", [1, 2, 3])
@pytest.mark.usefixtures("double")
def test_a_translation_is_of_second_order(dims, order):
    """f(x, t) = f(x - c u t), to half of the box, with c = 1/2."""
    flow, sizes, errors = np.array([1.0, 0.5, -0.7])[:dims], (16, 32, 64)[: 4 - (dims == 3)], []
    sizes = sizes if dims < 3 else (12, 24)
    for n in sizes:
        model = Advection(coefficient=0.5).on(box((n,) * dims), 1 / n)
        x = model.domain.centers()
        state = np.stack([hill(*x), *(np.full_like(x[0], u) for u in flow)], axis=-1)
        end = jax.jit(lambda s, m=model, n=n: rollout(m, {}, s, n)[-1, ..., 0])(jnp.asarray(state))
        exact = hill(*(c - 0.5 * u for c, u in zip(x, flow, strict=True)))
        errors.append(np.sqrt(np.mean((end - exact) ** 2)))
    assert order(sizes, errors) > 1.7
    assert errors[-1] < 0.1


@pytest.mark.usefixtures("double")
def test_half_a_turn_of_a_vortex_is_of_second_order_in_time(order):
    """A cellular flow: what moves along a streamline keeps its stream function."""
    n, errors, counts = 96, [], (3, 6, 12)
    x, y = box((n, n)).centers()
    psi = np.sin(2 * np.pi * x) * np.sin(2 * np.pi * y) / (2 * np.pi)
    u = np.sin(2 * np.pi * x) * np.cos(2 * np.pi * y)
    v = -np.cos(2 * np.pi * x) * np.sin(2 * np.pi * y)
    for count in counts:
        model = Advection().on(box((n, n)), 0.5 / count)
        state = jnp.asarray(np.stack([psi, u, v], axis=-1))
        end = jax.jit(lambda s, m=model, c=count: rollout(m, {}, s, c)[-1])(state)
        errors.append(float(jnp.linalg.norm(end[..., 0] - psi) / np.linalg.norm(psi)))
    assert order(counts, errors) > 1.7


def test_a_twofold_coefficient_is_a_twofold_time_step(smooth):
    model = Advection(coefficient=Unknown(start=1.0)).on(box((16, 12)), 0.02)
    twice = Advection().on(box((16, 12)), 0.04)
    state = model.sample(jax.random.key(1))
    fast = model.forward({"coefficient": 2.0}, state)
    np.testing.assert_allclose(fast, twice.forward({}, state), atol=1e-6)


def test_a_constant_field_is_the_number():
    domain = box((16, 12))
    number = Advection(coefficient=1.5).on(domain, 0.02)
    field = Advection(coefficient=Waves(1.5, 0.0)).on(domain, 0.02)
    state = number.sample(jax.random.key(1))
    np.testing.assert_allclose(field.forward({}, state), number.forward({}, state), atol=1e-6)


def test_nothing_overshoots():
    model = Advection().on(box((16, 16)), 0.1)
    state = model.sample(jax.random.key(2))
    end = jax.jit(lambda s: rollout(model, {}, s, 50)[-1])(state)
    assert state[..., 0].min() - 1e-5 <= end[..., 0].min()
    assert end[..., 0].max() <= state[..., 0].max() + 1e-5
