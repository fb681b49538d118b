"""Whether what the players learn from each other begins like what was recorded."""

from __future__ import annotations

from typing import Any

import jax
import numpy as np
from jaxtyping import Array, Float, Key

from hycojax.experiment import Experiment
from hycojax.game.schedule import Fresh
from hycojax.game.state import NAMES
from hycojax.grid.domain import Grid
from hycojax.inference import first_states
from hycojax.kernels import programs
from hycojax.models.pde import BoundPDE
from hycojax.report.evaluation import Trial
from hycojax.settings.numbers import join, split

#: Fresh states that are looked at.
_COUNT = 8
#: Means differ from so many standard deviations on, these from this factor on.
_FAR, _FACTOR = 2.0, 3.0
#: Deviations below this share of a channel's scale are none.
_LEAST = 0.1


def unlike(experiment: Experiment, recorded: Trial) -> list[str]:
    """Return a sentence on each channel that starts otherwise in lessons than in recordings.

    Only states that the PDE samples can do so: the others are mixtures of the recorded ones.

    Args:
        experiment: The experiment, settled.
        recorded: What was recorded for training.
    """
    if not _samples(experiment):
        return []
    physics = experiment.physics
    program = programs.jit(_drawn, programs.ONCE, static_argnums=0)
    keys = jax.random.split(jax.random.key(experiment.seed), _COUNT)
    drawn = np.asarray(program(*split(physics), keys))
    first = np.asarray(first_states.states(physics, recorded.first, recorded.scale))
    return differences(physics.domain, drawn, first, recorded.scale)


def differences(
    grid: Grid,
    drawn: Float[np.ndarray, "state *shape channels"],
    recorded: Float[np.ndarray, "simulation *shape channels"],
    scale: Float[np.ndarray, " channels"],
) -> list[str]:
    """Return a sentence on each channel whose mean or deviation is another one in drawn states."""
    evolves, found = grid.evolves(), []
    for c in grid.dynamic:
        theirs, ours = (states[:, evolves[..., c], c].astype(float) for states in (drawn, recorded))
        if _differ(theirs, ours, float(scale[c])):
            name, unit = grid.channels[c].name, grid.channels[c].unit
            unit = "" if unit == "1" else f" {unit}"
            found.append(
                f"lessons begin with {name} at {_about(theirs)}{unit}, recordings at "
                f"{_about(ours)}{unit}: take interaction.fresh = mixed"
            )
    return found


def _samples(experiment: Experiment) -> bool:
    """Return whether the PDE of an experiment samples states for players that meet."""
    how, players = experiment.interaction, [getattr(experiment, name) for name in NAMES]
    return (
        not experiment.simulated
        and how.fresh is Fresh.SAMPLED
        and how.alpha > 0
        and len(experiment.mode.players) > 1
        and any(player.weights.interaction for player in players)
    )


def _drawn(structure: BoundPDE, numbers: Any, keys: Key[Array, " state"]) -> Array:
    return jax.vmap(join(structure, numbers).sample)(keys)


def _differ(one: np.ndarray, other: np.ndarray, scale: float) -> bool:
    low, high = sorted((one.std(), other.std()))
    apart = abs(one.mean() - other.mean()) > _FAR * max(high, _LEAST * scale)
    return apart or high > max(_FACTOR * low, _LEAST * scale)


def _about(values: np.ndarray) -> str:
    return f"{values.mean():.3g} ± {values.std():.2g}"
