"""An experiment: everything that decides a result, as one frozen value, checked as a whole."""

from __future__ import annotations

import dataclasses
import enum
import operator
import re
from dataclasses import dataclass, replace
from typing import Annotated, Any

import numpy as np
import tyro
from jaxtyping import Bool

from hycojax.data import simulation
from hycojax.data.observation import Observation
from hycojax.data.windows import seen_in_full
from hycojax.game.player import Player
from hycojax.game.state import NAMES, Interaction, Schedule
from hycojax.grid.domain import Domain
from hycojax.models import parameters as parameter
from hycojax.models.model import Memory, Stepper
from hycojax.models.unconstrained import Unconstrained
from hycojax.solvers import MultiStart


class Mode(enum.Enum):
    """Which players train."""

    HYBRID = "hybrid"
    SYNTHETIC = "synthetic"
    PHYSICAL = "physical"

    @property
    def players(self) -> tuple[str, ...]:
        """Names of the players that train."""
        return NAMES if self is Mode.HYBRID else (self.value,)


@dataclass(frozen=True)
class Data:
    """The simulations that stand for reality; each starts from a state of its own."""

    training: int = 4
    """Simulations that are recorded for training."""
    validation: int = 2
    """Simulations that are recorded for choosing the best parameters of a run; 0: a part of what is
    seen of the training ones is held out for that."""
    held_out: float = 0.1
    """That part: share of the cells and times."""
    test: int = 4
    """Simulations that are kept for the final figures: seen in full, never trained on; 0: none, the
    figures are then those of the recorded ones, hidden part included."""
    steps: int = 24
    """Time steps of a simulation."""
    refinement: int = 2
    """How many times finer the true solver's grid and time step are than the model's."""

    def __post_init__(self):
        for name in ("training", "steps", "refinement"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} = {getattr(self, name)}: at least 1 is needed")
        for name in ("validation", "test"):
            if getattr(self, name) < 0:
                raise ValueError(f"{name} = {getattr(self, name)}: it must not be negative")
        if not 0 < self.held_out < 1:
            raise ValueError(f"held_out = {self.held_out}: it must lie between 0 and 1")


