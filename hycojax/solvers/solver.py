"""What every optimiser offers.

    state = solver.init(params, cycles)
    params, state, terms = solver.run(objective, params, state, key, cycles)

`objective(params, key, number) -> (loss, terms)`; `terms` is a dict of scalars to report. The key
is the cycle's. A solver for noisy objectives numbers its updates, and each sees a batch of its own;
the others leave the number away: the objective stays the same while a solve lasts. `run` does one
of the `cycles` that the solver has a turn in, a number that may be traced as all else: call it
under `jax.jit`. It adds to the terms "loss" and "reason", a `Reason`.
"""

from __future__ import annotations

import enum
from collections.abc import Callable
from typing import Any, Protocol, runtime_checkable

from jaxtyping import Array, Float, Int, Key

Terms = dict[str, Float[Array, ""]]
Objective = Callable[..., tuple[Float[Array, ""], Terms]]
#: A number of cycles.
Cycles = int | Int[Array, ""]

#: The entry of a player's parameters that holds the initial states which it estimates.
INITIAL_STATES = "initial_states"
#: The entry that holds the weights of a term which a PDE leaves out (`models.corrected`).
CORRECTION = "correction"


class Reason(enum.IntEnum):
    """Why a solve ended."""

    CONVERGED = 0
    """Another step is expected to gain nothing that matters."""
    ITERATION_LIMIT = 1
    """All iterations are used up."""
    LINE_SEARCH_FAILED = 2
    """No step along the gradient lowers the loss: it is rough, or its gradient is wrong."""
    NOT_FINITE = 3
    """The loss or its gradient is not finite at the start."""
    FLAT = 4
    """The loss does not depend on the parameters at all: the data say nothing about them."""
    FROZEN = 5
    """There was no solve: the player has no turn in this cycle."""
    NO_MINIMUM = 6
    """The solver stopped where a single parameter could still lower the loss: it goes on there."""
    AT_BOUND = 7
    """It has converged with a parameter at its bound, or gone to zero: look at that one."""

    @property
    def words(self) -> str:
        """The reason in words."""
        return self.name.lower().replace("_", " ")


@runtime_checkable
class Solver(Protocol):
    """What trains a player."""

    def init(self, params: Any, cycles: int) -> Any:
        """Return the state that is carried from cycle to cycle."""

    def run(
        self, objective: Objective, params: Any, state: Any, key: Key[Array, ""], cycles: Cycles
    ) -> tuple[Any, Any, Terms]:
        """Do one of `cycles` cycles; return parameters, state and the terms to report."""

    def restart(self, state: Any) -> Any:
        """Return the state for more cycles after the last one, whose schedule starts anew."""

    def deviations(self, state: Any, values: Callable[[Any], dict[str, Array]]) -> dict[str, Array]:
        """Return how far other ends that fit as well lie from each other, by `values(params)`."""
