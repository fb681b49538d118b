"""The game: two players learn from the same recordings and from each other, cycle by cycle.

    L_synthetic(w)  = a_s data(w)  + b_s interaction(w; theta fixed)
    L_physical(th)  = a_p data(th) + b_p interaction(th; w fixed) + roughness(th)

A cycle rolls both out from fresh initial states and updates one player after the other
(Gauss-Seidel alternation towards a Nash equilibrium). With one player it is plain training, by the
same code. Everything here is a pure function of arrays.

Source: Liverani, Steynberg, Zuazua, "HYCO: Hybrid-Cooperative Learning", arXiv 2509.14123.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int, Key, UInt32

from hycojax import parameter
from hycojax.data.statistics import statistics
from hycojax.data.windows import Source
from hycojax.losses import relative_square
from hycojax.model import Model, PhysicalModel, rollouts
from hycojax.observation import Recording
from hycojax.physical import Unconstrained
from hycojax.player import Player, first_frames, objective
from hycojax.solvers import INITIAL_STATES
from hycojax.solvers.multistart import Members


@dataclass(frozen=True)
class Schedule:
    """How long the game lasts."""

    warmup: int = 2
    """Cycles at the start in which each player learns from the recordings alone."""
    cycles: int = 20
    """Cycles in all."""
    fresh: int = 8
    """Initial states drawn in each cycle, where the players compare their rollouts."""
    validation: int = 1
    """Cycles from a validation to the next: full rollouts of the validation recordings."""
    improvement: float = 0.0
    """Part by which a validation error must fall below the best one to count as better."""
    patience: int | None = None
    """Cycles without a better validation error, of any player, that end the run; None: no limit."""

    def __post_init__(self):
        if self.cycles < 1 or self.fresh < 1:
            raise ValueError("cycles and fresh must be at least 1")
        if not 0 <= self.warmup <= self.cycles:
            raise ValueError(f"warmup = {self.warmup}: it must lie between 0 and cycles")
        if self.validation < 1:
            raise ValueError(f"validation = {self.validation}: at least 1 is needed")
        if not 0 <= self.improvement < 1:
            raise ValueError(f"improvement = {self.improvement}: it must lie between 0 and below 1")
        if self.patience is not None and self.patience < self.validation:
            raise ValueError(f"patience = {self.patience}: at least validation = {self.validation}")


@dataclass(frozen=True)
class Game:
    """Who plays, and how long: all that is fixed while a program is compiled.

    Attributes:
        physics: The PDE; fresh initial states are drawn from its distribution.
        players: Those that train, in the order of their turns: "synthetic", "physical" or both.
        schedule: How long.
    """

    physics: PhysicalModel
    players: dict[str, Player]
    schedule: Schedule


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class PlayerState:
    """Parameters and optimiser state, and the parameters that were best in validation.

    `error` is that of the latest validation, `best_cycle` how many cycles were played at the best.
    """

    params: Any
    solver: Any
    error: Float[Array, ""]
    best: Any
    best_error: Float[Array, ""]
    best_cycle: Int[Array, ""]


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class TrainingState:
    """All that training carries from cycle to cycle. Randomness is `fold_in(key, cycle)`."""

    players: dict[str, PlayerState]
    cycle: Int[Array, ""]
    key: UInt32[Array, 2]


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class Recordings:
    """What is known of the system.

    Attributes:
        training: What is learned from.
        validation: What the best parameters are chosen by.
        scale: Standard deviation of each channel.
        whole: Whether the training recordings see everything.
    """

    training: Recording
    validation: Recording
    scale: Float[Array, " channels"]
    whole: bool = field(metadata={"static": True})


def recordings(training: Recording, validation: Recording) -> Recordings:
    """Bundle recordings with the scales of their channels, taken from the training ones."""
    whole = bool(jnp.all(training.seen))
    return Recordings(training, validation, statistics(training).std, whole)


def game(physical: Player, synthetic: Player, schedule: Schedule, playing: tuple[str, ...]) -> Game:
    """Return the game of those of the two players that are `playing`."""
    players = {
        "synthetic": synthetic,
        "physical": replace(physical, model=Unconstrained(physical.model)),
    }
    return Game(physical.model, {n: p for n, p in players.items() if n in playing}, schedule)


def stage(game: Game, cycle: int) -> Game:
    """Return the game as it is played in a cycle; equal games are one program."""
    return replace(game, players={name: p.at(cycle) for name, p in game.players.items()})


def start(game: Game, data: Recordings, key: Key[Array, ""]) -> TrainingState:
    """Return the state before the first cycle."""
    weights, turns = jax.random.fold_in(key, 0), jax.random.fold_in(key, 1)
    players = {}
    for i, (name, player) in enumerate(game.players.items()):
        params = player.model.init(jax.random.fold_in(weights, i))
        if name == "synthetic":
            params = player.model.normalise(params, statistics(data.training))
        if player.initial_states:
            params = {**params, INITIAL_STATES: jnp.zeros_like(data.training.values[:, 0])}
        players[name] = PlayerState(
            params=params,
            solver=player.solver.init(params, game.schedule.cycles),
            error=jnp.asarray(jnp.inf, jnp.float32),
            best=jax.tree.map(jnp.copy, params),  # not the same buffers: the state is donated
            best_error=jnp.asarray(jnp.inf, jnp.float32),
            best_cycle=jnp.asarray(0, jnp.int32),
        )
    return TrainingState(players, jnp.asarray(0, jnp.int32), jax.random.key_data(turns))


def cycle(
    game: Game, data: Recordings, state: TrainingState
) -> tuple[TrainingState, dict[str, dict[str, Any]]]:
    """Give each player its turn. Returns the new state, and for each player what to report.

    Of a parameter that is a field, its mean is reported.
    """
    key = jax.random.fold_in(jax.random.wrap_key_data(state.key), state.cycle)
    cooperating = state.cycle >= game.schedule.warmup
    players = dict(state.players)
    observed = complete(game, data, players)
    draws, turns = jax.random.fold_in(key, 0), jax.random.fold_in(key, 1)
    fresh = jax.vmap(game.physics.sample)(jax.random.split(draws, game.schedule.fresh))
    metrics = {}
    for turn, (name, player) in enumerate(game.players.items()):
        generated = _partner_rollouts(game, name, players, fresh, observed)
        loss = objective(player, observed, generated, cooperating, data.scale)
        own = players[name]
        params, solver, terms = player.solver.run(
            loss, own.params, own.solver, jax.random.fold_in(turns, turn), game.schedule.cycles
        )
        own = replace(own, params=params, solver=solver)
        players[name] = _validated(game.schedule, player, own, data, state.cycle)
        metrics[name] = {**terms, "validation": players[name].error}
        if name == "physical":
            values = parameter.constrain(game.physics, params)
            metrics[name]["parameters"] = jax.tree.map(jnp.mean, values)
            if isinstance(solver, Members):
                metrics[name]["spread"] = jax.tree.map(jnp.mean, spread(game, solver))
    return replace(state, players=players, cycle=state.cycle + 1), metrics


def is_over(schedule: Schedule, state: TrainingState) -> bool:
    """Return whether all cycles are played, or no player has become better for long enough."""
    played = int(state.cycle)
    if schedule.patience is None or played >= schedule.cycles:
        return played >= schedule.cycles
    waited = [played - int(player.best_cycle) for player in state.players.values()]
    return min(waited) >= schedule.patience


def spread(game: Game, members: Members) -> dict[str, Array]:
    """Return the standard deviation of each parameter over the members that fit the data."""
    values = jax.vmap(lambda p: parameter.constrain(game.physics, p))(members.params)
    share = members.good / jnp.maximum(jnp.sum(members.good), 1)

    def deviation(all_values: Array) -> Array:
        mean = jnp.tensordot(share, all_values, 1)
        return jnp.sqrt(jnp.tensordot(share, (all_values - mean) ** 2, 1))

    return jax.tree.map(deviation, values)


def validation_error(model: Model, params: Any, data: Recordings) -> Float[Array, ""]:
    """Return the relative rms error of full rollouts on what validation recordings see."""
    values, seen = data.validation.values[:, 1:], data.validation.seen[:, 1:]
    predicted = rollouts(model, params, data.validation.values[:, 0], values.shape[1])
    counted = seen & model.domain.evolves()
    return jnp.sqrt(relative_square(predicted[:, 1:], values, counted, data.scale))


def complete(game: Game, data: Recordings, players: dict[str, PlayerState]) -> Source:
    """Return the training recordings with the current estimate of a player where they do not see.

    Only starts of windows are completed, and only from rollouts of the first frames, which are
    known in full; targets count where they are seen. The physical player's estimate is taken where
    there is one.
    """
    recording = data.training
    seen = recording.seen & game.physics.domain.evolves()
    if data.whole:
        return Source(starts=recording.values, targets=recording.values, seen=seen)
    name = "physical" if "physical" in players else "synthetic"
    params = players[name].params
    first = first_frames(params, recording.values[:, 0], seen[:, 0], data.scale)
    steps = recording.values.shape[1] - 1
    estimate = rollouts(game.players[name].model, params, first, steps)
    starts = jnp.where(recording.seen, recording.values, estimate)
    return Source(starts=starts, targets=recording.values, seen=seen)


def _partner_rollouts(
    game: Game, name: str, players: dict[str, PlayerState], fresh: Array, observed: Source
) -> Source | None:
    """Return the other player's rollouts from fresh initial states, seen everywhere."""
    for other, player in game.players.items():
        if other != name:
            steps = observed.targets.shape[1] - 1
            trajectories = rollouts(player.model, players[other].params, fresh, steps)
            evolves = np.broadcast_to(game.physics.domain.evolves(), trajectories.shape)
            return Source(trajectories, trajectories, jnp.asarray(evolves))
    return None


def _validated(
    schedule: Schedule, player: Player, own: PlayerState, data: Recordings, cycle: Int[Array, ""]
) -> PlayerState:
    """Return a player after its turn in a cycle, validated if that is due."""
    due = (cycle % schedule.validation == 0) | (cycle == schedule.cycles - 1)
    error = jax.lax.cond(
        due, lambda: validation_error(player.model, own.params, data), lambda: own.error
    )
    better: Bool[Array, ""] = due & (error < (1 - schedule.improvement) * own.best_error)
    new, old = (own.params, error, cycle + 1), (own.best, own.best_error, own.best_cycle)
    best, best_error, best_cycle = jax.tree.map(lambda n, o: jnp.where(better, n, o), new, old)
    return replace(own, error=error, best=best, best_error=best_error, best_cycle=best_cycle)
