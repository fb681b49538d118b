"""A cycle as large as the one by which the predecessor was timed: 34.8 s on two CPU cores.

    python -m hycojax.train profiling/burgers_cycle.py --trace

Burgers flow on 64 x 64 cells; an epoch of 17 recorded windows (and as many of the PDE's) with a
rollout of 4 steps for the plain UNet of 4 levels with 64 features; 10 fresh initial states, from
which the network shows the PDE as many steps; at most 10 iterations for the viscosity. The record
of the traced cycle has the time of its parts.
"""

import hycojax as hj

domain = hj.Domain(
    shape=(64, 64),
    size=(100.0, 100.0),
    boundary=hj.PERIODIC,
)

experiment = hj.Experiment(
    name="burgers-cycle",
    domain=domain,
    interval=1.0,
    physical=hj.Physical(
        model=hj.physics.Burgers(viscosity=hj.Unknown(start=1.0)),
        solver=hj.LBFGS(iterations=10),
        weights=hj.Weights(data=1.0, interaction=1.0),
        horizon=4,
        lesson_steps=4,
    ),
    synthetic=hj.Synthetic(
        model=hj.networks.UNet(levels=4, features=64, growth=1, block="plain"),
        solver=hj.Adam(learning_rate=1e-3, updates=1),
        weights=hj.Weights(data=1.0, interaction=1.0),
        horizon=4,
        batch=17,
    ),
    data=hj.Simulated(
        truth=hj.physics.Burgers(viscosity=0.5),
        training=1,
        validation=1,
        test=1,
        steps=20,
        refinement=2,
    ),
    schedule=hj.Schedule(warmup=1, cycles=6),
    interaction=hj.Interaction(alpha=10.0),
)
