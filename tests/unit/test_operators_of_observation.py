"""What instruments read of a state, against functions whose values, means and integrals are known.

Rows are applied by NumPy here; `read` is then compared with polynomials in time.
"""

import itertools
from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.test_util import check_grads
from scipy.interpolate import lagrange

from hycojax.data import operators
from hycojax.data.instruments import Blur, Line, Mean, Order, Value
from hycojax.data.lines import centres
from hycojax.data.observations import Rows
from hycojax.grid.domain import CLOSED, PERIODIC, Channel, Domain, vector_channels, with_channels

SIZE = (2.0, 1.0, 3.0)
SHAPES = {1: (16,), 2: (16, 12), 3: (8, 6, 10)}
#: Numbers of waves along each axis.
WAVES = (2, 1, 1)
in_1_to_3_dimensions = pytest.mark.parametrize("dims", SHAPES)


SCALAR = (Channel("u"),)


read = jax.jit(operators.read)


def box(dims, boundary, channels=SCALAR, factor=1):
    shape = tuple(n * factor for n in SHAPES[dims])
    return with_channels(Domain(shape, SIZE[:dims], boundary), tuple(channels))


def somewhere(grid, count=200):
    """Return random places, and the corners of the box."""
    inside = np.random.default_rng(0).uniform(0, grid.size, (count, grid.dims))
    corners = list(itertools.product(*[(0.0, s) for s in grid.size]))
    return np.concatenate([inside, corners])


def state_of(grid, function):
    """Return the state whose channels are a function at their own points: `function(places, c)`."""
    values = [function(centres(grid, c), c) for c in range(len(grid.channels))]
    return np.stack(values, -1).reshape(*grid.shape, len(grid.channels))


def seen(grid, state, places, instrument=None, channel=0):
    """Return what an instrument reads of a state."""
    cells, weights = operators.rows(grid, channel, places, instrument)
    fine = operators.refine(state, operators.refinement(instrument, grid), grid.dims)
    return np.sum(fine.reshape(-1)[cells] * weights, -1)


def polynomial(degree):
    """Return a product of polynomials of this degree along the axes."""
    rng = np.random.default_rng(degree)
    numbers = rng.normal(size=(3, degree + 1))

    def value(places, channel=0):
        along = [np.polyval(c, x) for c, x in zip(numbers, places.T, strict=False)]
        return np.prod(along, axis=0)

    return value


def wave(places, channel=0):
    """Return a product of waves that fit into the periodic box."""
    phases = [2 * np.pi * k * x / s for k, x, s in zip(WAVES, places.T, SIZE, strict=False)]
    return np.prod([np.sin(p + 0.3 * i + 0.5) for i, p in enumerate(phases)], axis=0)


# Values.


@in_1_to_3_dimensions
@pytest.mark.parametrize(("order", "degree"), [(Order.CUBIC, 2), (Order.LINEAR, 1)])
def test_polynomials_are_read_exactly_in_a_closed_box_up_to_its_walls(dims, order, degree):
    grid, function = box(dims, CLOSED), polynomial(degree)
    places, state = somewhere(grid), state_of(grid, function)
    expected, size = function(places), np.abs(state).max()
    found = seen(grid, state, places, Value(order=order))
    np.testing.assert_allclose(found, expected, atol=1e-5 * size)
    if order is Order.CUBIC:  # without a choice it is this one
        np.testing.assert_array_equal(found, seen(grid, state, places))
    higher = polynomial(degree + 1)
    off = seen(grid, state_of(grid, higher), places, Value(order=order)) - higher(places)
    assert np.abs(off).max() > 1e-4


