import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.test_util import check_grads
from phi.jax import flow

from hycojax.grid.domain import Boundary, Domain
from hycojax.physics import phi
from hycojax.physics.operators import advect

schemes = pytest.mark.parametrize(
    "scheme", [advect.semi_lagrangian, advect.mac_cormack], ids=lambda s: s.__name__
)
boundaries = pytest.mark.parametrize("boundary", Boundary)


def noise(seed, shape):
    return jnp.asarray(np.random.default_rng(seed).normal(size=shape))


def box(shape, boundary=Boundary.PERIODIC):
    return Domain(shape, tuple((0.5 + 0.25 * i) * n for i, n in enumerate(shape)), boundary)


def uniform(domain, cells):
    """Return a staggered velocity that crosses so many cells in a unit of time."""
    pairs = zip(cells, domain.dx, strict=True)
    return phi.staggered(domain, [jnp.full(domain.shape, c * dx) for c, dx in pairs])


@boundaries
def test_a_staggered_velocity_in_1d_takes_its_value_upstream(boundary):
    """Linear between faces, zero on the walls and behind them. PhiFlow has no such scheme."""
    domain, closed = box((16,), boundary), boundary is Boundary.CLOSED
    speed = 1.5 * noise(0, 16).at[0].multiply(not closed)
    velocity = phi.staggered(domain, [speed])
    (moved,) = phi.face_values(advect.semi_lagrangian(velocity, velocity, 0.8))
    faces = 0.5 * np.arange(17)
    known = np.append(speed, 0.0 if closed else speed[0])
    there = faces[:-1] - 0.8 * speed
    expected = np.interp(there if closed else there % 8.0, faces, known)
    np.testing.assert_allclose(moved, expected, atol=2e-6)


@schemes
@pytest.mark.parametrize("shape", [(8,), (8, 6), (4, 6, 5)], ids=["1D", "2D", "3D"])
def test_whole_cells_are_crossed_without_error(scheme, shape):
    domain, cells = box(shape), (1, -2, 5)[: len(shape)]
    moved = scheme(phi.centered(domain, noise(1, shape)), uniform(domain, cells), 1.0)
    expected = np.roll(noise(1, shape), cells, range(len(shape)))
    np.testing.assert_allclose(phi.cell_values(moved), expected, atol=2e-6)


@pytest.mark.parametrize(
    ("scheme", "expected"), [(advect.semi_lagrangian, 1), (advect.mac_cormack, 2)]
)
def test_order_in_space(scheme, expected, order):
    """A wave crosses the box once, in steps of 0.64 cells."""

    def error(cells):
        domain = Domain((cells,), (1.0,), Boundary.PERIODIC)
        velocity, steps = phi.centered_vector(domain, [jnp.ones(cells)]), round(cells / 0.64)
        wave = jnp.sin(2 * jnp.pi * domain.centers()[0])

        def step(values, _):
            moved = scheme(phi.centered(domain, values), velocity, 1 / steps)
            return phi.cell_values(moved), None

        return jnp.mean(jnp.abs(jax.lax.scan(step, wave, length=steps)[0] - wave))

    cells = [32, 64, 128]
    assert order(cells, [error(n) for n in cells]) == pytest.approx(expected, abs=0.15)


def test_mac_cormack_stays_between_the_neighbours():
    domain, values = box((12, 8)), noise(2, (12, 8))
    velocity = uniform(domain, (1.3, -0.6))
    moved = phi.cell_values(advect.mac_cormack(phi.centered(domain, values), velocity, 1.0))
    around = [np.roll(values, shift, (0, 1)) for shift in itertools.product((1, 2), (-1, 0))]
    assert jnp.all(moved <= np.max(around, axis=0))
    assert jnp.all(moved >= np.min(around, axis=0))
    assert jnp.any(moved == np.max(around, axis=0))  # the limit is what holds it there


@boundaries
def test_mac_cormack_makes_no_staggered_velocity_faster(boundary):
    domain = box((12, 8), boundary)
    velocity = phi.staggered(domain, [noise(i, (12, 8)) for i in (3, 4)])
    moved = advect.mac_cormack(velocity, velocity, 0.4)
    for before, after in zip(phi.components(velocity), phi.components(moved), strict=True):
        assert before.min() <= after.min()
        assert after.max() <= before.max()


@boundaries
@pytest.mark.usefixtures("double")
def test_gradients_of_mac_cormack_equal_finite_differences(boundary):
    """By the values and by the velocity, through the limits, in both modes."""
    domain, rng = box((6, 5), boundary), np.random.default_rng(5)

    def advected(values, cells):
        with phi.precision(values):
            speed = [c * dx for c, dx in zip(cells, domain.dx, strict=True)]
            velocity = phi.centered_vector(domain, speed)
            return phi.cell_values(advect.mac_cormack(phi.centered(domain, values), velocity, 1.0))

    cells = jnp.asarray(rng.uniform(0.2, 0.8, (2, 6, 5)) * rng.choice([-1, 1], (2, 6, 5)))
    check_grads(jax.jit(advected), (noise(5, (6, 5)), cells), order=1, atol=1e-6, rtol=1e-6)


@pytest.mark.parametrize(("integrator", "expected"), [(advect.euler, 1), (advect.midpoint, 2)])
def test_order_in_time_of_the_points_upstream(integrator, expected, order):
    """In a steady rotation, by the angle: what remains of one step is one order higher."""
    domain = box((16, 12), Boundary.CLOSED)
    x, y = (c - s / 2 for c, s in zip(domain.centers(), domain.size, strict=True))
    velocity = phi.centered_vector(domain, [jnp.asarray(-y, "f4"), jnp.asarray(x, "f4")])
    middle = np.hypot(x, y) < 2.5

    def error(angle):
        found = integrator(phi.centered(domain, x), velocity, angle)[0]
        cos, sin = np.cos(angle), np.sin(angle)
        upstream = np.stack([x * cos + y * sin, y * cos - x * sin])
        moved = (np.stack([x, y]) - upstream) / np.reshape(domain.dx, (2, 1, 1))
        return np.abs(found - moved)[:, middle].max()

    parts = [3, 6, 12]
    assert order(parts, [error(1 / n) for n in parts]) == pytest.approx(expected + 1, abs=0.05)


def test_midpoint_is_refused_on_faces():
    domain = box((6, 5))
    faces, center = uniform(domain, (1, 1)), phi.centered_vector(domain, [jnp.ones((6, 5))] * 2)
    for field, velocity in ((center, faces), (faces, center)):
        with pytest.raises(ValueError, match="both be given at cell centres"):
            advect.semi_lagrangian(field, velocity, 1.0, advect.midpoint)


@schemes
def test_a_staggered_field_is_not_carried_by_a_centred_velocity(scheme):
    domain = box((6, 5))
    carrier = phi.centered_vector(domain, [jnp.ones((6, 5))] * 2)
    with pytest.raises(ValueError, match="needs a staggered velocity"):
        scheme(uniform(domain, (1, 1)), carrier, 1.0)


@schemes
def test_an_unknown_boundary_is_refused(scheme):
    domain = box((6, 5), Boundary.CLOSED)
    inflow = phi.centered(domain, jnp.ones((6, 5))).with_boundary(flow.extrapolation.ONE)
    with pytest.raises(ValueError, match="no scheme for the boundary"):
        scheme(inflow, uniform(domain, (1, 1)), 1.0)
