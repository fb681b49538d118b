"""What holds for every PDE: derivatives, starts, stability, symmetry, clear refusals."""

import math
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from hycojax import physics
from hycojax.grid.domain import CLOSED, PERIODIC, Boundary, Domain
from hycojax.grid.random_fields import Waves, random_field
from hycojax.grid.transfers import restricted
from hycojax.models.coefficients import Unknown, UnknownField
from hycojax.models.model import rollout
from hycojax.models.pde import PDE
from hycojax.run.classes import import_file

HeatSpots = import_file(Path(__file__).parents[2] / "experiments" / "heat_sensors.py").HeatSpots

SIZE = (60.0, 50.0, 40.0)
SHAPE = (12, 10, 8)


@dataclass(frozen=True)
class Case:
    """A PDE whose coefficients are unknown, where it is solved, and true values for them."""

    pde: PDE
    boundary: Boundary
    interval: float
    truth: dict[str, Any]
    size: tuple[float, ...] = SIZE

    def domain(self, dims=2):
        return Domain(SHAPE[:dims], self.size[:dims], self.boundary)

    def model(self, dims=2):
        return self.pde.on(self.domain(dims), self.interval)

    def truths(self, dims=2):
        """Return the true values as parameters of the model."""
        domain = self.domain(dims)
        values = {n: v.on(domain) if isinstance(v, Waves) else v for n, v in self.truth.items()}
        return {name: jnp.asarray(value, jnp.float32) for name, value in values.items()}


#: Every PDE with all of its coefficients unknown, and with fields where it takes them.
CASES = {
    "advection": Case(
        physics.Advection(coefficient=Unknown(start=1.3, high=3.0)),
        PERIODIC,
        2.0,
        {"coefficient": 1.0},
    ),
    "advection-field": Case(
        physics.Advection(coefficient=UnknownField(start=1.3, high=3.0)),
        PERIODIC,
        2.0,
        {"coefficient": Waves(1.0, 0.2)},
    ),
    "burgers": Case(
        physics.Burgers(viscosity=Unknown(start=2.0)), PERIODIC, 2.0, {"viscosity": 1.0}
    ),
    "burgers-field": Case(
        physics.Burgers(viscosity=UnknownField(start=2.0, high=5.0)),
        PERIODIC,
        2.0,
        {"viscosity": Waves(1.0, 0.1)},
    ),
    "inviscid-burgers": Case(
        physics.InviscidBurgers(potential=UnknownField(start=0.0)),
        PERIODIC,
        0.5,
        {"potential": Waves()},
    ),
    "heat": Case(physics.Heat(diffusivity=Unknown(start=3.0)), PERIODIC, 2.0, {"diffusivity": 1.0}),
    "heat-closed": Case(
        physics.Heat(diffusivity=Unknown(start=3.0)), CLOSED, 2.0, {"diffusivity": 1.0}
    ),
    "heat-field": Case(
        physics.Heat(diffusivity=UnknownField(start=3.0, high=9.0)),
        CLOSED,
        2.0,
        {"diffusivity": Waves(1.0, 0.1)},
    ),
    "heat-spots": Case(
        HeatSpots(
            strength_1=Unknown(start=2.0),
            strength_2=Unknown(start=1.0),
            x_1=Unknown(start=3.5),
            y_1=Unknown(start=3.0),
            x_2=Unknown(start=1.5),
            y_2=Unknown(start=2.0),
        ),
        CLOSED,
        0.02,
        {"strength_1": 3.0, "strength_2": 2.5, "x_1": 4.0, "y_1": 4.0, "x_2": 1.0, "y_2": 1.0},
        size=(6.0, 5.0, 4.0),
    ),
    "gray-scott": Case(
        physics.GrayScott(
            diffusivity_u=Unknown(start=0.3),
            diffusivity_v=Unknown(start=0.1),
            feed=Unknown(start=0.05),
            kill=Unknown(start=0.05),
        ),
        PERIODIC,
        2.0,
        {"diffusivity_u": 0.16, "diffusivity_v": 0.08, "feed": 0.035, "kill": 0.06},
    ),
    "gray-scott-pieces": Case(
        physics.GrayScott(
            diffusivity_u=Unknown(start=0.3), diffusivity_v=Unknown(start=0.1), pieces=3
        ),
        PERIODIC,
        6.0,
        {"diffusivity_u": 0.16, "diffusivity_v": 0.08},
    ),
    "kolmogorov": Case(
        physics.Kolmogorov(viscosity=Unknown(start=1.0), forcing=Unknown(start=0.1), waves=2),
        PERIODIC,
        2.0,
        {"viscosity": 0.5, "forcing": 0.05},
    ),
    "smoke": Case(
        physics.Smoke(
            buoyancy=Unknown(start=0.3),
            viscosity=Unknown(start=2.0, high=9.0),
            inflow=Unknown(start=0.2),
        ),
        CLOSED,
        2.0,
        {"buoyancy": 0.1, "viscosity": 1.0, "inflow": 0.1},
    ),
    "navier-stokes": Case(
        physics.NavierStokes(
            buoyancy=UnknownField(start=0.2), viscosity=Unknown(start=2.0, high=9.0)
        ),
        CLOSED,
        2.0,
        {"buoyancy": Waves(0.1, 0.02), "viscosity": 1.0},
    ),
}
#: Cases that differ from another one in a box, in whether a coefficient is a field, or in pieces.
VARIANTS = ("advection-field", "burgers-field", "heat-closed", "gray-scott-pieces")
#: States that pass no kink of MacCormack's clamp: it copies values, and has no derivative at ties.
SEEDS = (6, 7)
FLOWS = ("kolmogorov", "smoke", "navier-stokes")
#: Models that live in some numbers of dimensions only.
DIMS = dict.fromkeys(FLOWS, (2, 3)) | {"heat-spots": (2,)}
#: Models whose simulations all start alike.
ALIKE = ("heat-spots",)


