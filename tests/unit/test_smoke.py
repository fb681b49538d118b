import jax
import jax.numpy as jnp
import numpy as np
import pytest
from phi.jax import flow

from hycojax import phi
from hycojax.domain import Boundary, Domain
from hycojax.parameter import Parameter
from hycojax.physics import smoke
from hycojax.physics.smoke import Smoke


def developed(plume, step, steps=6, seed=0):
    state = plume.sample(jax.random.key(seed))
    for _ in range(steps):
        state = step(0.1, state)
    return state


def test_no_smoke_no_motion(plume, step):
    shape = (*plume.domain.shape, 4)
    assert (step(0.1, jnp.zeros(shape)) == 0).all()


def test_without_buoyancy_smoke_stays_and_the_source_adds_to_it(plume, step):
    state = plume.sample(jax.random.key(0))
    after = step(0.0, state)
    np.testing.assert_allclose(after[..., 0], state[..., 0] + plume.dt * state[..., 3], atol=1e-5)
    assert (after[..., 1:3] == 0).all()


def test_smoke_rises(plume, step):
    before, after = plume.sample(jax.random.key(0)), developed(plume, step)
    y = plume.domain.centers()[1]

    def height(state):
        return (state[..., 0] * y).sum() / state[..., 0].sum()

    assert height(after) > height(before)
    # The vertical momentum is along the smoke's: positive where there is most of it.
    assert (after[..., 2] * after[..., 0]).sum() > 0


def test_a_step_is_free_of_divergence_and_keeps_walls_and_source(plume, step):
    before = developed(plume, step)
    after = step(0.1, before)
    velocity = phi.staggered(plume.domain, [after[..., 1], after[..., 2]])
    assert jnp.abs(phi.cell_values(phi.field.divergence(velocity))).max() < 1e-5
    assert (after[0, :, 1] == 0).all()
    assert (after[:, 0, 2] == 0).all()
    np.testing.assert_array_equal(after[..., 3], before[..., 3])


def test_a_mirrored_plume_stays_mirrored(plume, step):
    """Mirroring x maps face i to face n - i, and changes the sign of the x velocity."""

    def mirror(state):
        u = -jnp.roll(state[::-1, :, 1], 1, axis=0)
        return jnp.stack([state[::-1, :, 0], u, state[::-1, :, 2], state[::-1, :, 3]], axis=-1)

    state = developed(plume, step, seed=3)
    np.testing.assert_allclose(step(0.1, mirror(state)), mirror(step(0.1, state)), atol=2e-5)


def test_a_step_equals_phiflow(plume, step):
    """The same step with PhiFlow's own functions and its conjugate gradients."""
    state = developed(plume, step)
    domain = plume.domain
    density = phi.centered(domain, state[..., 0])
    velocity = phi.staggered(domain, [state[..., 1], state[..., 2]])
    density = flow.advect.mac_cormack(density, velocity, plume.dt)
    density += plume.dt * phi.centered(domain, state[..., 3])
    force = flow.resample(density * (0, 0.1), to=velocity)
    velocity = flow.advect.semi_lagrangian(velocity, velocity, plume.dt) + plume.dt * force
    velocity = flow.diffuse.explicit(velocity, plume.viscosity, plume.dt)
    solve = flow.Solve("CG", 1e-7, 1e-7, rank_deficiency=0)
    velocity, _ = flow.fluid.make_incompressible(velocity, (), solve)
    expected = [phi.cell_values(density), *phi.face_values(velocity), state[..., 3]]
    np.testing.assert_allclose(step(0.1, state), jnp.stack(expected, -1), atol=2e-5)


def test_gradient_by_buoyancy_equals_central_differences(smoke_box):
    """An 8-step rollout's loss in double precision."""
    model = Smoke(smoke_box, dt=2.0)
    with jax.enable_x64(True):
        start = model.sample(jax.random.key(0)).astype(jnp.float64)

        def end(b):
            forward = lambda s, _: (model.forward({"buoyancy": b}, s), None)  # noqa: E731
            return jax.lax.scan(forward, start, length=8)[0]

        target = jax.jit(end)(0.12)
        loss = jax.jit(lambda b: jnp.mean((end(b) - target) ** 2))
        exact, h = jax.jit(jax.grad(loss))(0.1), 1e-6
        measured = (loss(0.1 + h) - loss(0.1 - h)) / (2 * h)
        assert exact.dtype == jnp.float64
        assert abs(exact / measured - 1) < 1e-4


def test_more_viscosity_than_an_explicit_step_bears_is_sub_stepped(smoke_box):
    model = Smoke(smoke_box, dt=2.0, viscosity=100.0)
    state = model.sample(jax.random.key(0))
    rng = np.random.default_rng(0)
    state = state.at[..., 1:3].set(rng.normal(size=(16, 16, 2)) * smoke_box.evolves()[..., 1:3])
    after = jax.jit(model.forward)({"buoyancy": 0.0}, state)
    assert jnp.abs(after[..., 1:3]).max() < jnp.abs(state[..., 1:3]).max()


def test_samples_differ_and_do_not_depend_on_the_grid(plume):
    first, second = (plume.sample(jax.random.key(i)) for i in range(2))
    assert jnp.abs(first - second).max() > 0.1
    fine = Smoke(plume.domain.refine(4))
    averaged = plume.domain.restrict(fine.sample(jax.random.key(0)), 4)
    np.testing.assert_allclose(averaged, first, atol=0.08)


def test_three_dimensions_rise_along_the_second_axis():
    domain = Domain((8, 8, 8), (100.0,) * 3, Boundary.CLOSED, smoke.channels(3))
    model = Smoke(domain, dt=2.0)
    state = model.sample(jax.random.key(0))
    after = jax.jit(model.forward)({}, state)
    upward = (after[..., 2] * state[..., 0]).sum()
    assert upward > 0
    assert upward > 5 * abs((after[..., 1] * state[..., 0]).sum())


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"viscosity": -0.1}, "viscosity = -0.1"),
        ({"dt": 0.0}, "time step must be positive"),
        ({"buoyancy": Parameter(-0.1)}, "buoyancy.true = -0.1"),
    ],
)
def test_an_impossible_coefficient_is_refused(smoke_box, fields, message):
    with pytest.raises(ValueError, match=message):
        Smoke(smoke_box, **fields)


def test_a_periodic_box_is_refused(heat_box):
    with pytest.raises(ValueError, match="closed box"):
        Smoke(heat_box)
