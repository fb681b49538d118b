"""From recordings to observations: what instruments measured, as a model meets it."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace

import numpy as np

from hycojax.data import boundaries, first_guess, roles
from hycojax.data.first_states import FirstState
from hycojax.data.lines import SAME, Table, means_of_systems, site, static_fields, tables
from hycojax.data.noise import noise_of_lines
from hycojax.data.observations import (
    First,
    Observations,
    Observed,
    Statistics,
    View,
    statistics,
    without_starts,
)
from hycojax.data.parts import EXACT, cell_states, parts
from hycojax.data.recordings import Film, Recordings
from hycojax.data.roles import Role
from hycojax.data.splits import Split, Systems
from hycojax.data.units import in_units
from hycojax.data.views import Views
from hycojax.errors import InputError
from hycojax.grid.domain import Grid
from hycojax.kernels.precision import check_size, real
from hycojax.models.pde import BoundPDE

#: Noise, over the scale, of measurements of which nothing tells how much they have.
_UNKNOWN = 0.05
#: Numbers in the frames of all systems.
_MOST = 2**32


@dataclass(frozen=True)
class Seen:
    """What recordings are for a model.

    Attributes:
        known: What training may see.
        every: The same for reports: all measurements, each with its own noise.
        test: What is kept for the final figures; None: nothing.
        interval: Time between the model's frames, in seconds.
        told: Sentences on what was assumed, and how the first states are known.
        digest: Of the recordings; empty if nobody needs it.
    """

    known: Observations
    every: Observations
    test: Observed | None
    interval: float
    told: tuple[str, ...]
    digest: str = ""


def interval_of(recordings: Recordings) -> float | None:
    """Return the usual time between the frames of films; None if there is no film."""
    steps = [
        np.diff(series.times)
        for system in recordings.systems
        for series in system.series
        if isinstance(series, Film) and series.times is not None and len(series.times) > 1
    ]
    return float(f"{np.median(np.concatenate(steps)):.9g}") if steps else None


def seen(recordings: Recordings, physics: BoundPDE, seed: int) -> Seen:
    """Return what recordings are for a model, at its frames.

    Raises:
        InputError: They do not suit the model; the message says what.
    """
    grid = physics.domain
    recordings, told = in_units(recordings, {c.name: c.unit for c in grid.channels})
    told += boundaries.told(recordings, grid.boundary) + recordings.left_out
    told += _unused(recordings, grid)
    every = Role(tables(recordings, grid, physics.interval), static_fields(recordings, grid))
    _check_precision(every.tables, grid)
    frames = _frames(every, grid, physics.interval)
    learned, held, test = _divided(every, recordings, seed, grid)
    if not held.tables:
        raise InputError("validation: nothing is set aside; choose a larger share")
    overall = statistics(parts(learned, grid, frames), learned.static)
    _check_spread(overall, grid)
    found = replace(overall, std=_within_systems(learned, overall))
    learned, held, test = (_with_relative(r, recordings, found) for r in (learned, held, test))
    guesses = _guesses(learned.tables, found)
    learned, held, test = (_filled(role, guesses, found) for role in (learned, held, test))
    noise = _noise(learned.tables, found)
    about = _About(recordings, physics, frames, found, noise)
    views = _views(about, learned, guesses)
    first = max((v.training.first for v in views.values()), key=_knowledge, default=None)
    training = _training(about, learned, recordings.first, first)
    validation = _aside(about, held, recordings.validation, training)
    each = [view.training for view in views.values()] or [training]
    observations = Observations(
        training,
        validation,
        overall,
        np.asarray(noise, real()),
        whole=all(bool(np.all(own.exact)) for own in each),
        held_out=not isinstance(recordings.validation, Systems),
        sure=not guesses,
        spread=found.std,
    )
    known = _apart(about, held, observations, views) if views else observations
    kept = _aside(about, test, recordings.test, training) if test.tables else None
    sentences = (*told, *_said(known, recordings))
    return Seen(known, observations, kept, physics.interval, sentences)


@dataclass(frozen=True)
class _About:
    """What holds for all lines: the noise is their mean over the scale."""

    recordings: Recordings
    physics: BoundPDE
    frames: int
    found: Statistics
    noise: float


def _training(
    about: _About, role: Role, setting: FirstState | None, first: First | None = None
) -> Observed:
    """Return what is learned from, with its first states as it tells them, if they aren't given."""
    training = _observed(about, role)
    if first is None:
        lines = role, training, about.found, about.noise
        first = first_guess.first_states(setting, about.physics, *lines)
    training = replace(training, first=first)
    return without_starts(training) if first.kind == "known" else training


