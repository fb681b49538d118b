"""The rules of the game, on the tiny heat experiment."""

from dataclasses import dataclass, replace
from itertools import pairwise

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from hycojax.data import simulated
from hycojax.data.observations import First, Statistics
from hycojax.data.simulated import observations
from hycojax.experiment import Mode
from hycojax.game import cycle as cycles
from hycojax.game import state as games
from hycojax.game.completion import complete, first_states
from hycojax.game.lessons import lessons
from hycojax.game.objective import visible_loss
from hycojax.game.player import Physical, Player, Trust, Weights
from hycojax.game.schedule import Fresh, Interaction, Schedule, Turn
from hycojax.game.state import Game, PlayerState
from hycojax.game.turn import train
from hycojax.game.validation import predictions
from hycojax.grid.domain import CLOSED, PERIODIC, Domain, with_channels
from hycojax.inference import marginal
from hycojax.inference.losses import frame_counts
from hycojax.models.coefficients import Unknown
from hycojax.models.model import Stepper, rollout, rollouts
from hycojax.models.pde import BoundPDE, Unconstrained
from hycojax.physics import Heat, NavierStokes, Smoke
from hycojax.run import legs as run_legs
from hycojax.run.compiled import compiled_cycle
from hycojax.settings.numbers import split
from hycojax.solvers import INITIAL_STATES, Adam, Reason

#: Turns of a player: from the recordings alone, and with a partner.
ALONE = Turn(*map(jnp.asarray, (True, 1.0, 0.0, False, False)))
MEETING = Turn(*map(jnp.asarray, (True, 1.0, 1.0, True, True)))


def assert_equal(one, other):
    for a, b in zip(jax.tree.leaves(one), jax.tree.leaves(other), strict=True):
        np.testing.assert_array_equal(a, b)


def numbers(game, cycle):
    """Return the numbers that a cycle's program takes."""
    return split(games.stage(game, cycle))[1]


def play(program, game, data, state, cycles):
    """Return the state at first and after each cycle, and what each cycle reports."""
    states, reports = [state], []
    for cycle in range(cycles):
        given = jax.tree.map(jnp.copy, states[-1])  # the program takes its buffers
        state, found = program(numbers(game, cycle), data, given, games.turns(game, cycle))
        states.append(state)
        reports.append(jax.device_get(found))
    return states, reports


def known_first(ready, players=None):
    """Return the first states of the training systems as the physical player knows them."""
    players = ready.start().players if players is None else players
    return first_states(ready.game, ready.data, players, "physical", ALONE)


def error(found, data):
    """Return the error that sums of squares by frame and channel stand for."""
    return np.sqrt(np.sum(found) / data.validation.count)


def compiled(game, data, state):
    return compiled_cycle(games.stage(game, 0), data, state, games.turns(game, 0))


def equal(game):
    """Return a game whose players trust each other in full."""

    def trusting(player):
        return replace(player, weights=replace(player.weights, trust=Trust.EQUAL))

    return replace(game, seats=tuple((name, trusting(player)) for name, player in game.seats))


def test_both_players_learn(ready):
    game = equal(ready.game)
    (*_, state), (first, _, last) = play(ready.program, game, ready.data, ready.start(), 3)
    assert last["synthetic"]["data"] < first["synthetic"]["data"]
    # From 3, by the recordings alone; an untrained partner then draws it towards no change.
    alone, drawn = (found["physical"]["parameters"]["diffusivity"] for found in (first, last))
    assert abs(alone - 1) < 0.01
    assert 0.4 < drawn < 1
    assert int(state.cycle) == 3


def test_players_meet_after_the_warm_up_only(ready):
    _, (first, second) = play(ready.program, equal(ready.game), ready.data, ready.start(), 2)
    for name in ("synthetic", "physical"):
        assert first[name]["interaction"] == 0
        assert first[name]["trust"] == {"temperature": 0}
        assert second[name]["interaction"] > 0
        assert second[name]["trust"] == {"temperature": 1}


def test_a_cycle_repeats_exactly_and_no_two_cycles_are_alike(ready):
    one, _ = ready.play(ready.start())
    same, _ = ready.play(ready.start())
    assert_equal(one, same)
    # Another cycle, with the turns of this one: only the randomness differs.
    later = replace(ready.start(), cycle=jnp.asarray(1, jnp.int32))
    turns = games.turns(ready.game, 0)
    other, _ = ready.program(numbers(ready.game, 0), ready.data, later, turns)
    weights = [s.players["synthetic"].params["weights"] for s in (one, other)]
    pairs = zip(*(jax.tree.leaves(w) for w in weights), strict=True)
    assert all((a != b).any() for a, b in pairs)


