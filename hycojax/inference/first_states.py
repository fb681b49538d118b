"""First states as parameters stand for them, and how improbable they are.

Where first states are not known exactly, the parameters of the PDE have one more entry: numbers q
that are normal before anything is measured.

Source: Stuart, "Inverse problems: a Bayesian perspective", Acta Numerica 19 (2010), section 2.
"""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from hycojax.data import first_guess
from hycojax.data.observations import First, Part
from hycojax.data.parts import LEAST_NOISE
from hycojax.grid.domain import Grid
from hycojax.models.pde import BoundPDE
from hycojax.solvers import INITIAL_STATES

#: Corrections of measured states are of this size, relative to the scale.
_CORRECTION = 0.1


def states(
    physics: BoundPDE, first: First, scale: Float[Array, " channels"], params: Any = None
) -> Float[Array, "simulation *shape channels"]:
    """Return first states: as parameters say, else as they are known best without these.

    With a prior, u_0 = mean + C^(1/2) q. Measured states are corrected where they are measured, in
    units of `_CORRECTION` scale sqrt(n), n their values: all corrections together then curve the
    loss less than a coefficient that matters, so that the search moves coefficients first.
    """
    own = params[INITIAL_STATES] if isinstance(params, dict) and INITIAL_STATES in params else None
    if first.kind == "estimated":
        grid, allowed = physics.domain, physics.pde.admissible
        numbers = first.start if own is None else own
        return jax.vmap(lambda m, n: first_guess.state(grid, allowed, first, m, n))(
            first.mean, numbers
        )
    if own is None:
        return first.mean
    unit = _CORRECTION * np.sqrt(first.mean.size) * scale
    return first.mean + jnp.where(first.measured, own * unit, 0)


def penalty(
    grid: Grid, first: First, parts: tuple[Part, ...], noise: Float[Array, ""], params: Any
) -> Float[Array, ""]:
    """Return what improbable first states add to the loss: noise^2 |q|^2 / N.

    So the loss over noise^2 / N is minus twice the logarithm of the posterior, but for a constant.
    """
    if first.kind != "estimated" or INITIAL_STATES not in params:
        return jnp.zeros(())
    count = sum(jnp.sum(part.seen) for part in parts)
    least = jnp.maximum(noise, LEAST_NOISE)
    normal = first_guess.normal(grid, first, params[INITIAL_STATES])
    return least**2 * jnp.sum(normal**2) / count
