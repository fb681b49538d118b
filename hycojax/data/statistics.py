"""Means and scales of training data, from what is seen of them."""

from __future__ import annotations

from dataclasses import dataclass

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from hycojax.observation import Recording


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class Statistics:
    """Per channel: mean and standard deviation of a state, and rms change in a time step."""

    mean: Float[Array, " channels"]
    std: Float[Array, " channels"]
    change: Float[Array, " channels"]


def statistics(recording: Recording) -> Statistics:
    """Return the statistics of the seen values; a channel that is constant gets scale 1."""
    values, seen = recording.values, recording.seen
    mean = _mean(values, seen)
    both = seen[:, 1:] & seen[:, :-1]
    change = _mean((values[:, 1:] - values[:, :-1]) ** 2, both)
    return Statistics(
        mean=mean,
        std=_scale(_mean((values - mean) ** 2, seen)),
        change=_scale(change),
    )


def _mean(values: Array, seen: Array) -> Array:
    axes = tuple(range(values.ndim - 1))
    return jnp.sum(jnp.where(seen, values, 0), axes) / jnp.maximum(jnp.sum(seen, axes), 1)


def _scale(square: Array) -> Array:
    return jnp.where(square > 0, jnp.sqrt(square), 1.0)
