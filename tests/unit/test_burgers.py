"""Burgers flow, with and without viscosity."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from hycojax.grid.domain import Boundary, Domain
from hycojax.grid.random_fields import Waves
from hycojax.models.coefficients import UnknownField
from hycojax.models.model import rollout
from hycojax.physics import Burgers, InviscidBurgers

K = 2 * np.pi


def box(shape, size=1.0):
    return Domain(shape, (size,) * len(shape), Boundary.PERIODIC)


def cole_hopf(x, t, nu):
    """u = -2 nu (log h)_x; h = 1 + a exp(-nu k^2 t) cos(k x) solves the heat equation."""
    wave = 0.8 * np.exp(-nu * K**2 * t)
    return 2 * nu * K * wave * np.sin(K * x) / (1 + wave * np.cos(K * x))


def error_of_cole_hopf(pde, n, steps, cell_means):
    """Return the relative error of means over cells after half a second."""
    model = pde.on(box((n,)), 0.5 / steps)
    (x,) = model.domain.centers()
    start, exact = (cell_means(cole_hopf(x, t, 0.02)) for t in (0, 0.5))
    end = jax.jit(lambda s: rollout(model, {}, s, steps)[-1, :, 0])(jnp.asarray(start)[:, None])
    return np.linalg.norm(end - exact) / np.linalg.norm(exact)


@pytest.mark.usefixtures("double")
def test_cole_hopf_is_met_to_fourth_order_in_time(order, cell_means):
    counts = (4, 8, 16, 32)
    errors = [error_of_cole_hopf(Burgers(0.02, pieces=1), 64, c, cell_means) for c in counts]
    assert 3.6 < order(counts, errors) < 4.6
    assert errors[-1] < 1e-6


@pytest.mark.usefixtures("double")
def test_cole_hopf_is_met_wave_by_wave_in_space(cell_means):
    """The error falls faster than any power of dx: with twice the cells to less than a 50th."""
    errors = [error_of_cole_hopf(Burgers(0.02, pieces=1), n, 64, cell_means) for n in (16, 32, 64)]
    assert errors[1] < errors[0] / 50
    assert errors[2] < errors[1] / 50


@pytest.mark.parametrize(
    "pde",
    [
        Burgers(Waves(0.02, 0.0), pieces=1),
        Burgers(0.02, fronts="limited"),
        Burgers(Waves(0.02, 0.0), fronts="limited"),
        Burgers(0.02, fronts="conserved"),
    ],
    ids=["field", "limited", "limited-field", "conserved"],
)
@pytest.mark.usefixtures("double")
def test_split_steps_are_of_second_order(pde, order, cell_means):
    sizes = (32, 64, 128, 256)
    errors = [error_of_cole_hopf(pde, n, n // 2, cell_means) for n in sizes]
    assert 1.7 < order(sizes, errors) < 2.4
    assert errors[-1] < 3e-4


@pytest.mark.parametrize("dims", [1, 2, 3])
@pytest.mark.usefixtures("double")
def test_a_weak_mode_decays_with_the_viscosity(dims):
    """u = eps sin(k x) e_y (in 1D e_x): too weak to carry itself, it loses nu k^2 a second.

    The viscosity that its decay shows is the one that was set, to a part in a thousand.
    """
    model = Burgers(viscosity=0.03).on(box((16,) * dims), 0.05)
    state = np.zeros((*model.domain.shape, dims))
    state[..., -1] = 1e-6 * np.sin(K * model.domain.centers()[0])
    end = jax.jit(lambda s: rollout(model, {}, s, 10)[-1])(jnp.asarray(state))
    shown = -np.log(np.linalg.norm(end) / np.linalg.norm(state)) / (0.5 * K**2)
    assert abs(shown / 0.03 - 1) < 1e-3


def test_momentum_along_the_flow_is_kept():
    """The mean of u in 1D, up to the truncation error (the scheme has no fluxes)."""
    model = Burgers(viscosity=2.0).on(box((64,), 100.0), 1.0)
    state = model.sample(jax.random.key(0)) + 0.5
    end = jax.jit(lambda s: rollout(model, {}, s, 20)[-1])(state)
    assert abs(end.mean() - state.mean()) < 5e-3


def shock_at(fronts, time=0.4):
    """Return the step from 1 to 0 m/s after a time, its places, and where it is."""
    model = Burgers(viscosity=0.0, fronts=fronts).on(box((100,)), time / 40)
    (x,) = model.domain.centers()
    start = np.where((x > 0.1) & (x < 0.4), 1.0, 0.0)
    end = np.asarray(jax.jit(lambda s: rollout(model, {}, s, 40)[-1, :, 0])(start[:, None]))
    front = np.flatnonzero((end > 0.5) & (np.roll(end, -1) <= 0.5))
    assert len(front) == 1
    return start, end, x[front[0]] + model.domain.dx[0] / 2


def test_a_shock_moves_at_its_speed():
    """Half of the jump, by Rankine and Hugoniot: from 0.4 m in 0.4 s to 0.6 m.

    Behind it a rarefaction opens, u = (x - 0.1 m) / t. Along paths the same step stays behind.
    """
    start, end, place = shock_at("conserved")
    assert abs(place - 0.6) < 0.01
    np.testing.assert_allclose(end.sum(), start.sum(), rtol=5e-5)
    assert end.min() > -5e-5
    assert end.max() < 1 + 5e-5
    opening = slice(20, 40)  # x from 0.2 to 0.4 m
    x = (np.arange(100) + 0.5)[opening] / 100
    np.testing.assert_allclose(end[opening], (x - 0.1) / 0.4, atol=0.02)
    assert abs(shock_at("limited")[2] - 0.6) > 0.05


@pytest.mark.usefixtures("double")
@pytest.mark.parametrize("fronts", ["resolved", "limited", "conserved"])
def test_a_flow_that_turns_is_carried_the_same(fronts):
    """A vortex in 2D in a short step, against u . grad u by hand; of second order at least."""
    errors = []
    for n in (32, 64):
        model = Burgers(viscosity=0.0, fronts=fronts, pieces=1).on(box((n, n)), 1e-5)
        x, y = (K * axis for axis in model.domain.centers())
        u = np.stack([np.sin(y), 0.5 * np.sin(x) + 0.3], -1)
        rate = -K * np.stack([u[..., 1] * np.cos(y), 0.5 * u[..., 0] * np.cos(x)], -1)
        found = (np.asarray(jax.jit(model.forward)({}, jnp.asarray(u))) - u) / 1e-5
        errors.append(np.linalg.norm(found - rate) / np.linalg.norm(rate))
    assert errors[1] < 0.03
    assert errors[1] < max(errors[0] / 2.5, 1e-4)


@pytest.mark.parametrize("fronts", ["resolved", "conserved"])
def test_a_mirrored_flow_stays_mirrored(fronts):
    model = Burgers(fronts=fronts).on(box((16, 12), 100.0), 1.0)
    state = model.sample(jax.random.key(0))

    def mirror(s):
        return s[::-1] * jnp.array([-1.0, 1.0])

    step = jax.jit(model.forward)
    np.testing.assert_allclose(step({}, mirror(state)), mirror(step({}, state)), atol=1e-5)


@pytest.mark.usefixtures("double")
def test_free_flow_follows_its_characteristics(order):
    """u(x, t) = f(x - u t) until the shock, to second order."""

    def f(z):
        return 0.2 + 0.1 * np.sin(K * z)

    time, sizes, errors = 0.8, (32, 64, 128, 256), []
    for n in sizes:
        model = InviscidBurgers(potential=0.0).on(box((n,)), 2 * time / n)
        (x,) = model.domain.centers()
        exact = f(x)
        for _ in range(100):  # Newton's method for u = f(x - u t)
            slope = 1 + time * 0.1 * K * np.cos(K * (x - exact * time))
            exact = exact - (exact - f(x - exact * time)) / slope
        start = jnp.asarray(f(x))[:, None]
        end = jax.jit(lambda s, m=model, n=n: rollout(m, {}, s, n // 2)[-1, :, 0])(start)
        errors.append(np.linalg.norm(end - exact))
    assert order(sizes, np.array(errors) / np.sqrt(sizes)) > 1.7


@pytest.mark.usefixtures("double")
def test_a_flow_in_balance_with_its_potential_is_steady(order):
    """u^2 / 2 + phi = const has no acceleration; what a step changes is of second order in dx."""
    sizes, changes = (32, 64, 128), []
    unknown = InviscidBurgers(potential=UnknownField(start=0.0))
    for n in sizes:
        model = unknown.on(box((n,)), 1e-3)
        (x,) = model.domain.centers()
        u = 1.5 + 0.3 * np.sin(K * x)
        potential = jnp.asarray(-(u**2) / 2)
        after = jax.jit(model.forward)({"potential": potential}, jnp.asarray(u)[:, None])[:, 0]
        changes.append(np.abs(after - u).max() / model.interval)
    assert order(sizes, changes) > 1.7


def test_a_constant_added_to_the_potential_changes_nothing():
    model = InviscidBurgers(potential=UnknownField(start=0.0)).on(box((16, 12), 100.0), 1.0)
    state = model.sample(jax.random.key(0))
    potential = Waves().on(model.domain)
    first, second = (model.forward({"potential": potential + c}, state) for c in (0.0, 3.0))
    np.testing.assert_allclose(first, second, atol=1e-5)
    assert np.abs(first - model.forward({"potential": 0 * potential}, state)).max() > 1e-3
