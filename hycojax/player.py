"""One of the two players: a model, how it is trained, and what it is asked to fit."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Key

from hycojax.data.windows import Source, Windows, draw, tile
from hycojax.losses import window_loss
from hycojax.model import Model
from hycojax.solvers import Objective, Solver


@dataclass(frozen=True)
class Weights:
    """Weights of the terms of a player's loss."""

    data: float = 1.0
    """Weight of the distance to the recordings, where they see."""
    interaction: float = 1.0
    """Weight of the distance to the other player's rollouts, everywhere."""

    def __post_init__(self):
        if not (self.data >= 0 and self.interaction >= 0 and self.data + self.interaction > 0):
            raise ValueError("data and interaction must not be negative, nor both zero")


@dataclass(frozen=True)
class Player:
    """A model in training. Both players are of this type; nothing here knows which is which."""

    model: Model
    """The model."""
    solver: Solver
    """What trains it."""
    weights: Weights
    """What it fits."""
    horizon: int = 4
    """Time steps that it is rolled out along in training."""
    batch: int | None = None
    """Windows drawn for an evaluation of each loss; None: all windows that lie end to end."""

    def __post_init__(self):
        if self.horizon < 1:
            raise ValueError(f"horizon = {self.horizon}: at least one step is needed")
        if self.batch is not None and self.batch < 1:
            raise ValueError(f"batch = {self.batch}: at least one window is needed")


def objective(
    player: Player,
    observed: Source,
    generated: Source | None,
    cooperating: Bool[Array, ""],
    scale: Float[Array, " channels"],
) -> Objective:
    """Return the player's loss as a function of its parameters and a key.

        L = a * data + b * interaction

    with `window_loss` on windows of the recordings and, while `cooperating`, on windows of the
    other player's rollouts (none without another player).
    """
    weights = player.weights

    def interaction(params: Any, key: Key[Array, ""]) -> Array:
        if generated is None or weights.interaction == 0:
            return jnp.zeros(())
        windows = _windows(player, generated, key)
        return jax.lax.cond(
            cooperating,
            lambda p: window_loss(player.model, p, windows, scale),
            lambda p: jnp.zeros(()),
            params,
        )

    def loss(params: Any, key: Key[Array, ""]) -> tuple[Array, dict[str, Array]]:
        ours, theirs = jax.random.fold_in(key, 0), jax.random.fold_in(key, 1)
        terms = {
            "data": window_loss(player.model, params, _windows(player, observed, ours), scale),
            "interaction": interaction(params, theirs),
        }
        return weights.data * terms["data"] + weights.interaction * terms["interaction"], terms

    return loss


def _windows(player: Player, source: Source, key: Key[Array, ""]) -> Windows:
    if player.batch is None:
        return tile(source, player.horizon)
    return draw(source, key, player.batch, player.horizon)
