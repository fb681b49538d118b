"""The result of a fit: parameters, both trained models, predictions; in memory, and on disk."""

from __future__ import annotations

import functools
import warnings as python_warnings
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from hycojax.data import labelled
from hycojax.errors import InputError
from hycojax.experiment import Experiment, Mode
from hycojax.game.player import Player
from hycojax.game.state import Game, TrainingState
from hycojax.inference import deviations as inference
from hycojax.inference import priors
from hycojax.inference.deviations import Doubt
from hycojax.kernels import programs
from hycojax.kernels.precision import real
from hycojax.models import model as models
from hycojax.models.corrected import BoundCorrected
from hycojax.models.model import Stepper
from hycojax.report import evaluation, lessons, summary, trials, trust
from hycojax.report.evaluation import Prediction, Trial
from hycojax.report.summary import Estimate
from hycojax.run import checkpoint, export, logbook
from hycojax.run import directory as directories
from hycojax.run.directory import RunDir
from hycojax.run.record import Record
from hycojax.settings.checked import converted
from hycojax.settings.numbers import join, split
from hycojax.solvers import INITIAL_STATES

if TYPE_CHECKING:
    import xarray as xr


@dataclass(frozen=True)
class Trained:
    """A model with its trained parameters: `trained(state)` is the state one interval later.

    It is compiled, and works on a batch of states under `jax.vmap`.

    Attributes:
        model: The model, on its domain.
        params: Its parameters.
    """

    model: Stepper
    params: Any

    def __call__(self, state: Float[Array, "*shape channels"]) -> Float[Array, "*shape channels"]:
        """Return the state one interval later."""
        structure, numbers = split(self.model)
        return _forward(structure, numbers, self.params, state)


@dataclass(frozen=True)
class Learned:
    """What a player has learned.

    Attributes:
        best: Its parameters where it was best in validation, as its optimiser sees them.
        last: Those after the last cycle.
        best_cycle: How many cycles were played at the best.
        spread: Spread of coefficients over the starts of a search from many.
        prior: What it has learned of first states (`inference.priors`).
    """

    best: Any
    last: Any
    best_cycle: int
    spread: dict[str, np.ndarray]
    prior: np.ndarray | None = None


