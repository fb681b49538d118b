"""Random arrays, drawn in one dimension: the numbers of `jax.random`, compiled ten times faster.

XLA takes seconds to compile a draw of three and more dimensions, for the arithmetic of its indices.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import jax
import numpy as np
from jaxtyping import Array, Bool, Float, Key


def normal(key: Key[Array, ""], shape: tuple[int, ...]) -> Float[Array, ...]:
    """Return independent draws from the normal distribution of mean 0 and variance 1."""
    return _flat(lambda size: jax.random.normal(key, size), shape)


def bernoulli(key: Key[Array, ""], share: float, shape: tuple[int, ...]) -> Bool[Array, ...]:
    """Return independent draws that are true with a probability of `share`."""
    return _flat(lambda size: jax.random.bernoulli(key, share, size), shape)


def lecun_normal(key: Key[Array, ""], shape: tuple[int, ...]) -> Float[Array, ...]:
    """Return the weights of `flax.linen.initializers.lecun_normal`.

    Normal of variance 1 / fan-in, cut off at two standard deviations; the fan-in is the product of
    all axes but the last. Source: LeCun et al., "Efficient BackProp" (1998), section 4.6.
    """
    cut = 0.87962566103423978  # the standard deviation of what is left of a normal of variance 1
    deviation = np.float32(np.sqrt(1 / math.prod(shape[:-1])) / cut)
    return deviation * _flat(lambda size: jax.random.truncated_normal(key, -2, 2, size), shape)


def _flat(draw: Callable[[tuple[int]], Array], shape: tuple[int, ...]) -> Array:
    return draw((math.prod(shape),)).reshape(shape)