@pytest.mark.parametrize(
    ("way", "boundary", "expected", "error"),
    [
        (Order.LINEAR, CLOSED, 2, 0.25),
        (Order.CUBIC, CLOSED, 3, 0.15),
        (Order.LINEAR, PERIODIC, 2, 0.1),
        (Order.CUBIC, PERIODIC, 3, 0.03),
        (Order.SPECTRAL, PERIODIC, 3, 5e-4),
    ],
)
def test_waves_are_read_with_the_order_of_the_interpolation(way, boundary, expected, error, order):
    """On grids with 1, 2 and 4 times as many cells; on the first to the stated error."""
    errors = []
    for factor in (1, 2, 4):
        grid = box(2, boundary, factor=factor)
        places = somewhere(grid)
        off = seen(grid, state_of(grid, wave), places, Value(order=way)) - wave(places)
        errors.append(np.abs(off).max())
    assert errors[0] < error
    assert order((1, 2, 4), errors) > expected - 0.25


@in_1_to_3_dimensions
def test_a_periodic_frame_is_refined_exactly(dims):
    """All waves that the grid holds below its shortest one; the values of the grid stay."""
    grid = box(dims, PERIODIC)
    state, fine = state_of(grid, wave), box(dims, PERIODIC, factor=4)
    found = operators.refine(state, 4, dims)
    every = (slice(None, None, 4),) * dims
    np.testing.assert_allclose(found[every], state, atol=1e-12)
    shift = np.array(grid.dx) / 2 - np.array(fine.dx) / 2  # entry j f lies at centre j
    expected = wave(centres(fine, 0) + shift).reshape(*fine.shape, 1)
    np.testing.assert_allclose(found, expected, atol=1e-12)


@pytest.mark.parametrize("order", [None, Order.CUBIC, Order.LINEAR])
def test_a_periodic_box_has_no_edge(order):
    """A state that is rolled is read at rolled places as before, across all sides."""
    grid = box(2, PERIODIC)
    state = np.random.default_rng(1).normal(size=(*grid.shape, 1))
    places = somewhere(grid)
    expected = seen(grid, state, places, Value(order=order))
    rolled = np.roll(state, (5, 9), (0, 1))
    moved = (places + np.array([5, 9]) * grid.dx) % grid.size
    found = seen(grid, rolled, moved, Value(order=order))
    np.testing.assert_allclose(found, expected, atol=1e-5)


@pytest.mark.parametrize("boundary", [PERIODIC, CLOSED])
@pytest.mark.parametrize("order", [Order.CUBIC, Order.LINEAR])
def test_in_its_own_points_a_state_is_read_as_it_is(boundary, order):
    grid = box(2, boundary, vector_channels("v", "m/s", 2, staggered=True))
    state = np.random.default_rng(1).normal(size=(*grid.shape, 2))
    for channel in (0, 1):
        found = seen(grid, state, centres(grid, channel), Value(order=order), channel)
        np.testing.assert_allclose(found, state[..., channel].ravel(), atol=1e-6)


def test_a_closed_box_is_not_refined_by_fourier():
    with pytest.raises(ValueError, match="order = spectral: the box is closed"):
        operators.rows(box(1, CLOSED), 0, np.ones((1, 1)), Value(order=Order.SPECTRAL))


# Vectors on faces.


def stream(places, channel):
    """Return components that vanish in the walls that they point to: x (2 - x) (1 + y)."""
    inward = places[:, channel] * (SIZE[channel] - places[:, channel])
    return inward * (1 + places[:, 1 - channel])


@pytest.mark.parametrize("channel", [0, 1])
def test_faces_are_read_at_centres_up_to_the_walls(channel):
    """The upper wall's face is not stored: it holds 0."""
    grid = box(2, CLOSED, vector_channels("v", "m/s", 2, staggered=True))
    scalar = box(2, CLOSED)
    places = np.concatenate([centres(scalar, 0), somewhere(grid)])
    state = state_of(grid, stream)
    found = seen(grid, state, places, channel=channel)
    np.testing.assert_allclose(found, stream(places, channel), atol=1e-5)


def test_periodic_faces_are_read_at_centres():
    """Not as if they lay there: that would be half a cell off."""
    grid = box(2, PERIODIC, vector_channels("v", "m/s", 2, staggered=True))
    places, state = centres(box(2, PERIODIC), 0), state_of(grid, wave)
    for channel in (0, 1):
        found = seen(grid, state, places, channel=channel)
        np.testing.assert_allclose(found, wave(places), atol=5e-4)
        assert np.abs(state[..., channel].ravel() - wave(places)).max() > 0.1


