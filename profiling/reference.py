"""Recordings by an independent solver: exponax, pseudo-spectral, of order 4, four times finer.

It is needed for the proofs only: pip install '.[test]' has it.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Key

import hycojax as hj

#: The model's cells along the box, frames, and dense frames an interval.
CELLS, FRAMES, DENSE = 32, 16, 4
_FINE, _INNER, _SEED = 4 * CELLS, 2, 2026


@dataclass(frozen=True)
class Problem:
    """A PDE in a periodic square, with a stepper of exponax and an initial state for it.

    Attributes:
        pde: Our PDE.
        length: Of a side of the box, in metres.
        interval: From frame to frame, in seconds.
        channels: Names of what is recorded.
        unknown: True values of the coefficients that are to be found.
        known: Coefficients that the model is told.
        stepper: Returns exponax's stepper, from box, cells, time step and coefficients.
        draw: Draws what it starts from, at the 128 nodes of a grid that resolves it.
        recorded: Turns what it steps into the channels.
        entered: Turns the channels of a state into what it steps.
        faces: Whether channels are components of a vector on lower faces.
    """

    pde: type[hj.PDE]
    length: float
    interval: float
    channels: tuple[str, ...]
    unknown: dict[str, float]
    stepper: Callable[..., Any]
    draw: Callable[[Key[Array, ""]], Array]
    known: dict[str, float] = field(default_factory=dict)
    recorded: Callable[[Array], Array] = lambda path: path
    entered: Callable[[Array], Array] = lambda state: state
    faces: bool = False


@functools.cache
def trajectories(
    name: str, count: int, fine: int = _FINE, inner: int = _INNER
) -> Float[np.ndarray, "simulation time channel x y"]:
    """Return values at the nodes of a fine grid, `DENSE` frames an interval.

    Args:
        name: Of the problem.
        count: Simulations.
        fine: Nodes of the grid along the box, at least 128.
        inner: Steps of exponax's from one dense frame to the next.
    """
    import exponax as ex

    problem = PROBLEMS[name]
    stepper = stepped(name, fine, DENSE * inner, problem.unknown)
    roll = ex.rollout(ex.repeat(stepper, inner), FRAMES * DENSE, include_init=True)
    one = jax.jit(lambda key: problem.recorded(roll(refined(problem.draw(key), fine))))
    keys = jax.random.split(jax.random.key(_SEED), count)
    return np.stack([np.asarray(one(key), np.float64) for key in keys])


def stepped(
    name: str, cells: int, pieces: int, unknown: dict[str, Any]
) -> Callable[[Array], Array]:
    """Return exponax's step on a grid, of a part of an interval."""
    problem = PROBLEMS[name]
    dt = problem.interval / pieces
    return problem.stepper(problem.length, cells, dt, **unknown, **problem.known)


def refined(nodes: Float[Array, "channel x y"], cells: int) -> Float[Array, "channel x y"]:
    """Return the same Fourier series at more nodes."""
    waves = jnp.fft.fftshift(jnp.fft.fft2(nodes), (-2, -1))
    more = (cells - nodes.shape[-1]) // 2
    wide = jnp.pad(waves, ((0, 0), (more, more), (more, more)))
    ratio = (cells / nodes.shape[-1]) ** 2
    return jnp.fft.ifft2(jnp.fft.ifftshift(wide, (-2, -1))).real * ratio


def means(
    name: str, channel: int, nodes: Float[Array, "... x y"], cells: int = CELLS, xp: Any = np
) -> Float[Array, "... x y"]:
    """Return the exact means of a channel over a model's cells: what a pixel of a camera sees.

    Of a component of a vector on faces the means are over the lower faces across its axis. `xp` is
    `numpy`, or `jax.numpy` in a program.
    """
    factors = _factors(name, channel, cells, nodes.shape[-1])
    averaged = xp.fft.ifft2(xp.fft.fft2(nodes) * factors)
    step = nodes.shape[-1] // cells
    return averaged.real[..., ::step, ::step]


def waves_of_means(cells: int, nodes: int, faces: Sequence[bool]) -> np.ndarray:
    """Return the factors of the waves of a grid's nodes that make means over a model's cells.

    Along an axis of which `faces` is true the value on the lower face is taken.
    """
    turns = np.fft.fftfreq(nodes, 1 / nodes) / cells
    over = np.sinc(turns) * np.exp(1j * np.pi * turns)
    return functools.reduce(np.multiply.outer, [over**0 if face else over for face in faces])


