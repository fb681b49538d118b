"""Every setting holds what its annotations say, however it is made; else a message names the field.

The tests of all fields walk over all settings of the package: a new one is tested as it is added.
"""

from __future__ import annotations

import dataclasses
import enum
import importlib
import inspect
import math
import pkgutil
import types
import typing
from dataclasses import dataclass, fields, replace
from fractions import Fraction

import flax.linen as nn
import jax.numpy as jnp
import numpy as np
import pytest

import hycojax
import hycojax as hj
from hycojax.data import recordings, views
from hycojax.game.player import Player
from hycojax.settings.checked import Checked

for module in pkgutil.walk_packages(hycojax.__path__, "hycojax."):
    if not module.name.endswith("__main__"):
        importlib.import_module(module.name)

BOX = hj.Domain((16, 16), (100.0, 100.0), hj.PERIODIC)
PHYSICAL = hj.Physical(hj.physics.Heat(diffusivity=hj.Unknown(3.0)), hj.LBFGS())
SYNTHETIC = hj.Synthetic(hj.networks.UNet(levels=1), hj.Adam())
DATA = hj.Simulated(hj.physics.Heat())
ONES = np.ones(3)
FILM = recordings.Film(
    "u", "1", ONES.cumsum(), (ONES.cumsum(),), np.ones((3, 3)), instrument=hj.Blur()
)
#: A setting of each class that can't be made without arguments.
EXAMPLES = [
    BOX,
    DATA,
    PHYSICAL,
    SYNTHETIC,
    hj.Channel("u"),
    hj.Chosen((2, 5)),
    hj.Corrected(hj.physics.Heat(), hj.networks.ConvNet()),
    hj.Files("tank.nc", channels={"u": "dye"}, units={"u": "1"}, sigma={"u": 0.1}),
    hj.Recordings((recordings.System("one", (FILM,)),)),
    hj.Tie("u"),
    hj.Together((hj.Files("tank.nc"), hj.Recordings((recordings.System("one", (FILM,)),)))),
    hj.Experiment(
        name="some", domain=BOX, interval=4.0, physical=PHYSICAL, synthetic=SYNTHETIC, data=DATA
    ),
    hj.Grid(BOX.shape, BOX.size, BOX.boundary, (hj.Channel("u"), hj.Channel("v"))),
    hj.MovingSensors((40.0, 40.0), (90.0, 90.0), (80.0, 60.0)),
    hj.MultiStart(hj.LBFGS()),
    hj.Range((0.0, 0.25), (0.5, 0.75)),
    hj.Sensors(((20.0, 30.0), (70.0, 55.0))),
    hj.Unknown(3.0),
    hj.UnknownField(3.0),
    hj.networks.Custom(nn.Dense(4)),
    FILM,
    Player(None, hj.LBFGS()),
    views.Views((recordings.System("one", (FILM,)),), seen_by=((("physical",),),), uses={}),
    recordings.Points("u", "1", ONES, np.ones((3, 2)), ONES),
    recordings.System("one", (FILM,), {"rate": 2.0}, {"rate": "1"}),
]


def kinds(base=Checked):
    """Return all classes of settings of the package of which there are objects."""
    own = [base] if base.__module__.startswith("hycojax.") and base is not Checked else []
    own = [] if inspect.isabstract(base) or base.__name__ == "Emulator" else own
    return dict.fromkeys(own + [kind for sub in base.__subclasses__() for kind in kinds(sub)])


def example(kind):
    """Return a setting of a class."""
    return next((given for given in EXAMPLES if type(given) is kind), None) or kind()


FIELDS = {f"{kind.__name__}.{own.name}": (kind, own) for kind in kinds() for own in fields(kind)}
EVERY = pytest.mark.parametrize(("kind", "own"), FIELDS.values(), ids=FIELDS)
#: Fields that may hold anything: what they are is checked where the parts meet, in an experiment.
ANYTHING = {"Player.model", "Physical.model", "Synthetic.model"}
#: Numbers or arrays: the class itself checks what is in them.
ANYTHING |= {"Film.sigma", "Points.sigma"}

