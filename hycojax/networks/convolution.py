"""The convolution of every network here, in the form that is fast on the platform at hand."""

from __future__ import annotations

import itertools

import flax.linen as nn
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from hycojax.domain import Boundary

_PADDING = {Boundary.PERIODIC: "wrap", Boundary.CLOSED: "edge"}


class Convolution(nn.Module):
    """A 3-wide convolution in 1 to 3 dimensions, `[*shape, in] -> [*shape, features]`.

    Beyond the box it sees the other side (periodic) or the nearest cell again (closed).
    """

    features: int
    boundary: Boundary

    @nn.compact
    def __call__(self, x: Float[Array, "*shape inputs"]) -> Float[Array, "*shape features"]:
        """Apply the convolution."""
        dims = x.ndim - 1
        shape = (*(3,) * dims, x.shape[-1], self.features)
        kernel = self.param("kernel", nn.initializers.lecun_normal(), shape)
        bias = self.param("bias", nn.initializers.zeros, (self.features,))
        padded = jnp.pad(x, [(1, 1)] * dims + [(0, 0)], mode=_PADDING[self.boundary])
        # XLA's CPU convolution is an order of magnitude slower inside a loop than outside it
        # (jax issue 12868), and a training epoch is a loop; matrix products do not suffer from it.
        form = _as_products if jax.default_backend() == "cpu" else _as_convolution
        return form(padded, kernel) + bias


def _as_convolution(padded: Array, kernel: Array) -> Array:
    axes = "XYZ"[: padded.ndim - 1]
    numbers = (f"N{axes}C", f"{axes}IO", f"N{axes}C")
    return jax.lax.conv_general_dilated(
        padded[None], kernel, (1,) * len(axes), "VALID", dimension_numbers=numbers
    )[0]


def _as_products(padded: Array, kernel: Array) -> Array:
    """Sum three matrix products along the first axis, over the shifts along the others."""
    first, *others = (n - 2 for n in padded.shape[:-1])
    shifts = itertools.product(range(3), repeat=len(others))
    rows = jnp.concatenate(
        [
            padded[:, *(slice(o, o + n) for o, n in zip(shift, others, strict=True))]
            for shift in shifts
        ],
        axis=-1,
    )
    weights = kernel.reshape(3, -1, kernel.shape[-1])
    return sum(rows[i : i + first] @ weights[i] for i in range(3))
