"""What every architecture promises: one line a network in `NETWORKS`.

One program of each serves several tests, on one worker.
"""

from dataclasses import replace
from functools import cache

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from hycojax.data.observations import Statistics
from hycojax.grid.domain import Boundary, Domain, with_channels
from hycojax.networks import FNO, Block, ConvNet, Custom, ResNet, UNet
from hycojax.physics import Heat, Smoke


class Own(nn.Module):
    """A network of a user's own, which sees each cell alone."""

    @nn.compact
    def __call__(self, x):
        return nn.gelu(nn.Dense(4, dtype=x.dtype)(x))


NETWORKS = {
    "unet": UNet(levels=1, features=4),
    "plain unet": UNet(levels=1, features=4, growth=1, block=Block.PLAIN),
    "resnet": ResNet(features=4, blocks=1, dilations=(1, 2)),
    "convnet": ConvNet(features=4, layers=2),
    "fno": FNO(features=4, layers=2, modes=3),
    "custom": Custom(Own()),
}
EVERY = pytest.mark.parametrize("network", NETWORKS.values(), ids=NETWORKS)
TOGETHER = pytest.mark.xdist_group("networks")


def random_params(model, seed=0):
    """Weights and statistics that are nowhere zero: the last layer starts at zero."""

    def make():
        params = model.init(jax.random.key(seed))
        keys = iter(jax.random.split(jax.random.key(seed + 1), 100))
        weights = jax.tree.map(
            lambda w: w + 0.1 * jax.random.normal(next(keys), w.shape), params["weights"]
        )
        n = len(model.domain.channels)
        scales = Statistics(jnp.full(n, 0.3), jnp.full(n, 2.0), jnp.full(n, 0.5))
        return model.normalise({**params, "weights": weights}, scales)

    return jax.jit(make)()


@pytest.fixture(scope="module")
def smoke_grid(smoke_box):
    return with_channels(smoke_box, Smoke().channels(2))


@pytest.fixture(scope="module")
def heat_grid(heat_box):
    return with_channels(heat_box, Heat().channels(2))


@cache
def compiled(network, grid):
    """Return a network on a grid, parameters, and its compiled step."""
    model = network.on(grid, 1.0)
    return model, random_params(model), jax.jit(model.forward)


def state_of(domain, seed=0):
    return jax.random.normal(jax.random.key(seed), (*domain.shape, len(domain.channels)))


@EVERY
def test_untrained_it_predicts_no_change(network, smoke_grid):
    model, state = network.on(smoke_grid, 1.0), state_of(smoke_grid)
    after = jax.jit(lambda k, s: model.forward(model.init(k), s))(jax.random.key(1), state)
    np.testing.assert_array_equal(after, state)


@EVERY
@TOGETHER
def test_static_channels_are_read_and_pass_unchanged(network, smoke_grid):
    (_, params, forward), state = compiled(network, smoke_grid), state_of(smoke_grid)
    change = forward(params, state) - state
    evolves = smoke_grid.evolves()
    assert (change[~evolves] == 0).all()
    assert (change[evolves] != 0).mean() > 0.99
    other = forward(params, state.at[8, 8, 3].add(1.0))
    assert jnp.abs(other - forward(params, state))[..., :3].max() > 0


@EVERY
@TOGETHER
def test_periodic_it_commutes_with_translations(network, heat_grid):
    (_, params, forward), state = compiled(network, heat_grid), state_of(heat_grid)
    moved = jnp.roll(forward(params, state), (4, -8), (0, 1))
    ahead = forward(params, jnp.roll(state, (4, -8), (0, 1)))
    np.testing.assert_allclose(ahead, moved, atol=2e-5)


@pytest.mark.parametrize("boundary", Boundary)
def test_with_coordinates_the_same_state_changes_otherwise_elsewhere(boundary):
    """A uniform state is the same at each place; in a periodic box there is no seam."""
    grid = with_channels(Domain((16, 16), (2.0, 3.0), boundary), Heat().channels(2))
    state = jnp.full((16, 16, 1), 0.7)

    def change(coordinates):
        model = ConvNet(features=4, layers=2, coordinates=coordinates).on(grid, 1.0)
        return (jax.jit(model.forward)(random_params(model), state) - state)[..., 0]

    plain, placed = change(False), change(True)
    assert jnp.ptp(plain) < 2e-5
    for axis in (0, 1):
        steps = jnp.abs(placed - jnp.roll(placed, 1, axis)).max(axis=1 - axis)
        assert steps.max() > 1e-3
        if boundary is Boundary.PERIODIC:
            assert steps[0] < 2 * steps[1:].max()


@EVERY
@TOGETHER
def test_in_a_closed_box_a_uniform_state_sees_no_wall(network, smoke_grid):
    _, params, forward = compiled(network, smoke_grid)
    state = jnp.broadcast_to(jnp.array([0.2, 0.0, 0.1, 0.5]), (16, 16, 4))
    change = forward(params, state)[..., 0] - 0.2
    np.testing.assert_allclose(change, change[0, 0], atol=2e-5)


