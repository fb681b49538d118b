"""The contract of a PDE, and what it is on a domain: a model that steps from state to state.

To write a PDE: a frozen dataclass that inherits `PDE`, with a `coefficient` for each number or
field in its equation, and the methods `channels`, `step` and `draw`.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, ClassVar

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Key

from hycojax.grid.domain import Boundary, Channel, Domain, Grid, with_channels
from hycojax.grid.transfers import prolonged, restricted
from hycojax.kernels import derivatives
from hycojax.kernels.precision import check_size
from hycojax.kernels.repetition import repeated
from hycojax.models import coefficients as own
from hycojax.models.model import Starts, Stepper, rollouts
from hycojax.settings.checked import Checked
from hycojax.settings.numbers import STATIC, with_fields


@dataclass(frozen=True)
class Setting:
    """Where and how a PDE is stepped.

    Attributes:
        domain: The box, its grid and the channels of a state.
        dt: Time step, in seconds.
        pieces: Steps in an interval.
        plan: What `PDE.plan` has returned.
    """

    domain: Grid
    dt: float
    pieces: int = 1
    plan: Any = None


@dataclass(frozen=True)
class PDE(Checked, ABC):
    """A partial differential equation with its coefficients, wherever it is solved."""

    boundaries: ClassVar[tuple[Boundary, ...]] = tuple(Boundary)
    """How the box may end."""
    dimensions: ClassVar[tuple[int, ...]] = (1, 2, 3)
    """In how many dimensions it lives."""
    divided_by: ClassVar[str] = "pieces"
    """Its field that says in how many steps an interval is made."""
    usual: ClassVar[float] = 3.0
    """Largest value in drawn states, by which pieces are chosen where nothing is recorded."""

    pieces: int | None = field(default=None, kw_only=True)
    """Equal time steps in the interval between two frames; None: as many as make a step no longer
    than 1 / `step_rate` of states as large as those recorded, or as those drawn."""

    def __post_init__(self):
        if self.pieces is not None and self.pieces < 1:
            raise ValueError(f"pieces = {self.pieces}: at least 1 is needed")
        own.check_coefficients(self)

    @property
    def learns(self) -> bool:
        """Whether something in it is to be found out."""
        return bool(own.unknowns(self))

    def divided(self, pieces: int) -> PDE:
        """Return the same with so many steps in an interval."""
        return replace(self, pieces=pieces)

    @property
    def smooth(self) -> bool:
        """Whether a step is a smooth function of the state: with a limiter it has kinks."""
        return True

    @abstractmethod
    def channels(self, dims: int) -> tuple[Channel, ...]:
        """Return the channels of a state in so many dimensions."""

    @abstractmethod
    def step(
        self, at: Setting, values: dict[str, Any], state: Float[Array, "*shape channels"]
    ) -> Float[Array, "*shape channels"]:
        """Return the state `at.dt` later, with the values of the coefficients by name.

        It is traced: coefficients are read from `values`, not from the object.
        """

    @abstractmethod
    def draw(self, domain: Domain, key: Key[Array, ""]) -> Float[Array, "*shape channels"]:
        """Draw an initial state: the same continuous state for a key, whatever the grid."""

    def plan(self, domain: Domain, dt: float) -> Any:
        """Return what a step needs that depends on bounds, worked out before anything is traced.

        Raises:
            ValueError: The PDE can't be solved like that.
        """
        del domain, dt

    def step_rate(
        self, domain: Grid, values: dict[str, Any], largest: Float[Array, " channels"]
    ) -> float | Array:
        """Return the rate, in 1/s, that limits a step for states as large as this: dt <= 1 / rate.

        Args:
            domain: The box and its grid.
            values: The coefficients, or how large they can become.
            largest: Largest value of each channel, without its sign.

        Returns:
            0 if every step is stable.
        """
        del domain, values, largest
        return 0.0

    def march(
        self, at: Setting, values: dict[str, Any], state: Float[Array, "*shape channels"]
    ) -> Float[Array, "*shape channels"]:
        """Return the state `at.pieces` steps later."""
        return repeated(partial(self.step, at, values), at.pieces)(state)

    def admissible(
        self, domain: Grid, state: Float[Array, "*shape channels"]
    ) -> Float[Array, "*shape channels"]:
        """Return the state nearest to one that the equation allows, as without divergence."""
        del domain
        return state

    def on(
        self,
        domain: Domain,
        interval: float,
        largest: tuple[float, ...] | None = None,
        finer: int = 1,
    ) -> BoundPDE:
        """Return the model on a domain, with frames an interval [s] apart.

        Args:
            domain: The box.
            interval: Time between frames, in seconds.
            largest: Largest value of each channel in recordings, by which pieces are chosen.
            finer: How many times finer the grid is on which it is solved.

        Raises:
            ValueError: The PDE can't be solved there; the message names what does not suit.
        """
        grid = _checked(self, domain, interval)
        coefficients = own.bind(self, grid)
        fine = grid.refine(finer)
        pieces = self.pieces or _needed(self, grid, fine, interval, largest)
        dt = interval / pieces
        at = Setting(fine, dt, pieces, self.plan(fine, dt))
        # The values are the model's own, so that equal structures are equal.
        bare = with_fields(self, pieces=pieces, **{name: None for name, _ in coefficients})
        return BoundPDE(bare, at, interval, coefficients, finer)


@dataclass(frozen=True)
class BoundPDE(Stepper):
    """A PDE on a domain: a model whose parameters are the values of its unknown coefficients."""

    pde: PDE = field(metadata=STATIC)
    at: Setting = field(metadata=STATIC)
    interval: float = field(metadata=STATIC)
    coefficients: tuple[tuple[str, Any], ...]
    finer: int = field(default=1, metadata=STATIC)

    @property
    def domain(self) -> Grid:
        """The box, the grid of the states and their channels."""
        return self.at.domain.coarsen(self.finer)

    @property
    def channels(self) -> tuple[Channel, ...]:
        """The channels of a state."""
        return self.at.domain.channels

    @property
    def units(self) -> dict[str, str]:
        """The units of the coefficients."""
        return {name: about.unit for name, about in own.quantities(self.pde).items()}

    @property
    def unknowns(self) -> dict[str, own.Unknown]:
        """The coefficients that are to be identified."""
        return {n: c for n, c in self.coefficients if isinstance(c, own.Unknown)}

    def init(self, key: Key[Array, ""]) -> dict[str, Array]:
        """Return the start values of the unknown coefficients."""
        del key  # nothing is random here
        return self.starts()

    def starts(self) -> dict[str, Array]:
        """Return the start values of the unknown coefficients."""
        return own.starts(self.coefficients, self.domain)

    def march(
        self, params: dict[str, Array], fine: Float[Array, "*fine channels"]
    ) -> Float[Array, "*fine channels"]:
        """Return the state one interval later, both on the grid on which the PDE is solved."""
        return self.pde.march(self.at, self.values(params), fine)

    def values(self, params: dict[str, Array]) -> dict[str, Any]:
        """Return the coefficients on the grid on which the PDE is solved."""
        found = own.values(self.coefficients, params)
        if self.finer == 1:
            return found
        return {name: self._prolonged(value) for name, value in found.items()}

    def _prolonged(self, value: Any) -> Any:
        fields = jnp.ndim(value) > 0
        return self.at.domain.prolong(jnp.asarray(value), self.finer) if fields else value

    def forward(
        self, params: dict[str, Array], state: Float[Array, "*shape channels"]
    ) -> Float[Array, "*shape channels"]:
        """Return the state one interval later, after the `pieces` steps of the PDE."""
        return self._shown(_Fine(self).forward(params, self._lifted(state)))

    def predict(
        self, params: dict[str, Array], starts: Starts, steps: int, truncation: int | None = None
    ) -> Float[Array, "batch time *shape channels"]:
        """Return trajectories; on a finer grid they stay there from frame to frame."""
        states = jax.vmap(self._lifted)(starts.state)
        found = rollouts(_Fine(self), params, states, steps, truncation, self._shown)
        return found if self.finer == 1 else found.at[:, 0].set(starts.state)

    def _lifted(self, state: Array) -> Array:
        """Return a state on the grid on which the PDE is solved."""
        if self.finer == 1:
            return state
        return self.pde.admissible(self.at.domain, prolonged(self.domain, state, self.finer))

    def _shown(self, fine: Array) -> Array:
        """Return a state on the model's domain."""
        return restricted(self.domain, fine, self.finer)

    def stress(
        self, params: dict[str, Array], states: Float[Array, "... *shape channels"]
    ) -> Float[Array, ""]:
        """Return the step over the longest that is stable for the largest of some states.

        Above 1 a rollout may grow without bounds.
        """
        largest = jnp.max(jnp.abs(states), axis=tuple(range(states.ndim - 1)))
        values = own.values(self.coefficients, params)
        bounds = {name: jnp.max(jnp.abs(value)) for name, value in values.items()}
        return self.at.dt * jnp.asarray(self.pde.step_rate(self.at.domain, bounds, largest))

    def differentiates_forwards(self) -> bool:
        """Return whether a step has derivatives by the unknowns forwards; nothing is computed."""
        state = jnp.zeros((*self.domain.shape, len(self.channels)))
        return derivatives.goes_forwards(
            lambda p: self.pde.march(self.at, self.values(p), self._lifted(state)), self.starts()
        )

    def sample(self, key: Key[Array, ""]) -> Float[Array, "*shape channels"]:
        """Draw an initial state: the same continuous state for a key, whatever the grid."""
        return self.pde.draw(self.domain, key)

    def constrain(self, free: dict[str, Array]) -> dict[str, Array]:
        """Return the parameters that unconstrained numbers stand for (`coefficients.constrain`)."""
        return own.constrain(self.coefficients, self.domain, free)

    def unconstrain(self, params: dict[str, Array]) -> dict[str, Array]:
        """Invert `constrain`."""
        return own.unconstrain(self.coefficients, self.domain, params)

    def estimates(self, params: dict[str, Array]) -> dict[str, Array]:
        """Return the values of the unknown coefficients."""
        return {name: params[name] for name in self.unknowns}