@pytest.fixture(params=CASES)
def case(request):
    return CASES[request.param]


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


def moving(case, seed=0):
    """Return a state of a model in which everything moves, about as fast as a cell in a step.

    Nothing is flat in it: where all neighbours are equal MacCormack's clamp has no derivative.
    """
    model = case.model()
    state = jax.jit(model.sample)(jax.random.key(seed))
    if isinstance(case.pde, physics.Smoke | physics.NavierStokes):
        haze = 0.1 * random_field(jax.random.key(seed + 9), model.domain)
        go = jax.jit(lambda s: rollout(model, case.truths(), s, 6)[-1])
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
    case, model = CASES[name], CASES[name].model()
    with jax.enable_x64(True):
        params = jax.tree.map(lambda p: p.astype("f8"), model.init(None))
        here = (params, jnp.stack([moving(case, s) for s in SEEDS]).astype("f8"))
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
def test_nothing_leaks_out_of_a_gradient(case):
    """No value of a trace outlives it (JAX would raise), in all transformations at once."""
    model = case.model()
    given = model.init(None), jax.vmap(model.sample)(jax.random.split(jax.random.key(0)))
    with jax.checking_leaks():
        found = jax.eval_shape(jax.grad(lambda p, s: loss(model, p, s), argnums=(0, 1)), *given)
    assert jax.tree.map(jnp.shape, found) == jax.tree.map(jnp.shape, given)


@pytest.mark.accuracy
@pytest.mark.parametrize("name", ["advection", "burgers-field", "gray-scott", "kolmogorov"])
def test_forward_mode_agrees_with_reverse_mode(name):
    model = CASES[name].model()
    params, states = model.init(None), moving(CASES[name])[None]
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
            CASES[name].model(dims)
        return
    model = CASES[name].model(dims)
    state = jax.jit(model.sample)(jax.random.key(0))
    after = jax.jit(model.forward)(CASES[name].truths(dims), state)
    assert after.shape == state.shape == (*SHAPE[:dims], len(model.domain.channels))
    assert after.dtype == state.dtype == jnp.float32
    moved = np.abs(after - state).max(axis=tuple(range(dims)))
    for channel, distance in zip(model.domain.channels, moved, strict=True):
        assert distance == 0 if channel.static else True
    assert moved.max() > 1e-4


@pytest.mark.parametrize("name", CASES)
def test_starts_are_seeded_and_no_two_alike_but_where_stated(name):
    sample = jax.jit(CASES[name].model().sample)
    first, again, second = (sample(jax.random.key(i)) for i in (0, 0, 1))
    np.testing.assert_array_equal(first, again)
    apart = np.abs(first - second).max()
    assert apart == 0 if name in ALIKE else apart > 0.1
    assert np.ptp(first, axis=(0, 1)).max() > 0.1


def test_a_start_is_one_function_of_space_on_every_grid(case):
    """Averaged to the coarse grid, the state on a grid 4 times as fine is the coarse state."""
    model, fine = case.model(), case.pde.on(case.domain().refine(4), case.interval)
    both = jax.jit(lambda k: (restricted(model.domain, fine.sample(k), 4), model.sample(k)))
    averaged, state = both(jax.random.key(0))
    assert np.linalg.norm(averaged - state) < 0.15 * np.linalg.norm(state)


def extremes(model):
    """Return all coefficients at their low ends, and all at their high ends."""
    for end in ("low", "high"):
        params = {}
        for name, start in model.init(None).items():
            q = model.unknowns[name]
            extreme = {
                "low": q.low + 1e-6 if math.isfinite(q.low) else -10.0,
                "high": q.high * (1 - 1e-6) if math.isfinite(q.high) else 100.0,
            }[end]
            params[name] = jnp.full_like(start, extreme)
        yield params


def rough(case):
    """Return a state of great speeds, with noise in each cell."""
    state = moving(case)
    if isinstance(case.pde, physics.GrayScott):
        return state + 0.05 * jax.random.uniform(jax.random.key(5), state.shape)
    noise = jax.random.normal(jax.random.key(5), state.shape)
    return 3 * state + noise * case.model().domain.evolves()


