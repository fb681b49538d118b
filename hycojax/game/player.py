"""The two players: a model, how it is trained, and what it is asked to fit."""

from __future__ import annotations

import enum
from dataclasses import dataclass, replace
from typing import Any

from hycojax.data.observations import First
from hycojax.data.recordings import Recorded
from hycojax.data.simulated import Simulated
from hycojax.settings.checked import Checked
from hycojax.solvers import Solver


class Trust(enum.Enum):
    """How much a partner counts."""

    EVIDENCE = "evidence"
    """For what it predicts better, in each cycle and channel (`inference.evidence`)."""
    EQUAL = "equal"
    """In full, whatever the recordings say of it."""


@dataclass(frozen=True)
class Weights(Checked):
    """Weights of the terms of a player's loss."""

    data: float = 1.0
    """Weight of the distance to the recordings, where they see."""
    interaction: float = 1.0
    """Weight of the distance to the other player's trajectories, after the warm-up."""
    trust: Trust = Trust.EVIDENCE
    """How much the partner counts."""

    def __post_init__(self):
        for name in ("data", "interaction"):
            if getattr(self, name) < 0:
                raise ValueError(f"weights.{name} = {getattr(self, name)}: it must not be negative")
        if not (self.data or self.interaction):
            raise ValueError("weights: data and interaction are both zero; one of them must count")


@dataclass(frozen=True)
class Early(Checked):
    """An easier problem for a player's first turns; a change compiles the cycle anew."""

    cycles: int = 0
    """Cycles that are trained like this, from the player's first turn on; 0: none."""
    horizon: int | None = None
    """Intervals of a rollout: over short ones a loss has fewer local minima; None: as later."""
    stages: int = 1
    """In so many stages of equal length the horizon grows, by equal factors, towards the later."""

    def __post_init__(self):
        if self.cycles < 0:
            raise ValueError(f"early.cycles = {self.cycles}: it must not be negative")
        if self.horizon is not None and self.horizon < 1:
            raise ValueError(f"early.horizon = {self.horizon}: at least one step is needed")
        if self.stages < 1:
            raise ValueError(f"early.stages = {self.stages}: at least 1 is needed")


@dataclass(frozen=True)
class Player(Checked):
    """A model in training: what both players share."""

    model: Any
    """The model."""
    solver: Solver
    """What trains it."""
    weights: Weights = Weights()
    """What it fits."""
    horizon: int = 4
    """Intervals that it is rolled out along in training."""
    batch: int | None = None
    """Windows drawn for an evaluation of each loss; None: all windows that lie end to end."""
    begin: int = 0
    """Cycles that are over before its first turn: until then it stays as it is."""
    revert: float | None = None
    """A turn that raises the loss on the recordings by more than this part is undone: parameters
    and optimiser state are restored; None: it never is."""
    lesson_steps: int | None = None
    """Intervals of the partner's trajectories that it learns from; None: as many as are recorded.
    With fewer it sees states near the beginning only, in less time."""
    noise: float = 0.0
    """Noise on the states where windows start, relative to the data's scale: a rollout that meets
    its own errors has then seen such states."""
    truncation: int | None = None
    """Back-propagation through time ends after so many intervals; None: it goes through all."""
    early: Early = Early()
    """How its first turns differ."""
    data: Recorded | Simulated | None = None
    """Recordings that it alone learns from; None: the data of the experiment."""

    def __post_init__(self):
        for name in ("horizon", "lesson_steps", "batch", "truncation", "finer"):
            value = getattr(self, name, None)
            if value is not None and value < 1:
                raise ValueError(f"{name} = {value}: at least 1 is needed")
        for name in ("begin", "revert", "noise"):
            if (getattr(self, name) or 0) < 0:
                raise ValueError(f"{name} = {getattr(self, name)}: it must not be negative")

    @property
    def fits_trajectories(self) -> bool:
        """Whether it fits whole trajectories, with first states that it may estimate."""
        return False

    def estimates(self, first: First) -> bool:
        """Return whether it searches first states, together with its parameters."""
        return self.fits_trajectories and first.kind != "known"

    @property
    def growth(self) -> int:
        """How often the time that it fits doubles in its first turn."""
        return 0

    def is_active(self, cycle: int) -> bool:
        """Return whether it has a turn in a cycle."""
        return self.begin <= cycle

    def at(self, cycle: int) -> Player:
        """Return the player as it trains in a cycle."""
        early, turn = self.early, max(cycle - self.begin, 0)
        if turn >= early.cycles:
            return replace(self, early=Early())
        stage = turn * early.stages // early.cycles
        first = early.horizon or self.horizon
        horizon = round(first * (self.horizon / first) ** (stage / early.stages))
        return replace(self, horizon=horizon, early=Early())


@dataclass(frozen=True)
class Synthetic(Player):
    """The player whose model is a network."""


@dataclass(frozen=True)
class Physical(Player):
    """The player whose model is a PDE."""

    horizon: int | None = None
    """Intervals that it is rolled out along in training; None: the whole time, from the first
    states, which it estimates where they are not known exactly; 4 where complete states without
    noise are known at all frames. Only there may it be shorter than the whole time."""
    growth: int = 3
    """How often the time that it fits doubles in its first turn: short ones have fewer minima."""
    finer: int = 1
    """How many times finer than the domain's the grid is on which the PDE is solved."""

    @property
    def fits_trajectories(self) -> bool:
        """Whether it fits whole trajectories, with first states that it may estimate."""
        return True
