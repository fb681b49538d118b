from dataclasses import dataclass

import jax.numpy as jnp
import numpy as np
import pytest

from hycojax.grid.domain import Boundary, Domain
from hycojax.grid.random_fields import Waves
from hycojax.models import parameters as parameter
from hycojax.models.parameters import FieldParameter, Parameter, quantity
from hycojax.models.smoothness import Slope
from hycojax.models.unconstrained import Unconstrained
from hycojax.physics.heat import CHANNELS, Heat


@dataclass(frozen=True)
class Toy:
    positive: Parameter = quantity(2.0, unit="m", low=0.0)
    share: Parameter = quantity(0.3, unit="1", low=0.0, high=1.0)
    any_sign: Parameter = quantity(-4.0, unit="s")
    negative: Parameter = quantity(-2.0, unit="K", high=0.0)


TOY = Toy(Parameter(2.0, 0.5), Parameter(0.3, 0.9), Parameter(-4.0, 3.0), Parameter(-2.0, -0.5))


def test_only_coefficients_with_a_start_are_unknown():
    toy = Toy(positive=Parameter(2.0, 0.5))
    assert list(parameter.unknowns(toy)) == ["positive"]
    values = parameter.coefficients(toy, {"positive": 7.0})
    assert values == {"positive": 7.0, "share": 0.3, "any_sign": -4.0, "negative": -2.0}


def test_unconstrain_inverts_constrain():
    for z in (-2.0, 0.0, 1.5):
        free = {name: jnp.float32(z) for name in parameter.unknowns(TOY)}
        back = parameter.unconstrain(TOY, parameter.constrain(TOY, free))
        for value in back.values():
            np.testing.assert_allclose(value, z, atol=1e-5)


def test_any_free_number_gives_a_value_in_bounds():
    for z in (-15.0, 15.0):
        values = parameter.constrain(TOY, {n: jnp.float32(z) for n in parameter.unknowns(TOY)})
        assert values["positive"] > 0
        assert 0 < values["share"] <= 1
        assert values["negative"] < 0


def test_a_unit_step_from_the_start_is_a_factor_e_for_a_positive_value():
    free = parameter.unconstrain(TOY, parameter.starts(TOY))
    assert free["positive"] == 0
    ahead = parameter.constrain(TOY, {**free, "positive": jnp.float32(1.0)})
    np.testing.assert_allclose(ahead["positive"], 0.5 * np.e, rtol=1e-6)


@pytest.mark.parametrize(
    ("toy", "message"),
    [
        (Toy(positive=Parameter(-1.0)), r"positive.true = -1.0 .* between 0.0 and inf m"),
        (Toy(share=Parameter(0.5, 1.5)), r"share.start = 1.5"),
        (Toy(positive=Parameter(float("nan"))), r"positive.true = nan"),
    ],
)
def test_a_value_out_of_bounds_is_named(toy, message):
    with pytest.raises(ValueError, match=message):
        parameter.check(toy)


BOX = Domain((8, 6), (1.0, 1.0), Boundary.PERIODIC, ())


@dataclass(frozen=True)
class Varied:
    domain: Domain = BOX
    depth: Parameter = quantity(2.0, unit="m", low=0.0, varies=True)


def test_a_field_has_values_on_the_cells_of_the_domain():
    true = Waves(mean=2.0, amplitude=0.3, seed=4)
    model = Varied(depth=FieldParameter(true, start=1.5))
    parameter.check(model)
    np.testing.assert_array_equal(parameter.starts(model)["depth"], np.full((8, 6), 1.5))
    np.testing.assert_array_equal(parameter.truths(model)["depth"], true.on(BOX))
    known = Varied(depth=FieldParameter(true))
    np.testing.assert_array_equal(parameter.coefficients(known, {})["depth"], true.on(BOX))
    assert parameter.largest(known, "depth") == true.on(BOX).max()
    free = parameter.unconstrain(model, parameter.truths(model))
    assert free["depth"].shape == (8, 6)
    back = parameter.constrain(model, free)
    np.testing.assert_allclose(back["depth"], true.on(BOX), rtol=1e-6)


