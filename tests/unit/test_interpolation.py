import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.test_util import check_grads
from scipy.ndimage import map_coordinates

from hycojax.kernels import interpolation
from hycojax.kernels.interpolation import REACH, interpolate

SHAPES = {1: (9,), 2: (8, 6), 3: (4, 5, 6)}
dimensions = pytest.mark.parametrize("dims", SHAPES, ids=lambda n: f"{n}D")
boundaries = pytest.mark.parametrize("periodic", [True, False], ids=["periodic", "closed"])
#: Cells beyond REACH: all points stay within it, or some go further.
distances = pytest.mark.parametrize("further", [0, 3], ids=["near", "far"])


def noise(seed, shape):
    return jnp.asarray(np.random.default_rng(seed).normal(size=shape))


def displacement(seed, dims, further, batch=()):
    """Return displacements that keep 0.2 cells away from every grid point."""
    rng = np.random.default_rng(seed)
    cells = REACH[dims] + further
    shape = (*batch, dims, *SHAPES[dims])
    return jnp.asarray(rng.integers(-cells, cells, shape) + rng.uniform(0.2, 0.8, shape))


def reference(values, displacement, periodic):
    points = np.indices(values.shape) - np.asarray(displacement, float)
    mode = "grid-wrap" if periodic else "nearest"
    return map_coordinates(np.asarray(values, float), points, order=1, mode=mode)


@distances
@boundaries
@dimensions
def test_values_equal_those_of_scipy(dims, periodic, further):
    values, moved = noise(0, SHAPES[dims]), displacement(1, dims, further)
    found = interpolate(values, moved, periodic=periodic)
    np.testing.assert_allclose(found, reference(values, moved, periodic), atol=3e-6)


@boundaries
@dimensions
def test_points_many_boxes_away(dims, periodic):
    values = noise(2, SHAPES[dims])
    moved = 50 * noise(3, (dims, *SHAPES[dims]))
    found = interpolate(values, moved, periodic=periodic)
    np.testing.assert_allclose(found, reference(values, moved, periodic), atol=1e-4)


@pytest.mark.parametrize("cells", [0, 1, 2, 5])
@dimensions
def test_whole_cells_move_values_unchanged(dims, cells):
    values = noise(4, SHAPES[dims])
    found = interpolate(values, jnp.full((dims, *SHAPES[dims]), float(cells)), periodic=True)
    np.testing.assert_array_equal(found, np.roll(values, (cells,) * dims, range(dims)))


@pytest.mark.parametrize(("dims", "order"), [(1, 1), (2, 2), (3, 1)], ids=["1D", "2D", "3D"])
@distances
@boundaries
@pytest.mark.usefixtures("double")
def test_gradients_equal_finite_differences(dims, order, periodic, further):
    """In forward and reverse mode, by the values and by the displacement, and their gradients."""
    arguments = noise(5, SHAPES[dims]), displacement(6, dims, further)
    check_grads(lambda v, d: interpolate(v, d, periodic=periodic) ** 2, arguments, order, rtol=1e-5)


@distances
@boundaries
def test_transpose_is_the_adjoint(periodic, further):
    """<A f, g> = <f, A^T g>, and the transpose of the transpose is A."""
    f, g, moved = noise(7, SHAPES[2]), noise(8, SHAPES[2]), displacement(9, 2, further)

    def gather(values):
        return interpolate(values, moved, periodic=periodic)

    def spread(values):
        return jax.linear_transpose(gather, values)(values)[0]

    np.testing.assert_allclose(jnp.vdot(gather(f), g), jnp.vdot(f, spread(g)), rtol=1e-5)
    again = jax.linear_transpose(spread, f)(f)[0]
    np.testing.assert_allclose(again, gather(f), atol=1e-6)


@pytest.mark.parametrize("slopes", list(itertools.product((False, True), repeat=2)), ids=str)
@pytest.mark.parametrize(
    ("near", "far"),
    [
        (interpolation._pull, interpolation._gather),
        (interpolation._push, interpolation._scatter),
    ],
    ids=["interpolate", "spread"],
)
@boundaries
def test_both_ways_to_compute_give_the_same(near, far, slopes, periodic):
    """Slopes too, also where points lie on the grid."""
    moved = jnp.where(noise(10, (2, *SHAPES[2])) > 0, 1.0, displacement(11, 2, 0))
    if not periodic:  # the slopes on walls are never used
        point = np.indices(SHAPES[2])
        inside = np.reshape(SHAPES[2], (2, 1, 1)) - 1.01
        moved = point - jnp.clip(point - moved, 0.01, inside)
    values = noise(12, SHAPES[2])
    options = {"slopes": slopes, "periodic": periodic}
    np.testing.assert_allclose(
        near(values, moved, **options), far(values, moved, **options), atol=3e-6
    )


@distances
@pytest.mark.parametrize("dims", [1, 2], ids=["1D", "2D"])
def test_a_point_on_a_wall_has_no_slope(dims, further):
    """A fluid at rest, but for one row, in a closed box where the values are far from 0."""
    values = 100 + noise(13, SHAPES[dims])
    rest = jnp.zeros((dims, *SHAPES[dims])).at[0, 1].set(-REACH[dims] - further)
    slope = jax.grad(lambda moved: interpolate(values, moved, periodic=False).sum())(rest)
    for axis in range(dims):
        np.testing.assert_array_equal(np.take(slope[axis], [0, -1], axis), 0)
    assert jnp.abs(slope).max() < 10


def one(values, moved):
    return interpolate(values, moved, periodic=True)


@distances
@pytest.mark.parametrize("axes", [(0, 0), (0, None), (None, 0), (1, 2)], ids=str)
def test_batches_equal_one_at_a_time(axes, further):
    """Both batched, or one of them, along any axis."""
    arrays = noise(14, (3, *SHAPES[2])), displacement(15, 2, further, (3,))
    arrays = [x[0] if a is None else x for x, a in zip(arrays, axes, strict=True)]

    def nth(i):
        return one(*(x if a is None else x[i] for x, a in zip(arrays, axes, strict=True)))

    given = [x if a is None else jnp.moveaxis(x, 0, a) for x, a in zip(arrays, axes, strict=True)]
    found = jax.vmap(one, axes)(*given)
    np.testing.assert_allclose(found, jnp.stack([nth(i) for i in range(3)]), atol=1e-6)


@distances
def test_batches_of_batches(further):
    """Every value array with every displacement, in a batch of neither."""
    values, moved = noise(14, (3, *SHAPES[2])), displacement(15, 2, further, (2,))
    pairs = jax.vmap(jax.vmap(one, (None, 0)), (0, None))
    expected = jnp.stack([jnp.stack([one(v, d) for d in moved]) for v in values])
    found = jax.vmap(lambda _: pairs(values, moved))(jnp.arange(2))
    np.testing.assert_allclose(found, jnp.stack([expected, expected]), atol=1e-6)


@distances
@pytest.mark.usefixtures("double")
def test_every_transformation_at_once_leaks_nothing(further):
    moved, batch = displacement(16, 2, further), noise(17, (3, *SHAPES[2]))

    def loss(scale):
        @jax.checkpoint
        def step(values, _):
            return interpolate(values, scale * moved, periodic=False), None

        ends = jax.vmap(lambda values: jax.lax.scan(step, values, length=2)[0])(batch)
        return jnp.sum(ends**2)

    with jax.checking_leaks():
        slope = jax.jit(jax.grad(loss))(0.98)
    difference = (loss(0.98 + 1e-5) - loss(0.98 - 1e-5)) / 2e-5
    np.testing.assert_allclose(slope, difference, rtol=1e-6)
