"""Models with a part that differentiates backwards only, fitted with one unknown."""

from dataclasses import dataclass
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import hycojax as hj
from hycojax.run.classes import import_file

TOLD = "a part of the step differentiates backwards only"


@jax.custom_vjp
def faded(u, rate, dt):
    return u * jnp.exp(-rate * dt)


def _forwards(u, rate, dt):
    return faded(u, rate, dt), (u, rate, dt)


def _backwards(kept, slope):
    u, rate, dt = kept
    left = jnp.exp(-rate * dt)
    return slope * left, -jnp.sum(slope * u) * dt * left, jnp.zeros_like(dt)


faded.defvjp(_forwards, _backwards)


@dataclass(frozen=True)
class Decay(hj.PDE):
    """du/dt = -k u, whose step has a derivative of its own, or JAX's."""

    k: hj.Coefficient = hj.coefficient(0.1, unit="1/s", low=0.0)
    custom: bool = True

    def channels(self, dims):
        return (hj.Channel("u"),)

    def step(self, at, values, state):
        if self.custom:
            return faded(state, values["k"], jnp.asarray(at.dt, state.dtype))
        return state * jnp.exp(-values["k"] * at.dt)

    def draw(self, domain, key):
        return hj.random_field(key, domain)[..., None]


PastBall = import_file(Path(__file__).parents[2] / "experiments" / "obstacle.py").PastBall


def experiment(domain, model, data, solver=None):
    return hj.Experiment(
        name="reverse",
        domain=domain,
        interval=1.0,
        physical=hj.Physical(model, solver or hj.LBFGS(iterations=10)),
        synthetic=hj.Synthetic(hj.networks.ConvNet(features=2, layers=1), hj.Adam()),
        data=data,
        schedule=hj.Schedule(cycles=2),
        mode=hj.Mode.PHYSICAL,
    )


def decay(custom, noise):
    truth = Decay(k=0.1, custom=False)
    data = hj.Simulated(truth=truth, training=2, validation=1, test=1, steps=6, noise=noise)
    model = Decay(k=hj.Unknown(start=0.3), custom=custom)
    return experiment(hj.Domain((8,), (1.0,), hj.PERIODIC), model, data)


@pytest.mark.parametrize("noise", [0.0, 0.05])
def test_it_is_fitted_as_another_is(noise):
    ours, plain = (hj.fit(decay(custom, noise)) for custom in (True, False))
    found, known = ours.parameters["k"], plain.parameters["k"]
    np.testing.assert_allclose(found.estimate, known.estimate, rtol=1e-5)
    np.testing.assert_allclose(found.sd, known.sd, rtol=1e-2, atol=1e-7)
    assert sum(TOLD in sentence for sentence in ours.summary["warnings"]) == 1
    assert not any(TOLD in sentence for sentence in plain.summary.get("warnings", ()))


def test_first_states_are_found_with_it():
    rng = np.random.default_rng(0)
    times, places = np.sort(rng.uniform(0, 6, 60)), rng.uniform(0, 1, (60, 1))
    values = (2 + np.sin(2 * np.pi * places[:, 0])) * np.exp(-0.1 * times)
    probes = hj.Points("u", "1", times, places, values + 0.02 * rng.normal(size=60), 0.02)
    data = hj.Recordings((hj.System("one", (probes,)),))
    domain = hj.Domain((8,), (1.0,), hj.PERIODIC)
    ours, plain = (
        hj.fit(experiment(domain, Decay(k=hj.Unknown(start=0.3), custom=custom), data))
        for custom in (True, False)
    )
    found, known = ours.parameters["k"], plain.parameters["k"]
    np.testing.assert_allclose(found.estimate, known.estimate, rtol=1e-3)
    np.testing.assert_allclose(found.sd, known.sd, rtol=5e-2)  # the searches end apart


@pytest.mark.accuracy
def test_the_viscosity_of_a_flow_past_an_obstacle_of_phiflow_is_found():
    data = hj.Simulated(
        truth=PastBall(viscosity=0.5), training=1, validation=0, test=0, steps=4, refinement=1
    )
    domain = hj.Domain((8, 8), (16.0, 16.0), hj.PERIODIC)
    asked = experiment(domain, PastBall(viscosity=hj.Unknown(start=1.5, high=4.0)), data)
    result = hj.fit(asked)
    np.testing.assert_allclose(result.parameters["viscosity"].estimate, 0.5, rtol=1e-2)
    assert result.parameters["viscosity"].sd < 0.01
