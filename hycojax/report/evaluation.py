"""What trained models predict of whole systems, and how far off that is: arrays only."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import Any

import jax
import numpy as np
from jaxtyping import Array, Bool, Float

from hycojax.data.observations import First, Observations, Observed, Part, View
from hycojax.data.store import Simulations
from hycojax.inference import first_states
from hycojax.inference.losses import chi2, misfit, nrmse
from hycojax.kernels import programs
from hycojax.models.corrected import BoundCorrected
from hycojax.models.model import Model, Stepper, beginnings
from hycojax.models.pde import BoundPDE
from hycojax.report import metrics
from hycojax.report.metrics import RolloutErrors
from hycojax.settings.numbers import join, split

#: Kinds of trials, those first that tell most.
KINDS = ("test", "held_out", "recorded")


@dataclass(frozen=True)
class Trial:
    """Systems that models are tried on.

    Attributes:
        first: What is known of their first states.
        steps: Intervals.
        scale: Standard deviation of each channel.
        noise: Mean noise over the scale; 0 if there is none.
        truth: What happened, in full; None if nobody knows.
        parts: What was measured; nothing of systems that are known in full.
        mask: What of a truth was seen.
        trained: Whether its systems were trained on: a player may know their first states better.
        sure: Whether the noise is known; else it is a guess, until residuals tell it (`told`).
        views: What each player knows of systems that were trained on, by name, if that is not the
            same: its measurements, their noise, and the first states.
    """

    first: First
    steps: int
    scale: Float[np.ndarray, " channels"]
    noise: float
    truth: Float[np.ndarray, "simulation time *shape channels"] | None = None
    parts: tuple[Part, ...] = ()
    mask: Bool[np.ndarray, " time *shape"] | None = None
    trained: bool = False
    sure: bool = True
    views: dict[str, Trial] = field(default_factory=dict)

    def of(self, player: str) -> Trial:
        """Return the same as a player knows it."""
        return self.views.get(player, self)


@dataclass(frozen=True)
class Prediction:
    """Trajectories that a player predicts, and how far off they are.

    Attributes:
        values: The trajectories.
        errors: Against the truth; None without one.
        square: Mean weighted square of the distance from what was measured, over the scale; None
            with a truth; infinite if a trajectory is not finite.
        nrmse: Root of the mean square of the same, all measurements alike.
    """

    values: Float[np.ndarray, "simulation time *shape channels"]
    errors: RolloutErrors | None
    square: float | None
    nrmse: float | None = None


def simulated_trials(
    data: Observations, simulations: Simulations, mask: Bool[np.ndarray, " time *shape"]
) -> dict[str, Trial]:
    """Return what models are tried on: "recorded" and "test" simulations.

    Of the recorded ones they know what was seen in the first frame, of the test ones the first
    frame.
    """
    scale, noise = np.asarray(data.scale), float(data.noise)
    known, path = data.training, simulations["training"]
    steps = path.shape[1] - 1
    found = {"recorded": Trial(known.first, steps, scale, noise, path, known.parts, mask, True)}
    if "test" in simulations:
        path = simulations["test"]
        found["test"] = Trial(First(path[:, 0]), steps, scale, noise, path, mask=mask)
    return found


def measured_trials(
    data: Observations, test: Observed | None, views: dict[str, View] | None = None
) -> dict[str, Trial]:
    """Return what models are tried on where nobody knows a truth.

    That are the "recorded" measurements, and those that are set aside as a "test"; if none are,
    those of the validation, as "held_out" of the same systems or as a "test" of others.

    Args:
        data: All that is known.
        test: What is set aside as a test.
        views: What each player has learned from, if that is not the same.
    """

    def trial(own: Observed, of: Observations | View = data) -> Trial:
        about = {"trained": own.first is of.training.first, "sure": of.sure}
        numbers = own.steps, np.asarray(data.scale), float(of.noise)
        return Trial(own.first, *numbers, parts=own.parts, **about)

    aside = trial(data.validation if test is None else test)
    kind = "held_out" if test is None and aside.trained else "test"
    known = {name: trial(view.training, view) for name, view in (views or {}).items()}
    return {"recorded": replace(trial(data.training), views=known), kind: aside}


def predictions(
    physics: BoundPDE,
    model: Model,
    params: Any,
    states: Any,
    tried: dict[str, Trial],
    player: str = "physical",
) -> dict[str, Prediction]:
    """Return what a player predicts in each of the trials.

    A model that knows the recorded systems only is not tried on others.

    Args:
        physics: The PDE on its domain.
        model: The player's model.
        params: Its parameters.
        states: The PDE's parameters, which hold first states if it estimates them; None: the player
            takes the first states as it knows them itself.
        tried: The trials.
        player: Whose model it is.
    """
    found, views = {}, seen_by(tried)  # of what is held out they are those of what is learned
    for kind, trial in tried.items():
        if trial.trained:
            knows = views.get(player, trial).first.kind == "known"
            taken, whose = (None, player) if knows or states is None else (states, "physical")
            begun = replace(trial, first=views.get(whose, trial).first)
            found[kind] = _prediction(physics, model, params, taken, begun)
        elif isinstance(model, Stepper):
            found[kind] = _prediction(physics, model, params, None, trial)
    return found


def seen_by(tried: dict[str, Trial]) -> dict[str, Trial]:
    """Return what each player has learned from, by name; nothing if that is the same for both."""
    return tried["recorded"].views if "recorded" in tried else {}


def errors(found: dict[str, Prediction], tried: dict[str, Trial]) -> dict[str, float]:
    """Return mean errors by the names that they have in a summary; infinite ones count.

    Against a truth these are `KIND_nrmse`, and those of its seen and hidden part. Against
    measurements they are `KIND_nrmse`, and, if there is noise, `KIND_chi2` per value.
    """
    named = {}
    for kind, prediction in found.items():
        if prediction.errors is None:
            trial = tried[kind]
            named[f"{kind}_nrmse"] = prediction.nrmse
            if trial.noise:
                finite = np.isfinite(prediction.nrmse)
                about = trial.parts, prediction.values, trial.scale, trial.noise
                named[f"{kind}_chi2"] = float(chi2(*about)) if finite else float("inf")
            continue
        divided = not np.isnan(prediction.errors.hidden).all()
        for part in ("whole", "seen", "hidden") if divided else ("whole",):
            suffix = "" if part == "whole" else f"_{part}"
            # NaN stands for frames without such cells.
            named[f"{kind}_nrmse{suffix}"] = float(np.nanmean(getattr(prediction.errors, part)))
    return named


def own_errors(trial: Trial, found: Prediction) -> dict[str, float]:
    """Return the mean errors on what a player itself has learned from, as `own`.

    Args:
        trial: What it knows of the recorded systems.
        found: What it predicts of them.
    """
    return errors({"own": replace(found, **_measured(trial, found.values))}, {"own": trial})


def told(tried: dict[str, Trial], found: dict[str, dict[str, Prediction]]) -> dict[str, Trial]:
    """Return trials with the noise that the residuals tell, where it is not known.

    They are those of the player that is nearest to what was learned from; of what a player alone
    has learned from they are its own.

    Args:
        tried: The trials.
        found: Predictions of each player.
    """
    squares = [own["recorded"].square for own in found.values() if "recorded" in own]
    new = {kind: _with_noise(trial, squares) for kind, trial in tried.items()}
    for kind, trial in new.items():
        views = {
            name: _with_noise(view, [_measured(view, found[name][kind].values)["square"]])
            for name, view in trial.views.items()
            if kind in found.get(name, {})
        }
        new[kind] = replace(trial, views=trial.views | views)
    return new


def _with_noise(trial: Trial, squares: Iterable[float | None]) -> Trial:
    """Return a trial with the noise that the least of mean squares tells, if it is not known."""
    least = min((s for s in squares if s is not None), default=math.inf)
    told = not trial.sure and math.isfinite(least)
    return replace(trial, noise=math.sqrt(least)) if told else trial


def kind_of(summaries: Iterable[dict[str, Any]]) -> str:
    """Return the kind of trial that tells most of those that all players have errors of."""
    every = list(summaries)
    return next(kind for kind in KINDS if all(f"{kind}_nrmse" in own for own in every))


def called(kind: str) -> str:
    """Return what a reader is told that a kind of trial is."""
    return kind.replace("_", "-")


def not_finite(player: str, found: dict[str, Prediction]) -> list[str]:
    """Return a sentence on each kind of trial in which a player's rollouts are not all finite."""
    told = []
    for kind, prediction in found.items():
        values = prediction.values
        broken = int(np.sum(~np.isfinite(values.reshape(len(values), -1)).all(1)))
        if broken:
            number = f"{broken} of {len(values)} {called(kind)} rollouts"
            told.append(f"{player}: {number} are not finite")
    return told