NAN, INF = float("nan"), float("inf")
NO_NUMBER = ["0.5", [1], (), {}, 1j, b"1", np.array([1.0, 2.0]), jnp.zeros(2), float, object()]
WRONG_NUMBERS = {
    bool: [0, 1, 1.0, np.int64(1), None, *NO_NUMBER],
    int: [
        2.5,
        2.0,
        NAN,
        INF,
        True,
        np.bool_(True),
        np.float32(2),
        jnp.float32(2),
        None,
        *NO_NUMBER,
    ],
    float: [
        NAN,
        INF,
        -INF,
        np.float32("nan"),
        jnp.float32("inf"),
        True,
        np.True_,
        None,
        *NO_NUMBER,
    ],
    str: [3, 1.5, None, True, b"u", ["u"], hj.Mode.HYBRID],
}
#: For a coefficient of a PDE: also arrays that are no numbers, or not all of them.
WRONG_COEFFICIENTS = [
    *[NAN, INF, True, None, "deep", "1.5", 1j, {}, object(), float, hj.Unknown, hj.Adam(), BOX],
    *[[], ["1.0", "2.0"], [True, False], [[1.0], [2.0, 3.0]], [NAN, 1.0], [None], [1j]],
    *[np.array(["1.0"]), np.array([True]), np.array([1.0, INF]), np.array([]), {1.0, 2.0}],
]


class Other(enum.Enum):
    """A choice that is none of the package's, with values of its own and of others."""

    OWN = "own"
    PERIODIC = "periodic"


def fitting(hint):
    """Return a value that suits an annotation of what is in a dict."""
    return {str: "m", float: 0.5}.get(hint, hj.Prior())


def wrong(hint):
    """Return values that do not suit an annotation."""
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin in (typing.Union, types.UnionType):
        each = [wrong(argument) for argument in arguments if argument is not type(None)]
        return [value for value in each[0] if value is not None]
    if origin is tuple:
        assert arguments[1:] == (Ellipsis,)
        inside = [[value] for value in wrong(arguments[0])]
        return ["16", 16, None, {1: 2}, {1.5}, np.array(3), tuple, *inside]
    if origin is dict:
        inside = [{"u": value} for value in wrong(arguments[1])]
        return ["", "u", 3, None, ["u"], dict, *inside, {3: fitting(arguments[1])}]
    if hint in WRONG_NUMBERS:
        return WRONG_NUMBERS[hint]
    member = next(iter(hint)) if issubclass(hint, enum.Enum) else None
    if member is not None:
        name = member.name if member.name != member.value else "none"
        return [name, "", 0, None, True, [member], [member.value], hint, *Other, np.array([1, 2])]
    # Another setting: neither a class in place of an object, nor one of another kind.
    return [None, "", 3, {}, (), [], hint, object(), BOX.boundary, hj.Waves(), hj.LBFGS]


@EVERY
def test_no_field_takes_what_does_not_suit_it(kind, own):
    hint = typing.get_type_hints(kind)[own.name]
    if f"{kind.__name__}.{own.name}" in ANYTHING:
        return
    given, taken, unnamed = example(kind), [], []
    unsuited = WRONG_COEFFICIENTS if "quantity" in own.metadata else wrong(hint)
    assert len(unsuited) > 5
    for value in unsuited:
        try:
            replace(given, **{own.name: value})
            taken.append(value)
        except ValueError as error:
            told = str(error)
            if not told.startswith(own.name):
                unnamed.append((value, told))
    assert not taken
    assert not unnamed


@EVERY
def test_no_field_without_an_annotation_that_says_what_it_holds(kind, own):
    anything = typing.get_type_hints(kind)[own.name] is typing.Any
    assert not anything or "quantity" in own.metadata or f"{kind.__name__}.{own.name}" in ANYTHING


def test_all_settings_are_checked():
    """Those that a user can name, and all that an experiment is made of."""
    results = {hj.Record, hj.Result, hj.Trained, hj.Setting}
    named = [getattr(hj, name) for name in hj.__all__]
    named += [getattr(part, name) for part in (hj.networks, hj.physics) for name in part.__all__]
    found = {kind for kind in named if isinstance(kind, type) and dataclasses.is_dataclass(kind)}
    assert len(found) > 30
    assert not [kind for kind in found - results if not issubclass(kind, Checked)]


