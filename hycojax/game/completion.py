"""Where rollouts along the training recordings begin, and what they are compared with."""

from __future__ import annotations

import jax.numpy as jnp
from jaxtyping import Array, Float

from hycojax.data.observations import Observations
from hycojax.data.windows import Source
from hycojax.game.schedule import Turn
from hycojax.game.state import Game, PlayerState
from hycojax.inference.first_states import states
from hycojax.inference.losses import followed


def complete(
    game: Game, data: Observations, players: dict[str, PlayerState], name: str, turn: Turn
) -> Source:
    """Return what a player learns from, with a complete state where windows may begin.

    A complete state that is known without noise is taken as it is. Any other is a state of one
    model's trajectory from the first states: a mixture of measurements and predictions is a state
    of no system, and misleads the search. The trajectory is the player's own, or that of a partner
    that leads and is better in validation. Windows begin on it only as far as it follows the
    recordings: from states that are far off, a model would learn to be wrong.
    """
    known = data.training
    if data.whole:
        return Source(known.states, known.parts)
    starts, partner = players[name].recorded, game.partner(name)
    if partner is not None:
        ours, theirs = (jnp.nan_to_num(players[n].error, nan=jnp.inf) for n in (name, partner))
        trusted = (turn.interaction > 0) & turn.leads & (theirs < ours)
        starts = jnp.where(trusted, players[partner].recorded, starts)
    if known.states is not None:
        exact = known.exact.reshape(*known.exact.shape, *(1,) * (starts.ndim - 2))
        starts = jnp.where(exact, known.states, starts)
    return Source(starts, known.parts, share=followed(known.parts, starts, data.scale, data.noise))


def first_states(
    game: Game, data: Observations, players: dict[str, PlayerState], name: str, turn: Turn
) -> Float[Array, "simulation *shape channels"]:
    """Return the first states of the training systems as a player takes them.

    They are those that it knows or estimates itself, else those of a partner that leads.
    """
    first, partner = data.of(name).training.first, game.partner(name)

    def of(own: str) -> Array:
        known = data.of(own).training.first
        return states(game.physics, known, data.scale, players[own].params)

    if partner is None or first.kind == "known" or game.players[name].estimates(first):
        return of(name)
    return jnp.where((turn.interaction > 0) & turn.leads, of(partner), of(name))
