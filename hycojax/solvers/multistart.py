"""Many starts at once: the best end, and how far the others that are as good lie from it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Key

from hycojax.kernels.random_arrays import normal
from hycojax.settings.checked import Checked
from hycojax.solvers.solver import CORRECTION, INITIAL_STATES, Cycles, Objective, Solver, Terms

#: Members whose loss is this much above the lowest fit the data as well.
_AS_GOOD, _NOTHING = 1.1, 1e-6


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class Members:
    """All members, along the first axis: parameters, optimiser states, who fits the data."""

    params: Any
    states: Any
    good: Bool[Array, " members"]


@dataclass(frozen=True)
class MultiStart(Checked):
    """The same solver from many starts, side by side; the lowest loss wins.

    The first start is the given one; in the others each parameter is shifted by a normal number (a
    field as a whole) in the unconstrained form: 1 stands for a factor e of a positive parameter.
    The members whose loss is within 10 % of the lowest are all answers that the data allow: their
    spread is large where the data say nothing. That noise could have been different it does not
    tell.
    """

    solver: Solver
    """What trains each member."""
    members: int = 8
    """How many."""
    spread: float = 1.0
    """Standard deviation of the starts."""

    def __post_init__(self):
        if self.members < 2:
            raise ValueError(f"members = {self.members}: at least two are needed")
        if not self.spread > 0:
            raise ValueError(f"spread = {self.spread}: it must be positive")

    def init(self, params: Any, cycles: int) -> Members:
        """Scatter the starts."""
        paths, structure = jax.tree_util.tree_flatten_with_path(params)
        keys = jax.random.split(jax.random.key(0), len(paths))

        def scatter(path, leaf: Array, key: Array) -> Array:
            shifts = self.spread * normal(key, (self.members,)).at[0].set(0.0)
            # First states are recorded, with noise as it may be; weights are random as they are.
            if path and getattr(path[0], "key", None) in (INITIAL_STATES, CORRECTION):
                shifts = jnp.zeros_like(shifts)
            return leaf + shifts.reshape(-1, *(1,) * leaf.ndim)

        leaves = [scatter(path, leaf, k) for (path, leaf), k in zip(paths, keys, strict=True)]
        starts = jax.tree.unflatten(structure, leaves)
        states = jax.vmap(lambda p: self.solver.init(p, cycles))(starts)
        return Members(starts, states, jnp.zeros(self.members, bool))

    def run(
        self, objective: Objective, params: Any, state: Members, key: Key[Array, ""], cycles: Cycles
    ) -> tuple[Any, Members, Terms]:
        """Run all members; return the best one and what it reports."""
        del params  # the best member of the last cycle

        def one(params, state):
            return self.solver.run(objective, params, state, key, cycles)

        ends, states, terms = jax.vmap(one)(state.params, state.states)
        losses = jnp.where(jnp.isfinite(terms["loss"]), terms["loss"], jnp.inf)
        best = jnp.argmin(losses)
        good = jnp.isfinite(losses) & (losses <= _AS_GOOD * losses[best] + _NOTHING)
        end, terms = jax.tree.map(lambda leaf: leaf[best], (ends, terms))
        return end, Members(ends, states, good), terms

    def restart(self, state: Members) -> Members:
        """Return the state for a schedule that starts anew."""
        restart = jax.vmap(self.solver.restart, axis_size=self.members)  # a state may be None
        return replace(state, states=restart(state.states))

    def deviations(
        self, state: Members, values: Callable[[Any], dict[str, Array]]
    ) -> dict[str, Array]:
        """Return the standard deviation of each value over the members that fit the data."""
        share = state.good / jnp.maximum(jnp.sum(state.good), 1)

        def deviation(members: Array) -> Array:
            mean = jnp.tensordot(share, members, 1)
            return jnp.sqrt(jnp.tensordot(share, (members - mean) ** 2, 1))

        return jax.tree.map(deviation, jax.vmap(values)(state.params))
