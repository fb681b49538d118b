"""A Taylor test: whether a gradient is that of its loss, and the loss smooth."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.flatten_util import ravel_pytree
from jaxtyping import Array

from hycojax.data.observations import Observations
from hycojax.inference import first_states
from hycojax.inference.losses import misfit
from hycojax.models.model import beginnings
from hycojax.models.pde import BoundPDE, Unconstrained

#: How far a direction of length 1 is followed, in the numbers of the optimiser.
_LENGTHS = np.geomspace(1e-2, 1e-4, 5)
#: Remainders below so many roundings of the loss tell nothing.
_ROUNDINGS = 1000


def taylor_slopes(
    physics: BoundPDE, data: Observations, params: dict[str, Array]
) -> dict[str, float]:
    """Return the order of what a gradient leaves, for each part of the parameters.

        |f(x + h v) - f(x) - h f'(x) v| ~ h^p,    p = 2 for a gradient that is right

    f is the loss of the PDE over whole recordings, v a random direction of length 1 in one
    coefficient, in the weights of a learned term, or in the first states. All is computed in double
    precision. NaN where too few remainders lie above rounding: the loss hardly depends on that
    parameter.

    Args:
        physics: The PDE on its domain.
        data: What is known of the system.
        params: The parameters of the optimiser, where the test is made.

    Source: Farrell et al., SIAM J. Sci. Comput. 35 (2013), section 6.1.
    """
    with jax.enable_x64(True):
        point, known = _double(params), _double(data)
        program = jax.jit(lambda x, v, h: _remainders(physics, known, x, v, h))
        keys = jax.random.split(jax.random.key(0), len(point))
        found = {}
        for key, name in zip(keys, sorted(point), strict=True):
            way = jax.tree.map(jnp.zeros_like, point) | {name: _within(key, point[name])}
            left, here = program(point, way, _LENGTHS)
            found[name] = _slope(np.abs(left), _ROUNDINGS * np.finfo(float).eps * abs(float(here)))
    return found


def _slope(left: np.ndarray, rounding: float) -> float:
    """Return the order of what lies above rounding; infinite if the loss is no finite number."""
    if not np.isfinite(left).all():
        return float("inf")
    told = left > rounding
    if told.sum() < 2:
        return float("nan")
    return float(np.polyfit(np.log(_LENGTHS[told]), np.log(left[told]), 1)[0])


def _remainders(
    physics: BoundPDE, data: Observations, point: Any, way: Any, lengths: Array
) -> tuple[Array, Array]:
    """Return f(x + h v) - f(x) - h f'(x) v for each length, and f(x)."""
    model, known = Unconstrained(physics), data.training

    def loss(params: Any) -> Array:
        states = first_states.states(physics, known.first, data.scale, params)
        path = model.predict(params, beginnings(states), known.steps)
        off = misfit(known.parts, path, data.scale, data.noise)
        improbable = first_states.penalty(
            physics.domain, known.first, known.parts, data.noise, params
        )
        return off + improbable + model.penalty(params)

    here, gradient = jax.value_and_grad(loss)(point)
    pairs = zip(jax.tree.leaves(gradient), jax.tree.leaves(way), strict=True)
    slope = sum(jnp.vdot(g, v) for g, v in pairs)

    def remainder(h: Array) -> Array:
        return loss(jax.tree.map(lambda x, v: x + h * v, point, way)) - here - h * slope

    return jax.lax.map(remainder, jnp.asarray(lengths)), here


def _within(key: Array, entry: Any) -> Any:
    """Return a direction in an entry of the parameters, of a learned term in its weights."""
    if not isinstance(entry, dict):
        return _direction(key, entry)
    flat, unflatten = ravel_pytree(entry["weights"])
    still = jax.tree.map(jnp.zeros_like, entry)
    return still | {"weights": unflatten(_direction(key, flat))}


def _direction(key: Array, like: Array) -> Array:
    drawn = jax.random.normal(key, like.shape, like.dtype)
    return drawn / jnp.linalg.norm(drawn.ravel())


def _double(tree: Any) -> Any:
    def cast(leaf: Any) -> Any:
        floats = jnp.issubdtype(jnp.result_type(leaf), jnp.floating)
        return jnp.asarray(leaf, jnp.float64) if floats else jnp.asarray(leaf)

    return jax.tree.map(cast, tree)
