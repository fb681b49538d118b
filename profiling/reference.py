"""Recordings by an independent solver: exponax, pseudo-spectral, of order 4, four times finer.

It is needed for the proofs only: pip install '.[test]' has it.
"""

from __future__ import annotations

import functools

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

#: The box and the model's cells along it, the interval, frames, and dense frames an interval.
LENGTH, CELLS, FRAMES, DENSE = 1.0, 32, 16, 4
INTERVALS = {"heat": 0.1, "burgers": 0.02}
TRUE = {"heat": 2e-3, "burgers": 0.03}
CHANNELS = {"heat": ("temperature",), "burgers": ("velocity_x", "velocity_y")}
_FINE, _INNER, _SEED = 4 * CELLS, 2, 2026


@functools.cache
def trajectories(name: str, count: int) -> Float[np.ndarray, "simulation time channel x y"]:
    """Return values at the nodes of the fine grid, `DENSE` frames an interval."""
    import exponax as ex

    dt = INTERVALS[name] / DENSE / _INNER
    kinds = {
        "heat": lambda: ex.stepper.Diffusion(2, LENGTH, _FINE, dt, diffusivity=TRUE[name]),
        "burgers": lambda: ex.stepper.Burgers(
            2, LENGTH, _FINE, dt, diffusivity=TRUE[name], conservative=False, order=4
        ),
    }
    draw = ex.ic.RandomTruncatedFourierSeries(2, cutoff=4 if name == "heat" else 2, std_one=True)
    roll = ex.rollout(ex.repeat(kinds[name](), _INNER), FRAMES * DENSE, include_init=True)
    channels = len(CHANNELS[name])

    def one(key: Array) -> Array:
        first = [draw(_FINE, key=k) for k in jax.random.split(key, channels)]
        return roll(jnp.concatenate(first) / np.sqrt(channels))

    keys = jax.random.split(jax.random.key(_SEED), count)
    return np.stack([np.asarray(jax.jit(one)(key), np.float64) for key in keys])


def cell_means(nodes: Float[np.ndarray, "... x y"]) -> Float[np.ndarray, "... x y"]:
    """Return the exact means over the model's cells of what is given at the nodes."""
    h = LENGTH / CELLS
    k = 2 * np.pi * np.fft.fftfreq(_FINE, LENGTH / _FINE)
    mean = np.sinc(k * h / 2 / np.pi) * np.exp(1j * k * h / 2)
    averaged = np.fft.ifft2(np.fft.fft2(nodes) * mean[:, None] * mean).real
    step = _FINE // CELLS
    return averaged[..., ::step, ::step]


def at(nodes: Float[np.ndarray, "... x y"], place: Float[np.ndarray, " 2"]) -> np.ndarray:
    """Return values at a place, by their Fourier series."""
    waves = np.fft.fftfreq(_FINE, 1 / _FINE)
    along = [np.exp(2j * np.pi * waves * x / LENGTH) for x in place]
    return np.einsum("...ij,i,j->...", np.fft.fft2(nodes), *along).real / _FINE**2
