"""The rules of the game, on the tiny heat experiment."""

from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from hycojax import hybrid, parameter
from hycojax.hybrid import Schedule, _partner_rollouts, complete
from hycojax.model import rollout


def test_both_players_learn(ready):
    state, first = ready.play(ready.data, ready.start())
    for _ in range(2):
        state, last = ready.play(ready.data, state)
    assert last["synthetic"]["data"] < first["synthetic"]["data"]
    # From 3; an untrained partner holds it off the truth.
    assert abs(last["physical"]["parameters"]["diffusivity"] - 1) < 0.25
    assert int(state.cycle) == 3


def test_players_meet_after_the_warm_up_only(ready):
    state, first = ready.play(ready.data, ready.start())
    _, second = ready.play(ready.data, state)
    for name in ("synthetic", "physical"):
        assert first[name]["interaction"] == 0
        assert second[name]["interaction"] > 0


def test_a_cycle_repeats_exactly_and_no_two_cycles_are_alike(ready):
    one, _ = ready.play(ready.data, ready.start())
    same, _ = ready.play(ready.data, ready.start())
    for a, b in zip(jax.tree.leaves(one), jax.tree.leaves(same), strict=True):
        np.testing.assert_array_equal(a, b)
    later = replace(ready.start(), cycle=jnp.asarray(1, jnp.int32))
    other, _ = ready.play(ready.data, later)
    weights = [s.players["synthetic"].params["weights"] for s in (one, other)]
    pairs = zip(*(jax.tree.leaves(w) for w in weights), strict=True)
    assert all((a != b).any() for a, b in pairs)


def test_the_hidden_part_of_a_start_is_the_physical_players_estimate(ready):
    state, recording = ready.start(), ready.data.training
    source = complete(ready.game, ready.data, state.players)
    model = ready.game.physics
    own = jax.vmap(lambda s: rollout(model, {"diffusivity": 3.0}, s, 6))(recording.values[:, 0])
    np.testing.assert_allclose(
        source.starts, jnp.where(recording.seen, recording.values, own), atol=1e-6
    )
    np.testing.assert_array_equal(source.targets, recording.values)
    np.testing.assert_array_equal(source.seen, recording.seen)


def test_alone_the_synthetic_player_completes_its_own_starts(ready):
    experiment = ready.experiment
    game = hybrid.game(
        experiment.physical, experiment.synthetic, experiment.schedule, ("synthetic",)
    )
    state = hybrid.start(game, ready.data, jax.random.key(1))
    source = complete(game, ready.data, state.players)
    # Untrained, it predicts no change: what it does not see stays as in the first frame.
    first = ready.data.training.values[:, :1]
    expected = jnp.where(ready.data.training.seen, ready.data.training.values, first)
    np.testing.assert_allclose(source.starts, expected, atol=1e-6)
    fresh = ready.data.training.values[:, 0]
    assert _partner_rollouts(game, "synthetic", state.players, fresh, source) is None


def test_the_other_players_rollouts_are_the_targets_everywhere(ready):
    state = ready.start()
    source = complete(ready.game, ready.data, state.players)
    fresh = ready.data.validation.values[:, 0]
    generated = _partner_rollouts(ready.game, "synthetic", state.players, fresh, source)
    expected = rollout(ready.game.physics, {"diffusivity": 3.0}, fresh[0], 6)
    np.testing.assert_allclose(generated.targets[0], expected, atol=1e-6)
    assert generated.seen.all()


def test_the_best_parameters_are_those_of_the_lowest_validation_error(ready):
    state, errors, kept = ready.start(), [], []
    for _ in range(3):
        state, metrics = ready.play(ready.data, state)
        errors.append(float(metrics["physical"]["validation"]))
        kept.append(float(state.players["physical"].params["diffusivity"]))
        state = jax.tree.map(jnp.copy, state)
    best = state.players["physical"]
    assert float(best.best_error) == min(errors)
    assert float(best.best["diffusivity"]) == kept[int(np.argmin(errors))]


