"""A step of your own in PhiFlow as a physical model: fields in, fields out, obstacles and all.

    @dataclass(frozen=True)
    class Plume(PhiFlowStep):
        scalars = {"dye": "1"}
        vectors = {"velocity": "m/s"}
        buoyancy: Coefficient = coefficient(0.1, unit="m/s²")

        def advance(self, fields, values, dt):
            dye = advect.mac_cormack(fields["dye"], fields["velocity"], dt)
            velocity = advect.semi_lagrangian(fields["velocity"], fields["velocity"], dt)
            velocity += dt * resample(dye * (0, values["buoyancy"]), to=velocity)
            velocity, _ = fluid.make_incompressible(velocity, ball, Solve("CG", 1e-5, 1e-5))
            return {"dye": dye, "velocity": velocity}

and a `draw` for its initial states.
"""

from __future__ import annotations

import itertools
from abc import abstractmethod
from dataclasses import dataclass
from typing import Any, ClassVar

import jax.numpy as jnp
from jaxtyping import Array, Float

from hycojax.grid.domain import Channel, vector_channels
from hycojax.models.pde import PDE, Setting
from hycojax.physics import phi


@dataclass(frozen=True)
class PhiFlowStep(PDE):
    """A PDE whose step is written with PhiFlow's fields, one simulation at a time.

    In a closed box a scalar has no flux through the walls, a vector vanishes on them. Geometries
    and obstacles are made inside `advance`: they cache what is traced. PhiFlow's linear solves
    differentiate backwards only, and do not tell under `jit` whether they converged.
    """

    scalars: ClassVar[dict[str, str]] = {}
    """Names and units of the scalar fields, at cell centres."""
    vectors: ClassVar[dict[str, str]] = {}
    """Names and units of the vector fields, staggered."""

    @abstractmethod
    def advance(
        self, fields: dict[str, phi.Field], values: dict[str, Any], dt: float
    ) -> dict[str, phi.Field]:
        """Return the fields `dt` later, by name, with the values of the coefficients."""

    def channels(self, dims: int) -> tuple[Channel, ...]:
        """Return a channel for each scalar and for each component of a vector."""
        cells = [Channel(name, unit) for name, unit in self.scalars.items()]
        faces = (
            vector_channels(name, unit, dims, staggered=True) for name, unit in self.vectors.items()
        )
        return (*cells, *itertools.chain(*faces))

    def step(
        self, at: Setting, values: dict[str, Any], state: Float[Array, "*shape channels"]
    ) -> Float[Array, "*shape channels"]:
        """Return the state `at.dt` later."""
        with phi.precision(state):
            before = self._fields(at, state)
            after = self.advance(before, values, at.dt)
            parts = []
            for name, field in before.items():
                _check(name, field, after)
                faces = name in self.vectors
                parts += (phi.face_values if faces else phi.components)(after[name])
        return jnp.stack(parts, axis=-1).astype(state.dtype)

    def _fields(self, at: Setting, state: Array) -> dict[str, phi.Field]:
        arrays, dims = list(jnp.moveaxis(state, -1, 0)), at.domain.dims
        cells = {name: phi.centered(at.domain, arrays.pop(0)) for name in self.scalars}
        groups = [arrays[i : i + dims] for i in range(0, len(arrays), dims)]
        pairs = zip(self.vectors, groups, strict=True)
        return cells | {name: phi.staggered(at.domain, faces) for name, faces in pairs}


def _check(name: str, before: phi.Field, after: dict[str, phi.Field]) -> None:
    """Check that a step returns a field on the same points as it was given.

    Raises:
        ValueError: It is missing, or has another boundary or resolution.
    """
    if name not in after:
        raise ValueError(f"advance returned {', '.join(after)}: {name} is missing")
    found = after[name]
    same = found.is_staggered == before.is_staggered and found.resolution == before.resolution
    if not same or found.boundary != before.boundary:
        raise ValueError(f"advance returned {name} with another grid or boundary than it was given")
