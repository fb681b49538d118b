"""The coefficients of a PDE: known ones, unknown ones, and the form in which these are optimised.

A PDE is a frozen dataclass; each field made with `coefficient` is one: a number, an array or
`Waves` if it is known, else `Unknown` or `UnknownField`. On a domain (`bind`) a known one becomes
its value there, an unknown one gets the bounds of the equation and a scale. The parameters of a
model (`params`) are the values of its unknown coefficients, `{name: array}`.
"""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from hycojax.grid.domain import Domain
from hycojax.grid.random_fields import Waves
from hycojax.kernels.precision import check_size, real
from hycojax.models.smoothness import UNWEIGHTED, Smoothness
from hycojax.settings.checked import Checked, converted
from hycojax.settings.numbers import weighs, with_fields

#: So near to a bound, relative to the room that there is, a coefficient has come to it.
_NEAR = 1e-3
#: Relative distance from a bound that single precision can't tell well.
_ROUNDING = 1e-5

#: What a coefficient may be: a number, an array `[*shape]`, `Waves`, `Unknown`, `UnknownField`.
Coefficient = Any


@dataclass(frozen=True)
class Unknown(Checked):
    """A number that is to be identified."""

    start: float
    """Where the search begins."""
    low: float | None = None
    """Lower bound of the search; None: the equation's own."""
    high: float | None = None
    """Upper bound of the search; None: the equation's own."""
    scale: float | None = None
    """Size of a sensible change of an unbounded one; None: that of the start, or 1 if it is 0."""
    prior: float = 0.0
    """Weight of a penalty on the squared distance from the start, in the form that is optimised
    (Tikhonov's regularisation); 0: none."""

    def __post_init__(self):
        if self.prior < 0:
            raise ValueError(f"prior = {self.prior}: it must not be negative")
        if self.low is not None and self.high is not None and not self.low < self.high:
            raise ValueError(f"low = {self.low}, high = {self.high}: low < high is needed")
        if self.scale is not None and self.scale <= 0:
            raise ValueError(f"scale = {self.scale}: it must be positive")


@dataclass(frozen=True)
class UnknownField(Unknown):
    """A field on the cells of the domain that is to be identified, from a constant on."""

    smoothness: Smoothness = UNWEIGHTED
    """How roughness is held down in the search: a penalty on the field over its scale."""
    coarsening: int = 1
    """It is searched on a grid this much coarser, and interpolated linearly."""

    def __post_init__(self):
        super().__post_init__()
        if self.coarsening < 1:
            raise ValueError(f"coarsening = {self.coarsening}: at least 1 is needed")


@dataclass(frozen=True)
class Quantity:
    """What a coefficient is: its unit, its interval of values, whether it may be a field.

    The interval is closed for a known value and open for the search of an unknown one.
    """

    unit: str
    low: float
    high: float
    varies: bool


def coefficient(
    default: float | Waves,
    *,
    unit: str,
    low: float = -math.inf,
    high: float = math.inf,
    varies: bool = False,
) -> Any:
    """Declare a coefficient of a PDE: known value by default, unit, bounds, whether it may vary."""
    about = Quantity(unit, low, high, varies)
    return dataclasses.field(default=default, metadata={"quantity": about})


def quantities(pde: Any) -> dict[str, Quantity]:
    """Return what the coefficients of a PDE are, by name."""
    fields = (f for f in dataclasses.fields(pde) if "quantity" in f.metadata)
    return {field.name: field.metadata["quantity"] for field in fields}


def unknowns(pde: Any) -> dict[str, Unknown]:
    """Return the coefficients of a PDE that are to be identified, by name."""
    found = {name: getattr(pde, name) for name in quantities(pde)}
    return {name: own for name, own in found.items() if isinstance(own, Unknown)}


def check_coefficients(pde: Any) -> None:
    """Convert the known coefficients of a PDE to floats, arrays or `Waves`, and check them all.

    Raises:
        ValueError: One is of another type or out of bounds; the message names it.
    """
    for name, about in quantities(pde).items():
        own = getattr(pde, name)
        if not isinstance(own, Unknown | Waves):
            array = isinstance(own, list | tuple) or np.ndim(own) > 0
            own = _array(own, name) if array else converted(float, own, name)
            object.__setattr__(pde, name, own)
        if isinstance(own, UnknownField | Waves | np.ndarray) and not about.varies:
            raise ValueError(f"{name}: a number is needed, not a field")
        _check_bounds(name, about, own)


