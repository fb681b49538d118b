from dataclasses import dataclass, replace

import jax.numpy as jnp
import numpy as np
import pytest

from hycojax.grid.domain import PERIODIC, Channel, Domain
from hycojax.grid.random_fields import Waves
from hycojax.models import coefficients
from hycojax.models.coefficients import Coefficient, Unknown, UnknownField, coefficient
from hycojax.models.pde import PDE, Unconstrained
from hycojax.models.smoothness import Slope
from hycojax.physics import Heat

BOX = Domain((8, 6), (1.0, 1.0), PERIODIC)


@dataclass(frozen=True)
class Still(PDE):
    """A PDE in which nothing happens."""

    def channels(self, dims):
        return (Channel("level"),)

    def step(self, at, values, state):
        return state

    def draw(self, domain, key):
        return jnp.zeros((*domain.shape, 1))


@dataclass(frozen=True)
class Toy(Still):
    positive: Coefficient = coefficient(2.0, unit="m", low=0.0)
    share: Coefficient = coefficient(0.3, unit="1", low=0.0, high=1.0)
    any_sign: Coefficient = coefficient(-4.0, unit="s")
    negative: Coefficient = coefficient(-2.0, unit="K", high=0.0)


@dataclass(frozen=True)
class Varied(Still):
    depth: Coefficient = coefficient(2.0, unit="m", low=0.0, varies=True)


@dataclass(frozen=True)
class Decay(Still):
    share: Coefficient = coefficient(0.5, unit="1", low=0.0)

    def step(self, at, values, state):
        return values["share"] * state


TOY = Toy(Unknown(0.5), Unknown(0.9), Unknown(3.0), Unknown(-0.5)).on(BOX, 1.0)


def varied(depth):
    return Varied(depth).on(BOX, 1.0)


def begin(model):
    """Return the free numbers at the start of the search."""
    return model.unconstrain(model.init(None))


def test_only_coefficients_that_are_unknown_are_parameters():
    model = Toy(positive=Unknown(0.5)).on(BOX, 1.0)
    assert list(model.unknowns) == list(model.init(None)) == ["positive"]
    assert model.init(None)["positive"] == 0.5
    values = coefficients.values(model.coefficients, {"positive": 7.0})
    assert values == {"positive": 7.0, "share": 0.3, "any_sign": -4.0, "negative": -2.0}
    assert model.units == {"positive": "m", "share": "1", "any_sign": "s", "negative": "K"}


def test_unconstrain_inverts_constrain():
    for z in (-2.0, 0.0, 1.5):
        free = {name: jnp.float32(z) for name in TOY.unknowns}
        back = TOY.unconstrain(TOY.constrain(free))
        for value in back.values():
            np.testing.assert_allclose(value, z, atol=1e-5)


def test_any_free_number_gives_a_value_in_bounds():
    for z in (-15.0, 15.0):
        values = TOY.constrain({name: jnp.float32(z) for name in TOY.unknowns})
        assert values["positive"] > 0
        assert 0 < values["share"] <= 1
        assert values["negative"] < 0


def test_a_unit_step_from_the_start_is_a_factor_e_for_a_positive_value():
    free = begin(TOY)
    assert free["positive"] == 0
    ahead = TOY.constrain({**free, "positive": jnp.float32(1.0)})
    np.testing.assert_allclose(ahead["positive"], 0.5 * np.e, rtol=1e-6)


