"""Operators on PhiFlow fields, by its names, where its own are slow or inexact on JAX."""

from __future__ import annotations

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from hycojax import phi


def make_incompressible(velocity: phi.Field) -> tuple[phi.Field, phi.Field]:
    """Project a staggered velocity in a closed box on its divergence-free part.

        laplace(p) = div(u),   u <- u - grad(p),   dp/dn = 0 on the walls

    with the 3-point Laplacian of the staggered grid, which the cosine transform diagonalises:
    eigenvalues (2 cos(pi k / n) - 2) / dx^2 along each axis. The solve is exact to rounding, has no
    tolerance, and differentiates in both modes. The transforms are matrix products: on grids of up
    to some hundred cells an axis they are faster than a fast transform, on CPU and on GPU.

    Returns:
        The projected velocity, and the pressure times the time step.

    Raises:
        ValueError: The box is not closed.

    Source: G. Strang, "The Discrete Cosine Transform", SIAM Review 41 (1999), section 3.
    """
    if velocity.boundary != phi.WALL:
        raise ValueError("make_incompressible: only closed boxes, whose walls are at rest")
    divergence = phi.field.divergence(velocity)
    right = phi.cell_values(divergence)
    spacing = np.asarray(velocity.dx.numpy("vector"), float)
    pressure = phi.like_cells(divergence, _solve_poisson(right, spacing))
    return velocity - phi.field.spatial_gradient(pressure, velocity.boundary, at="face"), pressure


def _solve_poisson(right: Array, spacing: np.ndarray) -> Array:
    """Solve the discrete Poisson equation with zero normal derivative and zero mean."""
    bases = [_cosine_basis(n).astype(right.dtype) for n in right.shape]
    eigenvalues = sum(
        np.reshape(
            (2 * np.cos(np.pi * np.arange(n) / n) - 2) / dx**2,
            [-1 if i == axis else 1 for i in range(right.ndim)],
        )
        for axis, (n, dx) in enumerate(zip(right.shape, spacing, strict=True))
    )
    inverse = np.divide(1, eigenvalues, where=eigenvalues != 0, out=np.zeros(right.shape))
    spectrum = _transform(right, bases) * inverse.astype(right.dtype)
    return _transform(spectrum, [basis.T for basis in bases])


def _transform(values: Array, matrices: list[np.ndarray]) -> Array:
    for axis, matrix in enumerate(matrices):
        product = jnp.tensordot(matrix, values, axes=(1, axis), precision="highest")
        values = jnp.moveaxis(product, 0, axis)
    return values


def _cosine_basis(n: int) -> np.ndarray:
    """Orthonormal DCT-II matrix: row k holds cos(pi k (j + 1/2) / n)."""
    k, j = np.arange(n)[:, None], np.arange(n)[None]
    basis = np.cos(np.pi * k * (j + 0.5) / n) * np.sqrt(2 / n)
    basis[0] /= np.sqrt(2)
    return basis
