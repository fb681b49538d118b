"""A cycle as large as the one by which the predecessor was timed: 34.8 s on two CPU cores.

    python -m hycojax.train experiments/burgers_cycle.py --trace

Burgers flow on 64 x 64 cells; an epoch of 17 recorded windows (and as many of the PDE's) with a
rollout of 4 steps for the plain UNet of 4 levels with 64 features; 10 fresh initial states, from
which the network shows the PDE as many steps; at most 10 iterations for the viscosity. The record
of the traced cycle has the time of its parts.
"""

from hycojax.data.observation import Centre, Observation
from hycojax.experiment import Data, Experiment
from hycojax.game.player import Balance, Player, Weights
from hycojax.game.state import Interaction, Schedule
from hycojax.grid.domain import Boundary, Domain
from hycojax.models.parameters import Parameter
from hycojax.networks.unet import Block, UNet
from hycojax.physics import burgers
from hycojax.solvers import LBFGS, Adam

domain = Domain(
    shape=(64, 64),
    size=(100.0, 100.0),
    boundary=Boundary.PERIODIC,
    channels=burgers.channels(2),
)

experiment = Experiment(
    name="burgers-cycle",
    domain=domain,
    physical=Player(
        model=burgers.Burgers(domain, dt=1.0, viscosity=Parameter(true=0.5, start=1.0)),
        solver=LBFGS(iterations=10),
        weights=Weights(data=1.0, interaction=1.0, balance=Balance.ERRORS),
        horizon=4,
        lesson_steps=4,
    ),
    synthetic=Player(
        model=UNet(domain, levels=4, features=64, growth=1, block=Block.PLAIN),
        solver=Adam(learning_rate=1e-3, updates=1),
        weights=Weights(data=1.0, interaction=1.0),
        horizon=4,
        batch=17,
    ),
    observation=Observation(region=Centre(fraction=0.5), noise=0.02),
    data=Data(training=1, validation=1, test=1, steps=20, refinement=2),
    schedule=Schedule(warmup=1, cycles=6),
    interaction=Interaction(alpha=10.0),
)
