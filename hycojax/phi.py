"""The border to PhiFlow: arrays in, fields inside, arrays out. Nothing else imports phi or phiml.

Fields are no pytrees and geometries cache tracers, so a model builds its fields inside `forward`
and returns an array; `jit`, `scan`, `vmap` and `grad` then see nothing but arrays.
"""

from __future__ import annotations

import jax

_x64 = jax.config.jax_enable_x64
# PhiML's JAX backend switches double precision on for the whole process as it is imported.
from phi.jax import flow as _flow  # noqa: E402
from phiml import math as _math  # noqa: E402

jax.config.update("jax_enable_x64", _x64)

import jax.numpy as jnp  # noqa: E402
from jaxtyping import Array, Float  # noqa: E402

from hycojax.domain import Boundary, Domain  # noqa: E402

advect = _flow.advect
diffuse = _flow.diffuse
field = _flow.field
Field = _flow.Field

#: What lies beyond a closed box: for densities (no flux), and for velocities (a wall at rest).
NO_FLUX = _flow.ZERO_GRADIENT
WALL = _flow.extrapolation.ZERO
PERIODIC = _flow.PERIODIC

_AXES = ("x", "y", "z")


def precision(like: Array) -> _math.precision:
    """Context in which PhiFlow computes in the precision of an array, 32 or 64 bit."""
    return _math.precision(64 if like.dtype == jnp.float64 else 32)


def vector(domain: Domain, *components: float | Array) -> _math.Tensor:
    """Return a constant vector, one component an axis."""
    return _math.vec(**dict(zip(_AXES[: domain.dims], components, strict=True)))


def centered(domain: Domain, values: Float[Array, "*shape"]) -> Field:
    """Return cell values as a field, with no flux through the sides of a closed box."""
    outside = PERIODIC if domain.boundary is Boundary.PERIODIC else NO_FLUX
    return _flow.CenteredGrid(_wrap(domain, values), outside, bounds=_bounds(domain))


def staggered(domain: Domain, faces: list[Float[Array, "*shape"]]) -> Field:
    """Return the lower-face values of a vector as a staggered field, one array a component.

    In a closed box PhiFlow stores the inner faces only: the lower wall's zero is left out.
    """
    names = _AXES[: domain.dims]
    closed = domain.boundary is Boundary.CLOSED
    inner = [
        _wrap(domain, jax.lax.slice_in_dim(f, 1, None, axis=axis) if closed else f)
        for axis, f in enumerate(faces)
    ]
    values = _math.stack(dict(zip(names, inner, strict=True)), _math.dual(vector=",".join(names)))
    return _flow.StaggeredGrid(values, WALL if closed else PERIODIC, bounds=_bounds(domain))


def like_cells(template: Field, values: Float[Array, "*shape"]) -> Field:
    """Return cell values as a field on the grid of `template`, with no flux through its sides."""
    wrapped = _math.wrap(values, _math.spatial(*template.resolution.names))
    return _flow.CenteredGrid(wrapped, NO_FLUX, bounds=template.bounds)


def cell_values(field: Field) -> Float[Array, "*shape"]:
    """Return the values of a centred scalar field."""
    return field.values.native(field.shape.spatial)


def face_values(field: Field) -> list[Float[Array, "*shape"]]:
    """Return the lower-face values of a staggered field, one array a component; walls store 0."""
    closed = field.boundary == WALL
    components = []
    for axis, name in enumerate(field.resolution.names):
        values = field.values.vector.dual[name].native(field.resolution.names)
        pad = [(int(closed and i == axis), 0) for i in range(values.ndim)]
        components.append(jnp.pad(values, pad))
    return components


def _wrap(domain: Domain, values: Array) -> _math.Tensor:
    return _math.wrap(values, _math.spatial(",".join(_AXES[: domain.dims])))


def _bounds(domain: Domain):
    return _flow.Box(**dict(zip(_AXES[: domain.dims], map(float, domain.size), strict=True)))
