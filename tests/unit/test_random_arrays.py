import jax
import numpy as np
import pytest
from flax import linen as nn

from hycojax.kernels import random_arrays


@pytest.mark.parametrize("shape", [(5,), (4, 3), (3, 3, 2, 5), (2, 3, 4, 5, 1)])
def test_the_numbers_are_those_of_jax(shape):
    key = jax.random.key(3)
    np.testing.assert_array_equal(random_arrays.normal(key, shape), jax.random.normal(key, shape))
    ours, theirs = random_arrays.bernoulli(key, 0.3, shape), jax.random.bernoulli(key, 0.3, shape)
    np.testing.assert_array_equal(ours, theirs)


@pytest.mark.parametrize("shape", [(4, 3), (3, 3, 2, 5), (3, 3, 3, 1, 2)])
def test_the_weights_are_those_of_flax(shape):
    key = jax.random.key(4)
    theirs = nn.initializers.lecun_normal()(key, shape)
    np.testing.assert_allclose(random_arrays.lecun_normal(key, shape), theirs, rtol=1e-6)
