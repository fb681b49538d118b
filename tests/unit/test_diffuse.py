import jax
import jax.numpy as jnp
import numpy as np
import pytest
from phi.jax import flow
from scipy.linalg import expm

from hycojax.grid.domain import Boundary, Domain
from hycojax.physics import phi
from hycojax.physics.operators import diffuse

BOXES = {
    "1D": ((24,), (7.0,)),
    "2D": ((16, 12), (3.0, 50.0)),
    "3D": ((8, 10, 12), (1.0, 2.0, 30.0)),
}
boundaries = pytest.mark.parametrize("boundary", Boundary)
both_methods = pytest.mark.parametrize(
    "method",
    [diffuse.explicit, lambda u, a, dt: diffuse.super_time_step(u, a, dt, 3)],
    ids=["explicit", "super_time_step"],
)


def noise(seed, shape):
    return jnp.asarray(np.random.default_rng(seed).normal(size=shape))


#: The shortest wave of a grid of 8 by 6 cells.
CHEQUERS = (-1.0) ** np.add.outer(np.arange(8), np.arange(6))


def line(boundary, cells=8):
    return Domain((cells,), (2.0,), boundary)


def matrix(diffusivity, dx, periodic):
    """Return d/dx a d/dx on cells: what flows through a face leaves one cell for the other."""
    n = len(diffusivity)
    total = np.zeros((n, n))
    for i in range(n if periodic else n - 1):
        pair = np.zeros(n)
        pair[i], pair[(i + 1) % n] = 1, -1
        face = (diffusivity[i] + diffusivity[(i + 1) % n]) / 2
        total -= face / dx**2 * np.outer(pair, pair)
    return total


@pytest.mark.parametrize("grid", BOXES.values(), ids=BOXES)
@boundaries
def test_modes_decay_exactly_whatever_the_cell_width(grid, boundary):
    domain = Domain(*grid, boundary)
    half = 2 if boundary is Boundary.PERIODIC else 1
    numbers = [half * np.pi * n / s for n, s in zip((2, 1, 3), domain.size, strict=False)]
    waves = np.prod([np.cos(k * x) for k, x in zip(numbers, domain.centers(), strict=True)], axis=0)
    square = sum(k**2 for k in numbers)
    field = phi.centered(domain, jnp.asarray(waves, "f4"))
    after = phi.cell_values(diffuse.fourier(field, 2.0, 0.5 / square))
    np.testing.assert_allclose(after, waves * np.exp(-1.0), atol=2e-6)


def test_each_component_of_a_vector_decays_on_faces_too():
    domain = Domain((16, 12), (3.0, 50.0), Boundary.PERIODIC)
    parts = [noise(i, domain.shape) for i in range(2)]
    staggered = diffuse.fourier(phi.staggered(domain, parts), 0.1, 1.0)
    for before, after in zip(parts, phi.face_values(staggered), strict=True):
        alone = diffuse.fourier(phi.centered(domain, before), 0.1, 1.0)
        np.testing.assert_array_equal(after, phi.cell_values(alone))


@boundaries
@both_methods
def test_a_constant_diffusivity_may_be_a_field(boundary, method):
    domain = Domain(*BOXES["3D"], boundary)
    dt = 0.1 * min(domain.dx) ** 2
    field = phi.centered(domain, noise(0, domain.shape))
    local = phi.centered(domain, jnp.full(domain.shape, 0.7))
    np.testing.assert_allclose(
        *(phi.cell_values(method(field, a, dt)) for a in (local, 0.7)), atol=2e-6
    )


@boundaries
@both_methods
def test_diffusion_that_varies_keeps_the_mean(boundary, method):
    domain = Domain(*BOXES["3D"], boundary)
    dt = 0.1 * min(domain.dx) ** 2
    values = noise(1, domain.shape)
    local = phi.centered(domain, 1 + 0.5 * jnp.tanh(noise(2, domain.shape)))
    after = phi.cell_values(method(phi.centered(domain, values), local, dt))
    assert jnp.abs(after - values).max() > 0.1
    np.testing.assert_allclose(after.mean(), values.mean(), atol=1e-6)


@boundaries
@pytest.mark.usefixtures("double")
def test_order_in_space_of_diffusion_that_varies(boundary, order):
    """Against (a u')' in closed form: a = 2 + cos(k x), u = cos(k x), u' = 0 on walls."""
    k = np.pi * (1 if boundary is Boundary.CLOSED else 2) / 2.0

    def error(cells):
        domain = line(boundary, cells)
        wave, slope = np.cos(k * domain.centers()[0]), -k * np.sin(k * domain.centers()[0])
        expected = -k * np.sin(k * domain.centers()[0]) * slope - (2 + wave) * k**2 * wave
        with phi.precision(jnp.asarray(wave)):
            field, local = (phi.centered(domain, jnp.asarray(v)) for v in (wave, 2 + wave))
            change = diffuse.explicit(field, local, 1.0) - field
            return np.abs(phi.cell_values(change) - expected).max()

    cells = [32, 64, 128]
    assert order(cells, [error(n) for n in cells]) == pytest.approx(2, abs=0.05)


