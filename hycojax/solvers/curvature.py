"""What L-BFGS knows of the curvature of a loss."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class Curvature:
    """What earlier iterations tell of the loss around a point.

    s are the `used` latest steps, the newest last, y the changes of the gradient, rho = 1 / (s y).
    """

    value: Float[Array, ""]
    gradient: Float[Array, " n"]
    s: Float[Array, "memory n"]
    y: Float[Array, "memory n"]
    rho: Float[Array, " memory"]
    used: Int[Array, ""]


def nothing_known(point: Float[Array, " n"], memory: int) -> Curvature:
    """Return the state before the first evaluation."""

    def zeros(*shape: int, dtype: Any = point.dtype) -> Array:
        return jnp.zeros(shape, dtype)  # each its own buffer: the state is donated

    return Curvature(
        value=zeros() + jnp.inf,
        gradient=zeros(point.size),
        s=zeros(memory, point.size),
        y=zeros(memory, point.size),
        rho=zeros(memory),
        used=zeros(dtype=jnp.int32),
    )


def learn(
    known: Curvature, step: Array, value: Array, gradient: Array, first: Bool[Array, ""]
) -> Curvature:
    """Add a step, but for the `first` point of a solve, where no step has been made."""
    y = gradient - known.gradient
    curved = step @ y > 1e-7 * jnp.linalg.norm(step) * jnp.linalg.norm(y)
    longer = replace(
        known,
        s=jnp.roll(known.s, -1, 0).at[-1].set(step),
        y=jnp.roll(known.y, -1, 0).at[-1].set(y),
        rho=jnp.roll(known.rho, -1).at[-1].set(1 / jnp.where(curved, step @ y, 1)),
        used=known.used + 1,
    )
    return replace(select(~first & curved, longer, known), value=value, gradient=gradient)


def forget(known: Curvature) -> Curvature:
    """Return what is known without its steps."""
    return replace(known, rho=jnp.zeros_like(known.rho), used=jnp.zeros_like(known.used))


def direction(known: Curvature) -> tuple[Curvature, Array]:
    """Return the quasi-Newton direction; where it does not lead down, forget, and the steepest."""
    newton = -_inverse_hessian(known, known.gradient)
    trusted = (known.used > 0) & (known.gradient @ newton < 0)
    known = select(trusted, known, forget(known))
    return known, jnp.where(trusted, newton, steepest(known))


def _inverse_hessian(known: Curvature, vector: Array) -> Array:
    """Return the product of the estimated inverse Hessian and a vector: two loops over the steps.

    Steps that are not there yet have rho = 0. The Hessian before the oldest step is s y / (y y) of
    the newest, times the identity.

    Source: Nocedal, Wright, "Numerical Optimization", 2nd ed., algorithm 7.4 and equation 7.20.
    """

    def backward(q: Array, one: tuple[Array, Array, Array]) -> tuple[Array, Array]:
        s, y, rho = one
        alpha = rho * (s @ q)
        return q - alpha * y, alpha

    def forward(r: Array, one: tuple[Array, Array, Array, Array]) -> tuple[Array, None]:
        s, y, rho, alpha = one
        return r + s * (alpha - rho * (y @ r)), None

    steps = known.s, known.y, known.rho
    rest, alphas = jax.lax.scan(backward, vector, steps, reverse=True)
    square = known.y[-1] @ known.y[-1]
    gamma = jnp.where(square > 0, known.s[-1] @ known.y[-1] / jnp.where(square > 0, square, 1), 1)
    return jax.lax.scan(forward, gamma * rest, (*steps, alphas))[0]


def steepest(known: Curvature) -> Array:
    """Return a step along the gradient: to the zero of a parabola, but no longer than 1."""
    size = jnp.maximum(jnp.linalg.norm(known.gradient), jnp.finfo(known.gradient.dtype).tiny)
    return -known.gradient / size * jnp.minimum(2 * known.value / size, 1)


def select(condition: Bool[Array, ""], yes: Any, no: Any) -> Any:
    """Choose between two pytrees."""
    return jax.tree.map(lambda a, b: jnp.where(condition, a, b), yes, no)
