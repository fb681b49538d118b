"""A physical model as an optimiser sees it: its parameters are numbers without bounds."""

from __future__ import annotations

from dataclasses import dataclass, replace

from jaxtyping import Array, Float, Key

from hycojax.grid.domain import Domain
from hycojax.models import parameters as parameter
from hycojax.models.model import PhysicalModel, Stepper


@dataclass(frozen=True)
class Unconstrained(Stepper):
    """The same model on unconstrained parameters (see `parameter.constrain`).

    With a `coarsening`, on a grid with cells that are so many times as wide; its parameters are
    those of the fine grid, whose fields are averaged.
    """

    model: PhysicalModel
    coarsening: int = 1

    @property
    def domain(self) -> Domain:
        """The domain of the states."""
        return self.model.domain.coarsen(self.coarsening)

    def init(self, key: Key[Array, ""]) -> dict[str, Array]:
        """Return the start values, unconstrained."""
        return parameter.unconstrain(self.model, self.model.init(key))

    def forward(
        self, params: dict[str, Array], state: Float[Array, "*shape channels"]
    ) -> Float[Array, "*shape channels"]:
        """Return the state one time step later."""
        values = parameter.constrain(self.model, params)
        if self.coarsening == 1:
            return self.model.forward(values, state)
        fine = self.model.domain
        coarse = {n: fine.average(v, self.coarsening) if v.ndim else v for n, v in values.items()}
        return self.coarse().forward(coarse, state)

    def coarse(self) -> PhysicalModel:
        """Return the model on the domain of the states.

        Raises:
            ValueError: There it does not work; the message says why.
        """
        try:
            return replace(self.model, domain=self.domain)
        except ValueError as error:
            raise ValueError(f"on a grid {self.coarsening} times coarser: {error}") from error

    def penalty(self, params: dict[str, Array]) -> Float[Array, ""]:
        """Return the penalty on the roughness of fields and on the distance from the start."""
        rough = parameter.roughness(self.model, parameter.constrain(self.model, params))
        return rough + parameter.distance(self.model, params)