# Means, blurs, integrals.


def damped(places, factors):
    """Return the wave with each axis' factor, which a mean with symmetric weights has."""
    return wave(places) * np.prod(factors)


@in_1_to_3_dimensions
@pytest.mark.parametrize("widths", [(0.3,), (0.37, 0.11, 0.5)])
def test_a_pixels_mean_of_a_wave_is_less_by_a_sinc(dims, widths):
    grid, places = box(dims, PERIODIC), somewhere(box(dims, PERIODIC))
    own = widths[:dims] if len(widths) > 1 else widths * dims
    factors = [np.sinc(k * w / s) for k, w, s in zip(WAVES, own, SIZE, strict=False)]
    found = seen(grid, state_of(grid, wave), places, Mean(own))
    np.testing.assert_allclose(found, damped(places, factors), atol=2e-3)


def test_a_pixels_mean_of_a_quadratic_is_exact_in_a_closed_box():
    """Of x^2: that at the centre and a twelfth of the squared width."""
    grid = box(1, CLOSED)
    places = np.linspace(0.2, 1.8, 40)[:, None]
    state = state_of(grid, lambda places, _: places[:, 0] ** 2)
    found = seen(grid, state, places, Mean(widths=(0.31,)))
    np.testing.assert_allclose(found, places[:, 0] ** 2 + 0.31**2 / 12, atol=1e-6)


@in_1_to_3_dimensions
@pytest.mark.parametrize("width", [0.02, 0.2])
def test_a_blurred_wave_is_less_by_its_gaussian(dims, width):
    """exp(-k^2 s^2 / 2), narrower than a cell or wider."""
    grid, places = box(dims, PERIODIC), somewhere(box(dims, PERIODIC))
    numbers = [2 * np.pi * k / s for k, s in zip(WAVES, SIZE[:dims], strict=False)]
    factors = [np.exp(-((k * width) ** 2) / 2) for k in numbers]
    found = seen(grid, state_of(grid, wave), places, Blur(width))
    np.testing.assert_allclose(found, damped(places, factors), atol=2e-3)


def test_nothing_is_seen_beyond_a_wall():
    """Means and blurs of a constant are that constant, in a corner too."""
    grid = box(2, CLOSED)
    state = np.full((*grid.shape, 1), 3.0)
    for instrument in (Mean(widths=(0.4,)), Blur(width=0.2)):
        found = seen(grid, state, somewhere(grid), instrument)
        np.testing.assert_allclose(found, 3.0, rtol=1e-5)


@pytest.mark.parametrize("boundary", [PERIODIC, CLOSED])
@pytest.mark.parametrize("axis", [0, 1])
def test_the_mean_of_a_wave_is_exact_along_a_line(axis, boundary):
    """Of (1 + cos(2 pi x_axis / s)) times a quadratic of the other coordinate."""
    grid, other = box(2, boundary), 1 - axis
    period = SIZE[other]

    def across(x):
        return np.sin(2 * np.pi * x / period) if boundary is PERIODIC else 1 + x - x**2

    def function(places, _):
        along = 1 + np.cos(2 * np.pi * places[:, axis] / SIZE[axis])
        return along * across(places[:, other])

    places = somewhere(grid)
    found = seen(grid, state_of(grid, function), places, Line(axis))
    atol = 5e-4 if boundary is PERIODIC else 1e-5
    np.testing.assert_allclose(found, across(places[:, other]), atol=atol / SIZE[axis])


# Between frames.


