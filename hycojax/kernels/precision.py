"""In which precision training computes: single, or double where JAX does (`JAX_ENABLE_X64=1`).

Numbers that are read, made or kept for training are of the type `real`. Random numbers are drawn in
single precision in both cases (`random_arrays`): a seed means the same problem. Indices are int32.
Single precision by their formats are the program of an exported network, and only that.
"""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np


def real() -> np.dtype:
    """Return the type of the numbers of training: float32, or float64 under `jax_enable_x64`."""
    return np.dtype(jnp.result_type(float))


def widened(tree: Any) -> Any:
    """Return a pytree whose single precision arrays are of the type `real`."""
    return jax.tree.map(lambda a: a.astype(real()) if a.dtype == np.float32 else a, tree)
