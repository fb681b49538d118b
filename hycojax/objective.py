"""What a player minimises in its turn: the distance to the recordings and to its partner."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Key

from hycojax import draws
from hycojax.data.windows import Source, Windows, deal, draw, restrict, tile
from hycojax.losses import relative_square, window_loss
from hycojax.model import Model
from hycojax.player import Player, Turn
from hycojax.solvers import INITIAL_STATES, Objective

#: Corrections of first frames are of this size, relative to the scale.
_CORRECTION = 0.1


def objective(
    player: Player,
    observed: Source,
    generated: Source | None,
    turn: Turn,
    scale: Float[Array, " channels"],
) -> Objective:
    """Return the player's loss as a function of its parameters, a key and a batch's number.

        L = a * data + b * interaction + penalty

    with `window_loss` on windows of the recordings and, unless b is 0, on windows of the other
    player's trajectories (none without another player), and the model's own penalty. The weights a
    and b are those of the turn.
    """
    model = _coarse(player)
    a, b = turn.data, turn.interaction

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
        return distance(params, generated, key, number)[0]

    def unless_weightless(term: Any, weight: Array, *arguments: Any) -> Array:
        # A program of its own: whether there is another term does not change a bit of this one.
        return jax.lax.cond(weight > 0, term, lambda *_: jnp.zeros(()), *arguments)

    def loss(
        params: Any, key: Key[Array, ""], number: int | None = None
    ) -> tuple[Array, dict[str, Array]]:
        ours, theirs = jax.random.fold_in(key, 0), jax.random.fold_in(key, 1)
        terms = {
            "data": unless_weightless(data, a, params, ours, number),
            "interaction": jnp.zeros(()),
            "penalty": player.model.penalty(params),
        }
        if generated is not None:
            terms["interaction"] = unless_weightless(interaction, b, params, theirs, number)
        return a * terms["data"] + b * terms["interaction"] + terms["penalty"], terms

    return loss


def visible_loss(
    player: Player, observed: Source, params: Any, scale: Float[Array, " channels"]
) -> Float[Array, ""]:
    """Return the loss on all windows of the recordings that lie end to end, without noise."""
    whole = replace(player, batch=None, noise=0.0, solver=None)
    loss = objective(whole, observed, None, Turn(True, 1.0, 0.0, False), scale)
    return loss(params, jax.random.key(0))[1]["data"]


def _coarse(player: Player) -> Model:
    coarser = player.coarsening > 1
    return replace(player.model, coarsening=player.coarsening) if coarser else player.model


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
    if player.early.first:
        source = jax.tree.map(lambda frames: frames[:, : player.horizon + 1], source)
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
    state = windows.starts.state
    noise = player.noise * scale * draws.normal(key, state.shape)
    evolves = player.model.domain.coarsen(player.coarsening).evolves()
    noisy = replace(windows.starts, state=state + jnp.where(evolves, noise, 0))
    return replace(windows, starts=noisy)
