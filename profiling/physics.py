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

import hycojax as hj
from hycojax import commandline
from hycojax.errors import InputError
from hycojax.models.coefficients import values
from hycojax.models.pde import BoundPDE
from hycojax.physics import phi
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

    domain: hj.Domain
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


@dataclass(frozen=True)
class System:
    """A model, and the true values of what is unknown in it."""

    model: BoundPDE
    params: dict[str, Array]

    def states(self, runs: int) -> Array:
        """Return states to start from, one a run; a fluid at rest gets to flow first."""
        closed = self.model.domain.boundary is hj.CLOSED
        count = round(DEVELOPMENT / self.model.interval) if closed else 0

        def state(key: Array) -> Array:
            first = self.model.sample(key)
            return jax.lax.fori_loop(
                0, count, lambda _, s: self.model.forward(self.params, s), first
            )

        return jax.jit(jax.vmap(state))(jax.random.split(jax.random.key(0), runs))

    def parts(self, runs: int) -> tuple[Array, ...]:
        """Return states, one array a channel."""
        return tuple(jnp.moveaxis(self.states(runs), -1, 0))

    def case(self, name: str, step: Callable, forms: Forms) -> Case:
        """Return the case of a step of the model."""

        def theirs(params, state):
            with phi.precision(state):
                return step(self.model, values(self.model.coefficients, params), state)

        cells, ours = self.model.domain.shape[0], self.model.forward
        return Case(name, cells, ours, theirs, forms, self.params, self.states, STEPS)


def _cases(n: int) -> list[Case]:
    """Return all that is timed on a grid."""
    systems = _systems(n)
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
        *_operators(systems, solving),
        *(systems[name].case(name, *row) for name, row in steps.items()),
    ]


def _systems(n: int) -> dict[str, System]:
    """Return the models, with steps in which the fastest flow crosses at most two cells or so."""
    dt, pde = 64 / n, hj.physics

    def system(
        kind: type[hj.PDE], dt: float, boundary: Any = hj.PERIODIC, **pairs: tuple[Any, Any]
    ) -> System:
        domain = hj.Domain((n, n), (SIZE, SIZE), boundary)
        model = kind(**{name: unknown for name, (unknown, _) in pairs.items()}).on(domain, dt)
        true = {
            name: value.on(domain) if isinstance(value, hj.Waves) else value
            for name, (_, value) in pairs.items()
        }
        return System(model, {name: jnp.asarray(v, jnp.float32) for name, v in true.items()})

    def unknown(true: float) -> tuple[hj.Unknown, float]:
        return hj.Unknown(start=true), true

    def uneven(
        mean: float, amplitude: float, high: float | None = None
    ) -> tuple[hj.UnknownField, hj.Waves]:
        return hj.UnknownField(start=mean, high=high), hj.Waves(mean, amplitude)

    return {
        "Advection": system(pde.Advection, dt, coefficient=unknown(1.0)),
        "Burgers": system(pde.Burgers, dt / 2, viscosity=unknown(1.0)),
        "Burgers, field": system(pde.Burgers, dt / 2, viscosity=uneven(1.0, 0.2, HIGH)),
        "InviscidBurgers, field": system(pde.InviscidBurgers, dt / 2, potential=uneven(0.0, 0.5)),
        "Heat": system(pde.Heat, dt, diffusivity=unknown(1.0)),
        "Heat, field": system(pde.Heat, dt, hj.CLOSED, diffusivity=uneven(1.0, 0.2, HIGH)),
        "Smoke": system(pde.Smoke, dt, hj.CLOSED, buoyancy=unknown(0.1), inflow=unknown(0.1)),
        "NavierStokes, field": system(pde.NavierStokes, dt, hj.CLOSED, buoyancy=uneven(0.1, 0.03)),
        "Kolmogorov": system(pde.Kolmogorov, dt, viscosity=unknown(0.5), forcing=unknown(0.05)),
        "GrayScott": system(
            pde.GrayScott,
            dt,
            diffusivity_u=unknown(0.16),
            diffusivity_v=unknown(0.08),
            feed=unknown(0.035),
            kill=unknown(0.06),
        ),
    }


def _operators(systems: dict[str, System], solving: Forms) -> list[Case]:
    """Return the operators on a grid, on flows as the models' steps have them."""
    plume, turning, warm, conductor = (
        systems[name] for name in ("NavierStokes, field", "Kolmogorov", "Heat", "Heat, field")
    )
    domains = {name: system.model.domain for name, system in systems.items()}
    closed, periodic = domains["NavierStokes, field"], domains["Heat"]
    dt, dx = plume.model.interval, closed.dx
    gentle = 0.2 * dx[0] ** 2 / dt  # one explicit step is stable
    stages = diffuse.stages(HIGH, dt, dx)
    scalar = Fields(periodic, _scalars, warm.parts)
    weighted = Fields(closed, _scalars, lambda runs: _with_diffusivity(conductor, runs))
    tracer = Fields(periodic, _scalar_and_vector, systems["Advection"].parts)
    flow = Fields(closed, _staggered, lambda runs: plume.parts(runs)[1:])
    lifted = Fields(closed, _staggered, lambda runs: _lifted(plume, runs))
    carried = Fields(periodic, _staggered, lambda runs: _carried(turning, runs))

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


def _scalars(border: Any, domain: hj.Domain, parts: tuple[Array, ...]) -> list[phi.Field]:
    return [border.centered(domain, part) for part in parts]


def _scalar_and_vector(border: Any, domain: hj.Domain, parts: tuple[Array, ...]) -> list[phi.Field]:
    return [border.centered(domain, parts[0]), border.centered_vector(domain, list(parts[1:]))]


def _staggered(border: Any, domain: hj.Domain, parts: tuple[Array, ...]) -> list[phi.Field]:
    return [border.staggered(domain, list(parts))]


def _with_diffusivity(system: System, runs: int) -> tuple[Array, ...]:
    """Return temperatures and diffusivities."""
    (temperature,) = system.parts(runs)
    return temperature, jnp.broadcast_to(system.params["diffusivity"], temperature.shape)


def _lifted(system: System, runs: int) -> tuple[Array, ...]:
    """Return flows after a step's lift, which has a divergence."""
    density, u, v = system.parts(runs)
    return u, v + system.model.interval * 0.1 * density


def _carried(system: System, runs: int) -> tuple[Array, ...]:
    """Return flows that carried themselves for a step, which gives them a divergence."""
    model = system.model

    def carry(*faces: Array) -> tuple[Array, ...]:
        velocity = phi.staggered(model.domain, list(faces))
        return tuple(phi.components(advect.mac_cormack(velocity, velocity, model.interval)))

    return jax.jit(jax.vmap(carry))(*system.parts(runs))


if __name__ == "__main__":
    commandline.run(main)
