"""What a player minimises in its turn: the distance to the recordings and to its partner."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Key

from hycojax.data.observations import Observations
from hycojax.data.windows import Source, Windows, deal, disturbed, draw, seen_values, tile, within
from hycojax.game.initial_states import estimates
from hycojax.game.player import Player
from hycojax.game.schedule import Turn
from hycojax.inference import first_states
from hycojax.inference.accumulation import one_by_one, stacked, unless_weightless
from hycojax.inference.losses import window_loss
from hycojax.models.pde import BoundPDE
from hycojax.settings.numbers import weighs, with_fields
from hycojax.solvers import Objective


def objective(
    player: Player,
    data: Observations,
    observed: Source,
    generated: Source | None,
    turn: Turn,
    physics: BoundPDE,
    leaning: Any = None,
) -> Objective:
    """Return the player's loss as a function of its parameters, a key and a batch's number.

        L = a * data + b * interaction + penalty

    with `window_loss` on windows of the recordings and, unless b is 0, on windows of the other
    player's trajectories (none without another player), and the penalty of improbable parameters.
    The weights are those of the turn. Of numbered batches only the gradient backwards is defined.
    First states that the player estimates are those of its parameters; `leaning`, if given, is the
    derivative by the coefficients of what the uncertainty of these adds.
    """
    model, scale = player.model, data.scale
    observed = within(observed, turn.reach) if player.growth else observed
    sources = [observed] if generated is None else [observed, generated]
    weights = [turn.data, turn.interaction][: len(sources)]
    sizes = [player.batch and player.batch * seen_values(s, player.horizon) for s in sources]
    searched = estimates(player, data.training.first)

    def distance(params: Any, windows: Windows, count: Array | None = None) -> Array:
        return window_loss(model, params, windows, scale, data.noise, player.truncation, count)

    def apart(params: Any, keys: list[Key[Array, ""]], number: int | None) -> list[Array]:
        def term(params: Any, source: Source, key: Key[Array, ""]) -> Array:
            if searched and source is observed:
                first = first_states.states(physics, data.training.first, scale, params)
                starts = source.starts.at[:, 0].set(first)
                source = replace(source, starts=starts, first=True)
            return distance(params, _windows(player, source, scale, key, number))

        return [
            unless_weightless(lambda p, s=s, k=k: term(p, s, k), params, w)
            for s, k, w in zip(sources, keys, weights, strict=True)
        ]

    def in_turn(params: Any, keys: list[Key[Array, ""]], number: int) -> Array:
        # Batches that see more count for more: their mean is the loss on all windows.
        batches = [
            (_windows(player, source, scale, key, number), size)
            for source, key, size in zip(sources, keys, sizes, strict=True)
        ]
        groups = [(batches, weights)]
        if len(set(map(jax.tree.structure, batches))) > 1:  # several instruments, or rows
            groups = [([b], [w]) for b, w in zip(batches, weights, strict=True)]
        return jnp.concatenate(
            [
                one_by_one(lambda p, x: distance(p, *x), params, stacked(own), stacked(theirs))
                for own, theirs in groups
            ]
        )

    def improbable(params: Any) -> Array:
        known = data.training
        noise = jnp.maximum(data.noise, turn.least)
        about = known.first, known.parts, noise, params
        unlikely = first_states.penalty(physics.domain, *about)
        if leaning is not None:
            slant = sum(jnp.vdot(leaning[name], params[name]) for name in leaning)
            unlikely += 2 * data.noise**2 / known.count * slant
        return model.penalty(params) + turn.data * unlikely

    def loss(
        params: Any, key: Key[Array, ""], number: int | None = None
    ) -> tuple[Array, dict[str, Array]]:
        keys = [jax.random.fold_in(key, i) for i in range(len(sources))]
        once = number is None or player.batch is None
        found = (apart if once else in_turn)(params, keys, number)
        close, interaction = found if generated is not None else (found[0], jnp.zeros(()))
        terms = {"data": close, "interaction": interaction, "penalty": improbable(params)}
        weighted = turn.data * close + turn.interaction * interaction
        return weighted + terms["penalty"], terms

    return loss


def visible_loss(
    player: Player, data: Observations, observed: Source, params: Any, physics: BoundPDE
) -> Float[Array, ""]:
    """Return the loss on all windows of the recordings that lie end to end, without noise."""
    whole = with_fields(player, batch=None, noise=0.0)
    turn = Turn(True, 1.0, 0.0, False, False, reach=jnp.inf)
    loss = objective(whole, data, observed, None, turn, physics)
    return loss(params, jax.random.key(0))[1]["data"]


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
    if not weighs(player.noise):
        return windows
    drawn = jax.random.fold_in(key if number is None else jax.random.fold_in(key, number), 0)
    return disturbed(windows, player.noise * scale, player.model.domain.evolves(), drawn)
