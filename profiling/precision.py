"""python -m profiling.precision: work against precision of the PDEs' steps, beside their peers.

The same initial states, at 16 to 128 cells along the box and in 1 to 16 steps an interval; how far
off the state is after some intervals, and what a simulated second costs, forward and with its
gradient by the initial state. One figure a PDE, and a table of the least time for each error:

    ours       the models of `hycojax.physics`
    exponax    exponax's steppers, of order 4
    PhiFlow    PhiFlow's own functions (`phiflow_steps.py`)

The truth is exponax's, on 256 cells and in 64 steps an interval, in double precision. Where it has
no such PDE, in closed boxes and with coefficients that vary, the truth is our own on 256 cells, and
grids have 64 cells at most; that this truth is right is the matter of tests (closed-form solutions,
orders of convergence). Each solver is compared in what it holds: means over cells, or values at
nodes. Times are warm medians, after `block_until_ready`, in single precision.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import jax
import jax.numpy as jnp
import matplotlib.pyplot as plt
import numpy as np
import tyro
from jaxtyping import Array
from rich.console import Console
from rich.markdown import Markdown
from rich.progress import track

import hycojax as hj
from hycojax.grid.transfers import restricted
from hycojax.models.coefficients import values
from hycojax.models.model import rollout
from hycojax.models.pde import BoundPDE
from hycojax.report.comparison import table
from profiling import clock, phiflow_steps, reference
from profiling.reference import PROBLEMS

#: Cells of the truth along the box, and its steps an interval.
FINEST, STEPS = 256, 64
#: Intervals after which states are compared.
INTERVALS = 4
#: Errors for which the least time is told.
LEVELS = (1e-1, 1e-2, 1e-3, 1e-4, 1e-5)
#: PDEs that exponax does not have: the PDE, side of the box, interval, how the box ends.
OWN: dict[str, tuple[hj.PDE, float, float, hj.Boundary]] = {
    "heat_field": (hj.physics.Heat(hj.Waves(2e-3, 1e-3)), 1.0, 0.1, hj.PERIODIC),
    "heat_closed": (hj.physics.Heat(2e-3), 1.0, 0.1, hj.CLOSED),
    "advection_field": (hj.physics.Advection(hj.Waves(1.0, 0.3)), 100.0, 2.0, hj.PERIODIC),
    "smoke": (hj.physics.Smoke(), 100.0, 2.0, hj.CLOSED),
    "navier_stokes": (hj.physics.NavierStokes(), 100.0, 2.0, hj.CLOSED),
}
#: Of these: the largest grid, and steps an interval of the truth.
OWN_CELLS, OWN_STEPS = 64, 32
FIGURES = Path(__file__).parent / "figures"
STYLES = {"ours": "o-", "exponax": "s--", "PhiFlow": "^:"}


@dataclass(frozen=True)
class Options:
    """Measure work against precision."""

    only: tuple[str, ...] = ()
    """PDEs; none: all."""
    cells: tuple[int, ...] = (16, 32, 64, 128)
    """Cells along the box."""
    pieces: tuple[int, ...] = (1, 2, 4, 8, 16)
    """Steps in an interval."""
    repeats: int = 5
    """Timed runs of each program."""


@dataclass(frozen=True)
class Run:
    """A solver on a grid, as a program.

    Attributes:
        solver: Its name.
        cells: Along the box.
        pieces: Steps an interval.
        advance: From an initial state to that at the end.
        start: The initial state.
        end: The truth at the end, as this solver holds it.
    """

    solver: str
    cells: int
    pieces: int
    advance: Callable[[Array], Array]
    start: np.ndarray
    end: np.ndarray


@dataclass(frozen=True)
class Point:
    """How far off a run ends, and the milliseconds that a simulated second of it takes."""

    run: Run
    error: float
    forward: float
    gradient: float


def main() -> None:
    """Run the command."""
    options, console = tyro.cli(Options, prog="python -m profiling.precision"), Console()
    console.print(f"{clock.device()}: milliseconds a simulated second", highlight=False)
    for name in options.only or (*PROBLEMS, *OWN):
        made = runs(name, options) if name in PROBLEMS else own_runs(name, options)
        found = track(list(made), name, console=console, transient=True)
        points = [measured(name, run, options.repeats) for run in found]
        draw(name, points)
        console.print(Markdown(f"**{name}**\n\n{least(points)}"))


def measured(name: str, run: Run, repeats: int) -> Point:
    """Return what a run costs, and its relative L2 error."""
    start = jnp.asarray(run.start, jnp.float32)
    interval = PROBLEMS[name].interval if name in PROBLEMS else OWN[name][2]
    seconds = INTERVALS * interval
    forward, _ = clock.compiled(run.advance, (start,))
    loss = jax.grad(lambda state: jnp.mean(run.advance(state) ** 2))
    gradient, _ = clock.compiled(loss, (start,))
    found = np.asarray(forward(start), np.float64)
    error = float(np.linalg.norm(found - run.end) / np.linalg.norm(run.end))
    times = (1e3 * clock.median(p, (start,), repeats, 2.0) / seconds for p in (forward, gradient))
    return Point(run, error if np.isfinite(error) else float("inf"), *times)


def least(points: list[Point]) -> str:
    """Return the table of the least times that reach an error: forward / with the gradient."""
    solvers = [s for s in STYLES if any(p.run.solver == s for p in points)]
    lines = [
        [f"{level:.0e}", *(_cheapest(points, solver, level) for solver in solvers)]
        for level in LEVELS
    ]
    return table(("error", *solvers), lines)


def _cheapest(points: list[Point], solver: str, level: float) -> str:
    good = [p for p in points if p.run.solver == solver and p.error <= level]
    if not good:
        return "not reached"
    best, gradient = min(good, key=lambda p: p.forward), min(p.gradient for p in good)
    return f"{best.forward:.3g} / {gradient:.3g} ({best.run.cells} cells, {best.run.pieces} steps)"


def draw(name: str, points: list[Point]) -> None:
    """Draw error over time, forward and with the gradient: the points, and which are not beaten."""
    figure, axes = plt.subplots(1, 2, figsize=(9, 4), sharey=True, layout="constrained")
    for axis, kind in zip(axes, ("forward", "gradient"), strict=True):
        for number, (solver, style) in enumerate(STYLES.items()):
            own = [(getattr(p, kind), p.error) for p in points if p.run.solver == solver]
            own = sorted((t, e) for t, e in own if e < 1)
            if not own:
                continue
            best = [(t, e) for t, e in own if all(e <= f for s, f in own if s <= t)]
            color = f"C{number}"
            axis.loglog(*np.transpose(own), style[0], color=color, alpha=0.25)
            axis.loglog(*np.transpose(best), style, color=color, label=solver)
        axis.set(title=kind, xlabel="time of a simulated second [ms]")
        axis.grid(alpha=0.3)
    axes[0].set(ylabel="relative error")
    axes[0].legend()
    figure.suptitle(f"{name}, {clock.device()}")
    FIGURES.mkdir(exist_ok=True)
    figure.savefig(FIGURES / f"precision_{name}.png", dpi=110)
    plt.close(figure)


def runs(name: str, options: Options) -> Iterator[Run]:
    """Return all runs of a PDE."""
    start, end = truth(name)
    recorded = PROBLEMS[name].recorded
    seen = [np.asarray(recorded(jnp.asarray(nodes))) for nodes in (start, end)]
    for cells in options.cells:
        states = [reference.over_cells(name, nodes, cells) for nodes in seen]
        step = FINEST // cells
        nodes = [np.asarray(values[..., ::step, ::step]) for values in (start, end)]
        for pieces in options.pieces:
            ours, phiflow = _ours(name, cells, pieces), _phiflow(name, cells, pieces)
            yield Run("ours", cells, pieces, ours, *states)
            yield Run("exponax", cells, pieces, _exponax(name, cells, pieces), *nodes)
            if name != "kolmogorov" or cells <= 64:  # its pressure solve takes minutes
                yield Run("PhiFlow", cells, pieces, phiflow, *states)


def truth(name: str) -> tuple[np.ndarray, np.ndarray]:
    """Return nodes of the first and the last state, as exponax steps them."""
    with jax.enable_x64(True):
        coarse = jnp.asarray(PROBLEMS[name].draw(jax.random.key(0)), jnp.float64)
        start = reference.refined(coarse, FINEST)
        end = jax.jit(_exponax(name, FINEST, STEPS))(start)
        return np.asarray(start), np.asarray(end)


def own_runs(name: str, options: Options) -> Iterator[Run]:
    """Return all runs of a PDE that exponax does not have."""
    with jax.enable_x64(True):
        finest = _bound(name, FINEST, 1, OWN_STEPS)
        start = finest.sample(jax.random.key(0)).astype(jnp.float64)
        end = jax.jit(lambda s: rollout(finest, {}, s, INTERVALS)[-1])(start)
    for cells in [n for n in options.cells if n <= OWN_CELLS]:
        grid = _bound(name, cells, 1, 1).domain
        states = [
            np.asarray(restricted(grid, s, FINEST // cells), np.float64) for s in (start, end)
        ]
        for pieces in options.pieces:
            model, whole = _bound(name, cells, pieces, 1), _bound(name, cells, 1, pieces)
            step = getattr(phiflow_steps, type(model.pde).__module__.rsplit(".", 1)[-1])
            numbers = values(model.coefficients, {})
            phiflow = _repeated(partial(step, model, numbers), INTERVALS * pieces)
            ours = partial(_last, whole)
            yield Run("ours", cells, pieces, ours, *states)
            yield Run("PhiFlow", cells, pieces, phiflow, *states)


def _bound(name: str, cells: int, parts: int, pieces: int) -> BoundPDE:
    """Return a PDE on a grid, for a part of an interval in so many steps."""
    pde, side, interval, boundary = OWN[name]
    box = hj.Domain((cells, cells), (side, side), boundary)
    return replace(pde, pieces=pieces).on(box, interval / parts)


def _last(model: BoundPDE, state: Array) -> Array:
    return rollout(model, {}, state, INTERVALS)[-1]


def _model(name: str, cells: int, interval: float, pieces: int) -> BoundPDE:
    problem = PROBLEMS[name]
    pde = problem.pde(**problem.unknown, **problem.known, pieces=pieces)
    box = hj.Domain((cells, cells), (problem.length, problem.length), hj.PERIODIC)
    return pde.on(box, interval)


def _ours(name: str, cells: int, pieces: int) -> Callable[[Array], Array]:
    return partial(_last, _model(name, cells, PROBLEMS[name].interval, pieces))


def _phiflow(name: str, cells: int, pieces: int) -> Callable[[Array], Array]:
    model = _model(name, cells, PROBLEMS[name].interval / pieces, 1)
    step = getattr(phiflow_steps, PROBLEMS[name].pde.__module__.rsplit(".", 1)[-1])
    numbers = values(model.coefficients, {})
    return _repeated(lambda s: step(model, numbers, s), INTERVALS * pieces)


def _exponax(name: str, cells: int, pieces: int) -> Callable[[Array], Array]:
    stepper = reference.stepped(name, cells, pieces, PROBLEMS[name].unknown)
    return _repeated(stepper, INTERVALS * pieces)


def _repeated(step: Callable[[Array], Array], count: int) -> Callable[[Array], Array]:
    return lambda state: jax.lax.scan(lambda s, _: (step(s), None), state, length=count)[0]


if __name__ == "__main__":
    main()
