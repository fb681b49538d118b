"""First states as far as recordings tell them, and priors for what they do not tell."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from hycojax.data.first_states import Estimated, FirstState, Known, Measured, Prior, Tie
from hycojax.data.instruments import Line
from hycojax.data.lines import Table, means_of_systems, places, site
from hycojax.data.observations import First, Observed, Part, Statistics
from hycojax.data.operators import distances
from hycojax.data.parts import cell_states, parts
from hycojax.data.roles import Role
from hycojax.errors import InputError
from hycojax.grid import filters
from hycojax.grid.domain import Boundary, Domain, Grid
from hycojax.kernels import derivatives, programs
from hycojax.kernels.precision import real
from hycojax.models.pde import BoundPDE

#: Noise, over the scale, that better values count with in a first guess and in a first turn: the
#: first states of exact ones explain a short time by themselves, whatever the coefficients are.
ANNEALED = 0.03
#: Lengths that are compared, over the shortest side of the box, and amplitudes, over the values.
_LENGTHS, _AMPLITUDES = np.geomspace(0.02, 0.5, 24), np.geomspace(0.6, 4.0, 9)
#: Lines of a system and channel that tell these, and how few tell nothing.
_LINES, _ENOUGH = 250, 20
#: Steps of the conjugate gradients that find the mean given the first measurements.
_STEPS = 60
#: Root of the curvature of a loss by the numbers of a search.
_CURVED = 0.1


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
    values, seen = _first_frames(role, grid)
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
    mean = np.where(seen, values, role.static).astype(real())
    if isinstance(setting, Known):
        return First(mean)
    return First(mean, measured=seen, kind="measured")


def smoothed(physics: BoundPDE, role: Role, found: Statistics, noise: float) -> First:
    """Return complete first states that were measured with noise, as the prior makes them smooth.

    That is its mean given what was measured at time 0, and nothing of what comes later.
    """
    early = [t.only(t.time == 0) for t in role.tables]
    early = Role([t for t in early if len(t.value)], role.static)
    first, grid = _with_prior(Estimated(), physics, early, found, noise), physics.domain
    program = programs.jit(
        jax.vmap(partial(state, grid, physics.pde.admissible, first)), programs.ONCE
    )
    return First(np.asarray(program(first.mean, first.start)))


def state(
    grid: Grid,
    admissible: Callable[[Grid, Array], Array],
    first: First,
    mean: Float[Array, "*shape channels"],
    numbers: Float[Array, "*shape channels"],
) -> Float[Array, "*shape channels"]:
    """Return the state mean + C^(1/2) q, with ties, and as the equation allows it.

    The numbers of a search are normal ones q with each wave divided by its size (`normal`).
    """
    evolves = jnp.asarray(grid.evolves())
    found = mean + jnp.where(evolves, _by_channel(grid, first.spectrum, numbers), 0)
    for channel, other, factor, offset in first.ties:
        found = found.at[..., channel].set(offset + factor * found[..., other])
    return admissible(grid, found)


def normal(
    grid: Grid, first: First, numbers: Float[Array, "simulation *shape channels"]
) -> Float[Array, "simulation *shape channels"]:
    """Return the numbers q that are normal before anything is measured, from those of a search.

    A search sees each wave in a size in which the measurements curve its loss as much as that of
    any other: where they see a wave well, the prior leaves it wide.
    """
    return jax.vmap(lambda n: _by_channel(grid, first.sizes, n))(numbers)


def covariance(
    grid: Grid, first: First, numbers: Float[Array, "simulation *shape channels"]
) -> Float[Array, "simulation *shape channels"]:
    """Return the prior's covariance of the numbers of a search, times such numbers."""
    squares = tuple(size**-2 for size in first.sizes)
    return jax.vmap(lambda n: _by_channel(grid, squares, n))(numbers)


def _by_channel(grid: Grid, factors: tuple[Array, ...], numbers: Array) -> Array:
    fields = [filters.filtered(grid, a, numbers[..., c]) for c, a in enumerate(factors)]
    return jnp.stack(fields, -1)


def _first_frames(role: Role, grid: Grid) -> tuple[np.ndarray, np.ndarray]:
    """Return what is measured of states in cells at time 0, and where."""
    early = [t.only(t.time == 0) for t in role.tables if t.cell is not None]
    values, seen = cell_states(early, grid, 1, len(role.static))
    return values[:, 0], seen[:, 0]


