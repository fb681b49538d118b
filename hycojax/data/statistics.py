"""A recording, and the means and scales of what is seen of it."""

from __future__ import annotations

from dataclasses import dataclass

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class Recording:
    """Trajectories as they are known: values, 0 where nothing is seen, and what is seen."""

    values: Float[Array, "simulation time *shape channels"]
    seen: Bool[Array, "simulation time *shape channels"]


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class Statistics:
    """Per channel: mean and standard deviation of a state, and rms change in a time step."""

    mean: Float[Array, " channels"]
    std: Float[Array, " channels"]
    change: Float[Array, " channels"]


def statistics(recording: Recording) -> Statistics:
    """Return the statistics of the seen values; a channel that is constant gets scale 1.

    Where frames are missing, the change in a step is that since the last seen one, in equal parts.
    """
    values, seen = recording.values, recording.seen
    mean = _mean(values, seen)
    time = jnp.arange(seen.shape[1]).reshape(1, -1, *(1,) * (seen.ndim - 2))
    latest = jax.lax.cummax(jnp.where(seen, time, 0), axis=1)[:, :-1]
    rate = (values[:, 1:] - jnp.take_along_axis(values, latest, 1)) / (time[:, 1:] - latest)
    change = _mean(rate**2, seen[:, 1:])
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
