"""Smooth random fields of a given length, by a filter in Fourier or cosine space."""

from __future__ import annotations

import numpy as np
from jaxtyping import Array, Float

from hycojax.grid.domain import Boundary, Domain
from hycojax.kernels import spectrum
from hycojax.kernels.precision import real

#: Smoothness nu of Matern's covariance: fields have that many derivatives.
_SMOOTHNESS = 3.0


def matern(domain: Domain, amplitude: float, length: float) -> Float[np.ndarray, " *modes"]:
    """Return the amplitude of each wave of a field with Matern's covariance.

        a(k)^2 ~ (1 + |k|^2 l^2 / (2 nu))^-(nu + d / 2)

    normalised so that `filtered` makes of independent normal numbers, one a cell, a field of this
    standard deviation (in a closed box: in the mean over the cells).

    Args:
        domain: The box.
        amplitude: Standard deviation of a value.
        length: Length l over which values are alike, in metres.

    Source: Lindgren, Rue, Lindstrom, J. R. Stat. Soc. B 73 (2011), section 2.1.
    """
    periodic = domain.boundary is Boundary.PERIODIC
    square = spectrum.squared_wave_numbers(domain.shape, domain.dx, periodic)
    power = (1 + square * length**2 / (2 * _SMOOTHNESS)) ** -(_SMOOTHNESS + domain.dims / 2)
    count = np.ones(square.shape)
    if periodic:  # a real transform keeps half of the modes along the last axis
        last = domain.shape[-1]
        count[..., 1 : (last + 1) // 2] = 2
    share = np.sum(power * count) / np.prod(domain.shape)
    return (amplitude * np.sqrt(power / share)).astype(real())


def filtered(
    domain: Domain, amplitudes: Float[Array, " *modes"], numbers: Float[Array, "*shape"]
) -> Float[Array, "*shape"]:
    """Return numbers with the amplitude of each of their waves multiplied: C^(1/2) q."""
    return spectrum.multiply(numbers, amplitudes, domain.boundary is Boundary.PERIODIC)
