import jax
import jax.numpy as jnp
import numpy as np

from hycojax.grid.domain import Boundary, Domain
from hycojax.grid.random_fields import Waves
from hycojax.models.coefficients import UnknownField
from hycojax.models.model import rollout
from hycojax.physics import NavierStokes, phi
from hycojax.physics.operators.fluid import divergence


def box(*shape):
    return Domain(shape, (100.0,) * len(shape), Boundary.CLOSED)


def test_a_constant_field_is_the_number():
    field = NavierStokes(buoyancy=Waves(0.2, 0.0)).on(box(16, 12), 1.0)
    number = NavierStokes(buoyancy=0.2).on(box(16, 12), 1.0)
    state = jax.jit(number.sample)(jax.random.key(0))
    one, other = (jax.jit(model.forward)({}, state) for model in (field, number))
    np.testing.assert_allclose(one, other, atol=1e-7)


def test_still_fluid_gains_the_rotational_part_of_the_lift():
    """From rest u = dt P(b d e_y), P the projection: a layered d lifts nothing, d(x) does."""
    model = NavierStokes(buoyancy=0.1, viscosity=0.0).on(box(32, 32), 0.5)
    x, y = model.domain.centers()
    still = np.zeros((32, 32, 2))
    layered = np.concatenate([np.cos(np.pi * y / 100)[..., None], still], axis=-1)
    step = jax.jit(model.forward)
    after = step({}, jnp.asarray(layered, jnp.float32))
    assert np.abs(after[..., 1:]).max() < 1e-6
    # d = cos(a x) and a stream function A sin(a x) sin(a y), a = pi / L: A = -dt b / (2 a).
    columns = np.cos(np.pi * x / 100) * np.sin(np.pi * y / 100)
    state = np.concatenate([columns[..., None], still], axis=-1)
    gained = step({}, jnp.asarray(state, jnp.float32))
    face = (y - model.domain.dx[1] / 2)[:, 1:]
    expected = 0.5 * 0.5 * 0.1 * np.cos(np.pi * x[:, 1:] / 100) * np.sin(np.pi * face / 100)
    np.testing.assert_allclose(gained[:, 1:, 2], expected, atol=0.01 * expected.max())


def test_steps_are_free_of_divergence_and_keep_the_density_near_its_bounds():
    """Fluxes of high order overshoot a little where a front is as thin as a cell."""
    model = NavierStokes().on(box(24, 16), 2.0)
    path = jax.jit(lambda key: rollout(model, {}, model.sample(key), 20))(jax.random.key(0))
    velocity = phi.staggered(model.domain, [path[-1, ..., 1], path[-1, ..., 2]])
    np.testing.assert_allclose(phi.cell_values(divergence(velocity)), 0, atol=1e-5)
    assert np.abs(path[-1, ..., 1:]).max() > 0.1
    assert path[..., 0].min() >= path[0, ..., 0].min() - 0.15
    assert path[..., 0].max() <= path[0, ..., 0].max() + 0.15
    assert (path[:, 0, :, 1] == 0).all()
    assert (path[:, :, 0, 2] == 0).all()


def test_the_mass_is_kept_to_rounding():
    model = NavierStokes().on(box(32, 32), 1.5)
    path = jax.jit(lambda key: rollout(model, {}, model.sample(key), 20))(jax.random.key(0))
    mass = np.asarray(path[..., 0], np.float64).sum(axis=(1, 2))
    np.testing.assert_allclose(mass, mass[0], rtol=2e-6)


def test_a_mirrored_flow_stays_mirrored():
    """Mirroring x maps face i to face n - i, and changes the sign of the x velocity."""
    model = NavierStokes(buoyancy=UnknownField(start=0.1)).on(box(16, 12), 1.0)

    def mirror(s):
        u = -jnp.roll(s[::-1, :, 1], 1, axis=0)
        return jnp.stack([s[::-1, :, 0], u, s[::-1, :, 2]], axis=-1)

    params = {"buoyancy": Waves(0.1, 0.02).on(model.domain)}
    turned = {"buoyancy": params["buoyancy"][::-1]}
    path = jax.jit(lambda p, s: rollout(model, p, s, 5)[-1])
    state = jax.jit(model.sample)(jax.random.key(0))
    np.testing.assert_allclose(path(turned, mirror(state)), mirror(path(params, state)), atol=2e-5)
