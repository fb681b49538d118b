"""The rules of the game, on the tiny heat experiment."""

from dataclasses import dataclass, replace
from itertools import pairwise

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from hycojax.data.observation import Recording
from hycojax.data.statistics import Statistics
from hycojax.experiment import Mode
from hycojax.game import cycle as hybrid
from hycojax.game import state as games
from hycojax.game.completion import complete
from hycojax.game.cycle import interact
from hycojax.game.learning import train
from hycojax.game.objective import first_frames
from hycojax.game.player import Balance, Player, Turn, Weights
from hycojax.game.state import Game, Interaction, PlayerState, Schedule
from hycojax.game.validation import predictions
from hycojax.models import parameters as parameter
from hycojax.models.model import PhysicalModel, Stepper, SyntheticModel, rollout, rollouts
from hycojax.models.parameters import Parameter
from hycojax.models.unconstrained import Unconstrained
from hycojax.physics.heat import Heat
from hycojax.prepare import first_state, recordings
from hycojax.run import checkpoint
from hycojax.solvers import INITIAL_STATES, Adam, Reason
from hycojax.train import compile_cycle

#: Turns of a player: from the recordings alone, and with a partner.
ALONE = Turn(*map(jnp.asarray, (True, 1.0, 0.0, False)))
MEETING = Turn(*map(jnp.asarray, (True, 1.0, 1.0, True)))


def assert_equal(one, other):
    for a, b in zip(jax.tree.leaves(one), jax.tree.leaves(other), strict=True):
        np.testing.assert_array_equal(a, b)


def play(program, game, data, state, cycles):
    """Return the state at first and after each cycle, and what each cycle reports."""
    states, reports = [state], []
    for cycle in range(cycles):
        given = jax.tree.map(jnp.copy, states[-1])  # the program takes its buffers
        state, found = program(data, given, games.turns(game, cycle))
        states.append(state)
        reports.append(jax.device_get(found))
    return states, reports


def compiled(game, data, state):
    return compile_cycle(games.stage(game, 0), data, state, games.turns(game, 0))[0]


def test_both_players_learn(ready):
    state, first = ready.play(ready.start())
    for _ in range(2):
        state, last = ready.play(state)
    assert last["synthetic"]["data"] < first["synthetic"]["data"]
    # From 3; an untrained partner holds it off the truth.
    assert abs(last["physical"]["parameters"]["diffusivity"] - 1) < 0.25
    assert int(state.cycle) == 3


def test_players_meet_after_the_warm_up_only(ready):
    state, first = ready.play(ready.start())
    _, second = ready.play(state)
    for name in ("synthetic", "physical"):
        assert first[name]["interaction"] == 0
        assert second[name]["interaction"] > 0


def test_a_cycle_repeats_exactly_and_no_two_cycles_are_alike(ready):
    one, _ = ready.play(ready.start())
    same, _ = ready.play(ready.start())
    assert_equal(one, same)
    # Another cycle, with the turns of this one: only the randomness differs.
    later = replace(ready.start(), cycle=jnp.asarray(1, jnp.int32))
    other, _ = ready.program(ready.data, later, games.turns(ready.game, 0))
    weights = [s.players["synthetic"].params["weights"] for s in (one, other)]
    pairs = zip(*(jax.tree.leaves(w) for w in weights), strict=True)
    assert all((a != b).any() for a, b in pairs)


@pytest.mark.parametrize("name", games.NAMES)
def test_the_hidden_part_of_a_start_is_estimated_by_who_is_better_once_they_meet(ready, name):
    """Alone, and before any validation, it is the player's own estimate."""
    players, recording = ready.start().players, ready.data.training
    first = recording.values[:, 0]
    estimates = {
        "physical": rollouts(ready.game.physics, {"diffusivity": 3.0}, first, 6),
        # Untrained, it predicts no change.
        "synthetic": jnp.broadcast_to(first[:, None], recording.values.shape),
    }
    look = jax.jit(lambda players, turn: complete(ready.game, ready.data, players, name, turn))
    cases = [
        (MEETING, (0.2, 0.1), "physical"),
        (MEETING, (0.1, 0.2), "synthetic"),
        (MEETING, (jnp.inf, jnp.inf), name),
        (ALONE, (0.2, 0.1), name),
        (ALONE, (0.1, 0.2), name),
    ]
    for turn, errors, whose in cases:
        errors = dict(zip(games.NAMES, map(jnp.float32, errors), strict=True))
        validated = {n: replace(own, error=errors[n]) for n, own in players.items()}
        source = look(validated, turn)
        expected = jnp.where(recording.seen, recording.values, estimates[whose])
        np.testing.assert_allclose(source.starts, expected, atol=1e-5)
        np.testing.assert_array_equal(source.targets, recording.values)
        np.testing.assert_array_equal(source.seen, recording.seen)


