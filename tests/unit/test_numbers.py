"""Which numbers of a game are arguments of its program, and which a part of it."""

from dataclasses import dataclass, field, fields, is_dataclass, replace
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import hycojax as hj
from hycojax import commandline
from hycojax.game import state as games
from hycojax.settings.numbers import STATIC, join, split, weighs, with_fields

FIXTURES = Path(__file__).parents[1] / "fixtures"


def change(value, path, new):
    """Return a setting with another value at a path of fields."""
    name, _, rest = path.partition(".")
    return replace(value, **{name: change(getattr(value, name), rest, new) if rest else new})


def leaves(value):
    """Yield all that a setting is made of, the fields that are structure as a whole included."""
    if isinstance(value, tuple):
        for item in value:
            yield from leaves(item)
    elif is_dataclass(value):
        yield type(value)
        for own in fields(value):
            yield from leaves(getattr(value, own.name))
    else:
        yield value


def assert_same(one, other):
    """Compare settings, arrays and types of numbers included."""
    pairs = list(zip(leaves(one), leaves(other), strict=True))
    assert len(pairs) > 50
    for a, b in pairs:
        assert type(a) is type(b)
        np.testing.assert_array_equal(a, b)


@pytest.fixture(scope="module")
def rich(tiny_heat):
    """An experiment in which every float that a game may have counts."""
    diffusivity = hj.UnknownField(3.0, low=0.1, high=20.0, prior=0.01, smoothness=hj.Slope(1e-4))
    physical = replace(
        tiny_heat.physical,
        model=hj.physics.Heat(diffusivity=diffusivity),
        solver=hj.MultiStart(hj.LBFGS(6, tolerance=1e-6), spread=0.5),
        revert=0.1,
    )
    solver = hj.Adam(learning_rate=1e-3, updates=4, warmup=1, clip=1.0, average=0.5)
    synthetic = replace(tiny_heat.synthetic, solver=solver, noise=0.1, revert=0.2)
    interaction = hj.Interaction(alpha=1.0, points=0.5)
    return replace(tiny_heat, physical=physical, synthetic=synthetic, interaction=interaction)


@pytest.fixture(scope="module")
def scalar(tiny_heat):
    """An experiment whose unknown is a number with bounds on both sides."""
    own = hj.Unknown(3.0, low=0.1, high=20.0, prior=0.01)
    return change(tiny_heat, "physical.model.diffusivity", own)


def copies(path):
    """Return how often a game holds a field: its PDE is a player's model, too."""
    return 2 if path.startswith("physical.model") else 1


def parts(experiment):
    """Return structure and numbers of the program of an experiment's first cycle."""
    return split(games.stage(experiment.game(), 0))


@pytest.mark.parametrize("name", ["heat", "burgers", "smoke", "inverse"])
@pytest.mark.parametrize("staged", [False, True])
def test_a_game_is_its_structure_and_its_numbers(name, staged):
    game = commandline.load(FIXTURES / f"{name}.py").game()
    game = games.stage(game, 0) if staged else game
    structure, numbers = split(game)
    assert len(numbers) > 2
    assert all(type(number) is float and number != 0 for number in numbers)
    assert_same(join(structure, numbers), game)
    assert split(structure) == (structure, ())  # no number is left
    again, same = split(game)
    assert (again, same) == (structure, numbers)
    assert hash(again) == hash(structure)
    assert structure != game


def test_the_number_of_a_field_goes_back_to_it(rich):
    """Each is its own: other numbers, in order, are found in the places of the old ones."""
    structure, numbers = split(rich.game())
    game = join(structure, tuple(float(i + 1) for i in range(len(numbers))))
    pairs = zip(leaves(game), leaves(rich.game()), strict=True)
    found = {old: new for new, old in pairs if isinstance(old, float) and new != old}
    assert list(found) == list(dict.fromkeys(numbers))
    physical, synthetic = (game.players[name] for name in ("physical", "synthetic"))
    known = dict(game.physics.coefficients)["diffusivity"]
    inside = [known.start, known.low, known.high, known.scale, known.prior, known.smoothness.weight]
    inside += [physical.solver.spread, physical.solver.solver.tolerance, physical.revert]
    inside += [synthetic.solver.learning_rate, synthetic.solver.clip, synthetic.solver.average]
    inside += [synthetic.noise, synthetic.revert, game.interaction.points]
    assert len(set(inside)) == len(inside)
    assert {number % 1 for number in inside} == {0.0}


