"""python -m profiling.front HYBRID_RUN SYNTHETIC_RUN: the picture of the README, docs/front.png.

One channel at the end of the first test simulation: the truth, what is seen of it in training, and
what the network predicts, trained alone and in cooperation. The runs are of one experiment and
seed:

    python -m hycojax.train experiments/smoke.py
    python -m hycojax.train experiments/smoke.py --mode synthetic
    python -m profiling.front runs/smoke/hybrid-0 runs/smoke/synthetic-0 --channel velocity_y
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import tyro
from matplotlib.figure import Figure

import hycojax as hj
from hycojax import commandline
from hycojax.settings.values import as_json, differences


@dataclass(frozen=True)
class Options:
    """Draw what cooperation makes of a network."""

    hybrid: tyro.conf.Positional[Path]
    """Directory of the run in hybrid mode."""
    synthetic: tyro.conf.Positional[Path]
    """Directory of the run in synthetic mode."""
    channel: str | None = None
    """Name of the channel; None: the first one that evolves."""
    out: Path = Path("docs/front.png")
    """The file to write."""


def main(words: list[str]) -> None:
    """Run the command."""
    options = tyro.cli(Options, prog="python -m profiling.front", args=words)
    hybrid, alone = hj.load(options.hybrid), hj.load(options.synthetic)
    _check(hybrid, alone)
    figure = draw(hybrid, alone, _channel(hybrid, options.channel))
    figure.savefig(options.out, dpi=110)
    print(f"picture: {options.out}")


def draw(hybrid: hj.Result, alone: hj.Result, channel: int) -> Figure:
    """Return the four panels, in the same colours."""
    experiment = hybrid.experiment
    truth = hybrid.tried["test"].truth[0, -1, ..., channel]
    seen = experiment.mask()[-1]
    predicted = [r.predictions["synthetic"]["test"].values[0, -1] for r in (alone, hybrid)]
    panels = {"truth": truth, f"seen in training: {seen.mean():.0%}": np.where(seen, truth, np.nan)}
    for title, state in zip(("network alone", "hybrid network"), predicted, strict=True):
        values = state[..., channel]
        panels[f"{title}: {_off(values, truth):.0%} off"] = values
    figure = Figure(figsize=(3.1 * len(panels), 3.5), layout="constrained")
    axes = figure.subplots(1, len(panels))
    limits = {"vmin": float(truth.min()), "vmax": float(truth.max())}
    for ax, (title, values) in zip(axes, panels.items(), strict=True):
        image = ax.imshow(values.T, origin="lower", cmap="magma", **limits)
        ax.set(xticks=[], yticks=[], facecolor="0.75")
        ax.set_title(title, fontsize=11)
    about, end = experiment.physics.channels[channel], experiment.interval * experiment.data.steps
    bar = figure.colorbar(image, ax=list(axes), shrink=0.8, pad=0.01)
    bar.set_label(f"{about.name} [{about.unit}], t = {end:g} s", fontsize=10)
    return figure


def _check(hybrid: hj.Result, alone: hj.Result) -> None:
    """Check that two runs differ in nothing but their mode.

    Raises:
        InputError: They do, or there is nothing to draw.
    """
    modes = [result.experiment.mode for result in (hybrid, alone)]
    if modes != [hj.Mode.HYBRID, hj.Mode.SYNTHETIC]:
        found = ", ".join(mode.value for mode in modes)
        raise hj.InputError(f"runs in mode hybrid and synthetic are needed, not {found}")
    one, other = (as_json(replace(r.experiment, mode=modes[0])) for r in (hybrid, alone))
    if changes := differences(one, other):
        raise hj.InputError(f"the runs differ in more than their mode: {'; '.join(changes)}")
    if "test" not in hybrid.tried or hybrid.experiment.domain.dims != 2:
        raise hj.InputError("test simulations in two dimensions are needed")


def _channel(result: hj.Result, name: str | None) -> int:
    """Return the index of a channel.

    Raises:
        InputError: There is none of that name.
    """
    grid = result.experiment.physics.domain
    names = [channel.name for channel in grid.channels]
    if name is None:
        return grid.dynamic[0]
    if name not in names:
        raise hj.InputError(f"channel = {name}: there are {', '.join(names)}")
    return names.index(name)


def _off(values: np.ndarray, truth: np.ndarray) -> float:
    """Return the relative L2 error."""
    return float(np.linalg.norm(values - truth) / np.linalg.norm(truth))


if __name__ == "__main__":
    commandline.run(main)
