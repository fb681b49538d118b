"""`hycojax.check`: what a run will be, and whether its gradients are right."""

import re
from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from test_reverse_only import Decay

import hycojax as hj
from hycojax import check, fitting
from hycojax.game import state as games
from hycojax.inference.taylor import taylor_slopes

FILE = "tests/fixtures/heat.py"


def test_what_a_run_will_be_is_told(capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "200")
    check.main([FILE, "--mode", "physical"])
    told = capsys.readouterr().out
    assert "states: 16 x 16 cells, temperature" in told
    assert "PDE: 16 x 16 cells, 1 steps of 4 s an interval" in told
    assert "training: 2 systems, 6 intervals" in told
    assert re.search(r"a cycle: compiled in \d+ s, \d+ MiB", told)
    row = next(line for line in told.splitlines() if "diffusivity" in line)
    assert re.search(r"3 m²/s .* of the start .* (1\.9[5-9]|2\.0[0-5])\d", row)


def slopes(asked):
    """Return those of the Taylor test at the start of an experiment."""
    asked, recordings = fitting.settled(asked)
    data, _ = fitting.known(asked, recordings, None)
    state = games.start(asked.game(), data, jax.random.key(0))
    return taylor_slopes(asked.physics, data, state.players["physical"].params)


def test_gradients_of_numbers_fields_and_first_states_are_right(tiny_heat):
    """They are those of the loss: what they leave falls like the square of the distance."""
    fields = hj.physics.Burgers(viscosity=hj.UnknownField(start=3.0, high=20.0))
    rng = np.random.default_rng(0)
    times, places = np.sort(rng.uniform(0, 16, 60)), rng.uniform(0, 100, (60, 1))
    probes = hj.Points("velocity_x", "m/s", times, places, rng.normal(size=60), 0.1)
    asked = replace(
        tiny_heat,
        domain=hj.Domain((16,), (100.0,), hj.PERIODIC),
        physical=replace(tiny_heat.physical, model=fields),
        data=hj.Recordings((hj.System("one", (probes,)),)),
        mode=hj.Mode.PHYSICAL,
    )
    found = slopes(asked)
    assert set(found) == {"viscosity", "initial_states"}
    np.testing.assert_allclose(list(found.values()), 2, atol=0.05)


@jax.custom_vjp
def wrong(u, rate):
    return u * jnp.exp(-rate)


wrong.defvjp(
    lambda u, rate: (wrong(u, rate), (u, rate)),
    lambda kept, slope: (slope * jnp.exp(-kept[1]), -0.5 * jnp.sum(slope * kept[0])),
)


class Mistaken(Decay):
    """A step whose own derivative is half of what it is."""

    def step(self, at, values, state):
        return wrong(state, values["k"] * at.dt)


class Silent(Decay):
    """A step of which the coefficient changes nothing that rounding does not hide."""

    def step(self, at, values, state):
        return state * (0.9 + 1e-10 * values["k"] ** 2)


def test_what_the_loss_does_not_depend_on_is_not_judged(tiny_heat):
    """The slope of rounding had been called a wrong gradient."""
    data = hj.Simulated(truth=Silent(k=0.1), training=2, validation=0, test=0, steps=6)
    own = replace(tiny_heat.physical, model=Silent(k=hj.Unknown(start=0.3)))
    asked = replace(tiny_heat, physical=own, data=data, mode=hj.Mode.PHYSICAL)
    found = slopes(asked)["k"]
    assert check.judged(found) == "the loss hardly depends on it: not judged"


class Broken(Decay):
    """A step whose states are no numbers once the coefficient has moved."""

    def step(self, at, values, state):
        return state * jnp.where(values["k"] == jnp.asarray(0.3, values["k"].dtype), 0.9, jnp.nan)


def test_a_loss_that_is_no_number_is_judged(tiny_heat):
    """It does not hardly depend on a parameter."""
    data = hj.Simulated(truth=Decay(k=0.1), training=2, validation=0, test=0, steps=6)
    own = replace(tiny_heat.physical, model=Broken(k=hj.Unknown(start=0.3)))
    asked = replace(tiny_heat, physical=own, data=data, mode=hj.Mode.PHYSICAL)
    assert check.judged(slopes(asked)["k"]).startswith("inf: the gradient is wrong")


def test_limited_schemes_are_not_judged():
    assert check.judged(1.9, smooth=False) == "1.900 (a limited scheme: not judged)"
    assert not hj.physics.Burgers(fronts="limited").smooth
    assert not hj.physics.Advection(edges="limited").smooth
    assert hj.physics.Burgers().smooth


@pytest.mark.parametrize(("model", "order"), [(Decay, 2), (Mistaken, 1)])
def test_a_wrong_gradient_is_found(tiny_heat, model, order):
    data = hj.Simulated(truth=model(k=0.1), training=2, validation=0, test=0, steps=6)
    own = replace(tiny_heat.physical, model=model(k=hj.Unknown(start=0.3)))
    asked = replace(tiny_heat, physical=own, data=data, mode=hj.Mode.PHYSICAL)
    found = slopes(asked)["k"]
    assert abs(found - order) < 0.05
    assert ("the gradient is wrong" in check.judged(found)) == (order == 1)
