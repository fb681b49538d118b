"""What training makes small: relative, masked distances between rollouts and targets."""

from __future__ import annotations

from typing import Any

import jax.numpy as jnp
from jaxtyping import Array, Float

from hycojax.data.windows import Windows
from hycojax.models.model import Memory, Model


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
    memory: Memory | None = None,
    count: Float[Array, ""] | None = None,
) -> Float[Array, ""]:
    """Return the `relative_square` of predictions from the starts of windows, without these."""
    horizon = windows.targets.shape[1]
    predicted = model.predict(params, windows.starts, horizon, memory)
    return relative_square(predicted[:, 1:], windows.targets, windows.seen, scale, count)
