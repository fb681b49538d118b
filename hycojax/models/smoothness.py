"""How rough a field is. To add a measure: a class with `penalty`.

All are means over the box of a field r = theta / scale, with lengths in units of the box: numbers
without units that do not depend on the grid. A jump of r by 1 over a tenth of the box has a slope
of 10.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, runtime_checkable

import jax.numpy as jnp
from jaxtyping import Array, Float

from hycojax.grid.domain import Boundary, Domain
from hycojax.grid.stencils import Beyond, laplace
from hycojax.settings.checked import Checked


@runtime_checkable
class Smoothness(Protocol):
    """A measure of roughness, with a weight."""

    if TYPE_CHECKING:  # `issubclass`, by which the command line finds the fields, forbids it
        weight: float

    def penalty(self, domain: Domain, field: Float[Array, "*shape"]) -> Float[Array, ""]:
        """Return the weighted roughness, at least 0; 0 for a constant."""


@dataclass(frozen=True)
class Slope(Checked):
    """Mean of |grad r|^2: long waves cost least. The usual choice for what varies smoothly.

    Source: Tikhonov, Arsenin, "Solutions of Ill-Posed Problems" (1977), first order.
    """

    weight: float = 1e-4
    """Weight in the loss, which is 1 for a model that predicts the mean of the data."""

    def __post_init__(self):
        _check(self)

    def penalty(self, domain: Domain, field: Float[Array, "*shape"]) -> Float[Array, ""]:
        """Return weight * mean |grad r|^2, by differences of neighbours."""
        return self.weight * sum(jnp.sum(d**2) / field.size for d in _differences(domain, field))


@dataclass(frozen=True)
class TotalVariation(Checked):
    """Mean of |grad r|: a jump costs no more than a slope of the same height. For layers and edges.

    |.| is rounded off below `corner`, so that the loss has a gradient.

    Source: Rudin, Osher, Fatemi, Physica D 60 (1992).
    """

    weight: float = 1e-4
    """Weight in the loss, which is 1 for a model that predicts the mean of the data."""
    corner: float = 0.1
    """Slope below which |.| is a parabola: small against the slopes of interest."""

    def __post_init__(self):
        _check(self)
        if not self.corner > 0:
            raise ValueError(f"corner = {self.corner}: it must be positive")

    def penalty(self, domain: Domain, field: Float[Array, "*shape"]) -> Float[Array, ""]:
        """Return weight * mean (sqrt(|grad r|^2 + corner^2) - corner), |grad r| at each cell."""
        square = sum(
            _pad(d, i, field.shape) ** 2 for i, d in enumerate(_differences(domain, field))
        )
        return self.weight * jnp.mean(jnp.sqrt(square + self.corner**2) - self.corner)


@dataclass(frozen=True)
class Laplacian(Checked):
    """Mean of (laplace r)^2: a slope costs nothing, a bend does. For what varies very smoothly.

    Source: Wahba, "Spline Models for Observational Data" (1990), thin-plate splines.
    """

    weight: float = 1e-6
    """Weight in the loss, which is 1 for a model that predicts the mean of the data."""

    def __post_init__(self):
        _check(self)

    def penalty(self, domain: Domain, field: Float[Array, "*shape"]) -> Float[Array, ""]:
        """Return weight * mean (laplace r)^2, in a closed box over all but the outermost cells."""
        periodic = domain.boundary is Boundary.PERIODIC
        widths = tuple(1 / n for n in domain.shape)
        bends = laplace(field, widths, Beyond.OTHER_END if periodic else Beyond.SAME)
        inner = bends if periodic else bends[(slice(1, -1),) * domain.dims]
        return self.weight * jnp.mean(inner**2)


def _check(measure: Smoothness) -> None:
    if measure.weight < 0:
        raise ValueError(f"weight = {measure.weight}: it must not be negative")


def _differences(domain: Domain, field: Float[Array, "*shape"]) -> list[Array]:
    """Return slopes between neighbours along each axis, per length of the box."""
    slopes = []
    for axis, n in enumerate(domain.shape):
        if domain.boundary is Boundary.PERIODIC:
            slopes.append((jnp.roll(field, -1, axis) - field) * n)
        else:
            slopes.append(jnp.diff(field, axis=axis) * n)
    return slopes


def _pad(slopes: Array, axis: int, shape: tuple[int, ...]) -> Array:
    missing = shape[axis] - slopes.shape[axis]
    return jnp.pad(slopes, [(0, missing * (i == axis)) for i in range(len(shape))])


#: No preference.
UNWEIGHTED = Slope(weight=0.0)
