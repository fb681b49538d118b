"""Convolutions with 3-wide kernels as one matrix product over patches, for small grids on CPUs.

    y_i = sum_k x_(i + k) K_k       a row of the matrix holds the 3^dims cells around i

It does all the products that Winograd's form (`winograd.py`) saves, but compiles in half the time:
on a grid of a few cells that counts for more.

Source: Chellapilla, Puri, Simard, "High Performance Convolutional Neural Networks for Document
Processing", IWFHR 2006, section 3.1.
"""

from __future__ import annotations

import itertools

import jax.numpy as jnp
from jaxtyping import Array, Float


def convolve(
    x: Float[Array, "batch *padded inputs"], kernel: Float[Array, "*three inputs features"]
) -> Float[Array, "batch *shape features"]:
    """Return the convolution where the kernel lies inside of `x`: two cells less an axis."""
    return jnp.tensordot(_patches(x), kernel.reshape(-1, kernel.shape[-1]), 1)


def kernel_gradient(
    x: Float[Array, "batch *padded inputs"], y: Float[Array, "batch *shape features"]
) -> Float[Array, "*three inputs features"]:
    """Return the adjoint of `convolve` with respect to its kernel: sum_i x_(i+k) y_i."""
    patches = _patches(x)
    products = patches.reshape(-1, patches.shape[-1]).T @ y.reshape(-1, y.shape[-1])
    return products.reshape(*(3,) * (x.ndim - 2), x.shape[-1], y.shape[-1])


def _patches(x: Array) -> Float[Array, "batch *shape patch"]:
    """Return the cells around each cell side by side, in the order of the kernel's."""
    sizes = [n - 2 for n in x.shape[1:-1]]
    return jnp.concatenate(
        [
            x[(slice(None), *(slice(k, k + n) for k, n in zip(offset, sizes, strict=True)))]
            for offset in itertools.product(range(3), repeat=len(sizes))
        ],
        axis=-1,
    )
