"""One of the two players: a model, how it is trained, and what it is asked to fit."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Key

from hycojax.data.windows import Source, Windows, deal, draw, restrict, tile
from hycojax.losses import relative_square, window_loss
from hycojax.model import Memory, Model
from hycojax.solvers import INITIAL_STATES, Objective, Solver

_CORRECTION = 0.1


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
class Early:
    """An easier problem for the first cycles; a change compiles the cycle anew."""

    cycles: int = 0
    """Cycles that are trained like this; 0: none."""
    horizon: int | None = None
    """Time steps of a rollout: over short ones a loss has fewer local minima; None: as later."""
    stages: int = 1
    """In so many stages of equal length the horizon grows, by equal factors, towards the later."""
    coarsening: int = 1
    """Of a physical model: cells this many times as wide, for speed."""

    def __post_init__(self):
        if self.cycles < 0:
            raise ValueError(f"early.cycles = {self.cycles}: it must not be negative")
        if self.horizon is not None and self.horizon < 1:
            raise ValueError(f"early.horizon = {self.horizon}: at least one step is needed")
        if self.stages < 1:
            raise ValueError(f"early.stages = {self.stages}: at least 1 is needed")
        if self.coarsening < 1:
            raise ValueError(f"early.coarsening = {self.coarsening}: at least 1 is needed")


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
    noise: float = 0.0
    """Noise on the states where windows start, relative to the data's scale: a rollout that meets
    its own errors has then seen such states."""
    memory: Memory = Memory()
    """What the gradient of a rollout remembers."""
    coarsening: int = 1
    """Of a physical model: it trains on cells this many times as wide."""
    initial_states: bool = False
    """Of a physical model: estimate the noisy first frames too; the horizon is the whole time."""
    early: Early = Early()
    """How the first cycles differ."""

    def __post_init__(self):
        if self.coarsening < 1:
            raise ValueError(f"coarsening = {self.coarsening}: at least 1 is needed")
        if self.horizon < 1:
            raise ValueError(f"horizon = {self.horizon}: at least one step is needed")
        if self.batch is not None and self.batch < 1:
            raise ValueError(f"batch = {self.batch}: at least one window is needed")
        if not 0 <= self.noise < float("inf"):
            raise ValueError(f"noise = {self.noise}: it must not be negative")
        if getattr(self.solver, "resample", False) and self.batch is None:
            raise ValueError("solver.resample: without a batch all members see the same windows")

    def at(self, cycle: int) -> Player:
        """Return the player as it trains in a cycle."""
        early = self.early
        if cycle >= early.cycles:
            return replace(self, early=Early())
        stage = cycle * early.stages // early.cycles
        first = early.horizon or self.horizon
        horizon = round(first * (self.horizon / first) ** (stage / early.stages))
        return replace(self, horizon=horizon, coarsening=early.coarsening, early=Early())


def objective(
    player: Player,
    observed: Source,
    generated: Source | None,
    cooperating: Bool[Array, ""],
    scale: Float[Array, " channels"],
) -> Objective:
    """Return the player's loss as a function of its parameters, a key and a batch's number.

        L = a * data + b * interaction + penalty

    with `window_loss` on windows of the recordings and, while `cooperating`, on windows of the
    other player's rollouts (none without another player), and the model's own penalty.
    """
    weights = player.weights
    model = player.model
    if player.coarsening > 1:
        model = replace(model, coarsening=player.coarsening)

    def distance(
        params: Any, source: Source, key: Key[Array, ""], number: int | None
    ) -> tuple[Array, Array]:
        windows = _windows(player, source, key, number)
        noise = key if number is None else jax.random.fold_in(key, number)
        windows = _disturbed(player, windows, scale, jax.random.fold_in(noise, 0))
        loss = window_loss(model, params, windows, scale, player.memory)
        return loss, jnp.sum(windows.seen)

    def data(params: Any, key: Key[Array, ""], number: int | None) -> Array:
        if not player.initial_states:
            return distance(params, observed, key, number)[0]
        frames = first_frames(params, observed.starts[:, 0], observed.seen[:, 0], scale)
        own = relative_square(frames, observed.targets[:, 0], observed.seen[:, 0], scale)
        source = replace(observed, starts=observed.starts.at[:, 0].set(frames))
        rest, seen = distance(params, source, key, number)
        first = jnp.sum(observed.seen[:, 0])
        return (first * own + seen * rest) / jnp.maximum(first + seen, 1)

    def interaction(params: Any, key: Key[Array, ""], number: int | None) -> Array:
        if generated is None or weights.interaction == 0:
            return jnp.zeros(())
        return jax.lax.cond(
            cooperating,
            lambda p: distance(p, generated, key, number)[0],
            lambda p: jnp.zeros(()),
            params,
        )

    def loss(
        params: Any, key: Key[Array, ""], number: int | None = None
    ) -> tuple[Array, dict[str, Array]]:
        ours, theirs = jax.random.fold_in(key, 0), jax.random.fold_in(key, 1)
        terms = {
            "data": data(params, ours, number),
            "interaction": interaction(params, theirs, number),
            "penalty": player.model.penalty(params),
        }
        total = weights.data * terms["data"] + weights.interaction * terms["interaction"]
        return total + terms["penalty"], terms

    return loss


def first_frames(
    params: Any,
    frames: Float[Array, "simulation *shape channels"],
    seen: Bool[Array, "simulation *shape channels"],
    scale: Float[Array, " channels"],
) -> Float[Array, "simulation *shape channels"]:
    """Return first frames with the corrections that a player estimates, where they are measured.

    The corrections of n values are in units of `_CORRECTION` scale sqrt(n). All of them together
    then curve the loss less than a coefficient that matters: the search moves coefficients first.
    """
    if not (isinstance(params, dict) and INITIAL_STATES in params):
        return frames
    unit = _CORRECTION * np.sqrt(frames.size) * scale
    return frames + jnp.where(seen, params[INITIAL_STATES] * unit, 0)


def _windows(player: Player, source: Source, key: Key[Array, ""], number: int | None) -> Windows:
    if player.batch is None:
        windows = tile(source, player.horizon)
    elif number is None:
        windows = draw(source, key, player.batch, player.horizon)
    else:
        windows = deal(source, key, number, player.batch, player.horizon)
    if player.coarsening == 1:
        return windows
    return restrict(windows, player.model.domain, player.coarsening)


def _disturbed(
    player: Player, windows: Windows, scale: Float[Array, " channels"], key: Key[Array, ""]
) -> Windows:
    """Return windows with noise on what evolves of their starts."""
    if player.noise == 0:
        return windows
    noise = player.noise * scale * jax.random.normal(key, windows.start.shape)
    evolves = player.model.domain.coarsen(player.coarsening).evolves()
    return replace(windows, start=windows.start + jnp.where(evolves, noise, 0))
