"""PDEs in periodic boxes whose right-hand side is computed wave by wave."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import jax.numpy as jnp
from jaxtyping import Array, Complex, Float

from hycojax.grid.domain import Boundary, Grid
from hycojax.kernels.repetition import repeated
from hycojax.models.pde import PDE, Setting
from hycojax.physics import integrators
from hycojax.physics.operators.fourier import Fourier

#: What evolves, as waves of its values at cell centres: `[channel, *modes]`.
Modes = Complex[Array, " channel *modes"]


@dataclass(frozen=True)
class PseudoSpectral(PDE):
    """A PDE u' = L u + N(u) in a periodic box: L diagonal for waves, N by values at cell centres.

    To write one: `linear` and `tendency` in place of a step. Steps are Lawson's (`integrators`),
    of order 4 and exact for L; an interval stays in Fourier space. What varies no faster than half
    of the waves of the grid is met to rounding in space. States hold means over cells or faces.
    """

    boundaries = (Boundary.PERIODIC,)

    @abstractmethod
    def linear(
        self, fourier: Fourier, values: dict[str, Any]
    ) -> Float[Array, " channel *modes"] | float:
        """Return the rate of growth of each wave by L, in 1/s, of the channels that evolve."""

    @abstractmethod
    def tendency(
        self, fourier: Fourier, values: dict[str, Any], static: Float[Array, " channel *shape"]
    ) -> Callable[[Modes], Modes]:
        """Return the function N of what evolves; static channels are given at cell centres."""

    def step(
        self, at: Setting, values: dict[str, Any], state: Float[Array, "*shape channels"]
    ) -> Float[Array, "*shape channels"]:
        """Return the state `at.dt` later."""
        return PseudoSpectral.march(self, replace(at, pieces=1), values, state)

    def march(
        self, at: Setting, values: dict[str, Any], state: Float[Array, "*shape channels"]
    ) -> Float[Array, "*shape channels"]:
        """Return the state `at.pieces` steps later."""
        fourier = Fourier(at.domain, state.dtype)
        linear = self.linear(fourier, values)
        return march(fourier, linear, lambda s: self.tendency(fourier, values, s), at, state)


def march(
    fourier: Fourier,
    linear: Float[Array, " channel *modes"] | float,
    tendency: Callable[[Array], Callable[[Modes], Modes]],
    at: Setting,
    state: Float[Array, "*shape channels"],
) -> Float[Array, "*shape channels"]:
    """Return a state `at.pieces` of Lawson's steps later.

    Args:
        fourier: The waves of the grid.
        linear: Rate of growth of each wave, in 1/s.
        tendency: From static channels at cell centres to the function N.
        at: Where and how long.
        state: The state.
    """
    dynamic = at.domain.dynamic
    static = tuple(i for i in range(len(at.domain.channels)) if i not in dynamic)
    modes = fourier.modes(jnp.moveaxis(state, -1, 0))
    fixed = modes[:0]
    if static:
        fixed = modes[jnp.array(static)] * fourier.to_points(static)
    rate = tendency(fourier.values(fixed))
    to_points, to_state = fourier.to_points(dynamic), fourier.to_state(dynamic)

    def rate_of_state(waves: Modes) -> Modes:
        return to_state * rate(to_points * waves)

    step = integrators.lawson(linear, rate_of_state, at.dt)
    evolving = modes[jnp.array(dynamic)] if static else modes
    after = fourier.values(repeated(step, at.pieces)(evolving))
    if static:
        return state.at[..., jnp.array(dynamic)].set(jnp.moveaxis(after, 0, -1))
    return jnp.moveaxis(after, 0, -1)


def courant_rate(domain: Grid, speeds: list[Any]) -> Any:
    """Return the rate, in 1/s, of waves that are carried: steps of 1 / rate are stable.

    |(u / dx, v / dy, ...)| with the largest speed along each axis. Lawson's steps are stable while
    sum |u| / dx is at most 1.35 of it: 2.83 over the highest resolved wave number, 2 pi / (3 dx).
    """
    return sum((speed / d) ** 2 for speed, d in zip(speeds, domain.dx, strict=True)) ** 0.5
