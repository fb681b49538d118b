"""What a player minimises in its turn: the distance to the recordings and to its partner."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Key

from hycojax.data.observations import Observations
from hycojax.data.windows import Source, Windows, chosen, disturbed, seen_values, visited, within
from hycojax.game.player import Player
from hycojax.game.schedule import Turn
from hycojax.inference import first_states
from hycojax.inference.accumulation import one_by_one, stacked, unless_weightless
from hycojax.inference.losses import window_loss
from hycojax.models.pde import BoundPDE
from hycojax.settings.numbers import weighs, with_fields
from hycojax.solvers import Objective


@dataclass(frozen=True)
class _Task:
    """What a player fits: windows of each source, with the weight and the scales of each."""

    player: Player
    data: Observations
    physics: BoundPDE
    sources: list[Source]
    weights: list[Array]
    scales: list[Float[Array, " channels"]]

    def distance(
        self, params: Any, windows: Windows, scale: Array, count: Array | None = None
    ) -> Array:
        """Return how far the player is from windows."""
        own, noise = self.player, self.data.noise
        return window_loss(own.model, params, windows, scale, noise, own.truncation, count)


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
    player's trajectories (none without another player), and the penalty of improbable parameters,
    and of a learned term along the recordings. The weights are those of the turn, times its trust
    for channels of the other player. Of numbered batches only the gradient backwards is defined.
    First states that the player estimates are those of its parameters; `leaning`, if given, is the
    derivative by the others of what their uncertainty adds.
    """
    observed = within(observed, turn.reach) if player.growth else observed
    sources = [observed] if generated is None else [observed, generated]
    weights = [turn.data, turn.interaction][: len(sources)]
    # A channel's weight is that of its square.
    scales = [data.scale, data.scale / jnp.sqrt(turn.trust)][: len(sources)]
    task = _Task(player, data, physics, sources, weights, scales)

    def loss(
        params: Any, key: Key[Array, ""], number: int | None = None
    ) -> tuple[Array, dict[str, Array]]:
        keys = [jax.random.fold_in(key, i) for i in range(len(sources))]
        once = number is None or player.batch is None
        found = (_apart if once else _in_turn)(task, params, keys, number)
        close, interaction = found if generated is not None else (found[0], jnp.zeros(()))
        states = visited(observed, player.horizon, player.batch, keys[0], number)
        penalty = _improbable(task, params, turn, leaning) + player.model.excess(params, states)
        terms = {"data": close, "interaction": interaction, "penalty": penalty}
        return turn.data * close + turn.interaction * interaction + penalty, terms

    return loss


def visible_loss(
    player: Player, data: Observations, observed: Source, params: Any, physics: BoundPDE
) -> Float[Array, ""]:
    """Return the loss on all windows of the recordings that lie end to end, without noise."""
    whole = with_fields(player, batch=None, noise=0.0)
    turn = Turn(True, 1.0, 0.0, False, False, reach=jnp.inf)
    loss = objective(whole, data, observed, None, turn, physics)
    return loss(params, jax.random.key(0))[1]["data"]


def _apart(task: _Task, params: Any, keys: list[Key[Array, ""]], number: int | None) -> list[Array]:
    """Return the distance to each source, as a program of its own."""
    player, scale, known = task.player, task.data.scale, task.data.training

    def term(params: Any, source: Source, own: Array, key: Key[Array, ""]) -> Array:
        if player.estimates(known.first) and (source is task.sources[0] or source.first):
            first = first_states.states(task.physics, known.first, scale, params)
            starts = source.starts.at[: len(first), 0].set(first)
            source = replace(source, starts=starts, first=True)
        return task.distance(params, _windows(player, source, scale, key, number), own)

    return [
        unless_weightless(lambda p, about=about: term(p, *about), params, w)
        for *about, w in zip(task.sources, task.scales, keys, task.weights, strict=True)
    ]


def _in_turn(task: _Task, params: Any, keys: list[Key[Array, ""]], number: int) -> Array:
    """Return the distance to a batch of each source, one after the other."""
    # Batches that see more count for more: their mean is the loss on all windows.
    player, scale = task.player, task.data.scale
    batches = [
        (_windows(player, s, scale, k, number), own, player.batch * seen_values(s, player.horizon))
        for s, own, k in zip(task.sources, task.scales, keys, strict=True)
    ]
    groups = [(batches, task.weights)]
    if len(set(map(jax.tree.structure, batches))) > 1:  # several instruments, or rows
        groups = [([b], [w]) for b, w in zip(batches, task.weights, strict=True)]
    return jnp.concatenate(
        [
            one_by_one(lambda p, x: task.distance(p, *x), params, stacked(own), stacked(theirs))
            for own, theirs in groups
        ]
    )


def _improbable(task: _Task, params: Any, turn: Turn, leaning: Any) -> Array:
    """Return the penalty of improbable coefficients and first states."""
    known, noise = task.data.training, task.data.noise
    about = known.first, known.parts, jnp.maximum(noise, turn.least), params
    unlikely = first_states.penalty(task.physics.domain, *about)
    if leaning is not None:
        own = {name: params[name] for name in leaning}
        slant = sum(jax.tree.leaves(jax.tree.map(jnp.vdot, leaning, own)))
        unlikely += 2 * noise**2 / known.count * slant
    return task.player.model.penalty(params) + turn.data * unlikely


def _windows(
    player: Player,
    source: Source,
    scale: Float[Array, " channels"],
    key: Key[Array, ""],
    number: int | None,
) -> Windows:
    """Return the windows of an evaluation, with noise on their starts if the player wants it."""
    windows = chosen(source, player.horizon, player.batch, key, number)
    if not weighs(player.noise):
        return windows
    drawn = jax.random.fold_in(key if number is None else jax.random.fold_in(key, number), 0)
    return disturbed(windows, player.noise * scale, player.model.domain.evolves(), drawn)
