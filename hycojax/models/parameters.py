"""The coefficients of a PDE: known ones, unknown ones, and the form in which these are optimised.

A physical model is a frozen dataclass; each field made with `quantity` is a coefficient: a number,
or a field on the cells of the domain. The parameters of a model (`params`) are the values of its
unknown coefficients, `{name: array}`.
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

from hycojax.grid.random_fields import Waves
from hycojax.models.smoothness import UNWEIGHTED, Smoothness


@dataclass(frozen=True)
class Parameter:
    """A coefficient: known if it has no `start`, else to be identified from there."""

    true: float
    """True value: the recordings are simulated with it."""
    start: float | None = None
    """Where the search for an unknown value begins; None: the value is known."""
    low: float | None = None
    """Lower bound of the search; None: the equation's own."""
    high: float | None = None
    """Upper bound of the search; None: the equation's own."""
    prior: float = 0.0
    """Weight of a penalty on the squared distance from the start, in the form that is optimised
    (Tikhonov's regularisation); 0: none."""

    def __post_init__(self):
        if not 0 <= self.prior < math.inf:
            raise ValueError(f"prior = {self.prior}: it must not be negative")
        if isinstance(self.true, Waves) != self.varies:
            raise ValueError("a FieldParameter takes Waves, a Parameter takes a number")

    @property
    def varies(self) -> bool:
        """Whether it is a field."""
        return isinstance(self, FieldParameter)


@dataclass(frozen=True)
class FieldParameter(Parameter):
    """A coefficient that is a field on the cells of the domain; its search starts at a constant."""

    true: Waves
    """True field: the recordings are simulated with it."""
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
    """What a coefficient is: its unit, its open interval of values, whether it may be a field."""

    unit: str
    low: float
    high: float
    varies: bool


def quantity(
    true: float | Waves,
    *,
    unit: str,
    low: float = -math.inf,
    high: float = math.inf,
    varies: bool = False,
) -> Any:
    """Declare a coefficient of a model: default value, unit, bounds, whether it may be a field."""
    own = FieldParameter(true) if isinstance(true, Waves) else Parameter(true)
    return dataclasses.field(default=own, metadata={"quantity": Quantity(unit, low, high, varies)})


def quantities(model: Any) -> dict[str, Quantity]:
    """Return the coefficients of a model by name, each with the bounds that hold in this model."""
    found = {}
    for field in dataclasses.fields(model):
        if "quantity" in field.metadata:
            q, own = field.metadata["quantity"], getattr(model, field.name)
            low = q.low if own.low is None else max(q.low, own.low)
            high = q.high if own.high is None else min(q.high, own.high)
            found[field.name] = dataclasses.replace(q, low=low, high=high)
    return found


def unknowns(model: Any) -> dict[str, Parameter]:
    """Return the coefficients of a model that are to be identified, by name."""
    return {n: getattr(model, n) for n in quantities(model) if getattr(model, n).start is not None}


def starts(model: Any) -> dict[str, Array]:
    """Return the parameters at the start of the search."""
    return {
        name: jnp.full(model.domain.shape if p.varies else (), p.start, jnp.float32)
        for name, p in unknowns(model).items()
    }


def truths(model: Any) -> dict[str, Array]:
    """Return the true parameters."""
    return {n: jnp.asarray(_true(model, p), jnp.float32) for n, p in unknowns(model).items()}


def coefficients(model: Any, params: dict[str, Array]) -> dict[str, Any]:
    """Return the value of every coefficient: `params` for the unknown, the truth for the known."""
    return {
        name: params[name] if name in params else _true(model, getattr(model, name))
        for name in quantities(model)
    }


def largest(model: Any, name: str) -> float:
    """Return the largest value that a coefficient can take: its bound, or its known value."""
    own = getattr(model, name)
    return float(np.max(_true(model, own))) if own.start is None else quantities(model)[name].high