def _aside(about: _About, role: Role, split: Split, training: Observed) -> Observed:
    """Return what is set aside: whole systems with first states of their own, or parts of others.

    Those of whole systems must be complete.
    """
    observed = _observed(about, role)
    if not isinstance(split, Systems):
        return replace(observed, first=training.first)
    lines, setting = (about.found, about.noise), about.recordings.first
    first = first_guess.first_states(setting, about.physics, role, observed, *lines)
    if first.kind == "estimated":
        raise InputError(
            "the first states of systems that are set aside as a whole are not known: set aside a "
            "share of the values, or the last part of the time"
        )
    if first.kind == "measured":  # no search finds these: their noise would be in each later frame
        first = first_guess.smoothed(about.physics, role, *lines)
    return without_starts(replace(observed, first=first))


def _views(about: _About, learned: Role, guesses: Collection[tuple[int, int]]) -> dict[str, View]:
    """Return what each player learns from; nothing if both learn from the same."""
    uses = about.recordings.uses if isinstance(about.recordings, Views) else {}
    return {name: _view(about, learned, guesses, name, use.first) for name, use in uses.items()}


def _view(
    about: _About,
    learned: Role,
    guesses: Collection[tuple[int, int]],
    name: str,
    setting: FirstState | None,
) -> View:
    """Return what a player learns from: it counts by its own noise, as if there were no more."""
    role = roles.of(learned, name)
    if not any(t.time.max() > 0 for t in role.tables):
        raise InputError(f"{name}.data: nothing is left to learn from after the first state")
    noise = _noise(role.tables, about.found)
    training = _training(replace(about, noise=noise), role, setting)
    sure = not any((t.channel, t.series) in guesses for t in role.tables)
    return View(training, np.asarray(noise, real()), sure)


def _apart(
    about: _About, held: Role, observations: Observations, views: dict[str, View]
) -> Observations:
    """Return what is known of a system as players with views learn from it, and are compared.

    No value that is held out counts for more than one with the noise of the noisier player: few
    exact ones would decide alone which player is better, and they lie where one of them has learned
    and the other has not.
    """
    level, std = max(float(view.noise) for view in views.values()), about.found.std
    tables = [replace(t, sigma=np.maximum(t.sigma, level * std[t.channel])) for t in held.tables]
    alike = _observed(replace(about, noise=level), Role(tables, held.static)).parts
    validation = replace(observations.validation, parts=alike)
    if not observations.held_out:
        validation = without_starts(validation)
    noise = np.asarray(level, real())
    return replace(observations, validation=validation, noise=noise, views=views)


def _knowledge(first: First) -> int:
    """Return how well first states are known."""
    return ("estimated", "measured", "known").index(first.kind)


def _said(found: Observations, recordings: Recordings) -> tuple[str, str]:
    """Return how the first states are known, and the noise, in a sentence each."""
    all_of = {name: found.of(name) for name in found.views or {"": found}}

    def each(words: dict[str, str]) -> str:
        return ", ".join(f"{own} ({name})" if name else own for name, own in words.items())

    kinds = {name: own.training.first.kind for name, own in all_of.items()}
    said = f"first states: {each(kinds)}"
    aside = any(isinstance(p, Systems) for p in (recordings.validation, recordings.test))
    if "measured" in kinds.values() and aside:
        said += "; those of systems that are set aside are smoothed, and add to the errors there"
    shares = {
        name: f"{100 * float(own.noise):.2g} % of the scale"
        + ("" if own.sure else ", by the values alone")
        for name, own in all_of.items()
    }
    return said, f"noise: {each(shares)}"


def _divided(every: Role, recordings: Recordings, seed: int, grid: Grid) -> tuple[Role, Role, Role]:
    """Return what is learned from, and what is set aside for the validation and as a test.

    Whole systems are set aside first: a part of the others is a test of systems that are trained
    on. What players see in two ways is set aside in both.
    """
    if isinstance(recordings.validation, Systems) and not isinstance(recordings.test, Systems):
        rest, held = roles.divided(every, recordings.validation, seed + 1)
        learned, test = roles.divided(rest, recordings.test, seed)
    else:
        rest, test = roles.divided(every, recordings.test, seed)
        learned, held = roles.divided(rest, recordings.validation, seed + 1)
    if isinstance(recordings, Views):
        of_test = [] if isinstance(recordings.test, Systems) else [test]
        of_both = of_test if isinstance(recordings.validation, Systems) else [held, *of_test]
        learned = roles.without(learned, of_both, grid)
        held = held if of_both is of_test else roles.without(held, of_test, grid)
    return learned, held, test


def _unused(recordings: Recordings, grid: Grid) -> list[str]:
    """Return a sentence on known numbers that no channel of the model stands for, if any."""
    known = dict.fromkeys(name for system in recordings.systems for name in system.numbers)
    names = [name for name in known if name not in [c.name for c in grid.channels if c.static]]
    return [f"numbers that the model has no channel for: {', '.join(names)}"] if names else []


def _frames(every: Role, grid: Grid, interval: float) -> int:
    """Return how many frames the recordings last.

    Raises:
        InputError: There is one only, or there are more than a memory holds.
    """
    frames = 1 + max(int(np.ceil(t.time.max() - SAME)) for t in every.tables)
    if frames < 2:
        raise InputError("nothing is recorded after the first state: see `begin` and `interval`")
    if frames * every.static.size > _MOST:
        raise InputError(
            f"interval = {interval:g}: the recordings last {frames - 1} of them, which no memory "
            "holds at all cells; take a longer one"
        )
    return frames