@pytest.mark.parametrize(
    ("own", "change"),
    [
        (Unknown(5e-8), 5e-8),
        (Unknown(-300.0), 300.0),
        (Unknown(0.0), 1.0),
        (Unknown(0.0, scale=2e-6), 2e-6),
        (Unknown(-4.0, scale=1e-3), 1e-3),
    ],
)
def test_a_unit_step_of_an_unbounded_value_is_its_scale(own, change):
    """The `scale`, else |start|, else 1."""
    model = Toy(any_sign=own).on(BOX, 1.0)
    assert begin(model)["any_sign"] == 0
    for z in (-2.0, 1.0):
        moved = model.constrain({"any_sign": jnp.float32(z)})
        np.testing.assert_allclose(moved["any_sign"], own.start + z * change, rtol=1e-6)
        # What is left of a small change beside the start: single precision.
        rounding = 1e-6 * max(1, abs(own.start) / change)
        np.testing.assert_allclose(model.unconstrain(moved)["any_sign"], z, atol=rounding)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"positive": -1.0}, r"positive = -1 .* between 0.0 and inf m"),
        ({"share": 1.5}, r"share = 1.5 .* between 0.0 and 1.0 1"),
        ({"negative": 0.1}, r"negative = 0.1 .* between -inf and 0.0 K"),
        ({"share": Unknown(1.5)}, r"share\.start = 1.5 .* between 0.0 and 1.0 1"),
        ({"share": Unknown(0.5, low=0.6)}, r"share\.start = 0.5 .* between 0.6 and 1.0 1"),
        ({"share": Unknown(0.5, low=2.0)}, r"share\.start = 0.5 .* between 2.0 and 1.0 1"),
        ({"positive": Unknown(0.0)}, r"positive\.start = 0 .* between 0.0 and inf m"),
        ({"negative": Unknown(0.0)}, r"negative\.start = 0 .* between -inf and 0.0 K"),
        ({"positive": float("nan")}, r"positive = nan: a finite number is needed"),
        ({"any_sign": float("inf")}, r"any_sign = inf: a finite number is needed"),
        ({"positive": "deep"}, r"positive = 'deep': a finite number is needed"),
        ({"positive": None}, r"positive = None: a finite number is needed"),
        ({"positive": True}, r"positive = True: a finite number is needed"),
        ({"positive": Waves()}, r"positive: a number is needed, not a field"),
        ({"positive": UnknownField(1.0)}, r"positive: a number is needed, not a field"),
        ({"positive": [[1.0, 2.0]]}, r"positive: a number is needed, not a field"),
        ({"positive": [[1.0], [2.0, 3.0]]}, r"positive: an array of numbers is needed"),
        ({"positive": ["deep"]}, r"positive: an array of numbers is needed"),
    ],
)
def test_a_value_out_of_bounds_is_named(fields, message):
    with pytest.raises(ValueError, match=message):
        Toy(**fields)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"start": float("nan")}, "start = nan: a finite number"),
        ({"start": 1.0, "low": float("-inf")}, "low = -inf: a finite number"),
        ({"start": 1.0, "high": float("nan")}, "high = nan: a finite number"),
        ({"start": 1.0, "high": "2"}, "high = '2': a finite number"),
        ({"start": 1.0, "scale": 0.0}, "scale = 0.0: it must be positive"),
        ({"start": 1.0, "prior": -1.0}, "prior = -1.0: it must not be negative"),
    ],
)
def test_wrong_settings_of_an_unknown_are_named(fields, message):
    for kind in (Unknown, UnknownField):
        with pytest.raises(ValueError, match=message):
            kind(**fields)


def test_a_known_value_may_lie_on_a_bound_of_the_equation():
    toy = Toy(positive=0.0, share=1.0, any_sign=0, negative=0.0)
    values = coefficients.values(toy.on(BOX, 1.0).coefficients, {})
    assert values == {"positive": 0.0, "share": 1.0, "any_sign": 0.0, "negative": 0.0}
    assert Toy(share=0).share == 0
    at_bound = varied(np.zeros(BOX.shape))
    np.testing.assert_array_equal(coefficients.values(at_bound.coefficients, {})["depth"], 0)


@pytest.mark.parametrize(
    "two", [2, np.float32(2), np.int64(2), np.array(2.0), jnp.float32(2), jnp.array(2)], ids=repr
)
def test_scalars_of_numpy_and_jax_are_numbers(two):
    toy, unknown = Toy(positive=two), Unknown(start=two, low=0, high=two * 3, scale=two)
    found = (toy.positive, unknown.start, unknown.high, unknown.scale)
    assert found == (2.0, 2.0, 6.0, 2.0)
    assert {type(value) for value in found} == {float}
    assert (toy, unknown) == (Toy(positive=2.0), Unknown(2.0, low=0.0, high=6.0, scale=2.0))


