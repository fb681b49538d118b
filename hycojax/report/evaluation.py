"""What trained models predict of whole simulations, and how far off that is: arrays only."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import jax
import numpy as np
from jaxtyping import Array, Bool, Float

from hycojax.data.recordings import Recordings
from hycojax.data.store import Simulations
from hycojax.game.initial_states import known_frames
from hycojax.game.state import Game, PlayerState
from hycojax.kernels import programs
from hycojax.models.model import Model, Stepper, beginnings
from hycojax.report import metrics
from hycojax.report.metrics import RolloutErrors
from hycojax.settings.numbers import join, split


@dataclass(frozen=True)
class Trial:
    """Simulations that models are tried on.

    Attributes:
        truth: What happened, in full.
        first: The first frames from which each player predicts, by its name.
    """

    truth: Float[np.ndarray, "simulation time *shape channels"]
    first: dict[str, Float[np.ndarray, "simulation *shape channels"]]


@dataclass(frozen=True)
class Prediction:
    """Trajectories that a player predicts, and their errors."""

    values: Float[np.ndarray, "simulation time *shape channels"]
    errors: RolloutErrors


def trials(
    game: Game, data: Recordings, players: dict[str, PlayerState], simulations: Simulations
) -> dict[str, Trial]:
    """Return what the players of a game are tried on: "recorded" and "test" simulations.

    Of the recorded ones they know what was seen in the first frame, of the test ones the first
    frame. A model that knows the recorded simulations only is not tried on others.
    """
    grid = game.physics.domain
    first = {
        name: np.asarray(known_frames(grid, data, players[name].best)) for name, _ in game.seats
    }
    found = {"recorded": Trial(simulations["training"], first)}
    if "test" in simulations:
        truth = simulations["test"]
        steppers = (name for name, p in game.seats if isinstance(p.model, Stepper))
        found["test"] = Trial(truth, dict.fromkeys(steppers, truth[:, 0]))
    return found


def predictions(
    model: Model, params: Any, name: str, tried: dict[str, Trial], mask: Bool[np.ndarray, ...]
) -> dict[str, Prediction]:
    """Return what a player predicts in each of the trials that it takes part in."""
    return {
        kind: _prediction(model, params, trial.truth, trial.first[name], mask)
        for kind, trial in tried.items()
        if name in trial.first
    }


def errors(found: dict[str, Prediction]) -> dict[str, float]:
    """Return mean errors by the names that they have in a summary."""
    named = {}
    for kind, prediction in found.items():
        for part in ("whole", "seen", "hidden"):
            divided = not np.isnan(prediction.errors.hidden).all()
            if part == "whole" or divided:
                suffix = "" if part == "whole" else f"_{part}"
                values = getattr(prediction.errors, part)
                named[f"{kind}_nrmse{suffix}"] = float(np.nanmean(values))
    return named


def _prediction(
    model: Model, params: Any, truth: np.ndarray, first: np.ndarray, mask: np.ndarray
) -> Prediction:
    values = predict(model, params, first, truth.shape[1] - 1)
    found = metrics.rollout_errors(model.domain, values, truth, mask)
    return Prediction(values, jax.tree.map(np.asarray, found))


def predict(
    model: Model, params: Any, first: Array, steps: int
) -> Float[np.ndarray, "simulation time *shape channels"]:
    """Return the trajectories from first states; compiled once for all models of a structure."""
    structure, numbers = split(model)
    program = programs.jit(_predict, programs.LOOP, static_argnums=(0, 4))
    return np.asarray(program(structure, numbers, params, first, steps))


def _predict(structure: Model, numbers: Any, params: Any, first: Array, steps: int) -> Array:
    return join(structure, numbers).predict(params, beginnings(first), steps)
