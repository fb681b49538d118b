"""The Gray-Scott problem of arXiv 2509.14123: one recorded simulation, seen at 2.4 % of the points.

    python -m hycojax.train experiments/gray_scott_points.py [--mode synthetic|physical] [--seed N]
    python -m hycojax.compare experiments/gray_scott_points.py

Both diffusivities are unknown; 100 cells are seen, others in each frame. As in the paper the
recording is simulated by the model itself: the fronts are narrower than a cell, and a grid twice as
fine grows another pattern (relative error above 1 after half of the time, with the true values).
Over all 50 steps the loss has a local minimum 3 % off, where the best of six starts ended. The
search therefore fits 6 steps at first, then more and more: it finds both diffusivities to 1e-4.
"""

from hycojax.data.observation import Observation, Scattered
from hycojax.experiment import Data, Experiment
from hycojax.game.player import Balance, Early, Player, Weights
from hycojax.game.state import Interaction, Schedule
from hycojax.grid.domain import Boundary, Domain
from hycojax.models.parameters import Parameter
from hycojax.networks.neural_field import NeuralField
from hycojax.physics import gray_scott
from hycojax.solvers import LBFGS, Adam

domain = Domain(
    shape=(64, 64),
    size=(100.0, 100.0),
    boundary=Boundary.PERIODIC,
    channels=gray_scott.CHANNELS,
)

experiment = Experiment(
    name="gray-scott-points",
    domain=domain,
    physical=Player(
        model=gray_scott.GrayScott(
            domain,
            dt=40.0,
            diffusivity_u=Parameter(true=0.2, start=0.1),
            diffusivity_v=Parameter(true=0.08, start=0.05),
            feed=Parameter(true=0.018),
            kill=Parameter(true=0.051),
            pieces=20,
            seeding=gray_scott.Seeding.DISC,
        ),
        solver=LBFGS(iterations=30),
        weights=Weights(data=1.0, interaction=1.0, balance=Balance.ERRORS),
        horizon=50,
        early=Early(cycles=4, horizon=6, stages=4, first=True),
    ),
    synthetic=Player(
        model=NeuralField(domain, simulations=1, steps=50),
        solver=Adam(learning_rate=2e-3, updates=300),
        weights=Weights(data=1.0, interaction=1.0, balance=Balance.ERRORS),
        horizon=1,
        batch=5,
    ),
    observation=Observation(region=Scattered(fraction=100 / 4096, anew=True)),
    data=Data(training=1, validation=0, test=0, steps=50, refinement=1),
    schedule=Schedule(warmup=4, cycles=8),
    interaction=Interaction(alpha=0.0, recorded=True),
)
