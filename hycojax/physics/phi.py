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

from hycojax.grid.domain import Boundary, Domain  # noqa: E402

advect = _flow.advect
diffuse = _flow.diffuse
fluid = _flow.fluid
field = _flow.field
Field = _flow.Field
Solve = _flow.Solve

#: What lies beyond a closed box: for densities (no flux), and for velocities (a wall at rest).
NO_FLUX = _flow.ZERO_GRADIENT
WALL = _flow.extrapolation.ZERO
PERIODIC = _flow.PERIODIC

_AXES = ("x", "y", "z")


def precision(like: Array) -> _math.precision:
    """Context in which PhiFlow computes in the precision of an array, 32 or 64 bit."""
    return _math.precision(64 if like.dtype == jnp.float64 else 32)


def centered(domain: Domain, values: Float[Array, "*shape"]) -> Field:
    """Return cell values as a scalar field, with no flux through the sides of a closed box."""
    return _flow.CenteredGrid(_wrap(domain, values), _outside(domain), bounds=_bounds(domain))


def centered_vector(domain: Domain, components: list[Float[Array, "*shape"]]) -> Field:
    """Return cell values as a vector field, one array a component."""
    wrapped = {n: _wrap(domain, c) for n, c in zip(_names(domain), components, strict=True)}
    values = _math.stack(wrapped, _math.channel("vector"))
    return _flow.CenteredGrid(values, _outside(domain), bounds=_bounds(domain))


def staggered(domain: Domain, faces: list[Float[Array, "*shape"]]) -> Field:
    """Return the lower-face values of a vector as a staggered field, one array a component.

    In a closed box PhiFlow stores the inner faces only: the lower wall's zero is left out.
    """
    closed = domain.boundary is Boundary.CLOSED
    inner = [
        _wrap(domain, jax.lax.slice_in_dim(f, 1, None, axis=axis) if closed else f)
        for axis, f in enumerate(faces)
    ]
    names = _names(domain)
    values = _math.stack(dict(zip(names, inner, strict=True)), _math.dual(vector=",".join(names)))
    return _flow.StaggeredGrid(values, WALL if closed else PERIODIC, bounds=_bounds(domain))


def components(field: Field) -> list[Float[Array, "*shape"]]:
    """Return the values of a field as PhiFlow holds them, one array a component.

    Raises:
        ValueError: The field is no grid of one simulation (batches come from `jax.vmap`).
    """
    names = field.resolution.names
    values = field.values
    if field.is_staggered:
        parts = [values.vector.dual[name] for name in names]
    elif "vector" in values.shape:
        parts = [values.vector[name] for name in names]
    else:
        parts = [values]
    if any(part.shape.non_spatial for part in parts):
        raise ValueError(f"one scalar or vector on a grid is needed, got {field.shape}")
    return [jnp.asarray(part.native(names)) for part in parts]


def with_components(field: Field, arrays: list[Float[Array, "*shape"]]) -> Field:
    """Return a field on the same points, with other values (see `components`)."""
    names = field.resolution.names
    wrapped = [_math.wrap(a, _math.spatial(",".join(names))) for a in arrays]
    if len(wrapped) == 1 and not field.is_staggered:
        return field.with_values(wrapped[0])
    axis = _math.dual if field.is_staggered else _math.channel
    values = _math.stack(dict(zip(names, wrapped, strict=True)), axis("vector"))
    return field.with_values(values)


def spacing(field: Field) -> tuple[float, ...]:
    """Return the cell width along each axis."""
    return tuple(map(float, field.dx.numpy("vector")))


def scalar_like(vector: Field, values: Float[Array, "*shape"]) -> Field:
    """Return cell values as a scalar field on the grid of a vector, with no flux through walls."""
    wrapped = _math.wrap(values, _math.spatial(",".join(vector.resolution.names)))
    outside = PERIODIC if vector.boundary == PERIODIC else NO_FLUX
    return _flow.CenteredGrid(wrapped, outside, bounds=vector.bounds)


def cell_values(field: Field) -> Float[Array, "*shape"]:
    """Return the values of a centred scalar field."""
    return components(field)[0]


def face_values(field: Field) -> list[Float[Array, "*shape"]]:
    """Return the lower-face values of a staggered field, one array a component; walls store 0."""
    closed = field.boundary == WALL
    return [
        jnp.pad(values, [(int(closed and i == axis), 0) for i in range(values.ndim)])
        for axis, values in enumerate(components(field))
    ]


def _names(domain: Domain) -> tuple[str, ...]:
    return _AXES[: domain.dims]


def _outside(domain: Domain):
    return PERIODIC if domain.boundary is Boundary.PERIODIC else NO_FLUX


def _wrap(domain: Domain, values: Array) -> _math.Tensor:
    return _math.wrap(values, _math.spatial(",".join(_names(domain))))


def _bounds(domain: Domain):
    return _flow.Box(**dict(zip(_names(domain), map(float, domain.size), strict=True)))
