"""python -m profiling.public_cases: periodic Navier-Stokes as others have timed it, beside exponax.

    2D    nu = 0.01, 256 x 256 cells, 100 steps of 0.01 s, a box of 2 pi
    3D    the same on 64 x 64 x 64 cells, 50 steps

From the same vortices in single precision; both solvers are pseudo-spectral, of order 4, with the
2/3 rule. Forward to the last state, and the gradient of its mean square by the first one. The error
is that of the last velocity, against exponax's in double precision with an eighth of the step.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np
import tyro
from jaxtyping import Array
from rich.console import Console
from rich.markdown import Markdown

import hycojax as hj
from hycojax.report.comparison import table
from profiling import clock, reference

LENGTH, VISCOSITY, DT = 2 * np.pi, 0.01, 0.01
CASES = {"2D": (2, 256, 100), "3D": (3, 64, 50)}


@dataclass(frozen=True)
class Options:
    """Time periodic Navier-Stokes beside exponax."""

    only: tuple[str, ...] = ()
    """Cases; none: both."""
    repeats: int = 5
    """Timed runs of each program."""


def main() -> None:
    """Run the command."""
    options, console = tyro.cli(Options, prog="python -m profiling.public_cases"), Console()
    lines = [row for name in options.only or CASES for row in rows(name, options.repeats)]
    titles = ("", "", "forward [s]", "gradient [s]", "compile [s]", "error")
    console.print(clock.device(), Markdown(table(titles, lines)))


def rows(name: str, repeats: int) -> list[list[str]]:
    """Return a line for each solver."""
    dims, cells, steps = CASES[name]
    nodes = vortices(dims, cells)
    with jax.enable_x64(True):
        exact = np.asarray(_exponax(dims, cells, steps, 8)(jnp.asarray(nodes, jnp.float64)))
    box = hj.Domain((cells,) * dims, (LENGTH,) * dims, hj.PERIODIC)
    pde = hj.physics.Kolmogorov(viscosity=VISCOSITY, forcing=0.0, waves=1, pieces=steps)
    model = pde.on(box, steps * DT)
    solvers = {
        "ours": (lambda s: model.forward({}, s), _held(nodes), _held(exact)),
        "exponax": (_exponax(dims, cells, steps, 1), nodes, exact),
    }
    return [[name, who, *_measured(*own, repeats)] for who, own in solvers.items()]


def vortices(dims: int, cells: int) -> np.ndarray:
    """Return a velocity at nodes `[component, *nodes]`: Taylor and Green's, and smaller ones."""
    axis = 2 * np.pi * np.arange(cells) / cells
    x, y, *z = np.meshgrid(*[axis] * dims, indexing="ij")
    tall = np.cos(z[0]) if z else 1.0
    u = np.sin(x) * np.cos(y) * tall + 0.3 * np.sin(3 * y)
    v = -np.cos(x) * np.sin(y) * tall + 0.3 * np.sin(2 * x)
    return np.stack([u, v, *(0 * w for w in z)])


def _measured(
    advance: Callable[[Array], Array], start: np.ndarray, end: np.ndarray, repeats: int
) -> list[str]:
    start = jnp.asarray(start, jnp.float32)
    forward, one = clock.compiled(advance, (start,))
    gradient, other = clock.compiled(jax.grad(lambda s: jnp.mean(advance(s) ** 2)), (start,))
    error = np.linalg.norm(np.asarray(forward(start), float) - end) / np.linalg.norm(end)
    times = (clock.median(program, (start,), repeats, 60.0) for program in (forward, gradient))
    return [*(f"{t:.2f}" for t in times), f"{one + other:.1f}", f"{error:.1e}"]


def _exponax(dims: int, cells: int, steps: int, pieces: int) -> Callable[[Array], Array]:
    """Return the function from a velocity at nodes to the last one."""
    import exponax as ex

    about = dims, LENGTH, cells, DT / pieces
    if dims == 3:
        stepper = ex.stepper.NavierStokesVelocity(*about, diffusivity=VISCOSITY, order=4)
        return ex.repeat(stepper, steps * pieces)
    stepper = ex.stepper.NavierStokesVorticity(*about, diffusivity=VISCOSITY, order=4)
    return lambda u: reference.velocity(ex.repeat(stepper, steps * pieces)(reference.vorticity(u)))


def _held(nodes: np.ndarray) -> np.ndarray:
    """Return means over lower faces of a velocity at nodes, `[*cells, component]`."""
    dims, cells = nodes.ndim - 1, nodes.shape[-1]
    found = []
    for component, own in enumerate(nodes):
        faces = [axis == component for axis in range(dims)]
        factors = reference.waves_of_means(cells, cells, faces)
        found.append(np.fft.ifftn(np.fft.fftn(own) * factors).real)
    return np.stack(found, -1)


if __name__ == "__main__":
    main()