@dataclass(frozen=True)
class _Fine(Stepper):
    """A model on the grid on which its PDE is solved."""

    model: BoundPDE

    @property
    def domain(self) -> Grid:
        """The grid."""
        return self.model.at.domain

    def init(self, key: Key[Array, ""]) -> dict[str, Array]:
        """Return the start values of the unknown coefficients."""
        return self.model.init(key)

    def forward(
        self, params: dict[str, Array], state: Float[Array, "*fine channels"]
    ) -> Float[Array, "*fine channels"]:
        """Return the state one interval later."""
        return self.model.march(params, state)


@dataclass(frozen=True)
class Unconstrained(Stepper):
    """The same model as an optimiser sees it: its parameters are numbers without bounds."""

    model: BoundPDE

    @property
    def domain(self) -> Grid:
        """The domain of the states."""
        return self.model.domain

    def init(self, key: Key[Array, ""]) -> dict[str, Array]:
        """Return the start values, unconstrained."""
        return self.model.unconstrain(self.model.init(key))

    def normalise(self, params: dict[str, Any], statistics: Any) -> dict[str, Any]:
        """Return parameters that use the statistics of the training data."""
        return self.model.normalise(params, statistics)

    def forward(
        self, params: dict[str, Array], state: Float[Array, "*shape channels"]
    ) -> Float[Array, "*shape channels"]:
        """Return the state one interval later."""
        return self.model.forward(self.model.constrain(params), state)

    def predict(
        self, params: dict[str, Array], starts: Starts, steps: int, truncation: int | None = None
    ) -> Float[Array, "batch time *shape channels"]:
        """Return trajectories (`BoundPDE.predict`)."""
        if self.model.finer == 1:  # constrained in each step: else rounding ends other searches
            return super().predict(params, starts, steps, truncation)
        return self.model.predict(self.model.constrain(params), starts, steps, truncation)

    def penalty(self, params: dict[str, Array]) -> Float[Array, ""]:
        """Return the penalty on the roughness of fields and on the distance from the start."""
        model = self.model
        rough = own.roughness(model.coefficients, model.domain, model.constrain(params))
        return rough + own.distance(model.coefficients, model.domain, params)

    def excess(
        self, params: dict[str, Array], states: Float[Array, "state *shape channels"]
    ) -> Float[Array, ""]:
        """Return the penalty on what a learned term does at states."""
        return self.model.excess(params, states)

    def estimates(self, params: dict[str, Array]) -> dict[str, Array]:
        """Return the values of the coefficients."""
        return self.model.estimates(self.model.constrain(params))

    def neighbours(self, params: dict[str, Array], shifts: tuple[float, ...]) -> dict[str, Array]:
        """Return parameters, along a first axis, each with one coefficient changed.

        It is shifted as a whole by each of the shifts, or put back to its start.
        """
        coefficients, names = self.model.coefficients, tuple(self.model.unknowns)
        start = own.unconstrain(coefficients, self.domain, self.model.starts())
        found = [{**params, name: params[name] + shift} for name in names for shift in shifts] + [
            {**params, name: start[name]} for name in names
        ]
        return jax.tree.map(lambda *leaves: jnp.stack(leaves), *found)

    def at_bound(self, params: dict[str, Array]) -> Array:
        """Return whether a coefficient has come to a bound of its search, or gone to zero."""
        return own.at_bound(self.model.coefficients, self.model.constrain(params))