@dataclass(frozen=True)
class Result:
    """What a fit has come to.

    Attributes:
        experiment: What was asked.
        legs: Cycles of each schedule, in order.
        history: A record of each cycle.
        learned: What each player has learned.
        tried: What the models were tried on.
        warnings: What a user should know but need not act on.
        state: The state after the last cycle; None of a result from disk.
        run: Where it is kept; None if it is not.
    """

    experiment: Experiment
    legs: tuple[int, ...]
    history: tuple[Record, ...]
    learned: dict[str, Learned]
    tried: dict[str, Trial]
    warnings: tuple[str, ...] = ()
    state: TrainingState | None = None
    run: Path | None = None

    @property
    def played(self) -> int:
        """How many cycles were played."""
        return self.history[-1].cycle

    @property
    def finished(self) -> bool:
        """Whether all cycles were played, or the run ended early because nothing became better."""
        played, cycles = self.played, sum(self.legs)
        patience = self.experiment.schedule.patience
        if patience is None or played >= cycles:
            return played >= cycles
        begun = cycles - self.legs[-1]
        waited = [played - max(own.best_cycle, begun) for own in self.learned.values()]
        return min(waited) >= patience

    @functools.cached_property
    def parameters(self) -> dict[str, Estimate]:
        """The coefficients that were identified; none if the PDE did not play."""
        if "physical" not in self.learned:
            return {}
        own = self.learned["physical"]
        truth = self.experiment.data.truth if self.experiment.simulated else None
        ends = own.best, own.last, own.spread, self._doubts
        return summary.estimates(self.experiment.physics, truth, *ends)

    @functools.cached_property
    def _doubts(self) -> dict[str, Doubt]:
        """How far off the coefficients may be, from a file if that is known."""
        if self.state is None and self.run is not None:
            found = stored_doubts(RunDir(self.run).parameters)
            if found:
                return found
        programs.keep()
        trial, own = self.told["recorded"].of("physical"), self.learned["physical"]
        first = priors.shaped(trial.first, own.prior)
        about = first, trial.parts, trial.scale, trial.noise
        models = self.experiment.physics, self.experiment.finer_physics
        return inference.doubts(*models, *about, own.best)

    @property
    def surrogate(self) -> Trained:
        """The network, where it was best in validation.

        Raises:
            ValueError: It did not play, or it is a function of space and time.
        """
        model = self.experiment.surrogate
        if not isinstance(model, Stepper):
            raise ValueError(_FIELD.format(type(self.experiment.synthetic.model).__name__))
        return Trained(model, self._learned("synthetic").best)

    @property
    def physics(self) -> Trained:
        """The PDE with its identified coefficients, where it was best in validation.

        Raises:
            ValueError: It did not play.
        """
        model = self.experiment.physics
        free = {k: v for k, v in self._learned("physical").best.items() if k != INITIAL_STATES}
        return Trained(model, model.constrain(free))

    def correction(self, state: Float[Array, "*shape channels"]) -> Float[Array, "*shape channels"]:
        """Return the term that the PDE leaves out, as it was learned, at a state.

        It is a rate, in units of each channel over a second: what `hj.Corrected` adds to the right-
        hand side, by which a reaction is read off. It is compiled, and works on a batch of states
        under `jax.vmap`.

        Raises:
            ValueError: No term was learned, the PDE did not play, or the state is not on its grid.
        """
        trained = self.physics
        if not isinstance(trained.model, BoundCorrected):
            kind = type(self.experiment.physical.model).__name__
            raise ValueError(
                f"correction: no term was learned beside {kind}; make physical.model an "
                f"hj.Corrected({kind}(...), network)"
            )
        wanted = (*trained.model.domain.shape, len(trained.model.channels))
        if np.shape(state) != wanted:
            raise ValueError(
                f"state: an array {wanted} is needed, not {np.shape(state)}; of several states "
                "take jax.vmap(result.correction)"
            )
        structure, numbers = split(trained.model)
        return _rate(structure, numbers, trained.params, state)

    @functools.cached_property
    def predictions(self) -> dict[str, dict[str, Prediction]]:
        """What each player predicts of the simulations that it was tried on."""
        return self._predictions("best")

    @functools.cached_property
    def term(self) -> Float[np.ndarray, "simulation time *shape channels"] | None:
        """The learned term along the recordings, as the PDE predicts them; None without one."""
        model = self.experiment.physics
        if "physical" not in self.learned or not isinstance(model, BoundCorrected):
            return None
        paths = self.predictions["physical"]["recorded"].values
        return evaluation.rates(model, self.physics.params, paths)

    @functools.cached_property
    def told(self) -> dict[str, Trial]:
        """What models are tried on, with the noise that their residuals tell if none is known."""
        every = [t for trial in self.tried.values() for t in (trial, *trial.views.values())]
        if all(trial.sure for trial in every):
            return self.tried
        return evaluation.told(self.tried, self.predictions)

    @functools.cached_property
    def summary(self) -> dict[str, Any]:
        """The figures that count, as they are in summary.json.

        With sentences under "cooperation" and "warnings", if there are any.
        """
        found: dict[str, Any] = {
            "experiment": self.experiment.name,
            "mode": self.experiment.mode.value,
            "seed": self.experiment.seed,
            "cycles": self.played,
            "finished": self.finished,
            "wall_seconds": round(self.history[-1].elapsed, 3),
            "compile_seconds": round(self.history[-1].compile_seconds, 3),
        }
        last = self._predictions("last")
        for name, own in self.learned.items():
            errors = evaluation.errors(self.predictions[name], self.told)
            ends = evaluation.errors(last[name], self.told)
            ends = {f"last_{k}": v for k, v in ends.items() if k.endswith("_nrmse")}
            found[name] = {**errors, **ends, **self._own(name), "best_cycle": own.best_cycle}
        if "synthetic" in found:
            leaves = jax.tree.leaves(self.learned["synthetic"].best["weights"])
            found["synthetic"]["weights"] = sum(np.size(leaf) for leaf in leaves)
        if "physical" in found:
            found["physical"]["reason"] = self.history[-1].players["physical"].reason
            short = {name: p.in_short() for name, p in self.parameters.items()}
            found["physical"]["parameters"] = short
            if self.term is not None:
                paths = self.predictions["physical"]["recorded"].values
                about = self.experiment.physics, paths, self.term
                found["physical"]["correction"] = summary.correction(*about)
        broken = [s for n, p in self.predictions.items() for s in evaluation.not_finite(n, p)]
        told = broken
        if "recorded" in self.tried:
            told = [*lessons.unlike(self.experiment, self.tried["recorded"]), *broken]
        told += summary.unlikely(found.get("physical", {}))
        told += [*summary.coarse(self.parameters), *self._told_of_gradients(), *self._unstable()]
        if self.experiment.mode is Mode.PHYSICAL:  # with a partner searches are short
            told += summary.unfinished(self.history[-1].players["physical"].reason)
        sentences = {"cooperation": self._told_of_trust(), "warnings": told}
        return found | {name: own for name, own in sentences.items() if own}

    def _own(self, name: str) -> dict[str, float]:
        """Return the errors on what a player alone has learned from, if both have not the same."""
        seen = evaluation.seen_by(self.told)
        if name not in seen:
            return {}
        return evaluation.own_errors(seen[name], self.predictions[name]["recorded"])

    def _told_of_trust(self) -> list[str]:
        """Return sentences on what came of the trust between the players."""
        if len(self.learned) < 2:
            return []
        seats = self.experiment.game().seats
        meeting = [name for name, player in seats if player.weights.interaction]
        recorded = self.told["recorded"]
        noise = max((own.noise for own in recorded.views.values()), default=recorded.noise)
        return trust.told(self.history, meeting, noise, apart=bool(recorded.views))

    def _unstable(self) -> list[str]:
        """Return a sentence on each kind of trial for which the steps of the PDE are too long."""
        if "physical" not in self.learned:
            return []
        trained = self.physics
        about = trained.model, trained.params, self.predictions["physical"]
        return evaluation.unstable(*about, self.experiment.physical.model.divided_by)

    def _told_of_gradients(self) -> list[str]:
        """Return a sentence if the step of the PDE differentiates backwards only, for unknowns."""
        physics = self.experiment.physics
        if not self.parameters or physics.differentiates_forwards():
            return []
        return [
            "physical: a part of the step differentiates backwards only, as a custom_vjp or a "
            "linear solve of PhiFlow: so do all gradients, and standard deviations are by "
            "differences"
        ]

    def predict(self, initial: Any, steps: int, model: str | None = None) -> xr.Dataset:
        """Return what follows from initial states, as labelled data.

        Args:
            initial: A state, or several along a first axis: an array `[*shape, channels]`, or a
                Dataset with a variable for each channel.
            steps: Intervals.
            model: "synthetic" or "physical"; None: the network if it played, else the PDE.

        Raises:
            ValueError: The model did not play, is a function of space and time, or the states are
                not on its grid.
        """
        if converted(int, steps, "steps") < 1:
            raise ValueError(f"steps = {steps}: at least 1 is needed")
        name = model or next(name for name in ("synthetic", "physical") if name in self.learned)
        if name not in ("synthetic", "physical"):
            raise ValueError(f'model = {name!r}: "synthetic" or "physical" is needed')
        trained = self.surrogate if name == "synthetic" else self.physics
        grid = trained.model.domain
        states = labelled.states(grid, initial)
        if not np.isfinite(states).all():
            raise ValueError("initial: it holds values that are not finite numbers")
        one = states.ndim == grid.dims + 1
        first = states[None] if one else states
        values = evaluation.predict(trained.model, trained.params, first, steps)
        found = labelled.to_xarray(grid, self.experiment.interval, values[0] if one else values)
        return found.assign_attrs(experiment=self.experiment.name, model=name)

    def save(self, run: Path | str) -> None:
        """Write the results to a run directory: numbers, the network on its own, pictures.

        A network that can't be exported is a warning, and so is a picture that can't be drawn.
        """
        directory = RunDir(Path(run))
        directory.root.mkdir(parents=True, exist_ok=True)
        self._write_parameters(directory.parameters)
        self._write_predictions(directory.predictions)
        directories.write_json(directory.summary, self.summary)
        if "synthetic" in self.learned and isinstance(self.experiment.surrogate, Stepper):
            with _or_warning("the network is not exported"):
                self.export(directory.root)
        with _or_warning("the figures are not complete"):
            from hycojax.report import pictures  # matplotlib is loaded where something is drawn

            pictures.draw(self, directory.figures)

    def export(self, folder: Path | str) -> None:
        """Write the network for use without this package: program, weights and a card.

        `hycojax/run/export.py` says how they are used.

        Args:
            folder: Where to; it is made if there is none.

        Raises:
            ValueError: The network did not play, or is a function of space and time.
        """
        trained = self.surrogate
        errors = evaluation.errors(self.predictions["synthetic"], self.told)
        about = trained.model, trained.params, errors
        export.write(RunDir(Path(folder)), self.experiment.name, *about)

    def _learned(self, name: str) -> Learned:
        if name not in self.learned:
            raise ValueError(f"the {name} player did not play: mode is {self.summary['mode']}")
        return self.learned[name]

    def _predictions(self, which: str) -> dict[str, dict[str, Prediction]]:
        programs.keep()
        players, physics = dict(self.experiment.game().seats), self.experiment.physics
        states = getattr(self.learned["physical"], which) if "physical" in self.learned else None
        found = {}
        for name, own in self.learned.items():
            # First states that the PDE has found are the network's only if it trusts the PDE.
            cycle = own.best_cycle if which == "best" else self.played
            led = name == "physical" or trust.led(self.history, name, cycle)
            about = physics, players[name].model, getattr(own, which), states if led else None
            found[name] = evaluation.predictions(*about, self.tried, name)
        return found

    def _write_parameters(self, path: Path) -> None:
        if not self.parameters:
            return
        import xarray as xr

        domain = self.experiment.domain
        variables = {
            f"{name}_{part}": labelled.field(domain, values, p.unit)
            for name, p in self.parameters.items()
            for part, values in p.arrays().items()
        }
        with directories.replacing(path) as partial:
            xr.Dataset(variables).to_netcdf(partial, engine="h5netcdf")

    def _write_predictions(self, path: Path) -> None:
        found = {
            name: {k: p.values for k, p in own.items()} for name, own in self.predictions.items()
        }
        grid, interval = self.experiment.physics.domain, self.experiment.interval
        trials.write(path, grid, interval, self.told, found)


