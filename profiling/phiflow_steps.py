"""The models' steps by PhiFlow's own functions alone, which `profiling.physics` times beside ours.

Each takes a bound model, the values of all its coefficients, and a state.
`centered` to `components` mirror `hycojax.physics.phi`, in 2D; an array may have one more axis in
front, runs, which becomes a batch dimension of PhiFlow's.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from hycojax.grid.domain import Boundary, Domain
from hycojax.models.pde import BoundPDE
from hycojax.physics import phi

# isort: split
from phi.jax import flow  # after `hycojax.physics.phi`, which keeps it from changing the precision

#: The solve that traces under `jax.jit`.
SOLVE = phi.Solve("CG", 1e-3, 1e-3, rank_deficiency=0)
#: Largest grid for it: PhiML numbers the entries of the full matrix by 32-bit integers.
MOST_CELLS = math.isqrt(2**31 - 1)


def centered(domain: Domain, values: Array) -> phi.Field:
    """Return cell values as a scalar field."""
    outside = phi.PERIODIC if _periodic(domain) else phi.NO_FLUX
    return flow.CenteredGrid(_tensor(values), outside, bounds=_box(domain))


def centered_vector(domain: Domain, parts: Sequence[Array]) -> phi.Field:
    """Return cell values as a vector field in a periodic box."""
    values = flow.stack(_named(parts), flow.channel("vector"))
    return flow.CenteredGrid(values, phi.PERIODIC, bounds=_box(domain))


def staggered(domain: Domain, faces: Sequence[Array]) -> phi.Field:
    """Return lower-face values as a staggered field; PhiFlow stores no walls."""
    if not _periodic(domain):
        faces = [faces[0][..., 1:, :], faces[1][..., 1:]]
    values = flow.stack(_named(faces), flow.dual(vector="x,y"))
    outside = phi.PERIODIC if _periodic(domain) else phi.WALL
    return flow.StaggeredGrid(values, outside, bounds=_box(domain))


def components(field: phi.Field) -> list[Array]:
    """Return the values of a field as PhiFlow holds them, one array a component."""
    values = field.values
    if field.is_staggered:
        return [_native(values.vector.dual[name]) for name in "xy"]
    if "vector" in values.shape:
        return [_native(values.vector[name]) for name in "xy"]
    return [_native(values)]


def midpoint(
    data: phi.Field, velocity: phi.Field, dt: float, v0: flow.Tensor | None = None
) -> flow.Tensor:
    """Trace points in a steady velocity to second order; an integrator as PhiFlow has them."""
    at = {"at": data.sampled_at, "boundary": data.boundary}
    v0 = phi.field.sample(velocity, data.geometry, **at) if v0 is None else v0
    return data.points + dt * phi.field.sample(velocity, data.points + 0.5 * dt * v0, **at)


def fourier(field: phi.Field, diffusivity: float | Array, dt: float) -> phi.Field:
    """Diffuse exactly. PhiFlow counts wave numbers by the cell, so the diffusivity must too."""
    return phi.diffuse.fourier(field, flow.wrap(diffusivity / float(field.dx[0]) ** 2), dt)


def explicit(
    field: phi.Field, diffusivity: float | phi.Field, dt: float, highest: float
) -> phi.Field:
    """Diffuse in as many steps as the highest diffusivity needs to be stable."""
    substeps = math.ceil(highest * dt * sum(2 / float(d) ** 2 for d in field.dx))
    return phi.diffuse.explicit(field, diffusivity, dt, substeps=substeps)


def advection(model: BoundPDE, values: dict, state: Array) -> Array:
    """Return `Advection`'s next state."""
    tracer, u, v = _channels(state)
    factor = values["coefficient"]
    velocity = centered_vector(model.domain, [factor * u, factor * v])
    new = phi.advect.mac_cormack(
        centered(model.domain, tracer), velocity, model.interval, integrator=midpoint
    )
    return jnp.stack([*components(new), u, v], axis=-1)


def burgers(model: BoundPDE, values: dict, state: Array) -> Array:
    """Return `Burgers`' next state; PhiFlow diffuses scalars only with a viscosity field."""

    def diffuse(velocity: phi.Field) -> phi.Field:
        if np.ndim(values["viscosity"]) == 0:
            return fourier(velocity, values["viscosity"], model.interval / 2)
        local = centered(model.domain, values["viscosity"])
        scalars = [centered(model.domain, part) for part in components(velocity)]
        highest = _highest(model, "viscosity")
        spread = [explicit(s, local, model.interval / 2, highest) for s in scalars]
        return centered_vector(model.domain, [components(s)[0] for s in spread])

    velocity = diffuse(centered_vector(model.domain, _channels(state)))
    return jnp.stack(components(diffuse(_self_advect(velocity, model.interval))), axis=-1)


def inviscid_burgers(model: BoundPDE, values: dict, state: Array) -> Array:
    """Return `InviscidBurgers`' next state."""
    slope = phi.field.spatial_gradient(centered(model.domain, values["potential"]))
    push = slope * (-model.interval / 2)
    velocity = _self_advect(centered_vector(model.domain, _channels(state)) + push, model.interval)
    return jnp.stack(components(velocity + push), axis=-1)


def heat(model: BoundPDE, values: dict, state: Array) -> Array:
    """Return `Heat`'s next state."""
    temperature = centered(model.domain, state[..., 0])
    if np.ndim(values["diffusivity"]) or not _periodic(model.domain):
        local = np.broadcast_to(values["diffusivity"], model.domain.shape)
        highest = _highest(model, "diffusivity")
        there = centered(model.domain, local)
        temperature = explicit(temperature, there, model.interval, highest)
    else:
        temperature = fourier(temperature, values["diffusivity"], model.interval)
    return jnp.stack(components(temperature), axis=-1)


