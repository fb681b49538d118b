"""A game, and the state that it carries from cycle to cycle."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int, Key, UInt32

from hycojax.data.observations import Observations
from hycojax.game.player import Physical, Player, Synthetic, Trust, Weights
from hycojax.game.schedule import Interaction, Schedule, Turn
from hycojax.inference import priors
from hycojax.inference.first_states import states
from hycojax.kernels import programs
from hycojax.kernels.precision import real
from hycojax.models.model import beginnings
from hycojax.models.pde import BoundPDE, Unconstrained
from hycojax.settings.numbers import join, split
from hycojax.solvers import INITIAL_STATES

#: The players there can be. Randomness goes by this order, whoever plays.
NAMES = ("synthetic", "physical")


@dataclass(frozen=True)
class Game:
    """All that is fixed in a game.

    Attributes:
        physics: The PDE; fresh initial states are drawn from its distribution.
        seats: Names of those that play, in the order of their turns, and the players.
        schedule: How long.
        interaction: Where they compare their trajectories.
    """

    physics: BoundPDE
    seats: tuple[tuple[str, Player], ...]
    schedule: Schedule
    interaction: Interaction

    @property
    def players(self) -> dict[str, Player]:
        """Those that play, by name."""
        return dict(self.seats)

    def partner(self, name: str) -> str | None:
        """Return the other player, if there is one."""
        return next((other for other, _ in self.seats if other != name), None)


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class PlayerState:
    """Parameters and optimiser state, and the parameters that were best in validation.

    `fitted` is the mean square on the recordings in the latest turn that was kept, `squares` are
    the sums by frame and channel of the latest validation, both negative before the first, `error`
    is their root; `best_cycle` is how many cycles were played at the best. `recorded` is what the
    player predicts of the training recordings from first states; None where all of it is known.
    `prior` is what a player that estimates first states has learned of them (`inference.priors`).
    """

    params: Any
    solver: Any
    fitted: Float[Array, ""]
    error: Float[Array, ""]
    squares: Float[Array, "simulation time channels"]
    best: Any
    best_error: Float[Array, ""]
    best_cycle: Int[Array, ""]
    recorded: Float[Array, "simulation time *shape channels"] | None
    prior: Float[Array, "channels shell"] | None = None


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class TrainingState:
    """All that training carries from cycle to cycle. Randomness is `fold_in(key, cycle)`."""

    players: dict[str, PlayerState]
    cycle: Int[Array, ""]
    key: UInt32[Array, 2]


def game(
    physical: Physical,
    synthetic: Synthetic,
    schedule: Schedule,
    interaction: Interaction,
    playing: tuple[str, ...],
) -> Game:
    """Return the game of those of the two players that are `playing`; their models are bound."""
    pde = physical.model
    players = {"synthetic": synthetic, "physical": replace(physical, model=Unconstrained(pde))}
    seats = tuple((name, players[name]) for name in NAMES if name in playing)
    return Game(pde, seats, schedule, interaction)


def stage(game: Game, cycle: int) -> Game:
    """Return what of the game decides the program of a cycle; equal structures are one program."""

    def bare(player: Player) -> Player:
        return replace(player.at(cycle), weights=Weights(), begin=0)

    seats = tuple((name, bare(player)) for name, player in game.seats)
    return replace(game, seats=seats, schedule=Schedule())


def turns(game: Game, cycle: int) -> dict[str, Turn]:
    """Return each player's part in a cycle: the numbers that its program takes."""
    return {name: _turn(game, player, cycle) for name, player in game.seats}


def _turn(game: Game, player: Player, cycle: int) -> Turn:
    schedule, active = game.schedule, player.is_active(cycle)
    meets = active and cycle >= schedule.warmup and len(game.seats) > 1
    interaction = player.weights.interaction if meets else 0
    return Turn(
        active=np.asarray(active),
        data=np.asarray(player.weights.data, real()),
        interaction=np.asarray(interaction, real()),
        meets=np.asarray(meets and interaction > 0),
        validates=np.asarray(cycle % schedule.validation == 0 or cycle == schedule.cycles - 1),
        cycles=np.asarray(max(schedule.cycles - player.begin, 1), np.int32),
        begins=np.asarray(cycle == player.begin),
        doublings=np.asarray(player.growth if cycle == player.begin else 0, np.int32),
        reach=np.asarray(player.horizon if player.growth else np.inf, real()),
        least=np.asarray(0, real()),
        trust=np.ones(len(game.physics.channels), real()),
        leads=np.asarray(True),
        equal=np.asarray(player.weights.trust is Trust.EQUAL),
    )


def start(game: Game, data: Observations, key: Key[Array, ""]) -> TrainingState:
    """Return the state before the first cycle."""
    structure, numbers = split(game)
    program = programs.jit(_start, programs.ONCE, static_argnums=0)
    return program(structure, numbers, data, key)


def _start(structure: Game, numbers: Any, data: Observations, key: Key[Array, ""]) -> TrainingState:
    game = join(structure, numbers)
    weights, drawn = jax.random.fold_in(key, 0), jax.random.fold_in(key, 1)
    players = {name: _untrained(game, name, data.of(name), weights) for name, _ in game.seats}
    return TrainingState(players, jnp.asarray(0, jnp.int32), jax.random.key_data(drawn))


def _untrained(game: Game, name: str, data: Observations, key: Key[Array, ""]) -> PlayerState:
    player, key = game.players[name], jax.random.fold_in(key, NAMES.index(name))
    first, aside = data.training.first, data.validation
    squares = (aside.simulations, aside.steps + 1, len(game.physics.channels))
    params = player.model.normalise(player.model.init(key), data.statistics)
    searched = player.estimates(first)
    if searched:
        start = jnp.zeros_like(first.mean) if first.start is None else first.start
        params = {**params, INITIAL_STATES: start}
    starts = beginnings(states(game.physics, first, data.scale))
    return PlayerState(
        params=params,
        solver=player.solver.init(params, game.schedule.cycles),
        fitted=jnp.asarray(-1, real()),
        error=jnp.asarray(jnp.inf, real()),
        squares=jnp.full(squares, -1, real()),
        best=jax.tree.map(jnp.copy, params),  # not the same buffers: the state is donated
        best_error=jnp.asarray(jnp.inf, real()),
        best_cycle=jnp.asarray(0, jnp.int32),
        recorded=None if data.whole else player.model.predict(params, starts, data.training.steps),
        prior=priors.untold(first) if searched else None,
    )
