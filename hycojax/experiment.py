"""An experiment: everything that decides a result, as one frozen value, checked as a whole."""

from __future__ import annotations

import enum
import operator
import re
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from jaxtyping import Bool

from hycojax.data.simulated import Simulated
from hycojax.game import state as games
from hycojax.game.player import Physical, Player, Synthetic
from hycojax.game.schedule import Interaction, Schedule
from hycojax.game.state import NAMES, Game
from hycojax.grid.domain import Domain
from hycojax.models.model import Model, Stepper
from hycojax.models.pde import PDE, BoundPDE
from hycojax.networks import Emulator, NeuralField
from hycojax.settings.checked import Checked, named
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
class Experiment(Checked):
    """What is to be found out, and how. An experiment file makes one, named `experiment`.

    Raises:
        ValueError: Its parts do not fit together; the message names the field.
    """

    name: str
    """Name of its files: letters, digits, - and _."""
    domain: Domain
    """The box and its grid, for both models."""
    interval: float
    """Time from one frame to the next, in seconds: both models advance a state by it."""
    physical: Physical
    """The player whose model is the PDE."""
    synthetic: Synthetic
    """The player whose model is the network."""
    data: Simulated
    """What is known of the system."""
    schedule: Schedule = Schedule()
    """Length of the run."""
    interaction: Interaction = Interaction()
    """Where the players compare their trajectories."""
    mode: Mode = Mode.HYBRID
    """Which players train."""
    seed: int = 0
    """Seed of initial states, noise, weights and batches. Regions that are drawn have seeds of
    their own."""

    def __post_init__(self):
        if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_-]*", self.name):
            raise ValueError(f"name = {self.name!r}: letters, digits, - and _ only")
        if not 0 <= self.seed < 2**31:
            raise ValueError(f"seed = {self.seed}: it must lie between 0 and 2^31 - 1")
        for player in NAMES:
            self._check_player(player)
        if not any(getattr(self, name).weights.data for name in self.mode.players):
            raise ValueError(
                "weights.data = 0 for both players: nobody would learn from the recordings"
            )
        self._check_models()
        self._check_neural_field()
        self._check_physical()
        self._check_observation()

    @property
    def physics(self) -> BoundPDE:
        """The PDE on the domain."""
        with named("physical.model: "):
            return self.physical.model.on(self.domain, self.interval)

    @property
    def surrogate(self) -> Model:
        """The network on the domain."""
        with named("synthetic.model: "):
            return self.synthetic.model.on(self.physics.domain, self.interval)

    @property
    def truth(self) -> BoundPDE:
        """The true system on the grid that its simulations are made on."""
        with named("data."):
            return self.data.bound(self.domain, self.interval)

    @property
    def simulation(self) -> tuple[Simulated, Domain, float, int]:
        """What decides the simulations: the arguments of `data.simulated.simulate`."""
        return self.data, self.domain, self.interval, self.seed

    def game(self) -> Game:
        """Return the game of those of the players that the mode names."""
        return games.game(
            replace(self.physical, model=self.physics),
            replace(self.synthetic, model=self.surrogate),
            self.schedule,
            self.interaction,
            self.mode.players,
        )

    def mask(self) -> Bool[np.ndarray, " time *shape"]:
        """Return what of a simulation is seen: which cells, in each frame."""
        with named("data."):
            return self.data.mask(self.domain)

    def _check_models(self) -> None:
        """Check that the models are what they should be, and live on the domain."""
        if not isinstance(self.physical.model, PDE):
            raise ValueError(f"physical.model = {self.physical.model!r}: a PDE is needed")
        if not isinstance(self.synthetic.model, Emulator | NeuralField):
            raise ValueError(f"synthetic.model = {self.synthetic.model!r}: a network is needed")
        physics = self.physics
        if "physical" in self.mode.players and not physics.unknowns:
            names = ", ".join(physics.units)
            raise ValueError(f"physical.model: nothing is unknown; give one a start ({names})")
        theirs = self.truth.channels
        if theirs != physics.channels:
            raise ValueError(
                f"data.truth: its channels ({_names(theirs)}) are not those of physical.model "
                f"({_names(physics.channels)})"
            )
        _ = self.surrogate

    def _check_player(self, name: str) -> None:
        """Check that a player's rollouts fit into the recordings, and that it fits something."""
        player = getattr(self, name)
        if self.schedule.patience is not None and player.begin:
            raise ValueError(
                f"schedule.patience: the run could end before {name}.begin = {player.begin}; set "
                "one of them only"
            )
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
        if self.mode.players == (name,) and not player.weights.data:
            raise ValueError(
                f"{name}.weights.data = 0: without a partner there is nothing else to fit; set it "
                "to 1, or mode to hybrid"
            )

    def _check_observation(self) -> None:
        """Check that something is seen, and by each player's windows if these lie end to end."""
        mask = self.mask()
        if not mask[1:].any():
            raise ValueError(
                "data.region: nothing is seen after the first frame; make it larger, or data.times "
                "more"
            )
        for name in self.mode.players:
            player = getattr(self, name)
            turns = filter(player.is_active, range(self.schedule.cycles))
            for way in dict.fromkeys((p.horizon, p.early.first) for p in map(player.at, turns)):
                self._check_windows(name, *way, mask)

    def _check_windows(
        self, name: str, horizon: int, first: bool, mask: Bool[np.ndarray, " time *shape"]
    ) -> None:
        """Check that a player's windows see something, as it trains in some of its turns."""
        player, steps = getattr(self, name), self.data.steps
        whole = player.batch is None or player.revert is not None  # windows that lie end to end
        end = steps // horizon * horizon if whole else steps
        end = horizon if first else end
        if not mask[1 : end + 1].any():
            raise ValueError(
                f"{name}.horizon = {horizon}: nothing is seen in its windows, which end at frame "
                f"{end}; observe more, or take a horizon that divides data.steps = {steps}, or "
                f"other {name}.early turns"
            )

    def _check_neural_field(self) -> None:
        """Check what a model needs that knows the recorded simulations only."""
        model = self.synthetic.model
        if isinstance(self.surrogate, Stepper):
            return
        given = {"simulations": self.data.training, "steps": self.data.steps}
        for name, value in given.items():
            if getattr(model, name) != value:
                raise ValueError(
                    f"synthetic.model.{name} = {getattr(model, name)}: the training data have "
                    f"{value}, set it to that"
                )
        for name, usual in {"noise": 0.0, "truncation": None}.items():
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

    def _check_physical(self) -> None:
        """Check what is possible for a PDE only."""
        if isinstance(self.synthetic.solver, MultiStart):
            raise ValueError("synthetic.solver: MultiStart is for the physical player only")
        player: Player = self.physical
        if self.physical.initial_states and (player.horizon != self.data.steps or player.batch):
            raise ValueError(
                "physical.initial_states: the first frames are estimated from whole recordings; "
                f"set physical.horizon to data.steps = {self.data.steps}, without a batch"
            )


def _names(channels: tuple[Any, ...]) -> str:
    return ", ".join(channel.name for channel in channels)
