"""The layer that every convolutional network here is made of."""

from __future__ import annotations

import flax.linen as nn
import jax.numpy as jnp
from jaxtyping import Array, Float

from hycojax.grid.domain import Boundary
from hycojax.kernels import random_arrays
from hycojax.kernels.convolution import convolve

_PADDING = {Boundary.PERIODIC: "wrap", Boundary.CLOSED: "edge"}


class Convolution(nn.Module):
    """A 3-wide convolution in 1 to 3 dimensions, `[*shape, in] -> [*shape, features]`.

    Beyond the box it sees the other side (periodic) or the nearest cell again (closed). With a
    dilation d the kernel's cells lie d apart.
    """

    features: int
    boundary: Boundary
    dilation: int = 1

    @nn.compact
    def __call__(self, x: Float[Array, "*shape inputs"]) -> Float[Array, "*shape features"]:
        """Apply the convolution, in the precision of `x`."""
        dims = x.ndim - 1
        shape = (*(3,) * dims, x.shape[-1], self.features)
        kernel = self.param("kernel", random_arrays.lecun_normal, shape)
        bias = self.param("bias", nn.initializers.zeros, (self.features,))
        margin = [(self.dilation, self.dilation)] * dims + [(0, 0)]
        padded = jnp.pad(x, margin, mode=_PADDING[self.boundary])
        return convolve(padded, kernel.astype(x.dtype), self.dilation) + bias.astype(x.dtype)
