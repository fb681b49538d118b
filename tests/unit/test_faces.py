"""Fluxes and viscosity between walls at rest."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from hycojax.physics.operators import faces as on_faces
from hycojax.physics.operators.fluid import projected

pytestmark = pytest.mark.usefixtures("double")

SHAPES = {"2D": (12, 8), "3D": (8, 6, 10)}


def widths(shape):
    return tuple(1 + i / 2 for i in range(len(shape)))


def noise(shape, seed):
    """Return random faces between cells without divergence."""
    rng = np.random.default_rng(seed)
    faces = [rng.normal(size=[n - (i == own) for i, n in enumerate(shape)]) for own in range(99)][
        : len(shape)
    ]
    return projected([jnp.asarray(f) for f in faces], widths(shape))[0]


def squares(faces):
    return sum(float(jnp.sum(f**2)) for f in faces)


def largest(faces):
    return max(float(jnp.abs(f).max()) for f in faces)


def cosines(n, waves=2):
    """Return means over cells of cos(waves pi x) on 0 to 1, and its values on inner faces."""
    edges = np.arange(n + 1) / n
    means = np.diff(np.sin(waves * np.pi * edges)) / (waves * np.pi) * n
    return means, np.cos(waves * np.pi * edges[1:-1])


@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES)
def test_what_is_uniform_stays_so_and_sums_are_kept(shape):
    speeds = on_faces.speeds(noise(shape, 0), widths(shape), 1.0, 1e9)
    uniform = on_faces.transported(jnp.ones(shape), None, speeds)
    np.testing.assert_allclose(uniform, 0, atol=1e-13)
    density = jnp.asarray(np.random.default_rng(1).normal(size=shape))
    change = on_faces.transported(density, None, speeds)
    assert np.abs(change).max() > 0.1
    assert abs(change.sum()) < 1e-12


def test_the_lift_on_faces_is_of_order_4():
    errors = []
    for n in (16, 32):
        means, exact = cosines(n)
        found = on_faces.between(jnp.asarray(means)[None], 1)[0]
        errors.append(np.abs(found - exact).max())
    assert errors[0] < 2e-3
    assert np.log2(errors[0] / errors[1]) > 3.8


def swirls(n):
    """Return a flow with the stream function (sin pi x sin pi y)^2, as faces and cell widths."""
    edges = np.arange(n + 1) / n
    stream = np.sin(np.pi * edges)[:, None] ** 2 * np.sin(np.pi * edges) ** 2
    return [jnp.diff(stream, axis=1)[1:-1] * n, -jnp.diff(stream, axis=0)[:, 1:-1] * n], (
        1 / n,
    ) * 2


def test_fluxes_are_of_order_4_inside():
    """Of cos(2 pi x) cos(2 pi y) in a swirl, against the rate by a grid 8 times as fine."""

    def rate(n):
        means, _ = cosines(n)
        flow, dx = swirls(n)
        speeds = on_faces.speeds(flow, dx, 1.0, 1e9)
        return np.asarray(on_faces.transported(jnp.asarray(np.outer(means, means)), None, speeds))

    exact = rate(256)
    errors = []
    for n in (16, 32):
        k = 256 // n
        averaged = exact.reshape(n, k, n, k).mean((1, 3))
        inside = slice(n // 4, -n // 4)
        errors.append(np.abs(rate(n) - averaged)[inside, inside].max() / np.abs(averaged).max())
    assert errors[1] < 1e-3
    assert np.log2(errors[0] / errors[1]) > 3.5


def test_a_flow_that_would_go_too_far_in_a_step_is_slowed_as_a_whole():
    flow, dx = noise((12, 8), 2), widths((12, 8))
    free = on_faces.speeds(flow, dx, 1.0, 1e9)
    same = on_faces.speeds(flow, dx, 1e-3, 1.25)
    slowed = on_faces.speeds([100 * f for f in flow], dx, 1.0, 1.25)
    for a, b, c in zip(free, same, slowed, strict=True):
        np.testing.assert_array_equal(a, b)
        np.testing.assert_allclose(c * a.max(), a * c.max(), rtol=1e-12)
    assert largest(slowed) < 1.25 * 2


@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES)
@pytest.mark.parametrize("strength", [0.0, 1.0, 1e6])
def test_viscosity_takes_energy_for_every_step_and_makes_no_divergence(shape, strength):
    flow, dx = noise(shape, 3), widths(shape)
    energies = [squares(flow)]
    for _ in range(30):
        flow = on_faces.diffused(flow, strength, 1.0, dx)
        energies.append(squares(flow))
    divergence = largest([x - y for x, y in zip(flow, projected(flow, dx)[0], strict=True)])
    assert divergence < 1e-12
    if strength == 0:
        np.testing.assert_allclose(energies, energies[0], rtol=1e-12)
    else:
        assert (np.diff(energies) <= 1e-12).all()
        assert energies[-1] < 0.1 * energies[0]


#: The slowest decay of a viscous flow in a box with sides of 1 m, over nu, in 1/m^2.
SLOWEST = 4 * 13.086172791


@pytest.mark.parametrize("cells", [12, 24])
def test_the_slowest_swirl_decays_as_is_known(cells):
    """Source: E. Leriche, G. Labrosse, J. Comput. Phys. 200 (2004), 489, in a box of sides 2."""
    dx, dt = (1 / cells,) * 2, 1e-3
    flow, _ = swirls(cells)
    step = jax.jit(lambda u, _: (on_faces.diffused(u, 1.0, dt, dx), None))
    developed = jax.lax.scan(step, flow, length=100)[0]
    later = jax.lax.scan(step, developed, length=50)[0]
    rate = -np.log(squares(later) / squares(developed)) / (2 * 50 * dt)
    assert abs(rate / SLOWEST - 1) < 1 / cells**2


def test_viscosity_is_of_order_2_in_time():
    """Once a step diffuses over less than a cell."""
    dx, (flow, _) = (1 / 12,) * 2, swirls(12)

    @jax.jit
    def after(count):
        step = lambda _, u: on_faces.diffused(u, 1.0, 0.02 / count, dx)  # noqa: E731
        return jax.lax.fori_loop(0, count, step, flow)

    ends = [np.concatenate([f.ravel() for f in after(n)]) for n in (32, 64, 128)]
    gaps = [np.linalg.norm(a - b) for a, b in itertools.pairwise(ends)]
    assert np.log2(gaps[0] / gaps[1]) > 1.9
