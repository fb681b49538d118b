"""Derivatives of functions that may have parts which differentiate backwards only.

A `jax.custom_vjp`, as the linear solves of PhiFlow are, has no derivative forwards. JAX tells so as
late as a program is lowered; here it is seen in the trace. Such a function is differentiated
backwards, and its derivative along a direction is a central difference.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

#: What JAX leaves of a `custom_vjp` in a trace forwards.
_BACKWARDS_ONLY = "custom_lin"


class Linearised(NamedTuple):
    """A function near a point, with the derivative J there.

    Attributes:
        value: The function there.
        forward: From v to J v, as the value is structured.
        backward: From such a value u to J^T u.
        exact: Whether J v is no difference.
    """

    value: Any
    forward: Callable[[Array], Any]
    backward: Callable[[Any], Array]
    exact: bool


def linearised(function: Callable[[Array], Any], point: Float[Array, ...]) -> Linearised:
    """Return a function near a point; J v is a central difference if there is no other way."""
    value, forward = jax.linearize(function, point)
    if traces_forwards(forward, point):
        back = jax.linear_transpose(forward, point)
        return Linearised(value, forward, lambda u: back(u)[0], True)
    value, back = jax.vjp(function, point)
    return Linearised(value, lambda v: difference(function, point, v), lambda u: back(u)[0], False)


def goes_forwards(function: Callable[[Any], Any], point: Any) -> bool:
    """Return whether a function differentiates forwards at a pytree; nothing is computed."""
    return traces_forwards(lambda v: jax.jvp(function, (point,), (v,)), point)


def traces_forwards(derivative: Callable[[Any], Any], *at: Any) -> bool:
    """Return whether a derivative forwards has no part that is there backwards only."""
    try:
        traced = jax.make_jaxpr(derivative)(*at)
    except TypeError as error:  # JAX tells early inside of loops that are batched
        if "custom_vjp" not in str(error):
            raise
        return False
    return _BACKWARDS_ONLY not in _primitives(traced.jaxpr)


def difference(
    function: Callable[[Array], Any], point: Float[Array, ...], along: Float[Array, ...]
) -> Any:
    """Return J v by a central difference, for a point and numbers v of any size.

    The step is the cube root of rounding over the size of v: numbers of a search are of size 1.
    """
    size = jnp.max(jnp.abs(along))
    step = jnp.finfo(point.dtype).eps ** (1 / 3) / jnp.where(size > 0, size, 1)
    ahead, behind = function(point + step * along), function(point - step * along)
    return jax.tree.map(lambda a, b: (a - b) / (2 * step), ahead, behind)


def _primitives(jaxpr: Any) -> set[str]:
    """Return the names of all primitives in a trace, those inside of loops too."""
    found = {equation.primitive.name for equation in jaxpr.eqns}
    inner = (own for equation in jaxpr.eqns for own in _inner(equation.params))
    return found.union(*map(_primitives, inner))


def _inner(params: dict[str, Any]) -> Iterator[Any]:
    """Yield the traces among the parameters of an equation."""
    for value in params.values():
        for own in value if isinstance(value, tuple | list) else (value,):
            own = getattr(own, "jaxpr", own)
            if hasattr(own, "eqns"):
                yield own