def test_own_bounds_narrow_those_of_the_equation():
    model = Varied(depth=Parameter(2.0, start=1.0, low=-5.0, high=3.0))
    bounds = parameter.quantities(model)["depth"]
    assert (bounds.low, bounds.high) == (0.0, 3.0)
    assert parameter.largest(model, "depth") == 3.0
    top = parameter.constrain(model, {"depth": jnp.float32(15.0)})["depth"]
    assert top <= 3.0
    with pytest.raises(ValueError, match=r"depth\.start = 4\.0 is out of bounds"):
        parameter.check(Varied(depth=Parameter(2.0, start=4.0, high=3.0)))


def test_numbers_and_fields_are_not_mixed_up():
    with pytest.raises(ValueError, match="a FieldParameter takes Waves"):
        Parameter(Waves())
    with pytest.raises(ValueError, match="a Parameter takes a number"):
        FieldParameter(1.0)


def test_a_field_can_be_searched_on_a_coarser_grid():
    own = FieldParameter(Waves(mean=2.0, amplitude=0.3), start=1.5, coarsening=2)
    model = Varied(depth=own)
    parameter.check(model)
    free = parameter.unconstrain(model, parameter.starts(model))
    assert free["depth"].shape == (4, 3)
    values = parameter.constrain(model, free)["depth"]
    np.testing.assert_allclose(values, np.full((8, 6), 1.5), rtol=1e-6)
    moved = parameter.constrain(model, {"depth": free["depth"].at[1, 1].add(1.0)})["depth"]
    assert (moved > 1.5 + 1e-6).sum() == 16  # linear: two cells on either side along each axis
    with pytest.raises(ValueError, match=r"depth\.coarsening = 4 does not divide"):
        parameter.check(Varied(depth=FieldParameter(Waves(2.0, 0.3), start=1.5, coarsening=4)))
    with pytest.raises(ValueError, match="coarsening = 0"):
        FieldParameter(Waves(), coarsening=0)


def test_roughness_counts_the_unknown_fields_over_their_scale():
    model = Varied(depth=FieldParameter(Waves(2.0, 0.3), start=4.0, smoothness=Slope(0.7)))
    field = parameter.truths(model)["depth"]
    expected = Slope(0.7).penalty(BOX, field / 4.0)
    np.testing.assert_allclose(parameter.roughness(model, {"depth": field}), expected, rtol=1e-6)
    known = Varied(depth=FieldParameter(Waves(2.0, 0.3), smoothness=Slope(0.7)))
    assert parameter.roughness(known, {}) == 0


def test_a_prior_penalises_the_squared_distance_from_the_start_where_one_is_set():
    toy = Toy(Parameter(2.0, 0.5, prior=0.1), Parameter(0.3, 0.9, prior=2.0), Parameter(-4.0, 3.0))
    begin = parameter.unconstrain(toy, parameter.starts(toy))
    assert parameter.distance(toy, begin) == 0
    moved = {name: number + 3 for name, number in begin.items()}
    np.testing.assert_allclose(parameter.distance(toy, moved), 9 * 2.1, rtol=1e-5)
    with pytest.raises(ValueError, match="prior = -1"):
        Parameter(1.0, prior=-1.0)


def test_a_prior_holds_a_field_by_its_mean_square():
    domain = Domain((4, 4), (1.0, 1.0), Boundary.PERIODIC, CHANNELS)
    model = Heat(domain, diffusivity=FieldParameter(Waves(1.0, 0.1), 0.5, high=9.0, prior=0.5))
    free = parameter.unconstrain(model, parameter.starts(model))
    shift = jnp.arange(16.0).reshape(4, 4)
    moved = {"diffusivity": free["diffusivity"] + shift}
    expected = 0.5 * np.mean(np.arange(16.0) ** 2)
    np.testing.assert_allclose(parameter.distance(model, moved), expected, rtol=1e-5)
    np.testing.assert_allclose(Unconstrained(model).penalty(moved), expected, rtol=1e-5)
