"""What is hidden changes nothing: whole cycles of training, through every mask.

A mask is data of a cycle, no part of its program: one program serves them all.
"""

import itertools
from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import hycojax as hj
from hycojax import fitting
from hycojax.data import simulated
from hycojax.data.regions import Centre, Everywhere, MovingSensors, Range, Scattered, Sensors
from hycojax.data.times import AllFrames, Chosen, Endpoints, EveryNth
from hycojax.game import state as games
from hycojax.run.compiled import compiled_cycle
from hycojax.settings.numbers import split

#: In the box of fixtures/heat.py, 100 m a side and periodic.
REGIONS = {
    "everywhere": Everywhere(),
    "range": Range((0.25, 0.0), (0.75, 0.6)),
    "centre": Centre(0.5),
    "scattered": Scattered(0.25, seed=1),
    "scattered anew": Scattered(0.25, seed=1, anew=True),
    "sensors": Sensors(((20.0, 30.0), (70.0, 55.0), (100.0, 8.0))),
    "moving sensors": MovingSensors((40.0, 40.0), (90.0, 90.0), (80.0, 60.0), 4, 2.0, 0.5),
}
#: Of 7 frames.
TIMES = {
    "all": AllFrames(),
    "endpoints": Endpoints(),
    "every third": EveryNth(3),
    "chosen": Chosen((2, 5)),
}
_NAMES = {
    **dict.fromkeys(zip(REGIONS, itertools.cycle(TIMES), strict=False)),
    **dict.fromkeys(itertools.product(["scattered anew"], TIMES)),
    ("everywhere", "endpoints"): None,
}
#: Every region and every choice of times. That no recording knows what is hidden is shown in
#: test_recordings.py, for all pairs of them.
PAIRS = [pytest.param(REGIONS[r], TIMES[t], id=f"{r}-{t}") for r, t in _NAMES]


def assert_equal(one, other):
    for a, b in zip(jax.tree.leaves(one), jax.tree.leaves(other), strict=True):
        np.testing.assert_array_equal(a, b)


def end(ready, data):
    """Return the state after a cycle of the warm-up and one in which the players meet for sure."""
    state = games.start(ready.game, data, jax.random.key(1))
    for number in range(2):
        numbers = split(games.stage(ready.game, number))[1]
        turns = games.turns(ready.game, number)
        turns = {name: replace(turn, equal=np.asarray(True)) for name, turn in turns.items()}
        state, _ = ready.program(numbers, data, state, turns)
    return state


def masked(ready, **fields):
    """Return how the experiment is recorded through another mask, and that mask."""
    data = replace(ready.experiment.data, **fields)
    return data, data.mask(ready.experiment.domain)[..., None]


def known(ready, data, stored):
    """Return what is known of simulations."""
    return simulated.known(data, ready.game.physics.domain, stored, ready.experiment.seed)


@pytest.mark.parametrize(("region", "times"), PAIRS[1:])  # where all is seen nothing is hidden
def test_no_hidden_value_leaks_into_training(ready, region, times):
    """NaN in all hidden values of the simulations, and in those of the recordings."""
    about, mask = masked(ready, region=region, times=times)
    assert about.noise > 0
    assert not mask.all()
    spoiled = {
        role: np.where(mask, paths, np.nan) if role != "test" else np.full_like(paths, np.nan)
        for role, paths in ready.stored.items()
    }
    clean, data = (known(ready, about, stored) for stored in (ready.stored, spoiled))
    assert_equal(clean, data)

    def filled(observed):
        (part,) = observed.parts
        values = jnp.where(part.seen, part.values, jnp.nan)
        return replace(observed, parts=(replace(part, values=values),))

    other = replace(data, training=filled(data.training), validation=filled(data.validation))
    expected = end(ready, clean)
    assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(expected.players))
    assert_equal(expected, end(ready, other))


