"""First states as far as recordings tell them, and priors for what they do not tell."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from hycojax.data.first_states import Estimated, FirstState, Known, Measured, Prior, Tie
from hycojax.data.lines import Table, centres, site
from hycojax.data.observations import Dense, First, Observed, Part, Rows, Statistics
from hycojax.data.operators import read
from hycojax.data.parts import parts
from hycojax.data.roles import Role
from hycojax.errors import InputError
from hycojax.grid import filters
from hycojax.grid.domain import Boundary, Grid
from hycojax.kernels import programs
from hycojax.models.pde import BoundPDE

#: The part of the time, from the start, whose values tell what first states are like.
_EARLY = 0.25
#: Lengths that are compared, over the shortest side of the box, and pairs that they are told by.
_LENGTHS, _PAIRS = np.geomspace(0.02, 0.5, 24), 20000
#: Steps of the conjugate gradients that find the mean given the first measurements.
_STEPS = 60
#: Least noise of a measurement over the scale: exact ones are not interpolated to rounding.
_LEAST = 1e-3


def first_states(
    setting: FirstState | None,
    physics: BoundPDE,
    role: Role,
    observed: Observed,
    found: Statistics,
    noise: float,
) -> First:
    """Return what is known of the first states of the systems of a role.

    Args:
        setting: How they are known, as the user says; None: as the measurements say.
        physics: The PDE on its domain.
        role: The lines.
        observed: The same, as arrays.
        found: Statistics of the training measurements.
        noise: Mean noise over the scale.

    Raises:
        InputError: They are not known as the user says, or nothing is known of a channel.
    """
    grid = physics.domain
    values, seen = _first_frames(observed)
    missing = ~seen & grid.evolves()
    complete = not missing.any()
    if setting is None:
        sure = complete and bool(observed.exact[:, 0].all())
        setting = Known() if sure else Measured() if complete else Estimated()
    if isinstance(setting, Estimated):
        return _with_prior(setting, physics, role, found, noise)
    if not complete:
        share = missing.reshape(-1, len(grid.channels)).mean(0)
        names = [
            f"{100 * s:.0f} % of {c.name}" for c, s in zip(grid.channels, share, strict=True) if s
        ]
        raise InputError(
            f"first = {type(setting).__name__}(): of the first states {', '.join(names)} is "
            "missing; take hj.Estimated()"
        )
    mean = np.where(seen, values, role.static).astype(np.float32)
    if isinstance(setting, Known):
        return First(mean)
    return First(mean, measured=seen, kind="measured")


def state(
    grid: Grid,
    admissible: Callable[[Grid, Array], Array],
    first: First,
    mean: Float[Array, "*shape channels"],
    q: Float[Array, "*shape channels"],
) -> Float[Array, "*shape channels"]:
    """Return the state mean + C^(1/2) q, with ties, and as the equation allows it."""
    fields = [filters.filtered(grid, a, q[..., c]) for c, a in enumerate(first.spectrum)]
    evolves = jnp.asarray(grid.evolves())
    found = mean + jnp.where(evolves, jnp.stack(fields, -1), 0)
    for channel, other, factor, offset in first.ties:
        found = found.at[..., channel].set(offset + factor * found[..., other])
    return admissible(grid, found)


def _first_frames(observed: Observed) -> tuple[np.ndarray, np.ndarray]:
    """Return what is measured in cells at time 0, and where."""
    shape = observed.first.mean.shape
    values, seen = np.zeros(shape), np.zeros(shape, bool)
    for part in observed.parts:
        if isinstance(part, Dense):
            own = part.seen[:, 0] & ~seen
            values, seen = np.where(own, part.values[:, 0], values), seen | part.seen[:, 0]
    return values, seen


def _with_prior(
    setting: Estimated, physics: BoundPDE, role: Role, found: Statistics, noise: float
) -> First:
    grid = physics.domain
    names = [channel.name for channel in grid.channels]
    for name in setting.priors:
        if name not in names:
            raise InputError(f"first.priors: the model has no channel {name!r}; it has {names}")
    mean, spectra, ties = np.array(role.static, np.float32), [], []
    for c, channel in enumerate(grid.channels):
        prior = setting.priors.get(channel.name, Prior())
        amplitude = 0.0
        if isinstance(prior, Tie):
            if prior.channel not in names:
                raise InputError(
                    f"first.priors: {channel.name} is tied to {prior.channel!r}, "
                    "which is no channel"
                )
            ties.append((c, names.index(prior.channel), prior.factor, prior.offset))
        elif not channel.static:
            own = [t for t in role.tables if t.channel == c]
            middle, amplitude, length = _prior(prior, channel.name, own, grid)
            mean[..., c] = np.where(grid.evolves()[..., c], middle, 0)
        # A wave of no amplitude: a channel that is static, or tied.
        spectra.append(filters.matern(grid, amplitude, length if amplitude else 1.0))
    first = First(mean, spectrum=tuple(spectra), ties=tuple(ties), kind="estimated")
    return replace(first, start=_start(physics, first, role, found, noise))


def _prior(prior: Prior, name: str, own: list[Table], grid: Grid) -> tuple[float, float, float]:
    """Return mean, amplitude and length of a channel's prior, from early values where not given."""
    if not own and (prior.mean is None or prior.amplitude is None):
        raise InputError(
            f"{name} is never seen, so nothing tells of its first state: give first=hj.Estimated("
            f'priors={{"{name}": hj.Prior(mean=..., amplitude=...)}}), or tie it to another '
            "channel by hj.Tie"
        )
    early = [_early(t) for t in own]
    values = np.concatenate([t.value for t in early]) if early else np.zeros(1)
    mean = float(values.mean()) if prior.mean is None else prior.mean
    amplitude = prior.amplitude or float(values.std()) or 1.0
    length = prior.length or _length(early, grid)
    return mean, amplitude, length