def test_substeps_are_steps():
    domain = Domain((8, 6), (8.0, 6.0), Boundary.CLOSED)
    field = phi.centered(domain, noise(3, domain.shape))
    once = diffuse.explicit(field, 0.5, 0.6, 3)
    for _ in range(3):
        field = diffuse.explicit(field, 0.5, 0.2)
    np.testing.assert_allclose(phi.cell_values(once), phi.cell_values(field), atol=1e-6)


@boundaries
@pytest.mark.parametrize("varies", [False, True])
@pytest.mark.parametrize("stages", [3, 7])
@pytest.mark.usefixtures("double")
def test_order_in_time_of_super_time_steps(boundary, varies, stages, order):
    """Against the exponential of the matrix of the cells."""
    domain = line(boundary)
    x = domain.centers()[0]
    diffusivity = 0.1 * (1 + 0.5 * np.sin(3 * x) * varies)
    start = np.exp(-x) + np.sin(5 * x)
    exact = expm(matrix(diffusivity, 0.25, boundary is Boundary.PERIODIC)) @ start

    def error(steps):
        def step(values, _):
            field = phi.centered(domain, values)
            local = phi.centered(domain, jnp.asarray(diffusivity)) if varies else 0.1
            after = diffuse.super_time_step(field, local, 1 / steps, stages)
            return phi.cell_values(after), None

        with phi.precision(jnp.asarray(start)):
            end = jax.lax.scan(step, jnp.asarray(start), length=steps)[0]
        return jnp.abs(end - exact).max()

    steps = [20, 40, 80]
    assert order(steps, [error(n) for n in steps]) == pytest.approx(2, abs=0.1)


@boundaries
@pytest.mark.parametrize("stages", [3, 5, 9])
def test_super_time_steps_are_stable_as_far_as_stages_reach(boundary, stages):
    domain = Domain((8, 6), (8.0, 9.0), boundary)
    dt = 0.999 * (stages**2 + stages - 2) / 2 / sum(4 / dx**2 for dx in domain.dx)
    assert diffuse.stages(1.0, dt, domain.dx) == stages

    def step(values, _):
        after = diffuse.super_time_step(phi.centered(domain, values), 1.0, dt, stages)
        return phi.cell_values(after), jnp.linalg.norm(values)

    _, norms = jax.lax.scan(step, noise(4, (8, 6)) + CHEQUERS, length=50)
    assert jnp.all(jnp.diff(norms) <= 1e-6 * norms[0])


@pytest.mark.parametrize(("stages", "left"), [(3, 2 / (3 * 4)), (9, 2 / (9 * 10)), (4, 1.0)])
def test_odd_stages_damp_the_shortest_wave(stages, left):
    """As far as s stages reach, it keeps 1 - 2 b_s = 2 / (s (s + 1)) if s is odd, else all."""
    domain = Domain((8, 6), (8.0, 9.0), Boundary.PERIODIC)
    dt = (stages**2 + stages - 2) / 2 / sum(4 / dx**2 for dx in domain.dx)
    field = phi.centered(domain, jnp.asarray(CHEQUERS))
    after = phi.cell_values(diffuse.super_time_step(field, 1.0, dt, stages))
    np.testing.assert_allclose(after, left * CHEQUERS, atol=1e-5)


def test_stages_are_odd_and_the_fewest():
    for dt in np.geomspace(1e-3, 1e3, 50):
        stages = diffuse.stages(0.5, dt, (0.7, 1.3))
        needed = 0.5 * dt * (4 / 0.7**2 + 4 / 1.3**2)
        assert stages % 2 == 1
        assert stages >= 3
        assert (stages**2 + stages - 2) / 2 >= needed
        assert stages == 3 or ((stages - 2) ** 2 + (stages - 2) - 2) / 2 < needed


@both_methods
def test_a_diffusivity_that_varies_needs_a_centred_field(method):
    periodic, closed = (Domain((8, 6), (8.0, 6.0), boundary) for boundary in Boundary)
    parts = [jnp.ones((8, 6))] * 2
    local = phi.centered(periodic, jnp.ones((8, 6)))
    on_faces = phi.staggered(periodic, parts)
    in_walls = phi.centered_vector(closed, parts).with_boundary(phi.WALL)
    for field in (on_faces, in_walls):
        with pytest.raises(ValueError, match="needs a centred field without walls"):
            method(field, local, 0.1)


@both_methods
def test_an_unknown_boundary_is_refused(method):
    domain = Domain((8, 6), (8.0, 6.0), Boundary.CLOSED)
    field = phi.centered(domain, jnp.ones((8, 6))).with_boundary(flow.extrapolation.ONE)
    with pytest.raises(ValueError, match="no scheme for the boundary"):
        method(field, 1.0, 0.1)


def test_walls_have_no_transform():
    domain = Domain((8, 6), (8.0, 6.0), Boundary.CLOSED)
    with pytest.raises(ValueError, match="no transform for the boundary"):
        diffuse.fourier(phi.staggered(domain, [jnp.ones((8, 6))] * 2), 1.0, 0.1)
