"""Heat conduction with an unknown diffusivity, seen in the middle half of a periodic box only.

    python -m hycojax.train experiments/heat.py [--mode synthetic|physical] [--seed N]

    python -m hycojax.compare experiments/heat.py

1.5 minutes on 2 CPU cores, of which 20 s compile (--mode synthetic 1 minute, physical 4 s). Seed 0:
diffusivity 0.998 (true 1, start 3); test nRMSE of the network 0.012, of the PDE 0.0005. Alone the
network, with as many updates, reaches 0.035. Seeds 0 to 2 are in the README.

The step is exact on every grid, so the finer grid of the recordings makes no difference here: it is
the noise and the hidden half that the players have to deal with.
"""

from hycojax.data.observation import Centre, Observation
from hycojax.experiment import Data, Experiment
from hycojax.game.player import Balance, Player, Weights
from hycojax.game.state import Schedule
from hycojax.grid.domain import Boundary, Domain
from hycojax.models.parameters import Parameter
from hycojax.networks.unet import UNet
from hycojax.physics import heat
from hycojax.solvers import LBFGS, Adam

domain = Domain(
    shape=(32, 32),
    size=(100.0, 100.0),
    boundary=Boundary.PERIODIC,
    channels=heat.CHANNELS,
)

experiment = Experiment(
    name="heat",
    domain=domain,
    physical=Player(
        model=heat.Heat(domain, dt=2.0, diffusivity=Parameter(true=1.0, start=3.0)),
        solver=LBFGS(iterations=10),
        weights=Weights(data=1.0, interaction=1.0, balance=Balance.ERRORS),
        horizon=4,
    ),
    synthetic=Player(
        model=UNet(domain, levels=2, features=12),
        solver=Adam(learning_rate=2e-3, updates=40),
        weights=Weights(data=1.0, interaction=1.0),
        horizon=4,
        batch=4,
    ),
    observation=Observation(region=Centre(fraction=0.5), noise=0.02),
    data=Data(training=4, validation=2, test=4, steps=24, refinement=2),
    schedule=Schedule(warmup=2, cycles=15),
)
