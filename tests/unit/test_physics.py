"""What holds for every PDE: derivatives, starts, stability, symmetry, clear refusals."""

import math
from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from hycojax.grid.domain import Boundary, Domain
from hycojax.grid.random_fields import Waves, random_field
from hycojax.models import parameters as parameter
from hycojax.models.model import rollout
from hycojax.models.parameters import FieldParameter, Parameter
from hycojax.physics import (
    advection,
    burgers,
    gray_scott,
    heat,
    heat_spots,
    inviscid_burgers,
    kolmogorov,
    navier_stokes,
    smoke,
)

SIZE = (60.0, 50.0, 40.0)
SHAPE = (12, 10, 8)


def box(boundary, channels, dims=2):
    channels = channels(dims) if callable(channels) else channels
    return Domain(SHAPE[:dims], SIZE[:dims], boundary, channels)


def periodic(channels, dims=2):
    return box(Boundary.PERIODIC, channels, dims)


def closed(channels, dims=2):
    return box(Boundary.CLOSED, channels, dims)


#: Every model with all of its coefficients unknown, and with fields where it takes them.
CASES = {
    "advection": lambda dims=2: advection.Advection(
        periodic(advection.channels, dims), dt=2.0, coefficient=Parameter(1.0, start=1.3)
    ),
    "advection-field": lambda dims=2: advection.Advection(
        periodic(advection.channels, dims), dt=2.0, coefficient=FieldParameter(Waves(1.0, 0.2), 1.3)
    ),
    "burgers": lambda dims=2: burgers.Burgers(
        periodic(burgers.channels, dims), dt=2.0, viscosity=Parameter(1.0, start=2.0)
    ),
    "burgers-field": lambda dims=2: burgers.Burgers(
        periodic(burgers.channels, dims),
        dt=2.0,
        viscosity=FieldParameter(Waves(1.0, 0.1), start=2.0, high=5.0),
    ),
    "inviscid-burgers": lambda dims=2: inviscid_burgers.InviscidBurgers(
        periodic(inviscid_burgers.channels, dims),
        dt=0.5,
        potential=FieldParameter(Waves(), start=0.0),
    ),
    "heat": lambda dims=2: heat.Heat(
        periodic(heat.CHANNELS, dims), dt=2.0, diffusivity=Parameter(1.0, start=3.0)
    ),
    "heat-closed": lambda dims=2: heat.Heat(
        closed(heat.CHANNELS, dims), dt=2.0, diffusivity=Parameter(1.0, start=3.0)
    ),
    "heat-field": lambda dims=2: heat.Heat(
        closed(heat.CHANNELS, dims),
        dt=2.0,
        diffusivity=FieldParameter(Waves(1.0, 0.1), start=3.0, high=9.0),
    ),
    "heat-spots": lambda dims=2: heat_spots.HeatSpots(
        replace(closed(heat_spots.CHANNELS, dims), size=(6.0, 5.0, 4.0)[:dims]),
        dt=0.02,
        strength_1=Parameter(3.0, start=2.0),
        strength_2=Parameter(2.5, start=1.0),
        x_1=Parameter(4.0, start=3.5),
        y_1=Parameter(4.0, start=3.0),
        x_2=Parameter(1.0, start=1.5),
        y_2=Parameter(1.0, start=2.0),
    ),
    "gray-scott": lambda dims=2: gray_scott.GrayScott(
        periodic(gray_scott.CHANNELS, dims),
        dt=2.0,
        diffusivity_u=Parameter(0.16, start=0.3),
        diffusivity_v=Parameter(0.08, start=0.1),
        feed=Parameter(0.035, start=0.05),
        kill=Parameter(0.06, start=0.05),
    ),
    "gray-scott-pieces": lambda dims=2: gray_scott.GrayScott(
        periodic(gray_scott.CHANNELS, dims),
        dt=6.0,
        diffusivity_u=Parameter(0.16, start=0.3),
        diffusivity_v=Parameter(0.08, start=0.1),
        pieces=3,
    ),
    "kolmogorov": lambda dims=2: kolmogorov.Kolmogorov(
        periodic(kolmogorov.channels, dims),
        dt=2.0,
        viscosity=Parameter(0.5, start=1.0),
        forcing=Parameter(0.05, start=0.1),
        waves=2,
    ),
    "smoke": lambda dims=2: smoke.Smoke(
        closed(smoke.channels, dims),
        dt=2.0,
        buoyancy=Parameter(0.1, start=0.3),
        viscosity=Parameter(1.0, start=2.0, high=9.0),
        inflow=Parameter(0.1, start=0.2),
    ),
    "navier-stokes": lambda dims=2: navier_stokes.NavierStokes(
        closed(navier_stokes.channels, dims),
        dt=2.0,
        buoyancy=FieldParameter(Waves(0.1, 0.02), start=0.2),
        viscosity=Parameter(1.0, start=2.0, high=9.0),
    ),
}
#: Cases that differ from another one in a box, in whether a coefficient is a field, or in pieces.
VARIANTS = ("advection-field", "burgers-field", "heat-closed", "gray-scott-pieces")
#: States that pass no kink of MacCormack's clamp: it copies values, and has no derivative at ties.
SEEDS = (4, 5)
FLOWS = ("kolmogorov", "smoke", "navier-stokes")
#: Models that live in some numbers of dimensions only.
DIMS = dict.fromkeys(FLOWS, (2, 3)) | {"heat-spots": (2,)}
#: Models whose simulations all start alike.
ALIKE = ("heat-spots",)