def test_alone_the_synthetic_player_completes_its_own_starts(ready):
    experiment = ready.experiment
    game = games.game(
        experiment.physical,
        experiment.synthetic,
        experiment.schedule,
        experiment.interaction,
        ("synthetic",),
    )
    state = games.start(game, ready.data, jax.random.key(1))
    source = complete(game, ready.data, state.players, "synthetic", ALONE)
    # Untrained, it predicts no change: what it does not see stays as in the first frame.
    first = ready.data.training.values[:, :1]
    expected = jnp.where(ready.data.training.seen, ready.data.training.values, first)
    np.testing.assert_allclose(source.starts, expected, atol=1e-6)
    key = jax.random.key(0)
    found = interact(game, ready.data, state.players, "synthetic", ALONE, key)
    assert found == (None, None)
    for cycle in range(3):  # it meets nobody, warm-up or not
        turn = games.turns(game, cycle)["synthetic"]
        assert turn.interaction == 0
        assert not turn.renew


def test_the_other_players_rollouts_are_the_targets_everywhere(ready):
    state, key = ready.start(), jax.random.key(8)
    generated, kept = interact(ready.game, ready.data, state.players, "synthetic", MEETING, key)
    assert kept is None
    # Fresh initial states: those of the physical model's distribution, none of the recordings'.
    keys = jax.random.split(jax.random.fold_in(key, 0), 2)
    fresh = jax.vmap(ready.game.physics.sample)(keys)
    expected = rollouts(ready.game.physics, {"diffusivity": 3.0}, fresh, 6)
    np.testing.assert_allclose(generated.targets, expected, atol=1e-5)
    np.testing.assert_array_equal(generated.starts, generated.targets)
    assert generated.seen.all()
    theirs, _ = interact(ready.game, ready.data, state.players, "physical", MEETING, key)
    still = jnp.broadcast_to(fresh[:, None], expected.shape)  # untrained, it predicts no change
    np.testing.assert_allclose(theirs.targets, still, atol=1e-5)


def test_without_interaction_each_player_trains_as_if_it_were_alone(ready):
    """Bit for bit: what the other one does, and the term without weight, change no rounding."""
    experiment = ready.experiment
    without = {
        name: replace(player, weights=replace(player.weights, interaction=0.0))
        for name, player in ready.game.players.items()
    }
    game, data, first = first_state(experiment, ready.stored)
    states, _ = play(ready.program, replace(game, players=without), data, first, 3)
    for mode in (Mode.SYNTHETIC, Mode.PHYSICAL):
        alone, data, first = first_state(replace(experiment, mode=mode), ready.stored)
        expected, _ = play(compiled(alone, data, first), alone, data, first, 3)
        for found, other in zip(states, expected, strict=True):
            assert_equal(found.players[mode.value], other.players[mode.value])


def test_the_best_parameters_are_those_of_the_lowest_validation_error(ready):
    state, errors, kept = ready.start(), [], []
    for _ in range(3):
        state, metrics = ready.play(state)
        errors.append(float(metrics["physical"]["validation"]))
        kept.append(float(state.players["physical"].params["diffusivity"]))
        state = jax.tree.map(jnp.copy, state)
    best = state.players["physical"]
    assert float(best.best_error) == min(errors)
    assert float(best.best["diffusivity"]) == kept[int(np.argmin(errors))]