def forms(value):
    """Return other forms of a value, which a field converts."""
    if isinstance(value, bool):
        return [np.bool_(value), jnp.asarray(value), np.array(value)]
    if isinstance(value, int):
        return [np.int64(value), np.int8(value), jnp.asarray(value), np.array(value)]
    if isinstance(value, float):
        exact = [np.float64(value), np.array(value), Fraction(value)]
        return exact + ([int(value), np.int32(value)] if value == int(value) else [])
    if isinstance(value, enum.Enum):
        return [value.value]
    if isinstance(value, tuple) and value:
        within = [forms(item) for item in value]
        shortest = min(map(len, within))
        nested = [[own[i] for own in within] for i in range(shortest)]
        array = [np.array(value)] if isinstance(value[0], int | float) else []
        return [list(value), *nested, *map(tuple, nested), *array]
    return []


@EVERY
def test_other_forms_of_a_value_are_converted(kind, own):
    """Numbers of NumPy and JAX, the value of an enum, lists: the setting is the same."""
    given = example(kind)
    value = getattr(given, own.name)
    for form in forms(value):
        found = getattr(replace(given, **{own.name: form}), own.name)
        assert found == value, form
        assert alike(found, value), form


def alike(one, other):
    """Return whether two values are of the same types, and the items of tuples as well."""
    if isinstance(other, tuple):
        return isinstance(one, tuple) and all(map(alike, one, other))
    return type(one) is type(other)


@dataclass(frozen=True)
class Sample(Checked):
    """Annotations of all kinds that are understood."""

    pair: tuple[int, float] = (1, 2.0)
    places: tuple[tuple[float, ...], ...] = ()
    count: int = 1
    size: float = 1.0
    limit: float | None = None
    either: int | str = 1
    boundary: hj.PERIODIC.__class__ = hj.PERIODIC
    inner: hj.Adam | None = None
    label: typing.Annotated[str, "shown"] = "some"
    anything: typing.Any = None
    named: dict[str, float] = dataclasses.field(default_factory=dict)


@pytest.mark.parametrize(
    ("fields", "name", "expected"),
    [
        ({"pair": [3, 4]}, "pair", (3, 4.0)),
        ({"pair": np.array([3, 4])}, "pair", (3, 4.0)),
        ({"places": [[1, 2], [3.5]]}, "places", ((1.0, 2.0), (3.5,))),
        ({"places": np.ones((2, 1))}, "places", ((1.0,), (1.0,))),
        ({"count": np.uint8(3)}, "count", 3),
        ({"count": jnp.asarray(3)}, "count", 3),
        ({"size": 2}, "size", 2.0),
        ({"size": np.float32(0.5)}, "size", 0.5),
        ({"size": jnp.float32(0.5)}, "size", 0.5),
        ({"size": np.array(0.5)}, "size", 0.5),
        ({"limit": 2}, "limit", 2.0),
        ({"limit": None}, "limit", None),
        ({"either": "two"}, "either", "two"),
        ({"either": np.int32(2)}, "either", 2),
        ({"boundary": "closed"}, "boundary", hj.CLOSED),
        ({"inner": None}, "inner", None),
        ({"anything": [1]}, "anything", [1]),
        ({"named": {"u": 1}}, "named", {"u": 1.0}),
    ],
)
def test_what_can_be_converted_is(fields, name, expected):
    found = getattr(Sample(**fields), name)
    assert found == expected
    assert alike(found, expected)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"pair": [1]}, "pair = [1]: a tuple of 2 is needed"),
        ({"pair": (1, 2.0, 3.0)}, "pair = (1, 2.0, 3.0): a tuple of 2 is needed"),
        ({"pair": [1.5, 2.0]}, "pair[0] = 1.5: a whole number is needed"),
        ({"pair": [1, NAN]}, "pair[1] = nan: a finite number is needed"),
        ({"pair": "12"}, "pair = '12': a tuple is needed"),
        ({"places": [[1.0], ["a"]]}, "places[1][0] = 'a': a finite number is needed"),
        ({"places": [1.0]}, "places[0] = 1.0: a tuple is needed"),
        ({"count": 2.5}, "count = 2.5: a whole number is needed"),
        ({"count": True}, "count = True: a whole number is needed"),
        ({"size": 10**400}, "size = 1000"),
        ({"limit": INF}, "limit = inf: a finite number is needed"),
        ({"limit": "high"}, "limit = 'high': a finite number is needed"),
        ({"either": 2.5}, "either = 2.5: a whole number or a string is needed"),
        ({"boundary": "open"}, "boundary = 'open': one of 'periodic', 'closed' is needed"),
        ({"inner": hj.LBFGS()}, "inner = LBFGS("),
        ({"inner": hj.Adam}, "inner = <class"),
        ({"label": 3}, "label = 3: a string is needed"),
        ({"named": [("u", 1.0)]}, "named = [('u', 1.0)]: a dict is needed"),
        ({"named": {"u": "high"}}, "named['u'] = 'high': a finite number is needed"),
        ({"named": {3: 1.0}}, "named key = 3: a string is needed"),
    ],
)
def test_the_message_says_what_is_needed(fields, message):
    with pytest.raises(ValueError) as caught:  # noqa: PT011
        Sample(**fields)
    assert str(caught.value).startswith(message)
    assert str(caught.value).endswith("is needed")