@pytest.fixture(params=CASES)
def model(request):
    return CASES[request.param]()


def direction(tree, seed):
    """Return random numbers in the shape of a tree."""
    leaves, structure = jax.tree.flatten(tree)
    keys = jax.random.split(jax.random.key(seed), len(leaves))
    return jax.tree.unflatten(
        structure,
        [jax.random.normal(k, x.shape, x.dtype) for k, x in zip(keys, leaves, strict=True)],
    )


def pairs(one, other):
    return zip(jax.tree.leaves(one), jax.tree.leaves(other), strict=True)


def moving(model, seed=0):
    """Return a state in which everything moves, about as fast as a cell in a step.

    Nothing is flat in it: where all neighbours are equal MacCormack's clamp has no derivative.
    """
    state = jax.jit(model.sample)(jax.random.key(seed))
    if type(model).__name__ in ("Smoke", "NavierStokes"):
        haze = 0.1 * random_field(jax.random.key(seed + 9), model.domain)
        go = jax.jit(lambda s: rollout(model, parameter.truths(model), s, 6)[-1])
        state = go(state.at[..., 0].add(haze))
    return state


def loss(model, params, states):
    """Return a number that every value of 4 steps counts in, under all transformations at once."""
    step = jax.checkpoint(model.forward)

    def path(state):
        return jax.lax.scan(lambda s, _: (step(params, s),) * 2, state, length=4)[1]

    return jnp.mean(jnp.sin(jax.vmap(path)(states)))


def directions(model, params, states):
    """Return a direction for each coefficient, and one for the initial states; and how far to go.

    Each is shaped like all inputs, and zero but for its own part.
    """
    nothing = jax.tree.map(jnp.zeros_like, (params, states))
    for name, value in params.items():
        along = {**nothing[0], name: jnp.abs(direction(value, 7))}
        yield name, (along, nothing[1]), 1e-6 if jnp.ndim(value) else 1e-5
    yield "states", (nothing[0], direction(states, 7) * model.domain.evolves()), 1e-6


@pytest.mark.parametrize(
    "name", [pytest.param(n, marks=pytest.mark.accuracy if n in VARIANTS else ()) for n in CASES]
)
def test_gradients_equal_central_differences(name):
    """By every coefficient and by the initial state, in double precision.

    Values and gradients here and at all points beside are of one program: the gradient's.
    """
    model = CASES[name]()
    with jax.enable_x64(True):
        params = jax.tree.map(lambda p: p.astype("f8"), parameter.starts(model))
        here = (params, jnp.stack([moving(model, s) for s in SEEDS]).astype("f8"))
        names, ways, lengths = zip(*directions(model, *here), strict=True)
        points = [here] + [
            jax.tree.map(lambda x, a, h=h: x + h * a, here, along)
            for along, length in zip(ways, lengths, strict=True)
            for h in (length, -length)
        ]
        points = jax.tree.map(lambda *leaves: np.stack(leaves), *points)
        both = jax.value_and_grad(lambda inputs: loss(model, *inputs))
        values, gradients = jax.jit(lambda many: jax.lax.map(both, many))(points)
        gradient = jax.tree.map(lambda g: np.asarray(g[0]), gradients)
        for name, along, h, ahead, behind in zip(
            names, ways, lengths, values[1::2], values[2::2], strict=True
        ):
            measured = (ahead - behind) / (2 * h)
            found = sum(np.vdot(a, g) for a, g in pairs(along, gradient))
            assert found.dtype == np.float64
            assert abs(found - measured) < 1e-5 * abs(measured), (name, found, measured)