@pytest.fixture(scope="module")
def seldom(ready):
    """A game with few validations, which demands much of them, and with lessons that serve twice.

    One program: its game, its program, and the states and reports of its cycles.
    """
    schedule = Schedule(warmup=1, cycles=6, validation=3, improvement=0.99)
    game = replace(ready.game, schedule=schedule, interaction=Interaction(alpha=1.0, reuse=2))
    first = games.start(game, ready.data, jax.random.key(1))
    program = compiled(game, ready.data, first)
    return game, program, *play(program, game, ready.data, first, 6)


def test_validation_takes_place_every_n_cycles_and_in_the_last(ready, seldom):
    game, _, states, reports = seldom
    errors = [float(found["synthetic"]["validation"]) for found in reports]
    assert errors[0] == errors[1] == errors[2] != errors[3]
    assert errors[3] == errors[4] != errors[5]
    params = states[-1].players["synthetic"].params
    last = predictions(game.players["synthetic"].model, params, ready.data)[0]
    np.testing.assert_allclose(errors[5], last, rtol=1e-5)


def test_only_an_improvement_that_is_large_enough_counts(seldom):
    """With a demand that nothing meets the first validation stays the best."""
    _, _, states, reports = seldom
    errors = [float(found["synthetic"]["validation"]) for found in reports]
    own = states[-1].players["synthetic"]
    assert errors[-1] < errors[0] == float(own.best_error)
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
    assert games.is_over(schedule, replace(state, players=players)) is over


@pytest.mark.parametrize("name", games.NAMES)
def test_recordings_that_see_everything_need_no_completion(ready, name):
    full = replace(ready.data.training, seen=jnp.ones_like(ready.data.training.seen))
    data = games.recordings(full, ready.data.validation)
    assert data.whole
    assert not ready.data.whole
    source = complete(ready.game, data, ready.start().players, name, MEETING)
    np.testing.assert_array_equal(source.starts, full.values)


def test_validation_counts_what_is_seen_and_no_start(ready):
    model, params = ready.game.physics, {"diffusivity": jnp.float32(2.0)}
    found = predictions(model, params, ready.data)[0]
    values, seen = ready.data.validation.values, np.asarray(ready.data.validation.seen)
    path = rollout(model, params, values[0, 0], 6)
    off = (np.asarray(path - values[0]) / float(ready.data.scale[0]))[1:][seen[0, 1:]]
    np.testing.assert_allclose(found, np.sqrt(np.mean(off**2)), rtol=1e-5)


def test_recordings_of_both_kinds_are_predicted_to_their_own_ends(ready):
    """Side by side, however long each is; the training ones only where something is hidden."""
    model, params = ready.game.physics, {"diffusivity": jnp.float32(2.0)}
    training, validation = ready.data.training, ready.data.validation
    short = jax.tree.map(lambda frames: frames[:, :4], training)
    expected, recorded = predictions(model, params, ready.data)
    for data in (games.recordings(short, validation), ready.data):
        frames = data.training.values.shape[1]
        data = replace(data, scale=ready.data.scale)
        found, path = predictions(model, params, data)
        np.testing.assert_allclose(found, expected, rtol=1e-6)
        np.testing.assert_allclose(path, recorded[:, :frames], rtol=1e-5)
    all_seen = replace(training, seen=jnp.ones_like(training.seen))
    data = replace(games.recordings(all_seen, validation), scale=ready.data.scale)
    found, path = predictions(model, params, data)
    np.testing.assert_allclose(found, expected, rtol=1e-6)
    assert path is None
    assert all(
        own.recorded is None
        for own in jax.eval_shape(
            lambda key: games.start(ready.game, data, key), jax.random.key(0)
        ).players.values()
    )


def test_held_out_values_are_compared_with_what_follows_the_estimated_first_frames(ready):
    """They are of the training simulations, whose noisy first frames a player may correct."""
    domain, training = ready.game.physics.domain, ready.data.training
    player = replace(ready.game.players["physical"], horizon=6, initial_states=True)
    correction = jax.random.normal(jax.random.key(1), training.values[:, 0].shape) / 100
    params = player.model.init(jax.random.key(0)) | {INITIAL_STATES: correction}
    data = games.recordings(training, training, held_out=True)
    first = first_frames(params, training.values[:, 0], training.seen[:, 0], data.scale)
    assert (first != training.values[:, 0]).all()
    value = parameter.constrain(ready.game.physics, params)
    path = rollouts(ready.game.physics, value, first, 6)
    off = (np.asarray(path - training.values) / float(data.scale[0]))[:, 1:]
    expected = np.sqrt(np.mean(off[np.asarray(training.seen & domain.evolves())[:, 1:]] ** 2))
    np.testing.assert_allclose(predictions(player.model, params, data)[0], expected, rtol=1e-5)


