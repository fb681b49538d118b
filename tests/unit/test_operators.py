"""Our operators against PhiFlow's own of the same name, on random smooth fields.

PhiFlow computes with NumPy here: it gives the numbers of its JAX backend and compiles nothing.
"""

import jax.numpy as jnp
import numpy as np
import pytest
from phi.jax import flow
from phiml import math
from scipy.ndimage import gaussian_filter

from hycojax.grid.domain import Boundary, Domain
from hycojax.kernels.interpolation import REACH
from hycojax.physics import phi
from hycojax.physics.operators import advect, diffuse, fluid

SHAPES = {1: (16,), 2: (12, 8), 3: (8, 6, 10)}
BOXES = [(dims, boundary) for dims in SHAPES for boundary in Boundary]
#: Largest displacement, in units of REACH: within it, and beyond it (several cells).
WITHIN, BEYOND = 0.9, 2.5


def name(value):
    return f"{value}D" if isinstance(value, int) else getattr(value, "value", None)


in_every_box = pytest.mark.parametrize(("dims", "boundary"), BOXES, ids=name)
in_higher_dimensions = pytest.mark.parametrize(("dims", "boundary"), BOXES[2:], ids=name)
near_and_far = pytest.mark.parametrize("reach", [WITHIN, BEYOND])


def box(dims, boundary):
    """Return a box whose cells are 1, 1.5 and 2 m wide."""
    widths = (n * (1 + axis / 2) for axis, n in enumerate(SHAPES[dims]))
    return Domain(SHAPES[dims], tuple(widths), boundary)


def smooth(seed, shape):
    """Return a smooth array with largest magnitude 1, which knows of no boundary."""
    values = gaussian_filter(np.random.default_rng(seed).normal(size=shape), 1.0)
    return jnp.asarray(values / np.abs(values).max(), "f4")


def parts(domain, seed, reach):
    """Return one array a component: up to `reach` of interpolation's REACH, in cells."""
    longest = reach * REACH[domain.dims]
    return [longest * dx * smooth((seed, i), domain.shape) for i, dx in enumerate(domain.dx)]


def scalar(domain):
    return phi.centered(domain, smooth(1, domain.shape))


def vector(domain, reach=1.0):
    return phi.centered_vector(domain, parts(domain, 2, reach))


def staggered(domain, reach=1.0):
    return phi.staggered(domain, parts(domain, 3, reach))


def on_numpy(field):
    return field.with_values(math.convert(field.values, math.NUMPY))


def theirs(function, *args):
    """Return what a function of PhiFlow makes of fields: call it first.

    Fields keep what they compute, and what JAX has computed NumPy does not go on with.
    """
    with math.NUMPY:
        return function(*[on_numpy(a) if isinstance(a, phi.Field) else a for a in args])


def assert_close(ours, expected, tolerance=1e-5):
    """Arrays are equal: their difference is small against the largest value."""
    np.testing.assert_allclose(ours, expected, rtol=0, atol=tolerance * np.abs(expected).max())


def assert_equal(ours, expected):
    for a, b in zip(phi.components(ours), phi.components(expected), strict=True):
        assert_close(a, b)


@pytest.mark.parametrize("scheme", ["semi_lagrangian", "mac_cormack"])
@pytest.mark.parametrize("carrier", [vector, staggered])
@near_and_far
@in_every_box
def test_advection_of_a_scalar(scheme, carrier, reach, dims, boundary):
    density, velocity = scalar(box(dims, boundary)), carrier(box(dims, boundary), reach)
    expected = theirs(getattr(flow.advect, scheme), density, velocity, 1.0)
    assert_equal(getattr(advect, scheme)(density, velocity, 1.0), expected)


@pytest.mark.parametrize("scheme", ["semi_lagrangian", "mac_cormack"])
@near_and_far
@in_every_box
def test_advection_of_a_centred_velocity_by_itself(scheme, reach, dims, boundary):
    velocity = vector(box(dims, boundary), reach)
    expected = theirs(getattr(flow.advect, scheme), velocity, velocity, 1.0)
    assert_equal(getattr(advect, scheme)(velocity, velocity, 1.0), expected)


@near_and_far
@in_higher_dimensions
def test_semi_lagrangian_advection_of_a_staggered_velocity_by_itself(reach, dims, boundary):
    velocity = staggered(box(dims, boundary), reach)
    expected = theirs(flow.advect.semi_lagrangian, velocity, velocity, 1.0)
    assert_equal(advect.semi_lagrangian(velocity, velocity, 1.0), expected)


def at_faces(velocity):
    """Return the whole velocity on the faces of each component: `[faces][component]`."""
    names = velocity.resolution.names
    if len(names) == 1:  # PhiFlow samples no staggered field in 1D, nor is there more to know
        return [phi.components(velocity)]
    values = flow.field.sample(velocity, velocity.geometry, at="face", boundary=velocity.boundary)
    return [[values[{"~vector": a, "vector": b}].native(names) for b in names] for a in names]


@near_and_far
@in_every_box
def test_mac_cormack_advection_of_a_staggered_velocity_by_itself(reach, dims, boundary):
    """PhiFlow's own limits the values by wrong cells; its centred scheme does not.

    The values on the faces of one axis are those at the centres of cells around them.
    """
    velocity = staggered(box(dims, boundary), reach)
    everywhere = theirs(at_faces, velocity)
    ours = phi.components(advect.mac_cormack(velocity, velocity, 1.0))
    for found, values, around in zip(ours, phi.components(velocity), everywhere, strict=True):
        size = tuple(n * dx for n, dx in zip(values.shape, phi.spacing(velocity), strict=True))
        cells = Domain(values.shape, size, boundary)
        component = phi.centered(cells, values).with_boundary(velocity.boundary)
        carrier = phi.centered_vector(cells, around).with_boundary(velocity.boundary)
        expected = theirs(flow.advect.mac_cormack, component, carrier, 1.0)
        assert_close(found, phi.cell_values(expected))


@pytest.mark.parametrize("kind", [scalar, vector, staggered])
@in_every_box
def test_explicit_diffusion(kind, dims, boundary):
    field = kind(box(dims, boundary))
    expected = theirs(flow.diffuse.explicit, field, 0.3, 0.4, 3)
    assert_equal(diffuse.explicit(field, 0.3, 0.4, 3), expected)


@pytest.mark.parametrize("dims", SHAPES, ids=name)
def test_spectral_diffusion_in_cells_of_width_one(dims):
    """PhiFlow's own takes every cell to be 1 wide."""
    shape = SHAPES[dims]
    field = vector(Domain(shape, tuple(map(float, shape)), Boundary.PERIODIC))
    expected = theirs(flow.diffuse.fourier, field, 0.3, 0.4)
    assert_equal(diffuse.fourier(field, 0.3, 0.4), expected)


@in_higher_dimensions
def test_divergence(dims, boundary):
    velocity = staggered(box(dims, boundary))
    expected = theirs(flow.field.divergence, velocity)
    assert_equal(fluid.divergence(velocity), expected)


@in_higher_dimensions
def test_projection(dims, boundary):
    velocity = staggered(box(dims, boundary))
    solve = flow.Solve("CG", 1e-7, 1e-7, rank_deficiency=0)
    with math.precision(64):
        expected, pressure = theirs(flow.fluid.make_incompressible, velocity, (), solve)
    projected, ours = fluid.make_incompressible(velocity)
    assert_equal(projected, expected)
    assert_equal(ours, pressure - flow.field.mean(pressure))
