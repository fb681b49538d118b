"""What training makes small: relative, masked distances between rollouts and targets."""

from __future__ import annotations

from typing import Any

import jax.numpy as jnp
from jaxtyping import Array, Float

from hycojax.data.recordings import Recordings
from hycojax.data.windows import Source, Windows, tile
from hycojax.models.model import Model


def relative_square(
    prediction: Float[Array, "*batch channels"],
    target: Float[Array, "*batch channels"],
    seen: Float[Array, "*batch channels"],
    scale: Float[Array, " channels"],
    count: Float[Array, ""] | None = None,
) -> Float[Array, ""]:
    """Return the mean of ((prediction - target) / scale)^2 over what is seen (0 if nothing is).

    The sum is divided by `count`, if it is given, in place of the number of values that are seen.

    With the standard deviation of the data as scale, a model that predicts its mean has loss 1,
    whatever the units, the noise or the number of seen values.
    """
    # Chosen before it is squared: a NaN that is not seen must not reach the gradient either.
    difference = jnp.where(seen, prediction - target, 0)
    count = jnp.sum(seen) if count is None else count
    return jnp.sum((difference / scale) ** 2) / jnp.maximum(count, 1)


def window_loss(
    model: Model,
    params: Any,
    windows: Windows,
    scale: Float[Array, " channels"],
    truncation: int | None = None,
    count: Float[Array, ""] | None = None,
) -> Float[Array, ""]:
    """Return the `relative_square` of predictions from the starts of windows, without these."""
    horizon = windows.targets.shape[1]
    predicted = model.predict(params, windows.starts, horizon, truncation)
    return relative_square(predicted[:, 1:], windows.targets, windows.seen, scale, count)


def data_loss(
    model: Model, params: Any, recordings: Recordings, horizon: int | None = None
) -> Float[Array, ""]:
    """Return how far a model is from training recordings: `window_loss`, windows end to end.

    Args:
        model: A bound model.
        params: Its parameters.
        recordings: What is known of the system. Windows start from its values.
        horizon: Intervals of a window; None: the whole recordings, from their first frames.
    """
    known = recordings.training
    source = Source(known.values, known.values, known.seen & model.domain.evolves())
    windows = tile(source, horizon or known.values.shape[1] - 1)
    return window_loss(model, params, windows, recordings.scale)