def _array(given: Any, name: str) -> np.ndarray:
    try:
        found = np.asarray(given)
    except (TypeError, ValueError) as error:
        raise ValueError(f"{name}: an array of numbers is needed: {error}") from error
    if found.dtype.kind not in "iuf":  # text could be read as numbers
        raise ValueError(f"{name}: an array of numbers is needed, not of {found.dtype}")
    if not found.size:
        raise ValueError(f"{name}: an array of numbers is needed, not an empty one")
    if not np.isfinite(found).all():
        raise ValueError(f"{name}: {np.sum(~np.isfinite(found))} of its values are not finite")
    return found.astype(real())


def _check_bounds(name: str, about: Quantity, own: Any) -> None:
    if isinstance(own, Waves):  # its values are those on a domain
        return
    known = not isinstance(own, Unknown)
    low, high = (about.low, about.high) if known else bounds(about, own)
    values = own if known else own.start
    least, most = np.min(values), np.max(values)
    if known and np.isfinite(values).all() and low <= least and most <= high:
        return
    if not known and low < least and most < high:
        _check_room(name, own.start, (low, high))
        return
    given = f"{least:g}" if least == most else f"{least:g} to {most:g}"
    raise ValueError(
        f"{name}{'' if known else '.start'} = {given} is out of bounds: it must lie between {low} "
        f"and {high} {about.unit}"
    )


def _check_room(name: str, start: float, limits: tuple[float, float]) -> None:
    """Check that a start can be told from a bound in single precision: it would never move."""
    for bound in filter(math.isfinite, limits):
        if abs(start - bound) <= _ROUNDING * abs(bound):
            raise ValueError(
                f"{name}.start = {start!r} lies within rounding of its bound {bound!r}, where a "
                "search can't move it: choose one further inside"
            )


def bounds(about: Quantity, own: Unknown) -> tuple[float, float]:
    """Return the bounds of a search: the narrower ones of the equation's and the user's."""
    low = about.low if own.low is None else max(about.low, own.low)
    high = about.high if own.high is None else min(about.high, own.high)
    return low, high


def largest(pde: Any, name: str, domain: Domain) -> float:
    """Return the largest value that a coefficient can take: its bound, or its known value."""
    own = getattr(pde, name)
    if isinstance(own, Unknown):
        return bounds(quantities(pde)[name], own)[1]
    return float(np.max(own.on(domain) if isinstance(own, Waves) else own))


def reach(pde: Any, name: str, domain: Domain) -> float:
    """Return how large a coefficient can become, without its sign.

    Of a search without bounds that is twice its start.
    """
    own = getattr(pde, name)
    if not isinstance(own, Unknown):
        return float(np.max(np.abs(own.on(domain) if isinstance(own, Waves) else own)))
    ends = [
        abs(b) if math.isfinite(b) else 2 * abs(own.start)
        for b in bounds(quantities(pde)[name], own)
    ]
    return max(ends)


def bind(pde: Any, domain: Domain) -> tuple[tuple[str, Any], ...]:
    """Return the coefficients of a PDE by name, as they are on a domain.

    Raises:
        ValueError: A field does not fit the domain.
    """
    return tuple(
        (name, _on_domain(name, about, getattr(pde, name), domain))
        for name, about in quantities(pde).items()
    )


def _on_domain(name: str, about: Quantity, own: Any, domain: Domain) -> Any:
    if isinstance(own, Waves):
        own = own.on(domain)
        _check_bounds(name, about, own)
    size = own.start if isinstance(own, Unknown) else float(np.max(np.abs(own)))
    check_size(f"{name}.start" if isinstance(own, Unknown) else name, size)
    if isinstance(own, np.ndarray) and own.shape != domain.shape:
        raise ValueError(f"{name}: {own.shape} values for {domain.shape} cells")
    if not isinstance(own, Unknown):
        return own
    if isinstance(own, UnknownField) and any(n % own.coarsening for n in domain.shape):
        raise ValueError(
            f"{name}.coarsening = {own.coarsening} does not divide {domain.shape} cells"
        )
    low, high = bounds(about, own)
    scale = own.scale or abs(own.start) or 1.0
    return with_fields(own, scale=scale, low=low, high=high)  # infinite ones too: unchecked


def starts(coefficients: tuple[tuple[str, Any], ...], domain: Domain) -> dict[str, Array]:
    """Return the parameters at the start of the search."""
    return {
        name: jnp.full(domain.shape if _varies(own) else (), own.start, jnp.result_type(float))
        for name, own in coefficients
        if isinstance(own, Unknown)
    }


def values(coefficients: tuple[tuple[str, Any], ...], params: dict[str, Array]) -> dict[str, Any]:
    """Return the value of every coefficient: `params` for the unknown, its own for the known."""
    return {name: params.get(name, own) for name, own in coefficients}


