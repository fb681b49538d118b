"""An experiment: everything that decides a result, as one frozen value, checked as a whole."""

from __future__ import annotations

import enum
import operator
import re
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from jaxtyping import Bool

from hycojax.data import views
from hycojax.data.recordings import Recorded, Recordings, Use
from hycojax.data.simulated import Simulated
from hycojax.data.splits import Systems
from hycojax.game import state as games
from hycojax.game.player import Physical, Synthetic
from hycojax.game.schedule import Fresh, Interaction, Schedule
from hycojax.game.state import NAMES, Game
from hycojax.grid.domain import Domain
from hycojax.models.corrected import Corrected
from hycojax.models.model import Model, Stepper
from hycojax.models.pde import PDE, BoundPDE
from hycojax.networks import Emulator, NeuralField
from hycojax.settings.checked import Checked, named
from hycojax.settings.numbers import with_fields
from hycojax.solvers import MultiStart

#: Intervals of a rollout in training, from complete states without noise.
_USUAL = 4
#: Steps of an interval that are taken unasked: units mixed up ask for millions.
_MOST_PIECES = 4096


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
class Extent:
    """How much is recorded for training.

    Attributes:
        simulations: Systems.
        steps: Intervals of the longest recording.
        whole: Whether complete states without noise are known at all frames.
        doublings: How often the time that the PDE fits may double, so that the first part tells
            something of what changes; None: as often as its player wants.
        largest: How large the values of each channel become, without their sign, where they are
            recorded; None: as large as drawn ones.
        apart: Whether the players see different recordings.
    """

    simulations: int
    steps: int
    whole: bool
    doublings: int | None = None
    largest: tuple[float, ...] | None = None
    apart: bool = False