@pytest.mark.parametrize("name", games.NAMES)
def test_a_window_begins_in_a_state_of_one_trajectory_of_who_is_better_once_they_meet(ready, name):
    """Nothing that is measured, with its noise, is mixed in.

    Alone, and before any validation, it is the player's own trajectory.
    """
    players, known = ready.start().players, ready.data.training
    first = known.first.mean
    estimates = {
        "physical": rollouts(ready.game.physics, {"diffusivity": 3.0}, first, 6),
        # Untrained, it predicts no change.
        "synthetic": jnp.broadcast_to(first[:, None], known.parts[0].values.shape),
    }
    look = jax.jit(lambda players, turn: complete(ready.game, ready.data, players, name, turn))
    cases = [
        (MEETING, (0.2, 0.1), "physical"),
        (MEETING, (0.1, 0.2), "synthetic"),
        (MEETING, (jnp.nan, 0.2), "physical"),
        (MEETING, (jnp.inf, jnp.inf), name),
        (ALONE, (0.2, 0.1), name),
        (ALONE, (0.1, 0.2), name),
    ]
    for turn, errors, whose in cases:
        errors = dict(zip(games.NAMES, map(jnp.float32, errors), strict=True))
        validated = {n: replace(own, error=errors[n]) for n, own in players.items()}
        source = look(validated, turn)
        np.testing.assert_allclose(source.starts, estimates[whose], atol=1e-5)
        assert_equal(source.parts, known.parts)
        # Windows begin before the first frame that is far from what is measured.
        (part,) = known.parts
        off = np.where(part.seen, np.asarray(estimates[whose]) - part.values, 0)
        square = (off**2).sum((0, 2, 3, 4)) / np.asarray(part.seen).sum((0, 2, 3, 4))
        near = square / float(ready.data.scale[0]) ** 2 <= 0.1**2 + (2 * 0.02) ** 2
        assert 0 < near.argmin() < 6
        np.testing.assert_allclose(source.share, near.argmin() / 7, rtol=1e-6)


def test_a_complete_frame_without_noise_starts_a_window_as_it_is(ready):
    """The other ones are states of a trajectory."""
    paths = ready.stored["training"]
    exact = np.zeros(paths.shape[:2], bool)
    exact[:, ::3] = True
    known = replace(ready.data.training, states=paths, exact=exact)
    players = ready.start().players
    data = replace(ready.data, training=known)
    source = complete(ready.game, data, players, "physical", ALONE)
    np.testing.assert_array_equal(source.starts[:, ::3], paths[:, ::3])
    own = players["physical"].recorded
    np.testing.assert_array_equal(source.starts[:, [1, 2, 4, 5]], own[:, [1, 2, 4, 5]])


def test_alone_the_synthetic_player_begins_in_its_own_trajectory(ready):
    game = replace(ready.experiment, mode=Mode.SYNTHETIC).game()
    state = games.start(game, ready.data, jax.random.key(1))
    source = complete(game, ready.data, state.players, "synthetic", ALONE)
    first = ready.data.training.first.mean  # untrained, it predicts no change
    expected = np.broadcast_to(first[:, None], source.starts.shape)
    np.testing.assert_allclose(source.starts, expected, atol=1e-6)
    key = jax.random.key(0)
    assert lessons(game, ready.data, state.players, "synthetic", ALONE, first, key) is None
    for cycle in range(3):  # it meets nobody, warm-up or not
        turn = games.turns(game, cycle)["synthetic"]
        assert turn.interaction == 0
        assert not turn.meets


def test_the_other_players_rollouts_are_the_targets_everywhere(ready):
    players, key, first = ready.start().players, jax.random.key(8), known_first(ready)
    generated = lessons(ready.game, ready.data, players, "synthetic", MEETING, first, key)
    # Fresh initial states: those of the physical model's distribution, none of the recordings'.
    keys = jax.random.split(jax.random.fold_in(key, 0), 2)
    fresh = jax.vmap(ready.game.physics.sample)(keys)
    expected = rollouts(ready.game.physics, {"diffusivity": 3.0}, fresh, 6)
    (part,) = generated.parts
    np.testing.assert_allclose(part.values, expected, atol=1e-5)
    np.testing.assert_array_equal(generated.starts, part.values)
    assert part.seen.all()
    theirs = lessons(ready.game, ready.data, players, "physical", MEETING, first, key)
    still = jnp.broadcast_to(fresh[:, None], expected.shape)  # untrained, it predicts no change
    np.testing.assert_allclose(theirs.starts, still, atol=1e-5)


def test_without_interaction_each_player_trains_as_if_it_were_alone(ready, changed):
    """Bit for bit: what the other one does, and the term without weight, change no rounding."""
    game, data = ready.game, ready.data
    for name, player in game.seats:
        game = changed(game, name, weights=replace(player.weights, interaction=0.0))
    states, _ = play(ready.program, game, data, ready.start(), 3)
    for mode in (Mode.SYNTHETIC, Mode.PHYSICAL):
        alone = replace(ready.experiment, mode=mode).game()
        first = games.start(alone, data, jax.random.key(1))
        expected, _ = play(compiled(alone, data, first), alone, data, first, 3)
        for found, other in zip(states, expected, strict=True):
            assert_equal(found.players[mode.value], other.players[mode.value])


@pytest.mark.parametrize(("name", "begin"), [("synthetic", 9), ("physical", 0)])
def test_a_player_with_the_evidence_against_its_partner_trains_as_alone(
    ready, changed, name, begin
):
    """Bit for bit: a PDE that nobody trains is worse than the network, a trained one is better."""
    game = changed(ready.game, "physical", begin=begin)
    silent = changed(game, name, weights=replace(game.players[name].weights, interaction=0.0))
    found, reports = play(ready.program, game, ready.data, ready.start(), 3)
    expected, _ = play(ready.program, silent, ready.data, ready.start(), 3)
    for one, other in zip(found, expected, strict=True):
        assert_equal(one.players[name], other.players[name])
    partner = game.partner(name)
    errors = [float(reports[-1][n]["validation"]) for n in (name, partner)]
    assert errors[0] < errors[1]
    assert [r[name]["trust"] for r in reports] == 3 * [{"temperature": 0}]
    assert reports[-1][partner]["trust"]["temperature"] > 0 or begin