def constrain(
    coefficients: tuple[tuple[str, Any], ...], domain: Domain, free: dict[str, Array]
) -> dict[str, Array]:
    """Map unconstrained numbers to parameters inside their bounds, elementwise.

    With z the free number, theta_0 the start, s the scale and (l, h) the bounds:

        l finite only   theta = l + (theta_0 - l) exp(z)        z = 0 at the start
        h finite only   theta = h - (h - theta_0) exp(-z)       z = 0 at the start
        both finite     theta = l + (h - l) sigmoid(z)
        neither         theta = theta_0 + s z

    so that a unit step of an optimiser is a sensible step of the parameter, whatever its unit. The
    numbers of a field may be on a coarser grid than its values.
    """
    return {
        name: _value(_prolong(domain, own, free[name]), own)
        for name, own in coefficients
        if isinstance(own, Unknown)
    }


def unconstrain(
    coefficients: tuple[tuple[str, Any], ...], domain: Domain, params: dict[str, Array]
) -> dict[str, Array]:
    """Invert `constrain`; of a field on a coarser grid, the mean over its cells is taken."""
    return {
        name: _restrict(domain, own, _free(params[name], own))
        for name, own in coefficients
        if isinstance(own, Unknown)
    }


def roughness(
    coefficients: tuple[tuple[str, Any], ...], domain: Domain, params: dict[str, Array]
) -> Array:
    """Return the penalty on the roughness of all unknown fields, each over its scale."""
    penalties = (
        own.smoothness.penalty(domain, params[name] / own.scale)
        for name, own in coefficients
        if _varies(own) and weighs(own.smoothness.weight)
    )
    return sum(penalties, jnp.zeros(()))


def distance(
    coefficients: tuple[tuple[str, Any], ...], domain: Domain, free: dict[str, Array]
) -> Array:
    """Return the penalty on unconstrained numbers that are far from the start, by their `prior`.

    Source: Engl, Hanke, Neubauer, "Regularization of inverse problems" (1996), chapter 5.
    """
    begin = unconstrain(coefficients, domain, starts(coefficients, domain))
    squares = (
        own.prior * jnp.mean((free[name] - begin[name]) ** 2)
        for name, own in coefficients
        if isinstance(own, Unknown) and weighs(own.prior)
    )
    return sum(squares, jnp.zeros(()))


def at_bound(coefficients: tuple[tuple[str, Any], ...], params: dict[str, Array]) -> Array:
    """Return whether a coefficient has come to a bound of its search.

    That is: nearer to it than a 1,000th of what it could be away, the start's distance or the
    interval.
    """
    found = jnp.asarray(False)
    for name, own in coefficients:
        if isinstance(own, Unknown):
            both = _finite(own.low) and _finite(own.high)
            for bound in filter(_finite, (own.low, own.high)):
                room = own.high - own.low if both else abs(own.start - bound)
                found |= jnp.any(jnp.abs(params[name] - bound) < _NEAR * room)
    return found


def is_field(own: Any) -> bool:
    """Return whether a coefficient varies in space."""
    return isinstance(own, UnknownField | Waves | np.ndarray)


def _varies(own: Any) -> bool:
    return isinstance(own, UnknownField)


def _prolong(domain: Domain, own: Unknown, numbers: Array) -> Array:
    coarser = _varies(own) and own.coarsening > 1
    return domain.prolong(numbers, own.coarsening) if coarser else numbers


def _restrict(domain: Domain, own: Unknown, fine: Array) -> Array:
    coarser = _varies(own) and own.coarsening > 1
    return domain.average(fine, own.coarsening) if coarser else fine


def _finite(bound: Any) -> bool:
    """Return whether there is a bound: one that is an argument of the program is."""
    return not (isinstance(bound, float) and math.isinf(bound))


def _value(z: Array, own: Unknown) -> Array:
    if _finite(own.low) and _finite(own.high):
        return own.low + (own.high - own.low) * jax.nn.sigmoid(z)
    if _finite(own.low):
        return own.low + (own.start - own.low) * jnp.exp(z)
    if _finite(own.high):
        return own.high - (own.high - own.start) * jnp.exp(-z)
    return own.start + own.scale * z


def _free(value: Array, own: Unknown) -> Array:
    if _finite(own.low) and _finite(own.high):
        return jax.scipy.special.logit((value - own.low) / (own.high - own.low))
    if _finite(own.low):
        return jnp.log((value - own.low) / (own.start - own.low))
    if _finite(own.high):
        return -jnp.log((own.high - value) / (own.high - own.start))
    return (value - own.start) / own.scale
