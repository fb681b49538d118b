"""The forms of the convolution against plain sums, against each other, and their derivatives."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.test_util import check_grads

from hycojax.grid.domain import Boundary
from hycojax.kernels import convolution, im2col, winograd
from hycojax.kernels.convolution import convolve
from hycojax.networks.convolution import Convolution

SHAPES = pytest.mark.parametrize("shape", [(13,), (9, 10), (5, 8, 6)], ids=["1D", "2D", "3D"])
DILATIONS = pytest.mark.parametrize("dilation", [1, 2])


@pytest.fixture(params=["winograd", "im2col"])
def form(request, monkeypatch):
    """What stands for the convolution on CPU, whatever the size of a grid."""
    few = 0 if request.param == "winograd" else 10**6
    monkeypatch.setattr(convolution, "_FEW_CELLS", few)


def random(key, *shape):
    return jax.random.normal(jax.random.key(key), shape)


def inputs(shape):
    """A batch of padded inputs and a kernel, of a size that keeps the outputs of order 1."""
    return random(0, 3, *shape, 2), random(1, *(3,) * len(shape), 2, 5) / 3 ** len(shape)


@pytest.mark.parametrize("boundary", Boundary)
def test_it_equals_a_plain_sum(boundary):
    x, layer = random(0, 4, 5, 2), Convolution(3, boundary)
    params = layer.init(jax.random.key(1), x)
    kernel = np.asarray(params["params"]["kernel"])
    expected = np.zeros((4, 5, 3))
    for i, j, a, b in np.ndindex(4, 5, 3, 3):
        where = i + a - 1, j + b - 1
        if boundary is Boundary.PERIODIC:
            k, m = where[0] % 4, where[1] % 5
        else:
            k, m = np.clip(where, 0, (3, 4))
        expected[i, j] += np.asarray(x)[k, m] @ kernel[a, b]
    np.testing.assert_allclose(layer.apply(params, x), expected, atol=1e-5)


def test_a_dilated_kernel_reads_cells_that_lie_apart():
    x, layer = random(0, 11, 2), Convolution(3, Boundary.PERIODIC, dilation=4)
    params = layer.init(jax.random.key(1), x)
    kernel = params["params"]["kernel"]
    expected = sum(jnp.roll(x, -4 * (a - 1), 0) @ kernel[a] for a in range(3))
    np.testing.assert_allclose(layer.apply(params, x), expected, atol=1e-5)


@SHAPES
@DILATIONS
@pytest.mark.usefixtures("form")
def test_matrix_products_equal_xlas_convolution_in_value_and_gradient(shape, dilation):
    x, kernel = inputs(shape)

    def found(form):
        def loss(x, kernel):
            y = form(x, kernel, dilation=dilation)
            return jnp.sum(jnp.sin(y)), y

        (_, y), gradient = jax.jit(jax.value_and_grad(loss, (0, 1), has_aux=True))(x, kernel)
        return y, *gradient

    for one, other in zip(
        found(convolution._convolve.bind), found(convolution._plain), strict=True
    ):
        np.testing.assert_allclose(one, other, atol=3e-5 * np.abs(other).max())


@SHAPES
@pytest.mark.usefixtures("form")
def test_both_modes_of_differentiation_work_twice(shape, double):
    check_grads(
        lambda x, k: jnp.sin(convolve(x[0], k)),
        tuple(v.astype(jnp.float64) for v in inputs(shape)),
        order=2,
        atol=1e-5,
        rtol=1e-5,
    )


@SHAPES
def test_in_double_precision_it_is_as_accurate_as_a_direct_sum(shape, double):
    x, kernel = (v.astype(jnp.float64) for v in inputs(shape))
    direct = convolution._plain(x, kernel, dilation=1)
    for form in (winograd, im2col):
        np.testing.assert_allclose(form.convolve(x, kernel), direct, atol=1e-13)


@DILATIONS
def test_batches_of_inputs_of_kernels_and_of_both(dilation):
    x, kernel = inputs((9, 10))
    kernels = jnp.stack([kernel, -2 * kernel, kernel])

    def one(x, kernel):
        return convolve(x, kernel, dilation)

    expected = convolution._plain(x, kernel, dilation=dilation)
    np.testing.assert_allclose(jax.vmap(one, (0, None))(x, kernel), expected, atol=1e-5)
    several = jax.vmap(one, (None, 0))(x[0], kernels)
    np.testing.assert_allclose(several[1], -2 * expected[0], atol=1e-5)
    pairs = jax.vmap(one)(x, kernels)
    np.testing.assert_allclose(pairs[2], expected[2], atol=1e-5)


def test_gradients_of_each_of_a_batch_add_up_to_that_of_all():
    x, kernel = inputs((9, 10))

    def loss(kernel, x):
        return jnp.sum(jnp.sin(convolve(x, kernel)))

    each = jax.vmap(jax.grad(loss), (None, 0))(kernel, x)
    whole = jax.grad(lambda k: jnp.sum(jax.vmap(loss, (None, 0))(k, x)))(kernel)
    np.testing.assert_allclose(each.sum(0), whole, atol=1e-4)


def test_a_large_grid_has_fewer_products_a_small_one_a_shorter_program():
    for shape, form in (([16, 16], im2col), ([16, 17], winograd), ([8], winograd)):
        assert convolution._form(shape) is form


@pytest.mark.parametrize(("platform", "plain"), [("cpu", False), ("cuda", True), ("tpu", True)])
def test_the_platform_chooses_the_form(platform, plain):
    loss = jax.jit(jax.grad(lambda k, x: jnp.sum(jnp.sin(convolve(x[0], k)))))
    x, kernel = inputs((9, 10))
    program = loss.trace(kernel, x).lower(lowering_platforms=(platform,)).as_text()
    assert ("stablehlo.convolution" in program) == plain
    assert ("stablehlo.dot_general" in program) != plain
