"""python -m profiling.physics: the PDEs' operators and steps, beside PhiFlow's and a floor.

One Markdown table: warm medians, after `block_until_ready`, in 2D on a box of 100 m.

    forward    an operator, or a step of a model
    gradient   of the sum of squares of an operator's result, with respect to all that goes in; of
               the mean square of 8 steps of a model, unknown parameters and initial states
    ours       under `jax.vmap` and `jax.jit`
    PhiFlow    the same by PhiFlow's own functions (`phiflow_steps.py`) in one `jax.jit`; runs are,
               as named, under `jax.vmap`, a batch dimension of PhiFlow's, or under `jax.lax.map`
    floor      the bytes that must at least move, over the bandwidth of a copy, measured first.
               Forward: all that goes in is read, all that comes out is written. Gradient: that for
               each step; on its way back both are read, with the cotangent of the result in its
               place, and the cotangent of what went in is written
    compile    of ours: trace, lower and compile
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import tyro
from jaxtyping import Array
from rich import box
from rich.console import Console
from rich.progress import track
from rich.table import Table

from hycojax import commandline
from hycojax.errors import InputError
from hycojax.grid.domain import Boundary, Channel, Domain
from hycojax.grid.random_fields import Waves
from hycojax.models import parameters as parameter
from hycojax.models.model import PhysicalModel, repeat
from hycojax.models.parameters import FieldParameter, Parameter
from hycojax.physics import (
    advection,
    burgers,
    gray_scott,
    heat,
    inviscid_burgers,
    kolmogorov,
    navier_stokes,
    phi,
    smoke,
)
from hycojax.physics.operators import advect, diffuse, fluid
from profiling import clock, phiflow_steps

#: Width of the box, in metres.
SIZE = 100.0
#: Time for which a fluid that starts at rest is left to itself first, in seconds.
DEVELOPMENT = 20.0
#: Upper bound of a diffusivity that is a field (about 1), in m^2/s.
HIGH = 2.0
#: Steps of the rollout whose gradient is taken.
STEPS = 8
#: Seconds after which no further run of a slow function is timed.
PATIENCE = 1.0
#: Cells times runs above which PhiFlow's gradient takes too long and is left out.
LARGEST_REFERENCE = 8 * 128**2

#: From parameters and arrays to arrays: for one simulation, or for a batch.
Step = Callable[[dict[str, Array], Any], Any]
#: From a step for one simulation to one for a batch.
Form = Callable[[Step], Step]
#: How PhiFlow's takes a batch, forward and for a gradient: whichever is fastest. None: it fails.
Forms = tuple[Form, Form] | None


@dataclass(frozen=True)
class Options:
    """Time operators and steps beside PhiFlow's own, and print a Markdown table."""

    sizes: tuple[int, ...] = (64, 128, 256)
    """Cells along each axis."""
    batches: tuple[int, ...] = (1, 8)
    """Simulations at a time."""
    only: tuple[str, ...] = ()
    """Parts of the names of what is timed; none: everything."""
    repeats: int = 25
    """Most runs that are timed, after a first one that is not."""


@dataclass(frozen=True)
class Case:
    """An operator or a step, ours and PhiFlow's."""

    name: str
    cells: int
    """Cells along each axis."""
    ours: Step
    theirs: Step
    forms: Forms
    params: dict[str, Array]
    inputs: Callable[[int], Any]
    """What goes in, by the number of runs."""
    steps: int = 1
    """Steps whose gradient is taken; 1: that of the result alone."""


def main(arguments: list[str]) -> None:
    """Run the command."""
    options = tyro.cli(Options, args=arguments, prog="python -m profiling.physics")
    jax.config.update("jax_enable_compilation_cache", False)
    cases = [case for n in options.sizes for case in _cases(n)]
    cases = [c for c in cases if not options.only or any(word in c.name for word in options.only)]
    if not cases:
        raise InputError(f"only: nothing is named like {', '.join(options.only)}")
    bandwidth = _bandwidth(options.repeats)
    table = Table(
        *("", "", "cells", "runs", "ours [ms]", "PhiFlow [ms]", "form", "PhiFlow / ours"),
        *("floor [ms]", "ours / floor", "compile [s]"),
        box=box.MARKDOWN,
    )
    chosen = [(case, runs) for case in cases for runs in options.batches]
    console = Console(width=180)
    console.print(f"{clock.device()}; a copy: {bandwidth / 1e9:.0f} GB/s")
    try:
        for case, runs in track(chosen, console=Console(stderr=True)):
            for row in _rows(case, runs, bandwidth, options.repeats):
                table.add_row(*row)
    finally:  # what was measured before Ctrl-C is kept
        console.print(table)


