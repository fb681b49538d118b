import subprocess
import sys

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from phi.jax import flow

from hycojax.grid.domain import Boundary, Domain
from hycojax.physics import phi


@pytest.mark.parametrize("enabled", [False, True])
def test_import_leaves_double_precision_as_it_was(enabled):
    code = f"import jax; jax.config.update('jax_enable_x64', {enabled}); "
    code += "import hycojax.physics.phi; print(jax.config.jax_enable_x64)"
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert result.stdout.strip() == str(enabled)


boundaries = pytest.mark.parametrize("boundary", Boundary)


@pytest.fixture(params=[(8,), (6, 4), (6, 4, 5)], ids=["1D", "2D", "3D"])
def shape(request):
    return request.param


def box(shape, boundary=Boundary.CLOSED):
    """Return a box with cells of another width along each axis."""
    return Domain(shape, tuple((0.5 + 0.25 * i) * n for i, n in enumerate(shape)), boundary)


def noise(shape, count):
    return list(jnp.asarray(np.random.default_rng(0).normal(size=(count, *shape)), "f4"))


def assert_same(arrays, expected):
    for array, other in zip(arrays, expected, strict=True):
        np.testing.assert_array_equal(array, other)


@boundaries
def test_cell_values_survive_the_border(shape, boundary):
    values, *parts = noise(shape, 1 + len(shape))
    assert_same([phi.cell_values(phi.centered(box(shape, boundary), values))], [values])
    assert_same(phi.components(phi.centered_vector(box(shape, boundary), parts)), parts)


@boundaries
def test_faces_survive_the_border(shape, boundary):
    """The walls of a closed box hold no value of their own: they store zero."""
    faces = noise(shape, len(shape))
    returned = phi.face_values(phi.staggered(box(shape, boundary), faces))
    if boundary is Boundary.CLOSED:
        faces = [face.at[(slice(None),) * i + (0,)].set(0) for i, face in enumerate(faces)]
    assert_same(returned, faces)


@boundaries
def test_values_lie_where_phiflow_has_them(shape, boundary):
    """Fields that PhiFlow samples itself, from x |x|^2: it is zero on the lower walls."""
    domain = box(shape, boundary)
    outside = phi.PERIODIC if boundary is Boundary.PERIODIC else phi.WALL
    bounds = flow.Box(**dict(zip("xyz", domain.size, strict=False)))
    cells = dict(zip("xyz", shape, strict=False))

    def function(x):
        return x * flow.math.squared_norm(x)

    with flow.math.NUMPY:  # compiles nothing
        centred = flow.CenteredGrid(function, outside, bounds, **cells)
        staggered = flow.StaggeredGrid(function, outside, bounds, **cells)
    for axis, (center, face) in enumerate(
        zip(phi.components(centred), phi.face_values(staggered), strict=True)
    ):
        x = list(domain.centers())
        np.testing.assert_allclose(center, x[axis] * sum(c**2 for c in x), rtol=1e-5)
        x[axis] -= domain.dx[axis] / 2
        np.testing.assert_allclose(face, x[axis] * sum(c**2 for c in x), rtol=1e-5)


@boundaries
def test_other_values_keep_points_and_boundary(shape, boundary):
    domain, (values, *parts) = box(shape, boundary), noise(shape, 1 + len(shape))
    for field in (
        phi.centered(domain, values),
        phi.centered_vector(domain, parts),
        phi.staggered(domain, parts),
    ):
        doubled = phi.with_components(field, [2 * v for v in phi.components(field)])
        assert_same(phi.components(doubled), [2 * v for v in phi.components(field)])
        assert doubled.geometry == field.geometry
        assert doubled.boundary == field.boundary
        assert doubled.is_staggered == field.is_staggered
        np.testing.assert_allclose(phi.spacing(doubled), domain.dx, rtol=1e-6)


@boundaries
@pytest.mark.parametrize("kind", [phi.centered_vector, phi.staggered])
def test_a_scalar_like_a_vector_lies_on_its_cells(shape, boundary, kind):
    domain, (values, *parts) = box(shape, boundary), noise(shape, 1 + len(shape))
    field, expected = phi.scalar_like(kind(domain, parts), values), phi.centered(domain, values)
    assert_same(phi.components(field), [values])
    assert field.geometry == expected.geometry
    assert field.boundary == expected.boundary


def test_a_field_of_several_simulations_is_refused():
    values = flow.math.random_normal(flow.batch(simulations=2), flow.spatial(x=6, y=4))
    field = flow.CenteredGrid(values, phi.NO_FLUX, x=6, y=4)
    with pytest.raises(ValueError, match="one scalar or vector on a grid"):
        phi.components(field)


def test_fields_work_under_every_transformation_without_leaks():
    domain, batch = box((6, 4)), jnp.stack(noise((6, 4), 3))

    def loss(amount):
        @jax.checkpoint
        def step(values, _):
            field = phi.centered(domain, values)
            return phi.cell_values(field + amount * phi.field.laplace(field)), None

        ends = jax.vmap(lambda values: jax.lax.scan(step, values, length=2)[0])(batch)
        return jnp.sum(ends**2)

    with jax.checking_leaks():
        slope = jax.jit(jax.grad(loss))(0.02)
    np.testing.assert_allclose(slope, (loss(0.021) - loss(0.019)) / 0.002, rtol=1e-3)


@pytest.mark.parametrize("precision", ["float32", "float64"])
@pytest.mark.usefixtures("double")
def test_fields_keep_the_precision_of_their_values(precision):
    values = jnp.ones((6, 4), precision)
    with phi.precision(values):
        field = phi.centered(box((6, 4)), values)
        assert phi.cell_values(field + 0.1 * phi.field.laplace(field)).dtype == precision
