"""The same inverse problem in other systems of units, and numbers at the ends of what there is."""

import functools
from dataclasses import dataclass, replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import hycojax as hj

CELLS, STEPS = 16, 6


@dataclass(frozen=True)
class Units:
    """How many of the new units the old ones are: of length, time, and what is measured."""

    length: float
    time: float
    value: float


KILOMETRES_HOURS = Units(1e-3, 1 / 3600, 1e6)
NANOMETRES_MICROSECONDS = Units(1e9, 1e6, 1e-9)
ENORMOUS = Units(1e20, 1e13, 1e20)
TINY = Units(1e-20, 1e-13, 1e-20)
OTHERS = [KILOMETRES_HOURS, NANOMETRES_MICROSECONDS, ENORMOUS, TINY]


@functools.cache
def path(kind):
    """Return frames in the old units, with noise."""
    with jax.enable_x64(True):
        truth = {
            "heat": hj.physics.Heat(diffusivity=1.5),
            "burgers": hj.physics.Burgers(viscosity=2.0),
            "gray-scott": hj.physics.GrayScott(),
        }[kind].on(BOX, 2.0)
        state = truth.sample(jax.random.key(3))
        values = [np.asarray(state)]
        for _ in range(STEPS):
            values.append(np.asarray(jax.jit(truth.forward)({}, values[-1])))
    values = np.stack(values)
    scale = values.std((0, 1))
    return values + 0.01 * scale * np.random.default_rng(0).normal(size=values.shape)


BOX = hj.Domain((CELLS,), (60.0,), hj.PERIODIC)


def fitted(kind, units):
    """Return the estimate of the only unknown in the old units, and its standard deviation."""
    spread = units.length**2 / units.time
    names, model = {
        "heat": (["temperature"], lambda x: hj.physics.Heat(diffusivity=x)),
        "burgers": (["velocity_x"], lambda x: hj.physics.Burgers(viscosity=x)),
        "gray-scott": (
            ["u", "v"],
            lambda x: hj.physics.GrayScott(
                diffusivity_u=x,
                diffusivity_v=0.08 * spread,
            ),
        ),
    }[kind]
    value = {"heat": units.value, "burgers": units.length / units.time, "gray-scott": 1.0}[kind]
    start = 0.5 if kind == "gray-scott" else 5.0
    found = path(kind) * value
    arrays = {name: found[None, ..., i] for i, name in enumerate(names)}
    arrays["time"] = 2.0 * units.time * np.arange(STEPS + 1)
    arrays["x"] = (np.arange(CELLS) + 0.5) * BOX.dx[0] * units.length
    sigma = {n: 0.01 * float(arrays[n].std()) for n in names}
    result = hj.fit(
        hj.Experiment(
            name="scales",
            domain=hj.Domain((CELLS,), (60.0 * units.length,), hj.PERIODIC),
            interval=2.0 * units.time,
            physical=hj.Physical(
                model(hj.Unknown(start=start * spread)), hj.LBFGS(iterations=60, tolerance=1e-7)
            ),
            synthetic=hj.Synthetic(hj.networks.ConvNet(features=2, layers=1), hj.Adam()),
            data=hj.Recordings.from_arrays(arrays, sigma=sigma),
            schedule=hj.Schedule(cycles=2),
            mode=hj.Mode.PHYSICAL,
        )
    )
    own = next(iter(result.parameters.values()))
    assert np.isfinite(result.summary["physical"]["recorded_nrmse"])
    return float(own.estimate) / spread, float(own.sd) / spread


@functools.cache
def usual(kind):
    return fitted(kind, Units(1.0, 1.0, 1.0))


@pytest.mark.parametrize("units", OTHERS, ids=["km-h", "nm-us", "enormous", "tiny"])
@pytest.mark.parametrize("kind", ["heat", "burgers"])
def test_parameters_are_the_same_in_other_units(kind, units):
    np.testing.assert_allclose(fitted(kind, units)[0], usual(kind)[0], rtol=1e-3)
    np.testing.assert_allclose(fitted(kind, units)[1], usual(kind)[1], rtol=0.02)


def test_concentrations_spread_alike_in_other_units():
    found = fitted("gray-scott", Units(1e9, 1.0, 1.0))  # 1 /s and 1 are part of the reaction
    np.testing.assert_allclose(found[0], usual("gray-scott")[0], rtol=1e-3)
    np.testing.assert_allclose(found[1], usual("gray-scott")[1], rtol=0.02)


def one_step(pde, boundary, units, scales):
    """Return a state after a step, in the old units, by coefficients that are searched."""
    box = hj.Domain((12, 12), (6.0 * units.length,) * 2, boundary)
    model = pde.on(box, 0.5 * units.time, tuple(scales))
    state = np.random.default_rng(1).normal(size=(12, 12, len(scales))).astype(np.float32)
    given = model.pde.admissible(model.domain, jnp.asarray(state * np.float32(scales)))
    return np.asarray(jax.jit(model.forward)(model.init(None), given)) / np.float32(scales)


@pytest.mark.parametrize("units", [ENORMOUS, TINY], ids=["enormous", "tiny"])
def test_walls_and_fields_do_not_care_for_units(units):
    """In one step: a flow between walls, and a temperature whose diffusivity is a field."""

    def both(units):
        spread, speed = units.length**2 / units.time, units.length / units.time
        unknown = {"start": 0.05 * spread, "high": 0.5 * spread}
        flow = hj.physics.NavierStokes(0.1 * speed / units.time, hj.Unknown(**unknown), pieces=1)
        heat = hj.physics.Heat(hj.UnknownField(**unknown), pieces=1)
        yield one_step(flow, hj.CLOSED, units, (1.0, speed, speed))
        yield one_step(heat, hj.PERIODIC, units, (1.0,))

    for ours, usually in zip(both(units), both(Units(1.0, 1.0, 1.0)), strict=True):
        np.testing.assert_allclose(ours, usually, atol=1e-4)


def test_a_box_that_no_number_holds_is_named():
    with pytest.raises(ValueError, match=r"domain.size: .* out of the range of single precision"):
        hj.physics.Heat().on(hj.Domain((8,), (1e36,), hj.PERIODIC), 1.0)
    with pytest.raises(ValueError, match=r"diffusivity: .*use other units"):
        hj.physics.Heat(diffusivity=1e33).on(BOX, 1.0)
    with pytest.raises(ValueError, match=r"interval: "):
        hj.physics.Heat().on(BOX, 1e-33)


def test_an_interval_of_too_many_steps_is_refused(tiny_heat):
    truth = hj.physics.GrayScott()
    own = replace(tiny_heat.physical, model=hj.physics.GrayScott(feed=hj.Unknown(start=0.03)))
    data = replace(tiny_heat.data, truth=truth)
    with pytest.raises(ValueError, match=r"interval = 2e\+06 s: .* check the units of time"):
        replace(tiny_heat, interval=2e6, physical=own, data=data)


def test_states_that_change_faster_than_numbers_go_are_named():
    fast = (1e20,)
    with pytest.raises(ValueError, match=r"largest values .* out of the range"):
        hj.physics.Burgers().on(BOX, 1e-20, fast)
    assert hj.physics.Heat().on(BOX, 1.0, fast)
