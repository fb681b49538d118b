"""States that look like recorded ones: mixtures of whole states."""

from __future__ import annotations

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Key

from hycojax.kernels import random_arrays


def mixtures(
    known: Float[Array, "state *shape channels"], count: int, periodic: bool, key: Key[Array, ""]
) -> Float[Array, "mixture *shape channels"]:
    """Return convex mixtures of two states each, in a periodic box shifted at will.

    All channels of a state stay together: what is linear in it, as divergence, walls and bounds, is
    kept.
    """
    keys = jax.random.split(key, count)
    return jax.vmap(lambda k: _mixture(known, periodic, k))(keys)


def _mixture(known: Array, periodic: bool, key: Key[Array, ""]) -> Array:
    which, how, where = (jax.random.fold_in(key, i) for i in range(3))
    pair = known[jax.random.choice(which, len(known), (2,), replace=len(known) < 2)]
    if periodic:
        keys = jax.random.split(where, 2)
        pair = jnp.stack([_shifted(state, k) for state, k in zip(pair, keys, strict=True)])
    share = random_arrays.uniform(how)
    return share * pair[0] + (1 - share) * pair[1]


def _shifted(state: Array, key: Key[Array, ""]) -> Array:
    """Return a periodic state moved by whole cells."""
    for axis, n in enumerate(state.shape[:-1]):
        state = jnp.roll(
            state, jax.random.randint(jax.random.fold_in(key, axis), (), 0, n, jnp.int32), axis
        )
    return state
