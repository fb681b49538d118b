"""Many steps as one: the same as one by one, forwards and backwards, in less memory."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import hycojax as hj
from hycojax.kernels import repetition
from hycojax.kernels.repetition import repeated


def logistic(rate):
    return lambda u: u + 0.01 * rate * u * (1 - u)


@pytest.fixture(params=["few bytes", "many bytes"])
def large(request, monkeypatch):
    """States of any size are large ones in the second case."""
    if request.param == "many bytes":
        monkeypatch.setattr(repetition, "_LARGE", 1)


@pytest.mark.usefixtures("large")
@pytest.mark.parametrize("count", [1, 5, 64, 150])
def test_it_is_the_steps_in_a_row(count):
    """Value, gradient and derivative along a direction, by JAX's own loop."""

    def looped(rate):
        step = logistic(rate)
        return jax.lax.scan(lambda u, _: (step(u), None), jnp.float32(0.3), length=count)[0]

    def found(rate):
        return repeated(logistic(rate), count)(jnp.float32(0.3))

    for transform in (lambda f: f, jax.grad, jax.jacfwd):
        one, other = (jax.jit(transform(f))(jnp.float32(0.7)) for f in (found, looped))
        np.testing.assert_allclose(one, other, rtol=2e-6)


@pytest.mark.parametrize("pde", [hj.physics.Burgers, hj.physics.InviscidBurgers])
def test_the_memory_of_a_gradient_grows_like_the_square_root(pde):
    """Of a model in 1,024 and in 4,096 steps an interval: twice as much, not four times."""
    cells = 2**15  # 128 KiB a state
    box = hj.Domain((cells,), (1.0,), hj.PERIODIC)

    def memory(pieces):
        model = pde(pieces=pieces).on(box, 0.1)
        state = jax.ShapeDtypeStruct((cells, 1), jnp.float32)
        loss = jax.grad(lambda s: jnp.sum(model.forward({}, s) ** 2))
        return jax.jit(loss).lower(state).compile().memory_analysis().temp_size_in_bytes

    few, many = memory(1024), memory(4096)
    assert many < 2.4 * few
    assert many < 4096 * cells * 4 / 4  # a quarter of all states


@pytest.mark.parametrize(
    ("count", "size", "again"), [(1024, 64, 0), (1024, 2**15, 1), (50, 2**22, 0)]
)
def test_steps_are_made_again_only_where_memory_counts(count, size, again):
    state = jax.ShapeDtypeStruct((size,), jnp.float32)
    made = str(jax.make_jaxpr(repeated(lambda u: 0.99 * u, count))(state))
    assert made.count("remat") == again
