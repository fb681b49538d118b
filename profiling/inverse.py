"""python -m profiling.inverse: how fast the physical player's L-BFGS is, against SciPy's.

The same jitted loss and gradient of 8-step windows, 50 iterations of each: evaluations, loss,
seconds; compile times apart. Burgers flow with an unknown viscosity field takes many iterations,
smoke with three unknown numbers few.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import tyro
from jax.flatten_util import ravel_pytree
from rich.console import Console
from rich.table import Table
from scipy.optimize import minimize

import hycojax as hj
from hycojax.data import simulated
from hycojax.data.observations import Observations
from hycojax.models.pde import Unconstrained
from hycojax.solvers import Reason
from profiling import clock


@dataclass(frozen=True)
class Options:
    """Time L-BFGS on 8-step windows against SciPy's L-BFGS-B."""

    sizes: tuple[int, ...] = (64, 128)
    """Cells along each axis."""
    iterations: int = 50
    """Iterations of each."""
    horizon: int = 8
    """Intervals of a window."""


def main() -> None:
    """Run the command."""
    options = tyro.cli(Options, prog="python -m profiling.inverse")
    columns = ("problem", "solver", "compile [s]", "seconds", "iterations", "evaluations", "loss")
    table = Table(
        *columns, "ended", title=f"at most {options.iterations} iterations on {clock.device()}"
    )
    console = Console(width=140)
    for n in options.sizes:
        for name, problem in _problems(n).items():
            for row in _compare(*problem, options):
                table.add_row(f"{name}, {n} x {n}", *row)
                console.print(" ".join((name, str(n), *row)), highlight=False)
    console.print(table)


def _problems(n: int) -> dict[str, tuple[hj.Domain, hj.PDE, hj.PDE]]:
    """Return by name: the box, the PDE with what is unknown, and the truth."""
    box, closed = (hj.Domain((n, n), (100.0, 100.0), end) for end in (hj.PERIODIC, hj.CLOSED))
    field = hj.UnknownField(start=0.5, high=5.0)
    numbers = hj.physics.Smoke(
        buoyancy=hj.Unknown(start=0.3),
        viscosity=hj.Unknown(start=0.3, high=5.0),
        inflow=hj.Unknown(start=0.3),
    )
    return {
        "Burgers, a field": (
            box,
            hj.physics.Burgers(viscosity=field),
            hj.physics.Burgers(viscosity=hj.Waves(mean=1.0, amplitude=0.3)),
        ),
        "Smoke, 3 numbers": (
            closed,
            numbers,
            hj.physics.Smoke(buoyancy=0.1, viscosity=1.0, inflow=0.1),
        ),
    }


def _compare(domain: hj.Domain, pde: hj.PDE, truth: hj.PDE, options: Options) -> list[list[str]]:
    """Return a row for ours and for SciPy's, which calls one gradient."""
    interval = 100 / domain.shape[0]
    model = Unconstrained(pde.on(domain, interval))
    data = _data(domain, interval, truth, options.horizon)
    solver = hj.LBFGS(iterations=options.iterations)
    key = jax.random.key(0)
    params = model.init(key)
    flat, unflatten = ravel_pytree(params)

    def gradient(data, point):
        return jax.value_and_grad(lambda x: hj.data_loss(model, unflatten(x), data))(point)

    def solve(data, params, memory):
        def objective(params, key):
            del key  # nothing is drawn
            return hj.data_loss(model, params, data), {}

        return solver.run(objective, params, memory, key, 1)

    inputs = (data, params, solver.init(params, 1))
    gradient, one = clock.compiled(gradient, (data, flat), clock.AS_IN_RUNS)
    solve, ours = clock.compiled(solve, inputs, clock.AS_IN_RUNS)
    for program, given in ((gradient, (data, flat)), (solve, inputs)):
        clock.timed(program, *given)  # warm
    seconds, (_, _, terms) = clock.timed(solve, *inputs)
    terms = jax.device_get(terms)
    mine = [ours, seconds, terms["iterations"], terms["evaluations"], terms["loss"]]

    def for_scipy(x):
        value, slope = jax.device_get(gradient(data, jnp.asarray(x, jnp.float32)))
        return float(value), np.asarray(slope, np.float64)

    # Its test of the gradient would end the search early: that of a field is small in each cell.
    settings = {"maxiter": options.iterations, "maxcor": solver.memory, "gtol": 0}
    seconds, found = clock.timed(
        lambda: minimize(for_scipy, flat, jac=True, method="L-BFGS-B", options=settings)
    )
    theirs = [one, seconds, found.nit, found.nfev, found.fun]
    return [
        ["ours", *_numbers(mine), Reason(int(terms["reason"])).words],
        ["SciPy, and one gradient", *_numbers(theirs), found.message.lower()[:40]],
    ]


def _data(domain: hj.Domain, interval: float, truth: hj.PDE, horizon: int) -> Observations:
    """Return recordings of the truth on the same grid: 2 windows, a quarter of the cells, noise."""
    data = hj.Simulated(
        truth=truth,
        training=2,
        validation=1,
        test=0,
        steps=horizon,
        refinement=1,
        region=hj.Scattered(fraction=0.25),
        noise=0.01,
    )
    grid = data.bound(domain, interval).domain
    return simulated.known(data, grid, simulated.simulate(data, domain, interval, 1), seed=1)


def _numbers(row: list[Any]) -> list[str]:
    compile_seconds, seconds, iterations, evaluations, loss = row
    times = [f"{compile_seconds:.1f}", f"{seconds:.2f}"]
    return [*times, str(int(iterations)), str(int(evaluations)), f"{loss:.6g}"]


if __name__ == "__main__":
    main()