@dataclass(frozen=True)
class Twin(Stepper, SyntheticModel):
    """A synthetic model that can be exact: the PDE itself, its coefficient the only weight."""

    domain: object
    pde: Heat

    def init(self, key):
        return {"weights": parameter.truths(self.pde), "statistics": Statistics(*jnp.ones((3, 1)))}

    def normalise(self, params, statistics):
        return {**params, "statistics": statistics}

    def forward(self, params, state):
        return self.pde.forward(params["weights"], state)


@pytest.mark.parametrize("playing", [("physical",), games.NAMES])
def test_exact_players_stay_where_they_are(ready, playing):
    """With the truth as start and noise-free data of the same solver a cycle is a fixed point."""
    experiment = ready.experiment
    model = replace(experiment.physical.model, diffusivity=Parameter(true=1.0, start=1.0))
    game = games.game(
        replace(experiment.physical, model=model, weights=Weights()),
        replace(experiment.synthetic, model=Twin(model.domain, model)),
        Schedule(warmup=0, cycles=2),
        Interaction(alpha=1.0, recorded=True),
        playing,
    )
    starts = jax.vmap(model.sample)(jax.random.split(jax.random.key(5), 2))
    paths = jax.vmap(lambda s: rollout(model, {"diffusivity": 1.0}, s, 6))(starts)
    recording = Recording(paths, jnp.ones(paths.shape, bool))
    data = games.recordings(recording, recording)
    first = games.start(game, data, jax.random.key(0))
    program = compiled(game, data, first)
    states, reports = play(program, game, data, first, 2)
    for found in reports:
        np.testing.assert_allclose(found["physical"]["parameters"]["diffusivity"], 1.0, atol=1e-5)
        for name in playing:
            assert found[name]["data"] < 1e-9
            assert found[name]["interaction"] < 1e-9
            assert found[name]["validation"] < 1e-5
    if "synthetic" not in playing:
        return
    own = states[-1].players["synthetic"]
    np.testing.assert_allclose(own.params["weights"]["diffusivity"], 1.0, atol=1e-5)
    # Off the truth neither stays: the one is drawn back to it, the other away from it.
    off = {**own.params, "weights": {"diffusivity": jnp.float32(1.1)}}
    first = games.start(game, data, jax.random.key(0))
    own = replace(first.players["synthetic"], params=off)
    first = replace(first, players={**first.players, "synthetic": own})
    (_, last), (found,) = play(program, game, data, first, 1)
    assert 1.0 < last.players["synthetic"].params["weights"]["diffusivity"] < 1.095
    assert 1.001 < found["physical"]["parameters"]["diffusivity"] < 1.1


@pytest.mark.parametrize(
    ("begin", "end", "active"),
    [(0, 0, [0, 0, 0]), (0, 1, [1, 0, 0]), (1, 2, [0, 1, 0]), (2, None, [0, 0, 1])],
)
def test_a_player_trains_from_begin_to_end_and_the_other_goes_on(
    ready, changed, begin, end, active
):
    """By the program of the whole game; out of its turns a player stays as it is."""
    game = changed(ready.game, "physical", begin=begin, end=end)
    assert games.stage(game, 0) == games.stage(ready.game, 0)
    states, reports = play(ready.program, game, ready.data, ready.start(), 3)
    for cycle, (before, after) in enumerate(pairwise(states)):
        old, new = before.players["physical"], after.players["physical"]
        found = reports[cycle]["physical"]
        assert (found["reason"] == Reason.FROZEN) == (not active[cycle])
        if active[cycle]:
            assert new.params["diffusivity"] != old.params["diffusivity"]
        else:
            assert_equal((new.params, new.solver), (old.params, old.solver))
            assert found["data"] == found["interaction"] == found["loss"] == 0
        old, new = before.players["synthetic"].params, after.players["synthetic"].params
        found = reports[cycle]["synthetic"]
        pairs = zip(jax.tree.leaves(old["weights"]), jax.tree.leaves(new["weights"]), strict=True)
        assert all((a != b).any() for a, b in pairs)
        assert found["reason"] == Reason.ITERATION_LIMIT
        assert (found["interaction"] > 0) == (cycle >= 1)  # of a partner that rests, too


