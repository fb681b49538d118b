"""What is known of a system: recordings to learn from and to validate on."""

from __future__ import annotations

from dataclasses import dataclass, field

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int, Key

from hycojax.data.statistics import Recording, statistics
from hycojax.grid.domain import Grid
from hycojax.kernels import programs, random_arrays


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class Recordings:
    """What is known of the system.

    Attributes:
        training: What is learned from.
        validation: What the best parameters are chosen by.
        scale: Standard deviation of each channel.
        whole: Whether the training recordings see everything.
        held_out: Whether the validation recordings are a part of the training simulations.
    """

    training: Recording
    validation: Recording
    scale: Float[Array, " channels"]
    whole: bool = field(metadata={"static": True})
    held_out: bool = field(default=False, metadata={"static": True})


def recordings(training: Recording, validation: Recording, held_out: bool = False) -> Recordings:
    """Bundle recordings with the scales of their channels, taken from the training ones."""
    whole = bool(np.all(training.seen))
    scale = programs.jit(_scale, programs.ONCE)(training)
    return Recordings(training, validation, scale, whole, held_out)


def observe(
    mask: Bool[np.ndarray, " time *shape"],
    noise: float,
    domain: Grid,
    trajectories: Float[Array, "simulation time *shape channels"],
    key: Key[Array, ""],
) -> Recording:
    """Return what a mask lets see of trajectories, with noise on the dynamic channels.

    The noise is relative to the standard deviation of what is seen of a channel. Values outside the
    mask are never used: they may be anything, NaN included. Static channels are known in full.

    Raises:
        ValueError: A value inside the mask is not finite.
    """
    static = np.array([c.static for c in domain.channels])
    seen = np.broadcast_to(mask[..., None] | static, trajectories.shape)
    program = programs.jit(_noisy, programs.ONCE)
    # Faces in a wall hold exactly zero, which no sensor has to measure.
    recording, bad = program(trajectories, seen, domain.evolves(), noise, key)
    if bad:
        raise ValueError(f"{int(bad)} of the observed values are not finite numbers")
    return recording


def hold_out(
    recording: Recording, domain: Grid, share: float, key: Key[Array, ""]
) -> tuple[Recording, Recording]:
    """Split what a recording sees into a part to learn from and a part to validate on.

    Each cell and time after the first frame belongs to the latter with probability `share`. The
    first frames are in both.
    """
    return programs.jit(_split, programs.ONCE)(recording, domain.evolves(), share, key)


def _scale(training: Recording) -> Float[Array, " channels"]:
    return statistics(training).std


def _noisy(
    trajectories: Array, seen: Array, evolves: Array, noise: Array, key: Key[Array, ""]
) -> tuple[Recording, Int[Array, ""]]:
    """Return what is seen, with noise on what evolves, and how many values are not finite."""
    values = jnp.where(seen, trajectories, 0)
    scale = jnp.std(values, tuple(range(values.ndim - 1)), where=seen)
    drawn = noise * scale * random_arrays.normal(key, values.shape)
    noisy = jnp.where(seen, values + jnp.where(evolves, drawn, 0), 0)
    return Recording(noisy, seen), jnp.sum(~jnp.isfinite(values))


def _split(
    recording: Recording, evolves: Array, share: Array, key: Key[Array, ""]
) -> tuple[Recording, Recording]:
    drawn = random_arrays.bernoulli(key, share, (*recording.seen.shape[:-1], 1))
    held = recording.seen & drawn & evolves
    first = jnp.arange(held.shape[1]).reshape(1, -1, *(1,) * (held.ndim - 2)) == 0
    parts = recording.seen & (first | ~held), recording.seen & (first | held)
    training, validation = (Recording(jnp.where(s, recording.values, 0), s) for s in parts)
    return training, validation
