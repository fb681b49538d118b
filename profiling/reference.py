"""Recordings by an independent solver: exponax, pseudo-spectral, of order 4, four times finer.

It is needed for the proofs only: pip install '.[test]' has it.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Key

#: The model's cells along the box, frames, and dense frames an interval.
CELLS, FRAMES, DENSE = 32, 16, 4
_FINE, _INNER, _SEED = 4 * CELLS, 2, 2026


@dataclass(frozen=True)
class Problem:
    """A PDE in a periodic square, with a stepper of exponax and an initial state for it.

    Attributes:
        length: Of a side of the box, in metres.
        interval: From frame to frame, in seconds.
        channels: Names of what is recorded.
        unknown: True values of the coefficients that are to be found.
        known: Coefficients that the model is told.
        stepper: Returns exponax's stepper, from box, cells, time step and coefficients.
        draw: Draws what it starts from, at the nodes of the fine grid.
        recorded: Turns what it steps into the channels.
        faces: Whether channels are components of a vector on lower faces.
    """

    length: float
    interval: float
    channels: tuple[str, ...]
    unknown: dict[str, float]
    stepper: Callable[..., Any]
    draw: Callable[[Key[Array, ""]], Array]
    known: dict[str, float] = field(default_factory=dict)
    recorded: Callable[[Array], Array] = lambda path: path
    faces: bool = False


@functools.cache
def trajectories(name: str, count: int) -> Float[np.ndarray, "simulation time channel x y"]:
    """Return values at the nodes of the fine grid, `DENSE` frames an interval."""
    import exponax as ex

    problem = PROBLEMS[name]
    dt = problem.interval / DENSE / _INNER
    stepper = problem.stepper(problem.length, _FINE, dt, **problem.unknown, **problem.known)
    roll = ex.rollout(ex.repeat(stepper, _INNER), FRAMES * DENSE, include_init=True)
    one = jax.jit(lambda key: problem.recorded(roll(problem.draw(key))))
    keys = jax.random.split(jax.random.key(_SEED), count)
    return np.stack([np.asarray(one(key), np.float64) for key in keys])


def means(
    name: str, channel: int, nodes: Float[np.ndarray, "... x y"], cells: int = CELLS
) -> Float[np.ndarray, "... x y"]:
    """Return the exact means of a channel over a model's cells: what a pixel of a camera sees.

    Of a component of a vector on faces the means are over the lower faces across its axis.
    """
    problem, fine = PROBLEMS[name], nodes.shape[-1]
    h = problem.length / cells
    k = 2 * np.pi * np.fft.fftfreq(fine, problem.length / fine)
    over = np.sinc(k * h / 2 / np.pi) * np.exp(1j * k * h / 2)
    across = [problem.faces and channel == axis for axis in range(2)]
    x, y = (np.ones_like(over) if face else over for face in across)
    averaged = np.fft.ifft2(np.fft.fft2(nodes) * x[:, None] * y).real
    step = fine // cells
    return averaged[..., ::step, ::step]


def places(name: str, channel: int) -> tuple[np.ndarray, np.ndarray]:
    """Return where these means lie along each axis."""
    problem = PROBLEMS[name]
    shift = [0.0 if problem.faces and channel == axis else 0.5 for axis in range(2)]
    x, y = ((np.arange(CELLS) + s) * problem.length / CELLS for s in shift)
    return x, y


def states(name: str, count: int) -> Float[np.ndarray, "simulation time x y channel"]:
    """Return the means at all frames."""
    nodes = trajectories(name, count)[:, ::DENSE]
    return np.stack([means(name, c, nodes[:, :, c]) for c in range(nodes.shape[2])], -1)


def at(name: str, nodes: Float[np.ndarray, "... x y"], place: np.ndarray) -> np.ndarray:
    """Return values at a place, by their Fourier series."""
    waves = np.fft.fftfreq(_FINE, 1 / _FINE)
    along = [np.exp(2j * np.pi * waves * x / PROBLEMS[name].length) for x in place]
    return np.einsum("...ij,i,j->...", np.fft.fft2(nodes), *along).real / _FINE**2


def _heat(length: float, cells: int, dt: float, diffusivity: float) -> Any:
    import exponax as ex

    return ex.stepper.Diffusion(2, length, cells, dt, diffusivity=diffusivity)


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
    return vorticity / jnp.sqrt(jnp.mean(jnp.sum(_velocity(vorticity) ** 2, -3)))


def _velocity(vorticity: Float[Array, "... 1 x y"]) -> Float[Array, "... 2 x y"]:
    """Return the velocity; exponax's vorticity is d_y u - d_x v."""
    kx, ky = _wave_vector(vorticity.shape[-1])
    square = jnp.where(kx**2 + ky**2 > 0, kx**2 + ky**2, 1)
    stream = -jnp.fft.fft2(vorticity[..., 0, :, :]) / square
    return jnp.stack([jnp.fft.ifft2(1j * k * stream).real for k in (ky, -kx)], -3)


def _wave_vector(cells: int) -> tuple[Array, Array]:
    """Return the waves along both axes of a box of 2 pi, without the mean's share."""
    k = jnp.fft.fftfreq(cells, 1 / cells)
    return k[:, None], k[None, :]


_COMPONENTS = ("velocity_x", "velocity_y")
PROBLEMS = {
    "heat": Problem(
        *(1.0, 0.1, ("temperature",), {"diffusivity": 2e-3}),
        stepper=_heat,
        draw=_waves(1, 4),
    ),
    "burgers": Problem(
        *(1.0, 0.02, _COMPONENTS, {"viscosity": 0.03}),
        stepper=_burgers,
        draw=_waves(2, 2),
    ),
    "gray_scott": Problem(
        *(1.0, 10.0, ("u", "v"), {"diffusivity_u": 1e-4, "diffusivity_v": 5e-5}),
        stepper=_gray_scott,
        draw=_blobs,
        known={"feed": 0.035, "kill": 0.06},
    ),
    "kolmogorov": Problem(
        *(2 * np.pi, 0.1, _COMPONENTS, {"viscosity": 0.02}),
        stepper=_kolmogorov,
        draw=_eddies,
        known={"forcing": -0.5},
        recorded=_velocity,
        faces=True,
    ),
}
