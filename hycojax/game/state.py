"""Who plays, for how long and for what: the settings of a game, and the state that it carries."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int, Key, UInt32

from hycojax.data.observation import Recording
from hycojax.data.statistics import statistics
from hycojax.game.player import Player, Turn, Weights
from hycojax.models import parameters as parameter
from hycojax.models.model import PhysicalModel, beginnings
from hycojax.models.unconstrained import Unconstrained
from hycojax.solvers import INITIAL_STATES
from hycojax.solvers.multistart import Members

#: The players there can be. Randomness goes by this order, whoever plays.
NAMES = ("synthetic", "physical")


@dataclass(frozen=True)
class Schedule:
    """How long the game lasts."""

    warmup: int = 2
    """Cycles at the start in which each player learns from the recordings alone."""
    cycles: int = 20
    """Cycles in all."""
    physical_first: bool = False
    """Whether the physical player has the first turn of a cycle."""
    validation: int = 1
    """Cycles from a validation to the next: full rollouts of the validation recordings."""
    improvement: float = 0.0
    """Part by which a validation error must fall below the best one to count as better."""
    patience: int | None = None
    """Cycles without a better validation error, of any player, that end the run; None: no limit."""

    def __post_init__(self):
        if self.cycles < 1:
            raise ValueError("cycles must be at least 1")
        if not 0 <= self.warmup <= self.cycles:
            raise ValueError(f"warmup = {self.warmup}: it must lie between 0 and cycles")
        if self.validation < 1:
            raise ValueError(f"validation = {self.validation}: at least 1 is needed")
        if not 0 <= self.improvement < 1:
            raise ValueError(f"improvement = {self.improvement}: it must lie between 0 and below 1")
        if self.patience is not None and self.patience < self.validation:
            raise ValueError(f"patience = {self.patience}: at least validation = {self.validation}")


@dataclass(frozen=True)
class Interaction:
    """Where the players compare their trajectories: they need no recordings there."""

    alpha: float = 2.0
    """Trajectories from fresh initial states, drawn from the physical model's distribution, for
    each recorded one; 0: none."""
    recorded: bool = False
    """Whether they also compare along the recordings, from the first frames on."""
    points: float = 1.0
    """Share of the cells and times that count (ghost points), chosen anew in each cycle."""
    reuse: int = 1
    """Cycles for which trajectories serve before new ones are made."""

    def __post_init__(self):
        if not 0 <= self.alpha < float("inf"):
            raise ValueError(f"alpha = {self.alpha}: it must not be negative")
        if self.alpha == 0 and not self.recorded:
            raise ValueError("alpha = 0: the players need fresh initial states, or recorded=True")
        if not 0 < self.points <= 1:
            raise ValueError(f"points = {self.points}: it must lie above 0 and up to 1")
        if self.reuse < 1:
            raise ValueError(f"reuse = {self.reuse}: at least 1 is needed")


@dataclass(frozen=True)
class Game:
    """All that is fixed while a program is compiled.

    Attributes:
        physics: The PDE; fresh initial states are drawn from its distribution.
        players: Those that play, in the order of their turns: "synthetic", "physical" or both.
        schedule: How long.
        interaction: Where they compare their trajectories.
    """

    physics: PhysicalModel
    players: dict[str, Player]
    schedule: Schedule
    interaction: Interaction

    def partner(self, name: str) -> str | None:
        """Return the other player, if there is one."""
        return next((other for other in self.players if other != name), None)


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class PlayerState:
    """Parameters and optimiser state, and the parameters that were best in validation.

    `error` is that of the latest validation, `best_cycle` how many cycles were played at the best.
    `recorded` are the training recordings as the player predicts them from their first frames; None
    where all of them is seen, so that nothing has to be predicted.
    `lessons` are the partner's trajectories that serve for several cycles, else None.
    """

    params: Any
    solver: Any
    error: Float[Array, ""]
    best: Any
    best_error: Float[Array, ""]
    best_cycle: Int[Array, ""]
    recorded: Float[Array, "simulation time *shape channels"] | None
    lessons: Float[Array, "trajectory time *shape channels"] | None


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
        held_out: Whether the validation recordings are a part of the training simulations.
    """

    training: Recording
    validation: Recording
    scale: Float[Array, " channels"]
    whole: bool = field(metadata={"static": True})
    held_out: bool = field(default=False, metadata={"static": True})


