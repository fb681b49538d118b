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


def error_of_taylor_green(nu, n, steps, dt, drift=(0.0, 0.0)):
    """Return the relative error; of a single wave the means differ from points by a factor."""
    model = Kolmogorov(viscosity=nu, forcing=0.0, waves=1, pieces=1).on(box(n, n), dt)
    start = jnp.asarray(taylor_green(model.domain, 0.0, nu, drift))
    end = jax.jit(lambda s: rollout(model, {}, s, steps)[-1])(start)
    exact = taylor_green(model.domain, steps * dt, nu, drift)
    return np.linalg.norm(end - exact) / np.linalg.norm(exact)


@pytest.mark.parametrize("nu", [1e-4, 5e-2])
def test_vortices_at_rest_are_met_to_rounding(nu):
    """On 64 x 64 cells, 20 steps of 0.05 s: the public case of solvers of these equations."""
    start = taylor_green(box(64, 64), 0.0, nu)
    assert start.dtype == np.float64
    with jax.enable_x64(True):
        assert error_of_taylor_green(nu, 64, 20, 0.05) < 1e-12
    assert error_of_taylor_green(nu, 64, 20, 0.05) < 1e-5


@pytest.mark.usefixtures("double")
def test_vortices_that_drift_are_met_to_fourth_order_in_the_time_step(order):
    counts = (8, 16, 32)
    errors = [error_of_taylor_green(0.01, 16, c, 1 / c, (1.0, 0.5)) for c in counts]
    assert 3.8 < order(counts, errors) < 4.2
    assert errors[-1] < 1e-6


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
