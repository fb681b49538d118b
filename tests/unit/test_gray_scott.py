import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.integrate import solve_ivp

from hycojax.grid.domain import Boundary, Domain
from hycojax.models.model import rollout
from hycojax.physics.gray_scott import GrayScott, Seeding

F, K = 0.035, 0.06


def box(*shape, size=64.0):
    return Domain(shape, (size,) * len(shape), Boundary.PERIODIC)


def rate(_, s):
    return [F * (1 - s[0]) - s[0] * s[1] ** 2, s[0] * s[1] ** 2 - (F + K) * s[1]]


@pytest.mark.usefixtures("double")
def test_a_uniform_state_follows_the_reaction_to_fourth_order(order):
    """The homogeneous limit is an ordinary differential equation, here solved by SciPy."""
    exact = solve_ivp(rate, (0, 32), [0.5, 0.3], rtol=1e-11, atol=1e-12).y[:, -1]
    counts, errors = (8, 16, 32), []
    for count in counts:
        model = GrayScott(pieces=1).on(box(8), 32 / count)
        end = jax.jit(lambda s, m=model, c=count: rollout(m, {}, s, c)[-1])(
            jnp.full((8, 2), jnp.array([0.5, 0.3]))
        )
        errors.append(np.abs(end - exact).max())
    assert 3.5 < order(counts, errors) < 4.5


@pytest.mark.usefixtures("double")
def test_pieces_of_a_step_are_steps():
    """Cut in 5, a step of 10 s is 5 steps of 2 s."""
    domain = box(16, 24)
    whole, single = (GrayScott(pieces=pieces).on(domain, 10.0) for pieces in (5, 1))
    short = GrayScott(pieces=1).on(domain, 2.0)
    state = short.sample(jax.random.key(0)).astype("f8")
    expected = jax.jit(lambda s: rollout(short, {}, s, 5)[-1])(state)
    np.testing.assert_allclose(jax.jit(lambda s: whole.forward({}, s))(state), expected, atol=1e-13)
    other = jax.jit(lambda s: single.forward({}, s))(state)
    assert np.abs(other - expected).max() > 1e-6


@pytest.mark.usefixtures("double")
def test_a_step_is_of_fourth_order_in_the_number_of_its_pieces(order):
    state = GrayScott().on(box(32), 1.0).sample(jax.random.key(0)).astype("f8")

    def end(pieces):
        model = GrayScott(pieces=pieces).on(box(32), 32.0)
        return jax.jit(lambda s: model.forward({}, s))(state)

    exact, counts = end(512), (16, 32, 64)
    errors = [float(jnp.abs(end(count) - exact).max()) for count in counts]
    assert 3.6 < order(counts, errors) < 4.4


@pytest.mark.parametrize("pieces", [0, -1])
def test_less_than_one_piece_is_refused(pieces):
    with pytest.raises(ValueError, match=f"pieces = {pieces}: at least 1 is needed"):
        GrayScott(pieces=pieces)


@pytest.mark.parametrize("shape", [(40,), (40, 60), (20, 20, 20)])
def test_a_disc_of_catalyst_lies_in_the_middle(shape):
    """Half of the substrate is catalyst there, within a tenth of the box; whatever the key."""
    model = GrayScott(seeding=Seeding.DISC).on(box(*shape, size=50.0), 1.0)
    state = model.sample(jax.random.key(0))
    for cell in np.ndindex(shape):
        place = [(i + 0.5) * 50 / n - 25 for i, n in zip(cell, shape, strict=True)]
        inside = np.linalg.norm(place) <= 5
        np.testing.assert_array_equal(state[cell], [0.5, 0.5] if inside else [1.0, 0.0])
    share = {1: 0.2, 2: np.pi / 100, 3: 4 / 3 * np.pi / 1000}[len(shape)]
    np.testing.assert_allclose(state[..., 1].mean(), 0.5 * share, rtol=0.1)
    np.testing.assert_array_equal(state, model.sample(jax.random.key(1)))
    assert state.dtype == jnp.float32


def test_without_reaction_modes_decay_with_their_diffusivities():
    """Without catalyst u - 1 only diffuses and is washed out: exp(-(D_u k^2 + f) t)."""
    model = GrayScott().on(box(24, 16), 2.0)
    k = 2 * np.pi / 64
    wave = 0.1 * np.cos(k * model.domain.centers()[0])
    state = jnp.asarray(np.stack([1 + wave, 0 * wave], axis=-1), jnp.float32)
    end = jax.jit(lambda s: rollout(model, {}, s, 20)[-1])(state)
    decay = np.exp(-40 * (0.16 * k**2 + F))
    np.testing.assert_allclose(end[..., 0] - 1, wave * decay, atol=2e-6)
    assert (end[..., 1] == 0).all()


def test_patterns_grow_from_the_patches_and_stay_between_0_and_1():
    """In 150 frames of 4 steps of 2 s."""
    model = GrayScott(feed=0.03, kill=0.06, pieces=4).on(box(48, 48, size=96.0), 8.0)
    path = jax.jit(lambda s: rollout(model, {}, s, 150))(model.sample(jax.random.key(0)))
    assert path.min() > -0.02
    assert path.max() < 1.02
    assert path[-1, ..., 1].std() > 0.05
