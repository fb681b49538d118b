"""Observation operators: a model's state, read where and when something was measured.

    y = (H u)(t) + noise

States hold means over cells, instruments between them see values at points: of a frame these are
made first (`refine`). A row of H is a product of weights along each axis (`rows`, built once, in
NumPy). Between frames a
cubic goes through the four nearest ones of a trajectory, at its ends through three (`read`).

Source of the interpolation: R. Keys, "Cubic convolution interpolation for digital image
processing", IEEE Trans. ASSP 29 (1981); in periodic boxes the state is refined by Fourier before.
"""

from __future__ import annotations

import functools
from dataclasses import replace

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from hycojax.data.instruments import Blur, Instrument, Line, Mean, Order
from hycojax.data.observations import Dense, Part, Rows
from hycojax.grid.domain import Boundary, Grid, Holding
from hycojax.kernels.axes import along
from hycojax.kernels.precision import real

#: How many times finer a frame is made by Fourier before a cubic reads it.
_FINER = 4
#: Half the width of what counts of a Gaussian, in standard deviations.
_REACH = 4.0

Weights = tuple[Int[np.ndarray, "place entry"], Float[np.ndarray, "place entry"]]


def order_of(instrument: Instrument | None, grid: Grid) -> Order:
    """Return how values between the points of a grid are read."""
    periodic = grid.boundary is Boundary.PERIODIC
    chosen = instrument.order if instrument else None
    if chosen is Order.SPECTRAL and not periodic:
        raise ValueError("order = spectral: the box is closed; take cubic")
    return chosen or (Order.SPECTRAL if periodic else Order.CUBIC)


def refinement(instrument: Instrument | None, grid: Grid) -> int:
    """Return how many times finer the state is that an instrument's rows read."""
    return _FINER if order_of(instrument, grid) is Order.SPECTRAL else 1


def holding(instrument: Instrument | None, grid: Grid) -> Holding:
    """Return what an instrument's rows take the numbers of a state for.

    The integral along an axis is the sum of means; in a periodic box that of points too.
    """
    found = grid.holding
    if not (isinstance(instrument, Line) and found.closed):
        return found
    means = (
        tuple(m and axis != instrument.axis for axis, m in enumerate(own)) for own in found.means
    )
    return replace(found, means=tuple(means))


def rows(
    grid: Grid,
    channel: int,
    places: Float[np.ndarray, "place axis"],
    instrument: Instrument | None = None,
) -> Weights:
    """Return for each place which entries of the refined, flattened state are read, and weights.

    These sum to 1: an integral along a line is read as the mean along it.

    Args:
        grid: The model's.
        channel: Number of the channel.
        places: In metres from the lower corner of the box.
        instrument: What is measured; None: the value.

    Raises:
        ValueError: The instrument does not suit the grid.
    """
    finer, order = refinement(instrument, grid), order_of(instrument, grid)
    shape = [n * finer for n in grid.shape]
    index = np.zeros((len(places), 1), np.int64)
    weight = np.ones((len(places), 1))
    for axis, n in enumerate(shape):
        cells, own = _along_axis(grid, channel, axis, places[:, axis], instrument, order, finer)
        index = (index[:, :, None] * n + cells[:, None, :]).reshape(len(places), -1)
        weight = (weight[:, :, None] * own[:, None, :]).reshape(len(places), -1)
    return (index * len(grid.channels) + channel).astype(np.int32), weight.astype(real())