@pytest.mark.parametrize(
    ("path", "new"),
    [
        ("physical.model.diffusivity.start", 2.0),
        ("physical.model.diffusivity.prior", 0.5),
        ("physical.model.diffusivity.smoothness.weight", 1e-3),
        ("physical.solver.spread", 1.5),
        ("physical.solver.solver.tolerance", 1e-3),
        ("physical.revert", 0.3),
        ("physical.weights.data", 0.3),
        ("synthetic.weights.interaction", 0.3),
        ("synthetic.solver.learning_rate", 0.1),
        ("synthetic.solver.clip", 0.3),
        ("synthetic.solver.average", 0.9),
        ("synthetic.noise", 0.3),
        ("interaction.points", 0.3),
    ],
)
def test_games_that_differ_in_a_number_have_one_structure(rich, path, new):
    (one, numbers), (other, changed) = parts(rich), parts(change(rich, path, new))
    assert one == other
    assert hash(one) == hash(other)
    if ".weights" in path:  # those come with the turns, which are arguments as well
        assert numbers == changed
    else:
        times = (2 if path.endswith("start") else 1) * copies(path)  # a start is its scale as well
        assert sum(a != b for a, b in zip(numbers, changed, strict=True)) == times
        assert changed.count(new) == numbers.count(new) + times


@pytest.mark.parametrize(("bound", "new"), [("low", 0.2), ("high", 5.0), ("high", 50.0)])
def test_games_that_differ_in_bounds_have_one_structure(scalar, bound, new):
    (one, _), (other, changed) = (
        parts(e) for e in (scalar, change(scalar, f"physical.model.diffusivity.{bound}", new))
    )
    assert one == other
    assert hash(one) == hash(other)
    assert new in changed


def test_known_fields_are_arguments(tiny_heat):
    """Whatever their values; a field of another shape is another argument of the program."""

    def model(values):
        pde = hj.physics.Burgers(viscosity=np.asarray(values, np.float32))
        return pde.on(tiny_heat.domain, 1.0)

    one, other = (split(model(np.full((16, 16), v))) for v in (1.0, 1.0 + 1e-6))
    assert one[0] == other[0]
    assert hash(one[0]) == hash(other[0])
    ((values,), (others,)) = one[1], other[1]
    np.testing.assert_array_equal(values, 1)
    assert (others != values).all()


@pytest.mark.parametrize(
    ("path", "zero"),
    [
        ("physical.model.diffusivity.prior", 0.0),
        ("physical.model.diffusivity.smoothness.weight", 0.0),
        ("physical.revert", 0.0),
        ("physical.revert", None),
        ("synthetic.noise", 0.0),
        ("synthetic.solver.clip", None),
        ("synthetic.solver.average", 0.0),
        ("interaction.points", None),
    ],
)
def test_what_is_zero_or_left_away_is_structure(rich, path, zero):
    """So that a term without a weight costs nothing."""
    (one, numbers), (other, fewer) = parts(rich), parts(change(rich, path, zero))
    assert one != other
    assert len(fewer) == len(numbers) - copies(path)


def test_what_is_unbounded_is_structure(scalar):
    structure, numbers = parts(scalar)
    for name in ("low", "high"):
        path = f"physical.model.diffusivity.{name}"
        other, fewer = parts(change(scalar, path, None))
        assert other != structure
        assert len(fewer) == len(numbers) - copies(path)
        assert np.isfinite(fewer).all()


