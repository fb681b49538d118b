"""Convolutions with 3-wide kernels by Winograd's minimal filtering F(4, 3), for CPUs.

Along each axis four outputs, which take 12 products directly, take 6:

    y = A^T [(G k) * (B^T x)]      x six inputs, k the kernel, y four outputs

In two dimensions that is a quarter of the products of a direct sum, and all of them are matrix
products over channels. Rounding is about ten times that of a direct sum, 1e-5 of the values.

Source: Lavin, Gray, "Fast Algorithms for Convolutional Neural Networks", CVPR 2016, section 4.3.
"""

from __future__ import annotations

from collections.abc import Sequence

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from hycojax.kernels.axes import along

_TILE = 4
_B = np.array(
    [
        [4, 0, -5, 0, 1, 0],
        [0, -4, -4, 1, 1, 0],
        [0, 4, -4, -1, 1, 0],
        [0, -2, -1, 2, 1, 0],
        [0, 2, -1, -2, 1, 0],
        [0, 4, 0, -5, 0, 1],
    ]
).T
_G = np.array([[6, 0, 0], [-4, -4, -4], [-4, 4, -4], [1, 2, 4], [1, -2, 4], [0, 0, 24]]) / 24
_A = np.array(
    [[1, 1, 1, 1, 1, 0], [0, 1, -1, 2, -2, 0], [0, 1, 1, 4, 4, 0], [0, 1, -1, 8, -8, 1]]
).T
_PRODUCTS = len(_B)


def convolve(
    x: Float[Array, "batch *padded inputs"], kernel: Float[Array, "*three inputs features"]
) -> Float[Array, "batch *shape features"]:
    """Return the convolution where the kernel lies inside of `x`: two cells less an axis."""
    dims = kernel.ndim - 2
    tiles = _tiles(x, _B.T, dims)
    transformed = _along_axes(kernel, _G, dims)
    flat = _flat(tiles, dims), _flat(transformed, dims)
    products = jax.lax.dot_general(*flat, (((2,), (1,)), ((0,), (0,))))
    y = _untile(products.reshape(*tiles.shape[:-1], -1), dims)
    return y[(slice(None), *(slice(n - 2) for n in x.shape[1:-1]))]


def kernel_gradient(
    x: Float[Array, "batch *padded inputs"], y: Float[Array, "batch *shape features"]
) -> Float[Array, "*three inputs features"]:
    """Return the adjoint of `convolve` with respect to its kernel: sum_i x_(i+k) y_i."""
    dims = x.ndim - 2
    flat = _flat(_tiles(x, _B.T, dims), dims), _flat(_tiles(y, _A, dims), dims)
    products = jax.lax.dot_general(*flat, (((1,), (1,)), ((0,), (0,))))
    return _along_axes(products.reshape(*(_PRODUCTS,) * dims, *products.shape[1:]), _G.T, dims)


def _tiles(x: Array, matrix: np.ndarray, dims: int) -> Array:
    """Apply `matrix` to each tile along each space axis; its rows become leading axes.

    Tiles begin every four cells and are as wide as the matrix; what is missing at the end is zero.
    """
    width = matrix.shape[1]
    margin = [(0, -(n - width) % _TILE) for n in x.shape[1:-1]]
    x = jnp.pad(x, [(0, 0), *margin, (0, 0)])
    for axis in range(-2, -2 - dims, -1):
        end = x.shape[axis] - width + 1
        parts = [
            jax.lax.slice_in_dim(x, i, i + end, _TILE, axis=x.ndim + axis) for i in range(width)
        ]
        x = jnp.stack([_combine(row, parts) for row in matrix])
    return x


def _untile(products: Array, dims: int) -> Array:
    """Turn leading axes of products into four cells each of the space axes."""
    for axis in range(-1 - dims, -1):
        # A product, where sums of slices would be as fast but take longer to compile.
        cells = jnp.tensordot(_A.T.astype(products.dtype), products, 1)
        cells = jnp.moveaxis(cells, 0, axis)
        first = cells.ndim + axis - 1
        shape = cells.shape
        products = cells.reshape(*shape[:first], shape[first] * _TILE, *shape[first + 2 :])
    return products


def _combine(weights: np.ndarray, parts: Sequence[Array]) -> Array:
    """Return a linear combination, without the parts that have no weight."""
    terms = [
        part if w == 1 else float(w) * part for w, part in zip(weights, parts, strict=True) if w
    ]
    return sum(terms[1:], terms[0])


def _along_axes(kernel: Array, matrix: np.ndarray, dims: int) -> Array:
    for axis in range(dims):
        kernel = along(matrix.astype(kernel.dtype), kernel, axis)
    return kernel


def _flat(x: Array, dims: int) -> Array:
    """Return one axis of products, one of tiles (or inputs), and the last."""
    return x.reshape(_PRODUCTS**dims, -1, x.shape[-1])