def _early(table: Table) -> Table:
    end = max(1.0, table.time.min() + _EARLY * np.ptp(table.time))
    return table.only(table.time <= end)


def _length(tables: list[Table], grid: Grid) -> float:
    """Return the length over which values are alike, by the differences of pairs of them.

    Half the mean square of it is var (1 - exp(-d^2 / 2 l^2)), for places a distance d apart.
    """
    side = min(grid.size)
    rng, distances, differences = np.random.default_rng(0), [], []
    for table in tables:
        count = len(table.value)
        if count < 20:
            continue
        one, other = rng.integers(count, size=(2, _PAIRS))
        alike = (table.system[one] == table.system[other]) & (one != other)
        alike &= np.abs(table.time[one] - table.time[other]) <= 0.5
        place = _places(table, grid)
        apart = place[one[alike]] - place[other[alike]]
        if grid.boundary is Boundary.PERIODIC:
            apart -= np.round(apart / grid.size) * grid.size
        distances.append(np.linalg.norm(apart, axis=-1))
        differences.append(
            (table.value[one[alike]] - table.value[other[alike]]) ** 2
            / 2
            / max(table.value.var(), 1e-30)
        )
    if not distances or not sum(map(len, distances)):
        return 0.15 * side
    d, g = np.concatenate(distances), np.concatenate(differences)
    kept = (d > 0) & (d < 0.5 * side)
    shapes = 1 - np.exp(-(d[kept] ** 2) / (2 * (side * _LENGTHS[:, None]) ** 2))
    heights = (shapes @ g[kept]) / np.maximum((shapes**2).sum(1), 1e-30)
    off = ((heights[:, None] * shapes - g[kept]) ** 2).sum(1)
    return float(side * _LENGTHS[np.argmin(off)])


def _places(table: Table, grid: Grid) -> np.ndarray:
    return centres(grid, table.channel)[table.cell] if table.place is None else table.place


def _start(
    physics: BoundPDE, first: First, role: Role, found: Statistics, noise: float
) -> Float[np.ndarray, "simulation *shape channels"]:
    """Return numbers q of the prior's mean given the values that are seen nearest to time 0.

    A value at time t counts with the noise, and with what it may have changed since time 0.
    """
    near = [_nearest(t, found, noise) for t in role.tables]
    built = parts(Role(near, role.static), physics.domain, 1, found, 1.0)
    built = [replace(part, degrees=None) for part in built]
    program = programs.jit(_conditioned, programs.ONCE, static_argnums=(0, 1))
    return np.asarray(program(physics.domain, physics.pde.admissible, first, built, found.std))


def _nearest(table: Table, found: Statistics, noise: float) -> Table:
    """Return the earliest line of each place, as one at time 0, with its uncertainty."""
    order = np.lexsort((table.time, site(table), table.system))
    key = np.stack([table.system, site(table)])[:, order]
    new = np.concatenate([[True], (np.diff(key) != 0).any(0)])
    kept = table.only(order[new])
    std, change = float(found.std[table.channel]), float(found.change[table.channel])
    own = np.where(np.isnan(kept.sigma), noise * std, kept.sigma)
    sigma = np.sqrt(np.maximum(own, _LEAST * std) ** 2 + (change * kept.time) ** 2)
    return replace(kept, time=np.zeros(len(kept.time)), sigma=sigma)


def _conditioned(
    grid: Grid, admissible: Any, first: First, built: list[Part], scale: Array
) -> Array:
    """Return q that minimises |(H u(q) - y) / sigma|^2 + |q|^2, by conjugate gradients."""

    def residuals(q: Array) -> list[Array]:
        states = jax.vmap(lambda m, n: state(grid, admissible, first, m, n))(first.mean, q)
        return [_residual(part, states[:, None], scale) for part in built]

    zero = jnp.zeros_like(first.mean)
    off, forward = jax.linearize(residuals, zero)
    backward = jax.linear_transpose(forward, zero)
    (right,) = backward([-r for r in off])

    def normal(q: Array) -> Array:
        return q + backward(forward(q))[0]

    return jax.scipy.sparse.linalg.cg(normal, right, tol=1e-4, maxiter=_STEPS)[0]


def _residual(part: Part, frames: Array, scale: Array) -> Array:
    if isinstance(part, Rows):
        off = read(part, frames) - part.values
        return jnp.sqrt(part.weights) * off / scale[part.channel][part.row]
    off = jnp.where(part.seen, frames - part.values, 0) / scale
    return off if part.weights is None else jnp.sqrt(part.weights) * off