@dataclass(frozen=True, kw_only=True)
class Experiment(Checked):
    """What is to be found out, and how. An experiment file makes one, named `experiment`.

    Raises:
        ValueError: Its parts do not fit together; the message names the field.
    """

    name: str
    """Name of its files: letters, digits, - and _."""
    domain: Domain
    """The box and its grid, for both models."""
    interval: float | None = None
    """Time from one frame to the next, in seconds: both models advance a state by it; None: that
    between the frames of the recordings."""
    physical: Physical
    """The player whose model is the PDE."""
    synthetic: Synthetic
    """The player whose model is the network."""
    data: Simulated | Recorded | None = None
    """What is known of the system: simulations that stand for it, or recordings; None: both players
    have recordings of their own."""
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
        if not any(getattr(self, name).weights.data for name in NAMES):
            raise ValueError(
                "weights.data = 0 for both players: nobody would learn from the recordings"
            )
        if isinstance(self.synthetic.solver, MultiStart):
            raise ValueError("synthetic.solver: MultiStart is for the physical player only")
        self._check_kinds()
        self._check_data()
        if self.simulated:
            self.settled()
        elif self.interval is not None:
            self._check_models()

    def settled(self, extent: Extent | None = None, interval: float | None = None) -> Experiment:
        """Return the experiment with what depends on the recordings settled, and checked.

        Args:
            extent: How much is recorded; None: what is simulated.
            interval: That of the recordings.

        Raises:
            ValueError: The experiment does not suit what is recorded.
        """
        if self.interval is None and interval is None:
            raise ValueError("interval: the time between frames is needed, in seconds")
        timed = self if self.interval is not None else _with(self, interval=interval)
        timed._check_models()
        extent = extent or timed._simulated_extent()
        about = extent.largest, self.physical.finer
        physics = self.physical.model.on(timed.domain, timed.interval, *about)
        timed._check_pieces(physics.at.pieces)
        found = _with(timed, physical=_settled(self.physical, extent, physics.at.pieces))
        if self.interaction.fresh is None:
            fresh = Fresh.SAMPLED if self.simulated else Fresh.MIXED
            found = _with(found, interaction=replace(self.interaction, fresh=fresh))
        if self.interaction.recorded is None:
            found = _with(found, interaction=replace(found.interaction, recorded=extent.apart))
        for player in NAMES:
            found._check_player(player, extent)
        if "physical" in self.mode.players:
            found._check_trajectories(extent)
        found._check_neural_field(extent)
        if self.simulated:
            found._check_observation()
        return found

    @property
    def simulated(self) -> bool:
        """Whether simulations stand for the system."""
        return isinstance(self.data, Simulated)

    @property
    def sources(self) -> dict[str, Recorded]:
        """What is recorded, by what messages call it; what both players see once."""
        own = {name: getattr(self, name).data for name in NAMES}
        titles = views.titles(own)
        return {titles[n]: self.data if data is None else data for n, data in own.items()}

    def read(self) -> Recordings:
        """Return what is recorded, with what each player sees of it if that is not the same.

        Raises:
            InputError: It can't be read; the message says where, and what to do.
        """
        return views.read(self.data, {name: getattr(self, name).data for name in NAMES})

    @property
    def use(self) -> Use:
        """How recordings are used, as far as it holds for both players."""
        return Use(**views.common(self.sources))

    @property
    def physics(self) -> BoundPDE:
        """The PDE on the domain."""
        with named("physical.model: "):
            return self.physical.model.on(self.domain, self.interval, finer=self.physical.finer)

    @property
    def finer_physics(self) -> BoundPDE | None:
        """The PDE on a grid and with a step twice as fine; None where it can't be solved there."""
        about = self.physics.at.pieces, self.physical.finer
        try:
            finer = self.physical.model.divided(2 * about[0])
            return finer.on(self.domain, self.interval, finer=2 * about[1])
        except ValueError:
            return None

    @property
    def surrogate(self) -> Model:
        """The network on the domain."""
        with named("synthetic.model: "):
            return self.synthetic.model.on(self.physics.domain, self.interval)

    @property
    def truth(self) -> BoundPDE:
        """The true system on the grid that its simulations are made on, of simulated data."""
        with named("data."):
            return self.data.bound(self.domain, self.interval)

    @property
    def simulation(self) -> tuple[Simulated, Domain, float, int]:
        """What decides the simulations: the arguments of `data.simulated.simulate`."""
        return self.data, self.domain, self.interval, self.seed

    def game(self) -> Game:
        """Return the game of those of the players that the mode names, settled if it is not."""
        found = self.settled() if self.simulated else self
        return games.game(
            replace(found.physical, model=found.physics, data=None),
            replace(found.synthetic, model=found.surrogate, data=None),
            found.schedule,
            found.interaction,
            found.mode.players,
        )

    def mask(self) -> Bool[np.ndarray, " time *shape"]:
        """Return what of a simulation is seen: which cells, in each frame."""
        with named("data."):
            return self.data.mask(self.domain)

    def _simulated_extent(self) -> Extent:
        data, mask = self.data, self.mask()
        whole = bool(mask.all()) and not data.noise and data.validation > 0
        return Extent(data.training, data.steps, whole)

    def _check_data(self) -> None:
        """Check that each player has something to learn from, and one use for all of it."""
        given = {name: getattr(self, name).data for name in NAMES}
        own = [name for name, data in given.items() if data is not None]
        if self.data is None and len(own) < len(NAMES):
            raise ValueError(
                "data: what is known of the system is needed, or data of their own for both players"
            )
        if own and any(isinstance(data, Simulated) for data in (self.data, *given.values())):
            raise ValueError(
                f"{own[0]}.data: simulations are seen by both players alike: give them to the "
                "experiment alone, or take recordings"
            )
        if self.data is not None and len(own) == len(NAMES):
            raise ValueError("data: both players have data of their own; leave it away")
        if not self.simulated:
            views.common(self.sources)

    def _check_kinds(self) -> None:
        """Check that the models are what they should be."""
        if not isinstance(self.physical.model, PDE | Corrected):
            raise ValueError(f"physical.model = {self.physical.model!r}: a PDE is needed")
        if not isinstance(self.synthetic.model, Emulator | NeuralField):
            raise ValueError(f"synthetic.model = {self.synthetic.model!r}: a network is needed")

    def _check_pieces(self, pieces: int) -> None:
        """Check that an interval takes no more steps than anyone means, if nobody chose them."""
        if self.physical.model.pieces is None and pieces > _MOST_PIECES:
            raise ValueError(
                f"interval = {self.interval:g} s: {pieces:,} stable steps make an interval, of "
                f"{_MOST_PIECES:,} at most: take a shorter one, check the units of time, or set "
                f"physical.model.{self.physical.model.divided_by}"
            )

    def _check_models(self) -> None:
        """Check that the models live on the domain."""
        physics, simulated = self.physics, self.simulated
        if simulated and "physical" in self.mode.players and not self.physical.model.learns:
            names = ", ".join(physics.units)
            raise ValueError(f"physical.model: nothing is unknown; give one a start ({names})")
        theirs = self.truth.channels if simulated else physics.channels
        if theirs != physics.channels:
            raise ValueError(
                f"data.truth: its channels ({_names(theirs)}) are not those of physical.model "
                f"({_names(physics.channels)})"
            )
        _ = self.surrogate

    def _check_player(self, name: str, extent: Extent) -> None:
        """Check that a player's rollouts fit into the recordings, and that it fits something."""
        player, steps = getattr(self, name), extent.steps
        if self.schedule.patience is not None and player.begin:
            raise ValueError(
                f"schedule.patience: the run could end before {name}.begin = {player.begin}; set "
                "one of them only"
            )
        for path in ("horizon", "early.horizon"):
            horizon = operator.attrgetter(path)(player) or 1
            if horizon > steps:
                raise ValueError(
                    f"{name}.{path} = {horizon}: longer than the recordings, which have {steps} "
                    "intervals"
                )
        longest = max(player.horizon, player.early.horizon or 1)
        if not longest <= (player.lesson_steps or longest) <= steps:
            raise ValueError(
                f"{name}.lesson_steps = {player.lesson_steps}: it must lie between the horizon, "
                f"{longest}, and the {steps} intervals of the recordings"
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
            for horizon in dict.fromkeys(p.horizon for p in map(player.at, turns)):
                self._check_windows(name, horizon, mask)

    def _check_windows(
        self, name: str, horizon: int, mask: Bool[np.ndarray, " time *shape"]
    ) -> None:
        """Check that a player's windows see something, as it trains in some of its turns."""
        player, steps = getattr(self, name), self.data.steps
        whole = player.batch is None or player.revert is not None  # windows that lie end to end
        end = steps // horizon * horizon if whole else steps
        if not mask[1 : end + 1].any():
            raise ValueError(
                f"{name}.horizon = {horizon}: nothing is seen in its windows, which end at frame "
                f"{end}; observe more, or take a horizon that divides data.steps = {steps}, or "
                f"other {name}.early turns"
            )

    def _check_trajectories(self, extent: Extent) -> None:
        """Check that the PDE's windows begin where a complete state is known."""
        player = self.physical
        if extent.whole:
            return
        if player.horizon != extent.steps or player.batch or player.early.horizon:
            raise ValueError(
                f"physical.horizon = {player.horizon}, batch = {player.batch}: where complete "
                "states without noise are not known at all frames, the PDE fits whole recordings "
                f"({extent.steps} intervals) from their first states; leave horizon, batch and "
                "early away"
            )

    def _check_neural_field(self, extent: Extent) -> None:
        """Check what a model needs that knows the recorded simulations only."""
        model = self.synthetic.model
        if isinstance(self.surrogate, Stepper):
            return
        given = {"simulations": extent.simulations, "steps": extent.steps}
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
        aside = self.data.validation if self.simulated else self.use.validation
        if isinstance(aside, Systems) or (self.simulated and aside):
            raise ValueError(
                "synthetic.model: it knows the training simulations only; set data.validation to 0"
                if self.simulated
                else "synthetic.model: it knows the training systems only; set data.validation to "
                "a share of the values"
            )


def _with(experiment: Experiment, **fields: Any) -> Experiment:
    """Return an experiment with other fields, unchecked."""
    return with_fields(experiment, **fields)


def _settled(player: Physical, extent: Extent, pieces: int) -> Physical:
    """Return the physical player with the pieces and the horizon that the recordings ask for."""
    steps = extent.steps
    horizon = player.horizon or (min(_USUAL, steps) if extent.whole else steps)
    doublings = int(np.log2(max(steps / 2, 1))) if horizon == steps else 0
    if extent.doublings is not None:
        doublings = min(doublings, extent.doublings)
    model = player.model.divided(pieces)
    return replace(player, model=model, horizon=horizon, growth=min(player.growth, doublings))


def _names(channels: tuple[Any, ...]) -> str:
    return ", ".join(channel.name for channel in channels)