def unstable(
    physics: BoundPDE,
    params: dict[str, Array],
    found: dict[str, Prediction],
    divided_by: str = "pieces",
) -> list[str]:
    """Return a sentence if rollouts leave the limit of a stable step: on those that do most.

    Args:
        physics: The PDE on its domain.
        params: Values of its unknown coefficients.
        found: What it predicts, by kind of trial.
        divided_by: The model's field that says in how many steps an interval is made.
    """
    finite = {kind: np.nan_to_num(own.values) for kind, own in found.items()}
    stress = {kind: float(physics.stress(params, own)) for kind, own in finite.items()}
    kind = max(stress, key=stress.get, default=None)
    if kind is None or stress[kind] <= 1:
        return []
    return [
        f"physical: {called(kind)} rollouts become so fast that a step of {physics.at.dt:.3g} s is "
        f"{stress[kind]:.2g} times the longest that is known to be stable: set "
        f"physical.model.{divided_by} = {math.ceil(stress[kind] * physics.at.pieces)}"
    ]


def _prediction(
    physics: BoundPDE, model: Model, params: Any, states: Any, trial: Trial
) -> Prediction:
    first = first_states.states(physics, trial.first, trial.scale, states)
    values = predict(model, params, first, trial.steps)
    if trial.truth is None:
        return Prediction(values, None, **_measured(trial, values))
    found = metrics.rollout_errors(model.domain, values, trial.truth, trial.mask)
    return Prediction(values, jax.tree.map(np.asarray, found), None)


