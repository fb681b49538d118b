from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.fft import dctn

from hycojax.grid.domain import Boundary, Domain
from hycojax.grid.random_fields import Waves, random_field, random_flow

SHAPES = {"1D": (16,), "2D": (12, 14), "3D": (10, 8, 12)}
boundaries = pytest.mark.parametrize("boundary", Boundary)
KEY = jax.random.key(0)


@pytest.fixture(params=SHAPES)
def shape(request):
    return SHAPES[request.param]


def box(shape, boundary=Boundary.PERIODIC):
    """Return a box with cells of another width along each axis."""
    return Domain(shape, tuple((0.5 + 0.3 * i) * n for i, n in enumerate(shape)), boundary)


def middles(fine):
    """Return every third value, from the second on: centres of cells three times as wide."""
    return fine[(slice(1, None, 3),) * fine.ndim]


def spectral(domain, values, axis, factor):
    """Multiply the modes along an axis of a periodic box by a function of their wave number."""
    n = domain.shape[axis]
    k = 2 * np.pi * np.fft.fftfreq(n, domain.dx[axis])
    k = k.reshape([-1 if i == axis else 1 for i in range(domain.dims)])
    return np.fft.ifft(np.fft.fft(values, axis=axis) * factor(k), axis=axis).real


def slope(domain, values, axis, shift=0.0):
    """Return the exact derivative of what a periodic grid holds, so many cells further on."""
    return spectral(
        domain, values, axis, lambda k: 1j * k * np.exp(1j * k * shift * domain.dx[axis])
    )


@boundaries
def test_a_key_gives_one_function_on_every_grid(shape, boundary):
    coarse, fine = box(shape, boundary), box(shape, boundary).refine(3)
    here, there = random_field(KEY, coarse), random_field(KEY, fine)
    np.testing.assert_allclose(middles(there), here, atol=1e-5)
    assert jnp.abs(random_field(jax.random.key(1), coarse) - here).max() > 0.1


@boundaries
def test_faces_lie_half_a_cell_below_the_centres(shape, boundary):
    """Every other face of cells half as wide is the centre of a cell."""
    domain = box(shape, boundary)
    for axis, n in enumerate(shape):
        halves = replace(domain, shape=(*shape[:axis], 2 * n, *shape[axis + 1 :]))
        faces = jnp.moveaxis(random_field(KEY, halves, face=axis), axis, 0)
        centers, lower = (random_field(KEY, domain, face=face) for face in (None, axis))
        np.testing.assert_allclose(faces[1::2], jnp.moveaxis(centers, axis, 0), atol=1e-5)
        np.testing.assert_allclose(faces[::2], jnp.moveaxis(lower, axis, 0), atol=1e-5)


@boundaries
def test_the_mean_is_zero_and_the_mean_square_one(shape, boundary):
    keys = jax.random.split(KEY, 500)
    fields = jax.vmap(lambda key: random_field(key, box(shape, boundary)))(keys)
    space = tuple(range(1, fields.ndim))
    np.testing.assert_allclose(fields.mean(space), 0, atol=1e-5)
    np.testing.assert_allclose(jnp.mean(fields**2), 1, rtol=0.1)


def test_waves_are_as_long_as_asked(shape):
    """No mode of the transform is beyond; closed boxes hold half waves, without slope on walls."""
    modes = np.abs(np.fft.fftn(random_field(KEY, box(shape), waves=2)))
    halves = np.abs(dctn(random_field(KEY, box(shape, Boundary.CLOSED), waves=2), norm="ortho"))
    for axis, n in enumerate(shape):
        beyond = np.minimum(np.arange(n), n - np.arange(n)) > 2
        assert np.compress(beyond, modes, axis).max() < 1e-5 * modes.max()
        assert np.compress(~beyond, modes, axis).max() == modes.max()
        assert np.take(halves, range(5, n), axis).max() < 1e-5 * halves.max()
        assert np.take(halves, 4, axis).max() > 1e-3 * halves.max()