def _factors(name: str, channel: int, cells: int, nodes: int) -> np.ndarray:
    faces = [PROBLEMS[name].faces and channel == axis for axis in range(2)]
    return waves_of_means(cells, nodes, faces)


def nodes_of(name: str, held: Float[Array, "... x y channel"]) -> Float[Array, "... channel x y"]:
    """Return values at the nodes of the model's own grid, from means over its cells."""
    cells = held.shape[-2]
    waves = [
        jnp.fft.fft2(held[..., c]) / _factors(name, c, cells, cells) for c in range(held.shape[-1])
    ]
    return jnp.fft.ifft2(jnp.stack(waves, -3)).real


def places(name: str, channel: int, cells: int = CELLS) -> tuple[np.ndarray, np.ndarray]:
    """Return where these means lie along each axis."""
    problem = PROBLEMS[name]
    shift = [0.0 if problem.faces and channel == axis else 0.5 for axis in range(2)]
    x, y = ((np.arange(cells) + s) * problem.length / cells for s in shift)
    return x, y


def states(name: str, count: int) -> Float[np.ndarray, "simulation time x y channel"]:
    """Return the means at all frames."""
    return over_cells(name, trajectories(name, count)[:, ::DENSE])


def over_cells(
    name: str, nodes: Float[Array, "... channel x y"], cells: int = CELLS, xp: Any = np
) -> Float[Array, "... x y channel"]:
    """Return the `means` of all channels over a model's cells."""
    channels = range(nodes.shape[-3])
    return xp.stack([means(name, c, nodes[..., c, :, :], cells, xp) for c in channels], -1)


def film(
    name: str,
    channel: int,
    values: Float[np.ndarray, "time x y"],
    sigma: Float[np.ndarray, "time x y"],
) -> hj.Film:
    """Return what a camera has recorded of a channel, from time 0 on, a pixel a cell."""
    problem = PROBLEMS[name]
    times = problem.interval * np.arange(len(values))
    where = times, places(name, channel, values.shape[-1])
    return hj.Film(problem.channels[channel], None, *where, values, sigma)


def at(name: str, nodes: Float[np.ndarray, "... x y"], place: np.ndarray) -> np.ndarray:
    """Return values at a place, by their Fourier series."""
    fine = nodes.shape[-1]
    waves = np.fft.fftfreq(fine, 1 / fine)
    along = [np.exp(2j * np.pi * waves * x / PROBLEMS[name].length) for x in place]
    return np.einsum("...ij,i,j->...", np.fft.fft2(nodes), *along).real / fine**2


def _heat(length: float, cells: int, dt: float, diffusivity: float) -> Any:
    import exponax as ex

    tensor = diffusivity * jnp.eye(2)  # of a number it would ask whether it is a float
    return ex.stepper.Diffusion(2, length, cells, dt, diffusivity=tensor)


def _advection(length: float, cells: int, dt: float, coefficient: float) -> Any:
    import exponax as ex

    velocity = coefficient * jnp.array(_FLOW)
    return ex.stepper.AdvectionDiffusion(2, length, cells, dt, velocity=velocity, diffusivity=0.0)


def _with_flow(tracer: Float[Array, "... 1 x y"]) -> Float[Array, "... 3 x y"]:
    """Return a tracer with the flow that carries it."""
    *several, _, x, y = tracer.shape
    flow = jnp.broadcast_to(jnp.array(_FLOW)[:, None, None], (*several, 2, x, y))
    return jnp.concatenate([tracer, flow], -3)


def _burgers(length: float, cells: int, dt: float, viscosity: float) -> Any:
    import exponax as ex

    return ex.stepper.Burgers(
        2, length, cells, dt, diffusivity=viscosity, conservative=False, order=4
    )


def _gray_scott(
    length: float,
    cells: int,
    dt: float,
    diffusivity_u: float,
    diffusivity_v: float,
    feed: float,
    kill: float,
) -> Any:
    import exponax as ex

    rates = {"feed_rate": feed, "kill_rate": kill}
    numbers = {"diffusivity_1": diffusivity_u, "diffusivity_2": diffusivity_v, **rates}
    return ex.stepper.reaction.GrayScott(2, length, cells, dt, **numbers, order=4)


def _kolmogorov(length: float, cells: int, dt: float, viscosity: float, forcing: float) -> Any:
    """Return a stepper of the vorticity; exponax's force has the opposite sign."""
    import exponax as ex

    force = {"injection_mode": 4, "injection_scale": -forcing}
    return ex.stepper.KolmogorovFlowVorticity(
        2, length, cells, dt, diffusivity=viscosity, drag=0.0, **force, order=4
    )


