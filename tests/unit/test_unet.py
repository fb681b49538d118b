import jax
import jax.numpy as jnp
import numpy as np
import pytest

from hycojax.data.statistics import Statistics
from hycojax.domain import Boundary, Domain
from hycojax.networks import convolution
from hycojax.networks.convolution import Convolution
from hycojax.networks.unet import UNet
from hycojax.physics import heat, smoke


def random_params(model, seed=0):
    """Weights and statistics that are nowhere zero: the last layer starts at zero."""
    params = model.init(jax.random.key(seed))
    keys = iter(jax.random.split(jax.random.key(seed + 1), 100))
    weights = jax.tree.map(
        lambda w: w + 0.1 * jax.random.normal(next(keys), w.shape), params["weights"]
    )
    n = len(model.domain.channels)
    scales = Statistics(jnp.full(n, 0.3), jnp.full(n, 2.0), jnp.full(n, 0.5))
    return model.normalise({**params, "weights": weights}, scales)


def random_params_of(model, seed=0):
    return jax.jit(lambda: random_params(model, seed))()


@pytest.fixture(scope="module")
def closed(smoke_box):
    return UNet(smoke_box, levels=2, features=4)


@pytest.fixture(scope="module")
def params(closed):
    return random_params_of(closed)


@pytest.fixture(scope="module")
def forward(closed):
    return jax.jit(closed.forward)


def test_untrained_it_predicts_no_change(closed, forward):
    state = jax.random.normal(jax.random.key(0), (16, 16, 4))
    after = forward(jax.jit(closed.init)(jax.random.key(1)), state)
    np.testing.assert_array_equal(after, state)


def test_static_channels_and_walls_pass_unchanged_and_the_rest_moves(closed, forward, params):
    state = jax.random.normal(jax.random.key(0), (16, 16, 4))
    change = forward(params, state) - state
    evolves = closed.domain.evolves()
    assert (change[~evolves] == 0).all()
    assert (change[evolves] != 0).mean() > 0.99


def test_static_channels_are_read(forward, params):
    state = jax.random.normal(jax.random.key(0), (16, 16, 4))
    other = state.at[8, 8, 3].add(1.0)
    change = forward(params, other) - forward(params, state)
    assert jnp.abs(change[..., :3]).max() > 0


@pytest.mark.parametrize("shift", [4, 8, 12])
def test_periodic_it_commutes_with_translations(heat_box, shift):
    model = UNet(heat_box, levels=2, features=4)
    params, forward = random_params_of(model), jax.jit(model.forward)
    state = jax.random.normal(jax.random.key(0), (16, 16, 1))
    moved = jnp.roll(forward(params, state), (shift, -shift), (0, 1))
    ahead = forward(params, jnp.roll(state, (shift, -shift), (0, 1)))
    np.testing.assert_allclose(ahead, moved, atol=1e-5)


def test_closed_it_repeats_the_edge(forward, params):
    """A uniform state sees no wall: its change is the same in every cell."""
    state = jnp.broadcast_to(jnp.array([0.2, 0.0, 0.1, 0.5]), (16, 16, 4))
    change = forward(params, state)[..., 0] - 0.2
    np.testing.assert_allclose(change, change[0, 0], atol=1e-5)


def test_statistics_scale_input_and_output(closed, forward, params):
    """net((x - m) / r) * s: scaling the data and its statistics alike scales the change alike."""
    state = jax.random.normal(jax.random.key(0), (16, 16, 4))
    scaled = jax.tree.map(lambda v: 10 * v, params["statistics"])
    change = forward(params, state) - state
    larger = forward(closed.normalise(params, scaled), 10 * state) - 10 * state
    np.testing.assert_allclose(larger, 10 * change, atol=1e-4)


def test_statistics_are_not_trained(closed, params):
    state = jax.random.normal(jax.random.key(0), (16, 16, 4))
    gradient = jax.jit(jax.grad(lambda p: jnp.sum(closed.forward(p, state) ** 2)))(params)
    assert all((g == 0).all() for g in jax.tree.leaves(gradient["statistics"]))
    assert all((g != 0).any() for g in jax.tree.leaves(gradient["weights"]))


@pytest.mark.parametrize("dims", [1, 3])
def test_other_dimensions(dims):
    domain = Domain((8,) * dims, (1.0,) * dims, Boundary.PERIODIC, heat.CHANNELS)
    model = UNet(domain, levels=1, features=4)
    state = jax.random.normal(jax.random.key(0), (8,) * dims + (1,))
    after = jax.jit(model.forward)(random_params_of(model), state)
    assert after.shape == state.shape
    assert (after != state).all()


def test_a_size_that_does_not_divide_is_named_with_the_nearest_that_do():
    domain = Domain((32, 20), (1.0, 1.0), Boundary.CLOSED, smoke.channels(2))
    with pytest.raises(ValueError, match=r"20 cells cannot be halved 3 times; take 16 or 24"):
        UNet(domain, levels=3)


@pytest.mark.parametrize("boundary", Boundary)
@pytest.mark.parametrize("shape", [(12,), (6, 8), (4, 6, 5)], ids=["1D", "2D", "3D"])
def test_both_forms_of_the_convolution_agree(monkeypatch, boundary, shape):
    """Values and gradients: matrix products (CPU) against XLA's convolution (elsewhere)."""
    layer = Convolution(5, boundary)
    x = jax.random.normal(jax.random.key(0), (*shape, 3))
    params = layer.init(jax.random.key(1), x)

    def loss(p, x):
        return jnp.sum(jnp.sin(layer.apply(p, x)))

    products = jax.jit(jax.value_and_grad(loss, argnums=(0, 1)))(params, x)
    monkeypatch.setattr(convolution, "_as_products", convolution._as_convolution)
    plain = jax.jit(jax.value_and_grad(lambda *a: loss(*a), argnums=(0, 1)))(params, x)
    for one, other in zip(jax.tree.leaves(products), jax.tree.leaves(plain), strict=True):
        np.testing.assert_allclose(one, other, atol=2e-5, rtol=1e-5)


def test_the_convolution_equals_a_plain_loop():
    x = jax.random.normal(jax.random.key(0), (4, 5, 2))
    layer = Convolution(3, Boundary.PERIODIC)
    params = layer.init(jax.random.key(1), x)
    kernel = np.asarray(params["params"]["kernel"])
    expected = np.zeros((4, 5, 3))
    for i, j, a, b in np.ndindex(4, 5, 3, 3):
        expected[i, j] += np.asarray(x)[(i + a - 1) % 4, (j + b - 1) % 5] @ kernel[a, b]
    np.testing.assert_allclose(layer.apply(params, x), expected, atol=1e-5)
