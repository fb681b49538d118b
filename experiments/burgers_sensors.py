"""A viscosity from 40 sensors with clocks of their own; nobody knows the first state.

    python -m hycojax.inspect experiments/data/sensors.csv
    python -m hycojax.train experiments/burgers_sensors.py

The recordings are a table (experiments/data/sensors.csv): time, place, and both components of the
velocity, with a noise of 0.02 m/s. An independent solver made them, with a viscosity of 0.03 m^2/s
(experiments/data/make_sensors.py). The PDE's first state is estimated together with the viscosity.

2 minutes on 2 CPU cores, of which 1 compiles. Seed 0: 0.0301 +- 0.0002 m^2/s; held-out chi2 1.4 per
value. What limits it is the noise: grid and step move the viscosity by less than 0.01 %.
"""

from pathlib import Path

import hycojax as hj

experiment = hj.Experiment(
    name="burgers-sensors",
    domain=hj.Domain(shape=(32, 32), size=(1.0, 1.0), boundary=hj.PERIODIC),
    interval=0.02,
    physical=hj.Physical(
        model=hj.physics.Burgers(viscosity=hj.Unknown(start=0.1, high=1.0), pieces=2),
        solver=hj.LBFGS(),
    ),
    synthetic=hj.Synthetic(
        model=hj.networks.UNet(levels=2, features=12),
        solver=hj.Adam(learning_rate=4e-3, updates=40),
        batch=8,
    ),
    data=hj.Files(
        Path(__file__).parent / "data" / "sensors.csv",
        sigma={"velocity_x": 0.02, "velocity_y": 0.02},
        begin=0.0,
    ),
    mode=hj.Mode.PHYSICAL,
    schedule=hj.Schedule(warmup=0, cycles=4),
)
