"""What cooperation brings, for six PDEs of which little is seen: a proof of `profiling.proofs`.

Each PDE is an experiment, of which a quarter of the box is seen with 5 % noise: each player alone,
and in hybrid training. The recordings come from a grid twice as fine as the models', and test
simulations are used for the figures alone. A seed takes 5 to 20 minutes on two CPU cores.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

import hycojax as hj
from hycojax import commandline
from hycojax.commandline import Overridable
from hycojax.report.comparison import cell, table
from hycojax.report.figures import log_scale
from hycojax.run.directory import write_json

_EXPERIMENTS = Path(__file__).parents[1] / "experiments"
#: For each experiment what differs from its file. That of Burgers finds a field with the PDE alone.
EXPERIMENTS: dict[str, tuple[str, ...]] = {
    "heat": (),
    "advection": (),
    "burgers": (
        *("--schedule.cycles", "10", "--schedule.warmup", "2", "--interaction.alpha", "2"),
        *("--physical.solver.members", "2", "--physical.solver.solver.iterations", "10"),
    ),
    "gray_scott": (),
    "smoke": (),
    "navier_stokes": (),
}
SEEN = "--data.region.fraction", "0.25", "--data.noise", "0.05"
#: Of the others one seed is compared.
SEVERAL = "heat", "smoke", "navier_stokes"
SCHEMES = "alone", "hybrid"
#: Lines of a comparison, and what they are called here.
SYNTHETIC = {
    "synthetic only": "alone",
    "hybrid: synthetic": "hybrid",
}
PHYSICAL = {
    "physical only": "alone",
    "physical only, early stopping": "alone, early stopping",
    "hybrid: physical": "hybrid",
    "hybrid: physical, early stopping": "hybrid, early stopping",
}
#: How they are drawn.
COLORS = {
    "alone": "tab:gray",
    "alone, early stopping": "black",
    "hybrid": "tab:red",
    "hybrid, early stopping": "darkred",
}

#: For each experiment the lines of its comparison, with lists of numbers, one a seed.
Found = dict[str, dict[str, dict[str, list[float]]]]


#: What is written for the reader beside the tables: a figure, and the numbers of each seed.
FILES = "cooperation.png", "cooperation.json"
_ABOUT = f"""\
Six PDEs on 32 x 32 cells, a quarter of the box seen, with 5 % noise. Each is
`python -m hycojax.compare experiments/NAME.py --schemes alone hybrid` with the settings of
`profiling/cooperation.py`. Cells hold the mean over the seeds (lowest to highest), of advection,
Burgers and Gray-Scott one seed. nRMSE is the
relative L2 error of full rollouts from t = 0 on simulations that were never trained on, over the
whole domain. The recordings come from a grid twice as fine, with half the time step. "Early
stopping" takes the parameters that were best in validation.

![A dot for each seed, a line for the mean]({FILES[0]})

The numbers of each seed are in [{FILES[1]}]({FILES[1]})."""


def prove(directory: Path, seeds: int) -> str:
    """Run all comparisons that are not there yet; return the tables. The figure is kept there."""
    found: Found = {}
    for name, settings in EXPERIMENTS.items():
        experiment = experiment_of(name, (*SEEN, *settings))
        root, count = directory / name, seeds if name in SEVERAL else 1

        def tell(scheme: str, seed: int, root: Path = root) -> tuple:
            print(f"{root / scheme}-{seed}", flush=True)
            return ()

        found[name] = hj.compare(experiment, count, root, tell, SCHEMES).rows
    figure(found).savefig(directory / FILES[0], dpi=120)
    write_json(directory / FILES[1], found)
    return f"{_ABOUT}\n\n{tables(found)}"


@dataclass(frozen=True)
class _Options:
    experiment: Overridable


def experiment_of(name: str, words: Sequence[str]) -> hj.Experiment:
    """Return one of our experiments with the overrides of a command line."""
    file = _EXPERIMENTS / f"{name}.py"
    options = _Options(commandline.load(file))
    return commandline.parse(_Options, options, file, words, "hycojax.compare").experiment


def tables(found: Found) -> str:
    """Return two tables in Markdown: test errors of the networks; parameters, errors of the PDEs.

    Cells hold the mean over the seeds, and the range in brackets; parts of the box the mean alone.
    """
    parts = "seen, hidden part: alone", "hybrid"
    networks = ["", *SYNTHETIC.values(), "hybrid / alone", *parts]
    pdes = ["", *PHYSICAL.values(), "test nRMSE: alone", "hybrid"]
    first, second = [], []
    for name, rows in found.items():
        alone, hybrid = (rows[label] for label in SYNTHETIC)
        errors = [cell(rows[label].get("test", [])) for label in SYNTHETIC]
        parts = _parts(alone), _parts(hybrid)
        first.append([name, *errors, _ratio(hybrid, alone), *parts])
        errors = [cell(rows[label].get("parameter", [])) for label in PHYSICAL]
        alone, _, hybrid, _ = (cell(rows[label].get("test", [])) for label in PHYSICAL)
        second.append([name, *errors, alone, hybrid])
    return (
        f"Test nRMSE of the networks:\n\n{table(networks, first)}\n"
        "Relative error of the parameters, and test nRMSE of the PDEs:\n\n"
        f"{table(pdes, second)}"
    )


def _ratio(ours: dict[str, list[float]], theirs: dict[str, list[float]]) -> str:
    """Return how the mean errors compare; empty if all runs of one of them diverged."""
    if not ("test" in ours and "test" in theirs):
        return ""
    return f"{np.mean(ours['test']) / np.mean(theirs['test']):.2f}"


def _parts(values: dict[str, list[float]]) -> str:
    return ", ".join(f"{np.mean(values[k]):.2g}" for k in ("seen", "hidden") if k in values)


def figure(found: Found) -> Figure:
    """Show a dot for each seed, a line for the mean: networks on the left, parameters right."""
    drawn = Figure(figsize=(11, 0.5 * len(found) + 1.5), layout="constrained")
    left, right = drawn.subplots(1, 2, sharey=True)
    _panel(left, found, SYNTHETIC, "test")
    _panel(right, found, PHYSICAL, "parameter")
    left.set(title="networks: test nRMSE")
    right.set(title="PDEs: relative error of the parameters")
    left.set_yticks(range(len(found)), list(found))
    left.set(ylim=(len(found) - 0.5, -0.5))
    return drawn


def _panel(ax: Axes, found: Found, lines: dict[str, str], kind: str) -> None:
    for i, (label, title) in enumerate(lines.items()):
        offset = 0.7 * (i / (len(lines) - 1) - 0.5)
        for place, rows in enumerate(found.values()):
            values = rows[label].get(kind, [])
            height = place + offset
            color, once = COLORS[title], title if place == 0 else None
            ax.plot(values, [height] * len(values), "o", color=color, ms=3, alpha=0.6)
            mean = [np.mean(values) if values else np.nan] * 2
            ax.plot(mean, [height - 0.1, height + 0.1], color=color, lw=3, label=once)
    for place in range(1, len(found)):
        ax.axhline(place - 0.5, color="0.9", lw=0.8)
    log_scale(ax)
    ax.grid(axis="x", alpha=0.3)
    ax.legend(loc="upper center", bbox_to_anchor=(0.5, -0.05), ncols=3, fontsize=8)
