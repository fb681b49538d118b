"""Adam, for objectives that are noisy: other batches in every update."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import optax
from jax.flatten_util import ravel_pytree
from jaxtyping import Array, Float, Int, Key

from hycojax.settings.checked import Checked
from hycojax.settings.numbers import weighs
from hycojax.solvers.solver import Cycles, Objective, Reason, Terms


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class AdamState:
    """What is carried from cycle to cycle, all parameters in one vector.

    Attributes:
        optax: Moments and counters.
        iterate: Where the updates stand, if what is returned is their average; else None.
        updates: How many were made.
    """

    optax: Any
    iterate: Float[Array, " n"] | None
    updates: Int[Array, ""]


@dataclass(frozen=True)
class Adam(Checked):
    """Adam with cosine decay of the learning rate to zero over all turns of the player.

    A cycle that leads to numbers which are not finite is undone.

    Source: Kingma, Ba, "Adam", ICLR 2015; Loshchilov, Hutter, "SGDR", ICLR 2017; the average is
    that of Polyak, Juditsky, SIAM J. Control Optim. 30 (1992), with weights that fall
    exponentially.
    """

    learning_rate: float = 1e-3
    """Learning rate at the start, or after the warm-up."""
    updates: int = 50
    """Updates in a cycle, each on a batch of its own."""
    warmup: int = 0
    """Updates over which the learning rate rises linearly from zero."""
    clip: float | None = None
    """Largest norm of a gradient, which is scaled down to it; None: no limit."""
    average: float = 0.0
    """Share that a moving average of the weights keeps in an update; the average is what is used.
    It is shorter at the beginning. 0: the weights themselves."""

    def __post_init__(self):
        if not self.learning_rate > 0:
            raise ValueError(f"learning_rate = {self.learning_rate}: it must be positive")
        if self.updates < 1:
            raise ValueError(f"updates = {self.updates}: at least one is needed")
        if self.warmup < 0:
            raise ValueError(f"warmup = {self.warmup}: it must not be negative")
        if self.clip is not None and not self.clip > 0:
            raise ValueError(f"clip = {self.clip}: it must be positive")
        if not 0 <= self.average < 1:
            raise ValueError(f"average = {self.average}: it must lie between 0 and below 1")

    def init(self, params: Any, cycles: int) -> AdamState:
        """Return the state before the first cycle."""
        point = ravel_pytree(params)[0]
        iterate = jnp.copy(point) if weighs(self.average) else None
        moments = self._transform(cycles).init(point)
        return AdamState(moments, iterate, jnp.asarray(0, jnp.int32))

    def run(
        self,
        objective: Objective,
        params: Any,
        state: AdamState,
        key: Key[Array, ""],
        cycles: Cycles,
    ) -> tuple[Any, AdamState, Terms]:
        """Do one cycle's updates on batches 0, 1, ...; report the mean of the terms."""
        transform = self._transform(cycles)
        # One vector: an update is then a few operations, however many layers a network has.
        start, unflatten = ravel_pytree(params)

        def loss_at(point, number):
            return objective(unflatten(point), key, number)

        def step(gradient, params, state):
            point = params if state.iterate is None else state.iterate
            change, moments = transform.update(gradient, state.optax, point)
            return self._averaged(params, state, moments, optax.apply_updates(point, change))

        def update(carry, number):
            params, state = carry
            point = params if state.iterate is None else state.iterate
            (loss, terms), gradient = jax.value_and_grad(loss_at, has_aux=True)(point, number)
            # A program of its own: fused into the gradient's, it would be rounded as that one is.
            carry = jax.lax.cond(
                jnp.isfinite(loss), step, lambda _, *same: same, gradient, params, state
            )
            return carry, {**terms, "loss": loss}

        end, terms = jax.lax.scan(update, (start, state), jnp.arange(self.updates))
        finite = jnp.all(jnp.isfinite(ravel_pytree((end, terms["loss"]))[0]))
        end, state = jax.tree.map(lambda new, old: jnp.where(finite, new, old), end, (start, state))
        reason = jnp.where(finite, Reason.ITERATION_LIMIT, Reason.NOT_FINITE)
        return unflatten(end), state, {**jax.tree.map(jnp.mean, terms), "reason": reason}

    def _averaged(
        self, average: Array, state: AdamState, moments: Any, point: Array
    ) -> tuple[Array, AdamState]:
        """Return what is used after an update that ended at a point, and the state."""
        updates = state.updates + 1
        if not weighs(self.average):
            return point, AdamState(moments, None, updates)
        kept = jnp.minimum(self.average, updates / (updates + 9.0))
        average = kept * average + (1 - kept) * point
        return average, AdamState(moments, point, updates)

    def _transform(self, cycles: Cycles) -> optax.GradientTransformation:
        total = jnp.maximum(cycles * self.updates - self.warmup, 1)  # a number, not known yet

        def rate(made: Int[Array, ""]) -> Float[Array, ""]:
            done = jnp.clip((made - self.warmup) / total, 0, 1)
            risen = jnp.where(made < self.warmup, made / max(self.warmup, 1), 1)
            return self.learning_rate * risen * 0.5 * (1 + jnp.cos(jnp.pi * done))

        steps = [] if self.clip is None else [optax.clip_by_global_norm(self.clip)]
        steps += [optax.scale_by_adam()]
        return optax.chain(*steps, optax.scale_by_learning_rate(rate))

    def restart(self, state: AdamState) -> AdamState:
        """Return the state for a schedule that starts anew: no moments, no updates made."""
        optax_state, updates = jax.tree.map(jnp.zeros_like, (state.optax, state.updates))
        return AdamState(optax_state, state.iterate, updates)

    def deviations(
        self, state: AdamState, values: Callable[[Any], dict[str, Array]]
    ) -> dict[str, Array]:
        """Return how far other ends are that fit as well: there is only one."""
        del state, values
        return {}
