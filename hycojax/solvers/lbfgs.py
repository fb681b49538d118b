"""L-BFGS, for objectives that are deterministic while a solve lasts.

The solve is one `while_loop` whose body evaluates the objective once, at the point that the line
search wants to know next. So the objective is compiled once, and as fast as its gradient alone.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import jax
import jax.numpy as jnp
from jax.flatten_util import ravel_pytree
from jaxtyping import Array, Bool, Float, Int, Key

from hycojax.kernels import derivatives
from hycojax.settings.checked import Checked
from hycojax.solvers.curvature import (
    Curvature,
    direction,
    forget,
    learn,
    nothing_known,
    select,
    steepest,
)
from hycojax.solvers.solver import CORRECTION, INITIAL_STATES, Cycles, Objective, Reason, Terms

_RUNNING = -1
#: Sufficient decrease and curvature (Nocedal, Wright, equation 3.6).
_DECREASE, _CURVATURE = 1e-4, 0.9
#: Relative accuracy of a loss in single precision.
_ROUNDING = 1e-6
#: A rollout is off by so many roundings of the scale, as they add up.
_ROUNDINGS = 32
#: Largest change of a parameter between two iterations: more is no local step (see `constrain`).
_LONGEST = 2.0
#: After so many points a line search takes any sufficient decrease; after so many it fails.
_PATIENT, _EXHAUSTED = 2, 20
#: Up to so many parameters are differentiated forwards: measured for Burgers, Gray-Scott, smoke,
#: it is 1.5 to 2 times faster for one and two, and half as fast for the six of `HeatSpots`.
_FEW = 2
#: So many iterations in turn, that gain nothing or are not expected to, are the end. One is not
#: enough: kinks, which limiters put into a loss, mislead the quadratic model.
_STALLED = 3
#: Iterations in a cycle, those where a network is searched too, and those with first states.
_USUAL, _MORE, _MANY = 10, 100, 1000


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class _Search:
    """A solve between two evaluations: the point reached, and the line that is searched from it.

    `start` is the loss where the solve began, `terms` belong to the point reached. `low` and `high`
    are points (step, value, slope) on the line: the one has sufficient decrease but is still steep,
    the other has none. For `stalled` iterations there has been nothing to gain.
    """

    point: Float[Array, " n"]
    terms: Terms
    start: Float[Array, ""]
    known: Curvature
    direction: Float[Array, " n"]
    slope: Float[Array, ""]
    step: Float[Array, ""]
    low: Float[Array, " three"]
    high: Float[Array, " three"]
    tries: Int[Array, ""]
    iterations: Int[Array, ""]
    stalled: Int[Array, ""]
    evaluations: Int[Array, ""]
    reason: Int[Array, ""]


@dataclass(frozen=True)
class LBFGS(Checked):
    """L-BFGS with a line search for the weak Wolfe conditions, warm-started in every cycle.

    It starts where the last cycle ended, with what that one learned of the curvature. From cycle to
    cycle an objective changes in a partner's trajectories or in the windows that were drawn, while
    the data stay: its curvature is nearly the same, and a field needs more iterations than a cycle
    has to learn it. Steps of another objective still lead downwards, as s y > 0 in each. A solve
    never returns parameters with a loss that is higher than at its start, or not finite. Losses are
    taken to be relative squares: 0 is the best there is, 1 what knows nothing.

    Source: Nocedal, Wright, "Numerical Optimization", 2nd ed., algorithm 7.5; the line search is
    that of Lewis, Overton, Math. Program. 141 (2013), algorithm 2.6, with cubic interpolation, and
    with the approximate decrease of Hager, Zhang, SIAM J. Optim. 16 (2005), section 4.1, where
    rounding hides the true one.
    """

    iterations: int | None = None
    """Largest number of iterations in a cycle; None: 10, or 1000 where first states are searched
    too. These are many, and the few measurements that they follow from leave narrow valleys. Where
    a term is learned, which has no end, 100."""
    tolerance: float = 1e-6
    """It has converged where a step can lower the loss by no more than this part of it."""
    memory: int = 10
    """Steps from which the curvature is estimated."""

    def __post_init__(self):
        for name in ("iterations", "memory"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise ValueError(f"{name} = {value}: at least one is needed")
        if not 0 < self.tolerance < 1:
            raise ValueError(f"tolerance = {self.tolerance}: it must lie between 0 and 1")

    def init(self, params: Any, cycles: int) -> Curvature:
        """Return that nothing is known yet."""
        del cycles
        return nothing_known(ravel_pytree(params)[0], self.memory)

    def run(
        self,
        objective: Objective,
        params: Any,
        state: Curvature,
        key: Key[Array, ""],
        cycles: Cycles,
    ) -> tuple[Any, Curvature, Terms]:
        """Minimise `objective(., key)`; report the terms where it ended, and what it took."""
        start, unflatten = ravel_pytree(params)

        @jax.jit  # for the sake of its trace, of which the shapes are asked first
        def evaluate(point):
            return _value_and_gradient(lambda x: objective(unflatten(x), key), point)

        del cycles
        limit = self.iterations or _usual(params)
        search = jax.lax.while_loop(
            lambda s: s.reason == _RUNNING,
            lambda s: self._advance(s, evaluate(s.point + s.step * s.direction), limit),
            _first(start, state, jax.eval_shape(evaluate, start)[0][1]),
        )
        terms = {
            **search.terms,
            "loss": search.known.value,
            "reason": search.reason,
            "iterations": search.iterations,
            "evaluations": search.evaluations,
        }
        end = jnp.where(search.known.value <= search.start, search.point, start)
        return unflatten(end), search.known, terms

    def restart(self, state: Curvature) -> Curvature:
        """Return the state for a schedule that starts anew: the curvature stays known."""
        return state

    def deviations(
        self, state: Curvature, values: Callable[[Any], dict[str, Array]]
    ) -> dict[str, Array]:
        """Return how far other ends are that fit as well: there is only one."""
        del state, values
        return {}

    def _advance(self, search: _Search, found: Any, limit: int) -> _Search:
        """Use an evaluation: accept the point, or look elsewhere on the line."""
        (value, terms), gradient = found
        search = replace(search, evaluations=search.evaluations + 1, tries=search.tries + 1)
        slope = gradient @ search.direction
        finite = jnp.isfinite(value) & jnp.all(jnp.isfinite(gradient))
        lower, alike = _decreases(search, value, slope)
        level = slope >= _CURVATURE * search.slope
        far = (search.step >= 0.99 * _longest(search.direction)) | (search.tries >= _PATIENT)
        accepted = (lower & (level | far)) | (alike & level)
        first = search.iterations < 0
        moved = self._accept(search, value, gradient, terms, limit)
        at = jnp.stack([search.step, jnp.where(finite, value, jnp.inf), slope])
        stuck = select(first, _hopeless(search, value, terms), _narrow(search, at, lower | alike))
        return select(finite & (first | accepted), moved, stuck)

    def _accept(
        self, search: _Search, value: Array, gradient: Array, terms: Terms, limit: int
    ) -> _Search:
        """Go on from the point that was evaluated, or end the solve there."""
        first = search.iterations < 0
        same = (value == search.known.value) & jnp.all(gradient == search.known.gradient)
        step = search.step * search.direction
        learned = learn(search.known, step, value, gradient, first)
        known, downwards = direction(learned)
        slope = gradient @ downwards
        iterations = search.iterations + 1
        newton = (known.used > 0) & (-0.5 * slope <= self.tolerance * value)
        flat = jnp.all(gradient == 0)
        short = ~first & (search.known.value - value <= self.tolerance * value)
        stalled = jnp.where(newton | short, search.stalled + 1, 0)
        ended = first & same & newton  # the last cycle has shown it
        done = flat | (stalled >= _STALLED) | ended
        exact = value <= (_ROUNDINGS * jnp.finfo(value.dtype).eps) ** 2
        reason = jnp.select(
            [exact, flat & (learned.used == 0), done, iterations >= limit],
            [Reason.CONVERGED, Reason.FLAT, Reason.CONVERGED, Reason.ITERATION_LIMIT],
            _RUNNING,
        )
        return replace(
            search,
            point=search.point + step,
            terms=terms,
            start=jnp.where(first, value, search.start),
            iterations=iterations,
            stalled=stalled,
            reason=reason.astype(jnp.int32),
            **_line(known, downwards),
        )


def _usual(params: Any) -> int:
    """Return how many iterations a cycle has where nobody says it."""
    names = params if isinstance(params, dict) else ()
    return _MORE if CORRECTION in names else _MANY if INITIAL_STATES in names else _USUAL


def _value_and_gradient(
    function: Callable[[Array], tuple[Array, Terms]], point: Float[Array, " n"]
) -> tuple[tuple[Array, Terms], Float[Array, " n"]]:
    """Return value and terms, and the gradient: forwards for few parameters, else backwards.

    Forwards costs about two values more for each parameter and keeps nothing. Backwards through
    the steps of a rollout costs five to ten values, most of it for what it has to keep. What has a
    part that differentiates backwards only is differentiated so.
    """
    function = jax.jit(function, inline=True)  # for the sake of its trace, which is asked first
    if point.size > _FEW or not derivatives.goes_forwards(function, point):
        return jax.value_and_grad(function, has_aux=True)(point)

    def along(axis: Array) -> tuple[Array, Array, Terms]:
        return jax.jvp(function, (point,), (axis,), has_aux=True)

    values, gradient, terms = jax.vmap(along)(jnp.eye(point.size, dtype=point.dtype))
    return jax.tree.map(lambda leaf: leaf[0], (values, terms)), gradient


def _first(start: Array, state: Curvature, terms: Any) -> _Search:
    """Return the search that asks for the start's own loss and gradient."""
    zero = jnp.zeros((), jnp.int32)
    return _Search(
        point=start,
        terms=jax.tree.map(lambda t: jnp.zeros(t.shape, t.dtype), terms),
        start=state.value,
        iterations=zero - 1,
        stalled=zero,
        evaluations=zero,
        reason=zero + _RUNNING,
        **_line(state, jnp.zeros_like(start)) | {"step": jnp.zeros_like(state.value)},
    )


