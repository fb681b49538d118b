"""How long a game lasts, where its players meet, and what each does in a cycle."""

from __future__ import annotations

import enum
import math
from dataclasses import dataclass, field

import jax
from jaxtyping import Array, Bool, Float, Int

from hycojax.settings.checked import Checked
from hycojax.settings.numbers import STATIC


class Fresh(enum.Enum):
    """Where fresh initial states come from."""

    SAMPLED = "sampled"
    """They are drawn from the PDE's own distribution."""
    MIXED = "mixed"
    """They are mixtures of recorded states, and look like these."""


@dataclass(frozen=True)
class Schedule(Checked):
    """How long the game lasts."""

    warmup: int = 2
    """Cycles at the start in which each player learns from the recordings alone."""
    cycles: int = 20
    """Cycles in all."""
    validation: int = 1
    """Cycles from a validation to the next: full rollouts of the validation recordings."""
    patience: int | None = None
    """Cycles without a better validation error, of any player, that end the run; None: no limit."""

    def __post_init__(self):
        if self.cycles < 1:
            raise ValueError("cycles must be at least 1")
        if not 0 <= self.warmup <= self.cycles:
            raise ValueError(f"warmup = {self.warmup}: it must lie between 0 and cycles")
        if self.validation < 1:
            raise ValueError(f"validation = {self.validation}: at least 1 is needed")
        if self.patience is not None and self.patience < self.validation:
            raise ValueError(f"patience = {self.patience}: at least validation = {self.validation}")


@dataclass(frozen=True)
class Interaction(Checked):
    """Where the players compare their trajectories: they need no recordings there."""

    alpha: float = field(default=2.0, metadata=STATIC)
    """Trajectories from fresh initial states for each recorded one; 0: none."""
    recorded: bool | None = None
    """Whether they also compare along the recordings, from the first frames on; None: where they
    see different ones."""
    points: float | None = None
    """Share of the cells and times that count (ghost points), others in each cycle; None: all."""
    fresh: Fresh | None = None
    """Where fresh initial states come from; None: sampled for simulated data, else mixed."""

    def __post_init__(self):
        if self.alpha < 0:
            raise ValueError(f"alpha = {self.alpha}: it must not be negative")
        if self.alpha == 0 and not self.recorded:
            raise ValueError("alpha = 0: the players need fresh initial states, or recorded=True")
        if self.points is not None and not 0 < self.points < 1:
            raise ValueError(f"points = {self.points}: it must lie between 0 and 1")


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class Turn:
    """A player's part in a cycle: whether it trains, on which weights, on trajectories or not.

    After it, the player is validated if that is due. `cycles` is the number of its turns in the
    run, by which its solver makes plans; it `begins` with the first. The time that is fitted is
    doubled `doublings` times in the turn, up to `reach` frames. Improbable first states count as
    with this noise at `least`. The partner counts with this `trust`, a number for each channel, or
    in full if trust is to be `equal`; one that `leads` says where systems begin. All are numbers.
    """

    active: Bool[Array, ""]
    data: Float[Array, ""]
    interaction: Float[Array, ""]
    meets: Bool[Array, ""]
    validates: Bool[Array, ""]
    cycles: Int[Array, ""] | int = 1
    doublings: Int[Array, ""] | int = 0
    reach: Float[Array, ""] | float = math.inf
    begins: Bool[Array, ""] | bool = False
    least: Float[Array, ""] | float = 0.0
    trust: Float[Array, " channels"] | float = 1.0
    leads: Bool[Array, ""] | bool = True
    equal: Bool[Array, ""] | bool = False