def _along_axis(
    grid: Grid,
    channel: int,
    axis: int,
    places: Float[np.ndarray, " place"],
    instrument: Instrument | None,
    order: Order,
    finer: int,
) -> Weights:
    """Return which points along an axis are read for each place, and their weights."""
    n, dx = grid.shape[axis] * finer, grid.dx[axis] / finer
    face = not grid.offsets(channel)[axis]
    if isinstance(instrument, Line) and instrument.axis == axis:
        every = np.broadcast_to(np.arange(n), (len(places), n))
        return every, np.full(every.shape, 1 / n)
    nodes, shares = _nodes(instrument, axis, grid.dx[axis])
    first = grid.offsets(channel)[axis] * grid.dx[axis]
    at, shares = np.broadcast_arrays(places[:, None] + nodes, shares)
    closed = grid.boundary is Boundary.CLOSED
    if closed:  # a blur sees nothing beyond a wall
        inside = (at >= 0) & (at <= grid.size[axis])
        shares = np.where(inside | (len(nodes) == 1), shares, 0)
        shares = shares / shares.sum(1, keepdims=True)
    place = (at - first) / dx
    low, weights = _linear(place) if order is Order.LINEAR else _keys(place)
    if closed:
        low, weights = _one_sided(low, weights, place, n + face, order)
    return _gathered(low, weights * shares[..., None], n, closed)


def _nodes(instrument: Instrument | None, axis: int, dx: float) -> tuple[np.ndarray, np.ndarray]:
    """Return where an instrument reads along an axis, from its place, and the shares of that."""
    if isinstance(instrument, Mean):
        widths = instrument.widths
        width = widths[axis] if len(widths) > 1 else widths[0]
        nodes, shares = np.polynomial.legendre.leggauss(2 + 2 * int(np.ceil(width / dx)))
        return nodes * width / 2, shares / 2
    if isinstance(instrument, Blur):
        count = 1 + 2 * int(np.ceil(4 * _REACH * max(instrument.width / dx, 0.5)))
        nodes = np.linspace(-_REACH, _REACH, count)
        shares = np.exp(-(nodes**2) / 2)
        return nodes * instrument.width, shares / shares.sum()
    return np.zeros(1), np.ones(1)