@pytest.mark.accuracy
def test_nothing_leaks_out_of_a_gradient(model):
    """No value of a trace outlives it (JAX would raise), in all transformations at once."""
    given = parameter.starts(model), jax.vmap(model.sample)(jax.random.split(jax.random.key(0)))
    with jax.checking_leaks():
        found = jax.eval_shape(jax.grad(lambda p, s: loss(model, p, s), argnums=(0, 1)), *given)
    assert jax.tree.map(jnp.shape, found) == jax.tree.map(jnp.shape, given)


@pytest.mark.accuracy
@pytest.mark.parametrize("name", ["advection", "burgers-field", "gray-scott", "kolmogorov"])
def test_forward_mode_agrees_with_reverse_mode(name):
    model = CASES[name]()
    params, states = parameter.starts(model), moving(model)[None]
    along = direction(params, 3)

    @jax.jit
    def both(params, along):
        run = lambda p: loss(model, p, states)  # noqa: E731
        return jax.jvp(run, (params,), (along,))[1], jax.grad(run)(params)

    forward, gradient = both(params, along)
    reverse = sum(np.vdot(a, g) for a, g in pairs(along, gradient))
    np.testing.assert_allclose(forward, reverse, rtol=2e-3, atol=1e-6)


@pytest.mark.parametrize("dims", [1, 2, pytest.param(3, marks=pytest.mark.accuracy)])
@pytest.mark.parametrize("name", CASES)
def test_steps_in_every_dimension(name, dims):
    possible = DIMS.get(name, (1, 2, 3))
    if dims not in possible:
        words = " or ".join(map(str, possible))
        with pytest.raises(ValueError, match=f"lives in {words} dimensions"):
            CASES[name](dims)
        return
    model = CASES[name](dims)
    state = jax.jit(model.sample)(jax.random.key(0))
    after = jax.jit(model.forward)(parameter.truths(model), state)
    assert after.shape == state.shape == (*SHAPE[:dims], len(model.domain.channels))
    assert after.dtype == state.dtype == jnp.float32
    moved = np.abs(after - state).max(axis=tuple(range(dims)))
    for channel, distance in zip(model.domain.channels, moved, strict=True):
        assert distance == 0 if channel.static else True
    assert moved.max() > 1e-4


@pytest.mark.parametrize("name", CASES)
def test_starts_are_seeded_and_no_two_alike_but_where_stated(name):
    model = CASES[name]()
    sample = jax.jit(model.sample)
    first, again, second = (sample(jax.random.key(i)) for i in (0, 0, 1))
    np.testing.assert_array_equal(first, again)
    apart = np.abs(first - second).max()
    assert apart == 0 if name in ALIKE else apart > 0.1
    assert np.ptp(first, axis=(0, 1)).max() > 0.1


def test_a_start_is_one_function_of_space_on_every_grid(model):
    """Averaged to the coarse grid, the state on a grid 4 times as fine is the coarse state."""
    fine = replace(model, domain=model.domain.refine(4))
    both = jax.jit(lambda k: (model.domain.restrict(fine.sample(k), 4), model.sample(k)))
    averaged, state = both(jax.random.key(0))
    assert np.linalg.norm(averaged - state) < 0.15 * np.linalg.norm(state)