def _rows(case: Case, runs: int, bandwidth: float, repeats: int) -> Iterator[list[str]]:
    """Yield the rows of a case, forward and gradient."""
    inputs = (case.params, case.inputs(runs))
    ours = jax.vmap(case.ours, (None, 0))
    into, out = _bytes(inputs), _bytes(jax.eval_shape(ours, *inputs))
    count = f", {case.steps} steps" if case.steps > 1 else ""
    kinds = (
        ("forward", into + out, lambda step: step),
        (f"gradient{count}", case.steps * (3 * into + 2 * out), partial(_gradient, case.steps)),
    )
    for (kind, traffic, wrap), form in zip(kinds, case.forms or (None, None), strict=True):
        program, compiling = clock.compiled(wrap(ours), inputs)
        mine = clock.median(program, inputs, repeats, PATIENCE)
        row = [case.name, kind, str(case.cells), str(runs), f"{1e3 * mine:.2f}"]
        if form and (kind == "forward" or runs * case.cells**2 <= LARGEST_REFERENCE):
            form = form if runs > 1 else _alone
            program, _ = clock.compiled(wrap(form(case.theirs)), inputs)
            other = clock.median(program, inputs, repeats, PATIENCE)
            row += [f"{1e3 * other:.2f}", form.__name__.strip("_"), f"{other / mine:.1f}"]
        else:
            row += ["-"] * 3
        floor = traffic / bandwidth
        yield [*row, f"{1e3 * floor:.3f}", f"{mine / floor:.0f}", f"{compiling:.1f}"]


def _gradient(steps: int, step: Step) -> Callable:
    """Return the value and the gradient of a loss of a batch of rollouts (or of one step)."""

    def loss(params, inputs):
        if steps == 1:
            return sum(jnp.sum(jnp.square(x)) for x in jax.tree.leaves(step(params, inputs)))
        path = jax.lax.scan(lambda s, _: (step(params, s),) * 2, inputs, length=steps)[1]
        return jnp.mean(jnp.square(path))

    return jax.value_and_grad(loss, argnums=(0, 1))


def _bandwidth(repeats: int) -> float:
    """Return the bytes a second that the fastest pass over 256 MB reads and writes, in place.

    In place, because fresh memory costs more than the copy: the system has to clear it.
    """
    values, seconds = jnp.zeros(2**26), []
    add = jax.jit(lambda x: x + 1, donate_argnums=0)
    for _ in range(repeats):
        one, values = clock.timed(add, values)
        seconds.append(one)
    return 2 * values.nbytes / min(seconds)


def _bytes(tree: Any) -> int:
    return sum(x.size * x.dtype.itemsize for x in jax.tree.leaves(tree))


def _alone(step: Step) -> Step:
    """Take the first of a batch of one."""

    def alone(params, inputs):
        out = step(params, jax.tree.map(lambda x: x[0], inputs))
        return jax.tree.map(lambda x: x[None], out)

    return alone


def _vmap(step: Step) -> Step:
    return jax.vmap(step, (None, 0))


def _batch(step: Step) -> Step:
    return step


def _map(step: Step) -> Step:
    return lambda params, inputs: jax.lax.map(partial(step, params), inputs)


@dataclass(frozen=True)
class Fields:
    """What operators act on: arrays, and the fields that they make."""

    domain: Domain
    make: Callable[..., list[phi.Field]]
    """From a border (`physics.phi` or its double in `phiflow_steps`), a domain and arrays."""
    inputs: Callable[[int], tuple[Array, ...]]
    """The arrays, by the number of runs."""

    def case(self, name: str, ours: Callable, theirs: Callable, forms: Forms) -> Case:
        """Return the case of an operator, of fields to a field."""
        steps = self._step(phi, ours), self._step(phiflow_steps, theirs)
        return Case(name, self.domain.shape[0], *steps, forms, {}, self.inputs)

    def _step(self, border: Any, operator: Callable) -> Step:
        def step(params, parts):
            del params  # all that goes in is one run's own
            with phi.precision(parts[0]):
                return border.components(operator(*self.make(border, self.domain, parts)))

        return step


