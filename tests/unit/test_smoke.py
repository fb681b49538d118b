import jax
import jax.numpy as jnp
import numpy as np
import pytest
from phi.jax import flow

from hycojax.grid.domain import Boundary, Domain
from hycojax.grid.transfers import restricted
from hycojax.models.coefficients import Unknown
from hycojax.models.model import rollout
from hycojax.physics import Smoke, phi
from hycojax.physics.operators.fluid import divergence

#: Coefficients of the plume that are known.
INFLOW, VISCOSITY = 0.1, 1.0


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
    made = plume.interval * INFLOW * state[..., 3]
    np.testing.assert_allclose(after[..., 0], state[..., 0] + made, atol=1e-5)
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


#: Without optimisation PhiFlow's conjugate gradients miss their tolerance in single precision.
OPTIMISED = {"xla_backend_optimization_level": 1}


def phiflow_step(plume, state, diffusion=lambda velocity: velocity):
    """A step by PhiFlow's own functions and its conjugate gradients."""
    domain, dt = plume.domain, plume.interval
    density = phi.centered(domain, state[..., 0])
    velocity = phi.staggered(domain, [state[..., 1], state[..., 2]])
    density = flow.advect.mac_cormack(density, velocity, dt)
    density += dt * INFLOW * phi.centered(domain, state[..., 3])
    force = flow.resample(density * (0, 0.1), to=velocity)
    velocity = flow.advect.semi_lagrangian(velocity, velocity, dt) + dt * force
    solve = flow.Solve("CG", 1e-7, 1e-7, rank_deficiency=0)
    velocity, _ = flow.fluid.make_incompressible(diffusion(velocity), (), solve)
    return jnp.stack([phi.cell_values(density), *phi.face_values(velocity), state[..., 3]], -1)


def test_a_step_is_that_of_phiflow_to_its_order(plume, step):
    """PhiFlow's step is of first order and damps; both are right to a tenth of the motion."""
    state = developed(plume, step)

    def diffusion(velocity):
        return flow.diffuse.explicit(velocity, VISCOSITY, plume.interval)

    program = jax.jit(lambda s: phiflow_step(plume, s, diffusion), compiler_options=OPTIMISED)
    theirs, ours = program(state), step(0.1, state)
    for channels, share in ((slice(0, 1), 0.05), (slice(1, 3), 0.1)):
        apart = jnp.linalg.norm((ours - theirs)[..., channels])
        assert apart < share * jnp.linalg.norm(theirs[..., channels])


def test_smoke_is_made_at_the_source_alone():
    """To rounding: fluxes between cells cancel."""
    model = Smoke().on(Domain((32, 32), (100.0, 100.0), Boundary.CLOSED), 1.5)
    state = model.sample(jax.random.key(0))
    path = jax.jit(lambda s: rollout(model, {}, s, 20))(state)
    mass = np.asarray(path[..., 0], np.float64).sum(axis=(1, 2))
    made = np.asarray(state[..., 3], np.float64).sum() * 1.5 * INFLOW * np.arange(21)
    np.testing.assert_allclose(mass, mass[0] + made, rtol=2e-6)


def test_samples_differ_and_do_not_depend_on_the_grid(plume):
    first, second = (plume.sample(jax.random.key(i)) for i in range(2))
    assert jnp.abs(first - second).max() > 0.1
    fine = Smoke().on(plume.domain.refine(4), 1.0)
    averaged = restricted(plume.domain, fine.sample(jax.random.key(0)), 4)
    np.testing.assert_allclose(averaged, first, atol=0.08)


def test_three_dimensions_rise_along_the_second_axis():
    model = Smoke().on(Domain((8, 8, 8), (100.0,) * 3, Boundary.CLOSED), 2.0)
    state = model.sample(jax.random.key(0))
    after = jax.jit(model.forward)({}, state)
    upward = (after[..., 2] * state[..., 0]).sum()
    assert upward > 0
    assert upward > 5 * abs((after[..., 1] * state[..., 0]).sum())
    made = model.interval * INFLOW * state[..., 4].sum()
    np.testing.assert_allclose(after[..., 0].sum(), state[..., 0].sum() + made, rtol=1e-6)
    velocity = phi.staggered(model.domain, [after[..., 1 + axis] for axis in range(3)])
    assert jnp.abs(phi.cell_values(divergence(velocity))).max() < 1e-6


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"viscosity": -0.1}, r"viscosity = -0\.1 is out of bounds"),
        ({"inflow": Unknown(start=0.0)}, r"inflow\.start = 0 is out of bounds"),
        ({"buoyancy": -0.1}, r"buoyancy = -0\.1 is out of bounds"),
    ],
)
def test_an_impossible_coefficient_is_refused(fields, message):
    with pytest.raises(ValueError, match=message):
        Smoke(**fields)


def test_known_coefficients_may_be_zero():
    model = Smoke(buoyancy=0.0, viscosity=0.0, inflow=0.0)
    assert model.buoyancy == model.viscosity == model.inflow == 0


def test_a_periodic_box_is_refused(heat_box):
    with pytest.raises(ValueError, match="closed box"):
        Smoke().on(heat_box, 1.0)
