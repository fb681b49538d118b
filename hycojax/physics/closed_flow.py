"""PDEs of a flow that carries a density in a closed box, and is driven by it."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from hycojax.grid.domain import Boundary, Channel, Grid, vector_channels
from hycojax.models.pde import PDE, Setting
from hycojax.physics import integrators
from hycojax.physics.operators import faces as on_faces
from hycojax.physics.operators.fluid import without_divergence

#: How far, in cells summed over the axes, a step may carry: three stages are stable up to 1.32.
_COURANT = 1.25


@dataclass(frozen=True)
class ClosedFlow(PDE):
    """A density d in an incompressible flow u between walls at rest (u = 0), lifted along y.

        dd/dt + u . grad d = made
        du/dt + u . grad u = -grad p + nu laplace u + lift e_y,     div u = 0

    To write one: a coefficient `viscosity`, and `forcing` for what is made and for the lift. A step
    is half a step of viscosity, exact but for its pressure; what is carried, made and lifted, in
    three stages with a projection each; and half a step of viscosity (G. Strang, SIAM J. Numer.
    Anal. 5, 1968). It is of order 2 in time, keeps the density's sum but for what is made, and is
    stable for every dt: a flow that would carry further than 1.25 cells in a step, summed over the
    axes, carries as far as that (`operators.faces.speeds`). In space fluxes, viscosity and lift are
    of order 4 inside, pressure is of order 2.

    State: density d [1], means over cells; velocity u [m/s], means over lower faces; then static
    channels.
    """

    boundaries = (Boundary.CLOSED,)
    dimensions = (2, 3)

    @abstractmethod
    def forcing(
        self,
        values: dict[str, Any],
        density: Float[Array, "*shape"],
        static: Float[Array, "*shape static"],
    ) -> tuple[Array | float, Float[Array, "*shape"]]:
        """Return what is made of the density, in 1/s, and the lift at cell centres, in m/s^2."""

    def channels(self, dims: int) -> tuple[Channel, ...]:
        """Return the density and the components of the velocity, on lower faces."""
        return (Channel("density"), *vector_channels("velocity", "m/s", dims, staggered=True))

    def step_rate(
        self, domain: Grid, values: dict[str, Any], largest: Float[Array, " channels"]
    ) -> Any:
        """Return the rate at which the flow carries over a longest stable distance, in 1/s."""
        del values
        speeds = largest[1 : 1 + domain.dims]
        return sum(speed / d for speed, d in zip(speeds, domain.dx, strict=True)) / _COURANT

    def step(
        self, at: Setting, values: dict[str, Any], state: Float[Array, "*shape channels"]
    ) -> Float[Array, "*shape channels"]:
        """Return the state `at.dt` later."""
        return jax.checkpoint(lambda v, s: self._step(at, v, s))(values, state)

    def _step(self, at: Setting, values: dict[str, Any], state: Array) -> Array:
        dims, dx, viscosity = at.domain.dims, at.domain.dx, values["viscosity"]
        static = state[..., 1 + dims :]

        def tendency(now: tuple[Array, on_faces.Faces]) -> tuple[Array, on_faces.Faces]:
            made, lift = self.forcing(values, now[0], static)
            return _tendency(*now, made, lift, at)

        density, flow = state[..., 0], _between_cells(state[..., 1 : 1 + dims])
        flow = on_faces.diffused(flow, viscosity, at.dt / 2, dx)
        density, flow = integrators.third_order(tendency, at.dt)((density, flow))
        flow = on_faces.diffused(flow, viscosity, at.dt / 2, dx)
        return jnp.concatenate([density[..., None], _with_walls(flow), static], axis=-1)

    def admissible(
        self, domain: Grid, state: Float[Array, "*shape channels"]
    ) -> Float[Array, "*shape channels"]:
        """Return the state with the nearest velocity that has no divergence."""
        return without_divergence(domain, state, 1)


def _tendency(
    density: Array, flow: on_faces.Faces, made: Array | float, lift: Array, at: Setting
) -> tuple[Array, on_faces.Faces]:
    """Return the rates of the density and of the flow, without viscosity."""
    speeds = on_faces.speeds(flow, at.domain.dx, at.dt, _COURANT)
    carried = on_faces.transported(density, None, speeds)
    push = [
        on_faces.transported(face, own, on_faces.speeds_around(speeds, own))
        for own, face in enumerate(flow)
    ]
    push[1] = push[1] + on_faces.between(lift, 1)
    return carried + made, on_faces.projected(push, at.domain.dx)[0]


def _between_cells(velocity: Float[Array, "*shape dims"]) -> on_faces.Faces:
    """Return the components on the faces between cells: those in the lower wall are left out."""
    return [
        jax.lax.slice_in_dim(velocity[..., axis], 1, None, axis=axis)
        for axis in range(velocity.shape[-1])
    ]


def _with_walls(flow: on_faces.Faces) -> Float[Array, "*shape dims"]:
    """Return the components on lower faces, with zeros in the wall."""
    dims = len(flow)
    walled = [jnp.pad(x, [(int(i == own), 0) for i in range(dims)]) for own, x in enumerate(flow)]
    return jnp.stack(walled, axis=-1)