def _line(known: Curvature, direction: Array) -> dict[str, Any]:
    """Return the entries of a search that begins to look along a direction."""
    slope = known.gradient @ direction
    nowhere = jnp.full((), jnp.inf, slope.dtype)
    return {
        "known": known,
        "direction": direction,
        "slope": slope,
        "step": jnp.minimum(1.0, _longest(direction)),
        "low": jnp.stack([jnp.zeros_like(slope), known.value, slope]),
        "high": jnp.stack([nowhere, nowhere, nowhere]),
        "tries": jnp.zeros((), jnp.int32),
    }


def _decreases(search: _Search, value: Array, slope: Array) -> tuple[Array, Array]:
    """Tell whether a step lowers the loss enough; and whether it does so as far as one can see.

    Where rounding hides the decrease, a slope that is no steeper up than it was down stands for it.
    """
    before = search.known.value
    lower = value <= before + _DECREASE * search.step * search.slope
    alike = value <= before + _ROUNDING * before
    return lower, alike & (slope <= (2 * 0.1 - 1) * search.slope)


def _narrow(search: _Search, at: Float[Array, " three"], enough: Bool[Array, ""]) -> _Search:
    """Return the search of what is left of the line; without success, of the steepest descent."""
    low = jnp.where(enough, at, search.low)
    high = jnp.where(enough, search.high, at)
    step = jnp.where(jnp.isfinite(high[0]), _between(low, high), _beyond(search, at))
    known = forget(search.known)
    again = replace(search, **_line(known, steepest(known)))
    failed = jnp.asarray(Reason.LINE_SEARCH_FAILED, jnp.int32)
    over = select(search.known.used > 0, again, replace(search, reason=failed))
    searching = replace(search, low=low, high=high, step=step)
    return select(search.tries < _EXHAUSTED, searching, over)