@pytest.mark.parametrize(
    ("name", "partner", "fitted", "trust", "led"),
    [
        ("synthetic", 1.0, 5.0, 0.75, True),  # what it does not fit it has not learned yet
        ("physical", 1.0, 3.0, 0.25, False),  # what it can't fit nobody can teach it
        ("physical", 1.0, -1.0, 0.75, True),  # it was not trained yet
        ("synthetic", 1.0, 0.4, 0.3, True),  # a partner weighs less for who fits better
        ("synthetic", 3.0, 5.0, 0.25, False),
        ("synthetic", 5.0, 5.0, 0.0, False),
    ],
)
def test_a_partner_counts_by_what_is_held_out_and_what_is_fitted(
    ready, name, partner, fitted, trust, led
):
    """In the program, from mean squares of 4 and others as the latest validation left them."""
    game, state, turns = ready.game, ready.start(), games.turns(ready.game, 1)
    counts = frame_counts(ready.data.validation.parts, 1)
    other, about = game.partner(name), {name: 4.0, game.partner(name): partner}
    players = {n: replace(own, squares=about[n] * counts) for n, own in state.players.items()}
    players[name] = replace(players[name], fitted=jnp.asarray(fitted, counts.dtype))
    still = {"active": np.asarray(False), "validates": np.asarray(False)}
    turns[other] = replace(turns[other], **still)
    state = replace(state, players=players, cycle=jnp.asarray(1, jnp.int32))
    _, told = ready.program(numbers(game, 1), ready.data, state, turns)
    assert float(told[name]["trust"]["temperature"]) == pytest.approx(trust, abs=0.01)
    assert bool(told[name]["led"]) is led


def test_the_network_begins_in_the_first_states_that_its_partner_finds_once_they_meet(ready):
    players, known = ready.start().players, ready.data.training.first.mean
    found = {**players["physical"].params, INITIAL_STATES: jnp.full(known.shape, 0.01)}
    players = {**players, "physical": replace(players["physical"], params=found)}
    for name, turn, own in (
        ("physical", ALONE, True),
        ("synthetic", MEETING, True),
        ("synthetic", ALONE, False),
    ):
        taken = first_states(ready.game, ready.data, players, name, turn)
        assert (np.asarray(taken) != known).all() == own
        assert (np.asarray(taken) == known).all() != own


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


def test_validation_takes_place_every_n_cycles_and_in_the_last(ready):
    """And what is not validated can't be the best."""
    game = replace(ready.game, schedule=Schedule(warmup=1, cycles=6, validation=3))
    states, reports = play(ready.program, game, ready.data, ready.start(), 6)
    errors = [float(found["synthetic"]["validation"]) for found in reports]
    assert errors[0] == errors[1] == errors[2] != errors[3]
    assert errors[3] == errors[4] != errors[5]
    own = states[-1].players["synthetic"]
    first = known_first(ready, states[-1].players)
    last = predictions(game.players["synthetic"].model, own.params, ready.data, first)[0]
    np.testing.assert_allclose(errors[5], error(last, ready.data), rtol=1e-5)
    np.testing.assert_allclose(own.squares, last, rtol=1e-4)
    due = [0, 3, 5]
    assert int(own.best_cycle) == 1 + due[int(np.argmin([errors[i] for i in due]))]


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
    game = replace(ready.game, schedule=schedule)
    assert run_legs.is_over(game, replace(state, players=players)) is over


@pytest.mark.parametrize("name", games.NAMES)
def test_recordings_that_see_everything_need_no_completion(ready, name, recorded):
    full = recorded(ready.stored["training"])
    data = observations(full, ready.data.validation)
    assert data.whole
    assert not ready.data.whole
    source = complete(ready.game, data, ready.start().players, name, MEETING)
    np.testing.assert_array_equal(source.starts, ready.stored["training"])


def test_validation_counts_what_is_seen_and_no_start(ready):
    model, params = ready.game.physics, {"diffusivity": jnp.float32(2.0)}
    found = predictions(model, params, ready.data, known_first(ready))[0]
    validation = ready.data.validation
    (part,), start = validation.parts, validation.first.mean
    mask = ready.experiment.mask()[1:, ..., None]
    path = rollout(model, params, start[0], 6)
    off = (np.asarray(path - part.values[0]) / float(ready.data.scale[0]))[1:][mask]
    np.testing.assert_allclose(error(found, ready.data), np.sqrt(np.mean(off**2)), rtol=1e-5)


def test_a_prediction_that_is_no_number_counts_as_infinitely_far_off(ready):
    """Of one of the systems too: it does not drop out of a mean."""
    model, first = ready.game.physics, ready.data.validation.first
    both = jax.tree.map(lambda a: np.concatenate([a, a]), ready.data.validation)
    broken = np.concatenate([first.mean, np.full_like(first.mean, np.nan)])
    data = replace(ready.data, validation=replace(both, first=First(broken)))
    params = {"diffusivity": jnp.float32(2.0)}
    found = predictions(model, params, data, known_first(ready))[0]
    assert np.isfinite(found[0]).all()
    assert error(found, data) == np.inf


