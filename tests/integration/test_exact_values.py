"""Exact values of a part of the cells, of systems whose first states nobody knows."""

import numpy as np
import pytest

import hycojax as hj

CELLS, SIZE, TRUTH = 16, 8.0, 0.1


def film():
    """Return exact means over a quarter of the cells, of five waves that decay."""
    rng = np.random.default_rng(1)
    x = (np.arange(CELLS) + 0.5) * SIZE / CELLS
    times, dx = 0.5 * np.arange(9), SIZE / CELLS
    values = np.zeros((len(times), CELLS, CELLS))
    for numbers in ((1, 0), (0, 2), (1, 1), (2, -1), (3, 1)):
        k = 2 * np.pi * np.array(numbers) / SIZE
        wave = np.cos(k[0] * x[:, None] + k[1] * x + rng.uniform(0, 6))
        mean = np.prod(np.sinc(k * dx / 2 / np.pi))
        values += mean * np.exp(-TRUTH * (k @ k) * times)[:, None, None] * wave
    unseen = rng.permutation(CELLS**2).reshape(CELLS, CELLS) >= CELLS**2 // 4
    values[:, unseen] = np.nan
    return hj.Film("temperature", "K", times, (x, x), values, sigma=0.0)


@pytest.mark.parametrize("start", [3.0, 1 / 3])
def test_a_diffusivity_is_found_though_a_first_state_explains_a_short_time(start):
    """The search had gone to a tenth of the diffusivity, and had crept from there."""
    experiment = hj.Experiment(
        name="exact",
        domain=hj.Domain((CELLS, CELLS), (SIZE, SIZE), hj.PERIODIC),
        interval=0.5,
        physical=hj.Physical(
            hj.physics.Heat(diffusivity=hj.Unknown(start=start * TRUTH)), hj.LBFGS()
        ),
        synthetic=hj.Synthetic(hj.networks.ConvNet(features=2, layers=1), hj.Adam()),
        data=hj.Recordings((hj.System("one", (film(),)),), begin=0.0),
        mode="physical",
        schedule=hj.Schedule(warmup=0, cycles=2),
    )
    found = hj.fit(experiment).parameters["diffusivity"]
    np.testing.assert_allclose(found.estimate, TRUTH, rtol=1e-3)
