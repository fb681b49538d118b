"""The PDE of experiments/heat_sensors.py, from Liverani, Steynberg and Zuazua."""

from dataclasses import replace
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.integrate import solve_ivp

from hycojax.data.simulated import Simulated, simulate
from hycojax.errors import InputError
from hycojax.grid.domain import Boundary, Domain
from hycojax.models.coefficients import Unknown
from hycojax.models.model import rollout
from hycojax.run.classes import import_file

HeatSpots = import_file(Path(__file__).parents[2] / "experiments" / "heat_sensors.py").HeatSpots

NONE = {"strength_1": 0.0, "strength_2": 0.0}
EVERYWHERE = {"strength_1": 1e30, "strength_2": 1e30}
#: Two spots that nowhere reach the highest diffusivity.
MILD = {"strength_1": 1.2, "strength_2": 0.7, "x_2": 1.7}
#: Places from which a search begins.
STARTS = {"strength_1": 1.5, "strength_2": 2.8, "x_1": 4.4, "y_1": 2.7, "x_2": 1.2, "y_2": 1.9}
UNKNOWN = {name: Unknown(start) for name, start in STARTS.items()}


def box(*shape, size=(6.0, 6.0)):
    return Domain(shape, size, Boundary.CLOSED)


def end(model, state, steps, params=None):
    return jax.jit(lambda s: rollout(model, params or {}, s, steps)[-1])(state)


def mode(domain, numbers=(1, 1)):
    """Return a mode that vanishes on the walls, and its |k|^2."""
    waves = [n * np.pi / length for n, length in zip(numbers, domain.size, strict=True)]
    phases = [k * x for k, x in zip(waves, domain.centers(), strict=True)]
    return jnp.asarray(np.prod(np.sin(phases), 0))[..., None], sum(k**2 for k in waves)


def diffusivity(domain, strengths, places):
    """Return a(x), by its formula."""
    x = np.stack(domain.centers(), -1)
    spots = [s * np.exp(-((x - c) ** 2).sum(-1)) for s, c in zip(strengths, places, strict=True)]
    return np.minimum(0.1 + sum(spots), 2.5)


def second_differences(n, h):
    """Return the matrix of d^2/dx^2 on n cells: half a cell beyond the ends the value is zero."""
    matrix = np.diag(np.full(n, -2.0)) + np.diag(np.ones(n - 1), 1) + np.diag(np.ones(n - 1), -1)
    matrix[0, 0] = matrix[-1, -1] = -3.0
    return matrix / h**2


@pytest.mark.parametrize(("spots", "a"), [(NONE, 0.1), (EVERYWHERE, 2.5)])
@pytest.mark.usefixtures("double")
def test_without_spots_modes_decay_as_in_closed_form_to_second_order(order, spots, a):
    """exp(-a |k|^2 t); spots that are far too strong are cut off at the highest diffusivity."""
    sizes, errors = (8, 16, 32), []
    for n in sizes:
        domain = box(n, 2 * n, size=(6.0, 9.0))
        state, square = mode(domain, (1, 2))
        model = HeatSpots(**spots).on(domain, 1 / (a * square * 10))
        after = end(model, state, 10)
        errors.append(float(jnp.abs(after - state * np.exp(-1.0)).max()))
    assert 1.8 < order(sizes, errors) < 2.2
    assert errors[-1] < 0.005


