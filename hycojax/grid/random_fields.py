"""Random smooth fields: sums of long waves, the same function of space on every grid."""

from __future__ import annotations

import math
from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Key

from hycojax.grid.domain import Boundary, Domain
from hycojax.kernels.axes import along
from hycojax.kernels.precision import real
from hycojax.kernels.random_arrays import normal
from hycojax.settings.checked import Checked


@dataclass(frozen=True)
class Waves(Checked):
    """A given smooth field, for a coefficient that varies in space.

    f(x) = mean + amplitude w(x),    w a sum of long waves with mean square 1 in expectation
    """

    mean: float = 0.0
    """Mean value."""
    amplitude: float = 1.0
    """Standard deviation."""
    seed: int = 0
    """Which field of its kind."""
    waves: int = 2
    """Waves along the box, at most."""

    def __post_init__(self):
        if self.waves < 1:
            raise ValueError(f"waves = {self.waves}: at least 1 is needed")

    def on(self, domain: Domain) -> Float[np.ndarray, "*shape"]:
        """Return the values at the cell centres of a domain."""
        weights = _weights(domain.dims, self.waves)
        draws = np.random.default_rng(self.seed).normal(size=weights.shape)
        values = _superpose(weights * draws, domain, self.waves)
        return (self.mean + self.amplitude * values).astype(real())


def random_field(
    key: Key[Array, ""],
    domain: Domain,
    waves: int = 3,
    face: int | None = None,
    derivative: int | None = None,
) -> Float[Array, "*shape"]:
    """Draw a smooth field with mean 0 in the box and mean square 1 in expectation.

    Amplitudes are normal, with standard deviations that fall like 1 / |n| with the wave vector n.
    In a closed box they are cosines, which have no slope on the walls.

    Args:
        key: Random key: equal keys give one function of space, whatever the grid.
        domain: Where to evaluate it.
        waves: Waves along the box, at most.
        face: Axis on whose lower faces to evaluate it; None: at cell centres.
        derivative: Axis along which to return its derivative, in 1/m; None: itself.
    """
    weights = _weights(domain.dims, waves)
    draws = weights.astype(real()) * normal(key, weights.shape)
    return _superpose(draws, domain, waves, face, derivative)


def random_flow(
    key: Key[Array, ""], domain: Domain, waves: int = 3, staggered: bool = False
) -> list[Float[Array, "*shape"]]:
    """Draw a velocity without divergence in a periodic box, one array a component.

    It is the curl of random fields (in 1D a constant), scaled to a mean square speed of 1 in
    expectation, and evaluated at cell centres or on the lower faces.

    Raises:
        ValueError: The box is not periodic.
    """
    if domain.boundary is not Boundary.PERIODIC:
        raise ValueError("random_flow: the box must be periodic, walls would be crossed")
    if domain.dims == 1:
        return [jnp.full(domain.shape, normal(key, ()))]
    faces = range(domain.dims) if staggered else [None] * domain.dims
    keys = jax.random.split(key, 3)

    def slope(potential: int, axis: int, face: int | None) -> Array:
        return random_field(keys[potential], domain, waves, face, axis)

    if domain.dims == 2:
        flow = [slope(2, 1, faces[0]), -slope(2, 0, faces[1])]
    else:
        following = [(1, 2), (2, 0), (0, 1)]
        flow = [slope(b, a, f) - slope(a, b, f) for (a, b), f in zip(following, faces, strict=True)]
    return [component / _curl_scale(domain, waves) for component in flow]


def _curl_scale(domain: Domain, waves: int) -> float:
    """Return the root of the expected mean square of the curl of random fields."""
    squares = _weights(domain.dims, waves) ** 2
    numbers = _numbers(domain.dims, waves)
    slopes = [
        np.sum(squares * (2 * np.pi * n / size) ** 2)
        for n, size in zip(numbers, domain.size, strict=True)
    ]
    return math.sqrt(sum(slopes) * (domain.dims - 1))


def _numbers(dims: int, waves: int) -> list[np.ndarray]:
    """Return the waves along each axis of each basis function: 0, 1, 1, 2, 2, ..."""
    n = (np.arange(2 * waves + 1) + 1) // 2
    return np.meshgrid(*[n] * dims, indexing="ij")


def _weights(dims: int, waves: int) -> np.ndarray:
    length = np.sqrt(sum(np.square(n) for n in _numbers(dims, waves)))
    weights = np.divide(1, length, where=length > 0, out=np.zeros(length.shape))
    return weights / np.sqrt(np.sum(weights**2))


def _superpose(
    amplitudes: Array,
    domain: Domain,
    waves: int,
    face: int | None = None,
    derivative: int | None = None,
) -> Array:
    """Sum products of basis functions: `[2 waves + 1] * dims` amplitudes to `[*shape]`."""
    values = amplitudes
    for axis, n in enumerate(domain.shape):
        place = (np.arange(n) + (0.0 if axis == face else 0.5)) / n
        basis = _basis(place, domain, waves, axis == derivative, axis).astype(amplitudes.dtype)
        values = along(basis.T, values, axis)
    return values


def _basis(place: np.ndarray, domain: Domain, waves: int, slope: bool, axis: int) -> np.ndarray:
    """Return orthonormal functions (or their slopes, in 1/m) at places in [0, 1]."""
    rows = []
    for m in range(2 * waves + 1):
        if domain.boundary is Boundary.CLOSED:
            k, shift = np.pi * m, 0.0
        else:
            k, shift = 2 * np.pi * ((m + 1) // 2), (m % 2) * np.pi / 2
        size = 1.0 if m == 0 else math.sqrt(2)
        wave = -k * np.sin(k * place - shift) / domain.size[axis] if slope else None
        rows.append(size * (np.cos(k * place - shift) if wave is None else wave))
    return np.array(rows)