def _with_prior(
    setting: Estimated, physics: BoundPDE, role: Role, found: Statistics, noise: float
) -> First:
    grid = physics.domain
    near = [_nearest(t, found, noise) for t in role.tables]
    names = [channel.name for channel in grid.channels]
    for name in setting.priors:
        if name not in names:
            raise InputError(f"first.priors: the model has no channel {name!r}; it has {names}")
    mean, spectra, sizes, shells, ties = np.array(role.static, real()), [], [], [], []
    for c, channel in enumerate(grid.channels):
        prior = setting.priors.get(channel.name, Prior())
        amplitude = 0.0
        if isinstance(prior, Tie):
            _check_tie(channel.name, prior, setting, names)
            ties.append((c, names.index(prior.channel), prior.factor, prior.offset))
        elif not channel.static:
            own = [t for t in near if t.channel == c]
            middle, amplitude, length = _prior(prior, channel.name, own, grid, len(mean))
            middle = middle.reshape(-1, *(1,) * grid.dims)
            mean[..., c] = np.where(grid.evolves()[..., c], middle, 0)
        # A wave of no amplitude: a channel that is static, or tied.
        waves = filters.matern(grid, amplitude, length if amplitude else 1.0)
        sizes.append(_sizes(waves, amplitude, c, role, grid, found, noise))
        spectra.append(waves * sizes[-1])
        given = not amplitude or prior.amplitude is not None or prior.length is not None
        own = filters.shells(grid)
        shells.append(np.full_like(own, filters.SHELLS) if given else own)
    about = {"spectrum": spectra, "sizes": sizes, "shells": shells, "ties": ties}
    first = First(mean, **{name: tuple(own) for name, own in about.items()}, kind="estimated")
    return replace(first, start=_start(physics, first, Role(near, role.static), found))


def _check_tie(name: str, tie: Tie, setting: Estimated, names: list[str]) -> None:
    """Check that a channel is tied to another one, which stands by itself."""
    why = None
    if tie.channel not in names:
        why = f"no channel; there are {', '.join(names)}"
    elif tie.channel == name:
        why = "itself"
    elif isinstance(setting.priors.get(tie.channel), Tie):
        why = "tied as well: tie both to a channel that stands by itself"
    if why:
        raise InputError(f"first.priors: {name} is tied to {tie.channel}, which is {why}")


def _sizes(
    waves: np.ndarray,
    amplitude: float,
    channel: int,
    role: Role,
    grid: Grid,
    found: Statistics,
    noise: float,
) -> np.ndarray:
    """Return the size of each wave: 1 / sqrt(1 + a^2 c / sigma^2), c the measurements of a cell.

    In these sizes all waves curve the loss about alike, and, as corrections of measured states do,
    less than a coefficient that matters. A channel that nobody sees shows in the others, as they
    change: it counts as one that is seen as well as the best of them.
    """
    count = sum(len(t.value) for t in role.tables)
    seen = np.bincount([t.channel for t in role.tables], [len(t.value) for t in role.tables])
    here = channel < len(seen) and seen[channel] > 0
    own, scale = (seen[channel], float(found.std[channel])) if here else (seen.max(), amplitude)
    cells = len(role.static) * np.prod(grid.shape)
    least = max(noise, ANNEALED)
    sigma = least * (scale or 1.0)
    gain = waves.astype(float) ** 2 * own / cells / sigma**2
    return (_CURVED * np.sqrt(count) / least / np.sqrt(1 + gain)).astype(real())


def _prior(
    prior: Prior, name: str, own: list[Table], grid: Grid, systems: int
) -> tuple[np.ndarray, float, float]:
    """Return mean (by system), amplitude and length of a prior; what is not given by the evidence.

    `own` are the earliest lines of each place, with their uncertainty as sigma.
    """
    if not own and (prior.mean is None or prior.amplitude is None):
        raise InputError(
            f"{name} is never seen, so nothing tells of its first state: give first=hj.Estimated("
            f'priors={{"{name}": hj.Prior(mean=..., amplitude=...)}}), or tie it to another '
            "channel by hj.Tie"
        )
    mean, off = np.full(systems, prior.mean or 0.0), np.zeros(1)
    if own:
        names = ("system", "value", "sigma")
        system, value, doubt = (np.concatenate([getattr(t, n) for t in own]) for n in names)
        mean = _means(system, value, doubt, systems) if prior.mean is None else mean
        off = value - mean[system]
    side = min(grid.size)
    lengths = (prior.length,) if prior.length else tuple(side * _LENGTHS)
    usual = prior.amplitude or float(np.std(off)) or 1.0
    amplitudes = (usual,) if prior.amplitude else tuple(usual * _AMPLITUDES)
    own = [t for t in own if not isinstance(t.instrument, Line)]  # what has no place
    if sum(len(t.value) for t in own) < _ENOUGH or len(lengths) * len(amplitudes) == 1:
        return mean, usual, prior.length or 0.15 * side
    amplitude, length = _likeliest(own, grid, mean, amplitudes, lengths)
    return mean, amplitude, length