def refined(pde: PDE, domain: Domain, interval: float, factor: int) -> BoundPDE:
    """Return a PDE on a grid `factor` times finer, with as many times more steps an interval.

    Known fields that are arrays are interpolated linearly.

    Raises:
        ValueError: There it does not work; the message says why.
    """
    fine = domain.refine(factor)
    finer = {"pieces": pde.on(domain, interval).at.pieces * factor}
    for name in own.quantities(pde):
        value = getattr(pde, name)
        if isinstance(value, np.ndarray) and value.shape != domain.shape:
            raise ValueError(f"{name}: {value.shape} values for {domain.shape} cells")
        if isinstance(value, np.ndarray) and factor > 1:
            finer[name] = np.asarray(fine.prolong(value, factor))
    return replace(pde, **finer).on(fine, interval)


def _needed(
    pde: PDE, grid: Grid, fine: Grid, interval: float, largest: tuple[float, ...] | None
) -> int:
    """Return the pieces of an interval: 1, 2, 3, 4, 6, 8, 12, ...; so few programs serve all."""
    sizes = np.full(len(grid.channels), pde.usual) if largest is None else np.asarray(largest)
    values = {name: own.reach(pde, name, grid) for name in own.quantities(pde)}
    rate = float(pde.step_rate(fine, values, sizes))
    if largest is not None:
        check_size("values of the recordings", *sizes)
        gains = max(rate * max(sizes), 1.0)
        check_size("largest values of the recordings over the longest stable step", gains)
    count = max(1.0, interval * rate)
    power = 2 ** math.floor(math.log2(count))
    return next(n for n in (power, power * 3 // 2, power * 2) if n >= count - 1e-9)


def _checked(pde: PDE, domain: Domain, interval: float) -> Grid:
    """Return the domain with the channels of a PDE, if it can be solved there."""
    name = type(pde).__name__
    if domain.dims not in pde.dimensions:
        raise ValueError(f"domain.shape: {name} lives in {_either(pde.dimensions)} dimensions")
    if domain.boundary not in pde.boundaries:
        words = _either([b.value for b in pde.boundaries])
        raise ValueError(f"domain.boundary: {name} needs a {words} box")
    if not (math.isfinite(interval) and interval > 0):
        raise ValueError(f"interval = {interval}: the time between frames must be positive")
    check_size("domain.size", *domain.dx, *domain.size)
    check_size("interval", interval)
    return with_channels(domain, pde.channels(domain.dims))


def _either(words: Sequence[Any]) -> str:
    *most, last = map(str, words)
    return f"{', '.join(most)} or {last}" if most else last