@pytest.mark.parametrize("kind", [np.asarray, jnp.asarray, np.ndarray.tolist])
def test_a_known_field_may_be_an_array_of_any_kind(kind):
    given = np.linspace(1, 2, 48).reshape(8, 6)
    found = Varied(kind(given)).depth
    assert isinstance(found, np.ndarray)
    assert found.dtype == np.float32
    np.testing.assert_array_equal(found, given.astype("f4"))
    with pytest.raises(ValueError, match=r"depth: \(6, 8\) values for \(8, 6\) cells"):
        varied(kind(given.T))
    with pytest.raises(ValueError, match=r"depth = -1 to 0 is out of bounds"):
        varied(kind(given - 2))
    with pytest.raises(ValueError, match=r"depth: 48 of its values are not finite"):
        varied(kind(given * np.nan))


def test_a_field_has_values_on_the_cells_of_the_domain():
    model, true = varied(UnknownField(start=1.5)), Waves(mean=2.0, amplitude=0.3, seed=4)
    np.testing.assert_array_equal(model.init(None)["depth"], np.full((8, 6), 1.5))
    known = varied(true)
    assert known.init(None) == {}
    values = coefficients.values(known.coefficients, {})["depth"]
    np.testing.assert_array_equal(values, true.on(BOX))
    free = model.unconstrain({"depth": true.on(BOX)})
    assert free["depth"].shape == (8, 6)
    back = model.constrain(free)
    np.testing.assert_allclose(back["depth"], true.on(BOX), rtol=1e-6)


@pytest.mark.parametrize(
    ("depth", "most"),
    [
        (3.0, 3.0),
        (Waves(2.0, 0.3), Waves(2.0, 0.3).on(BOX).max()),
        (Waves(2.0, 0.3).on(BOX), Waves(2.0, 0.3).on(BOX).max()),
        (Unknown(1.0, high=4.0), 4.0),
        (UnknownField(1.0), np.inf),
    ],
)
def test_the_largest_value_is_that_of_the_known_or_the_bound_of_the_unknown(depth, most):
    assert coefficients.largest(Varied(depth), "depth", BOX) == most


def test_own_bounds_narrow_those_of_the_equation():
    own = Unknown(start=1.0, low=-5.0, high=3.0)
    bound = varied(own).unknowns["depth"]
    assert (bound.low, bound.high) == (0.0, 3.0)
    assert coefficients.largest(Varied(own), "depth", BOX) == 3.0
    top = varied(own).constrain({"depth": jnp.float32(15.0)})["depth"]
    assert top <= 3.0
    with pytest.raises(ValueError, match=r"depth\.start = 4 is out of bounds"):
        Varied(replace(own, start=4.0))


def test_a_field_can_be_searched_on_a_coarser_grid():
    model = varied(UnknownField(start=1.5, coarsening=2))
    free = begin(model)
    assert free["depth"].shape == (4, 3)
    values = model.constrain(free)["depth"]
    np.testing.assert_allclose(values, np.full((8, 6), 1.5), rtol=1e-6)
    moved = model.constrain({"depth": free["depth"].at[1, 1].add(1.0)})["depth"]
    assert (moved > 1.5 + 1e-6).sum() == 16  # linear: two cells on either side along each axis
    with pytest.raises(ValueError, match=r"depth\.coarsening = 4 does not divide"):
        varied(UnknownField(start=1.5, coarsening=4))
    with pytest.raises(ValueError, match="coarsening = 0"):
        UnknownField(start=1.5, coarsening=0)


def test_roughness_counts_the_unknown_fields_over_their_scale():
    field = {"depth": Waves(2.0, 0.3).on(BOX)}
    for own, scale in (
        (UnknownField(start=4.0, smoothness=Slope(0.7)), 4.0),
        (UnknownField(start=4.0, smoothness=Slope(0.7), scale=3.0), 3.0),
    ):
        model = varied(own)
        expected = Slope(0.7).penalty(BOX, field["depth"] / scale)
        found = coefficients.roughness(model.coefficients, BOX, field)
        np.testing.assert_allclose(found, expected, rtol=1e-6)
        penalty = Unconstrained(model).penalty(model.unconstrain(field))
        np.testing.assert_allclose(penalty, expected, rtol=1e-5)
    known = varied(Waves(2.0, 0.3))
    assert coefficients.roughness(known.coefficients, BOX, {}) == 0


