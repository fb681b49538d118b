"""Random arrays, drawn in one dimension: the numbers of `jax.random`, compiled ten times faster.

XLA takes seconds to compile a draw of three and more dimensions, for the arithmetic of its indices.
They are drawn in single precision, whatever they are used in: a seed draws the same in both.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Key

from hycojax.kernels.precision import real


def normal(key: Key[Array, ""], shape: tuple[int, ...]) -> Float[Array, ...]:
    """Return independent draws from the normal distribution of mean 0 and variance 1."""
    return _flat(lambda size: jax.random.normal(key, size, jnp.float32), shape).astype(real())


def uniform(
    key: Key[Array, ""], shape: tuple[int, ...] = (), low: float = 0.0, high: float = 1.0
) -> Float[Array, ...]:
    """Return independent draws that are uniform between two numbers."""
    return jax.random.uniform(key, shape, jnp.float32, low, high).astype(real())


def bernoulli(key: Key[Array, ""], share: float, shape: tuple[int, ...]) -> Bool[Array, ...]:
    """Return independent draws that are true with a probability of `share`."""
    single = jnp.asarray(share, jnp.float32)
    return _flat(lambda size: jax.random.bernoulli(key, single, size), shape)


def lecun_normal(key: Key[Array, ""], shape: tuple[int, ...]) -> Float[Array, ...]:
    """Return the weights of `flax.linen.initializers.lecun_normal`.

    Normal of variance 1 / fan-in, cut off at two standard deviations; the fan-in is the product of
    all axes but the last. Source: LeCun et al., "Efficient BackProp" (1998), section 4.6.
    """
    cut = 0.87962566103423978  # the standard deviation of what is left of a normal of variance 1
    deviation = np.float32(np.sqrt(1 / math.prod(shape[:-1])) / cut)

    def draw(size: tuple[int]) -> Array:
        return jax.random.truncated_normal(key, -2, 2, size, jnp.float32)

    return deviation * _flat(draw, shape)


def _flat(draw: Callable[[tuple[int]], Array], shape: tuple[int, ...]) -> Array:
    return draw((math.prod(shape),)).reshape(shape)
