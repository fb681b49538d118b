"""The coefficients of a PDE: known ones, unknown ones, and the form in which these are optimised.

A physical model is a frozen dataclass; each field made with `quantity` is a coefficient. The
parameters of a model (`params`) are the values of its unknown coefficients, `{name: array}`.
"""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array


@dataclass(frozen=True)
class Parameter:
    """A coefficient: known if it has no `start`, else to be identified from there."""

    true: float
    """True value: the recordings are simulated with it."""
    start: float | None = None
    """Where the search for an unknown value begins; None: the value is known."""


@dataclass(frozen=True)
class Quantity:
    """What a coefficient is: its unit and its open interval of values."""

    unit: str
    low: float
    high: float


def quantity(true: float, *, unit: str, low: float = -math.inf, high: float = math.inf) -> Any:
    """Declare a coefficient of a model: default value, unit, and bounds (open interval)."""
    return dataclasses.field(
        default=Parameter(true), metadata={"quantity": Quantity(unit, low, high)}
    )


def quantities(model: Any) -> dict[str, Quantity]:
    """Return the coefficients that a model declares, by name."""
    fields = dataclasses.fields(model)
    return {f.name: f.metadata["quantity"] for f in fields if "quantity" in f.metadata}


def unknowns(model: Any) -> dict[str, Parameter]:
    """Return the coefficients of a model that are to be identified, by name."""
    return {n: getattr(model, n) for n in quantities(model) if getattr(model, n).start is not None}


def starts(model: Any) -> dict[str, Array]:
    """Return the parameters at the start of the search."""
    return {name: jnp.asarray(p.start, jnp.float32) for name, p in unknowns(model).items()}


def truths(model: Any) -> dict[str, Array]:
    """Return the true parameters."""
    return {name: jnp.asarray(p.true, jnp.float32) for name, p in unknowns(model).items()}


def coefficients(model: Any, params: dict[str, Array]) -> dict[str, Any]:
    """Return the value of every coefficient: `params` for the unknown, the truth for the known."""
    return {name: params.get(name, getattr(model, name).true) for name in quantities(model)}


def check(model: Any) -> None:
    """Raise a ValueError which names the coefficient that lies outside its bounds."""
    for name, q in quantities(model).items():
        for role in ("true", "start"):
            value = getattr(getattr(model, name), role)
            if value is not None and not q.low < value < q.high:
                raise ValueError(
                    f"{name}.{role} = {value} is out of bounds: it must lie between "
                    f"{q.low} and {q.high} {q.unit}"
                )


def constrain(model: Any, free: dict[str, Array]) -> dict[str, Array]:
    """Map unconstrained numbers to parameters inside their bounds, elementwise.

    With z the free number, theta_0 the start and (l, h) the bounds:

        l finite only   theta = l + (theta_0 - l) exp(z)        z = 0 at the start
        h finite only   theta = h - (h - theta_0) exp(-z)       z = 0 at the start
        both finite     theta = l + (h - l) sigmoid(z)
        neither         theta = theta_0 + max(|theta_0|, 1) z

    so that a unit step of an optimiser is a sensible step of the parameter, whatever its unit.
    """
    bounds = quantities(model)
    return {n: _value(free[n], p.start, bounds[n]) for n, p in unknowns(model).items()}


def unconstrain(model: Any, params: dict[str, Array]) -> dict[str, Array]:
    """Invert `constrain`."""
    bounds = quantities(model)
    return {n: _free(params[n], p.start, bounds[n]) for n, p in unknowns(model).items()}


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
