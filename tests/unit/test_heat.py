import jax
import jax.numpy as jnp
import numpy as np
import pytest

from hycojax.grid.domain import Boundary, Domain
from hycojax.grid.random_fields import Waves
from hycojax.models.coefficients import Unknown, UnknownField
from hycojax.models.model import rollout
from hycojax.physics import Heat

BOXES = {
    "1D": ((24,), (7.0,)),
    "2D": ((16, 24), (3.0, 50.0)),
    "3D": ((8, 12, 16), (1.0, 2.0, 30.0)),
}


@pytest.fixture(params=[(n, b) for n in BOXES for b in Boundary], ids=str)
def domain(request):
    shape, size = BOXES[request.param[0]]
    return Domain(shape, size, request.param[1])


def phase(domain, axis):
    """Return k x for one wave along an axis: a whole one in a periodic box, half a one in walls."""
    turn = 2 * np.pi if domain.boundary is Boundary.PERIODIC else np.pi
    return turn * domain.centers()[axis] / domain.size[axis], turn / domain.size[axis]


def wave(domain, numbers):
    """Return a mode, and its |k|^2."""
    phases = [(n * p, n * k) for n, (p, k) in zip(numbers, modes(domain), strict=True)]
    values = np.prod([np.cos(p) for p, _ in phases], axis=0)
    return jnp.asarray(values, "f4")[..., None], sum(k**2 for _, k in phases)


def modes(domain):
    return [phase(domain, axis) for axis in range(domain.dims)]


def test_modes_decay_as_in_closed_form(domain):
    """For every dx: exp(-a |k|^2 t), here over 10 steps."""
    state, square = wave(domain, (2, 1, 3)[: domain.dims])
    model = Heat(diffusivity=Unknown(start=1.0)).on(domain, 0.05 / square)
    end = jax.jit(lambda s: rollout(model, {"diffusivity": 2.0}, s, 10)[-1])(state)
    np.testing.assert_allclose(end, state * np.exp(-1.0), atol=3e-6)


@pytest.mark.parametrize("boundary", Boundary)
@pytest.mark.usefixtures("double")
def test_a_field_that_is_constant_gives_the_closed_form_to_second_order(boundary, order):
    sizes, errors = (8, 16, 32), []
    for n in sizes:
        domain = Domain((n, n), (2.0, 3.0), boundary)
        state, square = wave(domain, (1, 1))
        model = Heat(diffusivity=Waves(1.0, 0.0)).on(domain, 0.8 / square / n)
        end = jax.jit(lambda s, m=model, n=n: rollout(m, {}, s, n)[-1])(state.astype("f8"))
        errors.append(float(jnp.abs(end - state * np.exp(-0.8)).max()))
    assert 1.7 < order(sizes, errors) < 2.3


@pytest.mark.usefixtures("double")
def test_a_varying_field_meets_a_steady_state_of_closed_form(order):
    """T = log(1 + x) with a = 1 + x has a constant flux a T' = 1.

    What a step changes away from the walls is of second order in dx.
    """
    sizes, changes = (16, 32, 64), []
    for n in sizes:
        domain = Domain((n,), (1.0,), Boundary.CLOSED)
        model = Heat(diffusivity=UnknownField(start=1.0, high=3.0)).on(domain, 1e-6)
        (x,) = domain.centers()
        state = jnp.log(1 + jnp.asarray(x))[:, None]
        after = jax.jit(model.forward)({"diffusivity": jnp.asarray(1 + x)}, state)
        changes.append(float(jnp.abs((after - state)[n // 4 : -n // 4]).max() / model.interval))
    assert order(sizes, changes) > 1.8


def test_heat_is_conserved(domain):
    number = Heat().on(domain, 1.0)
    field = Heat(diffusivity=Waves(0.01, 0.001)).on(domain, 0.1)
    state = number.sample(jax.random.key(0)) + 5.0
    for model in (number, field):
        after = jax.jit(model.forward)({}, state)
        np.testing.assert_allclose(after.mean(), state.mean(), rtol=5e-6)
        assert np.abs(after - state).max() > 1e-3


def test_gradient_by_diffusivity_equals_the_closed_form(domain):
    """d/da exp(-a |k|^2 t) = -|k|^2 t exp(-a |k|^2 t)."""
    state, square = wave(domain, (1,) * domain.dims)
    model = Heat(diffusivity=Unknown(start=1.0)).on(domain, 0.5 / square)
    slope = jax.jacfwd(lambda a: model.forward({"diffusivity": a}, state))(1.0)
    np.testing.assert_allclose(slope, -0.5 * np.exp(-0.5) * state, atol=2e-6)


def test_samples_differ_and_do_not_depend_on_the_grid(domain):
    first, second = (Heat().on(domain, 1.0).sample(jax.random.key(i)) for i in range(2))
    assert jnp.abs(first - second).max() > 0.1
    fine = domain.refine(3)  # the centres of a coarse grid are centres of one 3 times finer
    middle = Heat().on(fine, 1.0).sample(jax.random.key(0))[(slice(1, None, 3),) * domain.dims]
    np.testing.assert_allclose(middle, first, atol=1e-4)


def test_a_diffusivity_that_is_not_positive_is_refused():
    with pytest.raises(ValueError, match=r"diffusivity = -1 is out of bounds"):
        Heat(diffusivity=-1.0)
    with pytest.raises(ValueError, match=r"diffusivity\.start = 0 is out of bounds"):
        Heat(diffusivity=Unknown(start=0.0))


def test_without_diffusivity_heat_stays(domain):
    model = Heat(diffusivity=0.0).on(domain, 5.0)
    state = model.sample(jax.random.key(0))
    np.testing.assert_allclose(jax.jit(model.forward)({}, state), state, atol=2e-6)
