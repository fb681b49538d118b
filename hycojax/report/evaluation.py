"""What trained models predict of whole simulations, and how far off that is: arrays only."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import jax
import numpy as np
from jaxtyping import Array, Bool, Float

from hycojax.data.recordings import Recordings
from hycojax.data.store import Simulations
from hycojax.game.initial_states import corrected
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
        first: The first frames as they are known.
        scale: Of noisy first frames the scale of each channel, by which a player may correct them;
            None: they are exact.
    """

    truth: Float[np.ndarray, "simulation time *shape channels"]
    first: Float[np.ndarray, "simulation *shape channels"]
    scale: Float[np.ndarray, " channels"] | None = None


@dataclass(frozen=True)
class Prediction:
    """Trajectories that a player predicts, and their errors."""

    values: Float[np.ndarray, "simulation time *shape channels"]
    errors: RolloutErrors


def trials(data: Recordings, simulations: Simulations) -> dict[str, Trial]:
    """Return what models are tried on: "recorded" and "test" simulations.

    Of the recorded ones they know what was seen in the first frame, of the test ones the first
    frame.
    """
    first, scale = np.asarray(data.training.values[:, 0]), np.asarray(data.scale)
    found = {"recorded": Trial(simulations["training"], first, scale)}
    if "test" in simulations:
        truth = simulations["test"]
        found["test"] = Trial(truth, truth[:, 0])
    return found


def predictions(
    model: Model, params: Any, tried: dict[str, Trial], mask: Bool[np.ndarray, " time *shape"]
) -> dict[str, Prediction]:
    """Return what a player predicts in each of the trials.

    A model that knows the recorded simulations only is not tried on others.
    """
    return {
        kind: _prediction(model, params, trial, mask)
        for kind, trial in tried.items()
        if kind == "recorded" or isinstance(model, Stepper)
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
    model: Model, params: Any, trial: Trial, mask: Bool[np.ndarray, " time *shape"]
) -> Prediction:
    first, steps = trial.first, trial.truth.shape[1] - 1
    if trial.scale is not None:
        first = np.asarray(corrected(params, first, model.domain.evolves(), trial.scale))
    values = predict(model, params, first, steps)
    found = metrics.rollout_errors(model.domain, values, trial.truth, mask)
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