_FIELD = (
    "{} is a function of space and time for the recorded simulations: it predicts nothing from "
    'another initial state; take model="physical"'
)


def stored_doubts(path: Path) -> dict[str, Doubt]:
    """Return how far off the coefficients in a file may be; none if there is none."""
    if not path.exists():
        return {}
    import xarray as xr

    with xr.open_dataset(path, engine="h5netcdf") as found:

        def number(name: str) -> float:
            return float(found[name]) if name in found else float("nan")

        names = [str(name).removesuffix("_estimate") for name in found if "_estimate" in str(name)]
        return {n: Doubt(number(f"{n}_sd"), number(f"{n}_discretisation")) for n in names}


def concluded(
    experiment: Experiment,
    legs: tuple[int, ...],
    history: tuple[Record, ...],
    game: Game,
    state: TrainingState,
    tried: dict[str, Trial],
    **more: Any,
) -> Result:
    """Return the result of a game that stands at a state."""
    players = ((name, player, state.players[name]) for name, player in game.seats)
    learned = {
        name: _learned(player, own.best, own.params, own.best_cycle, own.solver, own.prior)
        for name, player, own in players
    }
    return Result(experiment, legs, history, learned, tried, state=state, **more)


def rollout(trained: Trained, steps: int) -> Callable[[Array], Array]:
    """Return the compiled function from a state to its trajectory `[steps + 1, *shape, channels]`.

    Args:
        trained: `Result.surrogate` or `Result.physics`.
        steps: Intervals; the state is time 0.
    """
    structure, numbers = split(converted(Trained, trained, "trained").model)
    converted(int, steps, "steps")
    return lambda state: _rollout(structure, numbers, trained.params, state, steps)


