"""Make sensors.csv: 40 sensors in a Burgers flow, by an independent solver (exponax).

    pip install exponax
    python experiments/data/make_sensors.py

A velocity u obeys du/dt + u . grad u = nu laplace u in a periodic box of 1 m, with nu = 0.03 m^2/s.
exponax solves that on 128 x 128 cells by a pseudo-spectral method of order 4 in double precision.
Each of the 40 sensors stands somewhere, has a clock of its own, and measures both components with
noise: a standard deviation of 0.02 m/s.
"""

import os
from pathlib import Path

os.environ["JAX_ENABLE_X64"] = "1"

import exponax as ex
import jax
import jax.numpy as jnp
import numpy as np

CELLS, LENGTH, VISCOSITY = 128, 1.0, 0.03
STEP, STEPS = 0.00125, 256
SENSORS, SIGMA, BETWEEN = 40, 0.02, 0.02


def simulate():
    """Return the velocity `[frame, component, x, y]` at the nodes of the grid."""
    stepper = ex.stepper.Burgers(
        2, LENGTH, CELLS, STEP, diffusivity=VISCOSITY, conservative=False, order=4
    )
    draw = ex.ic.RandomTruncatedFourierSeries(2, cutoff=2, std_one=True)
    first = [draw(CELLS, key=key) for key in jax.random.split(jax.random.key(2026))]
    first = jnp.concatenate(first) / np.sqrt(2)
    return np.asarray(ex.rollout(stepper, STEPS, include_init=True)(first))


def at(frames, place):
    """Return what trajectories are at a place, by their Fourier series."""
    waves = np.fft.fftfreq(CELLS, 1 / CELLS)
    along = [np.exp(2j * np.pi * waves * x / LENGTH) for x in place]
    return np.einsum("tcij,i,j->tc", np.fft.fft2(frames), *along).real / CELLS**2


def main():
    """Write the table."""
    frames, rng = simulate(), np.random.default_rng(2026)
    lines = ["time [s],x [m],y [m],velocity_x,velocity_y"]
    for _ in range(SENSORS):
        place = np.round(rng.uniform(0, LENGTH, 2), 4)
        every = round(BETWEEN / STEP)
        when = np.arange(rng.integers(0, every), STEPS + 1, every)
        values = at(frames[when], place)
        values += SIGMA * rng.normal(size=values.shape)
        for t, (u, v) in zip(when * STEP, values, strict=True):
            lines.append(f"{t:.5f},{place[0]:.4f},{place[1]:.4f},{u:.4f},{v:.4f}")
    Path(__file__).with_name("sensors.csv").write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
