"""What holds for every flow in a closed box: its order, and what it identifies."""

import itertools
from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import hycojax as hj
from hycojax.grid.transfers import restricted
from hycojax.models.model import rollout

BOX = hj.Domain((16, 12), (60.0, 50.0), hj.CLOSED)
PDES = {
    "smoke": hj.physics.Smoke(buoyancy=0.1, viscosity=1.0, inflow=0.1),
    "navier-stokes": hj.physics.NavierStokes(buoyancy=0.1, viscosity=0.5),
}


@pytest.fixture(params=PDES)
def pde(request):
    return PDES[request.param]


@pytest.mark.usefixtures("double")
def test_steps_are_of_order_2(pde):
    """From a state in motion; of one program, whose step is an argument."""
    model = pde.on(BOX, 2.0)
    values = dict(model.coefficients)

    @jax.jit
    def after(state, interval, count):
        at = replace(model.at, dt=interval / count)
        return jax.lax.fori_loop(0, count, lambda _, s: pde.step(at, values, s), state)

    state = after(model.sample(jax.random.key(0)).astype(jnp.float64), 8.0, 16)
    ends = [np.asarray(after(state, 4.0, n)) for n in (4, 8, 16)]
    first, second = (np.linalg.norm(a - b) for a, b in itertools.pairwise(ends))
    assert second < 1e-3 * np.linalg.norm(ends[-1])
    assert np.log2(first / second) > 1.9


@pytest.mark.parametrize("dims", [2, 3])
def test_the_longest_step_carries_a_cell_and_a_quarter(pde, dims):
    """At 2 m/s along each axis, in cells of 10 m."""
    domain = hj.Domain((8,) * dims, (80.0,) * dims, hj.CLOSED)
    largest = [1.0] + [2.0] * dims + [1.0] * (len(pde.channels(dims)) - 1 - dims)
    longest = 1.25 * 10 / (2.0 * dims)
    for interval, pieces in ((longest, 1), (1.01 * longest, 2)):
        assert pde.on(domain, interval, tuple(largest)).at.pieces == pieces
    model = replace(pde, pieces=1).on(domain, 2 * longest)
    states = jnp.ones((*domain.shape, len(largest))) * jnp.asarray(largest)
    np.testing.assert_allclose(model.stress({}, states), 2.0, rtol=1e-6)


def frames(pde, domain, interval, factor, count):
    """Return what a PDE with `factor` times the cells and the steps shows, `[simulation, time]`."""
    pieces = pde.on(domain, interval).at.pieces
    fine = replace(pde, pieces=factor * pieces).on(domain.refine(factor), interval)
    coarse = fine.domain.coarsen(factor)
    run = jax.jit(
        lambda key: restricted(coarse, rollout(fine, {}, fine.sample(key), count), factor)
    )
    return np.stack([run(jax.random.key(seed)) for seed in range(3)])


def identified(pde, names, domain, interval, seen, steps=4):
    """Return by how much coefficients are off that fit what was seen from each frame on."""
    largest = tuple(map(float, np.abs(seen).max((0, 1, 2, 3))))
    unknown = {name: hj.Unknown(start=getattr(pde, name)) for name in names}
    model = replace(pde, **unknown).on(domain, interval, largest)
    count = (seen.shape[1] - 1) // steps
    starts = seen[:, : count * steps : steps].reshape(-1, *seen.shape[2:])
    ends = [seen[:, i * steps + 1 : (i + 1) * steps + 1] for i in range(count)]
    ends = np.stack(ends, 1).reshape(-1, steps, *seen.shape[2:])

    def misfit(shift):
        params = {n: getattr(pde, n) * jnp.exp(s) for n, s in zip(names, shift, strict=True)}
        paths = jax.vmap(lambda s: rollout(model, params, s, steps)[1:])(starts)
        return (paths - ends) / (ends.std((0, 1, 2, 3)) + 1e-9)

    program = jax.jit(lambda shift: (misfit(shift), jax.jacfwd(misfit)(shift)))
    shift = np.zeros(len(names), np.float32)
    for _ in range(3):
        error, slope = (np.asarray(x) for x in program(shift))
        shift = shift - np.linalg.lstsq(slope.reshape(-1, len(names)), error.ravel())[0]
    return dict(zip(names, np.expm1(shift), strict=True))


@pytest.mark.accuracy
@pytest.mark.parametrize("name", PDES)
def test_coefficients_are_found_from_a_grid_and_steps_four_times_as_fine(name):
    """Within 1 %, viscosities 2 %; the first frames, whose layers at the walls are thin, aside."""
    pde, domain = PDES[name], hj.Domain((32, 32), (100.0, 100.0), hj.CLOSED)
    seen = frames(pde, domain, 2.0, factor=4, count=16)[:, 4:]
    names = [n for n in ("buoyancy", "viscosity", "inflow") if hasattr(pde, n)]
    off = identified(pde, names, domain, 2.0, seen)
    for found, share in off.items():
        assert abs(share) < (0.02 if found == "viscosity" else 0.01), off