@EVERY
@TOGETHER
def test_statistics_scale_input_and_output_and_are_not_trained(network, smoke_grid):
    """s net((x - m) / r): scaling the data and its statistics alike scales the change alike."""
    (model, params, forward), state = compiled(network, smoke_grid), state_of(smoke_grid)
    scaled = jax.tree.map(lambda v: 10 * v, params["statistics"])
    change = forward(params, state) - state
    larger = forward(model.normalise(params, scaled), 10 * state) - 10 * state
    np.testing.assert_allclose(larger, 10 * change, atol=2e-4)
    gradient = jax.jit(jax.grad(lambda p: jnp.sum(model.forward(p, state) ** 2)))(params)
    assert all((g == 0).all() for g in jax.tree.leaves(gradient["statistics"]))
    assert all((g != 0).any() for g in jax.tree.leaves(gradient["weights"]))


@EVERY
@pytest.mark.parametrize("dims", [1, pytest.param(3, marks=pytest.mark.accuracy)])
@pytest.mark.parametrize("boundary", Boundary)
def test_other_dimensions(network, dims, boundary):
    grid = with_channels(Domain((8,) * dims, (1.0,) * dims, boundary), Heat().channels(dims))
    model, state = network.on(grid, 1.0), state_of(grid)
    after = jax.jit(model.forward)(random_params(model), state)
    assert after.shape == state.shape
    assert (after != state).all()


@EVERY
@TOGETHER
def test_in_bfloat16_it_is_nearly_the_same_and_keeps_single_precision_weights(network, heat_grid):
    (_, params, forward), state = compiled(network, heat_grid), state_of(heat_grid)
    half = replace(network, bfloat16=True).on(heat_grid, 1.0)
    one, other = (step(params, state) for step in (forward, jax.jit(half.forward)))
    assert other.dtype == jnp.float32
    off = jnp.linalg.norm(one - other) / jnp.linalg.norm(one - state)
    assert 1e-4 < off < 0.1
    assert {
        leaf.dtype for leaf in jax.tree.leaves(jax.eval_shape(half.init, jax.random.key(0)))
    } == {jnp.dtype("float32")}


def test_a_fourier_layer_is_a_sum_over_waves():
    """A single wave is multiplied by the one number that belongs to it, and no other wave comes."""
    from hycojax.networks.fno import _SpectralMixing

    layer, n = _SpectralMixing(features=1, modes=4), 16
    x = np.arange(n) / n
    wave = jnp.asarray(np.cos(2 * np.pi * (2 * x[:, None] + 3 * x[None])), jnp.float32)[..., None]
    params = layer.init(jax.random.key(0), wave)
    real, imaginary = np.asarray(params["params"]["waves"])[:, 3 + 2, 3, 0, 0]
    phase = 2 * np.pi * (2 * x[:, None] + 3 * x[None])
    expected = real * np.cos(phase) - imaginary * np.sin(phase)
    np.testing.assert_allclose(layer.apply(params, wave)[..., 0], expected, atol=1e-6)
    fast = jnp.asarray(np.cos(2 * np.pi * 5 * x), jnp.float32)[:, None, None] * jnp.ones((1, n, 1))
    np.testing.assert_allclose(layer.apply(params, fast), 0, atol=1e-6)


def test_the_plain_unet_has_the_weights_of_its_layers(heat_grid):
    model = UNet(levels=4, features=64, growth=1, block=Block.PLAIN).on(heat_grid, 1.0)
    weights = jax.eval_shape(model.init, jax.random.key(0))["weights"]
    convolutions = 9 * 64 * (1 + 64) + 4 * 9 * 64 * 128 + 4 * 9 * 64 * 192
    biases = 18 * 64
    assert sum(leaf.size for leaf in jax.tree.leaves(weights)) == convolutions + biases + 64 + 1


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: UNet(growth=0), "at least 1"),
        (lambda: ResNet(dilations=()), "there must be dilations"),
        (lambda: ConvNet(layers=0), "at least 1"),
        (lambda: FNO(modes=0), "at least 1"),
    ],
)
def test_impossible_settings_are_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()


@pytest.mark.parametrize(
    ("network", "message"),
    [
        (UNet(levels=3), r"20 cells cannot be halved 3 times; take 16 or 24"),
        (ResNet(dilations=(1, 25)), "dilations: 25 must lie between 1 and"),
        (FNO(modes=12), "modes = 12: at most half of the smallest"),
    ],
)
def test_a_domain_that_does_not_suit_is_refused(network, message):
    grid = with_channels(Domain((32, 20), (1.0, 1.0), Boundary.CLOSED), Smoke().channels(2))
    with pytest.raises(ValueError, match=message):
        network.on(grid, 1.0)