@pytest.mark.parametrize(
    ("learning_rate", "revert", "reverted"),
    [(0.01, 0.0, False), (5.0, 0.0, True), (5.0, 1e9, False)],
)
def test_a_turn_that_harms_is_undone(ready, changed, learning_rate, revert, reverted):
    """Parameters and optimiser's memory, bit for bit; what the recordings gain from is kept."""
    game, data, _ = first_state(replace(ready.experiment, mode=Mode.PHYSICAL), ready.stored)
    model = replace(ready.experiment.physical.model, diffusivity=Parameter(1.0, start=1.5))
    game = changed(
        replace(game, physics=model),
        "physical",
        model=Unconstrained(model),
        solver=Adam(learning_rate, updates=2),
        revert=revert,
    )
    first = games.start(game, data, jax.random.key(0))
    (_, last), (found,) = play(compiled(game, data, first), game, data, first, 1)
    old, new = first.players["physical"], last.players["physical"]
    assert bool(found["physical"]["reverted"]) is reverted
    assert found["physical"]["reason"] == Reason.ITERATION_LIMIT
    before, after = (parameter.constrain(model, own.params)["diffusivity"] for own in (old, new))
    if reverted:
        assert_equal((new.params, new.solver), (old.params, old.solver))
    else:
        assert int(new.solver.updates) == 2
        assert (abs(after - 1) < abs(before - 1)) == (revert == 0)


def test_a_turn_is_kept_if_the_loss_was_not_finite_before():
    """Else a start that diverges would be all that there ever is."""

    class Found:
        def run(self, loss, params, state, key, cycles):
            return jnp.float32(2.0), None, {"reason": jnp.int32(0)}

    player = Player(None, Found(), Weights(), revert=0.1)
    for start, kept in ((jnp.nan, True), (1.0, False)):
        own = PlayerState(jnp.float32(start), *[None] * 7)
        params, _, terms = train(
            player, own, None, lambda params: params, MEETING, jax.random.key(0)
        )
        assert (params == 2) == kept
        assert bool(terms["reverted"]) == (not kept)


def test_a_solver_plans_for_the_turns_that_its_player_has(ready, changed):
    """The learning rate falls to zero in them, not in all cycles of the run."""
    game = replace(ready.game, schedule=Schedule(warmup=0, cycles=12))
    for begin, end, cycles in ((0, None, 12), (9, None, 3), (2, 5, 3), (0, 20, 12), (4, 4, 1)):
        turn = games.turns(changed(game, "physical", begin=begin, end=end), 0)["physical"]
        assert turn.cycles == cycles
    solver, path = Adam(learning_rate=0.1, updates=1), [jnp.float32(0.0)]
    state, turns = solver.init(path[0], 12), jnp.asarray(3)
    for _ in range(3):
        end, state, _ = solver.run(
            lambda p, key, number: (p, {}), path[-1], state, jax.random.key(0), turns
        )
        path.append(end)
    steps = -np.diff(path)
    np.testing.assert_allclose(steps, [0.1, 0.075, 0.025], rtol=1e-4)  # (1 + cos(pi t / 3)) / 2


def test_the_weight_of_the_data_may_change_too(ready, changed):
    weights = Weights(data=1.0, data_later=0.0, interaction=0.1)
    schedule = Schedule(warmup=2, cycles=5)
    game = changed(replace(ready.game, schedule=schedule), "synthetic", weights=weights)
    turns = [games.turns(game, cycle)["synthetic"] for cycle in range(5)]
    np.testing.assert_allclose([turn.data for turn in turns], [1, 1, 1, 0.5, 0], rtol=1e-6)
    np.testing.assert_allclose([turn.interaction for turn in turns[2:]], 0.1, rtol=1e-6)


