"""A physical model as an optimiser sees it: its parameters are numbers without bounds."""

from __future__ import annotations

from dataclasses import dataclass

from jaxtyping import Array, Float, Key

from hycojax import parameter
from hycojax.domain import Domain
from hycojax.model import PhysicalModel


@dataclass(frozen=True)
class Unconstrained:
    """The same model on unconstrained parameters (see `parameter.constrain`)."""

    model: PhysicalModel

    @property
    def domain(self) -> Domain:
        """The domain of the model."""
        return self.model.domain

    def init(self, key: Key[Array, ""]) -> dict[str, Array]:
        """Return the start values, unconstrained."""
        return parameter.unconstrain(self.model, self.model.init(key))

    def forward(
        self, params: dict[str, Array], state: Float[Array, "*shape channels"]
    ) -> Float[Array, "*shape channels"]:
        """Return the state one time step later."""
        return self.model.forward(parameter.constrain(self.model, params), state)
