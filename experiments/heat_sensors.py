"""The heat problem of arXiv 2509.14123: sensors that move through a quarter of the box, two spots.

    python -m hycojax.train experiments/heat_sensors.py [--mode synthetic|physical] [--seed N]
    python -m hycojax.compare experiments/heat_sensors.py

3 minutes on 2 CPU cores. Seed 0: error of the solution 0.061 (network) and 0.062 (PDE); the first
spot 1.6 % off in strength, the second one, which no sensor comes near, 63 %.

One recorded simulation, as a function of space and time for the synthetic player. The other two
sensor fields of the paper: half of the box by

    --observation.region.low 1.5 1.5 --observation.region.centre 3.75 3.75

and all of it by `low 0 0` and `centre 3 3`.
"""

from hycojax.data.observation import MovingSensors, Observation
from hycojax.experiment import Data, Experiment
from hycojax.game.player import Balance, Player, Weights
from hycojax.game.state import Interaction, Schedule
from hycojax.grid.domain import Boundary, Domain
from hycojax.models.parameters import Parameter
from hycojax.networks.neural_field import NeuralField
from hycojax.physics import heat_spots
from hycojax.solvers import LBFGS, Adam

domain = Domain(
    shape=(24, 24),
    size=(6.0, 6.0),
    boundary=Boundary.CLOSED,
    channels=heat_spots.CHANNELS,
)

experiment = Experiment(
    name="heat-sensors",
    domain=domain,
    physical=Player(
        model=heat_spots.HeatSpots(
            domain,
            dt=0.01,
            strength_1=Parameter(true=3.0, start=1.0),
            strength_2=Parameter(true=2.5, start=1.0),
            x_1=Parameter(true=4.0, start=4.4),
            y_1=Parameter(true=4.0, start=1.7),
            x_2=Parameter(true=1.0, start=1.2),
            y_2=Parameter(true=1.0, start=1.9),
        ),
        solver=LBFGS(iterations=20),
        weights=Weights(data=1.0, interaction=1.0, balance=Balance.ERRORS),
        horizon=100,
    ),
    synthetic=Player(
        model=NeuralField(domain, simulations=1, steps=100),
        solver=Adam(learning_rate=3e-3, updates=100),
        weights=Weights(data=1.0, interaction=1.0),
        horizon=5,
        batch=4,
    ),
    observation=Observation(
        region=MovingSensors(low=(3.0, 3.0), high=(6.0, 6.0), centre=(4.5, 4.5), count=10)
    ),
    data=Data(training=1, validation=0, test=0, steps=100, refinement=2),
    schedule=Schedule(warmup=2, cycles=20),
    interaction=Interaction(alpha=0.0, recorded=True),
)