def test_recordings_of_both_kinds_are_predicted_to_their_own_ends(ready, recorded):
    """Side by side, however long each is; the training ones only where something is hidden."""
    model, params = ready.game.physics, {"diffusivity": jnp.float32(2.0)}
    first = known_first(ready)
    expected, path = predictions(model, params, ready.data, first)
    training = ready.data.training
    assert path.shape == training.parts[0].values.shape
    short = jax.tree.map(lambda frames: frames[:, :4], (training.parts, training.exact))
    short = replace(training, parts=short[0], exact=short[1])
    found, beginning = predictions(model, params, replace(ready.data, training=short), first)
    np.testing.assert_allclose(found, expected, rtol=1e-6)
    np.testing.assert_allclose(beginning, path[:, :4], rtol=1e-5)
    full = observations(recorded(ready.stored["training"]), ready.data.validation)
    data = replace(full, statistics=ready.data.statistics)
    found, nothing = predictions(model, params, data, first)
    np.testing.assert_allclose(found, expected, rtol=1e-6)
    assert nothing is None
    start = jax.eval_shape(lambda key: games.start(ready.game, data, key), jax.random.key(0))
    assert all(own.recorded is None for own in start.players.values())


def test_held_out_values_are_compared_with_what_follows_the_estimated_first_states(ready):
    """They are of the training systems, whose noisy first states a player may correct."""
    training = ready.data.training
    player, first = ready.game.players["physical"], training.first.mean
    correction = jax.random.normal(jax.random.key(1), first.shape) / 100
    params = player.model.init(jax.random.key(0)) | {INITIAL_STATES: correction}
    data = replace(ready.data, validation=training, held_out=True)
    own = replace(ready.start().players["physical"], params=params)
    moved = known_first(ready, {"physical": own})
    assert (moved != first).all()
    path = rollouts(ready.game.physics, ready.game.physics.constrain(params), moved, 6)
    (part,) = training.parts
    off = (np.asarray(path - part.values) / float(data.scale[0]))[np.asarray(part.seen)]
    found = predictions(player.model, params, data, moved)[0]
    np.testing.assert_allclose(error(found, data), np.sqrt(np.mean(off**2)), rtol=1e-5)


@dataclass(frozen=True)
class Twin(Stepper):
    """A synthetic model that can be exact: the PDE itself, its coefficient the only weight."""

    pde: BoundPDE

    @property
    def domain(self):
        return self.pde.domain

    def init(self, key):
        return {"weights": self.pde.init(key), "statistics": Statistics(*jnp.ones((3, 1)))}

    def normalise(self, params, statistics):
        return {**params, "statistics": statistics}

    def forward(self, params, state):
        return self.pde.forward(params["weights"], state)


@pytest.mark.parametrize(
    ("playing", "trust"),
    [(("physical",), Trust.EQUAL), (games.NAMES, Trust.EQUAL), (games.NAMES, Trust.EVIDENCE)],
)
def test_exact_players_stay_where_they_are(ready, playing, trust, recorded):
    """With the truth as start and noise-free data of the same solver a cycle is a fixed point."""
    experiment = ready.experiment.settled()
    model = Heat(diffusivity=Unknown(start=1.0)).on(experiment.domain, experiment.interval)
    game = games.game(
        replace(experiment.physical, model=model, weights=Weights()),
        replace(experiment.synthetic, model=Twin(model)),
        Schedule(warmup=0, cycles=2),
        Interaction(alpha=1.0, recorded=True, fresh=Fresh.SAMPLED),
        playing,
    )
    game = equal(game) if trust is Trust.EQUAL else game
    starts = jax.vmap(model.sample)(jax.random.split(jax.random.key(5), 2))
    paths = jax.vmap(lambda s: rollout(model, {"diffusivity": 1.0}, s, 6))(starts)
    data = observations(recorded(paths), recorded(paths))
    first = games.start(game, data, jax.random.key(0))
    program = compiled(game, data, first)
    states, reports = play(program, game, data, first, 2)
    for found in reports:
        np.testing.assert_allclose(found["physical"]["parameters"]["diffusivity"], 1.0, atol=1e-5)
        for name in playing:
            assert found[name]["data"] < 1e-9
            assert found[name]["interaction"] < 1e-9
            assert found[name]["validation"] < 1e-5
    if "synthetic" not in playing or trust is Trust.EVIDENCE:
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
    ("begin", "active"), [(0, [1, 1, 1]), (1, [0, 1, 1]), (2, [0, 0, 1]), (3, [0, 0, 0])]
)
def test_a_player_trains_from_begin_on_and_the_other_goes_on(ready, changed, begin, active):
    """By the program of the whole game; out of its turns a player stays as it is."""
    game = equal(changed(ready.game, "physical", begin=begin))
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
def test_a_turn_that_harms_is_undone(ready, learning_rate, revert, reverted):
    """Parameters and optimiser's memory, bit for bit; what the recordings gain from is kept."""
    player = replace(
        ready.experiment.physical,
        model=Heat(diffusivity=Unknown(start=1.5)),
        solver=Adam(learning_rate, updates=2),
        revert=revert,
        growth=0,
    )
    game = replace(ready.experiment, physical=player, mode=Mode.PHYSICAL).game()
    data = ready.data
    first = games.start(game, data, jax.random.key(0))
    (_, last), (found,) = play(compiled(game, data, first), game, data, first, 1)
    old, new = first.players["physical"], last.players["physical"]
    assert bool(found["physical"]["reverted"]) is reverted
    assert found["physical"]["reason"] == Reason.ITERATION_LIMIT
    before, after = (game.physics.constrain(own.params)["diffusivity"] for own in (old, new))
    if reverted:
        assert_equal((new.params, new.solver, new.fitted), (old.params, old.solver, old.fitted))
    else:
        assert float(new.fitted) == float(found["physical"]["data"])
        assert int(new.solver.updates) == 2
        assert (abs(after - 1) < abs(before - 1)) == (revert == 0)


