"""Periodic fields as sums of waves: derivatives, products without aliases, points and means."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import Any

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Complex, Float

from hycojax.grid.domain import Grid
from hycojax.grid.stencils import unit_of

#: Waves up to this share of the shortest make products without aliases (Orszag's rule).
_RESOLVED = 2 / 3


@dataclass(frozen=True)
class Fourier:
    """The waves of a periodic grid, for states of one precision.

    A state holds means over cells, or over lower faces. Products and derivatives are of the values
    at cell centres, of the waves that are resolved: those of less than 2/3 of the highest wave
    number along each axis, so that a product of two fields has no aliases among them.

    Source: S. A. Orszag, J. Atmos. Sci. 28 (1971); Canuto et al., "Spectral Methods" (2006),
    section 3.3.
    """

    grid: Grid
    dtype: Any

    @functools.cached_property
    def k(self) -> list[np.ndarray]:
        """Wave numbers along each axis, in 1/m, shaped to be broadcast: a real transform's."""
        *most, last = zip(self.grid.shape, self.grid.dx, strict=True)
        axes = [np.fft.fftfreq(n, d) for n, d in most] + [np.fft.rfftfreq(*last)]
        return [
            (2 * np.pi * k).astype(self.dtype).reshape(*(1,) * i, -1, *(1,) * (len(axes) - i - 1))
            for i, k in enumerate(axes)
        ]

    @functools.cached_property
    def unit(self) -> float:
        """A length about as large as a cell, in metres (`unit_of`)."""
        return unit_of(self.grid.dx)

    @functools.cached_property
    def numbers(self) -> list[np.ndarray]:
        """Wave numbers as `k`, in 1/unit: of order 1."""
        return [k * np.asarray(self.unit, self.dtype) for k in self.k]

    def decay(self, diffusivity: float | Array) -> Float[Array, " *modes"]:
        """Return the rate a |k|^2 at which a diffusivity damps each wave, in 1/s.

        |k|^2 alone is no number of single precision in a box of 1e20 m; nor is 1 / unit^2, into
        which XLA would join two divisions in a row.
        """
        return diffusivity / self.unit * (sum(k**2 for k in self.numbers) / self.unit)

    @functools.cached_property
    def resolved(self) -> Float[np.ndarray, " *modes"]:
        """1 for the waves that are resolved, else 0."""
        ends = [_RESOLVED * np.pi / d * (1 - 1e-6) for d in self.grid.dx]
        kept = [np.abs(k) < end for k, end in zip(self.k, ends, strict=True)]
        return functools.reduce(np.logical_and, kept).astype(self.dtype)

    def modes(self, values: Float[Array, " channel *shape"]) -> Complex[Array, " channel *modes"]:
        """Return the waves of fields."""
        return jnp.fft.rfftn(values, axes=self._axes)

    def values(self, modes: Complex[Array, " channel *modes"]) -> Float[Array, " channel *shape"]:
        """Return the fields of waves."""
        return jnp.fft.irfftn(modes, s=self.grid.shape, axes=self._axes)

    def slope(self, modes: Complex[Array, " *modes"], axis: int) -> Complex[Array, " *modes"]:
        """Return the derivative along an axis."""
        return 1j * self.k[axis] * modes

    def slope_per_unit(
        self, modes: Complex[Array, " *modes"], axis: int
    ) -> Complex[Array, " *modes"]:
        """Return the derivative along an axis, times the unit: of fluxes over the unit."""
        return 1j * self.numbers[axis] * modes

    def to_points(self, channels: tuple[int, ...]) -> Complex[np.ndarray, " channel *modes"]:
        """Return what makes of the waves of a state those of its values at cell centres."""
        return np.stack([self.resolved / self._means(c) for c in channels])

    def to_state(self, channels: tuple[int, ...]) -> Complex[np.ndarray, " channel *modes"]:
        """Return what makes of the waves of values at cell centres those of a state."""
        return np.stack([self.resolved * self._means(c) for c in channels])

    @property
    def _axes(self) -> tuple[int, ...]:
        return tuple(range(-self.grid.dims, 0))

    def _means(self, channel: int) -> np.ndarray:
        """Return the mean over a cell, or a lower face, of each wave that is 1 at its centre."""
        factor, offsets = 1.0, self.grid.offsets(channel)
        for k, d, offset in zip(self.k, self.grid.dx, offsets, strict=True):
            phase = k * d / 2
            factor = factor * (np.sinc(phase / np.pi) if offset else np.exp(-1j * phase))
        return np.asarray(factor).astype(np.result_type(self.dtype, np.complex64))
