"""Simulated recordings: a true system on a finer grid, averaged to the model's, seen in part."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int, Key

from hycojax.data import store
from hycojax.data.observations import (
    Dense,
    First,
    Observations,
    Observed,
    statistics,
    without_starts,
)
from hycojax.data.provenance import provenance
from hycojax.data.regions import Everywhere, Region
from hycojax.data.store import ROLES, Simulations
from hycojax.data.times import AllFrames, Times
from hycojax.errors import InputError
from hycojax.grid.domain import Domain, Grid, with_channels
from hycojax.grid.transfers import restricted
from hycojax.kernels import programs, random_arrays
from hycojax.kernels.precision import magnitude, real
from hycojax.models.model import rollout
from hycojax.models.pde import PDE, BoundPDE, refined
from hycojax.settings.checked import Checked, named
from hycojax.settings.numbers import join, split

# Streams of random numbers under a seed.
_SIMULATIONS, _NOISE = range(2)


@dataclass(frozen=True)
class Simulated(Checked):
    """Simulations that stand for reality; each starts from a state of its own.

    They are made on a finer grid, so that the model which is fitted to them can't be exact. The
    first frame and static channels are known in full, the first frame with noise.
    """

    truth: PDE
    """The true system, which may be another PDE on the same channels. Nothing in it is unknown."""
    training: int = 4
    """Simulations that are recorded for training."""
    validation: int = 2
    """Simulations that are recorded for choosing the best parameters of a run; 0: a part of what is
    seen of the training ones is held out for that."""
    held_out: float = 0.1
    """That part: share of the cells and times."""
    test: int = 4
    """Simulations that are kept for the final figures: seen in full, never trained on; 0: none, the
    figures are then those of the recorded ones, hidden part included."""
    steps: int = 24
    """Intervals of a simulation."""
    refinement: int = 2
    """How many times finer the truth's grid and time step are than those of its PDE on the domain
    of the models."""
    region: Region = Everywhere()
    """The part of the box that is seen after the first frame."""
    times: Times = AllFrames()
    """The frames at which it is seen."""
    noise: float = 0.0
    """Standard deviation of the noise, relative to that of the seen values of a channel."""

    def __post_init__(self):
        for name in ("training", "steps", "refinement"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} = {getattr(self, name)}: at least 1 is needed")
        for name in ("validation", "test", "noise"):
            if getattr(self, name) < 0:
                raise ValueError(f"{name} = {getattr(self, name)}: it must not be negative")
        if not 0 < self.held_out < 1:
            raise ValueError(f"held_out = {self.held_out}: it must lie between 0 and 1")

    def bound(self, domain: Domain, interval: float) -> BoundPDE:
        """Return the truth on its own grid.

        Raises:
            ValueError: It does not work there, or something in it is unknown.
        """
        try:
            truth = refined(self.truth, domain, interval, self.refinement)
        except ValueError as error:
            raise ValueError(f"truth: with refinement = {self.refinement}: {error}") from error
        if truth.unknowns:
            raise ValueError(f"truth.{next(iter(truth.unknowns))}: a truth knows its values")
        return truth

    def mask(self, domain: Domain) -> Bool[np.ndarray, " time *shape"]:
        """Return which cells are seen in each frame; in the first one all are.

        Raises:
            ValueError: The region or the times do not suit the box or the frames.
        """
        frames = self.steps + 1
        with named("region."):
            cells = np.broadcast_to(self.region.mask(domain, frames), (frames, *domain.shape))
        with named("times."):
            seen = cells & self.times.frames(frames).reshape(-1, *(1,) * domain.dims)
        seen[0] = True
        return seen


def origin(data: Simulated, domain: Domain, interval: float, seed: int) -> dict[str, Any]:
    """Return all that decides the simulated numbers (see `provenance`)."""
    sizes = {name: getattr(data, name) for name in (*ROLES, "steps", "refinement")}
    box = Domain(domain.shape, domain.size, domain.boundary)
    if real() == np.float64:  # single is what files without an entry hold
        sizes["precision"] = "double"
    return provenance(data.truth, domain=box, interval=interval, seed=seed, **sizes)


def stored(data: Simulated, domain: Domain, interval: float, seed: int, path: Path) -> Simulations:
    """Return simulations from a file, which is made if there is none.

    Raises:
        InputError: The file holds something else, or the truth produced no finite numbers.
    """
    about = origin(data, domain, interval, seed)
    grid = with_channels(domain, data.truth.channels(domain.dims))
    found = store.read(path, about, grid)
    if found is None:
        if path.exists():
            raise InputError(
                f"{path} holds simulations of another origin: choose another, or remove it"
            )
        found = simulate(data, domain, interval, seed)
        store.write(path, found, about, grid, interval)
    return found


def simulate(data: Simulated, domain: Domain, interval: float, seed: int) -> Simulations:
    """Return the trajectories of each role that has any, no two from the same state.

    Raises:
        InputError: The truth produced no finite numbers, or has no more than one state to start
            from, so that simulations to test on would be those that are learned from.
    """
    programs.keep()
    key = jax.random.fold_in(jax.random.key(seed), _SIMULATIONS)
    counts = {role: getattr(data, role) for role in ROLES if getattr(data, role)}
    keys = [
        jax.random.split(jax.random.fold_in(key, ROLES.index(role)), count)
        for role, count in counts.items()
    ]
    program = programs.jit(_trajectories, programs.LOOP, static_argnums=(0, 3, 4))
    structure, numbers = split(data.bound(domain, interval))
    made = program(structure, numbers, jnp.concatenate(keys), data.steps, data.refinement)
    trajectories = np.asarray(made)
    if not np.isfinite(trajectories).all():
        raise InputError("the simulation of the true system diverged: give the truth more pieces")
    first = trajectories[:, 0]
    if len(np.unique(first.reshape(len(first), -1), axis=0)) < len(first):
        raise InputError(
            f"{len(first)} simulations were asked for, but this truth starts from the same state "
            "always: set data.training to 1, data.validation and data.test to 0"
        )
    parts = np.split(trajectories, np.cumsum(list(counts.values()))[:-1])
    return dict(zip(counts, parts, strict=True))


def known(data: Simulated, domain: Grid, simulations: Simulations, seed: int) -> Observations:
    """Return what training may see of simulations.

    Raises:
        InputError: A value that is seen is not finite, or nothing is seen to learn from or to
            validate on.
    """
    key = jax.random.fold_in(jax.random.key(seed), _NOISE)
    seen, mask = {}, data.mask(domain)
    for i, role in enumerate(ROLES[: 2 if data.validation else 1]):
        own = jax.random.fold_in(key, i)
        try:
            seen[role] = observe(mask, data.noise, domain, simulations[role], own)
        except ValueError as error:
            raise InputError(f"{role} simulations: {error}") from error
    if not data.validation:
        own = jax.random.fold_in(key, 2)
        parts = hold_out(seen["training"], data.held_out, own)
        seen = dict(zip(ROLES, parts, strict=False))
    seen["validation"] = without_starts(seen["validation"])
    for role, found in seen.items():
        if not np.asarray(found.parts[0].seen)[:, 1:].any():
            raise InputError(
                f"nothing is seen after the first frame that is left for {role}: observe more, "
                "change data.held_out, or set data.validation to 1"
            )
    return observations(**seen, noise=data.noise, held_out=not data.validation)


def observations(
    training: Observed, validation: Observed, noise: float = 0.0, held_out: bool = False
) -> Observations:
    """Bundle what is known of simulations, with noise relative to the scale."""
    return Observations(
        training,
        validation,
        statistics(training.parts, np.asarray(training.first.mean)),
        np.asarray(noise, real()),
        whole=bool(np.all(training.exact)),
        held_out=held_out,
    )


def observe(
    mask: Bool[np.ndarray, " time *shape"],
    noise: float,
    domain: Grid,
    trajectories: Float[Array, "simulation time *shape channels"],
    key: Key[Array, ""],
) -> Observed:
    """Return what a mask lets see of trajectories, with noise.

    The noise is relative to the standard deviation of what is seen of a channel. Values outside the
    mask are never used: they may be anything, NaN included. Static channels are known in full, and
    so is the first frame, with noise; no other place of a wall is measured.

    Raises:
        ValueError: A value inside the mask is not finite.
    """
    static = np.array([c.static for c in domain.channels])
    seen = np.broadcast_to(mask[..., None] | static, trajectories.shape)
    evolves = domain.evolves()
    program = programs.jit(_noisy, programs.ONCE)
    values, bad = program(trajectories, seen, evolves, noise, key)
    if bad:
        raise ValueError(f"{int(bad)} of the observed values are not finite numbers")
    first = First(
        mean=values[:, 0],
        measured=np.broadcast_to(evolves, values[:, 0].shape) if noise else None,
        kind="measured" if noise else "known",
    )
    complete = mask.reshape(len(mask), -1).all(1) & (noise == 0)
    return Observed(
        parts=(Dense(values, np.ascontiguousarray(seen & evolves)),),
        first=first,
        states=values if complete.any() else None,
        exact=np.broadcast_to(complete, values.shape[:2]),
    )


def hold_out(found: Observed, share: float, key: Key[Array, ""]) -> tuple[Observed, Observed]:
    """Split what is seen into a part to learn from and a part to validate on.

    Each cell and time after the first frame belongs to the latter with probability `share`. The
    first frames are learned from. What is not seen in full is no longer exact.
    """
    (part,) = found.parts
    learned, held = programs.jit(_split, programs.ONCE)(part, share, key)
    exact = np.array(found.exact)
    exact[:, 1:] = False
    training = replace(found, parts=(learned,), exact=exact)
    return training, replace(training, parts=(held,))


def _noisy(
    trajectories: Array, seen: Array, evolves: Array, noise: Array, key: Key[Array, ""]
) -> tuple[Array, Int[Array, ""]]:
    """Return what is seen, with noise on what evolves, and how many values are not finite."""
    values = jnp.where(seen, trajectories, 0)
    axes = tuple(range(values.ndim - 1))
    unit = magnitude(values, axes)
    scale = unit * jnp.std(values / unit, axes, where=seen)
    drawn = noise * scale * random_arrays.normal(key, values.shape)
    noisy = jnp.where(seen, values + jnp.where(evolves, drawn, 0), 0)
    return noisy, jnp.sum(~jnp.isfinite(values))


def _split(part: Dense, share: Array, key: Key[Array, ""]) -> tuple[Dense, Dense]:
    drawn = random_arrays.bernoulli(key, share, (*part.seen.shape[:-1], 1))
    first = jnp.arange(part.seen.shape[1]).reshape(1, -1, *(1,) * (part.seen.ndim - 2)) == 0
    held = part.seen & drawn & ~first
    return tuple(Dense(jnp.where(seen, part.values, 0), seen) for seen in (part.seen & ~held, held))


def _trajectories(
    structure: BoundPDE, numbers: Any, keys: Key[Array, " simulation"], steps: int, refinement: int
) -> Array:
    truth = join(structure, numbers)

    def trajectory(key: Key[Array, ""]) -> Array:
        path = rollout(truth, {}, truth.sample(key), steps)
        return restricted(truth.domain.coarsen(refinement), path, refinement)

    return jax.vmap(trajectory)(keys)
