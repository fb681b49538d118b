"""How much the recordings and the partner weigh, on the tiny heat experiment."""

from dataclasses import replace

import jax.numpy as jnp
import numpy as np
import pytest

from hycojax.data.windows import Source
from hycojax.game import state as games
from hycojax.game.balance import balanced
from hycojax.game.player import Balance, Weights
from hycojax.game.schedule import Turn
from hycojax.models.model import rollouts

MEETING = Turn(*map(jnp.asarray, (True, 1.0, 1.0, True, True)))


def with_errors(ready, errors):
    """Return players that have these validation errors, in the order of their turns."""
    players = ready.start().players
    pairs = zip(games.NAMES, errors, strict=True)
    return {name: replace(players[name], error=jnp.float32(error)) for name, error in pairs}


@pytest.mark.parametrize(
    ("balance", "errors", "interaction", "expected"),
    [
        (Balance.FIXED, (0.2, 0.4), 3.0, (2.0, 3.0)),
        (Balance.ERRORS, (0.2, 0.4), 0.0, (2.0, 0.0)),  # in the warm-up
        (Balance.ERRORS, (0.2, 0.4), 3.0, (2.0, 0.75)),  # the partner is twice as bad: a quarter
        (Balance.ERRORS, (0.4, 0.2), 3.0, (2.0, 3.0)),  # it is better: no more than all
        (Balance.ERRORS, (np.inf, np.inf), 3.0, (2.0, 3.0)),  # before the first validation
        (Balance.ERRORS, (0.2, np.inf), 3.0, (2.0, 0.0)),  # it has diverged
        (Balance.ERRORS, (0.2, np.nan), 3.0, (2.0, 0.0)),
        (Balance.ERRORS, (np.nan, 0.2), 3.0, (2.0, 3.0)),
    ],
)
def test_weights_are_balanced_by_errors(ready, changed, balance, errors, interaction, expected):
    weights = Weights(data=2.0, interaction=3.0, balance=balance)
    game = changed(ready.game, "synthetic", weights=weights)
    players = with_errors(ready, errors)
    turn = replace(MEETING, data=jnp.float32(2), interaction=jnp.float32(interaction))
    found = balanced(game, ready.data, players, "synthetic", turn, None)
    np.testing.assert_allclose((found.data, found.interaction), expected, rtol=1e-6)
    alone = replace(game, seats=game.seats[:1])
    assert balanced(alone, ready.data, players, "synthetic", turn, None) is turn


@pytest.mark.parametrize(
    ("partner", "interaction", "expected"),
    [
        (2.0, 3.0, 0.75),  # twice as far from the truth as the own model from the recordings
        (0.5, 3.0, 3.0),
        (2.0, 0.0, 0.0),
        (np.inf, 3.0, 0.0),  # it has diverged
    ],
)
def test_a_partner_is_weighed_against_the_noise_of_the_recordings(
    ready, changed, partner, interaction, expected
):
    """The rollouts of a PDE whose own validation error is another, from the first states on."""
    known, scale = ready.data.training, ready.data.scale
    players, physics = ready.start().players, ready.game.physics
    (part,), path = known.parts, rollouts(physics, {"diffusivity": 3.0}, known.first.mean, 6)
    misfit = np.sqrt(np.mean(((path - part.values) / scale)[part.seen] ** 2))
    players["physical"] = replace(players["physical"], error=jnp.float32(0.9))
    players["synthetic"] = replace(players["synthetic"], error=partner * misfit)
    observed = Source(path, known.parts)
    weights = Weights(data=2.0, interaction=3.0, balance=Balance.MISFIT)
    game = changed(ready.game, "physical", weights=weights)
    turn = replace(MEETING, interaction=jnp.float32(interaction))
    found = balanced(game, ready.data, players, "physical", turn, observed)
    np.testing.assert_allclose(found.interaction, expected, rtol=1e-4)
    assert found.data == turn.data


def test_who_fits_its_partner_alone_does_so_with_the_full_weight(ready, changed):
    """However bad that one is: there are no recordings to weigh it against."""
    weights = Weights(data=0.0, interaction=3.0, balance=Balance.ERRORS)
    game = changed(ready.game, "physical", weights=weights)
    players = with_errors(ready, (0.2, 0.4))
    turn = replace(MEETING, data=jnp.float32(0), interaction=jnp.float32(3))
    found = balanced(game, ready.data, players, "physical", turn, None)
    assert (float(found.data), float(found.interaction)) == (0.0, 3.0)
