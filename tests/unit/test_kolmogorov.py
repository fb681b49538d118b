"""Incompressible flow in a periodic box, against Taylor, Green and Kolmogorov."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from hycojax.grid.domain import Boundary, Domain
from hycojax.models.model import rollout
from hycojax.physics import Kolmogorov, phi
from hycojax.physics.operators.fluid import divergence


def box(*shape, size=2 * np.pi):
    return Domain(shape, (size,) * len(shape), Boundary.PERIODIC)


def taylor_green(domain, t, nu, drift=(0.0, 0.0)):
    """Vortices that decay as exp(-2 nu t), carried along by a uniform flow."""
    (x, y), d = domain.centers(), domain.dx
    x, y, decay = x - drift[0] * t, y - drift[1] * t, np.exp(-2 * nu * t)
    u = drift[0] + decay * np.sin(x - d[0] / 2) * np.cos(y)
    v = drift[1] - decay * np.cos(x) * np.sin(y - d[1] / 2)
    return np.stack([u, v], axis=-1)


@pytest.mark.parametrize("drift", [(0.0, 0.0), (1.0, 0.5)], ids=["at rest", "drifting"])
@pytest.mark.usefixtures("double")
def test_taylor_green_is_met_to_first_order_in_the_time_step(drift, order):
    """With dt proportional to dx; Euler's traces and the splitting are of first order in dt."""
    nu, sizes, errors = 0.01, (32, 64, 128), []
    for n in sizes:
        model = Kolmogorov(viscosity=nu, forcing=0.0, waves=1).on(box(n, n), 2 / n)
        start = jnp.asarray(taylor_green(model.domain, 0.0, nu, drift))
        end = jax.jit(lambda s, m=model, n=n: rollout(m, {}, s, n // 2)[-1])(start)
        exact = taylor_green(model.domain, 1.0, nu, drift)
        errors.append(np.linalg.norm(end - exact) / np.linalg.norm(exact))
    assert 0.9 < order(sizes, errors) < 2.3
    assert errors[-1] < 5e-3


@pytest.mark.usefixtures("double")
def test_the_numerical_viscosity_is_small():
    """It is what vortices lose beyond nu: at most 0.013 dx^2 / dt where they cross a cell in 3 dt.

    A semi-Lagrangian step alone has up to dx^2 / (8 dt).
    """
    n, nu = 64, 0.01
    model = Kolmogorov(viscosity=nu, forcing=0.0, waves=1).on(box(n, n), 2 / n)
    start = jnp.asarray(taylor_green(model.domain, 0.0, nu))
    end = jax.jit(lambda s: rollout(model, {}, s, n // 2)[-1])(start)
    shown = -np.log(np.linalg.norm(end) / np.linalg.norm(start)) / 2
    assert 0 < shown - nu < 0.013 * model.domain.dx[0] ** 2 / model.interval


@pytest.mark.usefixtures("double")
def test_laminar_flow_settles_in_the_closed_form():
    """u = F / (nu k^2) sin(k y), second order in dt."""
    model = Kolmogorov(viscosity=0.5, forcing=0.3, waves=2).on(box(16, 64), 0.1)
    end = jax.jit(lambda s: rollout(model, {}, s, 300)[-1])(jnp.zeros((16, 64, 2)))
    exact = 0.3 / (0.5 * 2**2) * np.sin(2 * model.domain.centers()[1])
    np.testing.assert_allclose(end[..., 0], exact, atol=0.005 * 0.15)
    assert np.abs(end[..., 1]).max() < 1e-12


@pytest.mark.parametrize("shape", [(24, 16), (12, 16, 8)], ids=["2D", "3D"])
def test_steps_are_free_of_divergence_and_keep_momentum(shape):
    model = Kolmogorov().on(box(*shape, size=100.0), 2.0)
    path = jax.jit(lambda s: rollout(model, {}, s, 10))(model.sample(jax.random.key(0)))
    for state in (path[0], path[-1]):
        velocity = phi.staggered(model.domain, list(jnp.moveaxis(state, -1, 0)))
        np.testing.assert_allclose(phi.cell_values(divergence(velocity)), 0, atol=1e-5)
    assert np.abs(path[-1].mean(axis=tuple(range(len(shape))))).max() < 0.02
    assert np.abs(path[-1] - path[0]).max() > 0.1
