"""Windows of trajectories: short pieces that a model is rolled out along."""

from __future__ import annotations

from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int, Key

from hycojax.models.model import Starts


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class Source:
    """Trajectories to learn from.

    Attributes:
        starts: Complete states, where a window may begin.
        targets: What a rollout is compared with, where `seen`.
        seen: Which targets count.
    """

    starts: Float[Array, "simulation time *shape channels"]
    targets: Float[Array, "simulation time *shape channels"]
    seen: Bool[Array, "simulation time *shape channels"]


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class Windows:
    """A batch of windows: starts, and the frames that follow them."""

    starts: Starts
    targets: Float[Array, "window horizon *shape channels"]
    seen: Bool[Array, "window horizon *shape channels"]


def cut(
    source: Source, simulation: Int[Array, " window"], time: Int[Array, " window"], horizon: int
) -> Windows:
    """Cut the windows that begin at `time` of `simulation` and have `horizon` frames after it."""

    def frames(trajectories, s, t):
        start = (s, t + 1, *(0,) * (trajectories.ndim - 2))
        return jax.lax.dynamic_slice(trajectories, start, (1, horizon, *trajectories.shape[2:]))[0]

    pieces = jax.vmap(frames, in_axes=(None, 0, 0))
    return Windows(
        starts=Starts(source.starts[simulation, time], simulation, time),
        targets=pieces(source.targets, simulation, time),
        seen=pieces(source.seen, simulation, time),
    )


def draw(source: Source, key: Key[Array, ""], batch: int, horizon: int) -> Windows:
    """Draw a batch of windows, uniform over simulations and start times, some perhaps twice."""
    simulations, frames = source.targets.shape[:2]
    which, when = jax.random.fold_in(key, 0), jax.random.fold_in(key, 1)
    simulation = jax.random.randint(which, (batch,), 0, simulations)
    time = jax.random.randint(when, (batch,), 0, frames - horizon)
    return cut(source, simulation, time, horizon)


def deal(
    source: Source, key: Key[Array, ""], number: Int[Array, ""], batch: int, horizon: int
) -> Windows:
    """Return the batch of this number out of all windows in random order.

    For a key, each window is dealt once before any is dealt again, then in another order: epochs.
    """
    simulations, frames = source.targets.shape[:2]
    starts = frames - horizon
    windows = simulations * starts
    first = number * batch
    epochs = first // windows + jnp.arange((batch - 1) // windows + 2)
    orders = jax.vmap(lambda e: jax.random.permutation(jax.random.fold_in(key, e), windows))(epochs)
    chosen = jax.lax.dynamic_slice(orders.ravel(), (first % windows,), (batch,))
    return cut(source, chosen // starts, chosen % starts, horizon)


def tile(source: Source, horizon: int) -> Windows:
    """Cut every trajectory into consecutive windows; a rest shorter than `horizon` is left out."""
    simulations, frames = source.targets.shape[:2]
    times = np.arange(0, frames - horizon, horizon)
    simulation, time = np.meshgrid(np.arange(simulations), times, indexing="ij")
    return cut(source, jnp.asarray(simulation.ravel()), jnp.asarray(time.ravel()), horizon)


def seen_values(source: Source, horizon: int) -> Float[Array, ""]:
    """Return how many target values a window sees, in the mean over all windows."""
    simulations, frames = source.targets.shape[:2]
    starts = frames - horizon
    frame = np.arange(frames)
    # The windows that a frame is a target of: those that start up to `horizon` frames before it.
    windows = np.minimum(frame, starts) - np.maximum(frame - horizon, 0)
    counts = jnp.sum(source.seen, axis=(0, *range(2, source.seen.ndim)))
    return jnp.sum(counts * windows.astype(np.float32)) / (simulations * starts)