def check(model: Any) -> None:
    """Raise a ValueError which names the coefficient that lies outside its bounds."""
    for name, q in quantities(model).items():
        own = getattr(model, name)
        if own.varies and not q.varies:
            raise ValueError(f"{name}: a number is needed, not a field")
        if own.varies and any(n % own.coarsening for n in model.domain.shape):
            raise ValueError(
                f"{name}.coarsening = {own.coarsening} does not divide {model.domain.shape} cells"
            )
        for role, value in (("true", _true(model, own)), ("start", own.start)):
            inside = value is None or (q.low < np.min(value) and np.max(value) < q.high)
            if not inside:
                given = value if np.ndim(value) == 0 else f"{np.min(value):g} to {np.max(value):g}"
                raise ValueError(
                    f"{name}.{role} = {given} is out of bounds: it must lie between "
                    f"{q.low} and {q.high} {q.unit}"
                )


def _true(model: Any, own: Parameter) -> float | np.ndarray:
    return own.true.on(model.domain) if own.varies else own.true


def constrain(model: Any, free: dict[str, Array]) -> dict[str, Array]:
    """Map unconstrained numbers to parameters inside their bounds, elementwise.

    With z the free number, theta_0 the start and (l, h) the bounds:

        l finite only   theta = l + (theta_0 - l) exp(z)        z = 0 at the start
        h finite only   theta = h - (h - theta_0) exp(-z)       z = 0 at the start
        both finite     theta = l + (h - l) sigmoid(z)
        neither         theta = theta_0 + max(|theta_0|, 1) z

    so that a unit step of an optimiser is a sensible step of the parameter, whatever its unit. The
    numbers of a field may be on a coarser grid than its values.
    """
    bounds = quantities(model)
    return {
        name: _value(_prolong(model, own, free[name]), own.start, bounds[name])
        for name, own in unknowns(model).items()
    }


def unconstrain(model: Any, params: dict[str, Array]) -> dict[str, Array]:
    """Invert `constrain`; of a field on a coarser grid, the mean over its cells is taken."""
    bounds = quantities(model)
    return {
        name: _restrict(model, own, _free(params[name], own.start, bounds[name]))
        for name, own in unknowns(model).items()
    }


def roughness(model: Any, params: dict[str, Array]) -> Array:
    """Return the penalty on the roughness of all unknown fields, each over its `_scale`."""
    fields = {name: own for name, own in unknowns(model).items() if own.varies}
    penalties = (
        own.smoothness.penalty(model.domain, params[name] / _scale(own))
        for name, own in fields.items()
    )
    return sum(penalties, jnp.zeros(()))


def distance(model: Any, free: dict[str, Array]) -> Array:
    """Return the penalty on unconstrained numbers that are far from the start, by their `prior`.

    Source: Engl, Hanke, Neubauer, "Regularization of inverse problems" (1996), chapter 5.
    """
    begin = unconstrain(model, starts(model))
    squares = (
        own.prior * jnp.mean((free[name] - begin[name]) ** 2)
        for name, own in unknowns(model).items()
        if own.prior
    )
    return sum(squares, jnp.zeros(()))


def _scale(own: Parameter) -> float:
    """Return the size of a coefficient before anything is known: of its start, else 1."""
    return abs(own.start) or 1.0


def _prolong(model: Any, own: Parameter, numbers: Array) -> Array:
    coarser = own.varies and own.coarsening > 1
    return model.domain.prolong(numbers, own.coarsening) if coarser else numbers


def _restrict(model: Any, own: Parameter, values: Array) -> Array:
    coarser = own.varies and own.coarsening > 1
    return model.domain.average(values, own.coarsening) if coarser else values


def _value(z: Array, start: float, q: Quantity) -> Array:
    if math.isfinite(q.low) and math.isfinite(q.high):
        return q.low + (q.high - q.low) * jax.nn.sigmoid(z)
    if math.isfinite(q.low):
        return q.low + (start - q.low) * jnp.exp(z)
    if math.isfinite(q.high):
        return q.high - (q.high - start) * jnp.exp(-z)
    return start + max(abs(start), 1.0) * z


def _free(value: Array, start: float, q: Quantity) -> Array:
    if math.isfinite(q.low) and math.isfinite(q.high):
        return jax.scipy.special.logit((value - q.low) / (q.high - q.low))
    if math.isfinite(q.low):
        return jnp.log((value - q.low) / (start - q.low))
    if math.isfinite(q.high):
        return -jnp.log((q.high - value) / (q.high - start))
    return (value - start) / max(abs(start), 1.0)
