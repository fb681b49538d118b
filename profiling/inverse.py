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

from hycojax.data.observation import Observation, Scattered, observe
from hycojax.game import state as games
from hycojax.game.completion import complete
from hycojax.game.objective import objective
from hycojax.game.player import Player, Weights
from hycojax.grid.domain import Boundary, Domain
from hycojax.grid.random_fields import Waves
from hycojax.models import parameters as parameter
from hycojax.models.model import rollouts
from hycojax.models.parameters import FieldParameter, Parameter
from hycojax.models.unconstrained import Unconstrained
from hycojax.physics import burgers, smoke
from hycojax.solvers import LBFGS, Reason
from profiling import clock


@dataclass(frozen=True)
class Options:
    """Time L-BFGS on 8-step windows against SciPy's L-BFGS-B."""

    sizes: tuple[int, ...] = (64, 128)
    """Cells along each axis."""
    iterations: int = 50
    """Iterations of each."""
    horizon: int = 8
    """Time steps of a window."""


def main() -> None:
    """Run the command."""
    options = tyro.cli(Options, prog="python -m profiling.inverse")
    columns = ("problem", "solver", "compile [s]", "seconds", "iterations", "evaluations", "loss")
    table = Table(
        *columns, "ended", title=f"at most {options.iterations} iterations on {clock.device()}"
    )
    console = Console(width=140)
    for n in options.sizes:
        for name, model in _models(n).items():
            for row in _compare(model, options):
                table.add_row(f"{name}, {n} x {n}", *row)
                console.print(" ".join((name, str(n), *row)), highlight=False)
    console.print(table)


def _models(n: int) -> dict[str, Any]:
    box = Domain((n, n), (100.0, 100.0), Boundary.PERIODIC, burgers.channels(2))
    closed = Domain((n, n), (100.0, 100.0), Boundary.CLOSED, smoke.channels(2))
    viscosity = FieldParameter(Waves(mean=1.0, amplitude=0.3), start=0.5, high=5.0)
    unknown = {
        "viscosity": Parameter(1.0, start=0.3, high=5.0),
        "inflow": Parameter(0.1, start=0.3),
    }
    return {
        "Burgers, a field": burgers.Burgers(box, dt=100 / n, viscosity=viscosity),
        "Smoke, 3 numbers": smoke.Smoke(
            closed, dt=100 / n, buoyancy=Parameter(0.1, start=0.3), **unknown
        ),
    }


def _compare(model: Any, options: Options) -> list[list[str]]:
    """Return a row for one gradient, for ours and for SciPy's."""
    data = _data(model, options.horizon)
    solver = LBFGS(iterations=options.iterations)
    player = Player(Unconstrained(model), solver, Weights(), options.horizon)
    schedule = games.Schedule(cycles=1, warmup=0)
    game = games.Game(model, {"physical": player}, schedule, games.Interaction())
    turn = games.turns(game, 0)["physical"]
    state = games.start(game, data, jax.random.key(0)).players["physical"]
    key = jax.random.key(0)
    flat, unflatten = ravel_pytree(state.params)

    def loss(data, params, key):
        source = complete(game, data, {"physical": state}, "physical", turn)
        return objective(player, source, None, turn, data.scale)(params, key)

    def gradient(data, point):
        return jax.value_and_grad(lambda x: loss(data, unflatten(x), key)[0])(point)

    def solve(data, params, memory):
        return solver.run(lambda p, k: loss(data, p, k), params, memory, key, 1)

    inputs = (data, state.params, state.solver)
    gradient, one = clock.compiled(gradient, (data, flat))
    solve, ours = clock.compiled(solve, inputs)
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


def _data(model: Any, horizon: int) -> games.Recordings:
    """Return recordings of the true model: 2 windows, a quarter of the cells, 1 % noise."""
    starts = jax.vmap(model.sample)(jax.random.split(jax.random.key(1), 2))
    truth = jax.jit(lambda s: rollouts(model, parameter.truths(model), s, horizon))(starts)
    seen = Observation(Scattered(fraction=0.25), noise=0.01)
    recording = observe(seen, model.domain, truth, jax.random.key(2))
    return games.recordings(recording, recording)


def _numbers(row: list[Any]) -> list[str]:
    compile_seconds, seconds, iterations, evaluations, loss = row
    times = [f"{compile_seconds:.1f}", f"{seconds:.2f}"]
    return [*times, str(int(iterations)), str(int(evaluations)), f"{loss:.6g}"]


if __name__ == "__main__":
    main()
