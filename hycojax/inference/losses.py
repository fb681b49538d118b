"""What training makes small: relative, weighted distances between rollouts and measurements."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import jax.numpy as jnp
from jax.scipy.special import digamma
from jaxtyping import Array, Float

from hycojax.data.observations import Dense, Observations, Part, Rows
from hycojax.data.operators import distances
from hycojax.data.windows import Source, Windows, tile
from hycojax.kernels.precision import real
from hycojax.models.model import Model

#: So far from what is measured, over the scale, a trajectory may be to count as right.
_FAR = 0.1


def window_loss(
    model: Model,
    params: Any,
    windows: Windows,
    scale: Float[Array, " channels"],
    noise: Float[Array, ""] | float = 1.0,
    truncation: int | None = None,
    count: Float[Array, ""] | None = None,
) -> Float[Array, ""]:
    """Return the `misfit` of predictions from the starts of windows, in the mean."""
    horizon = windows.parts[0].values.shape[1] - 1
    predicted = model.predict(params, windows.starts, horizon, truncation)
    return misfit(windows.parts, predicted, scale, noise, count)


def misfit(
    parts: tuple[Part, ...],
    predicted: Float[Array, "window time *shape channels"],
    scale: Float[Array, " channels"],
    noise: Float[Array, ""] | float = 1.0,
    count: Float[Array, ""] | None = None,
) -> Float[Array, ""]:
    """Return how far trajectories are from measurements, in the mean over these.

        L = (1 / N) sum_i w_i ((H_i u - y_i) / scale_i)^2,    w_i = (mean sigma / sigma_i)^2

    Divided by noise^2 that is chi^2 per value, and minus twice the log-likelihood but for a
    constant. Errors by Student's t count by its likelihood in place of the square.

    Args:
        parts: What was measured.
        predicted: Trajectories.
        scale: Standard deviation of each channel.
        noise: Mean sigma over the scale, for Student's t.
        count: Number N, if it isn't that of what is seen.
    """
    found = [squares(part, predicted, scale, noise) for part in parts]
    total = sum(jnp.sum(s) for s in found)
    if count is None:
        count = sum(jnp.sum(part.seen) for part in parts)
    return total / jnp.maximum(count, 1)


def squares(
    part: Part,
    predicted: Float[Array, "window time *shape channels"],
    scale: Float[Array, " channels"],
    noise: Float[Array, ""] | float,
) -> Float[Array, "window time ..."]:
    """Return the weighted square of the relative distance of each measurement; 0 if there is none.

    Errors by Student's t have noise^2 (nu + 1) log(1 + z^2 / nu) in place of it, z their size.
    """
    square = distances(part, predicted, scale) ** 2
    if part.degrees is None:
        return square
    nu = part.degrees
    return noise**2 * (nu + 1) * jnp.log1p(square / (nu * noise**2))


def nrmse(
    parts: tuple[Part, ...],
    predicted: Float[Array, "window time *shape channels"],
    scale: Float[Array, " channels"],
) -> Float[Array, ""]:
    """Return the root of the mean square of (H_i u - y_i) / scale_i, all measurements alike."""

    def alike(part: Part) -> Part:
        rows = isinstance(part, Rows)
        weights = (part.weights > 0).astype(predicted.dtype) if rows else None
        return replace(part, weights=weights, degrees=None)

    return jnp.sqrt(misfit(tuple(map(alike, parts)), predicted, scale))


def chi2(
    parts: tuple[Part, ...],
    predicted: Float[Array, "window time *shape channels"],
    scale: Float[Array, " channels"],
    noise: float,
) -> Float[Array, ""]:
    """Return the mean of ((H_i u - y_i) / sigma_i)^2: about 1 for the right model and noise.

    Errors by Student's t count by its likelihood, over the mean of that.
    """
    total = jnp.sum(frame_squares(parts, predicted, scale, noise)) / noise**2
    return total / jnp.maximum(sum(jnp.sum(part.seen) for part in parts), 1)


def frame_squares(
    parts: tuple[Part, ...],
    predicted: Float[Array, "window time *shape channels"],
    scale: Float[Array, " channels"],
    noise: Float[Array, ""] | float,
) -> Float[Array, "window time channels"]:
    """Return the sums of the weighted `squares` by frame and channel; noise^2 each for the truth.

    Errors by Student's t count by its likelihood, over the mean of that.
    """
    found = (squares(p, predicted, scale, noise) / _usual(p) for p in parts)
    return sum(_by_frame(p, own, len(scale)) for p, own in zip(parts, found, strict=True))


def frame_counts(parts: tuple[Part, ...], channels: int) -> Float[Array, "window time channels"]:
    """Return how many values were measured, by frame and channel."""
    return sum(_by_frame(p, p.seen.astype(real()), channels) for p in parts)


def _by_frame(
    part: Part, values: Float[Array, "window time ..."], channels: int
) -> Float[Array, "window time channels"]:
    """Return the sums by frame and channel of numbers that belong to measurements."""
    if isinstance(part, Dense):
        return jnp.sum(values, tuple(range(2, values.ndim - 1)))
    own = part.channel[part.row][..., None] == jnp.arange(channels)
    return jnp.sum(jnp.where(own, values[..., None], 0), 2)


def usual(parts: tuple[Part, ...]) -> Float[Array, ""]:
    """Return the mean of `squares` over noise^2 for the truth: 1, but for errors by Student's t."""
    counts = [jnp.sum(part.seen) for part in parts]
    total = sum(_usual(part) * count for part, count in zip(parts, counts, strict=True))
    return jnp.where(sum(counts) > 0, total / jnp.maximum(sum(counts), 1), 1.0)


def _usual(part: Part) -> float:
    """Return what the square of an error over its sigma is in the mean, as it counts."""
    if part.degrees is None:
        return 1.0
    nu = part.degrees
    return (nu + 1) * (digamma((nu + 1) / 2) - digamma(nu / 2))


def followed(
    parts: tuple[Part, ...],
    paths: Float[Array, "simulation time *shape channels"],
    scale: Float[Array, " channels"],
    noise: Float[Array, ""],
) -> Float[Array, ""]:
    """Return the share of the time, from the first states on, in which trajectories are right.

    That is, up to the first frame that is further from what is measured than noise, and a tenth of
    the scale, explain.
    """
    found = [squares(part, paths, scale, noise) for part in parts]
    axes = [(0, *range(2, square.ndim)) for square in found]
    total = sum(jnp.sum(square, a) for square, a in zip(found, axes, strict=True))
    count = sum(jnp.sum(part.seen, a) for part, a in zip(parts, axes, strict=True))
    limit = _FAR**2 + (2 * noise) ** 2
    right = jnp.cumprod(total <= limit * jnp.maximum(count, 1))
    return jnp.sum(right) / right.size


def data_loss(
    model: Model, params: Any, observations: Observations, horizon: int | None = None
) -> Float[Array, ""]:
    """Return how far a model is from the training measurements: `window_loss`, end to end.

    Args:
        model: A bound model.
        params: Its parameters.
        observations: What is known of the system.
        horizon: Intervals of a window, which needs complete states without noise; None: the whole
            time, from the first states as they are known.
    """
    known = observations.training
    steps = known.steps
    if horizon is None or horizon >= steps:
        states = jnp.repeat(known.first.mean[:, None], steps + 1, 1)
    elif not observations.whole:
        raise ValueError("horizon: windows in mid-recording need complete frames without noise")
    else:
        states = known.states
    windows = tile(Source(states, known.parts), horizon or steps)
    return window_loss(model, params, windows, observations.scale, observations.noise)
