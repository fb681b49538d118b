"""A PDE on a domain: what it is there, in how many steps it is solved, how large its program is."""

from dataclasses import dataclass, replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import hycojax as hj
from hycojax.models.model import rollout
from hycojax.models.pde import refined
from hycojax.physics import Advection, GrayScott, Heat, Kolmogorov, NavierStokes, Smoke
from hycojax.settings.numbers import join, split

SQUARE = hj.Domain((12, 10), (60.0, 50.0), hj.PERIODIC)
TANK = replace(SQUARE, boundary=hj.CLOSED)
FIELD = hj.Waves(mean=1.0, amplitude=0.1, seed=3)


@dataclass(frozen=True)
class Drain(hj.PDE):
    """A level that sinks at a rate, by Euler steps whose plan is the level that they end at."""

    dimensions = (1, 3)
    boundaries = (hj.CLOSED,)

    rate: hj.Coefficient = hj.coefficient(0.5, unit="1/s", low=0.0, varies=True)
    depth: float = 2.0

    def channels(self, dims):
        return (hj.Channel(f"level_in_{dims}d"),)

    def plan(self, domain, dt):
        if dt > 1:
            raise ValueError(f"dt = {dt}: too long")
        return -self.depth

    def step(self, at, values, state):
        rate = jnp.broadcast_to(values["rate"], at.domain.shape)[..., None]
        return state + at.dt * rate * (at.plan - state)

    def draw(self, domain, key):
        return jax.random.normal(key, (*domain.shape, 1))


def test_a_pde_of_a_user_is_a_model_on_a_domain():
    domain = hj.Domain((5,), (1.0,), hj.CLOSED)
    model = Drain(rate=hj.Unknown(start=0.25)).on(domain, 0.5)
    assert model.channels == model.domain.channels == (hj.Channel("level_in_1d"),)
    assert (model.domain.shape, model.domain.size) == (domain.shape, domain.size)
    assert model.interval == 0.5
    assert model.init(jax.random.key(0)) == {"rate": 0.25}
    known, rates = Drain(rate=0.8).on(domain, 0.5), (0.25, 0.8)

    @jax.jit
    def program(key):
        state = model.sample(key)
        return state, known.forward({}, state), [model.forward({"rate": r}, state) for r in rates]

    state, after, ends = program(jax.random.key(0))
    assert state.shape == (5, 1)
    for rate, end in zip(rates, ends, strict=True):
        np.testing.assert_allclose(end, state + 0.5 * rate * (-2 - state), atol=1e-6)
    np.testing.assert_allclose(after, ends[1], atol=1e-6)


def test_a_plan_is_of_the_step_and_may_refuse():
    domain = hj.Domain((5,), (1.0,), hj.CLOSED)
    with pytest.raises(ValueError, match=r"dt = 2\.0: too long"):
        Drain().on(domain, 2.0)
    assert Drain(depth=3, pieces=2).on(domain, 2.0).at.plan == -3.0


@pytest.mark.parametrize("pieces", [1.5, "2", True])
def test_pieces_that_are_no_number_are_refused(pieces):
    with pytest.raises(ValueError, match=r"pieces = .*: a whole number is needed"):
        Drain(pieces=pieces)


@pytest.mark.parametrize(
    ("pde", "domain"),
    [
        (Advection(), SQUARE),
        (Heat(hj.Waves(8.0, 1.0)), TANK),
        pytest.param(NavierStokes(viscosity=8.0), TANK, marks=pytest.mark.accuracy),
    ],
    ids=["advection", "heat", "navier-stokes"],
)
def test_pieces_of_an_interval_are_intervals(pde, domain):
    """Cut in 3, an interval of 6 s is 3 intervals of 2 s, with the plan of a step of 2 s."""
    whole, short = replace(pde, pieces=3).on(domain, 6.0), replace(pde, pieces=1).on(domain, 2.0)
    assert whole.at == replace(short.at, pieces=3)
    assert (whole.interval, short.interval) == (6.0, 2.0)
    state = jax.jit(short.sample)(jax.random.key(0))
    expected = jax.jit(lambda s: rollout(short, {}, s, 3)[-1])(state)
    found = jax.jit(lambda s: whole.forward({}, s))(state)
    np.testing.assert_allclose(found, expected, rtol=1e-6, atol=1e-6)
    assert np.abs(found - state).max() > 1e-2


@pytest.mark.parametrize(
    ("pde", "domain", "message"),
    [
        (Kolmogorov(), hj.Domain((8,), (1.0,), hj.PERIODIC), r"shape: Kolmogorov .* 2 or 3 dim"),
        (Smoke(), hj.Domain((8,), (1.0,), hj.CLOSED), r"shape: Smoke lives in 2 or 3 dimensions"),
        (Drain(), TANK, r"shape: Drain lives in 1 or 3 dimensions"),
        (Kolmogorov(), TANK, r"boundary: Kolmogorov needs a periodic box"),
        (Smoke(), SQUARE, r"boundary: Smoke needs a closed box"),
        (Drain(), hj.Domain((8,), (1.0,), hj.PERIODIC), r"boundary: Drain needs a closed box"),
    ],
)
def test_a_domain_that_does_not_suit_is_named(pde, domain, message):
    with pytest.raises(ValueError, match=rf"^domain\.{message}"):
        pde.on(domain, 0.5)