def _keys(place: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the first of the four points around each place, and Keys' weights of all four."""
    low = np.floor(place)
    s = place - low
    weights = [
        -0.5 * s + s**2 - 0.5 * s**3,
        1 - 2.5 * s**2 + 1.5 * s**3,
        0.5 * s + 2 * s**2 - 1.5 * s**3,
        -0.5 * s**2 + 0.5 * s**3,
    ]
    return low.astype(int) - 1, np.stack(weights, -1)


def _linear(place: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    low = np.floor(place)
    return low.astype(int), np.stack([1 - (place - low), place - low], -1)


def _one_sided(
    low: np.ndarray, weights: np.ndarray, place: np.ndarray, n: int, order: Order
) -> tuple[np.ndarray, np.ndarray]:
    """Return points inside a closed box only: near a wall, by the polynomial through the nearest.

    Keys' condition, a third difference of 0, gives a parabola through the three outermost points.
    """
    wide = weights.shape[-1]
    near = (low < 0) | (low + wide > n)
    start = np.clip(low, 0, n - wide)
    degree = 1 if order is Order.LINEAR else 2
    lower = place < n / 2
    base = np.where(lower, start, start + wide - 1 - degree)
    offset = place - base
    points = [_lagrange(offset, j, degree) for j in range(degree + 1)]
    one_sided = np.zeros_like(weights)
    for j, weight in enumerate(points):
        column = np.where(lower, j, wide - 1 - degree + j)
        np.put_along_axis(one_sided, column[..., None], weight[..., None], -1)
    return np.where(near, start, low), np.where(near[..., None], one_sided, weights)


def _lagrange(place: np.ndarray, j: int, degree: int) -> np.ndarray:
    """Return the weight of point j of 0, 1, ..., degree."""
    others = [i for i in range(degree + 1) if i != j]
    return np.prod([(place - i) / (j - i) for i in others], axis=0)


def _gathered(low: np.ndarray, weights: np.ndarray, n: int, closed: bool) -> Weights:
    """Return the weights of all nodes of a place on one run of neighbouring points."""
    first = low.min(1)
    length = int((low.max(1) - first).max()) + weights.shape[-1]
    found = np.zeros((len(low), length))
    column = (low - first[:, None])[..., None] + np.arange(weights.shape[-1])
    place = np.broadcast_to(np.arange(len(low))[:, None, None], column.shape)
    np.add.at(found, (place, column), weights)
    cells = first[:, None] + np.arange(length)
    if not closed:
        return cells % n, found
    # Beyond the last stored face lies one in the wall, which holds 0.
    return np.clip(cells, 0, n - 1), np.where((cells >= 0) & (cells < n), found, 0)


def read(
    part: Rows, frames: Float[Array, "window time *shape channels"]
) -> Float[Array, "window time measurement"]:
    """Return what a trajectory says of measurements.

    Args:
        part: Rows, cut to windows: `[window, time, measurement]`.
        frames: Trajectories, each with the frames that the windows have.
    """
    windows, count = frames.shape[:2]
    fine = refine(frames, part.refinement, frames.ndim - 3, part.holding)
    fine = fine.reshape(windows, count, -1)
    nodes, valid = _stencils(count)
    time = jnp.arange(count)[:, None] - 1 + part.fraction
    weights = _between(time, nodes, valid)
    measured, entries = part.row.shape[-1], fine.shape[-1]
    if part.cells.shape[0] <= 2 * measured:  # few places: each is read in every frame
        seen = jnp.einsum("wtre,re->wtr", fine[:, :, part.cells], part.coefficients)
        index = nodes[:, None, :] * part.cells.shape[0] + part.row[..., None]
        values = _take(seen.reshape(windows, -1), index)
        return jnp.sum(values * weights, -1)
    cells = part.cells[part.row]
    index = nodes[:, None, :, None] * entries + cells[..., None, :]
    values = _take(fine.reshape(windows, -1), index)
    return jnp.einsum("wtmne,wtmn,wtme->wtm", values, weights, part.coefficients[part.row])


def distances(
    part: Part,
    predicted: Float[Array, "window time *shape channels"],
    scale: Float[Array, " channels"],
) -> Float[Array, "window time ..."]:
    """Return sqrt(w) (H u - y) / scale of each measurement; 0 if there is none."""
    # Chosen before it is squared: a NaN that is not seen must not reach the gradient either.
    if isinstance(part, Dense):
        if part.points is not None:
            predicted = refine(predicted, 1, predicted.ndim - 3, part.points)
        off = jnp.where(part.seen, predicted - part.values, 0) / scale
        return off if part.weights is None else jnp.sqrt(part.weights) * off
    found = read(part, predicted)
    off = jnp.where(part.seen, found - part.values, 0) / scale[part.channel][part.row]
    return _root(part.weights) * off


def _root(weights: Array) -> Array:
    """Return the square root, with a derivative of 0 at 0."""
    return jnp.where(weights > 0, jnp.sqrt(jnp.where(weights > 0, weights, 1)), 0)


def _take(values: Float[Array, "window entry"], index: Array) -> Array:
    """Return entries of each window's values."""
    flat = jnp.take_along_axis(values, index.reshape(len(index), -1), 1)
    return flat.reshape(index.shape)


@functools.cache
def _stencils(count: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the frames that a measurement between frames k - 1 and k is read from, by k.

    Four where there are two on both sides, three at the ends; what is no such frame is not valid.
    """
    k = np.arange(count)[:, None]
    nodes = k - 2 + np.arange(4)
    valid = (nodes >= 0) & (nodes < count)
    few = valid.sum(1) < min(3, count)
    nodes[few] = np.where(k[few] < count / 2, np.arange(4), count - 4 + np.arange(4))
    valid = (nodes >= 0) & (nodes < count)
    first = few & (k[:, 0] < count / 2)
    valid[first, 3] = False
    valid[few & ~first, 0] = False
    return np.clip(nodes, 0, count - 1), valid


def _between(time: Array, nodes: np.ndarray, valid: np.ndarray) -> Array:
    """Return Lagrange's weights of the frames `nodes` at times, in intervals."""
    weights = []
    for j in range(nodes.shape[1]):
        weight = jnp.broadcast_to(jnp.asarray(valid[:, j, None], time.dtype), time.shape)
        for i in range(nodes.shape[1]):
            if i != j:
                apart = nodes[:, j] - nodes[:, i]
                used = valid[:, i] & valid[:, j]
                scale = np.where(used, 1 / np.where(apart == 0, 1, apart), 0)[:, None]
                factor = (time - nodes[:, i, None]) * scale
                weight = weight * jnp.where(used[:, None], factor, 1)
        weights.append(weight)
    return jnp.stack(weights, -1)


def refine(
    frames: Float[Array, "... channels"], factor: int, dims: int, holding: Holding | None = None
) -> Float[Array, "... channels"]:
    """Return the values at the points of a grid `factor` times finer.

    Entry j f of an axis lies where entry j of the frames lies. In periodic boxes that is exact for
    all waves that the grid holds. In closed ones, whose factor is 1, a mean of cells loses
    dx^2 / 24 of its second derivative along each axis: the error is of order 4 in dx.

    Args:
        frames: States.
        factor: How many times finer.
        dims: Number of space axes, those before the last one.
        holding: What the states hold; None: values at points.
    """
    if holding is not None and holding.closed:
        return _points_between_walls(frames, dims, holding)
    for axis in range(dims):
        means = [False] if holding is None else [own[axis] for own in holding.means]
        frames = _along_each(frames, axis - dims - 1, factor, means)
    return frames


def cell_means(
    points: Float[np.ndarray, "... channels"], dims: int, holding: Holding
) -> Float[np.ndarray, "... channels"]:
    """Invert `refine` by a factor of 1: return states from complete values at points."""
    found = np.array(points, float)
    for axis in range(dims):
        for c, own in enumerate(holding.means):
            values = found[..., c]
            at = values.ndim - dims + axis
            if own[axis] and holding.closed:
                found[..., c] = values + np.asarray(_bend(values, at)) / 24
            elif own[axis]:
                inverse = np.linalg.inv(_fourier(values.shape[at], 1, True))
                found[..., c] = np.moveaxis(np.moveaxis(values, at, -1) @ inverse.T, -1, at)
    return found


def _along_each(frames: Array, axis: int, factor: int, means: list[bool]) -> Array:
    """Return frames refined along an axis, each channel as its values are means or not."""
    n = frames.shape[axis]
    if len(set(means)) == 1:
        if factor == 1 and not means[0]:
            return frames
        return along(_fourier(n, factor, means[0]).astype(frames.dtype), frames, axis)
    parts = [
        along(_fourier(n, factor, mean).astype(frames.dtype), frames[..., c : c + 1], axis)
        for c, mean in enumerate(means)
    ]
    return jnp.concatenate(parts, -1)


@functools.cache
def _fourier(n: int, factor: int, means: bool) -> np.ndarray:
    """Return the weights `[n factor, n]` of trigonometric interpolation along a periodic axis.

    The numbers are values at points, or means over cells.
    """
    waves = np.fft.rfft(np.eye(n), axis=0)
    if means:
        waves /= np.sinc(np.fft.rfftfreq(n))[:, None]
    if n % 2 == 0 and factor > 1:
        waves[-1] /= 2  # the shortest wave is shared with its conjugate
    return factor * np.fft.irfft(waves, n * factor, axis=0)


def _points_between_walls(frames: Array, dims: int, holding: Holding) -> Array:
    means, found = np.array(holding.means), frames
    for axis in range(dims):
        if means[:, axis].any():
            bends = _bend(frames, frames.ndim - 1 - dims + axis)
            found = found - jnp.where(means[:, axis], bends, 0) / 24
    return found


def _bend(values: Array, axis: int) -> Array:
    """Return second differences along an axis; the outermost ones are as those beside them."""
    inner = jnp.diff(values, n=2, axis=axis)
    margin = [(int(i == axis),) * 2 for i in range(values.ndim)]
    return jnp.pad(inner, margin, mode="edge")
