"""A PDE that knows a part of the physics, and a network that learns the rest.

    u* = Step_theta(u_n, h / 2),    u' = u* + h r_w(u* + h / 2 r_w(u*)),
    u_(n+1) = Step_theta(u', h / 2)

with the interval h between frames. The learned term is a rate r_w, in units of the channel over a
second. It acts once an interval, in the middle of the PDE's own steps (Strang's splitting) and by
the midpoint rule: both are of order 2, so that r_w is the term that the equation lacks, not what an
interval makes of it. On a finer grid r_w is that of the state on the model's, interpolated.

Source: Strang, SIAM J. Numer. Anal. 5 (1968); the decomposition is that of Yin et al., "Augmenting
physical models with deep networks for complex dynamics forecasting" (APHYNITY), ICLR 2021.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any, ClassVar, Protocol, runtime_checkable

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Key

from hycojax.grid.domain import Domain
from hycojax.models.pde import PDE, BoundPDE
from hycojax.settings.checked import Checked, named
from hycojax.settings.numbers import STATIC, weighs
from hycojax.solvers import CORRECTION


@runtime_checkable
class Network(Protocol):
    """What a term may be learned by, before it is on a domain (`networks.emulator.Emulator`)."""

    def on(self, domain: Any, interval: float) -> Any:
        """Return it on a domain with channels: a `Term`."""

    def network(self, domain: Any) -> Any:
        """Return its module."""


@dataclass(frozen=True)
class Corrected(Checked):
    """Known physics plus a learned term, of which there is as little as the data allow.

        loss = data + weight * mean (h r_w(u) / s)^2

    over channels, cells and the states u along the recordings, with s the rms change of a channel
    in an interval h. So 1 stands for a term that makes all of the change. The paper minimises the
    mean of r^2 under the constraint that the data are met, and raises the weight of the data as it
    goes on. That is this loss for a weight that falls to 0; one that is small and fixed does as
    well where the network can't stand in for what is known (measured: docs/guide.md).

    As little as possible is not yet what is true: a network that reads neighbours can do what a
    diffusion does, and the smallest term is then one that takes a part of it over wherever term and
    diffusion are not orthogonal along the recordings. Where the missing term is local, as a
    reaction is, say so: `hj.networks.ConvNet(width=1)` can do nothing else.
    """

    divided_by: ClassVar[str] = "pde.pieces"
    """Its field that says in how many steps an interval is made."""

    pde: PDE
    """What is known, with its coefficients, known ones and unknown ones."""
    network: Network
    """What learns the rest: a network of `hj.networks` that steps from state to state."""
    weight: float = 1e-6
    """Weight of the learned term's mean square, relative to the change in an interval."""

    def __post_init__(self):
        if self.weight < 0:
            raise ValueError(f"weight = {self.weight}: it must not be negative")

    @property
    def pieces(self) -> int | None:
        """Equal time steps of the PDE in an interval; None: as many as it needs."""
        return self.pde.pieces

    @property
    def learns(self) -> bool:
        """Whether something in it is to be found out: the term is."""
        return True

    def divided(self, pieces: int) -> Corrected:
        """Return the same with so many steps of the PDE in an interval."""
        return replace(self, pde=self.pde.divided(pieces))

    def on(
        self,
        domain: Domain,
        interval: float,
        largest: tuple[float, ...] | None = None,
        finer: int = 1,
    ) -> BoundCorrected:
        """Return the model on a domain: `PDE.on`, with an even number of pieces.

        Raises:
            ValueError: PDE or network do not suit the domain; the message names which.
        """
        with named("pde: "):
            physics = self.pde.on(domain, interval, largest, finer)
            if physics.at.pieces % 2:
                pieces = physics.at.pieces + 1
                physics = self.pde.divided(pieces).on(domain, interval, largest, finer)
        with named("network: "):
            network = self.network.on(physics.domain, interval)
        return BoundCorrected(**vars(physics), network=network, weight=self.weight)


class Term(Protocol):
    """What a learned term is made of: a bound network (`networks.emulator.BoundEmulator`)."""

    def init(self, key: Key[Array, ""]) -> Any:
        """Return random weights, with which the change is 0."""

    def normalise(self, params: Any, statistics: Any) -> Any:
        """Return the parameters with the statistics of the training data."""

    def change(
        self, params: Any, state: Float[Array, "*shape channels"]
    ) -> Float[Array, "*shape channels"]:
        """Return the change in an interval, 0 where nothing evolves."""

    def usual_change(self, params: Any) -> Float[Array, " channels"]:
        """Return the rms change of each channel in an interval."""


@dataclass(frozen=True)
class BoundCorrected(BoundPDE):
    """A PDE with a learned term, on a domain.

    Its parameters have one more entry, `CORRECTION`, for those of the network.
    """

    network: Any = field(kw_only=True, metadata=STATIC)
    weight: float = field(kw_only=True)

    def init(self, key: Key[Array, ""]) -> dict[str, Any]:
        """Return the start values of the unknown coefficients, and a term that is 0."""
        return {**self.starts(), CORRECTION: self.network.init(key)}

    def normalise(self, params: dict[str, Any], statistics: Any) -> dict[str, Any]:
        """Return parameters that use the statistics of the training data."""
        return {**params, CORRECTION: self.network.normalise(params[CORRECTION], statistics)}

    def march(
        self, params: dict[str, Any], fine: Float[Array, "*fine channels"]
    ) -> Float[Array, "*fine channels"]:
        """Return the state one interval later, on the grid on which the PDE is solved."""
        half, values = replace(self.at, pieces=self.at.pieces // 2), self.values(params)
        middle = self.pde.march(half, values, fine)
        return self.pde.march(half, values, middle + self._added(params, middle))

    def rate(
        self, params: dict[str, Any], state: Float[Array, "*shape channels"]
    ) -> Float[Array, "*shape channels"]:
        """Return the learned term at a state, in units of the channels over a second."""
        return self._change(params, state) / self.interval

    def excess(
        self, params: dict[str, Any], states: Float[Array, "state *shape channels"]
    ) -> Float[Array, ""]:
        """Return weight * mean (h r / s)^2 over states and all that evolves of them."""
        if not weighs(self.weight):
            return jnp.zeros(())
        own, evolves = params[CORRECTION], self.domain.evolves()
        usual = jax.lax.stop_gradient(self.network.usual_change(own))
        share = jax.vmap(lambda state: self.network.change(own, state) / usual)(states)
        return self.weight * jnp.sum(share**2) / (len(states) * np.sum(evolves))

    def constrain(self, free: dict[str, Any]) -> dict[str, Any]:
        """Return the parameters that unconstrained numbers stand for; weights are themselves."""
        return {**super().constrain(free), CORRECTION: free[CORRECTION]}

    def unconstrain(self, params: dict[str, Any]) -> dict[str, Any]:
        """Invert `constrain`."""
        return {**super().unconstrain(params), CORRECTION: params[CORRECTION]}

    def _added(
        self, params: dict[str, Any], fine: Float[Array, "*fine channels"]
    ) -> Float[Array, "*fine channels"]:
        """Return what the learned term adds to a state in an interval, by the midpoint rule."""
        state = self._shown(fine)
        ahead = state + self._change(params, state) / 2
        return self._lifted(self._change(params, ahead))

    def _change(
        self, params: dict[str, Any], state: Float[Array, "*shape channels"]
    ) -> Float[Array, "*shape channels"]:
        """Return the term times the interval, as the equation allows it: without divergence."""
        return self.pde.admissible(self.domain, self.network.change(params[CORRECTION], state))
