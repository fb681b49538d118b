"""The order of convergence of each PDE's step, measured from what its own refinement changes."""

import numpy as np
import pytest

import hycojax as hj

LINE = hj.Domain((16,), (32.0,), hj.PERIODIC)
FINE = hj.Domain((32,), (32.0,), hj.PERIODIC)
BOX = hj.Domain((16, 16), (32.0, 32.0), hj.PERIODIC)
TANK = hj.Domain((16, 16), (32.0, 32.0), hj.CLOSED)
#: A PDE, its box and interval, and its orders in time and space: at least so much. Of limited
#: schemes both are those of step and grid together.
CASES = {
    "advection": (hj.physics.Advection(), BOX, 2.0, 4.0, 2.7),
    "advection-limited": (hj.physics.Advection(edges="limited"), BOX, 2.0, 1.5, 1.5),
    "burgers": (hj.physics.Burgers(viscosity=2.0), LINE, 2.0, 3.8, 6.0),
    "burgers-field": (hj.physics.Burgers(viscosity=hj.Waves(2.0, 0.5)), LINE, 2.0, 2.0, 2.0),
    "burgers-limited": (
        hj.physics.Burgers(viscosity=2.0, fronts="limited"),
        FINE,
        2.0,
        1.5,
        1.5,
    ),
    "burgers-conserved": (
        hj.physics.Burgers(viscosity=2.0, fronts="conserved"),
        LINE,
        2.0,
        2.0,
        2.0,
    ),
    "gray-scott": (hj.physics.GrayScott(), BOX, 8.0, 3.8, 3.8),
    "heat-field": (hj.physics.Heat(diffusivity=hj.Waves(1.0, 0.3)), BOX, 2.0, 2.0, 1.8),
    "inviscid-burgers": (hj.physics.InviscidBurgers(), FINE, 0.5, 1.8, 1.8),
    "navier-stokes": (hj.physics.NavierStokes(viscosity=0.5), TANK, 1.0, 2.0, 1.8),
    "smoke": (hj.physics.Smoke(buoyancy=0.1, viscosity=1.0), TANK, 1.0, 2.0, 1.8),
    "kolmogorov": (hj.physics.Kolmogorov(viscosity=0.5), BOX, 1.0, 3.8, 6.0),
}


def test_steps_without_an_error_in_time_are_told():
    found = hj.order_test(hj.physics.Heat(diffusivity=1.0), LINE, 2.0)
    assert found.time == float("inf")


def test_an_order_is_told_though_its_errors_are_small():
    """Those of the finest steps are rounding: it had been infinite."""
    line = hj.Domain((16,), (100.0,), hj.PERIODIC)
    found = hj.order_test(hj.physics.Burgers(viscosity=4.0), line, 0.1)
    assert abs(found.time - 4) < 0.1


def test_what_is_no_pde_has_no_order():
    with pytest.raises(ValueError, match="pde = 'heat': a PDE is needed"):
        hj.order_test("heat", LINE, 1.0)


def test_a_step_of_first_order_is_told():
    class Euler(hj.physics.Heat):
        def march(self, at, values, state):
            for _ in range(at.pieces):
                bend = np.array([1.0, -2.0, 1.0]) / at.domain.dx[0] ** 2
                around = [np.roll(np.eye(len(state)), s, 0) @ state for s in (-1, 0, 1)]
                change = sum(b * u for b, u in zip(bend, around, strict=True))
                state = state + at.dt * values["diffusivity"] * change
            return state

    assert abs(hj.order_test(Euler(diffusivity=0.1, pieces=2), LINE, 2.0).time - 1) < 0.05


@pytest.mark.accuracy
@pytest.mark.parametrize("name", CASES)
def test_orders_are_those_of_the_schemes(name):
    pde, domain, interval, time, space = CASES[name]
    found = hj.order_test(pde, domain, interval)
    assert found.time > time - 0.1
    assert found.space > space - 0.1
