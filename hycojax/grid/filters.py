"""Smooth random fields of a given length, by a filter in Fourier or cosine space."""

from __future__ import annotations

import numpy as np
from jaxtyping import Array, Float, Int

from hycojax.grid.domain import Boundary, Domain
from hycojax.kernels import spectrum
from hycojax.kernels.precision import real

#: Smoothness nu of Matern's covariance: fields have that many derivatives.
_SMOOTHNESS = 3.0
#: Largest wave number of each shell but the last, over that of the longest wave.
_EDGES = np.concatenate([np.arange(0.5, 5.0), 4.5 * 1.35 ** np.arange(1, 11)])
SHELLS = len(_EDGES) + 1


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
    square = _squared(domain)
    power = (1 + square * length**2 / (2 * _SMOOTHNESS)) ** -(_SMOOTHNESS + domain.dims / 2)
    share = np.sum(power * _count(domain)) / np.prod(domain.shape)
    return (amplitude * np.sqrt(power / share)).astype(real())


def shells(domain: Domain) -> Int[np.ndarray, " *modes"]:
    """Return the shell of each wave, below `SHELLS`: the longer waves each have one of their own.

    The mean is in the first one, waves as long as the box in the second.
    """
    longest = max(domain.size) * (1 if domain.boundary is Boundary.PERIODIC else 2)
    number = np.sqrt(_squared(domain)) * longest / (2 * np.pi)
    return np.searchsorted(_EDGES, number).astype(np.int32)


def waves_in_shells(domain: Domain) -> Int[np.ndarray, " shell"]:
    """Return how many waves each shell has: all together as many as there are cells."""
    return np.bincount(shells(domain).ravel(), _count(domain).ravel(), SHELLS).astype(np.int32)


def _squared(domain: Domain) -> np.ndarray:
    periodic = domain.boundary is Boundary.PERIODIC
    return spectrum.squared_wave_numbers(domain.shape, domain.dx, periodic)


def _count(domain: Domain) -> np.ndarray:
    """Return for how many waves each mode stands."""
    count = np.ones(_squared(domain).shape)
    if domain.boundary is Boundary.PERIODIC:  # half of the modes are kept along the last axis
        count[..., 1 : (domain.shape[-1] + 1) // 2] = 2
    return count


def filtered(
    domain: Domain, amplitudes: Float[Array, " *modes"], numbers: Float[Array, "*shape"]
) -> Float[Array, "*shape"]:
    """Return numbers with the amplitude of each of their waves multiplied: C^(1/2) q."""
    return spectrum.multiply(numbers, amplitudes, domain.boundary is Boundary.PERIODIC)
