"""When a system is seen. To add a choice of frames: a class with `frames`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np
from jaxtyping import Bool

from hycojax.settings.checked import Checked


@runtime_checkable
class Times(Protocol):
    """The frames of a recording at which something is seen."""

    def frames(self, count: int) -> Bool[np.ndarray, " count"]:
        """Return which of `count` frames are seen."""


@dataclass(frozen=True)
class AllFrames(Checked):
    """All frames."""

    def frames(self, count: int) -> Bool[np.ndarray, " count"]:
        """Return which frames are seen: all."""
        return np.ones(count, bool)


@dataclass(frozen=True)
class Endpoints(Checked):
    """The first and the last frame."""

    def frames(self, count: int) -> Bool[np.ndarray, " count"]:
        """Return which frames are seen."""
        return np.isin(np.arange(count), (0, count - 1))


@dataclass(frozen=True)
class EveryNth(Checked):
    """Each n-th frame, from the first on."""

    n: int = 2
    """Frames from one that is seen to the next."""

    def __post_init__(self):
        if self.n < 1:
            raise ValueError(f"n = {self.n}: at least 1 is needed")

    def frames(self, count: int) -> Bool[np.ndarray, " count"]:
        """Return which frames are seen."""
        return np.arange(count) % self.n == 0


@dataclass(frozen=True)
class Chosen(Checked):
    """Given frames."""

    numbers: tuple[int, ...]
    """Which, from 0 on."""

    def frames(self, count: int) -> Bool[np.ndarray, " count"]:
        """Return which frames are seen.

        Raises:
            ValueError: There is no such frame.
        """
        if not all(0 <= number < count for number in self.numbers):
            raise ValueError(f"numbers = {self.numbers}: frames 0 to {count - 1} exist")
        return np.isin(np.arange(count), self.numbers)