@pytest.mark.parametrize("role", ["training", "validation"])
def test_any_seen_value_counts(ready, role):
    """At the last time, in a single cell; from a validation recording nothing is learned."""
    about, _ = masked(ready, region=Everywhere(), times=Endpoints())
    data = known(ready, about, ready.stored)
    own = getattr(data, role)
    (part,) = own.parts
    values = part.values.at[-1, -1, 3, 4].add(0.5)
    other = replace(data, **{role: replace(own, parts=(replace(part, values=values),))})
    states = [end(ready, recordings) for recordings in (data, other)]
    for name in games.NAMES:
        one, changed = (state.players[name] for state in states)
        assert one.error != changed.error
        pairs = zip(jax.tree.leaves(one.params), jax.tree.leaves(changed.params), strict=True)
        alike = all((a == b).all() for a, b in pairs)
        assert alike == (role == "validation")


@pytest.mark.parametrize(("region", "times"), PAIRS)
def test_no_hidden_value_leaks_into_what_is_held_out(ready, region, times):
    about, mask = masked(ready, region=region, times=times, validation=0, held_out=0.3)
    own = ready.stored["training"]
    spoiled = np.where(mask, own, np.nan)
    clean, data = (known(ready, about, {"training": paths}) for paths in (own, spoiled))
    assert_equal(clean, data)
    learned, held = (own.parts[0].seen for own in (data.training, data.validation))
    assert not (learned & held).any()
    assert held.any()


# Recordings: points, one channel of two, first states that are estimated.


def reaction():
    """Return an experiment on what a film with holes and some probes see of one of two channels."""
    rng, x = np.random.default_rng(0), np.arange(8) + 0.5
    values = 0.3 + 0.1 * np.sin(2 * np.pi * x / 8) + 0.01 * rng.normal(size=(5, 8))
    values[rng.random(values.shape) < 0.5] = np.nan
    film = hj.Film("v", "1", np.arange(5.0), (x,), values, sigma=0.01)
    times, places = rng.uniform(0, 4, 30), rng.uniform(0, 8, (30, 1))
    probes = hj.Points("v", "1", times, places, rng.uniform(0.2, 0.4, 30), sigma=0.02)
    tie = hj.Estimated({"u": hj.Tie("v", factor=-1.0, offset=1.0)})
    system = hj.System("one", (film, probes))
    return hj.Experiment(
        name="reaction",
        domain=hj.Domain((8,), (8.0,), hj.PERIODIC),
        interval=1.0,
        physical=hj.Physical(hj.physics.GrayScott(feed=hj.Unknown(0.03)), hj.LBFGS(iterations=2)),
        synthetic=hj.Synthetic(
            hj.networks.UNet(levels=1, features=2), hj.Adam(updates=2), horizon=2, batch=2
        ),
        data=hj.Recordings((system,), first=tie, validation=hj.Share(0.2)),
        schedule=hj.Schedule(warmup=1, cycles=2),
        interaction=hj.Interaction(alpha=1.0),
    )


def blank(observed):
    """Return what is known with NaN in all values that are not seen; of rows, of the padding."""
    parts = [
        replace(part, values=np.where(part.seen, part.values, np.nan)) for part in observed.parts
    ]
    return replace(observed, parts=tuple(parts))


def test_no_unseen_value_leaks_where_first_states_are_estimated():
    experiment, shown = fitting.settled(reaction())
    game, data = experiment.game(), shown.known
    assert data.training.first.kind == "estimated"
    assert len(data.training.parts) == 2
    start = games.start(game, data, jax.random.key(1))
    program = compiled_cycle(games.stage(game, 0), data, start, games.turns(game, 0))

    def play(data):
        state = games.start(game, data, jax.random.key(1))
        for number in range(2):
            numbers = split(games.stage(game, number))[1]
            state, _ = program(numbers, data, state, games.turns(game, number))
        return state.players

    unseen = replace(data, training=blank(data.training), validation=blank(data.validation))
    assert sum(np.isnan(p.values).sum() for p in unseen.training.parts) > 50
    expected = play(data)
    assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(expected))
    assert_equal(expected, play(unseen))
    moved = expected["physical"].params["initial_states"]
    assert (moved != data.training.first.start).any()