@dataclass(frozen=True)
class Experiment:
    """What is to be found out, and how. An experiment file makes one, named `experiment`."""

    name: tyro.conf.Suppress[str]
    domain: Domain
    """The box and its grid, for both models."""
    physical: Player
    """The player whose model is the PDE."""
    synthetic: Player
    """The player whose model is the network."""
    observation: Observation
    """What of the simulations is seen in training and validation."""
    data: Data = Data()
    """The simulations."""
    schedule: Schedule = Schedule()
    """Length of the run."""
    interaction: Interaction = Interaction()
    """Where the players compare their trajectories."""
    mode: Mode = Mode.HYBRID
    """Which players train."""
    seed: int = 0
    """Seed of initial states, noise, weights and batches. Regions and solvers that draw have seeds
    of their own."""

    def __post_init__(self):
        if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_-]*", self.name):
            raise ValueError(f"name = {self.name!r}: letters, digits, - and _ only")
        if not 0 <= self.seed < 2**31:
            raise ValueError(f"seed = {self.seed}: it must lie between 0 and 2^31 - 1")
        for player in ("physical", "synthetic"):
            self._check_player(player)
            if self.schedule.patience is not None and getattr(self, player).begin:
                raise ValueError(
                    f"schedule.patience: the run could end before {player}.begin = "
                    f"{getattr(self, player).begin}; set one of them only"
                )
        if not any(getattr(self, name).weights.sees_data for name in self.mode.players):
            raise ValueError(
                "weights.data = 0 for both players: nobody would learn from the recordings"
            )
        self._check_physical_only()
        self._check_neural_field()
        self._check_observation()
        if not parameter.unknowns(self.physical.model):
            names = ", ".join(parameter.quantities(self.physical.model))
            raise ValueError(f"physical.model: nothing is unknown; give one a start ({names})")
        simulation.refine(self.physical.model, self.data.refinement)  # raises if it can't be

    def mask(self) -> Bool[np.ndarray, " time *shape"]:
        """Return what of a simulation is seen: which cells, in each frame."""
        try:
            return self.observation.mask(self.domain, self.data.steps + 1)
        except ValueError as error:
            raise ValueError(f"observation.{error}") from error

    def _check_player(self, name: str) -> None:
        """Check that a player's rollouts fit into the recordings, and that it fits something."""
        player = getattr(self, name)
        for path in ("horizon", "early.horizon"):
            horizon = operator.attrgetter(path)(player) or 1
            if horizon > self.data.steps:
                raise ValueError(
                    f"{name}.{path} = {horizon}: longer than the simulations, which have "
                    f"data.steps = {self.data.steps}"
                )
        longest = max(player.horizon, player.early.horizon or 1)
        if not longest <= (player.lesson_steps or longest) <= self.data.steps:
            raise ValueError(
                f"{name}.lesson_steps = {player.lesson_steps}: it must lie between the horizon, "
                f"{longest}, and data.steps = {self.data.steps}"
            )
        if self.mode.players == (name,) and not player.weights.sees_data:
            raise ValueError(
                f"{name}.weights.data = 0: without a partner there is nothing else to fit; set it "
                "to 1, or mode to hybrid"
            )

    def _check_observation(self) -> None:
        """Check that something is seen, and by each player's windows if these lie end to end."""
        mask = self.mask()
        if not mask[1:].any():
            raise ValueError(
                "observation: nothing is seen after the first frame; make the region larger, or "
                "the times more"
            )
        for name in self.mode.players:
            player = getattr(self, name)
            turns = filter(player.is_active, range(self.schedule.cycles))
            for way in dict.fromkeys(map(player.at, turns)):
                self._check_windows(name, way, mask)

    def _check_windows(
        self, name: str, player: Player, mask: Bool[np.ndarray, " time *shape"]
    ) -> None:
        """Check that a player's windows see something, as it trains in some of its turns."""
        steps, factor = self.data.steps, player.coarsening
        whole = player.batch is None or player.revert is not None  # windows that lie end to end
        end = steps // player.horizon * player.horizon if whole else steps
        end = player.horizon if player.early.first else end
        seen = mask[1 : end + 1, ..., None] & self.domain.evolves()
        if factor > 1:
            seen = seen_in_full(seen, self.domain, factor)
        if not seen.any():
            cells = f", on cells {factor} times as wide that are seen in full" if factor > 1 else ""
            raise ValueError(
                f"{name}.horizon = {player.horizon}: nothing is seen in its windows, which end at "
                f"frame {end}{cells}; observe more, or take a horizon that divides data.steps = "
                f"{steps}, other {name}.early turns or no {name}.coarsening"
            )

    def _check_neural_field(self) -> None:
        """Check what a model needs that knows the recorded simulations only."""
        model = self.synthetic.model
        if isinstance(model, Stepper):
            return
        given = {"simulations": self.data.training, "steps": self.data.steps}
        for name, value in given.items():
            if getattr(model, name) != value:
                raise ValueError(
                    f"synthetic.model.{name} = {getattr(model, name)}: the training data have "
                    f"{value}, set it to that"
                )
        for name, usual in {"noise": 0.0, "memory": Memory()}.items():
            if getattr(self.synthetic, name) != usual:
                raise ValueError(
                    f"synthetic.{name}: it steps from no state to the next, so this has no effect"
                )
        if self.interaction.alpha or not self.interaction.recorded:
            raise ValueError(
                "synthetic.model: it knows no fresh initial states; set interaction.alpha to 0 and "
                "interaction.recorded"
            )
        if self.data.validation:
            raise ValueError(
                "synthetic.model: it knows the training simulations only; set data.validation to 0"
            )

    def _check_physical_only(self) -> None:
        """Check what is possible for a PDE, but not for a network."""
        usual = {"coarsening": 1, "initial_states": False, "early.coarsening": 1}
        for name, without in usual.items():
            value = operator.attrgetter(name)(self.synthetic)
            if value != without:
                raise ValueError(f"synthetic.{name} = {value}: only the physical player has it")
        if isinstance(self.synthetic.solver, MultiStart):
            raise ValueError("synthetic.solver: MultiStart is for the physical player only")
        player = self.physical
        if player.initial_states and (player.horizon != self.data.steps or player.batch):
            raise ValueError(
                "physical.initial_states: the first frames are estimated from whole recordings; "
                f"set physical.horizon to data.steps = {self.data.steps}, without a batch"
            )
        for name in ("coarsening", "early.coarsening"):
            try:
                Unconstrained(player.model, operator.attrgetter(name)(player)).coarse()
            except ValueError as error:
                raise ValueError(f"physical.{name}: {error}") from error


#: The type that the command line parses: the fields of an experiment without a prefix.
Overridable = Annotated[Experiment, tyro.conf.arg(name="")]


def on_one_domain(experiment: Experiment) -> Experiment:
    """Return the experiment with both models on its domain, which an override may have changed."""

    def moved(player: Player) -> Player:
        return replace(player, model=replace(player.model, domain=experiment.domain))

    return replace(
        experiment, physical=moved(experiment.physical), synthetic=moved(experiment.synthetic)
    )


def as_dict(value: Any) -> Any:
    """Return a configuration as JSON types; an object becomes its class name and its fields."""
    if dataclasses.is_dataclass(value):
        fields = {f.name: as_dict(getattr(value, f.name)) for f in dataclasses.fields(value)}
        return {"class": type(value).__name__, **fields}
    if isinstance(value, enum.Enum):
        return value.value
    if isinstance(value, tuple | list):
        return [as_dict(item) for item in value]
    return value


def differences(one: Any, other: Any, path: str = "") -> list[str]:
    """Return what differs between two `as_dict` values, as lines "field: this, not that"."""
    if isinstance(one, dict) and isinstance(other, dict):
        return [
            line
            for key in dict.fromkeys([*one, *other])
            for line in differences(one.get(key), other.get(key), f"{path}.{key}" if path else key)
        ]
    return [] if one == other else [f"{path}: {one}, not {other}"]
