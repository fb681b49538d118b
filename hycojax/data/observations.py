"""What is known of a system, as the arrays that training works on."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int

from hycojax.grid.domain import Holding
from hycojax.kernels.precision import real


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class Dense:
    """Measurements in the cells of the model, at its frames.

    Attributes:
        values: What was measured, 0 where nothing was.
        seen: Where something was measured.
        weights: (mean sigma / sigma)^2 of each measurement; None: all are alike.
        degrees: Of Student's t, by which the errors are distributed; None: they are normal.
        points: What states hold, if the values at the centres of cells and faces were measured;
            None: what was measured is what states hold.
    """

    values: Float[Array, "simulation time *shape channels"]
    seen: Bool[Array, "simulation time *shape channels"]
    weights: Float[Array, "simulation time *shape channels"] | None = None
    degrees: float | None = field(default=None, metadata={"static": True})
    points: Holding | None = field(default=None, metadata={"static": True})


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class Rows:
    """Measurements anywhere, each a row of weights on a state, between two frames.

    The measurements of a frame k are those after frame k - 1 and up to it, padded: they have the
    leading axes of frames, so that windows cut both alike.

    Attributes:
        values: What was measured.
        weights: (mean sigma / sigma)^2 of each measurement; 0 of padding.
        fraction: Time since the frame before, in intervals, above 0 and up to 1.
        row: Number of the row of each measurement.
        cells: Entries of the state that a row reads, of the refined and flattened one.
        coefficients: Their weights.
        channel: The channel of each row.
        refinement: How many times finer the state is that rows read.
        degrees: Of Student's t, by which the errors are distributed; None: they are normal.
        holding: What states hold; None: values at points.
    """

    values: Float[Array, "simulation time measurement"]
    weights: Float[Array, "simulation time measurement"]
    fraction: Float[Array, "simulation time measurement"]
    row: Int[Array, "simulation time measurement"]
    cells: Int[Array, "row entry"]
    coefficients: Float[Array, "row entry"]
    channel: Int[Array, " row"]
    refinement: int = field(metadata={"static": True})
    degrees: float | None = field(default=None, metadata={"static": True})
    holding: Holding | None = field(default=None, metadata={"static": True})

    @property
    def seen(self) -> Bool[Array, "simulation time measurement"]:
        """What is no padding."""
        return self.weights > 0


Part = Dense | Rows


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class First:
    """What is known of the first states.

    Attributes:
        mean: Known or measured states; of those that are estimated by a prior its mean.
        measured: Where a state is measured, and with noise; nowhere if it is known.
        spectrum: What makes a field of the numbers of a search, by channel: the factor of each
            wave; None without a prior.
        sizes: The same for normal numbers, those of the prior; None without a prior.
        shells: The shell of each wave, by channel (`grid.filters`), the number of shells where the
            user gives the prior; None without a prior.
        start: Numbers of the prior's mean given what is measured first; None without a prior.
        ties: Of channels that follow from another one: (channel, other, factor, offset).
        kind: "known", "measured" or "estimated".
    """

    mean: Float[Array, "simulation *shape channels"]
    measured: Bool[Array, "simulation *shape channels"] | None = None
    spectrum: tuple[Float[Array, " *modes"], ...] | None = None
    sizes: tuple[Float[Array, " *modes"], ...] | None = None
    shells: tuple[Int[Array, " *modes"], ...] | None = None
    start: Float[Array, "simulation *shape channels"] | None = None
    ties: tuple[tuple[int, int, float, float], ...] = field(default=(), metadata={"static": True})
    kind: str = field(default="known", metadata={"static": True})


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class Observed:
    """Systems as far as they are known.

    Attributes:
        parts: What each instrument measured.
        first: What is known of the first states.
        states: Complete states without noise, where there are any.
        exact: At which frames.
    """

    parts: tuple[Part, ...]
    first: First
    states: Float[Array, "simulation time *shape channels"] | None
    exact: Bool[Array, "simulation time"]

    @property
    def simulations(self) -> int:
        """How many systems."""
        return self.exact.shape[0]

    @property
    def steps(self) -> int:
        """Intervals of the longest."""
        return self.exact.shape[1] - 1

    @property
    def count(self) -> Int[Array, ""]:
        """How many measurements there are."""
        return sum(part.seen.sum() for part in self.parts)


def without_starts(observed: Observed) -> Observed:
    """Return the same without measurements of the first states: predictions start from these."""

    def later(part: Part) -> Part:
        name = "seen" if isinstance(part, Dense) else "weights"
        marks = np.array(getattr(part, name))
        marks[:, 0] = 0
        return replace(part, **{name: marks})

    return replace(observed, parts=tuple(map(later, observed.parts)))


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class Statistics:
    """Per channel: mean and standard deviation of a state, and rms change in an interval."""

    mean: Float[Array, " channels"]
    std: Float[Array, " channels"]
    change: Float[Array, " channels"]


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class View:
    """What one player sees of the training systems, where the other one sees something else.

    Attributes:
        training: What it learns from.
        noise: Standard deviation of its noise over the scale.
        sure: Whether its noise is known.
    """

    training: Observed
    noise: Float[Array, ""]
    sure: bool = field(default=True, metadata={"static": True})


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class Observations:
    """What is known of a system.

    Attributes:
        training: What is learned from.
        validation: What the best parameters are chosen by.
        statistics: Of the training measurements.
        noise: Standard deviation of the noise over the scale, rms over the training measurements.
        whole: Whether the training systems are known completely and without noise, at all frames.
        held_out: Whether the validation measurements are a part of the training systems.
        sure: Whether the noise is known; else it is no more than this, and told by the residuals.
        spread: Standard deviation of each channel about the mean of its system; None: as of all.
        views: What each player learns from, by name; None: all learn from the same. All else is
            then that of both players' measurements together, and the noise that of the player that
            has more of it: so the validation measurements are weighted.
    """

    training: Observed
    validation: Observed
    statistics: Statistics
    noise: Float[Array, ""]
    whole: bool = field(metadata={"static": True})
    held_out: bool = field(default=False, metadata={"static": True})
    sure: bool = field(default=True, metadata={"static": True})
    spread: Float[Array, " channels"] | None = None
    views: dict[str, View] | None = None

    def of(self, player: str) -> Observations:
        """Return what is known of a system as a player learns from it."""
        if self.views is None:
            return self
        own = self.views[player]
        return replace(self, training=own.training, noise=own.noise, sure=own.sure, views=None)

    def among_all(self, square: Float[Array, ""]) -> Float[Array, ""]:
        """Return a player's mean square on its own values as one among the values of all.

        Where players see different ones, it has no less than the noise of the noisier player.
        Negative numbers, of who was not trained yet, stay as they are.
        """
        if self.views is None:
            return square
        return jnp.where(square < 0, square, jnp.maximum(square, self.noise**2))

    @property
    def scale(self) -> Float[Array, " channels"]:
        """Standard deviation of each channel: what distances are relative to."""
        return self.statistics.std if self.spread is None else self.spread


def statistics(parts: tuple[Part, ...], static: Float[np.ndarray, "... channels"]) -> Statistics:
    """Return the statistics of what parts measured, and of static channels as they are.

    A channel that is constant gets scale 1. Where frames are missing, the change in an interval is
    that since the last measurement of the same entry, in equal parts.
    """
    channels = static.shape[-1]
    found = [_sums(part, channels) for part in parts]
    count, total, square = (sum(own[i] for own in found) for i in range(3))
    mean = total / np.maximum(count, 1)
    variance = square / np.maximum(count, 1) - mean**2
    changes, weight = (sum(own[i] for own in found) for i in (3, 4))
    never = count == 0  # a static channel, or one that nobody sees
    flat = static.reshape(-1, channels).astype(float)
    mean = np.where(never, flat.mean(0), mean)
    variance = np.where(never, flat.var(0), variance)
    change = np.where(weight > 0, changes / np.maximum(weight, 1e-30), 0)
    tiny = 1e-12 * mean**2  # what rounding leaves of a constant
    std = np.sqrt(np.where(variance > tiny, variance, 1.0))
    rate = np.sqrt(np.where(change > 0, change, np.where(weight > 0, 1.0, std**2)))
    return Statistics(*(np.asarray(x, real()) for x in (mean, std, rate)))


def _sums(part: Part, channels: int) -> tuple[np.ndarray, ...]:
    """Return by channel: count, sum, sum of squares; sum of squared changes, and their weight."""
    return _dense_sums(part) if isinstance(part, Dense) else _row_sums(part, channels)


def _dense_sums(part: Dense) -> tuple[np.ndarray, ...]:
    values, seen = np.asarray(part.values, float), np.asarray(part.seen)
    axes = tuple(range(values.ndim - 1))
    time = np.arange(seen.shape[1]).reshape(1, -1, *(1,) * (seen.ndim - 2))
    marked = np.where(seen, time, -1)
    latest = np.maximum.accumulate(marked, axis=1)[:, :-1]
    before = np.take_along_axis(values, np.maximum(latest, 0), 1)
    paired = seen[:, 1:] & (latest >= 0)
    rate = np.where(paired, (values[:, 1:] - before) / (time[:, 1:] - latest), 0)
    kept = np.where(seen, values, 0)
    return (
        seen.sum(axes),
        kept.sum(axes),
        (kept**2).sum(axes),
        (rate**2).sum(axes),
        paired.sum(axes),
    )


def _row_sums(part: Rows, channels: int) -> tuple[np.ndarray, ...]:
    weights = np.asarray(part.weights)
    system, frame, _ = (index := np.nonzero(weights > 0))
    values, row = np.asarray(part.values, float)[index], np.asarray(part.row)[index]
    time = frame - 1 + np.asarray(part.fraction, float)[index]
    channel = np.asarray(part.channel)[row]
    order = np.lexsort((time, row, system))
    same = (np.diff(system[order]) == 0) & (np.diff(row[order]) == 0)
    apart = np.where(same, np.diff(time[order]), 0)
    change = np.where(same, np.diff(values[order]), 0)

    def by_channel(index: np.ndarray, numbers: np.ndarray | None) -> np.ndarray:
        return np.bincount(index, numbers, channels).astype(float)

    later = channel[order][1:]
    return (
        by_channel(channel, None),
        by_channel(channel, values),
        by_channel(channel, values**2),
        by_channel(later, change**2),
        by_channel(later, apart**2),
    )
