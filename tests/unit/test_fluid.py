import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from phi.jax import flow

from hycojax.grid.domain import Boundary, Domain
from hycojax.physics import phi
from hycojax.physics.operators import fluid

SHAPES = {"2D": (12, 8), "3D": (8, 6, 10)}


def largest_divergence(velocity):
    return jnp.max(jnp.abs(phi.cell_values(fluid.divergence(velocity))))


def box(shape, boundary):
    """Return a box whose cells are 1, 1.5 and 2 m wide."""
    return Domain(shape, tuple(n * (1 + i / 2) for i, n in enumerate(shape)), boundary)


@pytest.fixture(params=SHAPES)
def shape(request):
    return SHAPES[request.param]


@pytest.fixture(params=Boundary, ids=lambda b: b.value)
def domain(request, shape):
    return box(shape, request.param)


def noise(domain, seed):
    """Return random faces `[*shape, dims]`, at rest on the walls."""
    values = np.random.default_rng(seed).normal(size=(*domain.shape, domain.dims))
    if domain.boundary is Boundary.CLOSED:
        for axis in range(domain.dims):
            np.moveaxis(values[..., axis], axis, 0)[0] = 0
    return jnp.asarray(values, "f4")


def velocity(domain, values):
    return phi.staggered(domain, list(jnp.moveaxis(values, -1, 0)))


@functools.partial(jax.jit, static_argnums=0)
def project(domain, values):
    return jnp.stack(phi.face_values(fluid.make_incompressible(velocity(domain, values))[0]), -1)


def test_projection_leaves_no_divergence_and_projects_once(domain):
    once = project(domain, noise(domain, 0))
    assert largest_divergence(velocity(domain, noise(domain, 0))) > 0.5
    assert largest_divergence(velocity(domain, once)) < 1e-5
    np.testing.assert_allclose(project(domain, once), once, atol=2e-6)


def test_projection_is_orthogonal(domain):
    """A projection on the divergence-free fields is self-adjoint: <P a, b> = <a, P b>."""
    a, b = noise(domain, 1), noise(domain, 2)
    left, right = jnp.vdot(project(domain, a), b), jnp.vdot(a, project(domain, b))
    np.testing.assert_allclose(left, right, rtol=1e-5, atol=1e-4)


def test_gradient_is_the_projection_itself(domain):
    """The gradient of |P u|^2 / 2 is P^T P u = P u."""
    values = noise(domain, 3)
    gradient = jax.grad(lambda v: 0.5 * jnp.sum(project(domain, v) ** 2))(values)
    np.testing.assert_allclose(gradient, project(domain, values), atol=2e-6)


def test_what_a_projection_takes_is_a_gradient(domain):
    """Of a potential of which it returns the pressure, with the mean 0."""
    potential = noise(domain, 4)[..., 0]
    potential -= potential.mean()
    with flow.math.NUMPY:  # compiles nothing
        slopes = phi.field.spatial_gradient(
            phi.centered(domain, np.asarray(potential)),
            velocity(domain, noise(domain, 4)).boundary,
            at="face",
        )
    projected, pressure = fluid.make_incompressible(slopes)
    np.testing.assert_allclose(jnp.stack(phi.face_values(projected)), 0, atol=2e-6)
    np.testing.assert_allclose(phi.cell_values(pressure), potential, atol=5e-6)


@pytest.mark.parametrize("boundary", Boundary)
def test_one_dimension_keeps_its_mean_or_rests(boundary):
    """PhiFlow has no such scheme: what flows without divergence in 1D is constant."""
    domain = box((16,), boundary)
    values = noise(domain, 5)
    expected = values.mean() if boundary is Boundary.PERIODIC else 0.0
    np.testing.assert_allclose(project(domain, values), jnp.full((16, 1), expected), atol=2e-6)
    upper = np.append(values[1:, 0], values[0, 0])
    outflow = phi.cell_values(fluid.divergence(velocity(domain, values)))
    np.testing.assert_allclose(outflow, upper - values[:, 0], atol=1e-6)


def test_what_remains_is_the_largest_divergence():
    """Into a cell of 1 m through one face at 1 m/s, then through two."""
    domain = Domain((12, 8), (12.0, 8.0), Boundary.PERIODIC)
    jet = jnp.zeros((12, 8, 2)).at[5, 3, 0].set(1.0)
    np.testing.assert_allclose(largest_divergence(velocity(domain, jet)), 1.0)
    faster = jet.at[5, 4, 1].set(-1.0)
    np.testing.assert_allclose(largest_divergence(velocity(domain, faster)), 2.0)


def test_a_velocity_at_cell_centres_is_refused():
    domain = box((8, 6), Boundary.CLOSED)
    centred = phi.centered_vector(domain, [jnp.ones((8, 6))] * 2)
    with pytest.raises(ValueError, match="must be staggered"):
        fluid.make_incompressible(centred)


def test_walls_that_move_are_refused():
    domain = box((8, 6), Boundary.CLOSED)
    moving = velocity(domain, noise(domain, 11)).with_boundary(flow.extrapolation.ONE)
    with pytest.raises(ValueError, match="periodic or have walls at rest"):
        fluid.make_incompressible(moving)
