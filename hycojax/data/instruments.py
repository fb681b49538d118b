"""What a measurement is of the state, and how its errors are distributed."""

from __future__ import annotations

import enum
from dataclasses import dataclass, field

from hycojax.settings.checked import Checked


class Order(enum.Enum):
    """How values between the points of a grid are read."""

    SPECTRAL = "spectral"
    """By the cubic after the frame is refined four times by Fourier: periodic boxes only."""
    CUBIC = "cubic"
    """By Keys' cubic convolution, one-sided at walls."""
    LINEAR = "linear"
    """By the multilinear interpolation of the nearest points."""


@dataclass(frozen=True)
class Instrument(Checked):
    """What a measurement is of the state: a linear function of it."""

    order: Order | None = field(default=None, kw_only=True)
    """How values between the points of the model's grid are read; None: spectral in a periodic box,
    else cubic."""


@dataclass(frozen=True)
class Value(Instrument):
    """The value at a place."""


@dataclass(frozen=True)
class Mean(Instrument):
    """The mean over a box around a place, as of a pixel."""

    widths: tuple[float, ...] = (1.0,)
    """Its lengths along the axes, in metres; one for all: a square, a cube."""

    def __post_init__(self):
        if not (self.widths and all(w > 0 for w in self.widths)):
            raise ValueError(f"widths = {self.widths}: positive lengths are needed")


@dataclass(frozen=True)
class Blur(Instrument):
    """The mean with Gaussian weights around a place."""

    width: float = 1.0
    """Standard deviation of the weights, in metres."""

    def __post_init__(self):
        if not self.width > 0:
            raise ValueError(f"width = {self.width}: it must be positive")


@dataclass(frozen=True)
class Line(Instrument):
    """The integral along a line through the box, parallel to an axis, over its whole length.

    The place's coordinate along that axis has no meaning. Unit: that of the channel times metre;
    the channel's own counts as that times metre.
    """

    axis: int = 0
    """The axis that it is parallel to."""

    def __post_init__(self):
        if not 0 <= self.axis < 3:
            raise ValueError(f"axis = {self.axis}: 0, 1 or 2 is needed")


@dataclass(frozen=True)
class Noise(Checked):
    """How the errors of measurements are distributed."""


@dataclass(frozen=True)
class Gaussian(Noise):
    """Normally: the squares of the distances count."""


@dataclass(frozen=True)
class Student(Noise):
    """By Student's t: what lies far off counts little, as of sensors with outliers.

    Source: Lange, Little, Taylor, J. Am. Stat. Assoc. 84 (1989).
    """

    degrees: float = 4.0
    """Degrees of freedom: the fewer, the more outliers."""

    def __post_init__(self):
        if not self.degrees > 0:
            raise ValueError(f"degrees = {self.degrees}: they must be positive")