def hardest(pde):
    """Return a PDE in the form that is to be stable whatever its coefficients are.

    Where speeds limit a step, what drives them has bounds, and fronts may be thinner than a cell.
    """
    if isinstance(pde, physics.Burgers):
        return replace(pde, fronts="limited")
    bounded = {physics.Advection: ("coefficient", 10.0), physics.Kolmogorov: ("forcing", 0.1)}
    name, most = bounded.get(type(pde), (None, None))
    return (
        replace(pde, **{name: replace(getattr(pde, name), start=most / 2, low=-most, high=most)})
        if name
        else pde
    )


@pytest.mark.accuracy
def test_steps_are_stable_inside_the_bounds(case):
    """Rough states, three times as fast as usual, in 60 steps four times as long; at both ends.

    The pieces are chosen for states as large as these.
    """
    state, pde = rough(case), hardest(case.pde)
    largest = tuple(map(float, jnp.max(jnp.abs(state), (0, 1))))
    model = pde.on(case.domain(), 4 * case.interval, largest)
    ends = jax.tree.map(lambda *leaves: jnp.stack(leaves), *extremes(model))
    both = jax.jit(lambda ends, s: jax.lax.map(lambda p: rollout(model, p, s, 60), ends))
    name = type(pde).__name__
    for path in np.asarray(both(ends, state)):
        assert np.isfinite(path).all()
        if name in ("Advection", "Burgers", "Heat", "HeatSpots", "GrayScott"):
            assert np.abs(path[-1]).max() < 1.5 * max(1, np.abs(path[0]).max())


@pytest.mark.parametrize("name", [n for n in CASES if CASES[n].boundary is PERIODIC])
def test_moving_everything_moves_the_result(name):
    """Translation by whole cells; Kolmogorov's force repeats every fifth cell along y."""
    case, model, shift = CASES[name], CASES[name].model(), (5, 5)

    def move(x):
        return jnp.roll(x, shift, axis=(0, 1)) if jnp.ndim(x) else x

    params, state = case.truths(), moving(case)
    step = jax.jit(model.forward)
    moved = step(jax.tree.map(move, params), move(state))
    np.testing.assert_allclose(moved, move(step(params, state)), atol=2e-5)


def test_a_box_that_does_not_suit_is_refused(case):
    if not isinstance(case.pde, physics.Heat):
        other = next(b for b in Boundary if b is not case.boundary)
        with pytest.raises(ValueError, match=r"domain\.boundary: .* needs a .* box"):
            replace(case, boundary=other).model()
    for interval in (-1.0, 0.0, math.inf, math.nan):
        with pytest.raises(ValueError, match=r"interval = .*: the time .* must be positive"):
            replace(case, interval=interval).model()


@pytest.mark.parametrize("name", ["burgers-field", "heat-field"])
def test_explicit_diffusion_needs_a_bound(name):
    case = CASES[name]
    coefficient = "diffusivity" if name.startswith("heat") else "viscosity"
    own = getattr(case.pde, coefficient)

    def model(value):
        return replace(case, pde=replace(case.pde, **{coefficient: value})).model()

    with pytest.raises(ValueError, match=rf"set {coefficient}\.high, as an example to ten times"):
        model(replace(own, high=None))
    with pytest.raises(ValueError, match="diffusion stages a step"):
        model(replace(own, high=1e6))
    with pytest.raises(ValueError, match="diffusion stages a step"):
        model(np.full(SHAPE[:2], 1e6))


def test_a_field_where_a_number_is_needed_is_refused():
    for field in (Waves(1.0, 0.1), UnknownField(start=1.0), np.ones((12, 10)), [1.0, 2.0]):
        with pytest.raises(ValueError, match="viscosity: a number is needed, not a field"):
            physics.Kolmogorov(viscosity=field)


def test_a_known_field_out_of_bounds_is_refused():
    domain = Domain((12, 10), SIZE[:2], PERIODIC)
    with pytest.raises(ValueError, match=r"diffusivity = -.* to .* is out of bounds"):
        physics.Heat(diffusivity=Waves(0.5, 1.0)).on(domain, 1.0)
    with pytest.raises(ValueError, match=r"diffusivity = -2 to 0 is out of bounds"):
        physics.Heat(diffusivity=np.array([[0.0, -2.0]]))


def test_a_force_of_too_many_waves_is_refused():
    with pytest.raises(ValueError, match="waves = 0: at least 1"):
        physics.Kolmogorov(waves=0)
    with pytest.raises(ValueError, match="waves = 4: at most a quarter"):
        physics.Kolmogorov(waves=4).on(Domain((16, 15), SIZE[:2], PERIODIC), 1.0)
    physics.Kolmogorov(waves=4).on(Domain((15, 16), SIZE[:2], PERIODIC), 1.0)
