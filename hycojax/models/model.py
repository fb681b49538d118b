"""The contract that physical and synthetic models share, and what can be done with any of them."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int, Key

from hycojax.grid.domain import Grid


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class Starts:
    """Where predictions begin: a batch of states, and which simulation they are at which step.

    A model that steps from state to state needs the states alone, one that knows the recorded
    simulations as functions of space and time the rest.
    """

    state: Float[Array, "batch *shape channels"]
    simulation: Int[Array, " batch"]
    time: Int[Array, " batch"]


def beginnings(states: Float[Array, "simulation *shape channels"]) -> Starts:
    """Return the first states of simulations 0, 1, ... as starts."""
    numbers = jnp.arange(states.shape[0])
    return Starts(states, numbers, jnp.zeros_like(numbers))


@runtime_checkable
class Model(Protocol):
    """What predicts trajectories on a domain: a frozen dataclass."""

    if TYPE_CHECKING:  # a check at run time would take a property for its value
        domain: Grid

    @abstractmethod
    def init(self, key: Key[Array, ""]) -> Any:
        """Return the parameters to start from, a pytree."""

    @abstractmethod
    def predict(
        self, params: Any, starts: Starts, steps: int, truncation: int | None = None
    ) -> Float[Array, "batch time *shape channels"]:
        """Return the trajectories from a batch of starts, which are their time 0."""

    def normalise(self, params: Any, statistics: Any) -> Any:
        """Return parameters that use the statistics of the training data: the same."""
        del statistics
        return params

    def penalty(self, params: Any) -> Float[Array, ""]:
        """Return what is added to the loss for improbable parameters: nothing."""
        del params
        return jnp.zeros(())

    def excess(
        self, params: Any, states: Float[Array, "state *shape channels"]
    ) -> Float[Array, ""]:
        """Return what is added to the loss for what parameters do at states: nothing."""
        del params, states
        return jnp.zeros(())

    def estimates(self, params: Any) -> dict[str, Array]:
        """Return the coefficients that parameters stand for: none."""
        del params
        return {}


class Stepper(Model, Protocol):
    """A model in discrete time. One state in, one state out; batches come from `jax.vmap`."""

    @abstractmethod
    def forward(
        self, params: Any, state: Float[Array, "*shape channels"]
    ) -> Float[Array, "*shape channels"]:
        """Return the state one interval later."""

    def step(
        self, params: Any, state: Float[Array, "*shape channels"]
    ) -> Float[Array, "*shape channels"]:
        """Return `forward(params, state)`."""
        return self.forward(params, state)

    def predict(
        self, params: Any, starts: Starts, steps: int, truncation: int | None = None
    ) -> Float[Array, "batch time *shape channels"]:
        """Return the `rollout` from each of a batch of states."""
        return rollouts(self, params, starts.state, steps, truncation)


def rollout(
    model: Stepper,
    params: Any,
    state: Float[Array, "*shape channels"],
    steps: int,
    truncation: int | None = None,
    shown: Callable[[Array], Array] = lambda state: state,
) -> Float[Array, "time *shape channels"]:
    """Return the trajectory `[steps + 1, *shape, channels]` from `state`, which is its time 0.

    Args:
        model: What steps.
        params: Its parameters.
        state: The first state.
        steps: How many.
        truncation: Back-propagation through time ends after so many steps.
        shown: What is returned of each state.
    """

    def advance(current, i):
        if truncation is not None:
            cut = (i > 0) & (i % truncation == 0)
            current = jnp.where(cut, jax.lax.stop_gradient(current), current)
        following = model.forward(params, current)
        return following, shown(following)

    _, tail = jax.lax.scan(advance, state, jnp.arange(steps))
    return jnp.concatenate([shown(state)[None], tail])


def rollouts(
    model: Stepper,
    params: Any,
    states: Float[Array, "batch *shape channels"],
    steps: int,
    truncation: int | None = None,
    shown: Callable[[Array], Array] = lambda state: state,
) -> Float[Array, "batch time *shape channels"]:
    """Return the `rollout` from each of a batch of states."""
    return jax.vmap(lambda s: rollout(model, params, s, steps, truncation, shown))(states)