def test_the_weight_of_the_interaction_changes_linearly_after_the_warm_up(ready, changed):
    weights = Weights(data=2.0, interaction=0.1, later=0.7)
    schedule = Schedule(warmup=2, cycles=6)
    game = changed(replace(ready.game, schedule=schedule), "synthetic", weights=weights)
    turns = [games.turns(game, cycle)["synthetic"] for cycle in range(6)]
    expected = [0, 0, 0.1, 0.3, 0.5, 0.7]
    np.testing.assert_allclose([turn.interaction for turn in turns], expected, rtol=1e-6)
    assert {float(turn.data) for turn in turns} == {2.0}
    others = [games.turns(game, cycle)["physical"].interaction for cycle in range(6)]
    np.testing.assert_allclose(others, [0, 0, *[0.1] * 4], rtol=1e-6)
    last = replace(schedule, warmup=5)  # a single cycle is the first one of its kind
    turn = games.turns(replace(game, schedule=last), 5)["synthetic"]
    np.testing.assert_allclose(turn.interaction, 0.1, rtol=1e-6)


def test_nobody_predicts_for_a_partner_that_does_not_listen(ready, changed):
    """A ramp from zero needs its trajectories from the first meeting on."""
    for weights, asked in [((0.0, None), False), ((0.0, 0.5), True), ((0.5, 0.0), True)]:
        own = Weights(data=1.0, interaction=weights[0], later=weights[1])
        game = changed(ready.game, "synthetic", weights=own)
        turn = games.turns(game, game.schedule.warmup)["synthetic"]
        assert bool(turn.renew) is asked


@pytest.mark.parametrize(("alpha", "count"), [(0.1, 1), (1.0, 2), (1.3, 3), (2.5, 5)])
def test_there_are_alpha_trajectories_for_each_recorded_one(ready, alpha, count):
    """Two are recorded; there is one at least."""
    assert ready.data.training.values.shape[0] == 2
    assert games.fresh(replace(ready.game, interaction=Interaction(alpha)), ready.data) == count


@pytest.mark.parametrize("alpha", [0.0, 1.0])
def test_players_may_meet_along_the_recordings_too(ready, alpha):
    """From the first frames as the physical player estimates them, in front of the fresh ones."""
    game = replace(ready.game, interaction=Interaction(alpha, recorded=True))
    players, first = ready.start().players, np.asarray(ready.data.training.values[:, 0])
    correction = np.random.default_rng(0).normal(size=first.shape).astype(np.float32) / 100
    estimated = {**players["physical"].params, INITIAL_STATES: jnp.asarray(correction)}
    players = {**players, "physical": replace(players["physical"], params=estimated)}
    key = jax.random.key(8)
    generated, _ = interact(game, ready.data, players, "synthetic", MEETING, key)
    places = first + 0.1 * float(ready.data.scale[0]) * np.sqrt(first.size) * correction
    if alpha:
        keys = jax.random.split(jax.random.fold_in(key, 0), 2)
        places = np.concatenate([places, jax.vmap(game.physics.sample)(keys)])
    expected = rollouts(game.physics, {"diffusivity": 3.0}, jnp.asarray(places), 6)
    assert generated.targets.shape == expected.shape
    np.testing.assert_allclose(generated.targets, expected, atol=1e-5)
    assert generated.seen.all()


@dataclass(frozen=True)
class Still(PhysicalModel):
    """A model without any change, of any channels."""

    domain: object
    dt: float = 1.0

    def sample(self, key):
        return jax.random.normal(key, (*self.domain.shape, len(self.domain.channels)))

    def forward(self, params, state):
        return state


