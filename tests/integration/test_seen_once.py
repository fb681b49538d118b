"""Places that are seen once, each at a time of its own, as by a probe that is moved."""

import numpy as np
import pytest

import hycojax as hj

SIZE, TRUTH, SIGMA = 8.0, 0.3, 0.01


def probe():
    """Return 200 measurements of a sum of waves that decay."""
    rng = np.random.default_rng(0)
    places, times, values = rng.uniform(0, SIZE, (200, 2)), rng.uniform(0, 4, 200), np.zeros(200)
    for amplitude, numbers, phase in ((1.0, (1, 0), 0.4), (0.8, (0, 1), 1.0), (0.7, (1, 1), 2.0)):
        k = 2 * np.pi * np.array(numbers) / SIZE
        wave = np.cos(places @ k + phase)
        values += amplitude * np.exp(-TRUTH * (k @ k) * times) * wave
    noisy = values + SIGMA * rng.normal(size=200)
    return hj.Points("temperature", "K", times, places, noisy, SIGMA)


@pytest.mark.accuracy
def test_a_diffusivity_is_found_though_no_place_is_seen_twice():
    """Over a part of the time a first state explains all: it went to 0, at its bound."""
    experiment = hj.Experiment(
        name="probe",
        domain=hj.Domain((16, 16), (SIZE, SIZE), hj.PERIODIC),
        interval=1.0,
        physical=hj.Physical(
            hj.physics.Heat(diffusivity=hj.Unknown(start=1.0)), hj.LBFGS(iterations=40)
        ),
        synthetic=hj.Synthetic(hj.networks.ConvNet(), hj.Adam()),
        data=hj.Recordings((hj.System("one", (probe(),)),)),
        mode="physical",
        schedule=hj.Schedule(warmup=0, cycles=2),
    )
    found = hj.fit(experiment).parameters["diffusivity"]
    print(f"\n{found.estimate:.4f} ± {found.sd:.4f}")
    assert found.sd < 0.03 * TRUTH
    assert abs(found.estimate - TRUTH) < max(2 * found.sd, 0.02 * TRUTH)