def test_a_turn_is_kept_if_the_loss_was_not_finite_before():
    """Else a start that diverges would be all that there ever is."""

    class Found(Adam):
        def run(self, loss, params, state, key, cycles):
            return jnp.float32(2.0), None, {"reason": jnp.int32(0)}

    player = Player(None, Found(), revert=0.1)
    for start, kept in ((jnp.nan, True), (1.0, False)):
        own = PlayerState(jnp.float32(start), *[None] * 8)
        params, _, terms = train(
            player, own, lambda turn: None, lambda params: params, MEETING, jax.random.key(0)
        )
        assert (params == 2) == kept
        assert bool(terms["reverted"]) == (not kept)


class Told(Adam):
    """A solver that asks the loss once, at the end of each run, and says that it has converged."""

    def run(self, loss, params, state, key, cycles):
        value, terms = loss(params, key)
        reason = jnp.asarray(Reason.CONVERGED, jnp.int32)
        return params, {"told": state["told"] + value}, {"loss": value, "reason": reason, **terms}


def stop(heat_box, at, loss, low=0.1, **fields):
    """Return what is left of a turn that stopped at a diffusivity, of a loss of that."""
    heat = Heat(diffusivity=Unknown(start=2.0, low=low)).on(heat_box, 1.0)
    player = Physical(Unconstrained(heat), Told(), horizon=8, growth=2)
    params = heat.unconstrain({"diffusivity": jnp.float32(at)})
    own = PlayerState(params, {"told": jnp.float32(0)}, *[None] * 7)

    def loss_of(turn):
        def value(params, key):
            found = loss(heat.constrain(params)["diffusivity"], turn)
            return jnp.float32(found), {}

        return value

    turn = replace(ALONE, **fields)
    end, state, terms = train(player, own, loss_of, None, turn, jax.random.key(0))
    return heat.constrain(end)["diffusivity"], state["told"], Reason(int(terms["reason"]))


@pytest.mark.parametrize(
    ("at", "loss", "end", "reason"),
    [
        (1.0, lambda d, _: (jnp.log(d)) ** 2 + 0.1, 1.0, Reason.CONVERGED),
        # On a slope: a small shift is lower, so that the search goes on from there.
        (1.0, lambda d, _: (jnp.log(d) - 3) ** 2, None, Reason.NO_MINIMUM),
        # In a minimum that is none of the whole: the start was better.
        (9.0, lambda d, _: jnp.minimum((d - 9) ** 2 + 1, 0.1 + (d - 2) ** 2), 2, Reason.NO_MINIMUM),
        (0.10001, lambda d, _: (d - 0.1) ** 2 + 1, 0.10001, Reason.AT_BOUND),
        # Where shifts are no number, nothing is taken.
        (1.0, lambda d, _: jnp.where(jnp.abs(d - 1) < 1e-6, 1.0, jnp.nan), 1.0, Reason.CONVERGED),
    ],
)
def test_a_stop_is_put_to_the_test(heat_box, at, loss, end, reason):
    """It has converged only if no shift of a coefficient lowers the loss."""
    found, _, why = stop(heat_box, at, loss)
    assert why is reason
    if end is None:
        assert found > 1.3
    else:
        np.testing.assert_allclose(found, end, rtol=1e-5)


def test_the_time_that_is_fitted_doubles_up_to_the_whole(heat_box):
    """In a first turn alone; it is tested by the loss on the whole."""
    whole = stop(heat_box, 1.0, lambda d, turn: turn.reach, reach=jnp.float32(8.0))
    grown = stop(heat_box, 1.0, lambda d, turn: turn.reach, reach=jnp.float32(8.0), doublings=2)
    assert (whole[1], grown[1]) == (8.0, 2.0 + 4.0 + 8.0)


def test_windows_begin_all_along_a_trajectory_that_follows_the_recordings(ready):
    """And at the first states alone if it is no number."""
    players = ready.start().players
    path = jnp.asarray(ready.stored["training"])
    for recorded, share in ((path, 1.0), (path.at[:, 1:].set(jnp.nan), 1 / 7)):
        own = {**players, "physical": replace(players["physical"], recorded=recorded)}
        source = complete(ready.game, ready.data, own, "physical", ALONE)
        np.testing.assert_allclose(source.share, share, rtol=1e-6)


@pytest.mark.parametrize(("truth", "end"), [(0.02, 0.02), (40.0, 40.0), (2.0, 2.0)])
def test_a_first_turn_looks_around_before_it_searches(heat_box, truth, end):
    """A start that is far off is left, by steps of a lower loss; without one it is kept."""

    def loss(d, _):
        return jnp.log(d / truth) ** 2 + 0.1

    found, _, _ = stop(heat_box, 2.0, loss, low=0.0, begins=True)
    assert abs(np.log(found / end)) < 0.31
    stayed, _, _ = stop(heat_box, 2.0, loss, low=0.0)
    assert abs(np.log(stayed / 2)) < 0.31  # but for one shift of the test


def test_only_the_first_turn_of_a_player_grows(ready, changed):
    game = changed(ready.game, "physical", begin=1)
    found = [games.turns(game, cycle)["physical"] for cycle in range(3)]
    assert [int(turn.doublings) for turn in found] == [0, 1, 0]
    assert [bool(turn.begins) for turn in found] == [False, True, False]
    assert [float(turn.reach) for turn in found] == [6.0] * 3
    other = [games.turns(game, cycle)["synthetic"] for cycle in range(2)]
    assert [int(turn.doublings) for turn in other] == [0, 0]


