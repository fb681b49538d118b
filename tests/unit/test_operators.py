import jax
import jax.numpy as jnp
import numpy as np
import pytest
from phi.jax import flow  # PhiFlow's own operators are what ours are measured against

from hycojax import phi
from hycojax.domain import Boundary, Domain
from hycojax.physics import smoke
from hycojax.physics.operators import make_incompressible


def faces(domain, seed):
    rng = np.random.default_rng(seed)
    shape = (*domain.shape, domain.dims)
    values = rng.normal(size=shape) * domain.evolves()[..., 1 : 1 + domain.dims]
    return jnp.asarray(values, jnp.float32)


@pytest.fixture(params=[(16, 12), (8, 6, 10)], ids=["2D", "3D"])
def domain(request):
    size = (*(1.5 * n for n in request.param[:-1]), 2.0 * request.param[-1])
    return Domain(request.param, size, Boundary.CLOSED, smoke.channels(len(request.param)))


def project(domain, values):
    velocity = phi.staggered(domain, [values[..., i] for i in range(domain.dims)])
    return jnp.stack(phi.face_values(make_incompressible(velocity)[0]), axis=-1)


def divergence(domain, values):
    velocity = phi.staggered(domain, [values[..., i] for i in range(domain.dims)])
    return phi.cell_values(phi.field.divergence(velocity))


def test_projection_equals_phiflow(domain):
    values = faces(domain, 0)
    ours = jax.jit(lambda v: project(domain, v))(values)
    velocity = phi.staggered(domain, [values[..., i] for i in range(domain.dims)])
    solve = flow.Solve("CG", 1e-7, 1e-7, rank_deficiency=0)
    theirs, _ = flow.fluid.make_incompressible(velocity, (), solve)
    np.testing.assert_allclose(ours, jnp.stack(phi.face_values(theirs), -1), atol=2e-5)


def test_projection_leaves_no_divergence_and_projects_once(domain):
    values = faces(domain, 1)
    once = project(domain, values)
    assert jnp.abs(divergence(domain, values)).max() > 0.5
    assert jnp.abs(divergence(domain, once)).max() < 1e-5
    np.testing.assert_allclose(project(domain, once), once, atol=1e-5)


def test_projection_is_orthogonal(domain):
    """A projection on the divergence-free fields is self-adjoint: <P a, b> = <a, P b>."""
    a, b = faces(domain, 2), faces(domain, 3)
    left, right = jnp.vdot(project(domain, a), b), jnp.vdot(a, project(domain, b))
    np.testing.assert_allclose(left, right, rtol=1e-4)


def test_gradient_is_the_projection_itself(domain):
    """The gradient of |P u|^2 / 2 is P^T P u = P u."""
    values = faces(domain, 4)
    gradient = jax.grad(lambda v: 0.5 * jnp.sum(project(domain, v) ** 2))(values)
    np.testing.assert_allclose(gradient, project(domain, values), atol=2e-5)


def test_an_open_box_is_refused():
    domain = Domain((8, 8), (1.0, 1.0), Boundary.PERIODIC, smoke.channels(2))
    velocity = phi.staggered(domain, [jnp.ones((8, 8))] * 2)
    with pytest.raises(ValueError, match="only closed boxes"):
        make_incompressible(velocity)