def recordings(training: Recording, validation: Recording, held_out: bool = False) -> Recordings:
    """Bundle recordings with the scales of their channels, taken from the training ones."""
    whole = bool(jnp.all(training.seen))
    return Recordings(training, validation, statistics(training).std, whole, held_out)


def game(
    physical: Player,
    synthetic: Player,
    schedule: Schedule,
    interaction: Interaction,
    playing: tuple[str, ...],
) -> Game:
    """Return the game of those of the two players that are `playing`."""
    players = {
        "synthetic": synthetic,
        "physical": replace(physical, model=Unconstrained(physical.model)),
    }
    order = NAMES[::-1] if schedule.physical_first else NAMES
    return Game(
        physical.model, {n: players[n] for n in order if n in playing}, schedule, interaction
    )


def stage(game: Game, cycle: int) -> Game:
    """Return what of the game decides the program of a cycle; equal games are one program."""

    def bare(player: Player) -> Player:
        plain = Weights(balance=player.weights.balance)
        return replace(player.at(cycle), weights=plain, begin=0, end=None)

    schedule = replace(game.schedule, warmup=0, patience=None)
    players = {name: bare(player) for name, player in game.players.items()}
    return replace(game, players=players, schedule=schedule)


def turns(game: Game, cycle: int) -> dict[str, Turn]:
    """Return each player's part in a cycle: the numbers that its program takes."""
    return {name: _turn(game, player, cycle) for name, player in game.players.items()}


def _turn(game: Game, player: Player, cycle: int) -> Turn:
    schedule, weights = game.schedule, player.weights
    first = max(schedule.warmup, player.begin)
    done = max(cycle - schedule.warmup, 0) / max(schedule.cycles - 1 - schedule.warmup, 1)
    data = _between(weights.data, weights.data_later, done)
    interaction = _between(weights.interaction, weights.later, done)
    active, meeting = player.is_active(cycle), cycle >= schedule.warmup and len(game.players) > 1
    taught = weights.interaction > 0 or bool(weights.later)  # a ramp from 0 needs its lessons too
    return Turn(
        active=np.asarray(active),
        data=np.asarray(data, np.float32),
        interaction=np.asarray(interaction if active and meeting else 0, np.float32),
        renew=np.asarray(
            active and meeting and taught and (cycle - first) % game.interaction.reuse == 0
        ),
        cycles=np.asarray(max(sum(map(player.is_active, range(schedule.cycles))), 1), np.int32),
    )


def _between(first: float, last: float | None, done: float) -> float:
    return first if last is None else first + done * (last - first)


def start(game: Game, data: Recordings, key: Key[Array, ""]) -> TrainingState:
    """Return the state before the first cycle."""
    weights, draws = jax.random.fold_in(key, 0), jax.random.fold_in(key, 1)
    keeps = game.interaction.reuse > 1 and len(game.players) > 1
    players = {}
    for name, player in game.players.items():
        params = player.model.init(jax.random.fold_in(weights, NAMES.index(name)))
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
            recorded=None if data.whole else _first_prediction(player, params, data.training),
            lessons=no_lessons(game, data, name) if keeps else None,
        )
    return TrainingState(players, jnp.asarray(0, jnp.int32), jax.random.key_data(draws))


def _first_prediction(player: Player, params: Any, training: Recording) -> Array:
    """Return the recordings as an untrained player predicts them, from the frames as measured."""
    starts, frames = beginnings(training.values[:, 0]), training.values.shape[1]
    return player.model.predict(params, starts, frames - 1)


def fresh(game: Game, data: Recordings) -> int:
    """Return how many initial states are drawn for the players to compare from."""
    recorded = data.training.values.shape[0]
    return max(1, round(game.interaction.alpha * recorded)) if game.interaction.alpha else 0


def lesson_steps(game: Game, data: Recordings, name: str) -> int:
    """Return the time steps of the trajectories that a player is shown by its partner."""
    return game.players[name].lesson_steps or data.training.values.shape[1] - 1


def no_lessons(
    game: Game, data: Recordings, name: str
) -> Float[Array, "trajectory time *shape channels"]:
    """Return zeros in place of a partner's trajectories, before there are any."""
    recorded, _, *rest = data.training.values.shape
    count = fresh(game, data) + game.interaction.recorded * recorded
    return jnp.zeros((count, lesson_steps(game, data, name) + 1, *rest))


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