def test_noise_that_is_not_known_is_that_of_the_residuals(ready):
    """But no more than what the values alone tell."""
    players, player = ready.start().players, ready.game.players["physical"]
    own, observed = (
        players["physical"],
        complete(ready.game, ready.data, players, "physical", ALONE),
    )
    ((part,), first), scale = (observed.parts, own.recorded), float(ready.data.scale[0])
    residual = np.sqrt(np.mean(((first - part.values) / scale)[part.seen] ** 2))
    square = visible_loss(player, ready.data, observed, own.params, ready.game.physics)
    for most, seen, expected in (
        (10.0, square, residual),
        (0.01, square, 0.01),
        (3.0, np.nan, 3.0),
    ):
        found = marginal.told(jnp.float32(most), seen)
        np.testing.assert_allclose(found, expected, rtol=1e-5)


def test_a_solver_plans_for_the_turns_that_its_player_has(ready, changed):
    """The learning rate falls to zero in them, not in all cycles of the run."""
    game = replace(ready.game, schedule=Schedule(warmup=0, cycles=12))
    for begin, own in ((0, 12), (9, 3), (2, 10), (12, 1)):
        turn = games.turns(changed(game, "physical", begin=begin), 0)["physical"]
        assert turn.cycles == own
    solver, path = Adam(learning_rate=0.1, updates=1), [jnp.float32(0.0)]
    state, turns = solver.init(path[0], 12), jnp.asarray(3)
    for _ in range(3):
        end, state, _ = solver.run(
            lambda p, key, number: (p, {}), path[-1], state, jax.random.key(0), turns
        )
        path.append(end)
    steps = -np.diff(path)
    np.testing.assert_allclose(steps, [0.1, 0.075, 0.025], rtol=1e-4)  # (1 + cos(pi t / 3)) / 2


def test_the_weights_are_as_given_after_the_warm_up(ready, changed):
    """Each player's own; before, that of the interaction is zero."""
    game = replace(ready.game, schedule=Schedule(warmup=2, cycles=5))
    game = changed(game, "synthetic", weights=Weights(data=2.0, interaction=0.3))
    for name, data, interaction in (("synthetic", 2.0, 0.3), ("physical", 1.0, 0.1)):
        turns = [games.turns(game, cycle)[name] for cycle in range(5)]
        expected = [0, 0, *[interaction] * 3]
        np.testing.assert_allclose([turn.interaction for turn in turns], expected, rtol=1e-6)
        assert {float(turn.data) for turn in turns} == {data}


@pytest.mark.parametrize(("weight", "asked"), [(0.0, False), (0.5, True)])
def test_nobody_predicts_for_a_partner_that_does_not_listen(ready, changed, weight, asked):
    game = changed(ready.game, "synthetic", weights=Weights(data=1.0, interaction=weight))
    turn = games.turns(game, game.schedule.warmup)["synthetic"]
    assert bool(turn.meets) is asked
    players, key, first = ready.start().players, jax.random.key(8), known_first(ready)
    shown = lessons(game, ready.data, players, "synthetic", turn, first, key)
    assert shown.starts.any() == asked
    assert not games.turns(game, game.schedule.warmup - 1)["physical"].meets


@pytest.mark.parametrize(("alpha", "count"), [(0.1, 1), (1.0, 2), (1.3, 3), (2.5, 5)])
def test_there_are_alpha_trajectories_for_each_recorded_one(ready, alpha, count):
    """Two are recorded; there is one at least."""
    game = replace(ready.game, interaction=Interaction(alpha, fresh=Fresh.SAMPLED))
    assert ready.data.training.simulations == 2
    key, first = jax.random.key(0), known_first(ready)
    shown = jax.eval_shape(
        lambda players: lessons(game, ready.data, players, "synthetic", MEETING, first, key),
        ready.start().players,
    )
    assert shown.starts.shape == (count, 7, 16, 16, 1)


@pytest.mark.parametrize("alpha", [0.0, 1.0])
def test_players_may_meet_along_the_recordings_too(ready, alpha):
    """From the first states as the physical player estimates them, in front of the fresh ones."""
    interaction = Interaction(alpha, recorded=True, fresh=Fresh.SAMPLED)
    game = replace(ready.game, interaction=interaction)
    players, first = ready.start().players, np.asarray(ready.data.training.first.mean)
    correction = np.random.default_rng(0).normal(size=first.shape).astype(np.float32) / 100
    estimated = {**players["physical"].params, INITIAL_STATES: jnp.asarray(correction)}
    players = {**players, "physical": replace(players["physical"], params=estimated)}
    places = first + 0.1 * float(ready.data.scale[0]) * np.sqrt(first.size) * correction
    known = known_first(ready, players)
    np.testing.assert_allclose(known, places, atol=1e-6)
    key = jax.random.key(8)
    generated = lessons(game, ready.data, players, "synthetic", MEETING, known, key)
    if alpha:
        keys = jax.random.split(jax.random.fold_in(key, 0), 2)
        places = np.concatenate([places, jax.vmap(game.physics.sample)(keys)])
    expected = rollouts(game.physics, {"diffusivity": 3.0}, jnp.asarray(places), 6)
    assert generated.starts.shape == expected.shape
    np.testing.assert_allclose(generated.starts, expected, atol=1e-5)
    assert generated.parts[0].seen.all()


