"""Values of many batches, and their gradient, one batch after the other."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float


@partial(jax.custom_vjp, nondiff_argnums=(0,))
def one_by_one(
    function: Callable[[Any, Any], Array], params: Any, inputs: Any, weights: Float[Array, " input"]
) -> Float[Array, " input"]:
    """Return function(params, input) for each of the inputs, or zero where the weight is zero.

    Its gradient by the parameters is computed with the values, one input after the other: the
    function and its gradient are compiled once, and what one input leaves for its gradient is kept
    for no longer than that takes.
    """
    return _values_and_gradients(function, params, inputs, weights)[0]


def unless_weightless(
    term: Callable[[Any], Array], params: Any, weight: Float[Array, ""]
) -> Float[Array, ""]:
    """Return a term, or zero if it has no weight.

    It is a program of its own: whether there is another term does not change a bit of this one.
    """
    return jax.lax.cond(weight > 0, term, lambda _: jnp.zeros(()), params)


def stacked(trees: list[Any]) -> Any:
    """Return trees as one, along a new first axis."""
    return jax.tree.map(lambda *leaves: jnp.stack(leaves), *trees)


def _values_and_gradients(
    function: Callable, params: Any, inputs: Any, weights: Array
) -> tuple[Array, Any]:
    def nothing(params: Any, _: Any) -> tuple[Array, Any]:
        return jnp.zeros(()), jax.tree.map(jnp.zeros_like, params)

    def term(input_and_weight: tuple[Any, Array]) -> tuple[Array, Any]:
        own, weight = input_and_weight
        return jax.lax.cond(weight > 0, jax.value_and_grad(function), nothing, params, own)

    return jax.lax.map(term, (inputs, weights))


def _weighted_gradients(function: Callable, gradients: Any, weights: Array) -> tuple[Any, ...]:
    del function
    return jax.tree.map(lambda g: jnp.tensordot(weights, g, 1), gradients), None, None


one_by_one.defvjp(_values_and_gradients, _weighted_gradients)