def test_a_prior_penalises_the_squared_distance_from_the_start_where_one_is_set():
    own = Unknown(0.5, prior=0.1), Unknown(0.9, prior=2.0), Unknown(3.0)
    model = Toy(*own).on(BOX, 1.0)
    start = begin(model)
    assert coefficients.distance(model.coefficients, BOX, start) == 0
    moved = {name: number + 3 for name, number in start.items()}
    found = coefficients.distance(model.coefficients, BOX, moved)
    np.testing.assert_allclose(found, 9 * 2.1, rtol=1e-5)


def test_a_prior_holds_a_field_by_its_mean_square():
    domain = Domain((4, 4), (1.0, 1.0), PERIODIC)
    model = Heat(UnknownField(start=0.5, high=9.0, prior=0.5)).on(domain, 1.0)
    shift = jnp.arange(16.0).reshape(4, 4)
    moved = {"diffusivity": begin(model)["diffusivity"] + shift}
    expected = 0.5 * np.mean(np.arange(16.0) ** 2)
    found = coefficients.distance(model.coefficients, domain, moved)
    np.testing.assert_allclose(found, expected, rtol=1e-5)
    np.testing.assert_allclose(Unconstrained(model).penalty(moved), expected, rtol=1e-5)


def test_an_optimiser_sees_the_same_model_without_bounds():
    model = Decay(Unknown(start=0.5)).on(BOX, 1.0)
    seen = Unconstrained(model)
    assert seen.init(None) == {"share": 0.0}
    assert seen.domain == model.domain
    free, expected = {"share": jnp.float32(0.7)}, 0.5 * np.exp(0.7)
    np.testing.assert_allclose(seen.estimates(free)["share"], expected, rtol=1e-6)
    after = seen.forward(free, jnp.ones((*BOX.shape, 1)))
    np.testing.assert_allclose(after, np.full((*BOX.shape, 1), expected), rtol=1e-6)


@pytest.mark.parametrize("start", [1e-9, 0.999999])
def test_a_start_within_rounding_of_a_bound_is_refused(start):
    """Single precision can't tell it from the bound: it would never move."""
    Toy(share=Unknown(1e-3))
    if start > 0.5:
        with pytest.raises(ValueError, match=r"share.start = 0.999999 lies within rounding of its"):
            Toy(share=Unknown(start))
    with pytest.raises(ValueError, match=r"any_sign.start = .* within rounding of its bound 5.0"):
        Toy(any_sign=Unknown(5.00001, low=5.0))
    assert Toy(positive=Unknown(start)).positive.start == start  # from 0 any distance can be told


@pytest.mark.parametrize(
    ("moved", "expected"),
    [
        ({}, False),
        ({"positive": 1e-6}, True),  # gone to zero
        ({"share": 0.9999}, True),
        ({"share": 0.99}, False),
        ({"negative": -1e-5}, True),
        ({"any_sign": 1e9}, False),  # it has no bound
    ],
)
def test_a_coefficient_at_its_bound_is_told(moved, expected):
    params = {**TOY.init(None), **{name: jnp.float32(value) for name, value in moved.items()}}
    assert bool(coefficients.at_bound(TOY.coefficients, params)) is expected
    free = Unconstrained(TOY)
    assert bool(free.at_bound(TOY.unconstrain(params))) is expected


def test_neighbours_differ_in_one_coefficient_shifted_as_a_whole_or_put_back_to_its_start():
    model = Varied(UnknownField(start=1.5)).on(BOX, 1.0)
    free = Unconstrained(model)
    moved = {"depth": jnp.linspace(0.0, 1.0, 48).reshape(8, 6)}
    found = free.neighbours(moved, (-0.3, 0.1))["depth"]
    expected = [moved["depth"] - 0.3, moved["depth"] + 0.1, free.init(None)["depth"]]
    np.testing.assert_allclose(found, expected, rtol=1e-6)
    several = Unconstrained(TOY)
    point = {name: value + 0.7 for name, value in several.init(None).items()}
    found = several.neighbours(point, (-0.3, 0.1))
    differs = np.stack([found[name] != point[name] for name in found])
    assert differs.shape == (4, 4 * 3)
    np.testing.assert_array_equal(differs.sum(0), 1)
    np.testing.assert_array_equal(differs.sum(1), 3)
