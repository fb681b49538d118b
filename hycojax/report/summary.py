"""What a run has come to, in numbers: summary.json, and the table on the terminal."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float
from rich.console import Console
from rich.table import Table

from hycojax.game.state import NAMES
from hycojax.grid.domain import Channel
from hycojax.inference.deviations import Doubt
from hycojax.kernels.precision import real
from hycojax.models import coefficients
from hycojax.models.pde import PDE, BoundPDE
from hycojax.report import evaluation
from hycojax.report.trust import FAR
from hycojax.solvers import Reason


@dataclass(frozen=True)
class Estimate:
    """A coefficient that was identified: numbers, or fields `[*shape]`.

    Attributes:
        estimate: Its value where the player was best in validation.
        start: Where the search began.
        last: Its value after the last cycle.
        unit: Of all of these.
        sd: Standard deviation, by the curvature of the likelihood; of a field that of its mean;
            None if the measurements say nothing.
        discretisation: How much larger it is than on a grid and with a step twice as fine, about;
            None if the PDE can't be solved there.
        spread: How far apart the ends of a search from many starts lie, which is no standard
            deviation; None of a search from one.
        true: The value that the simulations were made with; None for real recordings.
    """

    estimate: np.ndarray
    start: np.ndarray
    last: np.ndarray
    unit: str
    sd: np.ndarray | None = None
    discretisation: np.ndarray | None = None
    spread: np.ndarray | None = None
    true: np.ndarray | None = None

    @property
    def relative_error(self) -> float | None:
        """Relative L2 distance of the estimate from the true value; None without one."""
        return None if self.true is None else _off(self.estimate, self.true)

    def arrays(self) -> dict[str, np.ndarray]:
        """Return all values by name, without those that there are none of."""
        named = ("true", "start", "estimate", "sd", "discretisation", "last", "spread")
        return {n: getattr(self, n) for n in named if getattr(self, n) is not None}

    def in_short(self) -> dict[str, Any]:
        """Return it as numbers, means where it is a field."""
        found = {n: float(f"{float(np.mean(v)):.7g}") for n, v in self.arrays().items()}
        found["unit"] = self.unit
        if self.true is not None:
            found["relative_error"] = self.relative_error
            found["last_relative_error"] = _off(self.last, self.true)
        return found


def estimates(
    physics: BoundPDE,
    truth: PDE | None,
    best: dict[str, Any],
    last: dict[str, Any],
    spread: dict[str, Any],
    doubts: dict[str, Doubt],
) -> dict[str, Estimate]:
    """Return what was identified; best and last parameters are those of the optimiser."""
    starts = physics.starts()
    ends = physics.constrain(best), physics.constrain(last)
    true = true_values(physics, truth)
    return {
        name: Estimate(
            *(np.asarray(values[name]) for values in (ends[0], starts, ends[1])),
            unit=physics.units[name],
            sd=_finite(doubts[name].sd),
            discretisation=_finite(doubts[name].discretisation),
            spread=np.asarray(spread[name]) if name in spread else None,
            true=true.get(name),
        )
        for name in physics.unknowns
    }


def _finite(value: float) -> np.ndarray | None:
    return np.asarray(value, real()) if np.isfinite(value) else None


def unfinished(reason: str) -> list[str]:
    """Return a sentence if a search was stopped on its way."""
    if reason != Reason.ITERATION_LIMIT.words:
        return []
    return [
        "physical: the search was still under way when its iterations were over: estimates may be "
        "off by more than their standard deviations; give physical.solver more iterations, or play "
        "more cycles"
    ]


def unlikely(found: dict[str, float]) -> list[str]:
    """Return a sentence if the PDE is much further from the recordings than their noise."""
    seen = "own" if "own_nrmse" in found else "recorded"
    chi2 = found.get(f"{seen}_chi2", 0.0)
    if not chi2 > FAR:
        return []
    return [
        f"physical: the recordings refute the PDE as it was found: chi2 {chi2:.2g} per value, for "
        "the right model and noise 1. The PDE, its grid, the interval between its frames or sigma "
        "is wrong, or the search has ended at a wrong place: standard deviations mean nothing"
    ]


def coarse(parameters: dict[str, Estimate]) -> list[str]:
    """Return a sentence on each coefficient that the grid moves further than the noise does."""
    return [
        f"{name}: the grid and the step move it by {float(p.discretisation):+.2g}, more than its "
        f"standard deviation, {float(p.sd):.2g}: take physical.finer = 2"
        for name, p in parameters.items()
        if p.discretisation is not None and p.sd is not None and abs(p.discretisation) > p.sd
    ]


def true_values(physics: BoundPDE, truth: PDE | None) -> dict[str, np.ndarray]:
    """Return the true values of unknown coefficients that a truth has too, by name and unit."""
    if truth is None:
        return {}
    units = {name: about.unit for name, about in coefficients.quantities(truth).items()}
    known = dict(coefficients.bind(truth, physics.domain))
    found = {}
    for name, own in physics.unknowns.items():
        if units.get(name) == physics.units[name]:
            varies = isinstance(own, coefficients.UnknownField)
            value = known[name] if varies else np.mean(known[name])
            shape = physics.domain.shape if varies else ()
            found[name] = np.broadcast_to(np.asarray(value, real()), shape)
    return found


def correction(
    model: BoundPDE,
    paths: Float[np.ndarray, "simulation time *shape channels"],
    rates: Float[np.ndarray, "simulation time *shape channels"],
) -> dict[str, dict[str, Any]]:
    """Return the size of a learned term by channel, along trajectories.

    Args:
        model: The PDE with the term.
        paths: Trajectories that it predicts.
        rates: The term there, in units of the channels over a second.

    Returns:
        For each channel that evolves: "rate", its rms, "unit", and "share", the rms of what the
        term makes in an interval over that of the change.
    """
    found, axes = {}, tuple(range(paths.ndim - 1))
    size = np.sqrt(np.mean(rates**2, axes))
    change = np.sqrt(np.mean((paths[:, 1:] - paths[:, :-1]) ** 2, axes))
    for i in model.domain.dynamic:
        channel = model.channels[i]
        made = float(model.interval * size[i])
        share = made / float(change[i]) if change[i] else made and math.inf
        about = {"rate": float(size[i]), "unit": per_second(channel)}
        found[channel.name] = {**about, "share": share}
    return found


def per_second(channel: Channel) -> str:
    """Return the unit of a rate of a channel."""
    return "1/s" if channel.unit == "1" else f"{channel.unit}/s"


def show(summary: dict[str, Any], console: Console) -> None:
    """Print the results of a summary, and what it warns of.

    True values and errors of the coefficients are columns only where there are any, and so are the
    errors in the seen and the hidden part, and chi2.
    """
    results = {name: summary[name] for name in NAMES if name in summary}
    kind = evaluation.kind_of(results.values())
    table = Table("player", f"{evaluation.called(kind)} nRMSE")
    parts = _parts(kind, results)
    for title in parts:
        table.add_column(title)
    found = {name: own.get("parameters", {}) for name, own in results.items()}
    told = any("true" in p for own in found.values() for p in own.values())
    for title in ("parameter", "estimate", *(["error"] if told else [])):
        table.add_column(title)
    for name, own in results.items():
        errors = [f"{own[f'{kind}_nrmse']:.4f}"]
        errors += [
            " / ".join(f"{own[n]:.4g}" for n in names if n in own) for names in parts.values()
        ]
        for parameter, p in (found[name] or {"": None}).items():
            table.add_row(name, *errors, parameter, *([] if p is None else _cells(p)))
    console.print(table)
    if term := summary.get("physical", {}).get("correction"):
        console.print(_term(term))
    for sentence in summary.get("cooperation", ()):
        console.print(sentence, highlight=False)
    for sentence in summary.get("warnings", ()):
        console.print(f"warning: {sentence}", style="yellow", highlight=False)


def _parts(kind: str, results: dict[str, dict[str, Any]]) -> dict[str, tuple[str, ...]]:
    """Return the columns of errors next to the first, with the names of their numbers."""
    columns = {
        "seen / hidden part": (f"{kind}_nrmse_seen", f"{kind}_nrmse_hidden"),
        "chi2 a value": (f"{kind}_chi2",),
    }
    return {
        title: names
        for title, names in columns.items()
        if any(name in own for own in results.values() for name in names)
    }


def _cells(p: dict[str, Any]) -> list[str]:
    """Return the columns of a coefficient; of a field that of its mean."""
    deviation = f" ± {p['sd']:.2g}" if "sd" in p else ""
    unit = "" if p["unit"] == "1" else f" {p['unit']}"
    starts = f" (starts: {p['spread']:.2g} apart)" if "spread" in p else ""
    estimate = f"{p['estimate']:.5g}{deviation}{unit}{starts}"
    if "true" not in p:
        return [estimate]
    return [f"{estimate} (true {p['true']:.5g})", f"{100 * p['relative_error']:.2f} %"]


def _term(found: dict[str, dict[str, Any]]) -> Table:
    """Return a table of how large a learned term is."""
    table = Table("learned term", "rms rate", "share of the change")
    for name, own in found.items():
        table.add_row(name, f"{own['rate']:.4g} {own['unit']}", f"{100 * own['share']:.3g} %")
    return table


def _off(value: np.ndarray, true: np.ndarray) -> float:
    size = np.linalg.norm(true.astype(float)) or 1.0
    return float(np.linalg.norm(value - true.astype(float)) / size)