def test_validation_takes_place_every_n_cycles_and_in_the_last(ready):
    game = replace(ready.game, schedule=Schedule(warmup=0, cycles=6, validation=3))
    play = jax.jit(lambda s: hybrid.cycle(game, ready.data, s))
    state, errors = ready.start(), []
    for _ in range(6):
        state, metrics = play(state)
        errors.append(float(metrics["synthetic"]["validation"]))
    assert errors[0] == errors[1] == errors[2] != errors[3]
    assert errors[3] == errors[4] != errors[5]
    params = state.players["synthetic"].params
    last = hybrid.validation_error(game.players["synthetic"].model, params, ready.data)
    np.testing.assert_allclose(errors[5], last, rtol=1e-5)


def test_only_an_improvement_that_is_large_enough_counts(ready):
    """With a demand that nothing meets the first validation stays the best."""
    game = replace(ready.game, schedule=Schedule(warmup=0, cycles=4, improvement=0.99))
    play = jax.jit(lambda s: hybrid.cycle(game, ready.data, s))
    state, metrics = play(ready.start())
    first = float(metrics["synthetic"]["validation"])
    for _ in range(2):
        state, metrics = play(state)
    own = state.players["synthetic"]
    assert float(metrics["synthetic"]["validation"]) < first == float(own.best_error)
    assert int(own.best_cycle) == 1


@pytest.mark.parametrize(
    ("played", "best", "patience", "over"),
    [
        (9, (9, 9), None, False),
        (10, (1, 1), None, True),
        (9, (4, 3), 5, True),
        (9, (5, 3), 5, False),
    ],
)
def test_the_game_is_over_after_all_cycles_or_when_no_player_improves(
    ready, played, best, patience, over
):
    state = replace(ready.start(), cycle=jnp.asarray(played))
    players = {
        name: replace(own, best_cycle=jnp.asarray(b))
        for (name, own), b in zip(state.players.items(), best, strict=True)
    }
    schedule = Schedule(warmup=0, cycles=10, patience=patience)
    assert hybrid.is_over(schedule, replace(state, players=players)) is over


def test_recordings_that_see_everything_need_no_completion(ready):
    full = replace(ready.data.training, seen=jnp.ones_like(ready.data.training.seen))
    data = hybrid.recordings(full, ready.data.validation)
    assert data.whole
    assert not ready.data.whole
    source = complete(ready.game, data, ready.start().players)
    np.testing.assert_array_equal(source.starts, full.values)


def test_validation_counts_what_is_seen_and_no_start(ready):
    model, params = ready.game.physics, {"diffusivity": jnp.float32(2.0)}
    found = hybrid.validation_error(model, params, ready.data)
    values, seen = ready.data.validation.values, np.asarray(ready.data.validation.seen)
    path = rollout(model, params, values[0, 0], 6)
    off = (np.asarray(path - values[0]) / float(ready.data.scale[0]))[1:][seen[0, 1:]]
    np.testing.assert_allclose(found, np.sqrt(np.mean(off**2)), rtol=1e-5)


def test_exact_players_stay_where_they_are(ready):
    """With the truth as start and noise-free data of the same solver a cycle is a fixed point."""
    experiment = ready.experiment
    model = replace(experiment.physical.model, diffusivity=parameter.Parameter(true=1.0, start=1.0))
    game = hybrid.game(
        replace(experiment.physical, model=model),
        experiment.synthetic,
        experiment.schedule,
        ("physical",),
    )
    starts = jax.vmap(model.sample)(jax.random.split(jax.random.key(5), 2))
    paths = jax.vmap(lambda s: rollout(model, {"diffusivity": 1.0}, s, 6))(starts)
    recording = hybrid.Recording(paths, jnp.ones(paths.shape, bool))
    data = hybrid.recordings(recording, recording)
    _, metrics = jax.jit(lambda s: hybrid.cycle(game, data, s))(
        hybrid.start(game, data, jax.random.key(0))
    )
    np.testing.assert_allclose(metrics["physical"]["parameters"]["diffusivity"], 1.0, atol=1e-4)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"cycles": 0}, "at least 1"),
        ({"warmup": 9, "cycles": 3}, "warmup = 9"),
        ({"fresh": 0}, "at least 1"),
        ({"validation": 0}, "validation = 0"),
        ({"improvement": 1.0}, "improvement = 1.0"),
        ({"validation": 3, "patience": 2}, "patience = 2"),
    ],
)
def test_an_impossible_schedule_is_refused(fields, message):
    with pytest.raises(ValueError, match=message):
        Schedule(**fields)
