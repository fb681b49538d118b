"""Is it worth to cooperate? Each model alone, one-way both ways, and hybrid.

The same data, simulated or recorded, the same number of updates (no run ends early), the same
program, other weights. One-way from the network, the physics trains in the last quarter of the
cycles only. With equal trust each player learns from the other, whatever the recordings say of it.
Corrected physics is the PDE alone with a learned term: if that is much better, the PDE lacks one.
(An experiment that has a learned term trains it in all schemes.)
"Early stopping" means the parameters that were best in validation, as everywhere for the networks.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from hycojax.data import simulated
from hycojax.data.recordings import Recordings
from hycojax.errors import DivergedError, InputError, StoppedError
from hycojax.experiment import Experiment, Mode
from hycojax.fitting import fit, look
from hycojax.game.player import Player, Trust
from hycojax.game.state import NAMES
from hycojax.models.corrected import Corrected
from hycojax.networks import ConvNet
from hycojax.report import comparison
from hycojax.report.comparison import Comparison
from hycojax.run import directory as directories
from hycojax.run.directory import RunDir
from hycojax.run.loop import Logger
from hycojax.settings.checked import converted

Scheme = Callable[[Experiment], Experiment]


def _with(player: Player, **weights: Any) -> Player:
    return replace(player, weights=replace(player.weights, **weights))


def _synthetic_alone(experiment: Experiment) -> Experiment:
    return replace(experiment, synthetic=_with(experiment.synthetic, interaction=0.0))


def _physical_alone(experiment: Experiment) -> Experiment:
    return replace(experiment, physical=_with(experiment.physical, interaction=0.0))


def _fitted_to_the_network(experiment: Experiment) -> Experiment:
    """Return an experiment in which the physics is fitted to the network, one way.

    In the last quarter of the cycles, when it changes little; at most half of these turns are early
    ones.
    """
    cycles, warmup = experiment.schedule.cycles, experiment.schedule.warmup
    begin = max(3 * cycles // 4, warmup)
    physical = _with(experiment.physical, data=0.0, interaction=1.0)
    early = replace(physical.early, cycles=min(physical.early.cycles, (cycles - begin) // 2))
    physical = replace(physical, begin=begin, early=early)
    return replace(_synthetic_alone(experiment), physical=physical)


def _trusting(experiment: Experiment, trust: Trust) -> Experiment:
    """Return an experiment whose players trust each other so."""
    players = {name: _with(getattr(experiment, name), trust=trust) for name in NAMES}
    return replace(experiment, **players)


def _corrected(experiment: Experiment) -> Experiment:
    """Return an experiment of the PDE alone with a learned term of each cell, if it has none yet.

    One that reads neighbours could take the place of a diffusion (docs/guide.md).
    """
    model = experiment.physical.model
    if not isinstance(model, Corrected):
        model = Corrected(model, ConvNet(features=16, layers=2, width=1))
    physical = replace(experiment.physical, model=model)
    return replace(experiment, physical=physical, mode=Mode.PHYSICAL)


#: What is compared.
SCHEMES: dict[str, Scheme] = {
    "alone": lambda experiment: _synthetic_alone(_physical_alone(experiment)),
    "physics-to-network": _physical_alone,
    "network-to-physics": _fitted_to_the_network,
    "hybrid": lambda experiment: _trusting(experiment, Trust.EVIDENCE),
    "equal-trust": lambda experiment: _trusting(experiment, Trust.EQUAL),
    "corrected": _corrected,
}


def compare(
    experiment: Experiment,
    seeds: int = 3,
    run: Path | str | None = None,
    loggers: Callable[[str, int], Sequence[Logger]] = lambda scheme, seed: (),
    schemes: Sequence[str] = (),
) -> Comparison:
    """Train both players of an experiment in each scheme, for several seeds; return what was found.

    A run that diverges is left out, and counted. With simulated data, errors are taken against the
    truth, and the parameters have errors too. Recordings have no truth: errors are then those on
    the measurements that are set aside as a "test", or else for the validation ("held_out", or
    "test" if these are of other systems).

    Args:
        experiment: What to fit. Its mode is not used: both players train.
        seeds: How many, from the experiment's own on: weights, batches, and which of the recorded
            values are set aside; of simulated data initial states and noise.
        run: Directory that keeps the runs and the comparison: what is there already is not made
            again; None: no file is written.
        loggers: Who is told of a run, by its scheme and seed.
        schemes: What is compared, by names of `comparing.SCHEMES`; none: all of them.

    Raises:
        ValueError: The experiment can't be compared, or the directory holds runs of another one.
        StoppedError: Somebody asked to stop.
        DivergedError: All runs diverged.
    """
    if converted(int, seeds, "seeds") < 1:
        raise InputError(f"seeds = {seeds}: at least 1 is needed")
    _check(converted(Experiment, experiment, "experiment"))
    chosen = _chosen(schemes)
    schedule = replace(experiment.schedule, patience=None)
    try:
        plain = replace(experiment, mode=Mode.HYBRID, schedule=schedule)
    except ValueError as error:  # as of a PDE of which nothing is unknown
        raise InputError(f"a comparison trains both players: {error}") from error
    root = None if run is None else Path(converted(Path | str, run, "run"))
    recordings = None if experiment.simulated else experiment.read()
    found: dict[str, list[dict[str, Any]]] = {scheme: [] for scheme in chosen}
    for seed in range(experiment.seed, experiment.seed + seeds):
        own = _summaries(chosen, replace(plain, seed=seed), root, recordings, loggers)
        for scheme, summary in own.items():
            found[scheme].append(summary)
    if not any(found.values()):
        raise DivergedError(
            "all runs diverged, so there is nothing to compare: make the settings of the players "
            "gentler"
        )
    rows = [row for row in ROWS if row.scheme in chosen]
    compared = comparison.compared(experiment.name, seeds, found, rows)
    if root is not None:
        comparison.write(compared, root)
    return compared


def _chosen(names: Sequence[str]) -> dict[str, Scheme]:
    """Return schemes by their names; all of them if none is named."""
    names = (names,) if isinstance(names, str) else tuple(names or ())
    if unknown := [str(name) for name in names if name not in SCHEMES]:
        raise InputError(f"schemes: no {', '.join(unknown)}; there are {', '.join(SCHEMES)}")
    return {name: scheme for name, scheme in SCHEMES.items() if name in (names or SCHEMES)}


def _summaries(
    schemes: dict[str, Scheme],
    experiment: Experiment,
    root: Path | None,
    recordings: Recordings | None,
    loggers: Callable[[str, int], Sequence[Logger]],
) -> dict[str, dict[str, Any]]:
    """Return the summary of a seed by scheme, without runs that diverge."""
    found: dict[str, dict[str, Any]] = {}
    shared: dict[str, Any] = {}
    for scheme, change in schemes.items():
        directory = root / f"{scheme}-{experiment.seed}" if root else None
        summary = _finished(directory, change(experiment), recordings)
        if summary is None:
            shared = shared or _shared(experiment, recordings)
            told = {"run": directory, "resume": True, "loggers": loggers(scheme, experiment.seed)}
            try:
                summary = fit(change(experiment), **told, **shared).summary
            except DivergedError:
                continue
            if not summary["finished"]:
                raise StoppedError(f"stopped in {scheme}, seed {experiment.seed}")
        found[scheme] = summary
    return found


@dataclass(frozen=True)
class Row:
    """A line of the table: which player of which scheme, at its end or where it was best."""

    label: str
    scheme: str
    player: str
    last: bool = False


ROWS = (
    Row("physical only", "alone", "physical", last=True),
    Row("physical only, early stopping", "alone", "physical"),
    Row("corrected physics", "corrected", "physical"),
    Row("network to physics: physical", "network-to-physics", "physical"),
    Row("hybrid: physical", "hybrid", "physical", last=True),
    Row("hybrid: physical, early stopping", "hybrid", "physical"),
    Row("hybrid, equal trust: physical", "equal-trust", "physical", last=True),
    Row("synthetic only", "alone", "synthetic"),
    Row("physics to network: synthetic", "physics-to-network", "synthetic"),
    Row("hybrid: synthetic", "hybrid", "synthetic"),
    Row("hybrid, equal trust: synthetic", "equal-trust", "synthetic"),
)


def _shared(experiment: Experiment, recordings: Recordings | None) -> dict[str, Any]:
    """Return what all schemes of a seed learn from, as `fit` takes it."""
    if recordings is None:
        return {"simulations": simulated.simulate(*experiment.simulation)}
    return {"seen": look(experiment, recordings)}


def _check(experiment: Experiment) -> None:
    for name in NAMES:
        if not getattr(experiment, name).weights.data:
            raise InputError(
                f"{name}.weights.data = 0: a comparison trains each player alone too, and without "
                "a partner there is nothing else to fit"
            )


def _finished(
    root: Path | None, experiment: Experiment, recordings: Recordings | None
) -> dict[str, Any] | None:
    """Return the summary of a run that is made already, from the same recordings."""
    directory = None if root is None else RunDir(root)
    if directory is None or not directory.record.exists():
        return None
    directories.check_same(directory, experiment)
    if recordings is not None:
        directories.check_recordings(directory, recordings.digest)
    return directories.finished(directory)