@pytest.mark.usefixtures("double")
def test_through_spots_it_is_of_second_order_in_space():
    """On grids 3 times as fine, of which each third centre is one of the coarser grid."""

    def coarse(n):
        model = HeatSpots(**MILD).on(box(n, n), 0.1)
        thirds = slice(n // 18, None, n // 9)
        return end(model, model.sample(None), 5)[thirds, thirds]

    one, two, three = (coarse(n) for n in (9, 27, 81))
    found = np.log(np.abs(one - two).max() / np.abs(two - three).max()) / np.log(3)
    assert 1.7 < found < 2.4


@pytest.mark.usefixtures("double")
def test_it_solves_the_equations_of_its_grid_to_second_order_in_time(order):
    """dT/dt = a (D_x + D_y) T with matrices, solved by SciPy; one stage pair a step."""
    domain, time = box(12, 8, size=(6.0, 5.0)), 0.3
    a = diffusivity(domain, (3.0, 2.5), ((4.0, 4.0), (1.0, 1.0)))
    assert (a == 2.5).any()
    rows, columns = (second_differences(n, h) for n, h in zip(domain.shape, domain.dx, strict=True))

    def rate(_, flat):
        t = flat.reshape(12, 8)
        return (a * (rows @ t + t @ columns.T)).ravel()

    state = HeatSpots().on(domain, time).sample(jax.random.key(0))
    solution = solve_ivp(rate, (0, time), np.ravel(state), "DOP853", rtol=1e-11, atol=1e-13)
    exact = solution.y[:, -1].reshape(12, 8, 1)
    counts, errors = (15, 30, 60), []
    for count in counts:
        after = end(HeatSpots().on(domain, time / count), state, count)
        errors.append(np.abs(after - exact).max())
    assert 1.8 < order(counts, errors) < 2.3
    assert errors[-1] < 1e-4 * np.abs(exact).max()
    np.testing.assert_allclose(end(HeatSpots().on(domain, time), state, 1), exact, atol=3e-3)


@pytest.mark.usefixtures("double")
def test_gradients_equal_central_differences():
    """By each of the six coefficients, with a diffusivity that is cut off in places."""
    model = HeatSpots(**UNKNOWN).on(box(12, 10, size=(6.0, 5.0)), 0.02)
    params = model.init(jax.random.key(0))
    assert {p.dtype for p in params.values()} == {np.dtype("f8")}
    state = model.sample(jax.random.key(0))
    places = [[params[f"{axis}_{i}"] for axis in "xy"] for i in (1, 2)]
    a = diffusivity(model.domain, [params["strength_1"], params["strength_2"]], places)
    assert 0 < (a == 2.5).sum() < 10

    @jax.jit
    def value(params):
        return jnp.sum(jnp.sin(3 * rollout(model, params, state, 5)[-1]) ** 2)

    gradient, h = jax.jit(jax.grad(value))(params), 1e-5
    for name, found in gradient.items():
        ahead, behind = (value({**params, name: params[name] + s}) for s in (h, -h))
        np.testing.assert_allclose(found, (ahead - behind) / (2 * h), rtol=1e-6)
        assert abs(found) > 1e-4


@pytest.mark.parametrize("dt", [0.01, 0.1, 10.0])
def test_whatever_the_step_rough_states_only_become_calmer(dt):
    """Maximum principle: the largest |T| never grows."""
    model = HeatSpots().on(box(24, 24), dt)
    rough = jax.random.normal(jax.random.key(1), (24, 24, 1))
    path = jax.jit(lambda s: rollout(model, {}, s, 20))(rough)
    largest = np.abs(path).max((1, 2, 3))
    assert (largest[1:] <= largest[:-1]).all()
    assert 0 < largest[1] < largest[0] or dt > 1  # by then the box is cold


def test_a_step_ten_times_as_long_is_ten_steps():
    model, longer = (HeatSpots().on(box(24, 24), dt) for dt in (0.01, 0.1))
    state = model.sample(jax.random.key(0))
    expected = end(model, state, 10)
    after = end(longer, state, 1)
    np.testing.assert_allclose(after, expected, atol=2e-4)
    assert np.abs(after - state).max() > 0.1


def test_the_cold_walls_take_all_heat():
    model = HeatSpots().on(box(12, 12), 5.0)
    after = end(model, jnp.ones((12, 12, 1)), 60)  # even a = 0.1 damps by exp(-0.055 t)
    assert 0 < after.max() < 1e-5


def test_every_start_is_the_stated_one():
    domain = box(12, 18, size=(6.0, 9.0))
    model = HeatSpots().on(domain, 0.01)
    state = model.sample(jax.random.key(0))
    x, y = domain.centers()
    hot = np.exp(-((x - 4) ** 2) - (y - 6) ** 2)
    cold = np.exp(-((x - 2) ** 2) - (y - 3) ** 2)
    np.testing.assert_allclose(state[..., 0], hot - cold, atol=1e-6)
    np.testing.assert_array_equal(state, model.sample(jax.random.key(1)))
    assert state.dtype == jnp.float32
    assert state.shape == (12, 18, 1)


def test_the_coefficients_that_are_asked_for_are_used():
    """The places of the spots, each along its own axis: by a(x) of another formula."""
    values = STARTS
    model = HeatSpots(**UNKNOWN).on(box(10, 8, size=(6.0, 5.0)), 1e-3)
    state, _ = mode(model.domain)
    laplacian = -np.asarray(state)[..., 0] * sum(
        (2 / dx * np.sin(np.pi / length * dx / 2)) ** 2
        for dx, length in zip(model.domain.dx, model.domain.size, strict=True)
    )
    change = end(model, state, 1, values) - state
    places = [(values[f"x_{i}"], values[f"y_{i}"]) for i in (1, 2)]
    a = diffusivity(model.domain, (values["strength_1"], values["strength_2"]), places)
    np.testing.assert_allclose(change[..., 0] / 1e-3, a * laplacian, rtol=0.02, atol=1e-3)


@pytest.mark.parametrize("name", ["strength_1", "strength_2"])
def test_a_strength_that_is_not_positive_is_refused(name):
    with pytest.raises(ValueError, match=rf"{name} = -1 is out of bounds"):
        HeatSpots(**{name: -1.0})
    with pytest.raises(ValueError, match=rf"{name}\.start = 0 is out of bounds"):
        HeatSpots(**{name: Unknown(start=0.0)})


def test_simulations_that_would_be_alike_are_refused():
    """What is tested on would be what was learned from: there is one initial state only."""
    data = Simulated(HeatSpots(), training=1, validation=0, test=0, steps=2)
    assert simulate(data, box(12, 12), 0.001, 0)["training"].shape[0] == 1
    with pytest.raises(InputError, match=r"2 simulations were asked for, .* the same state"):
        simulate(replace(data, test=1), box(12, 12), 0.001, 0)