def smoke(model: BoundPDE, values: dict, state: Array) -> Array:
    """Return `Smoke`'s next state."""
    density, u, v, source = _channels(state)
    inflow = centered(model.domain, source) * flow.wrap(model.interval * values["inflow"])
    buoyancy = flow.wrap(values["buoyancy"])
    density, velocity = _buoyant(model, values, (density, u, v), inflow, buoyancy)
    return jnp.stack([*components(density), *_lower_faces(velocity), source], axis=-1)


def navier_stokes(model: BoundPDE, values: dict, state: Array) -> Array:
    """Return `NavierStokes`' next state."""
    density, u, v = _channels(state)
    buoyancy = centered(model.domain, values["buoyancy"])
    density, velocity = _buoyant(model, values, (density, u, v), 0, buoyancy)
    return jnp.stack([*components(density), *_lower_faces(velocity)], axis=-1)


def kolmogorov(model: BoundPDE, values: dict, state: Array) -> Array:
    """Return `Kolmogorov`'s next state."""
    n, dt = model.domain.shape[1], model.interval
    wave = np.sin(2 * np.pi * model.pde.waves * (np.arange(n) + 0.5) / n).astype(np.float32)
    force = np.broadcast_to(wave, model.domain.shape)
    push = staggered(model.domain, [dt / 2 * values["forcing"] * force, np.zeros_like(force)])
    velocity = staggered(model.domain, _channels(state))
    velocity = phi.advect.mac_cormack(velocity, velocity, dt) + push
    velocity = fourier(velocity, values["viscosity"], dt) + push
    velocity, _ = phi.fluid.make_incompressible(velocity, (), SOLVE)
    return jnp.stack(components(velocity), axis=-1)


def gray_scott(model: BoundPDE, values: dict, state: Array) -> Array:
    """Return `GrayScott`'s next state, with one sub-step of reaction: dt up to 1."""
    feed, kill = flow.wrap(values["feed"]), flow.wrap(values["kill"])
    u, v = (centered(model.domain, part) for part in _channels(state))

    def rate(u, v):
        made = u * v**2
        return feed * (1 - u) - made, made - (feed + kill) * v

    def react(u, v):
        h = model.interval / 2
        a = rate(u, v)
        b = rate(u + h / 2 * a[0], v + h / 2 * a[1])
        c = rate(u + h / 2 * b[0], v + h / 2 * b[1])
        d = rate(u + h * c[0], v + h * c[1])
        return tuple(s + h / 6 * (a[i] + 2 * (b[i] + c[i]) + d[i]) for i, s in enumerate((u, v)))

    u, v = react(u, v)
    u = fourier(u, values["diffusivity_u"], model.interval)
    v = fourier(v, values["diffusivity_v"], model.interval)
    return jnp.stack([components(s)[0] for s in react(u, v)], axis=-1)


def _self_advect(velocity: phi.Field, dt: float) -> phi.Field:
    halfway = phi.advect.semi_lagrangian(velocity, velocity, dt / 2)
    return phi.advect.mac_cormack(velocity, halfway, dt)


def _buoyant(model, values, moving, inflow, buoyancy) -> tuple[phi.Field, phi.Field]:
    """Return the next density and velocity of a buoyant flow in a closed box."""
    dt, (density, *faces) = model.interval, moving
    velocity = staggered(model.domain, faces)
    density = phi.advect.mac_cormack(centered(model.domain, density), velocity, dt) + inflow
    velocity = phi.advect.mac_cormack(velocity, velocity, dt)
    velocity += flow.resample(density * buoyancy * (0, dt), to=velocity)
    velocity = explicit(velocity, values["viscosity"], dt, _highest(model, "viscosity"))
    velocity, _ = phi.fluid.make_incompressible(velocity, (), SOLVE)
    return density, velocity


def _highest(model: BoundPDE, name: str) -> float:
    """Return the upper bound of an unknown coefficient, or the highest value of a known one."""
    own = dict(model.coefficients)[name]
    return float(own.high if hasattr(own, "high") else np.max(own))


def _channels(state: Array) -> list[Array]:
    return list(jnp.moveaxis(state, -1, 0))


def _periodic(domain: Domain) -> bool:
    return domain.boundary is Boundary.PERIODIC


def _box(domain: Domain) -> flow.Box:
    return flow.Box(x=domain.size[0], y=domain.size[1])


def _tensor(values: Array) -> flow.Tensor:
    runs = [flow.batch("runs")] * (values.ndim - 2)
    return flow.wrap(values, *runs, flow.spatial("x,y"))


def _named(parts: Sequence[Array]) -> dict[str, flow.Tensor]:
    return {name: _tensor(part) for name, part in zip("xy", parts, strict=True)}


def _native(values: flow.Tensor) -> Array:
    return values.native([*flow.batch(values).names, "x", "y"])


def _lower_faces(velocity: phi.Field) -> list[Array]:
    """Return the faces of a closed box, with the zeros of the lower walls."""
    x, y = components(velocity)
    ahead = [(0, 0)] * (x.ndim - 2)
    return [jnp.pad(x, [*ahead, (1, 0), (0, 0)]), jnp.pad(y, [*ahead, (0, 0), (1, 0)])]
