"""Clouds of a light substance whose buoyancy varies in space, seen in the middle half of the box.

    python -m hycojax.train experiments/navier_stokes.py [--mode synthetic|physical] [--seed N]
    python -m hycojax.compare experiments/navier_stokes.py

The buoyancy is a field, searched on a grid twice as coarse as the state's; its bends cost a little.
The recordings come from a grid twice as fine, with half the time step. Physical mode, seed
0: relative L2 error of the field 12 %, test nRMSE of the PDE 0.12. With a hundredth of that weight
of its bends the PDE makes up a field where it sees nothing, 105 % off; with a hundred times as much
it is 42 % off. The network reads coordinates: a cloud rises faster where the buoyancy is larger.
"""

from hycojax.data.observation import Centre, Observation
from hycojax.experiment import Data, Experiment
from hycojax.game.player import Balance, Player, Weights
from hycojax.game.state import Interaction, Schedule
from hycojax.grid.domain import Boundary, Domain
from hycojax.grid.random_fields import Waves
from hycojax.models.parameters import FieldParameter
from hycojax.models.smoothness import Laplacian
from hycojax.networks.unet import UNet
from hycojax.physics import navier_stokes
from hycojax.solvers import LBFGS, Adam

domain = Domain(
    shape=(32, 32),
    size=(100.0, 100.0),
    boundary=Boundary.CLOSED,
    channels=navier_stokes.channels(2),
)

experiment = Experiment(
    name="navier-stokes",
    domain=domain,
    physical=Player(
        model=navier_stokes.NavierStokes(
            domain,
            dt=1.5,
            buoyancy=FieldParameter(
                Waves(mean=0.1, amplitude=0.03),
                start=0.05,
                smoothness=Laplacian(weight=1e-6),
                coarsening=2,
            ),
        ),
        solver=LBFGS(iterations=10, tolerance=1e-5),
        weights=Weights(data=1.0, interaction=1.0, balance=Balance.MISFIT),
        horizon=4,
    ),
    synthetic=Player(
        model=UNet(domain, levels=3, features=12, coordinates=True),
        solver=Adam(learning_rate=4e-3, updates=60),
        weights=Weights(data=1.0, interaction=2.0),
        horizon=2,
        batch=4,
    ),
    observation=Observation(region=Centre(fraction=0.5), noise=0.02),
    data=Data(training=2, validation=2, test=4, steps=16, refinement=2),
    schedule=Schedule(warmup=2, cycles=10),
    interaction=Interaction(alpha=4.0),
)