@boundaries
def test_the_derivative_is_the_difference_between_close_faces(shape, boundary):
    domain = box(shape, boundary)
    for axis, n in enumerate(shape):
        fine = replace(domain, shape=(*shape[:axis], 10 * n, *shape[axis + 1 :]))
        faces, found = (
            jnp.moveaxis(random_field(KEY, fine, waves=2, **where), axis, 0)
            for where in ({"face": axis}, {"derivative": axis})
        )
        expected = jnp.diff(faces, axis=0) / fine.dx[axis]
        np.testing.assert_allclose(found[:-1], expected, atol=3e-3 * jnp.abs(found).max())


def test_closed_walls_see_no_slope(shape):
    for axis in range(len(shape)):
        found = random_field(KEY, box(shape, Boundary.CLOSED), face=axis, derivative=axis)
        np.testing.assert_array_equal(jnp.moveaxis(found, axis, 0)[0], 0)
        assert jnp.abs(found).max() > 0.1


def test_the_derivative_is_the_spectral_one(shape):
    domain = box(shape)
    for axis in range(domain.dims):
        found = random_field(KEY, domain, derivative=axis)
        expected = slope(domain, random_field(KEY, domain), axis)
        np.testing.assert_allclose(found, expected, atol=1e-5)


@pytest.mark.parametrize("staggered", [False, True], ids=["centred", "staggered"])
def test_a_flow_has_no_divergence(shape, staggered):
    """Summed at cell centres, half a cell above the lower faces."""
    domain, shift = box(shape), 0.5 * staggered
    flow = random_flow(KEY, domain, staggered=staggered)
    slopes = [slope(domain, part, axis, shift) for axis, part in enumerate(flow)]
    np.testing.assert_allclose(sum(slopes), 0, atol=1e-5)
    assert domain.dims == 1 or np.abs(slopes).max() > 0.1


def test_faces_and_centres_hold_the_same_flow(shape):
    domain = box(shape)
    centred, faces = (random_flow(KEY, domain, staggered=s) for s in (False, True))
    for axis, (center, face) in enumerate(zip(centred, faces, strict=True)):
        half = domain.dx[axis] / 2
        shifted = spectral(domain, center, axis, lambda k, half=half: np.exp(-1j * k * half))
        np.testing.assert_allclose(face, shifted, atol=1e-5)


def test_the_mean_square_speed_is_one(shape):
    def square(key):
        return sum(jnp.mean(part**2) for part in random_flow(key, box(shape)))

    squares = jax.vmap(square)(jax.random.split(KEY, 1000))
    np.testing.assert_allclose(squares.mean(), 1, rtol=0.1)


def test_a_flow_in_1d_is_constant():
    flows = [random_flow(jax.random.key(i), box((16,)))[0] for i in range(2)]
    for flow in flows:
        np.testing.assert_array_equal(flow, flow[0])
    assert flows[0][0] != flows[1][0]


@boundaries
def test_a_given_field_is_one_function_on_every_grid(shape, boundary):
    given = Waves(mean=2.0, amplitude=0.3, seed=4)
    coarse = box(shape, boundary)
    here = given.on(coarse)
    np.testing.assert_array_equal(given.on(coarse), here)
    np.testing.assert_allclose(middles(given.on(coarse.refine(3))), here, atol=1e-6)
    assert np.abs(replace(given, seed=5).on(coarse) - here).max() > 0.03


@boundaries
def test_a_given_field_has_its_mean_and_amplitude(shape, boundary):
    fields = [Waves(2.0, 0.3, seed).on(box(shape, boundary)) for seed in range(500)]
    np.testing.assert_allclose([field.mean() for field in fields], 2, rtol=1e-6)
    np.testing.assert_allclose(np.mean([field.var() for field in fields]), 0.09, rtol=0.1)


@pytest.mark.parametrize(
    "wrong", [{"waves": 0}, {"mean": np.nan}, {"amplitude": np.inf}], ids=lambda w: next(iter(w))
)
def test_wrong_waves_are_refused(wrong):
    with pytest.raises(ValueError, match=next(iter(wrong))):
        Waves(**wrong)


def test_a_flow_through_walls_is_refused(shape):
    with pytest.raises(ValueError, match="random_flow: the box must be periodic"):
        random_flow(KEY, box(shape, Boundary.CLOSED))