@pytest.mark.parametrize(
    ("path", "new"),
    [
        ("physical.growth", 0),
        ("physical.solver.members", 3),
        ("physical.solver.solver.iterations", 7),
        ("physical.solver", hj.LBFGS(6)),
        ("physical.model.pieces", 2),
        ("physical.model.diffusivity.coarsening", 2),
        ("physical.model.diffusivity.smoothness", hj.TotalVariation(1e-4)),
        ("synthetic.batch", 5),
        ("synthetic.solver.updates", 5),
        ("synthetic.solver.warmup", 2),
        ("synthetic.model.features", 5),
        ("synthetic.truncation", 1),
        ("interaction.alpha", 2.0),
        ("interaction.recorded", True),
        ("interval", 5.0),
        ("domain.size", (100.0, 101.0)),
        ("mode", hj.Mode.SYNTHETIC),
    ],
)
def test_integers_choices_and_static_fields_are_structure(rich, path, new):
    assert parts(rich)[0] != parts(change(rich, path, new))[0]


def test_a_bound_that_asks_for_other_stages_is_another_program(rich):
    """Of a field that diffuses: the stages are worked out from its upper bound."""
    structure = parts(rich)[0]
    assert parts(change(rich, "physical.model.diffusivity.high", 20.1))[0] == structure
    assert parts(change(rich, "physical.model.diffusivity.high", 500.0))[0] != structure


@dataclass(frozen=True)
class Inner:
    weight: float
    fixed: float = field(default=2.0, metadata=STATIC)


@dataclass(frozen=True)
class Outer:
    parts: tuple[Inner, ...]
    count: int = 3
    share: float = 0.0
    limit: float = float("inf")
    wrong: float = float("nan")
    name: str = "some"
    on: bool = True


def test_settings_of_any_class_are_split_and_joined():
    """Tuples of them too; in the order of their fields."""
    value = Outer((Inner(1.5), Inner(-2.5, fixed=4.0)))
    structure, numbers = split(value)
    assert numbers == (1.5, -2.5)
    assert "a number" in repr(structure)
    assert join(structure, (7.0, 8.0)).parts == (Inner(7.0), Inner(8.0, fixed=4.0))
    assert value.parts[0].weight == 1.5  # it is left as it is
    for other in (replace(value, count=4), replace(value, name="other"), replace(value, on=False)):
        assert split(other)[0] != structure
    assert split((value, 3.0))[1] == (1.5, -2.5, 3.0)


def test_a_joined_model_computes_with_the_numbers_that_are_given(rich):
    """As arguments of a compiled function, and as constants."""
    game = rich.game()
    structure, numbers = split(game)
    state = jax.random.normal(jax.random.key(0), (16, 16, 1))
    free = {"diffusivity": jnp.full((16, 16), 0.3)}

    @jax.jit
    def step(numbers):
        player = join(structure, numbers).players["physical"]
        return player.model.forward(free, state), player.model.penalty(free)

    model = game.players["physical"].model
    expected = model.forward(free, state), model.penalty(free)
    for one, other in zip(step(numbers), expected, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-6)
    other = change(rich, "physical.model.diffusivity.low", 2.0)
    other = change(other, "physical.model.diffusivity.prior", 0.5).game()
    assert split(other)[0] == structure
    model = other.players["physical"].model
    moved = model.forward(free, state), model.penalty(free)
    for one, new, old in zip(step(split(other)[1]), moved, expected, strict=True):
        np.testing.assert_allclose(one, new, rtol=1e-5, atol=1e-6)
        assert np.abs(new - old).max() > 1e-3


def test_a_weight_counts_unless_it_is_zero():
    assert not any(map(weighs, (0, 0.0, -0.0)))
    assert all(map(weighs, (1, 0.1, -0.1)))
    found = []
    jax.make_jaxpr(lambda weight: found.append(weighs(weight)))(0.0)
    assert found == [True]  # an argument of a program, which may be anything


def test_fields_are_replaced_without_a_check():
    """By tracers too, which no check could read; the setting stays as it is."""
    solver = hj.Adam(learning_rate=0.1)
    rate = jax.jit(lambda rate: with_fields(solver, learning_rate=2 * rate).learning_rate)(0.3)
    np.testing.assert_allclose(rate, 0.6, rtol=1e-6)
    assert solver == hj.Adam(learning_rate=0.1)
    assert with_fields(solver, updates=3) == hj.Adam(learning_rate=0.1, updates=3)
