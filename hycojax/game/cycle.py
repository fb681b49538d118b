"""The method: two players learn from the same recordings and from each other, cycle by cycle.

    L_synthetic(w)  = a_s data(w)  + b_s interaction(w; theta fixed)
    L_physical(th)  = a_p data(th) + b_p interaction(th; w fixed) + roughness(th)

In a cycle each player has a turn: the other one predicts trajectories, it trains on these and on
the recordings, and is validated (Gauss-Seidel alternation towards a Nash equilibrium). With one
player it is plain training, by the same code; with a weight of zero, or a player without turns, it
is a one-way scheme. Everything here is a pure function of arrays: warm-up, schedules and frozen
players are numbers in a `Turn` (`game.turns`), a turn that did harm is undone in `learning.train`.

Source: Liverani, Steynberg, Zuazua, "HYCO: Hybrid-Cooperative Learning", arXiv 2509.14123.
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Key

from hycojax.data.windows import Source
from hycojax.game.balance import balanced
from hycojax.game.completion import complete, known_frames
from hycojax.game.learning import train
from hycojax.game.objective import objective, visible_loss
from hycojax.game.player import Turn
from hycojax.game.state import (
    NAMES,
    Game,
    PlayerState,
    Recordings,
    TrainingState,
    fresh,
    lesson_steps,
    no_lessons,
    spread,
)
from hycojax.game.validation import validated
from hycojax.kernels import random_arrays as draws
from hycojax.models import parameters as parameter
from hycojax.models.model import Starts, beginnings
from hycojax.solvers.multistart import Members


def cycle(
    game: Game, data: Recordings, state: TrainingState, turns: dict[str, Turn]
) -> tuple[TrainingState, dict[str, dict[str, Any]]]:
    """Give each player its turn. Returns the new state, and for each player what to report.

    Of a parameter that is a field, its mean is reported.
    """
    key = jax.random.fold_in(jax.random.wrap_key_data(state.key), state.cycle)
    players, metrics = dict(state.players), {}
    for name in game.players:
        own = jax.random.fold_in(key, 1 + NAMES.index(name))
        with jax.named_scope(name):
            players[name], metrics[name] = play(game, data, players, name, turns[name], key, own)
        with jax.named_scope("validation"):
            players[name] = validated(game, name, players[name], data, state.cycle)
        metrics[name]["validation"] = players[name].error
    return replace(state, players=players, cycle=state.cycle + 1), metrics


def play(
    game: Game,
    data: Recordings,
    players: dict[str, PlayerState],
    name: str,
    turn: Turn,
    draws: Key[Array, ""],
    key: Key[Array, ""],
) -> tuple[PlayerState, dict[str, Any]]:
    """Return a player after its training in a cycle, and what to report of it."""
    player, own = game.players[name], players[name]
    with jax.named_scope("interaction"):
        observed = complete(game, data, players, name, turn)
        generated, lessons = interact(game, data, players, name, turn, draws)
    turn = balanced(game, data, players, name, turn, observed, generated)
    loss = objective(player, observed, generated, turn, data.scale)
    visible = partial(visible_loss, player, observed, scale=data.scale)
    params, solver, terms = train(player, own, loss, visible, turn, key)
    if name == "physical":
        values = parameter.constrain(game.physics, params)
        terms = {**terms, "parameters": jax.tree.map(jnp.mean, values)}
        if isinstance(solver, Members):
            terms["spread"] = jax.tree.map(jnp.mean, spread(game, solver))
    return replace(own, params=params, solver=solver, lessons=lessons), terms


def interact(
    game: Game,
    data: Recordings,
    players: dict[str, PlayerState],
    name: str,
    turn: Turn,
    key: Key[Array, ""],
) -> tuple[Source | None, Array | None]:
    """Return the partner's trajectories as something to learn from, and what of them is kept.

    They count at all cells and times, or at the ghost points. None without a partner.
    """
    partner, kept = game.partner(name), players[name].lessons
    if partner is None:
        return None, None
    steps = lesson_steps(game, data, name)

    def predict() -> Array:
        starts = _meeting_places(game, data, players, jax.random.fold_in(key, 0))
        return game.players[partner].model.predict(players[partner].params, starts, steps)

    def keep() -> Array:
        return no_lessons(game, data, name) if kept is None else kept

    lessons = jax.lax.cond(turn.renew, predict, keep)
    # Behind a barrier: XLA would count the values of a constant as it compiles, for seconds.
    evolves = jax.lax.optimization_barrier(jnp.asarray(game.physics.domain.evolves()))
    counted = jnp.broadcast_to(evolves, lessons.shape)
    if game.interaction.points < 1:
        counted &= _ghosts(game, name, lessons.shape, jax.random.fold_in(key, 3))
    return Source(lessons, lessons, counted), None if kept is None else lessons


def _ghosts(
    game: Game, name: str, shape: tuple[int, ...], key: Key[Array, ""]
) -> Bool[Array, "trajectory time *shape one"]:
    """Return which cells and times count, chosen among the cells on which the player trains."""
    factor = game.players[name].coarsening
    places = (*shape[:2], *(n // factor for n in shape[2:-1]), 1)
    chosen = draws.bernoulli(key, game.interaction.points, places)
    for axis in range(2, len(shape) - 1):
        chosen = jnp.repeat(chosen, factor, axis)
    return chosen


def _meeting_places(
    game: Game, data: Recordings, players: dict[str, PlayerState], key: Key[Array, ""]
) -> Starts:
    """Return the states from which the players compare: first frames, then fresh ones."""
    places = []
    if game.interaction.recorded:
        places.append(known_frames(game.physics.domain, data, players["physical"].params))
    if count := fresh(game, data):
        places.append(jax.vmap(game.physics.sample)(jax.random.split(key, count)))
    return beginnings(jnp.concatenate(places))
