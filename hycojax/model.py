"""The contract that physical and synthetic models share, and what can be done with any of them."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, Protocol, runtime_checkable

import jax
import jax.numpy as jnp
import tyro
from jaxtyping import Array, Float, Key

from hycojax import parameter
from hycojax.domain import Domain

#: Both models of an experiment live on its domain: the command line sets it once, there.
SharedDomain = Annotated[Domain, tyro.conf.Suppress]


@runtime_checkable
class Model(Protocol):
    """A system in discrete time. One state in, one state out; batches come from `jax.vmap`.

    A model is a frozen dataclass that inherits from one of the two contracts below.
    """

    if TYPE_CHECKING:  # `issubclass`, by which the command line finds a model's fields, forbids it
        domain: Domain

    @abstractmethod
    def init(self, key: Key[Array, ""]) -> Any:
        """Return the parameters to start from, a pytree."""

    @abstractmethod
    def forward(
        self, params: Any, state: Float[Array, "*shape channels"]
    ) -> Float[Array, "*shape channels"]:
        """Return the state one time step later."""

    def penalty(self, params: Any) -> Float[Array, ""]:
        """Return what is added to the loss for improbable parameters: nothing."""
        del params
        return jnp.zeros(())


@dataclass(frozen=True)
class Memory:
    """What the gradient of a rollout remembers; its value is the same."""

    truncation: int | None = None
    """Back-propagation through time ends after so many steps; None: it goes through all of them."""
    recompute: bool = False
    """Keep states only, and compute the inside of each step again: less memory, more time."""

    def __post_init__(self):
        if self.truncation is not None and self.truncation < 1:
            raise ValueError(f"memory.truncation = {self.truncation}: at least one step is needed")


class PhysicalModel(Model, Protocol):
    """A PDE with a time step, coefficients (see `parameter.py`) and a distribution of starts."""

    dt: float

    def init(self, key: Key[Array, ""]) -> dict[str, Array]:
        """Return the start values of the unknown coefficients."""
        del key  # nothing is random here
        return parameter.starts(self)

    @abstractmethod
    def sample(self, key: Key[Array, ""]) -> Float[Array, "*shape channels"]:
        """Draw an initial state: the same continuous state for a key, whatever the grid."""


class SyntheticModel(Model, Protocol):
    """A network, which works on states scaled to mean 0 and variance 1.

    Its parameters are a dict: `weights`, which are trained, and `statistics` of the training data.
    """

    @abstractmethod
    def normalise(self, params: Any, statistics: Any) -> Any:
        """Return parameters that use the statistics of the training data."""


def repeat(model: Model, params: Any, state: Array, steps: int) -> Array:
    """Return the state `steps` time steps later."""
    return jax.lax.scan(lambda s, _: (model.forward(params, s), None), state, length=steps)[0]


def rollout(
    model: Model,
    params: Any,
    state: Float[Array, "*shape channels"],
    steps: int,
    stride: int = 1,
    memory: Memory | None = None,
) -> Float[Array, "time *shape channels"]:
    """Return the trajectory `[steps + 1, *shape, channels]` from `state`, which is its time 0.

    With a `stride`, one frame stands for that many time steps of the model. `memory` says what its
    gradient keeps.
    """
    memory = memory or Memory()

    def step(current):
        if stride > 1:
            return repeat(model, params, current, stride)
        return model.forward(params, current)

    step = jax.checkpoint(step, prevent_cse=False) if memory.recompute else step

    def advance(current, i):
        if memory.truncation is not None:
            cut = (i > 0) & (i % memory.truncation == 0)
            current = jnp.where(cut, jax.lax.stop_gradient(current), current)
        following = step(current)
        return following, following

    _, tail = jax.lax.scan(advance, state, jnp.arange(steps))
    return jnp.concatenate([state[None], tail])


def rollouts(
    model: Model,
    params: Any,
    states: Float[Array, "batch *shape channels"],
    steps: int,
    memory: Memory | None = None,
) -> Float[Array, "batch time *shape channels"]:
    """Return the `rollout` from each of a batch of states."""
    return jax.vmap(lambda state: rollout(model, params, state, steps, memory=memory))(states)