def _cases(n: int) -> list[Case]:
    """Return all that is timed on a grid."""
    models = _models(n)
    solving = (_batch, _batch) if n**2 <= phiflow_steps.MOST_CELLS else None
    steps = {
        "Advection": (phiflow_steps.advection, (_vmap, _vmap)),
        "Burgers": (phiflow_steps.burgers, (_vmap, _vmap)),
        "Burgers, field": (phiflow_steps.burgers, (_vmap, _vmap)),
        "InviscidBurgers, field": (phiflow_steps.inviscid_burgers, (_vmap, _vmap)),
        "Heat": (phiflow_steps.heat, (_map, _map)),
        "Heat, field": (phiflow_steps.heat, (_map, _vmap)),
        "Smoke": (phiflow_steps.smoke, solving),
        "NavierStokes, field": (phiflow_steps.navier_stokes, solving),
        "Kolmogorov": (phiflow_steps.kolmogorov, solving),
        "GrayScott": (phiflow_steps.gray_scott, (_vmap, _vmap)),
    }
    return [
        *_operators(models, solving),
        *(_model_case(name, models[name], *row) for name, row in steps.items()),
    ]


def _models(n: int) -> dict[str, PhysicalModel]:
    """Return the models, with steps in which the fastest flow crosses at most two cells or so."""
    dt = 64 / n

    def box(channels: tuple[Channel, ...], boundary: Boundary = Boundary.PERIODIC) -> Domain:
        return Domain((n, n), (SIZE, SIZE), boundary, channels)

    def unknown(true: float) -> Parameter:
        return Parameter(true, start=true)

    def uneven(mean: float, amplitude: float, high: float | None = None) -> Parameter:
        return FieldParameter(Waves(mean, amplitude), start=mean, high=high)

    closed = Boundary.CLOSED
    return {
        "Advection": advection.Advection(box(advection.channels(2)), dt, unknown(1.0)),
        "Burgers": burgers.Burgers(box(burgers.channels(2)), dt / 2, unknown(1.0)),
        "Burgers, field": burgers.Burgers(box(burgers.channels(2)), dt / 2, uneven(1.0, 0.2, HIGH)),
        "InviscidBurgers, field": inviscid_burgers.InviscidBurgers(
            box(burgers.channels(2)), dt / 2, uneven(0.0, 0.5)
        ),
        "Heat": heat.Heat(box(heat.CHANNELS), dt, unknown(1.0)),
        "Heat, field": heat.Heat(box(heat.CHANNELS, closed), dt, uneven(1.0, 0.2, HIGH)),
        "Smoke": smoke.Smoke(
            box(smoke.channels(2), closed), dt, buoyancy=unknown(0.1), inflow=unknown(0.1)
        ),
        "NavierStokes, field": navier_stokes.NavierStokes(
            box(navier_stokes.channels(2), closed), dt, buoyancy=uneven(0.1, 0.03)
        ),
        "Kolmogorov": kolmogorov.Kolmogorov(
            box(kolmogorov.channels(2)), dt, unknown(0.5), unknown(0.05)
        ),
        "GrayScott": gray_scott.GrayScott(
            box(gray_scott.CHANNELS), dt, *map(unknown, (0.16, 0.08, 0.035, 0.06))
        ),
    }


def _model_case(name: str, model: PhysicalModel, step: Callable, forms: Forms) -> Case:
    def theirs(params, state):
        with phi.precision(state):
            return step(model, params, state)

    params, inputs = parameter.truths(model), partial(_states, model)
    return Case(name, model.domain.shape[0], model.forward, theirs, forms, params, inputs, STEPS)


def _states(model: PhysicalModel, runs: int) -> Array:
    """Return states to start from, one a run; a fluid that starts at rest gets to flow first."""
    count = round(DEVELOPMENT / model.dt) if model.domain.boundary is Boundary.CLOSED else 0
    params = parameter.truths(model)

    def state(key: Array) -> Array:
        return repeat(model, params, model.sample(key), count)

    return jax.jit(jax.vmap(state))(jax.random.split(jax.random.key(0), runs))


