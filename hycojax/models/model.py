"""The contract that physical and synthetic models share, and what can be done with any of them."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, Protocol, runtime_checkable

import jax
import jax.numpy as jnp
import tyro
from jaxtyping import Array, Float, Int, Key

from hycojax.grid.domain import Domain
from hycojax.models import parameters as parameter

#: Both models of an experiment live on its domain: the command line sets it once, there.
SharedDomain = Annotated[Domain, tyro.conf.Suppress]


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
    """What predicts trajectories: a frozen dataclass that inherits from a contract below."""

    if TYPE_CHECKING:  # `issubclass`, by which the command line finds a model's fields, forbids it
        domain: Domain

    @abstractmethod
    def init(self, key: Key[Array, ""]) -> Any:
        """Return the parameters to start from, a pytree."""

    @abstractmethod
    def predict(
        self, params: Any, starts: Starts, steps: int, memory: Memory | None = None
    ) -> Float[Array, "batch time *shape channels"]:
        """Return the trajectories from a batch of starts, which are their time 0."""

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


class Stepper(Model, Protocol):
    """A model in discrete time. One state in, one state out; batches come from `jax.vmap`."""

    @abstractmethod
    def forward(
        self, params: Any, state: Float[Array, "*shape channels"]
    ) -> Float[Array, "*shape channels"]:
        """Return the state one time step later."""

    def predict(
        self, params: Any, starts: Starts, steps: int, memory: Memory | None = None
    ) -> Float[Array, "batch time *shape channels"]:
        """Return the `rollout` from each of a batch of states."""
        return rollouts(self, params, starts.state, steps, memory)


class PhysicalModel(Stepper, Protocol):
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
    One that is no `Stepper` knows the recorded simulations only: it has fields `simulations` and
    `steps`, which say how many there are and how long.
    """

    @abstractmethod
    def normalise(self, params: Any, statistics: Any) -> Any:
        """Return parameters that use the statistics of the training data."""


def repeat(model: Stepper, params: Any, state: Array, steps: int) -> Array:
    """Return the state `steps` time steps later."""
    return jax.lax.scan(lambda s, _: (model.forward(params, s), None), state, length=steps)[0]


def rollout(
    model: Stepper,
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
    model: Stepper,
    params: Any,
    states: Float[Array, "batch *shape channels"],
    steps: int,
    memory: Memory | None = None,
) -> Float[Array, "batch time *shape channels"]:
    """Return the `rollout` from each of a batch of states."""
    return jax.vmap(lambda state: rollout(model, params, state, steps, memory=memory))(states)