@partial(jax.jit, static_argnums=0)
def _forward(structure: Stepper, numbers: Any, params: Any, state: Array) -> Array:
    return join(structure, numbers).forward(params, jnp.asarray(state, real()))


@partial(jax.jit, static_argnums=0)
def _rate(structure: BoundCorrected, numbers: Any, params: Any, state: Array) -> Array:
    return join(structure, numbers).rate(params, jnp.asarray(state, real()))


@partial(jax.jit, static_argnums=(0, 4))
def _rollout(structure: Stepper, numbers: Any, params: Any, state: Array, steps: int) -> Array:
    own = join(structure, numbers)
    return own.predict(params, models.beginnings(jnp.asarray(state, real())[None]), steps)[0]


def load(run: Path | str, classes: Iterable[type] = ()) -> Result:
    """Return the result that a run directory keeps; it needs neither data nor a simulation.

    Args:
        run: The directory.
        classes: Classes of your own that are defined nowhere but here, as in a notebook's cell.

    Raises:
        ValueError: It holds no run, or none that was trained.
    """
    directory = RunDir(Path(converted(Path | str, run, "run")))
    stored = directories.open_run(directory, classes)
    if not checkpoint.steps(directory.checkpoints):
        raise InputError(f"{directory.root} holds no checkpoint yet: train it first")
    leaves, warnings = checkpoint.read(directory.checkpoints)
    history, damaged = logbook.read(directory.log)
    history = tuple(r for r in history if r.cycle <= int(leaves["cycle"]))
    if not history:
        raise InputError(f"{directory.log} is missing or empty: train the run again elsewhere")
    learned = {
        name: _stored(stored.experiment, leaves, name) for name in stored.experiment.mode.players
    }
    tried = trials.read(directory.predictions, stored.experiment.physics.domain)
    return Result(
        replace_cycles(stored.experiment, stored.legs),
        stored.legs,
        history,
        learned,
        tried,
        warnings=(*warnings, *damaged),
        run=directory.root,
    )


