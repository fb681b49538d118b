"""States on finer grids and back: smooth, with the same means."""

from __future__ import annotations

import functools
import itertools

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from hycojax.grid.domain import Boundary, Grid
from hycojax.kernels.axes import along


def prolonged(
    grid: Grid, state: Float[Array, "*shape channels"], factor: int
) -> Float[Array, "*fine channels"]:
    """Return a state on the grid `grid.refine(factor)`, of which `restricted` is the state.

    It is the sum of waves that has the means of the state, or its values where a channel holds
    these: in a periodic box without new divergence. In a closed one means over cells go on beyond a
    wall as in a mirror, what lies on faces with the other sign, so that it vanishes on the wall.
    """
    if factor == 1:
        return state
    channels = []
    for c in range(len(grid.channels)):
        values = state[..., c]
        for axis, n in enumerate(grid.shape):
            matrix = _matrix(n, factor, _beyond(grid, c, axis), _held(grid, c, axis))
            values = along(matrix.astype(state.dtype), values, axis)
        channels.append(values)
    return jnp.stack(channels, -1)


def restricted(
    grid: Grid, fine: Float[Array, "... channels"], factor: int
) -> Float[Array, "... channels"]:
    """Return arrays `[..., *fine shape, channels]` on `grid.refine(factor)` on this grid.

    Cell values become means over cells and face values means over faces, so that integrals,
    fluxes and a vanishing discrete divergence are kept exactly. Of a channel that holds values at
    points these are taken, of the sum of waves that the fine ones are.
    """
    if factor == 1:
        return fine
    channels = [_restricted(grid, c, fine[..., c], factor) for c in range(len(grid.channels))]
    return jnp.stack(channels, -1)


def _restricted(grid: Grid, channel: int, fine: Array, factor: int) -> Array:
    about, dims = grid.channels[channel], grid.dims
    if about.points:
        for axis, n in enumerate(grid.shape):
            back = _points_back(n, factor, _beyond(grid, channel, axis), about.face == axis)
            fine = along(back.astype(fine.dtype), fine, axis - dims)
        return fine
    offsets = itertools.product(range(factor), repeat=dims)
    inside = [o for o in offsets if about.face is None or o[about.face] == 0]
    parts = (fine[(..., *(slice(o, None, factor) for o in offset))] for offset in inside)
    return sum(parts) / len(inside)


def _beyond(grid: Grid, channel: int, axis: int) -> str:
    """Return how a channel goes on beyond the ends of an axis."""
    face = grid.channels[channel].face
    if grid.boundary is Boundary.PERIODIC:
        return "other end"
    if face == axis:
        return "walls"
    return "mirror" if face is None else "opposite"


def _held(grid: Grid, channel: int, axis: int) -> str:
    """Return what the numbers of a channel are along an axis."""
    about = grid.channels[channel]
    return "faces" if about.face == axis else "points" if about.points else "means"


@functools.cache
def _matrix(n: int, factor: int, beyond: str, held: str) -> np.ndarray:
    """Return the weights `[n factor, n]` of finer values along an axis."""
    longer = _longer(n, beyond)
    return _periodic(len(longer), factor, held)[: n * factor] @ longer


@functools.cache
def _points_back(n: int, factor: int, beyond: str, face: bool) -> np.ndarray:
    """Return the weights `[n, n factor]` of the values at the centres of n cells along an axis."""
    longer = _longer(n * factor, beyond)
    shift = 0.0 if face else (factor - 1) / 2  # from the first fine centre in a cell to its own
    turned = np.exp(2j * np.pi * np.fft.rfftfreq(len(longer)) * shift)
    if len(longer) % 2 == 0:
        turned[-1] = turned[-1].real  # half of the shortest wave and of its conjugate
    waves = turned[:, None] * np.fft.rfft(longer, axis=0)
    return np.fft.irfft(waves, len(longer), axis=0)[: n * factor : factor]


def _longer(n: int, beyond: str) -> np.ndarray:
    """Return the matrix that makes n values along an axis periodic: themselves, or twice as many.

    What lies on faces between walls is 0 on these, and odd about them.
    """
    identity = np.eye(n)
    if beyond == "other end":
        return identity
    if beyond == "walls":
        identity[0] = 0  # the lower wall's
        return np.concatenate([identity, np.zeros((1, n)), -identity[:0:-1]])
    return np.concatenate([identity, identity[::-1] * (1 if beyond == "mirror" else -1)])


def _periodic(n: int, factor: int, held: str) -> np.ndarray:
    waves, k = np.fft.rfft(np.eye(n), axis=0), np.fft.rfftfreq(n)
    if held != "faces":
        shift = (1 / factor - 1) / 2  # of the first centre, in cells
        waves *= np.exp(2j * np.pi * k * shift)[:, None]
    if held == "means":
        waves *= (np.sinc(k / factor) / np.sinc(k))[:, None]
    if n % 2 == 0:
        waves[-1] /= 2  # the shortest wave is shared with its conjugate
    return factor * np.fft.irfft(waves, n * factor, axis=0)
