"""Burgers flow whose viscosity is an unknown field, from noisy sensors in a quarter of the cells.

    python -m hycojax.train experiments/burgers.py [--mode hybrid|synthetic] [--seed N]

1 minute on 2 CPU cores, of which 20 s compile. Seed 0: relative L2 error of the field 4.6 % (50 %
at the start), test nRMSE of the PDE 0.013. Only the PDE is trained unless a mode says otherwise.

The field is searched on a grid twice as coarse as the state's, its bends cost a little, and the
first frames, recorded with 5 % noise like all others, are estimated too. The recordings come from a
grid twice as fine, with half the time step. Four starts end within 0.1 % of each other: what is
left is the noise and the coarser grid.
"""

from hycojax.data.observation import Observation, Scattered
from hycojax.experiment import Data, Experiment, Mode
from hycojax.game.player import Balance, Player, Weights
from hycojax.game.state import Interaction, Schedule
from hycojax.grid.domain import Boundary, Domain
from hycojax.grid.random_fields import Waves
from hycojax.models.parameters import FieldParameter
from hycojax.models.smoothness import Laplacian
from hycojax.networks.unet import UNet
from hycojax.physics import burgers
from hycojax.solvers import LBFGS, Adam, MultiStart

domain = Domain(
    shape=(32, 32),
    size=(100.0, 100.0),
    boundary=Boundary.PERIODIC,
    channels=burgers.channels(2),
)

experiment = Experiment(
    name="burgers",
    domain=domain,
    physical=Player(
        model=burgers.Burgers(
            domain,
            dt=1.0,
            viscosity=FieldParameter(
                Waves(mean=4.0, amplitude=1.0),
                start=2.0,
                high=20.0,
                smoothness=Laplacian(weight=1e-8),
                coarsening=2,
            ),
        ),
        solver=MultiStart(LBFGS(iterations=40), members=4, spread=0.3),
        weights=Weights(data=1.0, interaction=0.1, balance=Balance.ERRORS),
        horizon=12,
        initial_states=True,
    ),
    synthetic=Player(
        model=UNet(domain, levels=3, features=12),
        solver=Adam(learning_rate=4e-3, updates=30),
        weights=Weights(data=1.0, interaction=2.0),
        horizon=2,
        batch=8,
    ),
    observation=Observation(region=Scattered(fraction=0.25), noise=0.05),
    data=Data(training=4, validation=2, test=4, steps=12, refinement=2),
    schedule=Schedule(warmup=1, cycles=4),
    interaction=Interaction(alpha=1.0),
    mode=Mode.PHYSICAL,
)