def equations(jaxpr):
    """Return the number of equations of a program, those of its parts included."""
    total = len(jaxpr.eqns)
    for equation in jaxpr.eqns:
        for part in jax.tree.leaves(list(equation.params.values()), is_leaf=is_program):
            if is_program(part):
                total += equations(getattr(part, "jaxpr", part))
    return total


def is_program(part):
    return hasattr(part, "eqns") or hasattr(getattr(part, "jaxpr", None), "eqns")


def gradient_equations(model):
    """Return the size of the program of a step's gradient by coefficients and state."""

    def loss(params, state):
        return jnp.sum(model.forward(params, state) ** 2)

    state = jax.eval_shape(model.sample, jax.random.key(0))
    return equations(jax.make_jaxpr(jax.grad(loss, argnums=(0, 1)))(model.init(None), state).jaxpr)


def test_equations_inside_of_loops_and_branches_count():
    def flat(x):
        return jnp.sin(jnp.sin(jnp.sin(x)))

    def loop(x):
        return jax.lax.scan(lambda y, _: (flat(y), None), x, length=9)[0]

    flat_size, loop_size = (equations(jax.make_jaxpr(f)(1.0).jaxpr) for f in (flat, loop))
    assert flat_size == 3
    assert loop_size == 3 + 1
    branches = jax.make_jaxpr(lambda x: jax.lax.cond(x > 0, flat, loop, x))(1.0).jaxpr
    assert equations(branches) >= 3 + 4 + 1


UNKNOWN = {name: hj.Unknown(start=0.1) for name in ("diffusivity_u", "diffusivity_v", "feed")}


def test_more_pieces_make_no_larger_program():
    assert GrayScott().on(SQUARE, 100.0).at.pieces > GrayScott().on(SQUARE, 8.0).at.pieces
    two, many = (gradient_equations(GrayScott(**UNKNOWN, pieces=n).on(SQUARE, 8)) for n in (2, 20))
    assert two == many


@pytest.mark.parametrize(("kind", "domain"), [(Advection, SQUARE), (Heat, TANK)])
def test_a_known_field_is_waves_or_an_array(kind, domain):
    other = replace(FIELD, seed=FIELD.seed + 1)
    fields = FIELD, FIELD.on(domain), jnp.asarray(FIELD.on(domain)), other
    parts = [split(kind(field).on(domain, 2.0)) for field in fields]
    program = jax.jit(
        lambda structure, numbers, state: join(structure, numbers).forward({}, state),
        static_argnums=0,
    )
    state = jax.jit(kind().on(domain, 2.0).sample)(jax.random.key(0))
    ends = [program(*part, state) for part in parts]
    for end in ends[1:3]:
        np.testing.assert_array_equal(end, ends[0])
    assert np.abs(ends[3] - ends[0]).max() > 1e-3


def test_a_finer_truth_has_more_cells_and_steps():
    pde = GrayScott(pieces=3)
    fine = refined(pde, SQUARE, 6.0, 2)
    assert fine.domain.shape == (24, 20)
    assert (fine.domain.size, fine.domain.boundary) == (SQUARE.size, SQUARE.boundary)
    assert fine.pde.pieces == 6
    assert (fine.interval, fine.at.dt) == (6.0, 1.0)
    same = refined(pde, SQUARE, 6.0, 1)
    assert (same.domain, same.pde.pieces, same.at.dt) == (pde.on(SQUARE, 6.0).domain, 3, 2.0)


def test_fields_of_a_finer_truth_are_the_same_functions():
    """Waves exactly, arrays by linear interpolation."""
    domain = SQUARE.refine(4)

    def field(known, factor):
        return dict(refined(Advection(known), domain, 1.0, factor).coefficients)["coefficient"]

    exact, given = FIELD.on(domain.refine(2)), FIELD.on(domain)
    np.testing.assert_array_equal(field(FIELD, 2), exact)
    interpolated = field(given, 2)
    assert interpolated.shape == exact.shape
    assert 0 < np.abs(interpolated - exact).max() < 0.03 * FIELD.amplitude
    np.testing.assert_array_equal(field(given, 1), given)


@pytest.mark.parametrize(
    ("one", "other", "alike"),
    [
        (Heat(1.0), Heat(2.0), True),
        (Heat(1.0), Heat(0.0), False),  # what is exactly 0 takes part in the program
        (Advection(FIELD), Advection(replace(FIELD, seed=5)), True),
        (Heat(hj.Unknown(1.0)), Heat(hj.Unknown(3.0)), True),
        (Heat(hj.Unknown(1.0)), Heat(1.0), False),
        (Heat(hj.Unknown(1.0)), Heat(hj.Unknown(1.0, high=9.0)), False),
        (Heat(1.0), Heat(1.0, pieces=2), False),
    ],
)
def test_values_of_coefficients_are_no_part_of_the_structure(one, other, alike):
    """Models of one structure are served by one compiled program."""
    first, second = (split(pde.on(SQUARE, 2.0))[0] for pde in (one, other))
    assert (first == second) is alike
    assert not alike or hash(first) == hash(second)
