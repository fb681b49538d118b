"""How good a player is on the validation recordings, and the parameters that were best there."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from hycojax.game import Game, PlayerState, Recordings, Schedule
from hycojax.losses import relative_square
from hycojax.model import Model, beginnings
from hycojax.reconstruction import known_frames


def validated(
    game: Game, name: str, own: PlayerState, data: Recordings, cycle: Int[Array, ""]
) -> PlayerState:
    """Return a player after its turn in a cycle, validated if that is due."""
    schedule: Schedule = game.schedule
    due: Bool[Array, ""] = (cycle % schedule.validation == 0) | (cycle == schedule.cycles - 1)
    model = game.players[name].model
    error = jax.lax.cond(due, lambda: validation_error(model, own.params, data), lambda: own.error)
    better = due & (error < (1 - schedule.improvement) * own.best_error)
    new, old = (own.params, error, cycle + 1), (own.best, own.best_error, own.best_cycle)
    best, best_error, best_cycle = jax.tree.map(lambda n, o: jnp.where(better, n, o), new, old)
    return replace(own, error=error, best=best, best_error=best_error, best_cycle=best_cycle)


def validation_error(model: Model, params: Any, data: Recordings) -> Float[Array, ""]:
    """Return the relative rms error of full predictions on what validation recordings see."""
    first = data.validation.values[:, 0]
    if data.held_out:  # the same simulations, of which a player may estimate the first frames
        first = known_frames(model.domain, data, params)
    values, seen = data.validation.values[:, 1:], data.validation.seen[:, 1:]
    predicted = model.predict(params, beginnings(first), values.shape[1])
    counted = seen & model.domain.evolves()
    return jnp.sqrt(relative_square(predicted[:, 1:], values, counted, data.scale))