def at_times(times, frames, row, entries):
    """Return measurements at times, in intervals, each of the entry of the same number."""
    bucket = np.ceil(times).astype(int)
    count = int(np.bincount(bucket, minlength=frames).max())
    found = {name: np.zeros((1, frames, count)) for name in ("weights", "fraction", "row")}
    for k in range(frames):
        own = bucket == k
        place = (0, k, slice(own.sum()))
        found["weights"][place] = 1
        found["fraction"][place] = times[own] - k + 1
        found["row"][place] = row[own]
    return Rows(
        values=jnp.zeros((1, frames, count)),
        weights=jnp.asarray(found["weights"]),
        fraction=jnp.asarray(found["fraction"]),
        row=jnp.asarray(found["row"], jnp.int32),
        cells=jnp.arange(entries)[:, None],
        coefficients=jnp.ones((entries, 1)),
        channel=jnp.zeros(entries, jnp.int32),
        refinement=1,
    )


@pytest.mark.parametrize(
    ("frames", "low", "high", "degree"),
    [
        (7, 1, 5, 3),  # between the four nearest frames
        (7, 0, 6, 2),  # at the ends by three
        (4, 1, 2, 3),
        (4, 0, 3, 2),
        (3, 0, 2, 2),
        (2, 0, 1, 1),
    ],
)
def test_between_frames_polynomials_in_time_are_read_exactly(frames, low, high, degree, double):
    times = np.linspace(low, high, 41)
    part = at_times(times, frames, np.zeros(41, int), 4)
    numbers = np.random.default_rng(0).normal(size=degree + 1)
    values = np.polyval(numbers, np.arange(frames))
    path = jnp.broadcast_to(jnp.asarray(values).reshape(1, -1, 1, 1), (1, frames, 4, 1))
    found = np.asarray(read(part, path))[np.asarray(part.seen)]
    np.testing.assert_allclose(found, np.polyval(numbers, times), atol=1e-10)
    # One degree more is not: the test would see a higher order, or a lower one.
    wrong = jnp.arange(frames, dtype=float).reshape(1, -1, 1, 1) ** (degree + 1)
    off = operators.read(part, jnp.broadcast_to(wrong, path.shape))[part.seen] - times ** (
        degree + 1
    )
    assert np.abs(off).max() > 1e-2


@pytest.fixture
def many():
    """Measurements at random times of random rows with three entries each, and trajectories."""
    rng = np.random.default_rng(0)
    part = at_times(rng.uniform(0, 5, 30), 6, rng.integers(0, 8, 30), 8)
    cells, weights = jnp.asarray(rng.integers(0, 24, (8, 3))), jnp.asarray(rng.normal(size=(8, 3)))
    return replace(part, cells=cells, coefficients=weights), rng.normal(size=(1, 6, 4, 3, 2))


def test_few_rows_and_many_are_read_alike(double, many):
    """Each row in every frame where rows are few, else each measurement in its frames alone."""
    part, path = many
    measured = part.row.shape[-1]
    assert len(part.cells) <= 2 * measured
    unused = {n: jnp.tile(getattr(part, n), (10, 1)) for n in ("cells", "coefficients")}
    longer = replace(part, **unused)
    assert len(longer.cells) > 2 * measured
    values = [read(own, jnp.asarray(path)) for own in (part, longer)]
    np.testing.assert_allclose(*values, atol=1e-12)
    # By SciPy: a polynomial through the frames around it.
    for k, m in zip(*np.nonzero(np.asarray(part.seen[0])), strict=True):
        near = np.arange(max(k - 2, 0), min(k + 2, 6)) if k else np.arange(3)
        row = int(part.row[0, k, m])
        numbers = path[0, near].reshape(len(near), -1)[:, part.cells[row]] @ part.coefficients[row]
        expected = lagrange(near, numbers)(k - 1 + float(part.fraction[0, k, m]))
        np.testing.assert_allclose(values[0][0, k, m], expected, atol=1e-10)


@pytest.mark.parametrize("copies", [1, 10])
def test_gradients_through_what_is_read(double, many, copies):
    part, path = many
    unused = {n: jnp.tile(getattr(part, n), (copies, 1)) for n in ("cells", "coefficients")}
    own = replace(part, **unused)
    check_grads(
        lambda p: jnp.sin(read(own, p)), (jnp.asarray(path),), order=1, modes=("fwd", "rev")
    )
