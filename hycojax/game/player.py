"""One of the two players: a model, how it is trained, and what it is asked to fit."""

from __future__ import annotations

import enum
from dataclasses import dataclass, replace

import jax
from jaxtyping import Array, Bool, Float, Int

from hycojax.models.model import Memory, Model
from hycojax.solvers import Solver


class Balance(enum.Enum):
    """How the weights of data and interaction are balanced."""

    FIXED = "fixed"
    """They are as given."""
    COUNTS = "counts"
    """Each is multiplied by its term's share of all values that are compared."""
    ERRORS = "errors"
    """The interaction's is multiplied by (own / partner's validation error)^2, at most 1: a partner
    that is worse pulls as much as a measurement with its noise would. Not if the data's weight is
    0: there is nothing to weigh against."""
    MISFIT = "misfit"
    """The same with the distance of the own rollouts to the recordings in place of the own
    validation error: the noise that the recordings have, as far as this model can tell. The partner
    then pulls less where the own parameters are right, and cannot spoil them."""


@dataclass(frozen=True)
class Weights:
    """Weights of the terms of a player's loss."""

    data: float = 1.0
    """Weight of the distance to the recordings, where they see."""
    data_later: float | None = None
    """Data weight at the end of the run, to which it changes linearly after the warm-up; None: it
    stays."""
    interaction: float = 1.0
    """Weight of the distance to the other player's trajectories, after the warm-up."""
    later: float | None = None
    """Interaction weight at the end of the run, likewise."""
    balance: Balance = Balance.FIXED
    """How they are balanced in each cycle."""

    def __post_init__(self):
        for name in ("data", "data_later", "interaction", "later"):
            weight = getattr(self, name)
            if weight is not None and not 0 <= weight < float("inf"):
                raise ValueError(f"weights.{name} = {weight}: it must not be negative")
        if not (self.sees_data or self.interaction or self.later):
            raise ValueError("weights: data and interaction are both zero; one of them must count")

    @property
    def sees_data(self) -> bool:
        """Whether the recordings ever count."""
        return self.data > 0 or bool(self.data_later)


@dataclass(frozen=True)
class Early:
    """An easier problem for a player's first turns; a change compiles the cycle anew."""

    cycles: int = 0
    """Cycles that are trained like this, from the player's first turn on; 0: none."""
    horizon: int | None = None
    """Time steps of a rollout: over short ones a loss has fewer local minima; None: as later."""
    stages: int = 1
    """In so many stages of equal length the horizon grows, by equal factors, towards the later."""
    first: bool = False
    """Only windows from the first frames, which are known: with stages the time that is fitted
    grows, so that a long rollout begins its search near its minimum."""
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
    begin: int = 0
    """Cycles that are over before its first turn: until then it stays as it is."""
    end: int | None = None
    """Cycles after which it has no more turns: it stays as it is then; None: never."""
    revert: float | None = None
    """A turn that raises the loss on the recordings by more than this part is undone, and the
    optimiser's memory of it; None: it never is."""
    lesson_steps: int | None = None
    """Time steps of the partner's trajectories that it learns from; None: as many as are recorded.
    With fewer it sees states near the beginning only, in less time."""
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
    """How its first turns differ."""

    def __post_init__(self):
        if self.coarsening < 1:
            raise ValueError(f"coarsening = {self.coarsening}: at least 1 is needed")
        if self.horizon < 1:
            raise ValueError(f"horizon = {self.horizon}: at least one step is needed")
        if self.lesson_steps is not None and self.lesson_steps < 1:
            raise ValueError(f"lesson_steps = {self.lesson_steps}: at least one step is needed")
        if self.batch is not None and self.batch < 1:
            raise ValueError(f"batch = {self.batch}: at least one window is needed")
        if self.begin < 0 or not (self.end is None or self.end >= 0):
            raise ValueError(f"begin = {self.begin}, end = {self.end}: they must not be negative")
        if self.revert is not None and not 0 <= self.revert < float("inf"):
            raise ValueError(f"revert = {self.revert}: it must not be negative")
        if not 0 <= self.noise < float("inf"):
            raise ValueError(f"noise = {self.noise}: it must not be negative")
        if getattr(self.solver, "resample", False) and self.batch is None:
            raise ValueError("solver.resample: without a batch all members see the same windows")

    def is_active(self, cycle: int) -> bool:
        """Return whether it has a turn in a cycle."""
        return self.begin <= cycle and (self.end is None or cycle < self.end)

    def at(self, cycle: int) -> Player:
        """Return the player as it trains in a cycle."""
        early, turn = self.early, max(cycle - self.begin, 0)
        if turn >= early.cycles:
            return replace(self, early=Early())
        stage = turn * early.stages // early.cycles
        first = early.horizon or self.horizon
        horizon = round(first * (self.horizon / first) ** (stage / early.stages))
        now = Early(first=early.first)
        return replace(self, horizon=horizon, coarsening=early.coarsening, early=now)


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class Turn:
    """A player's part in a cycle: whether it trains, on which weights, on new trajectories or not.

    `cycles` is the number of its turns in the run, by which its solver makes plans. These are
    numbers, no part of the program: one program serves all of them.
    """

    active: Bool[Array, ""]
    data: Float[Array, ""]
    interaction: Float[Array, ""]
    renew: Bool[Array, ""]
    cycles: Int[Array, ""] | int = 1
