"""Make shock.npz: a wave that steepens to a shock, by an independent solver (exponax).

    pip install exponax
    python experiments/data/make_shock.py

A velocity u obeys du/dt + u du/dx = nu d2u/dx2 in a periodic box from -1 to 1 m, with
nu = 0.01 / pi m^2/s, and is -sin(pi x) at the start. exponax solves that on 4096 cells by a
pseudo-spectral method of order 4 in double precision. The file has means over 128 cells at 33
frames within 1 s: all of them as `truth`, that at 0.5 s as `seen`, where the others are NaN.
"""

import os
from pathlib import Path

os.environ["JAX_ENABLE_X64"] = "1"

import exponax as ex
import jax
import jax.numpy as jnp
import numpy as np

CELLS, FINE, LENGTH, VISCOSITY = 128, 4096, 2.0, 0.01 / np.pi
FRAMES, INNER, SEEN = 32, 128, 16


def simulate():
    """Return the velocity `[frame, x]` at the nodes of the fine grid."""
    dt = 1 / FRAMES / INNER
    stepper = ex.stepper.Burgers(1, LENGTH, FINE, dt, diffusivity=VISCOSITY, order=4)
    x = -1 + LENGTH * jnp.arange(FINE) / FINE
    roll = ex.rollout(ex.repeat(stepper, INNER), FRAMES, include_init=True)
    return np.asarray(jax.jit(roll)(-jnp.sin(jnp.pi * x)[None]))[:, 0]


def means(nodes):
    """Return the exact means over the cells, by the Fourier series."""
    h = LENGTH / CELLS
    k = 2 * np.pi * np.fft.fftfreq(FINE, LENGTH / FINE)
    over = np.sinc(k * h / 2 / np.pi) * np.exp(1j * k * h / 2)
    return np.fft.ifft(np.fft.fft(nodes) * over).real[:, :: FINE // CELLS]


def main():
    """Write the file."""
    truth = means(simulate()).astype(np.float32)
    seen = np.full_like(truth, np.nan)
    seen[SEEN] = truth[SEEN]
    places = -1 + (np.arange(CELLS) + 0.5) * LENGTH / CELLS
    times = np.arange(FRAMES + 1) / FRAMES
    path = Path(__file__).with_name("shock.npz")
    np.savez_compressed(path, time=times, x=places, seen=seen, truth=truth)


if __name__ == "__main__":
    main()
