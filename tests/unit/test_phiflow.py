"""A user's own PhiFlow step, with an obstacle, as a physical model."""

from __future__ import annotations

from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from phi.jax import flow

import hycojax as hj
from hycojax.physics import phi

BOX = hj.Domain((16, 16), (16.0, 16.0), hj.CLOSED)


@dataclass(frozen=True)
class Plume(hj.physics.PhiFlowStep):
    """Dye that rises past a ball."""

    scalars = {"dye": "1"}  # noqa: RUF012
    vectors = {"velocity": "m/s"}  # noqa: RUF012

    buoyancy: hj.Coefficient = hj.coefficient(0.1, unit="m/s²")

    def advance(self, fields, values, dt):
        ball = flow.Obstacle(flow.Sphere(x=8.0, y=9.0, radius=2.5))
        dye = flow.advect.mac_cormack(fields["dye"], fields["velocity"], dt)
        velocity = flow.advect.semi_lagrangian(fields["velocity"], fields["velocity"], dt)
        velocity += flow.resample(dye * (0, values["buoyancy"] * dt), to=velocity)
        solve = flow.Solve("CG", 1e-5, 1e-5, max_iterations=500, rank_deficiency=0)
        velocity, _ = flow.fluid.make_incompressible(velocity, ball, solve)
        return {"dye": dye, "velocity": velocity}

    def draw(self, domain, key):
        x, y = (jnp.asarray(c, jnp.float32) for c in domain.centers())
        dye = jnp.exp(-((x - 8) ** 2 + (y - 4) ** 2) / 8)
        return jnp.stack([dye, jnp.zeros_like(dye), jnp.zeros_like(dye)], -1)


@pytest.fixture(scope="module")
def plume():
    return Plume(buoyancy=hj.Unknown(start=0.1)).on(BOX, 1.0)


@pytest.fixture(scope="module")
def rise(plume):
    """How fast the dye's surroundings rise after two steps, and its gradient, compiled."""

    def speed(buoyancy):
        params = {"buoyancy": buoyancy}
        state = plume.sample(jax.random.key(0))
        state = plume.forward(params, plume.forward(params, state))
        return jnp.sum(state[..., 2] ** 2), state

    return jax.jit(jax.value_and_grad(speed, has_aux=True))


def test_fields_become_channels(plume):
    assert [c.name for c in plume.channels] == ["dye", "velocity_x", "velocity_y"]
    assert [c.face for c in plume.channels] == [None, 0, 1]


def test_the_flow_goes_around_the_obstacle(plume, rise):
    (_, state), _ = rise(0.1)
    x, y = BOX.centers()
    inside = (x - 8) ** 2 + (y - 9) ** 2 < 1.5**2
    assert np.abs(state[..., 2][inside]).max() < 1e-6
    assert np.abs(state[..., 2]).max() > 0.01
    flux = (state[..., 1], state[..., 2])
    assert all(np.isfinite(part).all() for part in flux)


def test_its_gradient_is_that_of_central_differences(rise):
    h = 0.02
    ((high, _), _), ((low, _), _) = rise(0.1 + h), rise(0.1 - h)
    _, gradient = rise(0.1)
    np.testing.assert_allclose(gradient, (high - low) / (2 * h), rtol=0.02)


def test_a_step_equals_that_of_phiflow_alone(plume):
    def alone(state):
        arrays = list(jnp.moveaxis(state, -1, 0))
        fields = {
            "dye": phi.centered(plume.domain, arrays[0]),
            "velocity": phi.staggered(plume.domain, arrays[1:]),
        }
        with phi.precision(state):
            after = Plume(buoyancy=0.1).advance(fields, {"buoyancy": 0.1}, 1.0)
        return phi.cell_values(after["dye"]), phi.face_values(after["velocity"])

    state = plume.sample(jax.random.key(0))
    found = jax.jit(plume.forward)({"buoyancy": jnp.asarray(0.1)}, state)
    dye, velocity = jax.jit(alone)(state)
    np.testing.assert_allclose(found[..., 0], dye, atol=1e-6)
    for axis, faces in enumerate(velocity):
        np.testing.assert_allclose(found[..., 1 + axis], faces, atol=1e-5)


def test_a_field_that_is_missing_or_another_is_named():
    @dataclass(frozen=True)
    class Forgetful(Plume):
        def advance(self, fields, values, dt):
            return {"dye": fields["dye"]}

    @dataclass(frozen=True)
    class Open(Plume):
        def advance(self, fields, values, dt):
            dye = fields["dye"].with_boundary(flow.PERIODIC)
            return {**fields, "dye": dye}

    for kind, message in ((Forgetful, "velocity is missing"), (Open, "dye with another grid or")):
        model = kind().on(BOX, 1.0)
        with pytest.raises(ValueError, match=message):
            model.forward({}, model.sample(jax.random.key(0)))
