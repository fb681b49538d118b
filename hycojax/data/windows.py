"""Windows of trajectories: short pieces that a model is rolled out along."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int, Key

from hycojax.data.observations import Dense, Part
from hycojax.kernels import random_arrays
from hycojax.kernels.precision import real
from hycojax.models.model import Starts


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class Source:
    """Trajectories to learn from.

    Attributes:
        starts: Complete states, where a window may begin.
        parts: What a rollout is compared with.
        share: Share of the time, from the first state on, in which drawn windows may begin; None:
            all of it.
        first: Whether it is compared at its start too: where that is estimated.
    """

    starts: Float[Array, "simulation time *shape channels"]
    parts: tuple[Part, ...]
    share: Float[Array, ""] | None = None
    first: bool = field(default=False, metadata={"static": True})


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class Windows:
    """A batch of windows: starts, and what is measured from there on.

    The parts have an entry for each frame of a window, its start included.
    """

    starts: Starts
    parts: tuple[Part, ...]


def cut(
    source: Source, simulation: Int[Array, " window"], time: Int[Array, " window"], horizon: int
) -> Windows:
    """Cut the windows that begin at `time` of `simulation` and have `horizon` frames after it."""
    starts = Starts(source.starts[simulation, time], simulation, time)
    parts = tuple(_cut(part, simulation, time, horizon, source.first) for part in source.parts)
    return Windows(starts, parts)


def chosen(
    source: Source, horizon: int, batch: int | None, key: Key[Array, ""], number: int | None
) -> Windows:
    """Return a batch of windows, drawn or by its number; without a batch all, end to end."""
    if batch is None:
        return tile(source, horizon)
    if number is None:
        return draw(source, key, batch, horizon)
    return deal(source, key, number, batch, horizon)


def visited(
    source: Source, horizon: int, batch: int | None, key: Key[Array, ""], number: int | None
) -> Float[Array, "state *shape channels"]:
    """Return states along trajectories: those where a batch begins; without a batch all of them."""
    if batch is None:
        return source.starts.reshape(-1, *source.starts.shape[2:])
    return chosen(source, horizon, batch, key, number).starts.state


def draw(source: Source, key: Key[Array, ""], batch: int, horizon: int) -> Windows:
    """Draw a batch of windows, uniform over simulations and start times, some perhaps twice."""
    simulations, frames = source.starts.shape[:2]
    which, when = jax.random.fold_in(key, 0), jax.random.fold_in(key, 1)
    simulation = jax.random.randint(which, (batch,), 0, simulations, jnp.int32)
    time = jax.random.randint(when, (batch,), 0, frames - horizon, jnp.int32)
    return cut(source, simulation, _earlier(source, time), horizon)


def deal(
    source: Source, key: Key[Array, ""], number: Int[Array, ""], batch: int, horizon: int
) -> Windows:
    """Return the batch of this number out of all windows in random order.

    For a key, each window is dealt once before any is dealt again, then in another order: epochs.
    """
    simulations, frames = source.starts.shape[:2]
    starts = frames - horizon
    windows = simulations * starts
    first = number * batch
    epochs = first // windows + jnp.arange((batch - 1) // windows + 2)
    orders = jax.vmap(lambda e: jax.random.permutation(jax.random.fold_in(key, e), windows))(epochs)
    dealt = jax.lax.dynamic_slice(orders.ravel(), (first % windows,), (batch,))
    return cut(source, dealt // starts, _earlier(source, dealt % starts), horizon)


def _earlier(source: Source, time: Int[Array, " window"]) -> Int[Array, " window"]:
    """Return times in the share of the time in which windows may begin."""
    return time if source.share is None else (time * source.share).astype(time.dtype)


def tile(source: Source, horizon: int) -> Windows:
    """Cut every trajectory into consecutive windows; a rest shorter than `horizon` is left out."""
    simulations, frames = source.starts.shape[:2]
    times = np.arange(0, frames - horizon, horizon)
    simulation, time = np.meshgrid(np.arange(simulations), times, indexing="ij")
    return cut(source, jnp.asarray(simulation.ravel()), jnp.asarray(time.ravel()), horizon)


def seen_values(source: Source, horizon: int) -> Float[Array, ""]:
    """Return how many measurements a window sees, in the mean over all windows."""
    simulations, frames = source.starts.shape[:2]
    starts = frames - horizon
    frame = np.arange(frames)
    # The windows that a frame is a target of: those that start up to `horizon` frames before it.
    windows = np.minimum(frame, starts) - np.maximum(frame - horizon, 0)
    counts = sum(
        jnp.sum(part.seen, axis=(0, *range(2, part.seen.ndim)), dtype=real())
        for part in source.parts
    )
    return jnp.sum(counts * windows.astype(real())) / (simulations * starts)


def within(source: Source, reach: Float[Array, ""]) -> Source:
    """Return trajectories of which only the frames up to `reach` are compared."""

    def early(part: Part) -> Part:
        frames = part.values.shape[1]
        kept = (jnp.arange(frames) <= reach).reshape(-1, *(1,) * (part.values.ndim - 2))
        if isinstance(part, Dense):
            return replace(part, seen=part.seen & kept)
        return replace(part, weights=part.weights * kept)

    return replace(source, parts=tuple(map(early, source.parts)))


def disturbed(
    windows: Windows,
    sigma: Float[Array, " channels"],
    evolves: Bool[Array, "*shape channels"],
    key: Key[Array, ""],
) -> Windows:
    """Return windows with noise on what evolves of their starts."""
    state = windows.starts.state
    noise = jnp.where(evolves, sigma * random_arrays.normal(key, state.shape), 0)
    return replace(windows, starts=replace(windows.starts, state=state + noise))


def _cut(
    part: Part,
    simulation: Int[Array, " window"],
    time: Int[Array, " window"],
    horizon: int,
    first: bool,
) -> Part:
    """Return the measurements of windows, those at their starts only if these count."""

    def frames(values: Array | None) -> Array | None:
        if values is None:
            return None

        def piece(s: Array, t: Array) -> Array:
            start = (s, t, *(0,) * (values.ndim - 2))
            size = (1, horizon + 1, *values.shape[2:])
            return jax.lax.dynamic_slice(values, start, size)[0]

        return jax.vmap(piece)(simulation, time)

    after = jnp.arange(horizon + 1) > 0
    if isinstance(part, Dense):
        seen = frames(part.seen)
        if not first:
            seen &= after.reshape(-1, *(1,) * (seen.ndim - 2))
        return replace(part, values=frames(part.values), seen=seen, weights=frames(part.weights))
    names = ("values", "weights", "fraction", "row")
    found = {name: frames(getattr(part, name)) for name in names}
    if not first:
        found["weights"] *= after[:, None]
    return replace(part, **found)