@dataclass(frozen=True)
class Still(Stepper):
    """A model without any change, of any channels."""

    domain: object

    def init(self, key):
        return {}

    def sample(self, key):
        return jax.random.normal(key, (*self.domain.shape, len(self.domain.channels)))

    def forward(self, params, state):
        return state


def still_game(grid, interaction, recorded, path):
    """Return a game of two players that predict no change, and what is known of it."""
    player = Player(Still(grid), Adam(), horizon=2)
    seats = (("synthetic", player), ("physical", player))
    game = Game(Still(grid), seats, Schedule(warmup=0, cycles=2), interaction)
    return game, observations(recorded(path), recorded(path))


NOBODY = PlayerState({}, *[None] * 4, {}, *[None] * 3)


def test_ghost_points_are_a_share_of_all_places_chosen_anew_in_each_cycle(smoke_box, recorded):
    grid = with_channels(smoke_box, Smoke().channels(2))
    interaction = Interaction(alpha=2.0, points=0.3, fresh=Fresh.SAMPLED)
    path = jnp.zeros((2, 7, 16, 16, 4))
    game, data = still_game(grid, interaction, recorded, path)
    players, first = dict.fromkeys(games.NAMES, NOBODY), path[:, 0]

    def choice(name, key):
        shown = lessons(game, data, players, name, MEETING, first, key)
        return np.asarray(shown.parts[0].seen)

    one, other = choice("physical", jax.random.key(1)), choice("physical", jax.random.key(2))
    assert one.shape == (4, 7, 16, 16, 4)
    evolves = grid.evolves()
    assert not one[..., ~evolves].any()
    inside = evolves[..., :3].all(-1)  # where all dynamic channels evolve
    for seen in (one, other):
        places = seen[:, :, inside, :3]
        assert (places == places[..., :1]).all()  # all channels alike
        assert abs(places.mean() - 0.3) < 0.02
    assert 0.3 < (one != other)[..., inside, 0].mean() < 0.54  # 2 0.3 0.7 = 0.42 of all
    np.testing.assert_array_equal(one, choice("synthetic", jax.random.key(1)))  # for both the same


def test_a_player_may_learn_from_the_first_steps_of_its_partner_alone(ready, changed):
    """The same as the beginning of longer trajectories; the other player has these in full."""
    short = changed(ready.game, "physical", lesson_steps=3)
    players, key, first = ready.start().players, jax.random.key(2), known_first(ready)
    found = lessons(short, ready.data, players, "physical", MEETING, first, key)
    whole = lessons(ready.game, ready.data, players, "physical", MEETING, first, key)
    assert found.starts.shape[1] == 4
    assert whole.starts.shape[1] == 7
    np.testing.assert_allclose(found.starts, whole.starts[:, :4], rtol=1e-5, atol=1e-6)
    other = lessons(short, ready.data, players, "synthetic", MEETING, first, key)
    assert other.starts.shape == whole.starts.shape


# Fresh initial states.


def fresh(game, data, players, first):
    """Return the fresh initial states from which models without any change compare."""
    shown = lessons(game, data, players, "physical", MEETING, first, jax.random.key(0))
    return np.asarray(shown.starts[:, 0])


@pytest.mark.parametrize("boundary", [PERIODIC, CLOSED])
def test_mixed_states_are_convex_mixtures_of_whole_ones(recorded, boundary):
    """All channels of a state stay together; only in a periodic box they are shifted."""
    grid = with_channels(Domain((8, 8), (1.0, 1.0), boundary), NavierStokes().channels(2))
    rng = np.random.default_rng(0)
    path = rng.normal(size=(3, 5, 8, 8, 3)).astype(np.float32)
    path[..., 2] = 2 * path[..., 0] + 1  # what is linear in a state is kept
    path = jnp.asarray(path)
    game, data = still_game(grid, Interaction(alpha=7.0, fresh=Fresh.MIXED), recorded, path)
    found = fresh(game, data, dict.fromkeys(games.NAMES, NOBODY), path[:, 0])
    np.testing.assert_allclose(found[..., 2], 2 * found[..., 0] + 1, atol=1e-5)
    means = path[:, 0].mean((1, 2))[:, :2]
    inside = found.mean((1, 2))[:, :2]
    assert (means.min(0) - 1e-6 <= inside).all()
    assert (inside <= means.max(0) + 1e-6).all()
    assert len(np.unique(found[:, 0, 0, 0])) == 21
    weights = [np.linalg.lstsq(path[:, 0].reshape(3, -1).T, f.ravel(), None)[0] for f in found]
    if boundary is CLOSED:  # of two states, in place
        np.testing.assert_allclose(np.sum(weights, 1), 1.0, atol=1e-5)
        assert (np.sum(np.abs(weights) > 1e-5, 1) == 2).all()
    else:
        assert np.abs(np.sum(weights, 1) - 1).max() > 0.1


def test_with_one_recording_its_later_states_are_mixed_in(recorded):
    """Those of the trajectory that the physical player predicts."""
    grid = with_channels(Domain((8, 8), (1.0, 1.0), CLOSED), Heat().channels(2))
    path = jnp.broadcast_to(jnp.arange(9.0).reshape(1, 9, 1, 1, 1), (1, 9, 8, 8, 1))
    game, data = still_game(grid, Interaction(alpha=50.0, fresh=Fresh.MIXED), recorded, path)
    nobody, own = dict.fromkeys(games.NAMES, NOBODY), replace(NOBODY, recorded=path + 100)
    for players, high in ((nobody, 8), ({**nobody, "physical": own}, 108)):
        found = fresh(game, data, players, path[:, 0])
        assert (np.ptp(found, axis=(1, 2, 3)) < 1e-5).all()
        values = found[:, 0, 0, 0]
        assert 0 <= values.min() < 0.2 * high < 0.7 * high < values.max() <= high


