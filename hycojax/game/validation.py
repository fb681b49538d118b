"""How good a player is on the validation recordings, and the parameters that were best there."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from hycojax.data.recordings import Recordings
from hycojax.game.initial_states import known_frames
from hycojax.game.state import PlayerState
from hycojax.inference.losses import relative_square
from hycojax.models.model import Model, beginnings


def validated(
    model: Model, own: PlayerState, data: Recordings, cycle: Int[Array, ""], due: Bool[Array, ""]
) -> PlayerState:
    """Return a player after its turn in a cycle, with its predictions, validated if that is due."""
    error, recorded = jax.lax.cond(
        due | (not data.whole),
        lambda: predictions(model, own.params, data),
        lambda: (own.error, own.recorded),
    )
    error = jnp.where(due, error, own.error)
    better = due & (error < own.best_error)
    new, old = (own.params, error, cycle + 1), (own.best, own.best_error, own.best_cycle)
    best, best_error, best_cycle = jax.tree.map(lambda n, o: jnp.where(better, n, o), new, old)
    return replace(
        own,
        error=error,
        best=best,
        best_error=best_error,
        best_cycle=best_cycle,
        recorded=recorded,
    )


def predictions(
    model: Model, params: Any, data: Recordings
) -> tuple[Float[Array, ""], Float[Array, "simulation time *shape channels"] | None]:
    """Return the validation error, and the training recordings as they are predicted.

    The error is the relative rms error of full predictions on what validation recordings see. All
    are predicted side by side: a rollout is compiled once. Recordings that are held out belong to
    the training simulations, of which a player may estimate the first frames. Where all of the
    training recordings is seen, they are not predicted: None.
    """
    training, validation = data.training.values, data.validation
    values, seen = validation.values[:, 1:], validation.seen[:, 1:]
    first, steps = validation.values[:, 0], values.shape[1]
    if data.held_out or not data.whole:
        known = known_frames(model.domain, data, params)
        first = known if data.held_out else jnp.concatenate([known, first])
        steps = max(steps, training.shape[1] - 1)
    predicted = model.predict(params, beginnings(first), steps)
    validated = predicted[-len(values) :, 1 : values.shape[1] + 1]
    counted = seen & model.domain.evolves()
    error = jnp.sqrt(relative_square(validated, values, counted, data.scale))
    return error, None if data.whole else predicted[: len(training), : training.shape[1]]
