"""How good a player is on the validation recordings, and the parameters that were best there."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from hycojax.data.observations import Observations
from hycojax.game.state import PlayerState
from hycojax.inference.losses import frame_squares
from hycojax.models.model import Model, beginnings


def validated(
    model: Model,
    own: PlayerState,
    data: Observations,
    first: Float[Array, "simulation *shape channels"],
    cycle: Int[Array, ""],
    due: Bool[Array, ""],
) -> PlayerState:
    """Return a player after its turn in a cycle, with its predictions, validated if that is due.

    The error is the relative rms error of full predictions on what is set aside. `first` are the
    first states of the training systems.
    """
    squares, recorded = jax.lax.cond(
        due | (not data.whole),
        lambda: predictions(model, own.params, data, first),
        lambda: (own.squares, own.recorded),
    )
    squares = jnp.where(due, squares, own.squares)
    mean = jnp.sum(squares) / jnp.maximum(data.validation.count, 1)
    error = jnp.where(due, jnp.sqrt(mean), own.error)
    better = due & (error < own.best_error)
    new = {"best": own.params, "best_error": error, "best_cycle": cycle + 1}
    old = {name: getattr(own, name) for name in new}
    best = jax.tree.map(lambda n, o: jnp.where(better, n, o), new, old)
    return replace(own, error=error, squares=squares, recorded=recorded, **best)


def predictions(
    model: Model,
    params: Any,
    data: Observations,
    first: Float[Array, "simulation *shape channels"],
) -> tuple[
    Float[Array, "aside frame channels"], Float[Array, "simulation time *shape channels"] | None
]:
    """Return the squares of what is set aside, and the training recordings as they are predicted.

    All are predicted side by side: a rollout is compiled once. What is held out belongs to the
    training systems. Where all of these is known, they are not predicted: None.
    """
    training, validation = data.training, data.validation
    count, steps = validation.simulations, validation.steps
    starts = first if data.held_out else validation.first.mean
    if not data.held_out and not data.whole:
        starts = jnp.concatenate([first, starts])
    if not data.whole:
        steps = max(steps, training.steps)
    predicted = model.predict(params, beginnings(starts), steps)
    compared = predicted[-count:, : validation.steps + 1]
    squares = frame_squares(validation.parts, compared, data.scale, data.noise)
    # A prediction that is not a number counts as infinitely far off.
    squares = jnp.where(jnp.isnan(squares), jnp.inf, squares)
    return squares, None if data.whole else predicted[: training.simulations, : training.steps + 1]
