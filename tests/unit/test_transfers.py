"""States on finer grids, and PDEs that are solved there."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import hycojax as hj
from hycojax.grid.domain import Channel, with_channels
from hycojax.grid.transfers import prolonged, restricted
from hycojax.models.model import beginnings, rollout
from hycojax.physics import phi
from hycojax.physics.operators.fluid import divergence
from hycojax.result import Trained

PDES = {hj.PERIODIC: hj.physics.Kolmogorov(waves=2), hj.CLOSED: hj.physics.Smoke(viscosity=0.5)}


def model_on(boundary, **options):
    domain = hj.Domain((16, 12), (60.0, 50.0), boundary)
    return PDES[boundary].on(domain, 1.0, **options)


@pytest.mark.parametrize("factor", [1, 2, 3])
@pytest.mark.parametrize("boundary", PDES)
def test_means_over_the_cells_of_the_coarse_grid_are_the_state(boundary, factor):
    """Whatever it is: noise too."""
    grid = model_on(boundary).domain
    noise = np.random.default_rng(0).normal(size=(*grid.shape, len(grid.channels)))
    state = jnp.asarray(noise * grid.evolves(), jnp.float32)
    fine = prolonged(grid, state, factor)
    assert fine.shape[:2] == (16 * factor, 12 * factor)
    np.testing.assert_allclose(restricted(grid, fine, factor), state, atol=3e-6)


@pytest.mark.parametrize(("boundary", "waves"), [(hj.PERIODIC, 2), (hj.CLOSED, 1)])
@pytest.mark.parametrize("factor", [2, 3])
@pytest.mark.usefixtures("double")
def test_a_wave_stays_the_wave(boundary, waves, factor):
    """In a closed box one without a slope on the walls."""
    grid = with_channels(hj.Domain((16,), (1.0,), boundary), (Channel("c"),))

    def means(domain):
        edges = np.arange(domain.shape[0] + 1) * domain.dx[0]
        integral = np.sin(waves * np.pi * edges) / (waves * np.pi)
        return np.diff(integral)[:, None] / domain.dx[0]

    found = prolonged(grid, jnp.asarray(means(grid)), factor)
    np.testing.assert_allclose(found, means(grid.refine(factor)), atol=1e-12)


@pytest.mark.parametrize("factor", [2, 3, 4])
@pytest.mark.parametrize(("boundary", "waves"), [(hj.PERIODIC, 4), (hj.CLOSED, 3)])
@pytest.mark.usefixtures("double")
def test_values_at_points_stay_values_at_points(boundary, waves, factor):
    """They had been taken for means over cells: 1 % off on a grid of 16 cells."""
    grid = with_channels(hj.Domain((16,), (1.0,), boundary), (Channel("c", points=True),))

    def wave(domain):
        return jnp.cos(waves * np.pi * (np.arange(domain.shape[0]) + 0.5) * domain.dx[0])[:, None]

    fine = grid.refine(factor)
    np.testing.assert_allclose(prolonged(grid, wave(grid), factor), wave(fine), atol=1e-12)
    several = jnp.stack([wave(fine), 2 * wave(fine)])
    found = restricted(grid, several, factor)
    np.testing.assert_allclose(found, [wave(grid), 2 * wave(grid)], atol=1e-12)


@pytest.mark.parametrize("boundary", PDES)
def test_no_divergence_is_made(boundary):
    """In a closed box the PDE takes it away."""
    model = model_on(boundary)
    state = jax.jit(lambda k: rollout(model, {}, model.sample(k), 4)[-1])(jax.random.key(0))
    fine = model_on(boundary, finer=2)._lifted(state)
    faces = fine[..., 1:3] if boundary is hj.CLOSED else fine
    velocity = phi.staggered(model.domain.refine(2), list(jnp.moveaxis(faces, -1, 0)))
    assert np.abs(faces).max() > 0.05
    np.testing.assert_allclose(phi.cell_values(divergence(velocity)), 0, atol=2e-6)


@pytest.mark.parametrize("boundary", PDES)
def test_a_model_on_a_finer_grid_stays_there_from_frame_to_frame(boundary):
    """Its predictions are those of the fine model from the prolonged state, restricted."""
    model = model_on(boundary, finer=2)
    state = jax.jit(model.sample)(jax.random.key(0))
    assert state.shape == (16, 12, len(model.channels))
    fine = PDES[boundary].on(model.domain.refine(2), 1.0)
    assert fine.at == model.at

    @jax.jit
    def both(state):
        path = rollout(fine, {}, model._lifted(state), 3)
        expected = jax.vmap(lambda s: restricted(model.domain, s, 2))(path)
        return model.predict({}, beginnings(state[None]), 3)[0], expected

    found, expected = both(state)
    np.testing.assert_allclose(found[1:], expected[1:], atol=1e-5)
    np.testing.assert_array_equal(found[0], state)
    np.testing.assert_allclose(model.forward({}, state), expected[1], atol=1e-5)
    assert np.abs(found[-1] - found[0]).max() > 0.05


def test_a_rollout_is_what_the_model_predicts():
    """It had gone back to the coarse grid after each interval."""
    model = model_on(hj.PERIODIC, finer=2)
    state = jax.jit(model.sample)(jax.random.key(0))
    found = hj.rollout(Trained(model, {}), 3)(state)
    expected = model.predict({}, beginnings(state[None]), 3)[0]
    np.testing.assert_allclose(found, expected, atol=1e-6)


def test_a_field_of_a_model_on_a_finer_grid_has_the_cells_of_the_domain():
    pde = hj.physics.Advection(coefficient=hj.UnknownField(start=1.0))
    domain = hj.Domain((16, 12), (60.0, 50.0), hj.PERIODIC)
    model = pde.on(domain, 1.0, finer=2)
    params = model.init(None)
    assert params["coefficient"].shape == (16, 12)
    number = hj.physics.Advection(coefficient=1.0).on(domain, 1.0, finer=2)
    state = model.sample(jax.random.key(0))
    found = model.forward(params, state)
    np.testing.assert_allclose(found, number.forward({}, state), atol=1e-4)


def test_less_than_the_domain_is_no_finer_grid():
    with pytest.raises(ValueError, match="finer = 0: at least 1 is needed"):
        hj.Physical(PDES[hj.PERIODIC], hj.LBFGS(), finer=0)
