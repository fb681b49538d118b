"""A smoke plume whose buoyancy is unknown, seen in the middle half of the box only.

    python -m hycojax.train experiments/smoke.py [--mode synthetic|physical] [--seed N]

    python -m hycojax.compare experiments/smoke.py

4 to 6 minutes on 2 CPU cores, of which 2 compile. Physical mode, seed 0, 1.5 minutes: buoyancy
0.1001 (true 0.1, start 0.3); test nRMSE of the PDE 0.006. The recordings come from a grid twice as
fine, with half the time step.
"""

import hycojax as hj

domain = hj.Domain(
    shape=(32, 32),
    size=(100.0, 100.0),
    boundary=hj.CLOSED,
)

experiment = hj.Experiment(
    name="smoke",
    domain=domain,
    interval=1.25,
    physical=hj.Physical(
        model=hj.physics.Smoke(buoyancy=hj.Unknown(start=0.3)),
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
        truth=hj.physics.Smoke(buoyancy=0.1),
        training=2,
        validation=2,
        test=4,
        steps=24,
        refinement=2,
        region=hj.Centre(fraction=0.5),
        noise=0.02,
    ),
    schedule=hj.Schedule(warmup=2, cycles=15),
    interaction=hj.Interaction(alpha=4.0),
)
