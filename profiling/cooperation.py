"""python -m profiling.cooperation: what cooperation brings, for six PDEs with more and less to see.

Each PDE is an experiment, run by `hycojax.compare` in three cases: all of the box is seen with 2 %
noise; half of it; a quarter with 5 %. In all of them the recordings come from a grid twice as fine
as the models', and test simulations are used for the figures alone. Tables, a figure and the
numbers of each seed are written to the run directory. A command that was stopped goes on where it
was; a comparison takes 10 to 40 minutes on two CPU cores, and there are 18.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import tyro
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from rich.console import Console
from rich.markdown import Markdown

from hycojax import commandline, compare
from hycojax.failure import InputError
from hycojax.figures import log_scale
from hycojax.rundir import write_json

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
CASES: dict[str, tuple[str, ...]] = {
    "full": ("--observation.region.fraction", "1.0", "--observation.noise", "0.02"),
    "half": ("--observation.region.fraction", "0.5", "--observation.noise", "0.02"),
    "quarter": ("--observation.region.fraction", "0.25", "--observation.noise", "0.05"),
}
#: Lines of a comparison, and what they are called here.
SYNTHETIC = {
    "synthetic only": "alone",
    "physics to network: synthetic": "taught by the physics",
    "hybrid: synthetic": "hybrid",
}
PHYSICAL = {
    "physical only": "alone",
    "physical only, early stopping": "alone, early stopping",
    "network to physics: physical": "fitted to the network",
    "hybrid: physical": "hybrid",
    "hybrid: physical, early stopping": "hybrid, early stopping",
}
#: How they are drawn.
COLORS = {
    "alone": "tab:gray",
    "alone, early stopping": "black",
    "taught by the physics": "tab:orange",
    "fitted to the network": "tab:orange",
    "hybrid": "tab:red",
    "hybrid, early stopping": "darkred",
}

#: For each experiment and case the lines of its comparison, with lists of numbers, one a seed.
Found = dict[tuple[str, str], dict[str, dict[str, list[float]]]]


@dataclass(frozen=True)
class Options:
    """Compare hybrid training with its parts on six PDEs."""

    only: tuple[str, ...] = tuple(EXPERIMENTS)
    """Experiments."""
    seeds: int = 3
    """Seeds for each."""
    run_dir: Path = Path("runs/cooperation")
    """Where the runs and the results are kept."""


def main(options: Options) -> None:
    """Run the command."""
    if unknown := set(options.only) - set(EXPERIMENTS):
        raise InputError(
            f"only: no {', '.join(sorted(unknown))}; there are {', '.join(EXPERIMENTS)}"
        )
    found: Found = {}
    for name in options.only:
        for case, words in CASES.items():
            root = options.run_dir / f"{name}-{case}"
            where = ("--seeds", str(options.seeds), "--run-dir", str(root))
            compare.main([f"experiments/{name}.py", *words, *EXPERIMENTS[name], *where])
            found[name, case] = json.loads((root / "comparison.json").read_text())["rows"]
    seeds = {f"{name} {case}": rows for (name, case), rows in found.items()}
    write_json(options.run_dir / "cooperation.json", seeds)
    text = tables(found)
    (options.run_dir / "cooperation.md").write_text(text)
    figure(found).savefig(options.run_dir / "cooperation.png", dpi=120)
    Console().print(Markdown(text))


def tables(found: Found) -> str:
    """Return two tables in Markdown: test errors of the networks; parameters, errors of the PDEs.

    Cells hold the mean over the seeds, and the range in brackets; parts of the box the mean alone.
    """
    parts = "seen, hidden part: alone", "hybrid"
    networks = ["", "seen", *SYNTHETIC.values(), "hybrid / alone", *parts]
    pdes = ["", "seen", *PHYSICAL.values(), "test nRMSE: alone", "hybrid"]
    first, second = [], []
    for (name, case), rows in found.items():
        alone, _, hybrid = (rows[label] for label in SYNTHETIC)
        errors = [compare.cell(rows[label].get("test", [])) for label in SYNTHETIC]
        parts = _parts(alone), _parts(hybrid)
        first.append([name, case, *errors, _ratio(hybrid, alone), *parts])
        errors = [compare.cell(rows[label].get("parameter", [])) for label in PHYSICAL]
        alone, *_, hybrid, _ = (compare.cell(rows[label].get("test", [])) for label in PHYSICAL)
        second.append([name, case, *errors, alone, hybrid])
    return (
        f"Test nRMSE of the networks:\n\n{compare.table(networks, first)}\n"
        "Relative error of the parameters, and test nRMSE of the PDEs:\n\n"
        f"{compare.table(pdes, second)}"
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
    left.set_yticks(range(len(found)), [f"{name}, {case}" for name, case in found])
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


if __name__ == "__main__":
    commandline.run(lambda words: main(tyro.cli(Options, prog="profiling.cooperation", args=words)))
