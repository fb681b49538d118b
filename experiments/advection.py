"""A tracer in a steady flow that is faster than it was measured, seen in the middle half of a box.

    python -m hycojax.train experiments/advection.py [--mode synthetic|physical] [--seed N]
    python -m hycojax.compare experiments/advection.py

The flow is known but for a factor on it. The recordings come from a grid twice as fine, with half
the time step. Physical mode, seed 0: factor 6 % off, which makes up for the coarse grid's error.
"""

from hycojax.data.observation import Centre, Observation
from hycojax.experiment import Data, Experiment
from hycojax.game.player import Balance, Player, Weights
from hycojax.game.state import Interaction, Schedule
from hycojax.grid.domain import Boundary, Domain
from hycojax.models.parameters import Parameter
from hycojax.networks.unet import UNet
from hycojax.physics import advection
from hycojax.solvers import LBFGS, Adam

domain = Domain(
    shape=(32, 32),
    size=(100.0, 100.0),
    boundary=Boundary.PERIODIC,
    channels=advection.channels(2),
)

experiment = Experiment(
    name="advection",
    domain=domain,
    physical=Player(
        model=advection.Advection(domain, dt=2.0, coefficient=Parameter(true=1.0, start=0.5)),
        solver=LBFGS(iterations=10, tolerance=1e-5),
        weights=Weights(data=1.0, interaction=1.0, balance=Balance.ERRORS),
        horizon=4,
    ),
    synthetic=Player(
        model=UNet(domain, levels=3, features=12),
        solver=Adam(learning_rate=4e-3, updates=40),
        weights=Weights(data=1.0, interaction=2.0),
        horizon=2,
        batch=8,
    ),
    observation=Observation(region=Centre(fraction=0.5), noise=0.02),
    data=Data(training=4, validation=2, test=4, steps=16, refinement=2),
    schedule=Schedule(warmup=2, cycles=10),
    interaction=Interaction(alpha=2.0),
)
