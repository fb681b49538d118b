"""The method: two players learn from the same recordings and from each other, cycle by cycle.

    L_synthetic(w)  = a_s data(w)  + b_s interaction(w; theta fixed)
    L_physical(th)  = a_p data(th) + b_p interaction(th; w fixed) + penalty(th)

with each channel of the interaction times its trust. In a cycle each player has a turn: the other
one predicts trajectories, it trains on these and on the recordings, and is validated (Gauss-Seidel
alternation towards a Nash equilibrium). With one player it is plain training, by the same code;
with a weight of zero, or without turns, it is a one-way scheme. All is a pure function of arrays:
warm-up and frozen players are numbers in a `Turn`, other numbers arguments too (`run.compiled`).

Source: Liverani, Steynberg, Zuazua, "HYCO: Hybrid-Cooperative Learning", arXiv 2509.14123.
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Key

from hycojax.data.first_guess import ANNEALED
from hycojax.data.observations import Observations
from hycojax.game.completion import complete, first_states
from hycojax.game.lessons import lessons
from hycojax.game.objective import objective, visible_loss
from hycojax.game.schedule import Turn
from hycojax.game.state import NAMES, Game, PlayerState, TrainingState
from hycojax.game.turn import train
from hycojax.game.validation import validated
from hycojax.inference import evidence, marginal, priors
from hycojax.inference.losses import frame_counts, usual
from hycojax.solvers import CORRECTION, Objective


def cycle(
    game: Game, data: Observations, state: TrainingState, turns: dict[str, Turn]
) -> tuple[TrainingState, dict[str, dict[str, Any]]]:
    """Give each player its turn. Returns the new state, and for each player what to report.

    Of a parameter that is a field, its mean is reported.
    """
    key = jax.random.fold_in(jax.random.wrap_key_data(state.key), state.cycle)
    players, metrics = dict(state.players), {}
    for name, player in game.seats:
        own = jax.random.fold_in(key, 1 + NAMES.index(name))
        turn = _trusting(game, data, players, name, turns[name])
        with jax.named_scope(name):
            players[name], metrics[name] = play(game, data, players, name, turn, key, own)
        with jax.named_scope("validation"):
            due, first = turn.validates, first_states(game, data, players, name, turn)
            players[name] = validated(player.model, players[name], data, first, state.cycle, due)
        metrics[name]["validation"] = players[name].error
    return replace(state, players=players, cycle=state.cycle + 1), metrics


def play(
    game: Game,
    data: Observations,
    players: dict[str, PlayerState],
    name: str,
    turn: Turn,
    shared: Key[Array, ""],
    key: Key[Array, ""],
) -> tuple[PlayerState, dict[str, Any]]:
    """Return a player after its training in a cycle, and what to report of it."""
    player, own = game.players[name], players[name]
    with jax.named_scope("interaction"):
        # A partner that sees something else begins where it knows: by that it is trusted.
        apart = game.partner(name) if data.views else None
        teachers = {apart: players[apart]} if apart else players
        begun = (apart, replace(turn, interaction=0)) if apart else (name, turn)
        first = first_states(game, data, players, *begun)
        data = data.of(name)
        observed = complete(game, data, players, name, turn)
        shown = lessons(game, data, teachers, name, turn, first, shared)
        if apart and game.interaction.recorded and player.estimates(data.training.first):
            shown = replace(shown, first=True)  # its first states have to meet the partner's too

    leaning = None
    if player.estimates(data.training.first):
        square = visible_loss(player, data, observed, own.params, game.physics)
        data = data if data.sure else replace(data, noise=marginal.told(data.noise, square))
        leaning, prior = marginal.uncertain(game.physics, player.model, data, own.params, own.prior)
    if leaning is not None:  # first states have a prior
        own = replace(own, prior=jnp.where(turn.begins, own.prior, prior))
        data = priors.known(data, own.prior)
        turn = replace(turn, least=jnp.where(turn.begins, ANNEALED, 0.0))

    def loss_of(turn: Turn) -> Objective:
        return objective(player, data, observed, shown, turn, game.physics, leaning)

    visible = partial(visible_loss, player, data, observed, physics=game.physics)
    params, solver, terms = train(player, own, loss_of, visible, turn, key)
    parameters = jax.tree.map(jnp.mean, player.model.estimates(params))
    spread = jax.tree.map(jnp.mean, player.solver.deviations(solver, player.model.estimates))
    met = {"trust": _told(game, name, turn), "led": (turn.interaction > 0) & turn.leads}
    terms = {**terms, "parameters": parameters, "spread": spread, **met}
    kept = turn.active & ~jnp.asarray(terms.get("reverted", False))
    fitted = jnp.where(kept, terms["data"] / usual(data.training.parts), own.fitted)
    return replace(own, params=params, solver=solver, fitted=fitted), terms


def _trusting(
    game: Game, data: Observations, players: dict[str, PlayerState], name: str, turn: Turn
) -> Turn:
    """Return a turn in which the partner counts for what it predicts better, or is not met."""
    partner = game.partner(name)
    if partner is None:
        return turn
    squares = players[name].squares, players[partner].squares
    counts = frame_counts(data.validation.parts, len(data.scale))
    fitted = data.among_all(players[name].fitted)
    few = name == "physical" and CORRECTION not in players[name].params  # a term learns to fit
    found = evidence.trust(*squares, counts, data.noise, fitted, limited=few)
    trust, known = (jnp.where(turn.equal | (turn.data == 0), 1, share) for share in found)
    heard, evolving = jnp.any(trust > 0), np.array(game.physics.domain.dynamic)
    leads = evidence.leads(trust[evolving], known[evolving])
    met = {"interaction": jnp.where(heard, turn.interaction, 0), "meets": turn.meets & heard}
    return replace(turn, trust=trust, leads=leads, **met)


def _told(game: Game, name: str, turn: Turn) -> dict[str, Array]:
    """Return how much the partner counted, for each channel that evolves; nothing without one."""
    grid = game.physics.domain
    if game.partner(name) is None:
        return {}
    return {grid.channels[c].name: jnp.where(turn.meets, turn.trust[c], 0) for c in grid.dynamic}