def _between(low: Float[Array, " three"], high: Float[Array, " three"]) -> Float[Array, ""]:
    """Return the minimum of the cubic through two points, away from both (equation 3.59)."""
    (a, fa, ma), (b, fb, mb) = low, high
    d = ma + mb - 3 * (fa - fb) / (a - b)
    root = jnp.sqrt(jnp.maximum(d**2 - ma * mb, 0))
    cubic = b - (b - a) * (mb + root - d) / (mb - ma + 2 * root)
    share = jnp.where(jnp.isfinite(fb), 0.5, 0.1)
    t = jnp.where(jnp.isfinite(cubic) & jnp.isfinite(fb), cubic, a + share * (b - a))
    return jnp.clip(t, a + 0.1 * (b - a), b - 0.1 * (b - a))


def _beyond(search: _Search, at: Float[Array, " three"]) -> Float[Array, ""]:
    """Return where the slope vanishes if it goes on to change as from `low` to here."""
    (a, _, ma), (b, _, mb) = search.low, at
    secant = b + (b - a) * mb / jnp.where(ma < mb, ma - mb, -jnp.inf)
    step = jnp.clip(jnp.where(ma < mb, secant, jnp.inf), 2 * b, 10 * b)
    return jnp.minimum(step, _longest(search.direction))


def _longest(direction: Array) -> Float[Array, ""]:
    largest = jnp.max(jnp.abs(direction))
    return _LONGEST / jnp.where(largest > 0, largest, 1)


def _hopeless(search: _Search, value: Array, terms: Terms) -> _Search:
    """Return the end of a solve whose start has no finite loss or gradient."""
    known = replace(search.known, value=value)
    reason = jnp.asarray(Reason.NOT_FINITE, jnp.int32)
    return replace(
        search, known=known, terms=terms, reason=reason, iterations=jnp.zeros((), jnp.int32)
    )
