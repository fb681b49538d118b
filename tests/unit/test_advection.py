import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.integrate import solve_ivp

from hycojax.grid.domain import Boundary, Domain
from hycojax.grid.random_fields import Waves
from hycojax.models.coefficients import Unknown
from hycojax.models.model import rollout
from hycojax.physics import Advection


def box(shape, size=1.0):
    return Domain(shape, (size,) * len(shape), Boundary.PERIODIC)


def hill(*x):
    return np.prod([np.sin(2 * np.pi * c + i) for i, c in enumerate(x)], axis=0)


def translated(pde, n, dims, steps):
    """Return the error of f(x, t) = f(x - c u t), to half of the box, with c = 1/2."""
    flow = np.array([1.0, 0.5, -0.7])[:dims]
    model = pde.on(box((n,) * dims), 1 / steps)
    x = model.domain.centers()
    state = np.stack([hill(*x), *(np.full_like(x[0], u) for u in flow)], axis=-1)
    end = jax.jit(lambda s: rollout(model, {}, s, steps)[-1, ..., 0])(jnp.asarray(state))
    exact = hill(*(c - 0.5 * u for c, u in zip(x, flow, strict=True)))
    return np.sqrt(np.mean((end - exact) ** 2))


@pytest.mark.parametrize("dims", [1, 2, 3])
@pytest.mark.usefixtures("double")
def test_a_translation_is_of_fourth_order_in_time(dims, order):
    counts = (8, 16, 32)
    errors = [translated(Advection(0.5, pieces=1), 8, dims, c) for c in counts]
    assert 3.8 < order(counts, errors) < 4.2
    assert errors[-1] < 1e-4


@pytest.mark.parametrize("dims", [1, 2])
@pytest.mark.usefixtures("double")
def test_the_limited_scheme_is_of_second_order(dims, order):
    sizes = (16, 32, 64)
    errors = [translated(Advection(0.5, edges="limited"), n, dims, n) for n in sizes]
    assert order(sizes, errors) > 1.7
    assert errors[-1] < 0.1


def cells_of_flow(x, y):
    """Return a flow in cells, like gears."""
    a, b = 2 * np.pi * x, 2 * np.pi * y
    return np.sin(a) * np.cos(b), -np.cos(a) * np.sin(b)


@pytest.mark.usefixtures("double")
def test_gears_carry_a_tracer_along_its_characteristics(order, cell_means):
    """Where a tracer comes from is found by SciPy, cell by cell: to fourth order in time."""
    n, time, errors, counts = 64, 0.15, [], (4, 6, 8)
    x, y = box((n, n)).centers()
    back = solve_ivp(
        lambda _, place: np.ravel(cells_of_flow(*place.reshape(2, -1))),
        (0, -time),
        np.ravel([x, y]),
        rtol=1e-9,
        atol=1e-10,
    )
    exact = cell_means(hill(*back.y[:, -1].reshape(2, n, n)))
    fields = hill(x, y), *cells_of_flow(x, y)
    state = jnp.asarray(np.stack([cell_means(f) for f in fields], axis=-1))
    for count in counts:
        model = Advection(pieces=1).on(box((n, n)), time / count)
        end = jax.jit(lambda s, m=model, c=count: rollout(m, {}, s, c)[-1])(state)
        errors.append(float(np.linalg.norm(end[..., 0] - exact) / np.linalg.norm(exact)))
    assert order(counts, errors) > 3.6
    assert errors[-1] < 1e-4


@pytest.mark.usefixtures("double")
def test_half_a_turn_of_the_limited_scheme_is_of_second_order_in_time(order):
    """What moves along a streamline keeps its stream function."""
    n, errors, counts = 96, [], (3, 6, 12)
    x, y = box((n, n)).centers()
    psi = np.sin(2 * np.pi * x) * np.sin(2 * np.pi * y) / (2 * np.pi)
    state = jnp.asarray(np.stack([psi, *cells_of_flow(x, y)], axis=-1))
    for count in counts:
        model = Advection(edges="limited").on(box((n, n)), 0.5 / count)
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
    model = Advection(edges="limited").on(box((16, 16)), 0.1)
    state = model.sample(jax.random.key(2))
    end = jax.jit(lambda s: rollout(model, {}, s, 50)[-1])(state)
    assert state[..., 0].min() - 1e-5 <= end[..., 0].min()
    assert end[..., 0].max() <= state[..., 0].max() + 1e-5
