"""The order of convergence of a PDE's steps, measured."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, replace

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from hycojax.grid.domain import Domain
from hycojax.models.model import beginnings
from hycojax.models.pde import PDE
from hycojax.settings.checked import converted

#: Intervals that are compared.
_STEPS = 2
#: Differences below this share of the state are those of rounding.
_ROUNDING = 1e-13


@dataclass(frozen=True)
class Convergence:
    """How fast the error of a step falls: as a power of its length, and of the width of a cell.

    Attributes:
        time: Order in the time step; infinite where steps are exact to rounding.
        space: Order in the cell width; infinite where the grid makes no difference.

    Both are NaN where too few differences lie above rounding to tell: take a longer interval. Of a
    limited scheme both are the order with step and cells refined together: for a grid its error is
    no power of the step.
    """

    time: float
    space: float


def order_test(pde: PDE, domain: Domain, interval: float, seed: int = 0) -> Convergence:
    """Return the order of convergence of a PDE's step on a domain, in double precision.

        |u_n - u_2n| ~ n^(-p)

    with u_n after two intervals from a drawn state, in n = 1, 2, 4, 8 times as many pieces (in
    time), or on a grid n = 1, 2, 4 times finer, in 8 times as many pieces (in space); p by
    regression over what lies above rounding. Of a PDE that is not `smooth` step and grid are
    refined together. Unknown coefficients have the values of their starts.

    Args:
        pde: The PDE.
        domain: The box; its finest grid has 4 times as many cells along each axis.
        interval: Time between frames, in seconds.
        seed: Of the initial state.

    Raises:
        ValueError: The PDE can't be solved there.

    Source: P. J. Roache, "Verification and Validation in Computational Science and Engineering"
    (1998), chapter 5.
    """
    pieces = converted(PDE, pde, "pde").on(domain, interval).at.pieces

    def end(refined: int, finer: int) -> Array:
        model = replace(pde, pieces=pieces * refined).on(domain, interval, finer=finer)
        state = model.sample(jax.random.key(seed)).astype(jnp.float64)
        params = jax.tree.map(lambda p: p.astype(jnp.float64), model.init(None))
        return jax.jit(lambda s: model.predict(params, beginnings(s[None]), _STEPS))(state)[0, -1]

    with jax.enable_x64(True):
        if not pde.smooth:
            both = _order([np.asarray(end(n, n)) for n in (1, 2, 4)])
            return Convergence(both, both)
        time = [np.asarray(end(n, 1)) for n in (1, 2, 4, 8)]
        space = [np.asarray(end(8, n)) for n in (1, 2, 4)]
    return Convergence(_order(time), _order(space))


def _order(ends: list[np.ndarray]) -> float:
    """Return the slope of log2 of the differences, each at twice the n of the one before."""
    gaps = np.array([np.linalg.norm(a - b) for a, b in itertools.pairwise(ends)])
    told = gaps > _ROUNDING * np.linalg.norm(ends[-1])
    if not told[0]:
        return float("inf")
    if not told[1]:
        return float("nan")
    count = len(gaps) if told.all() else int(np.argmin(told))
    return float(-np.polyfit(np.arange(count), np.log2(gaps[:count]), 1)[0])
