"""How the first state of a recorded system is known."""

from __future__ import annotations

from dataclasses import dataclass, field

from hycojax.settings.checked import Checked


@dataclass(frozen=True)
class FirstState(Checked):
    """How the first state of a recorded system is known."""


@dataclass(frozen=True)
class Known(FirstState):
    """Complete, and exactly: models start from it as it is."""


@dataclass(frozen=True)
class Measured(FirstState):
    """Complete, with noise: the physical player estimates it with that as its measurement."""


@dataclass(frozen=True)
class Prior(Checked):
    """What is known of a channel before anything is measured: a smooth random field.

    What is None is taken from the values that are seen.
    """

    mean: float | None = None
    """Mean value, in the channel's unit."""
    amplitude: float | None = None
    """Standard deviation of a value about it, in the same unit."""
    length: float | None = None
    """Length over which values are alike, in metres."""

    def __post_init__(self):
        for name in ("amplitude", "length"):
            value = getattr(self, name)
            if value is not None and not value > 0:
                raise ValueError(f"{name} = {value}: it must be positive")


@dataclass(frozen=True)
class Tie(Checked):
    """A channel that follows from another one at the start: offset + factor * other."""

    channel: str
    """The other channel."""
    factor: float = 1.0
    """Factor."""
    offset: float = 0.0
    """Value where the other one is 0, in the unit of the tied channel."""


@dataclass(frozen=True)
class Estimated(FirstState):
    """Not in full: the physical player finds it together with the parameters.

        u_0 = mean + C^(1/2) q,    q normal

    C is a filter in Fourier space, in closed boxes of cosines, with the length and amplitude of
    the prior.
    """

    priors: dict[str, Prior | Tie] = field(default_factory=dict)
    """By channel; a channel that is not named has `Prior()`."""