def test_the_second_player_of_a_cycle_sees_what_the_first_has_learned(ready, monkeypatch):
    turns, keys = [], {}

    def learn(game, data, players, name, turn, shared, key):
        turns.append((name, sorted(n for n, own in players.items() if own.params == "learned")))
        keys[name] = jax.random.key_data(key)
        return replace(players[name], params="learned"), {}

    monkeypatch.setattr(cycles, "play", learn)
    monkeypatch.setattr(cycles, "validated", lambda model, own, data, first, cycle, due: own)
    state, game = ready.start(), ready.game
    cycles.cycle(game, ready.data, state, games.turns(game, 0))
    assert turns == [("synthetic", []), ("physical", ["synthetic"])]
    # Randomness is a player's own, whoever plays.
    turns.clear()
    alone = replace(game, seats=game.seats[1:])
    both = dict(keys)
    cycles.cycle(alone, ready.data, state, games.turns(alone, 0))
    assert turns == [("physical", [])]
    key = jax.random.fold_in(jax.random.wrap_key_data(state.key), 0)
    for i, name in enumerate(games.NAMES):
        expected = jax.random.key_data(jax.random.fold_in(key, 1 + i))
        np.testing.assert_array_equal(both[name], expected)
        np.testing.assert_array_equal(keys[name], expected)


def test_schemes_that_differ_in_numbers_are_one_program(ready, changed):
    def structure(game, cycle=0):
        return split(games.stage(game, cycle))[0]

    own, schedule = structure(ready.game), ready.game.schedule
    one_way = changed(ready.game, "physical", weights=Weights(data=0.0), begin=1)
    for other in (
        one_way,
        changed(ready.game, "physical", weights=Weights(trust=Trust.EQUAL)),
        replace(ready.game, schedule=replace(schedule, patience=2, warmup=0)),
        replace(ready.game, schedule=replace(schedule, cycles=4, validation=2)),
        changed(ready.game, "synthetic", solver=Adam(learning_rate=0.1, updates=4)),
        run_legs.continued(ready.game, 3, 5),
    ):
        assert structure(other) == structure(ready.game, 1) == own
        assert hash(structure(other)) == hash(own)
    for other in (
        changed(ready.game, "physical", horizon=2),
        changed(ready.game, "synthetic", solver=Adam(learning_rate=3e-3, updates=5)),
        replace(ready.game, interaction=Interaction(alpha=2.0, fresh=Fresh.SAMPLED)),
        replace(ready.game, interaction=Interaction(alpha=1.0, points=0.5, fresh=Fresh.SAMPLED)),
    ):
        assert structure(other) != own


def test_a_game_that_is_continued_goes_on_without_a_warm_up_by_plans_of_its_own(ready, changed):
    """All play from the first added cycle on, however late their turns began before."""
    late = changed(ready.game, "physical", begin=2)
    game = run_legs.continued(late, 3, 5)
    for cycle in range(3, 8):
        for turn in games.turns(game, cycle).values():
            assert turn.active
            assert turn.meets
            assert turn.cycles == 5
    played = replace(ready.start(), cycle=jnp.asarray(7))
    assert not run_legs.is_over(game, played)
    assert run_legs.is_over(game, replace(played, cycle=jnp.asarray(8)))


def test_solvers_that_are_restarted_keep_the_parameters_that_they_reached(ready):
    """Adam's rate rises and falls anew, from no moments; L-BFGS keeps its curvature."""
    state, _ = ready.play(ready.start())
    again = run_legs.restarted(ready.game, state)
    for name in games.NAMES:
        assert_equal(again.players[name].params, state.players[name].params)
    adam, before = (s.players["synthetic"].solver for s in (again, state))
    assert int(before.updates) == 4
    assert not any(np.any(leaf) for leaf in jax.tree.leaves((adam.optax, adam.updates)))
    assert any(np.any(leaf) for leaf in jax.tree.leaves(before.optax))
    assert_equal(again.players["physical"].solver, state.players["physical"].solver)


def test_without_validation_simulations_a_part_of_what_is_seen_is_held_out(ready):
    experiment = ready.experiment
    data = replace(experiment.data, validation=0, held_out=0.25)
    found = simulated.known(data, ready.game.physics.domain, ready.stored, experiment.seed)
    (part,) = ready.data.training.parts  # of the same simulations, with the same noise
    seen = np.asarray(part.seen)
    (learned,), (held,) = found.training.parts, found.validation.parts
    training, validation = np.asarray(learned.seen), np.asarray(held.seen)
    np.testing.assert_array_equal(training | validation, seen)
    assert not (training & validation).any()
    assert training[:, 0].all()
    assert abs(validation[:, 1:].sum() / seen[:, 1:].sum() - 0.25) < 0.05
    for own in (learned, held):
        np.testing.assert_array_equal(own.values, np.where(own.seen, part.values, 0))


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"cycles": 0}, "at least 1"),
        ({"warmup": 9, "cycles": 3}, "warmup = 9"),
        ({"validation": 0}, "validation = 0"),
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
    ],
)
def test_an_impossible_interaction_is_refused(fields, message):
    with pytest.raises(ValueError, match=message):
        Interaction(**fields)
