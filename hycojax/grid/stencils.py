"""Differences of neighbours on a grid."""

from __future__ import annotations

import enum
import math

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float


class Beyond(enum.Enum):
    """What lies beyond the end of a grid."""

    OTHER_END = "other end"
    """The other end: the box is periodic."""
    SAME = "same"
    """The outermost value again: nothing flows through the end."""
    ZERO = "zero"
    """Zero: values on faces vanish on a wall."""
    OPPOSITE = "opposite"
    """The outermost value with the other sign: values at centres vanish on a wall."""


def neighbour(values: Float[Array, "*shape"], axis: int, step: int, beyond: Beyond) -> Array:
    """Return the value of the next (1) or the last (-1) cell along an axis, for each cell.

    Written as two pieces side by side, which XLA differentiates twice as fast as a border.
    """
    n = values.shape[axis]
    first, last = (jax.lax.slice_in_dim(values, i, i + 1, axis=axis) for i in (0, n - 1))
    if beyond is Beyond.ZERO:
        first = last = jnp.zeros_like(first)
    elif beyond is Beyond.OPPOSITE:
        first, last = -first, -last
    elif beyond is Beyond.OTHER_END:
        first, last = last, first
    if step == 1:
        return jnp.concatenate([jax.lax.slice_in_dim(values, 1, n, axis=axis), last], axis=axis)
    return jnp.concatenate([first, jax.lax.slice_in_dim(values, 0, n - 1, axis=axis)], axis=axis)


def unit_of(dx: tuple[float, ...]) -> float:
    """Return a power of two about as large as a cell, in metres.

    In units of it squares of lengths are of order 1 in every system of units, and no bit changes.
    """
    return 2.0 ** round(math.log2(min(dx)))


def laplace(
    values: Float[Array, "*shape"], dx: tuple[float, ...], beyond: Beyond
) -> Float[Array, "*shape"]:
    """Return the sum of second differences, (u_(i+1) - 2 u_i + u_(i-1)) / dx^2 along each axis."""
    total = 0
    for axis, d in enumerate(dx):
        sides = sum(neighbour(values, axis, step, beyond) for step in (-1, 1))
        total = total + (sides - 2 * values) / d**2
    return total