def _operators(models: dict[str, PhysicalModel], solving: Forms) -> list[Case]:
    """Return the operators on a grid, on flows as the models' steps have them."""
    plume, turning, warm, conductor = (
        models[name] for name in ("NavierStokes, field", "Kolmogorov", "Heat", "Heat, field")
    )
    dt, dx = plume.dt, plume.domain.dx
    gentle = 0.2 * dx[0] ** 2 / dt  # one explicit step is stable
    stages = diffuse.stages(HIGH, dt, dx)
    scalar = Fields(warm.domain, _scalars, lambda runs: _parts(warm, runs))
    weighted = Fields(conductor.domain, _scalars, lambda runs: _with_diffusivity(conductor, runs))
    tracer = Fields(warm.domain, _scalar_and_vector, lambda runs: _parts(models["Advection"], runs))
    flow = Fields(plume.domain, _staggered, lambda runs: _parts(plume, runs)[1:])
    lifted = Fields(plume.domain, _staggered, lambda runs: _lifted(plume, runs))
    carried = Fields(turning.domain, _staggered, lambda runs: _carried(turning, runs))

    def project(velocity: phi.Field) -> phi.Field:
        return fluid.make_incompressible(velocity)[0]

    def solve(velocity: phi.Field) -> phi.Field:
        return phi.fluid.make_incompressible(velocity, (), phiflow_steps.SOLVE)[0]

    return [
        tracer.case(
            "semi-Lagrangian, scalar, periodic",
            lambda s, u: advect.semi_lagrangian(s, u, dt),
            lambda s, u: phi.advect.semi_lagrangian(s, u, dt),
            (_vmap, _vmap),
        ),
        tracer.case(
            "MacCormack, scalar, periodic",
            lambda s, u: advect.mac_cormack(s, u, dt),
            lambda s, u: phi.advect.mac_cormack(s, u, dt),
            (_vmap, _vmap),
        ),
        flow.case(
            "semi-Lagrangian, velocity, closed",
            lambda u: advect.semi_lagrangian(u, u, dt),
            lambda u: phi.advect.semi_lagrangian(u, u, dt),
            (_map, _map),
        ),
        flow.case(
            "MacCormack, velocity, closed",
            lambda u: advect.mac_cormack(u, u, dt),
            lambda u: phi.advect.mac_cormack(u, u, dt),
            (_map, _map),
        ),
        carried.case("projection, periodic", project, solve, solving),
        lifted.case("projection, closed", project, solve, solving),
        scalar.case(
            "diffusion, exact, periodic",
            lambda s: diffuse.fourier(s, 1.0, dt),
            lambda s: phiflow_steps.fourier(s, 1.0, dt),
            (_map, _map),
        ),
        scalar.case(
            "diffusion, explicit, periodic",
            lambda s: diffuse.explicit(s, gentle, dt),
            lambda s: phi.diffuse.explicit(s, gentle, dt),
            (_vmap, _vmap),
        ),
        weighted.case(
            "diffusion, super time step, field, closed",
            lambda s, a: diffuse.super_time_step(s, a, dt, stages),
            lambda s, a: phiflow_steps.explicit(s, a, dt, HIGH),
            (_batch, _vmap),
        ),
    ]


def _scalars(border: Any, domain: Domain, parts: tuple[Array, ...]) -> list[phi.Field]:
    return [border.centered(domain, part) for part in parts]


def _scalar_and_vector(border: Any, domain: Domain, parts: tuple[Array, ...]) -> list[phi.Field]:
    return [border.centered(domain, parts[0]), border.centered_vector(domain, list(parts[1:]))]


def _staggered(border: Any, domain: Domain, parts: tuple[Array, ...]) -> list[phi.Field]:
    return [border.staggered(domain, list(parts))]


def _parts(model: PhysicalModel, runs: int) -> tuple[Array, ...]:
    """Return states, one array a channel."""
    return tuple(jnp.moveaxis(_states(model, runs), -1, 0))


def _with_diffusivity(model: PhysicalModel, runs: int) -> tuple[Array, ...]:
    """Return temperatures and diffusivities."""
    (temperature,) = _parts(model, runs)
    return temperature, jnp.broadcast_to(parameter.truths(model)["diffusivity"], temperature.shape)


def _lifted(model: PhysicalModel, runs: int) -> tuple[Array, ...]:
    """Return flows after a step's lift, which has a divergence."""
    density, u, v = _parts(model, runs)
    return u, v + model.dt * 0.1 * density


def _carried(model: PhysicalModel, runs: int) -> tuple[Array, ...]:
    """Return flows that carried themselves for a step, which gives them a divergence."""

    def carry(*faces: Array) -> tuple[Array, ...]:
        velocity = phi.staggered(model.domain, list(faces))
        return tuple(phi.components(advect.mac_cormack(velocity, velocity, model.dt)))

    return jax.jit(jax.vmap(carry))(*_parts(model, runs))


if __name__ == "__main__":
    commandline.run(main)
