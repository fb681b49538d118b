"""In which precision training computes: single, or double where JAX does (`JAX_ENABLE_X64=1`).

Numbers that are read, made or kept for training are of the type `real`. Random numbers are drawn in
single precision in both cases (`random_arrays`): a seed means the same problem. Indices are int32.
Single precision by their formats are the program of an exported network, and only that.
"""

from __future__ import annotations

import math
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array


def real() -> np.dtype:
    """Return the type of the numbers of training: float32, or float64 under `jax_enable_x64`."""
    return np.dtype(jnp.result_type(float))


def magnitude(values: Array, axes: tuple[int, ...] | None = None) -> Array:
    """Return the power of two above the largest of values, along axes; 1 if all are 0.

    Over it values have squares that are numbers, and no bit of them changes.
    """
    largest = jnp.max(jnp.abs(values), axes)
    return jnp.ldexp(jnp.ones_like(largest), jnp.frexp(largest)[1])


def check_size(name: str, *numbers: float) -> None:
    """Check that numbers are 0 or of a size that training can compute with.

    Products of a few of them must be numbers: so the largest is 8e28 in single precision.

    Raises:
        ValueError: One is not; the message has the range.
    """
    most = float(np.finfo(real()).max) ** 0.75
    for number in map(abs, numbers):
        if math.isfinite(number) and number and not 1 / most <= number <= most:
            kind = "single" if real() == np.float32 else "double"
            raise ValueError(
                f"{name}: {number:g} is out of the range of {kind} precision, {1 / most:.0e} to "
                f"{most:.0e}: use other units"
            )


def widened(tree: Any) -> Any:
    """Return a pytree whose single precision arrays are of the type `real`."""
    return jax.tree.map(lambda a: a.astype(real()) if a.dtype == np.float32 else a, tree)