@pytest.mark.parametrize("size", [(1.0,), (1.0, 2.0, 3.0)])
def test_a_tuple_of_the_wrong_length_for_its_class_is_refused(size):
    with pytest.raises(ValueError, match=r"domain\.size: . lengths for 2 axes"):
        hj.Domain((16, 16), size, hj.PERIODIC)


def test_settings_from_other_forms_are_equal_and_hash_alike():
    plain = hj.Domain((16, 16), (100.0, 50.0), hj.CLOSED)
    other = hj.Domain(np.array([16, 16]), [np.float32(100), jnp.asarray(50)], "closed")
    assert other == plain
    assert hash(other) == hash(plain)
    assert repr(other) == repr(plain)


@dataclass(frozen=True)
class Bounded(Checked):
    """A setting with a check of its own, which may rely on the types."""

    low: float
    high: float = 1.0

    def __post_init__(self):
        assert type(self.low) is type(self.high) is float
        if self.low > self.high:
            raise ValueError("low: above high")


@dataclass(frozen=True)
class Longer(Bounded):
    """One that inherits the check, and adds a field."""

    steps: tuple[int, ...] = ()


@dataclass(frozen=True)
class Stricter(Bounded):
    """One that adds a check."""

    share: float = 0

    def __post_init__(self):
        super().__post_init__()
        if not 0 <= self.share <= 1:
            raise ValueError("share: not within 0 and 1")


@pytest.mark.parametrize("kind", [Bounded, Longer, Stricter])
def test_own_checks_come_after_and_are_inherited(kind):
    assert kind(np.int64(0)).low == 0.0
    for low, message in ((2, "low: above high"), ("0", "low = '0': a finite number")):
        with pytest.raises(ValueError, match=message):
            kind(low)


def test_fields_that_a_subclass_adds_are_checked():
    assert Longer(0, steps=[np.int64(3)]).steps == (3,)
    assert math.copysign(1, Stricter(0).share) == 1.0
    assert type(Stricter(0).share) is float
    with pytest.raises(ValueError, match=r"steps\[0\] = 0\.5: a whole number"):
        Longer(0, steps=[0.5])
    with pytest.raises(ValueError, match="share: not within"):
        Stricter(0, share=2)
    with pytest.raises(ValueError, match="share = nan"):
        Stricter(0, share=NAN)


def test_annotations_that_can_not_be_read_leave_fields_as_they_are():
    """As those of a notebook's class that names what is gone."""

    @dataclass(frozen=True)
    class Lost(Checked):
        count: Gone  # noqa: F821

    assert Lost("three").count == "three"


def test_models_of_an_experiment_are_what_their_players_need():
    experiment = example(hj.Experiment)
    for name, given in (("physical", hj.networks.UNet()), ("synthetic", hj.physics.Heat())):
        for model in (given, None, "heat", hj.physics.Heat, hj.networks.UNet):
            player = replace(getattr(experiment, name), model=model)
            with pytest.raises(ValueError, match=rf"{name}\.model = .* is needed"):
                replace(experiment, **{name: player})