def _means(system: np.ndarray, value: np.ndarray, doubt: np.ndarray, systems: int) -> np.ndarray:
    """Return the mean of each system: its own as far as systems differ, else that of all.

    Source: one-way random effects by the method of moments, DerSimonian, Laird, Control. Clin.
    Trials 7 (1986).
    """
    whole = float(np.average(value, weights=1 / (np.var(value) + doubt**2)))
    count, rough = means_of_systems(system, value, systems)
    within = float(np.mean((value - rough[system]) ** 2))
    sure = 1 / (within + doubt**2 + 1e-30)  # late values tell less of the start
    weight = np.bincount(system, sure, systems)
    own = np.bincount(system, sure * value, systems) / np.where(count > 0, weight, 1)
    own, weight = own[count > 0], weight[count > 0]
    common = float(np.average(own, weights=weight))
    apart = np.sum(weight * (own - common) ** 2) - (len(own) - 1)
    norm = np.sum(weight) - np.sum(weight**2) / np.sum(weight)
    between = max(0.0, apart / norm) if norm > 0 else 0.0
    found = np.full(systems, common if between else whole)
    found[count > 0] += between / (between + 1 / weight) * (own - common)
    return found


def _likeliest(
    own: list[Table],
    grid: Grid,
    mean: np.ndarray,
    amplitudes: tuple[float, ...],
    lengths: tuple[float, ...],
) -> tuple[float, float]:
    """Return amplitude and length under which the values are likeliest, as of Gaussian fields."""
    groups = []
    for table in own:
        where = places(table, grid)
        for system in np.unique(table.system):
            lines = np.flatnonzero(table.system == system)
            rng = np.random.default_rng(0)
            lines = rng.permutation(lines)[:_LINES]
            off = table.value[lines] - mean[system]
            groups.append((where[lines], off, table.sigma[lines] ** 2))
    best, found = -np.inf, (amplitudes[0], lengths[0])
    for length in lengths:
        kernel = _covariance(grid, length)
        alike = [kernel(place) for place, _, _ in groups]
        for amplitude in amplitudes:
            pairs = zip(alike, groups, strict=True)
            value = sum(_evidence(amplitude**2 * k, off, var) for k, (_, off, var) in pairs)
            if value > best:
                best, found = value, (amplitude, length)
    return found


def _evidence(covariance: np.ndarray, off: np.ndarray, variance: np.ndarray) -> float:
    """Return the logarithm of a normal density, but for a constant."""
    root = np.linalg.cholesky(covariance + np.diag(variance))
    return float(-0.5 * np.sum(np.linalg.solve(root, off) ** 2) - np.sum(np.log(np.diag(root))))


def _covariance(grid: Grid, length: float) -> Callable[[np.ndarray], np.ndarray]:
    """Return the function from places to the correlation of each pair of them.

    It is that of `filters.matern`, looked up on a grid four times finer; between walls, of a
    periodic box twice as long.
    """
    longer = 1 if grid.boundary is Boundary.PERIODIC else 2
    shape = tuple(4 * longer * n for n in grid.shape)
    size = tuple(longer * s for s in grid.size)
    box = Domain(shape, size, Boundary.PERIODIC)
    power = filters.matern(box, 1.0, length).astype(float) ** 2
    values = np.fft.irfftn(power, s=shape, axes=range(len(shape)))

    def correlations(place: np.ndarray) -> np.ndarray:
        nearest = np.round(place / np.array(box.dx)).astype(int)  # first: else no covariance
        index = (nearest[:, None] - nearest[None]) % np.array(shape)
        return values[tuple(np.moveaxis(index, -1, 0))]

    return correlations


def _start(
    physics: BoundPDE, first: First, near: Role, found: Statistics
) -> Float[np.ndarray, "simulation *shape channels"]:
    """Return numbers q of the prior's mean given the values that are seen nearest to time 0.

    A value at time t counts with the noise, and with what it may have changed since time 0.
    """
    built = parts(near, physics.domain, 1, found, 1.0)
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
    sigma = np.sqrt(np.maximum(own, ANNEALED * std) ** 2 + (change * kept.time) ** 2)
    return replace(kept, time=np.zeros(len(kept.time)), sigma=sigma)


def _conditioned(
    grid: Grid, admissible: Any, first: First, built: list[Part], scale: Array
) -> Array:
    """Return numbers that minimise |(H u(q) - y) / sigma|^2 + |q|^2, by conjugate gradients."""

    def residuals(numbers: Array) -> list[Array]:
        states = jax.vmap(lambda m, n: state(grid, admissible, first, m, n))(first.mean, numbers)
        return [distances(part, states[:, None], scale) for part in built]

    zero = jnp.zeros_like(first.mean)
    off, forward, backward, _ = derivatives.linearised(residuals, zero)
    right = backward([-r for r in off])

    def curvature(v: Array) -> Array:
        return normal(grid, first, normal(grid, first, v)) + backward(forward(v))

    return jax.scipy.sparse.linalg.cg(curvature, right, tol=1e-4, maxiter=_STEPS)[0]