def _check_precision(tables: list[Table], grid: Grid) -> None:
    """Check that values and their errors are of a size that training can compute with."""
    for table in tables:
        name = grid.channels[table.channel].name
        _check_size(f"values of {name}", float(np.abs(table.value).max()))
        _check_size(f"sigma of {name}", float(np.nanmax(table.sigma, initial=0)))


def _check_size(name: str, *numbers: float) -> None:
    """Check that numbers of a recording are of a size that training can compute with."""
    try:
        check_size(name, *numbers)
    except ValueError as error:
        raise InputError(str(error)) from error


def _check_spread(found: Statistics, grid: Grid) -> None:
    """Check that training can compute with the mean of values and with their spread about it."""
    for channel, mean, std in zip(grid.channels, found.mean, found.std, strict=True):
        _check_size(f"values of {channel.name}", float(max(abs(mean), std)), float(std))


def _within_systems(role: Role, found: Statistics) -> np.ndarray:
    """Return the standard deviation of each channel about the mean of its system.

    Where systems differ by more than what happens in each, as rooms of other temperatures, the
    noise is small beside all of them, and no smaller beside what is to be told.
    """
    systems, spread = len(role.static), np.array(found.std)
    for c in range(len(spread)):
        own = [t for t in role.tables if t.channel == c]
        if not own:
            continue
        system, value = (np.concatenate([getattr(t, n) for t in own]) for n in ("system", "value"))
        count, mean = means_of_systems(system, value, systems)
        square = float(np.sum((value - mean[system]) ** 2))
        freedom = len(value) - np.count_nonzero(count)
        if freedom > 0 and square > 1e-12 * np.sum(value**2):
            spread[c] = np.sqrt(square / freedom)
    return spread


def _observed(about: _About, role: Role) -> Observed:
    """Return what is known of systems, but for their first states."""
    grid, frames = about.physics.domain, about.frames
    built = parts(role, grid, frames, about.found, about.noise)
    systems, evolves = len(role.static), grid.evolves()
    exact, states = np.zeros((systems, frames), bool), None
    sure = [t.only(t.sigma == 0) for t in role.tables if t.cell is not None]
    if any(len(t.value) for t in sure):
        values, seen = cell_states(sure, grid, frames, systems)
        exact = (seen | ~evolves).reshape(systems, frames, -1).all(-1)
        if exact.any():
            states = (values + np.where(evolves, 0, role.static[:, None])).astype(real())
    first = First(np.asarray(role.static, real()))
    return Observed(tuple(built), first, states, exact)


def _with_relative(role: Role, recordings: Recordings, found: Statistics) -> Role:
    """Return a role in which a sigma that is unknown is a share of the channel's spread."""
    uses = recordings.uses if isinstance(recordings, Views) else {}

    def known(table: Table) -> Table:
        share = uses.get(next(iter(table.players), ""), recordings).relative_sigma
        if share is None:
            return table
        return _with_sigma(table, share * float(found.std[table.channel]))

    return Role(list(map(known, role.tables)), role.static)


def _guesses(tables: list[Table], found: Statistics) -> dict[tuple[int, int], float]:
    """Return sigma of each instrument for each channel, where it is not known, by its values."""
    squares: dict[tuple[int, int], list[float]] = {}
    for table in tables:
        unknown = table.only(np.isnan(table.sigma))
        if not len(unknown.value):
            continue
        guess = noise_of_lines(unknown.value, unknown.system, unknown.time, site(unknown))
        own = _UNKNOWN * float(found.std[table.channel]) if guess is None else guess
        squares.setdefault((table.channel, table.series), []).append(own**2)
    return {key: float(np.sqrt(np.mean(own))) for key, own in squares.items()}


def _filled(role: Role, guesses: dict[tuple[int, int], float], found: Statistics) -> Role:
    """Return a role in which each sigma that is unknown is a guess; it is never 0, as if exact."""
    filled = []
    for table in role.tables:
        scale = float(found.std[table.channel])
        guess = guesses.get((table.channel, table.series), _UNKNOWN * scale)
        filled.append(_with_sigma(table, max(guess, EXACT * scale / 2)))
    return Role(filled, role.static)


def _with_sigma(table: Table, sigma: float) -> Table:
    return replace(table, sigma=np.where(np.isnan(table.sigma), sigma, table.sigma))


def _noise(tables: list[Table], found: Statistics) -> float:
    """Return the mean noise over the scale of all that is not exact; 0 if all is."""
    precision, count = 0.0, 0
    for table in tables:
        relative = table.sigma / float(found.std[table.channel])
        relative = relative[relative > EXACT]
        precision, count = precision + np.sum(relative**-2.0), count + len(relative)
    return float(np.sqrt(count / precision)) if count else 0.0