def test_ghost_points_are_a_share_of_all_places_chosen_anew_in_each_cycle(smoke_box, changed):
    model = Still(smoke_box)
    player = Player(model, Adam(), Weights(), horizon=2)
    game = Game(
        model,
        {"synthetic": player, "physical": player},
        Schedule(warmup=0, cycles=2),
        Interaction(alpha=2.0, points=0.3),
    )
    path = jnp.zeros((2, 7, 16, 16, 4))
    recording = Recording(path, jnp.ones(path.shape, bool))
    data = games.recordings(recording, recording)
    own = PlayerState({}, None, None, {}, None, None, None, lessons=None)
    players = {"synthetic": own, "physical": own}

    def choice(name, key):
        return np.asarray(interact(game, data, players, name, MEETING, key)[0].seen)

    one, other = choice("physical", jax.random.key(1)), choice("physical", jax.random.key(2))
    assert one.shape == (4, 7, 16, 16, 4)
    evolves = smoke_box.evolves()
    assert not one[..., ~evolves].any()
    inside = evolves[..., :3].all(-1)  # where all dynamic channels evolve
    for seen in (one, other):
        places = seen[:, :, inside, :3]
        assert (places == places[..., :1]).all()  # all channels alike
        assert abs(places.mean() - 0.3) < 0.02
    assert 0.3 < (one != other)[..., inside, 0].mean() < 0.54  # 2 0.3 0.7 = 0.42 of all
    np.testing.assert_array_equal(one, choice("synthetic", jax.random.key(1)))  # for both the same

    # On cells four times as wide these are chosen: of one that is seen in part nothing would count.
    game = changed(game, "physical", coarsening=4)
    density = choice("physical", jax.random.key(1))[..., 0].reshape(4, 7, 4, 4, 4, 4)
    assert (density == density[:, :, :, :1, :, :1]).all()
    assert abs(density.mean() - 0.3) < 0.08


def test_trajectories_may_serve_for_several_cycles(ready, changed, seldom, tmp_path):
    """New ones right after the warm-up and every second cycle; a resumed run has the same."""
    game, program, states, reports = seldom
    for name in games.NAMES:
        renewed = [bool(games.turns(game, cycle)[name].renew) for cycle in range(5)]
        assert renewed == [False, True, False, True, False]
    late = changed(game, "physical", begin=2)  # its own first turn comes later
    renewed = [bool(games.turns(late, cycle)["physical"].renew) for cycle in range(5)]
    assert renewed == [False, False, True, False, True]

    for name in games.NAMES:
        lessons = [np.asarray(state.players[name].lessons) for state in states]
        assert not lessons[0].any()
        assert not lessons[1].any()  # the warm-up
        np.testing.assert_array_equal(lessons[2], lessons[3])
        assert (lessons[2] != lessons[4]).any((1, 2, 3, 4)).all()
        assert all(report[name]["interaction"] > 0 for report in reports[1:])
    # The physical player's are the network's after its turn, in the cycle in which they were made.
    network, own = game.players["synthetic"].model, states[2].players
    lessons = own["physical"].lessons
    expected = rollouts(network, own["synthetic"].params, lessons[:, 0], 6)
    np.testing.assert_allclose(lessons, expected, atol=1e-5)

    checkpoint.save(tmp_path, 2, states[2])
    state, _ = checkpoint.restore(tmp_path, states[0])
    for cycle, expected in ((2, states[3]), (3, states[4])):
        state, _ = program(ready.data, state, games.turns(game, cycle))
        assert_equal(state, expected)
        state = jax.tree.map(jnp.copy, state)


@pytest.mark.parametrize("reuse", [1, 2])
def test_a_player_may_learn_from_the_first_steps_of_its_partner_alone(ready, changed, reuse):
    """The same as the beginning of longer trajectories; the other player has these in full."""
    game = replace(ready.game, interaction=Interaction(alpha=1.0, reuse=reuse))
    short = changed(game, "physical", lesson_steps=3)
    players, key = games.start(short, ready.data, jax.random.key(1)).players, jax.random.key(2)
    kept = players["physical"].lessons
    assert kept is None if reuse == 1 else kept.shape[1] == 4
    found, lessons = interact(short, ready.data, players, "physical", MEETING, key)
    assert lessons is kept is None or lessons.shape == kept.shape
    players = games.start(game, ready.data, jax.random.key(1)).players
    whole = interact(game, ready.data, players, "physical", MEETING, key)[0]
    assert whole.targets.shape[1] == 7
    np.testing.assert_allclose(found.targets, whole.targets[:, :4], rtol=1e-5, atol=1e-6)
    other = interact(short, ready.data, players, "synthetic", MEETING, key)[0]
    assert other.targets.shape == whole.targets.shape


