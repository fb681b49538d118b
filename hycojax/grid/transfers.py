"""States on finer grids: smooth, with the same means."""

from __future__ import annotations

import functools

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from hycojax.grid.domain import Boundary, Grid
from hycojax.kernels.axes import along


def prolonged(
    grid: Grid, state: Float[Array, "*shape channels"], factor: int
) -> Float[Array, "*fine channels"]:
    """Return a state on the grid `grid.refine(factor)`, of which `grid.restrict` is the state.

    It is the sum of waves that has the means of the state: in a periodic box without new
    divergence. In a closed one means over cells go on beyond a wall as in a mirror, what lies on
    faces with the other sign, so that it vanishes on the wall.
    """
    if factor == 1:
        return state
    channels = []
    for c in range(len(grid.channels)):
        values = state[..., c]
        for axis, n in enumerate(grid.shape):
            kind = _kind(grid, c, axis)
            values = along(_matrix(n, factor, kind).astype(state.dtype), values, axis)
        channels.append(values)
    return jnp.stack(channels, -1)


def _kind(grid: Grid, channel: int, axis: int) -> str:
    """Return how a channel goes on along an axis."""
    face = grid.channels[channel].face
    if grid.boundary is Boundary.PERIODIC:
        return "faces" if face == axis else "cells"
    if face == axis:
        return "faces between walls"
    return "mirror" if face is None else "opposite"


@functools.cache
def _matrix(n: int, factor: int, kind: str) -> np.ndarray:
    """Return the weights `[n factor, n]` along an axis."""
    if kind in ("cells", "faces"):
        return _periodic(n, factor, kind == "cells")
    identity = np.eye(n)
    if kind == "faces between walls":
        identity[0] = 0  # the lower wall's
        longer = np.concatenate([identity, np.zeros((1, n)), -identity[:0:-1]])
    else:
        longer = np.concatenate([identity, identity[::-1] * (1 if kind == "mirror" else -1)])
    return _periodic(2 * n, factor, kind != "faces between walls")[: n * factor] @ longer


def _periodic(n: int, factor: int, cells: bool) -> np.ndarray:
    waves, k = np.fft.rfft(np.eye(n), axis=0), np.fft.rfftfreq(n)
    if cells:
        shift = (1 / factor - 1) / 2  # of the first centre, in cells
        waves *= (np.sinc(k / factor) / np.sinc(k) * np.exp(2j * np.pi * k * shift))[:, None]
    if n % 2 == 0:
        waves[-1] /= 2  # the shortest wave is shared with its conjugate
    return factor * np.fft.irfft(waves, n * factor, axis=0)