def _measured(
    trial: Trial, values: Float[np.ndarray, "simulation time *shape channels"]
) -> dict[str, float]:
    """Return how far trajectories are from what was measured, as a `Prediction` says it."""
    if not np.isfinite(values).all():
        return {"square": math.inf, "nrmse": math.inf}
    square = float(misfit(trial.parts, values, trial.scale, trial.noise))
    return {"square": square, "nrmse": float(nrmse(trial.parts, values, trial.scale))}


def predict(
    model: Model, params: Any, first: Array, steps: int
) -> Float[np.ndarray, "simulation time *shape channels"]:
    """Return the trajectories from first states; compiled once for all models of a structure."""
    structure, numbers = split(model)
    program = programs.jit(_predict, programs.LOOP, static_argnums=(0, 4))
    return np.asarray(program(structure, numbers, params, first, steps))


def rates(
    model: BoundCorrected,
    params: Any,
    paths: Float[np.ndarray, "simulation time *shape channels"],
) -> Float[np.ndarray, "simulation time *shape channels"]:
    """Return a learned term along trajectories, in units of the channels over a second."""
    structure, numbers = split(model)
    program = programs.jit(_rates, programs.ONCE, static_argnums=0)
    return np.asarray(program(structure, numbers, params, paths))


def _rates(structure: BoundCorrected, numbers: Any, params: Any, paths: Array) -> Array:
    model = join(structure, numbers)
    return jax.vmap(jax.vmap(lambda state: model.rate(params, state)))(paths)


def _predict(structure: Model, numbers: Any, params: Any, first: Array, steps: int) -> Array:
    return join(structure, numbers).predict(params, beginnings(first), steps)
