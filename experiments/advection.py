"""A tracer in a steady flow that is faster than it was measured, seen in the middle half of a box.

    python -m hycojax.train experiments/advection.py [--mode synthetic|physical] [--seed N]
    python -m hycojax.compare experiments/advection.py

The flow is known but for a factor on it. The recordings come from a grid twice as fine, with half
the time step. Physical mode, seed 0: factor 1.0 % off, 0.5 % of which are the coarse grid's, as the
summary tells; test nRMSE of the PDE 0.19, as the flow draws the tracer out to less than a cell.
"""

import hycojax as hj

domain = hj.Domain(
    shape=(32, 32),
    size=(100.0, 100.0),
    boundary=hj.PERIODIC,
)

experiment = hj.Experiment(
    name="advection",
    domain=domain,
    interval=2.0,
    physical=hj.Physical(
        model=hj.physics.Advection(coefficient=hj.Unknown(start=0.5)),
        solver=hj.LBFGS(iterations=10, tolerance=1e-5),
        weights=hj.Weights(data=1.0, interaction=1.0),
    ),
    synthetic=hj.Synthetic(
        model=hj.networks.UNet(levels=3, features=12),
        solver=hj.Adam(learning_rate=4e-3, updates=40),
        weights=hj.Weights(data=1.0, interaction=2.0),
        horizon=2,
        batch=8,
    ),
    data=hj.Simulated(
        truth=hj.physics.Advection(coefficient=1.0),
        training=4,
        validation=2,
        test=4,
        steps=16,
        refinement=2,
        region=hj.Centre(fraction=0.5),
        noise=0.02,
    ),
    schedule=hj.Schedule(warmup=2, cycles=10),
    interaction=hj.Interaction(alpha=2.0),
)
