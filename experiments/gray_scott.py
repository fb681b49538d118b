"""Catalyst and substrate whose diffusivities are unknown, seen in the middle half of a box.

    python -m hycojax.train experiments/gray_scott.py [--mode synthetic|physical] [--seed N]
    python -m hycojax.compare experiments/gray_scott.py

Feed and kill are known. The recordings come from a grid twice as fine, with half the time step.
Physical mode, seed 0: D_u 1 % off, D_v 0.1 %; test nRMSE 0.014. A time step is made in four pieces:
in one its splitting alone would be 8 % off, and the diffusivities would make up for it.
"""

from hycojax.data.observation import Centre, Observation
from hycojax.experiment import Data, Experiment
from hycojax.game.player import Balance, Player, Weights
from hycojax.game.state import Interaction, Schedule
from hycojax.grid.domain import Boundary, Domain
from hycojax.models.parameters import Parameter
from hycojax.networks.unet import UNet
from hycojax.physics import gray_scott
from hycojax.solvers import LBFGS, Adam

domain = Domain(
    shape=(32, 32),
    size=(40.0, 40.0),
    boundary=Boundary.PERIODIC,
    channels=gray_scott.CHANNELS,
)

experiment = Experiment(
    name="gray-scott",
    domain=domain,
    physical=Player(
        model=gray_scott.GrayScott(
            domain,
            dt=10.0,
            diffusivity_u=Parameter(true=0.16, start=0.4),
            diffusivity_v=Parameter(true=0.08, start=0.2),
            pieces=4,
        ),
        solver=LBFGS(iterations=10, tolerance=1e-5),
        weights=Weights(data=1.0, interaction=1.0, balance=Balance.ERRORS),
        horizon=4,
    ),
    synthetic=Player(
        model=UNet(domain, levels=3, features=12),
        solver=Adam(learning_rate=4e-3, updates=60),
        weights=Weights(data=1.0, interaction=2.0),
        horizon=4,
        batch=4,
    ),
    observation=Observation(region=Centre(fraction=0.5), noise=0.02),
    data=Data(training=2, validation=2, test=4, steps=16, refinement=2),
    schedule=Schedule(warmup=2, cycles=10),
    interaction=Interaction(alpha=4.0),
)