def _waves(channels: int, cutoff: int) -> Callable[[Key[Array, ""]], Array]:
    """Return a draw of long waves, with a root mean square of 1 over all channels."""

    def draw(key: Key[Array, ""]) -> Array:
        import exponax as ex

        series = ex.ic.RandomTruncatedFourierSeries(2, cutoff=cutoff, std_one=True)
        found = [series(_FINE, key=k) for k in jax.random.split(key, channels)]
        return jnp.concatenate(found) / np.sqrt(channels)

    return draw


def _blobs(key: Key[Array, ""]) -> Array:
    """Return six blobs of catalyst in a box full of substrate."""
    x = jnp.arange(_FINE) / _FINE
    blobs = jnp.zeros((_FINE, _FINE))
    for k in jax.random.split(key, 6):
        off = [(x - c + 0.5) % 1 - 0.5 for c in jax.random.uniform(k, (2,))]
        blobs += jnp.exp(-(off[0][:, None] ** 2 + off[1] ** 2) / (2 * 0.06**2))
    v = 1.6 * blobs / (1 + blobs)
    return jnp.stack([1 - 0.5 * v, 0.35 * v])


def _eddies(key: Key[Array, ""]) -> Array:
    """Return the vorticity of long waves of a stream function, of a mean square speed of 1."""
    square = sum(k**2 for k in _wave_vector(_FINE))
    vorticity = jnp.fft.ifft2(square * jnp.fft.fft2(_waves(1, 4)(key))).real
    return vorticity / jnp.sqrt(jnp.mean(jnp.sum(velocity(vorticity) ** 2, -3)))


def velocity(vorticity: Float[Array, "... 1 x y"]) -> Float[Array, "... 2 x y"]:
    """Return the velocity; exponax's vorticity is d_y u - d_x v."""
    kx, ky = _wave_vector(vorticity.shape[-1])
    square = jnp.where(kx**2 + ky**2 > 0, kx**2 + ky**2, 1)
    stream = -jnp.fft.fft2(vorticity[..., 0, :, :]) / square
    return jnp.stack([jnp.fft.ifft2(1j * k * stream).real for k in (ky, -kx)], -3)


def vorticity(velocity: Float[Array, "2 x y"]) -> Float[Array, "1 x y"]:
    """Return exponax's vorticity, d_y u - d_x v."""
    kx, ky = _wave_vector(velocity.shape[-1])
    u, v = jnp.fft.fft2(velocity)
    return jnp.fft.ifft2(1j * ky * u - 1j * kx * v).real[None]


def _wave_vector(cells: int) -> tuple[Array, Array]:
    """Return the waves along both axes of a box of 2 pi, without the mean's share."""
    k = jnp.fft.fftfreq(cells, 1 / cells)
    return k[:, None], k[None, :]


_COMPONENTS = ("velocity_x", "velocity_y")
#: What carries the tracer, in m/s.
_FLOW = (1.0, 0.6)
PROBLEMS = {
    "heat": Problem(
        hj.physics.Heat,
        *(1.0, 0.1, ("temperature",), {"diffusivity": 2e-3}),
        stepper=_heat,
        draw=_waves(1, 4),
    ),
    "advection": Problem(
        hj.physics.Advection,
        *(1.0, 0.05, ("tracer", *_COMPONENTS), {"coefficient": 0.8}),
        stepper=_advection,
        draw=_waves(1, 4),
        recorded=_with_flow,
        entered=lambda state: state[:1],
    ),
    "burgers": Problem(
        hj.physics.Burgers,
        *(1.0, 0.02, _COMPONENTS, {"viscosity": 0.03}),
        stepper=_burgers,
        draw=_waves(2, 2),
    ),
    "burgers_fronts": Problem(
        hj.physics.Burgers,
        *(1.0, 0.02, _COMPONENTS, {"viscosity": 0.01}),
        stepper=_burgers,
        draw=_waves(2, 2),
    ),
    "gray_scott": Problem(
        hj.physics.GrayScott,
        *(1.0, 10.0, ("u", "v"), {"diffusivity_u": 1e-4, "diffusivity_v": 5e-5}),
        stepper=_gray_scott,
        draw=_blobs,
        known={"feed": 0.035, "kill": 0.06},
    ),
    "kolmogorov": Problem(
        hj.physics.Kolmogorov,
        *(2 * np.pi, 0.1, _COMPONENTS, {"viscosity": 0.02}),
        stepper=_kolmogorov,
        draw=_eddies,
        known={"forcing": -0.5},
        recorded=velocity,
        entered=vorticity,
        faces=True,
    ),
}