def extremes(model):
    """Return all coefficients at their low ends, and all at their high ends."""
    bounds = parameter.quantities(model)
    for end in ("low", "high"):
        params = {}
        for name, start in parameter.starts(model).items():
            q = bounds[name]
            extreme = {
                "low": q.low + 1e-6 if math.isfinite(q.low) else -10.0,
                "high": q.high * (1 - 1e-6) if math.isfinite(q.high) else 100.0,
            }[end]
            params[name] = jnp.full_like(start, extreme)
        yield params


@pytest.mark.accuracy
def test_steps_are_stable_inside_the_bounds(model):
    """Rough states, three times as fast as usual, in 60 steps four times as long; at both ends."""
    ends = jax.tree.map(lambda *leaves: jnp.stack(leaves), *extremes(model))
    model = replace(model, dt=4 * model.dt)
    state = 3 * moving(model)
    if type(model).__name__ == "GrayScott":
        state = state / 3 + 0.05 * jax.random.uniform(jax.random.key(5), state.shape)
    else:
        noise = jax.random.normal(jax.random.key(5), state.shape)
        state = state + noise * model.domain.evolves()
    both = jax.jit(lambda ends, s: jax.lax.map(lambda p: rollout(model, p, s, 60), ends))
    for path in np.asarray(both(ends, state)):
        assert np.isfinite(path).all()
        if type(model).__name__ in ("Advection", "Burgers", "Heat", "HeatSpots", "GrayScott"):
            assert np.abs(path[-1]).max() < 1.5 * max(1, np.abs(path[0]).max())


@pytest.mark.parametrize(
    "name", [n for n in CASES if CASES[n]().domain.boundary is Boundary.PERIODIC]
)
def test_moving_everything_moves_the_result(name):
    """Translation by whole cells; Kolmogorov's force repeats every fifth cell along y."""
    model, shift = CASES[name](), (5, 5)

    def move(x):
        return jnp.roll(x, shift, axis=(0, 1)) if jnp.ndim(x) else x

    params, state = parameter.truths(model), moving(model)
    step = jax.jit(model.forward)
    moved = step(jax.tree.map(move, params), move(state))
    np.testing.assert_allclose(moved, move(step(params, state)), atol=2e-5)


@pytest.mark.parametrize("name", CASES)
def test_a_box_that_does_not_suit_is_refused(name):
    model = CASES[name]()
    others = Domain((12, 10), SIZE[:2], model.domain.boundary, heat.CHANNELS * 9)
    with pytest.raises(ValueError, match=r"domain\.channels: .* needs those of its module"):
        type(model)(others)
    if type(model).__name__ != "Heat":
        other = next(b for b in Boundary if b is not model.domain.boundary)
        domain = Domain((12, 10), SIZE[:2], other, model.domain.channels)
        with pytest.raises(ValueError, match=r"domain\.boundary: .* needs a .* box"):
            type(model)(domain)
    with pytest.raises(ValueError, match=r"dt = -1\.0: the time step must be positive"):
        type(model)(model.domain, dt=-1.0)


@pytest.mark.parametrize("name", ["smoke", "navier-stokes", "burgers-field", "heat-field"])
def test_explicit_diffusion_needs_a_bound(name):
    model = CASES[name]()
    coefficient = "diffusivity" if name.startswith("heat") else "viscosity"
    own = getattr(model, coefficient)
    with pytest.raises(ValueError, match=rf"set {coefficient}\.high, as an example to ten times"):
        type(model)(model.domain, **{coefficient: replace(own, high=None)})
    with pytest.raises(ValueError, match="diffusion stages a step"):
        type(model)(model.domain, **{coefficient: replace(own, high=1e6)})


def test_a_field_where_a_number_is_needed_is_refused():
    domain = periodic(kolmogorov.channels)
    with pytest.raises(ValueError, match="viscosity: a number is needed, not a field"):
        kolmogorov.Kolmogorov(domain, viscosity=FieldParameter(Waves(1.0, 0.1)), waves=2)
    with pytest.raises(ValueError, match=r"diffusivity\.true = .* to .* is out of bounds"):
        heat.Heat(periodic(heat.CHANNELS), diffusivity=FieldParameter(Waves(0.5, 1.0), high=9.0))
    with pytest.raises(ValueError, match="waves = 4: between 1 and a quarter"):
        kolmogorov.Kolmogorov(domain)