@pytest.mark.parametrize("physical_first", [False, True])
def test_the_second_player_of_a_cycle_sees_what_the_first_has_learned(
    ready, monkeypatch, physical_first
):
    experiment = ready.experiment
    game = games.game(
        experiment.physical,
        experiment.synthetic,
        replace(experiment.schedule, physical_first=physical_first),
        experiment.interaction,
        games.NAMES,
    )
    turns, keys = [], {}

    def learn(game, data, players, name, turn, draws, key):
        turns.append((name, sorted(n for n, own in players.items() if own.params == "learned")))
        keys[name] = jax.random.key_data(key)
        return replace(players[name], params="learned"), {}

    monkeypatch.setattr(hybrid, "play", learn)
    monkeypatch.setattr(hybrid, "validated", lambda game, name, own, data, cycle: own)
    state = ready.start()
    hybrid.cycle(game, ready.data, state, games.turns(game, 0))
    one, other = ("physical", "synthetic") if physical_first else ("synthetic", "physical")
    assert turns == [(one, []), (other, [one])]
    # Randomness is a player's own, whoever is first.
    key = jax.random.fold_in(jax.random.wrap_key_data(state.key), 0)
    for i, name in enumerate(games.NAMES):
        expected = jax.random.key_data(jax.random.fold_in(key, 1 + i))
        np.testing.assert_array_equal(keys[name], expected)


def test_schemes_that_differ_in_numbers_are_one_program(ready, changed):
    one_way = changed(ready.game, "physical", weights=Weights(data=0.0), begin=1, end=2)
    patient = replace(ready.game.schedule, patience=2, warmup=0)
    for other in (one_way, replace(ready.game, schedule=patient)):
        assert games.stage(other, 0) == games.stage(ready.game, 1)
    counts = Weights(balance=Balance.COUNTS)
    for other in (
        changed(ready.game, "physical", weights=counts),
        changed(ready.game, "physical", horizon=2),
        replace(ready.game, schedule=replace(ready.game.schedule, cycles=4)),
        replace(ready.game, interaction=Interaction(alpha=2.0)),
    ):
        assert games.stage(other, 0) != games.stage(ready.game, 0)


def test_without_validation_simulations_a_part_of_what_is_seen_is_held_out(ready):
    experiment = ready.experiment
    data = replace(experiment.data, validation=0, held_out=0.25)
    found = recordings(replace(experiment, data=data), ready.stored)
    seen = np.asarray(ready.data.training.seen)  # of the same simulations, with the same noise
    training, validation = (np.asarray(r.seen) for r in (found.training, found.validation))
    np.testing.assert_array_equal(training | validation, seen)
    assert not (training & validation)[:, 1:].any()
    assert training[:, 0].all()
    assert validation[:, 0].all()
    assert abs(validation[:, 1:].sum() / seen[:, 1:].sum() - 0.25) < 0.05
    for recording in (found.training, found.validation):
        values = np.where(recording.seen, ready.data.training.values, 0)
        np.testing.assert_array_equal(recording.values, values)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"cycles": 0}, "at least 1"),
        ({"warmup": 9, "cycles": 3}, "warmup = 9"),
        ({"validation": 0}, "validation = 0"),
        ({"improvement": 1.0}, "improvement = 1.0"),
        ({"validation": 3, "patience": 2}, "patience = 2"),
    ],
)
def test_an_impossible_schedule_is_refused(fields, message):
    with pytest.raises(ValueError, match=message):
        Schedule(**fields)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"alpha": -1.0}, "alpha = -1.0"),
        ({"alpha": 0.0}, "need fresh initial states, or recorded=True"),
        ({"points": 0.0}, "points = 0.0"),
        ({"points": 1.5}, "points = 1.5"),
        ({"reuse": 0}, "reuse = 0: at least 1"),
    ],
)
def test_an_impossible_interaction_is_refused(fields, message):
    with pytest.raises(ValueError, match=message):
        Interaction(**fields)
