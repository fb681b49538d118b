"""A diffusivity is found through each instrument, from what it reads of an exact solution.

The solution is a sum of waves, so that its means, blurs and integrals are known without any grid.
One compiled program serves all instruments: rows are padded to one length.
"""

from dataclasses import replace

import jax
import numpy as np
import pytest

import hycojax as hj
from hycojax import fitting
from hycojax.data.observations import Rows
from hycojax.game import state as games
from hycojax.inference.deviations import doubts
from hycojax.run.compiled import compiled_cycle
from hycojax.settings.numbers import split

SIZE, TRUTH, SIGMA = 8.0, 0.3, 0.01
#: Amplitude, numbers of waves along the axes, phase.
WAVES = [(1.0, (1, 0), 0.4), (0.8, (0, 1), 1.0), (0.7, (1, 1), 2.0)]
#: Instruments, and what they make of a wave exp(i k x).
INSTRUMENTS = {
    "value": (hj.Value(), lambda k: 1.0),
    "mean": (hj.Mean((2.0, 1.0)), lambda k: np.sinc(k[0] / np.pi) * np.sinc(k[1] / 2 / np.pi)),
    "blur": (hj.Blur(0.5), lambda k: np.exp(-0.5 * 0.5**2 * (k @ k))),
    "line": (hj.Line(1), lambda k: SIZE * (k[1] == 0)),
}


def wave(places, times, factor=lambda k: 1.0):
    """Return the solution at places and times, as something sees it."""
    values = np.zeros(len(places))
    for amplitude, numbers, phase in WAVES:
        k = 2 * np.pi * np.array(numbers) / SIZE
        size = amplitude * factor(k) * np.exp(-TRUTH * (k @ k) * times)
        values += size * np.cos(places @ k + phase)
    return values


def first():
    """Return the first state, at the centres of the model's cells and without noise."""
    x = (np.arange(12) + 0.5) * SIZE / 12
    places = np.stack(np.meshgrid(x, x, indexing="ij"), -1).reshape(-1, 2)
    values = wave(places, 0.0).reshape(1, 12, 12)
    return hj.Film("temperature", "K", np.zeros(1), (x, x), values, 0.0, hj.Value())


def measured(name, taken_for=None):
    """Return what 40 sensors of a kind read, each at 6 times of its own."""
    (instrument, factor), rng = INSTRUMENTS[name], np.random.default_rng(0)
    places = np.repeat(rng.uniform(0, SIZE, (40, 2)), 6, axis=0)
    times = rng.uniform(0, 3, 240)
    sigma = SIGMA * (SIZE if name == "line" else 1.0)
    noisy = wave(places, times, factor) + sigma * rng.normal(size=240)
    return hj.Points("temperature", "K", times, places, noisy, sigma, taken_for or instrument)


def experiment(*sensors):
    system = hj.System("one", (first(), *sensors))
    return hj.Experiment(
        name="seen",
        domain=hj.Domain((12, 12), (SIZE, SIZE), hj.PERIODIC),
        interval=0.5,
        physical=hj.Physical(
            hj.physics.Heat(diffusivity=hj.Unknown(start=1.0)), hj.LBFGS(iterations=10)
        ),
        synthetic=hj.Synthetic(hj.networks.ConvNet(), hj.Adam()),
        data=hj.Recordings((system,)),
        mode="physical",
        schedule=hj.Schedule(warmup=0, cycles=1),
    )


def padded(observed, entries):
    """Return the same with rows of so many entries, and so many measurements between frames."""
    (part,) = (p for p in observed.parts if isinstance(p, Rows))
    more = ((0, 0), (0, entries - part.cells.shape[1]))
    rows = {n: np.pad(getattr(part, n), more) for n in ("cells", "coefficients")}
    more = ((0, 0), (0, 0), (0, 80 - part.values.shape[-1]))
    rows |= {n: np.pad(getattr(part, n), more) for n in ("values", "weights", "fraction", "row")}
    return replace(observed, parts=(replace(part, **rows),))


#: What is measured, and what it is taken for; the last one wrongly.
CASES = {name: measured(name) for name in INSTRUMENTS}
CASES["mistaken"] = measured("mean", hj.Value())


@pytest.fixture(scope="module")
def found():
    """Return estimate and standard deviation by instrument."""
    looks = {name: fitting.settled(experiment(own)) for name, own in CASES.items()}
    every = [part for _, own in looks.values() for part in own.known.training.parts]
    widest = max(part.cells.shape[1] for part in every if isinstance(part, Rows))
    program, ends = None, {}
    for name, (own, shown) in looks.items():
        assert shown.known.training.first.kind == "known"
        roles = {r: padded(getattr(shown.known, r), widest) for r in ("training", "validation")}
        data, game = replace(shown.known, **roles), own.game()
        state, stage = games.start(game, data, jax.random.key(0)), games.stage(game, 0)
        program = program or compiled_cycle(stage, data, state, games.turns(game, 0))
        state, _ = program(split(stage)[1], data, state, games.turns(game, 0))
        params, known = state.players["physical"].params, data.training
        doubt = doubts(game.physics, None, known.first, known.parts, data.scale, data.noise, params)
        ends[name] = float(game.physics.constrain(params)["diffusivity"]), doubt["diffusivity"].sd
    return ends


@pytest.mark.parametrize("name", INSTRUMENTS)
def test_a_diffusivity_is_found_through_an_instrument(found, name):
    estimate, deviation = found[name]
    print(f"\n{name}: {estimate:.5f} ± {deviation:.5f}")
    assert deviation < 0.02 * TRUTH
    assert abs(estimate - TRUTH) < max(2 * deviation, 0.01 * TRUTH)


def test_a_mean_that_is_taken_for_a_value_leads_astray(found):
    """So the instrument counts."""
    assert abs(found["mistaken"][0] - TRUTH) > 0.1 * TRUTH