def replace_cycles(experiment: Experiment, legs: tuple[int, ...]) -> Experiment:
    """Return an experiment whose schedule has the cycles of all legs."""
    return replace(experiment, schedule=replace(experiment.schedule, cycles=sum(legs)))


def _stored(experiment: Experiment, leaves: dict[str, np.ndarray], name: str) -> Learned:
    """Return what a player has learned, from the leaves of a checkpoint."""
    player, at = dict(experiment.game().seats)[name], f"players.{name}"
    template = jax.eval_shape(player.model.init, jax.random.key(0))
    if f"{at}.best.{INITIAL_STATES}" in leaves:
        template = {**template, INITIAL_STATES: leaves[f"{at}.best.{INITIAL_STATES}"]}
    best, last = (
        checkpoint.part(leaves, f"{at}.{which}", template) for which in ("best", "params")
    )
    solver = jax.eval_shape(lambda params: player.solver.init(params, 1), template)
    state = checkpoint.part(leaves, f"{at}.solver", solver)
    prior = leaves.get(f"{at}.prior")
    return _learned(player, best, last, leaves[f"{at}.best_cycle"], state, prior)


def _learned(
    player: Player, best: Any, last: Any, best_cycle: Any, solver: Any, prior: Any
) -> Learned:
    """Return what a player has learned, from its parameters and the state of its solver."""
    spread = player.solver.deviations(solver, player.model.estimates)
    best, last, spread, prior = jax.device_get((best, last, spread, prior))
    return Learned(best, last, int(best_cycle), spread, prior)


@contextmanager
def _or_warning(what: str) -> Iterator[None]:
    """Turn whatever fails into a warning, to whoever called the method that is at work."""
    try:
        yield
    except Exception as error:
        python_warnings.warn(f"{what}: {type(error).__name__}: {error}", stacklevel=4)
