"""Matrices along axes: what transforms, interpolations and sums of waves are made of."""

from __future__ import annotations

import jax
import numpy as np
from jaxtyping import Array


def along(matrix: np.ndarray, values: Array, axis: int) -> Array:
    """Return values with a matrix `[m, n]` applied along an axis of n, in full precision.

    Arrays of NumPy stay NumPy's.
    """
    with jax.default_matmul_precision("highest"):
        return (values.swapaxes(axis, -1) @ matrix.T).swapaxes(axis, -1)
