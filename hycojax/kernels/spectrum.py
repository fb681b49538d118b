"""Multipliers in Fourier space (periodic) or cosine space (closed): arrays in, arrays out.

The cosine transform is a matrix product an axis: up to some hundred cells an axis that is faster
than a fast transform, on CPU and on GPU.
"""

from __future__ import annotations

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from hycojax.kernels.axes import along


def multiply(values: Float[Array, "*shape"], factor: Array, periodic: bool) -> Array:
    """Multiply each mode of an array by a factor (for the modes of `squared_wave_numbers`)."""
    if periodic:
        return jnp.fft.irfftn(jnp.fft.rfftn(values) * factor, s=values.shape)
    bases = [_cosines(n).astype(values.dtype) for n in values.shape]
    return _transform(_transform(values, bases) * factor, [basis.T for basis in bases])


def squared_wave_numbers(
    shape: tuple[int, ...], dx: tuple[float, ...], periodic: bool
) -> np.ndarray:
    """Return |k|^2 of every mode, in 1/m^2."""
    return _sum([(k / d) ** 2 for k, d in zip(_phases(shape, periodic), dx, strict=True)])


def laplace_symbol(shape: tuple[int, ...], dx: tuple[float, ...], periodic: bool) -> np.ndarray:
    """Return the eigenvalues of the 3-point Laplacian: sum of (2 cos(k dx) - 2) / dx^2."""
    phases = _phases(shape, periodic)
    return _sum([(2 * np.cos(k) - 2) / d**2 for k, d in zip(phases, dx, strict=True)])


def _phases(shape: tuple[int, ...], periodic: bool) -> list[np.ndarray]:
    """Return k dx of the modes along each axis; a real transform keeps half of the last one."""
    if not periodic:
        return [np.pi * np.arange(n) / n for n in shape]
    numbers = [*(np.fft.fftfreq(n) for n in shape[:-1]), np.fft.rfftfreq(shape[-1])]
    return [2 * np.pi * k for k in numbers]


def _sum(terms: list[np.ndarray]) -> np.ndarray:
    return sum(np.meshgrid(*terms, indexing="ij"))


def _transform(values: Array, matrices: list[np.ndarray]) -> Array:
    for axis, matrix in enumerate(matrices):
        values = along(matrix, values, axis)
    return values


def _cosines(n: int) -> np.ndarray:
    """Orthonormal DCT-II matrix: row k holds cos(pi k (j + 1/2) / n)."""
    k, j = np.arange(n)[:, None], np.arange(n)[None]
    basis = np.cos(np.pi * k * (j + 0.5) / n) * np.sqrt(2 / n)
    basis[0] /= np.sqrt(2)
    return basis
