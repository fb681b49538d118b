import jax
import jax.numpy as jnp
import numpy as np
import pytest

from hycojax.domain import Boundary, Domain
from hycojax.model import repeat
from hycojax.parameter import Parameter
from hycojax.physics import heat
from hycojax.physics.heat import Heat

BOXES = {
    "1D": ((24,), (7.0,)),
    "2D": ((16, 24), (3.0, 50.0)),
    "3D": ((8, 12, 16), (1.0, 2.0, 30.0)),
}


@pytest.fixture(params=BOXES, ids=str)
def domain(request):
    shape, size = BOXES[request.param]
    return Domain(shape, size, Boundary.PERIODIC, heat.CHANNELS)


def wave(domain, numbers):
    pairs = zip(numbers, domain.centers(), domain.size, strict=True)
    return jnp.asarray(np.cos(sum(2 * np.pi * n * x / s for n, x, s in pairs)), "f4")[..., None]


def test_modes_decay_as_in_closed_form(domain):
    """For every dx: exp(-a |k|^2 t), here over 10 steps."""
    numbers = (2, 1, 3)[: domain.dims]
    square = sum((2 * np.pi * n / s) ** 2 for n, s in zip(numbers, domain.size, strict=True))
    model = Heat(domain, dt=0.05 / square)
    state = wave(domain, numbers)
    end = jax.jit(lambda s: repeat(model, {"diffusivity": 2.0}, s, 10))(state)
    np.testing.assert_allclose(end, state * np.exp(-1.0), atol=2e-6)


def test_heat_is_conserved(domain):
    state = Heat(domain).sample(jax.random.key(0)) + 5.0
    after = jax.jit(Heat(domain).forward)({"diffusivity": 0.7}, state)
    np.testing.assert_allclose(after.mean(), state.mean(), rtol=1e-6)


def test_gradient_by_diffusivity_equals_the_closed_form(domain):
    """d/da exp(-a |k|^2 t) = -|k|^2 t exp(-a |k|^2 t)."""
    numbers = (1,) * domain.dims
    square = sum((2 * np.pi / s) ** 2 for s in domain.size)
    model = Heat(domain, dt=0.5 / square)
    state = wave(domain, numbers)
    slope = jax.jacfwd(lambda a: model.forward({"diffusivity": a}, state))(1.0)
    np.testing.assert_allclose(slope, -0.5 * np.exp(-0.5) * state, atol=2e-6)


def test_samples_differ_and_do_not_depend_on_the_grid(domain):
    first, second = (Heat(domain).sample(jax.random.key(i)) for i in range(2))
    assert jnp.abs(first - second).max() > 0.1
    fine = domain.refine(3)  # the centres of a coarse grid are centres of one 3 times finer
    middle = Heat(fine).sample(jax.random.key(0))[(slice(1, None, 3),) * domain.dims]
    np.testing.assert_allclose(middle, first, atol=1e-4)


@pytest.mark.parametrize("true", [-1.0, 0.0])
def test_a_diffusivity_that_is_not_positive_is_refused(heat_box, true):
    with pytest.raises(ValueError, match=r"diffusivity\.true = "):
        Heat(heat_box, diffusivity=Parameter(true))
