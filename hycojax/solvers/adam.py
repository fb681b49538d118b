"""Adam, for objectives that are noisy: other batches in every update."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Key

from hycojax.solvers.solver import Objective, Reason, Terms


@dataclass(frozen=True)
class Adam:
    """Adam with cosine decay of the learning rate to zero over the whole run.

    A cycle that leads to numbers which are not finite is undone.

    Source: Kingma, Ba, "Adam", ICLR 2015; Loshchilov, Hutter, "SGDR", ICLR 2017.
    """

    learning_rate: float = 1e-3
    """Learning rate at the start."""
    updates: int = 50
    """Updates in a cycle."""

    def __post_init__(self):
        if not self.learning_rate > 0:
            raise ValueError(f"learning_rate = {self.learning_rate}: it must be positive")
        if self.updates < 1:
            raise ValueError(f"updates = {self.updates}: at least one is needed")

    def init(self, params: Any, cycles: int) -> Any:
        """Return the moments and the counter."""
        return self._transform(cycles).init(params)

    def run(
        self, objective: Objective, params: Any, state: Any, key: Key[Array, ""], cycles: int
    ) -> tuple[Any, Any, Terms]:
        """Do one cycle's updates, each with its own key; report the mean of the terms."""
        transform = self._transform(cycles)

        def update(carry, i):
            params, state = carry
            (loss, terms), gradient = jax.value_and_grad(objective, has_aux=True)(
                params, jax.random.fold_in(key, i)
            )
            step, state = transform.update(gradient, state, params)
            return (optax.apply_updates(params, step), state), {**terms, "loss": loss}

        end, terms = jax.lax.scan(update, (params, state), jnp.arange(self.updates))
        finite = jnp.all(jnp.isfinite(terms["loss"]))
        for leaf in jax.tree.leaves(end[0]):
            finite &= jnp.all(jnp.isfinite(leaf))
        params, state = jax.tree.map(
            lambda new, old: jnp.where(finite, new, old), end, (params, state)
        )
        reason = jnp.where(finite, Reason.ITERATION_LIMIT, Reason.NOT_FINITE)
        return params, state, {**jax.tree.map(jnp.mean, terms), "reason": reason}

    def _transform(self, cycles: int) -> optax.GradientTransformation:
        return optax.adam(optax.cosine_decay_schedule(self.learning_rate, cycles * self.updates))
