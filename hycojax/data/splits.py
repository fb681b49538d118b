"""What of recordings is set aside, for validation or for the final figures."""

from __future__ import annotations

from dataclasses import dataclass

from hycojax.settings.checked import Checked


@dataclass(frozen=True)
class Split(Checked):
    """A choice of what is set aside."""


@dataclass(frozen=True)
class Systems(Split):
    """Whole systems, the last ones of those that are left."""

    count: int = 1
    """How many."""

    def __post_init__(self):
        if self.count < 1:
            raise ValueError(f"count = {self.count}: at least 1 is needed")


@dataclass(frozen=True)
class Share(Split):
    """A share of the values, drawn at random; those at the first time stay."""

    share: float = 0.1
    """Share of the values, above 0 and below 1."""

    def __post_init__(self):
        _check(self.share)


@dataclass(frozen=True)
class LastPart(Split):
    """The last part of the time of each system."""

    share: float = 0.2
    """Share of the time, above 0 and below 1."""

    def __post_init__(self):
        _check(self.share)


def _check(share: float) -> None:
    if not 0 < share < 1:
        raise ValueError(f"share = {share}: it must lie between 0 and 1")
