"""What a player minimises in its turn: the distance to the recordings and to its partner."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Key

from hycojax.data.windows import Source, Windows, deal, draw, seen_values, tile
from hycojax.game.initial_states import corrected
from hycojax.game.player import Player
from hycojax.game.schedule import Turn
from hycojax.inference.losses import relative_square, window_loss
from hycojax.kernels import random_arrays
from hycojax.settings.numbers import weighs, with_fields
from hycojax.solvers import Objective


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
    and b are those of the turn. Of numbered batches, only the gradient backwards is defined.
    """
    model = player.model
    given = [observed] if generated is None else [observed, generated]
    weights = [turn.data, turn.interaction][: len(given)]
    sources = [_trained_on(player, source) for source in given]
    sizes = [player.batch and player.batch * seen_values(s, player.horizon) for s in sources]

    def distance(params: Any, windows: Windows, count: Array | None = None) -> Array:
        return window_loss(model, params, windows, scale, player.truncation, count)

    def apart(params: Any, keys: list[Key[Array, ""]], number: int | None) -> list[Array]:
        def term(params: Any, source: Source, key: Key[Array, ""]) -> Array:
            if player.corrects_first_frames and source is sources[0]:
                return _from_estimated_states(player, distance, params, observed, scale, key)
            return distance(params, _windows(player, source, scale, key, number))

        return [
            _unless_weightless(lambda p, s=s, k=k: term(p, s, k), params, w)
            for s, k, w in zip(sources, keys, weights, strict=True)
        ]

    def in_turn(params: Any, keys: list[Key[Array, ""]], number: int) -> Array:
        # Batches that see more count for more: their mean is the loss on all windows.
        batches = [
            (_windows(player, source, scale, key, number), size)
            for source, key, size in zip(sources, keys, sizes, strict=True)
        ]
        return _one_by_one(lambda p, x: distance(p, *x), params, _stack(batches), _stack(weights))

    def loss(
        params: Any, key: Key[Array, ""], number: int | None = None
    ) -> tuple[Array, dict[str, Array]]:
        keys = [jax.random.fold_in(key, i) for i in range(len(sources))]
        once = number is None or player.batch is None
        found = (apart if once else in_turn)(params, keys, number)
        data, interaction = found if generated is not None else (found[0], jnp.zeros(()))
        terms = {"data": data, "interaction": interaction, "penalty": player.model.penalty(params)}
        weighted = turn.data * data + turn.interaction * interaction
        return weighted + terms["penalty"], terms

    return loss


def _from_estimated_states(
    player: Player,
    distance: Callable,
    params: Any,
    observed: Source,
    scale: Float[Array, " channels"],
    key: Key[Array, ""],
) -> Array:
    """Return the loss on the recordings from first frames that are estimated, these included."""
    frames = corrected(params, observed.starts[:, 0], observed.seen[:, 0], scale)
    own = relative_square(frames, observed.targets[:, 0], observed.seen[:, 0], scale)
    source = replace(observed, starts=observed.starts.at[:, 0].set(frames))
    later = _windows(player, _trained_on(player, source), scale, key, None)
    first, seen = jnp.sum(observed.seen[:, 0]), jnp.sum(later.seen)
    return (first * own + seen * distance(params, later)) / jnp.maximum(first + seen, 1)


def _unless_weightless(term: Callable, params: Any, weight: Array) -> Array:
    """Return a term, or zero if it has no weight.

    It is a program of its own: whether there is another term does not change a bit of this one.
    """
    return jax.lax.cond(weight > 0, term, lambda _: jnp.zeros(()), params)


@partial(jax.custom_vjp, nondiff_argnums=(0,))
def _one_by_one(function: Callable, params: Any, inputs: Any, weights: Array) -> Array:
    """Return function(params, input) for each of the inputs, or zero where the weight is zero.

    Its gradient by the parameters is computed with the values, one input after the other: the
    function and its gradient are compiled once, and what one input leaves for its gradient is kept
    for no longer than that takes.
    """
    return _values_and_gradients(function, params, inputs, weights)[0]


def _values_and_gradients(
    function: Callable, params: Any, inputs: Any, weights: Array
) -> tuple[Array, Any]:
    def nothing(params: Any, _: Any) -> tuple[Array, Any]:
        return jnp.zeros(()), jax.tree.map(jnp.zeros_like, params)

    def term(input_and_weight: tuple[Any, Array]) -> tuple[Array, Any]:
        own, weight = input_and_weight
        return jax.lax.cond(weight > 0, jax.value_and_grad(function), nothing, params, own)

    return jax.lax.map(term, (inputs, weights))


def _weighted_gradients(function: Callable, gradients: Any, weights: Array) -> tuple[Any, ...]:
    del function
    return jax.tree.map(lambda g: jnp.tensordot(weights, g, 1), gradients), None, None


_one_by_one.defvjp(_values_and_gradients, _weighted_gradients)


def _stack(trees: list[Any]) -> Any:
    return jax.tree.map(lambda *leaves: jnp.stack(leaves), *trees)


def visible_loss(
    player: Player, observed: Source, params: Any, scale: Float[Array, " channels"]
) -> Float[Array, ""]:
    """Return the loss on all windows of the recordings that lie end to end, without noise."""
    whole = with_fields(player, batch=None, noise=0.0)
    loss = objective(whole, observed, None, Turn(True, 1.0, 0.0, False, False), scale)
    return loss(params, jax.random.key(0))[1]["data"]


def _trained_on(player: Player, source: Source) -> Source:
    """Return what of trajectories the player's windows are cut from."""
    if not player.early.first:
        return source
    return jax.tree.map(lambda frames: frames[:, : player.horizon + 1], source)


def _windows(
    player: Player,
    source: Source,
    scale: Float[Array, " channels"],
    key: Key[Array, ""],
    number: int | None,
) -> Windows:
    """Return the windows of an evaluation, with noise on their starts if the player wants it."""
    if player.batch is None:
        windows = tile(source, player.horizon)
    elif number is None:
        windows = draw(source, key, player.batch, player.horizon)
    else:
        windows = deal(source, key, number, player.batch, player.horizon)
    noise = key if number is None else jax.random.fold_in(key, number)
    return _disturbed(player, windows, scale, jax.random.fold_in(noise, 0))


def _disturbed(
    player: Player, windows: Windows, scale: Float[Array, " channels"], key: Key[Array, ""]
) -> Windows:
    """Return windows with noise on what evolves of their starts."""
    if not weighs(player.noise):
        return windows
    state = windows.starts.state
    noise = player.noise * scale * random_arrays.normal(key, state.shape)
    evolves = player.model.domain.evolves()
    noisy = replace(windows.starts, state=state + jnp.where(evolves, noise, 0))
    return replace(windows, starts=noisy)
