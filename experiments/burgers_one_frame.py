"""A whole trajectory from one frame of it: a wave has become a shock, how did it begin?

    python -m hycojax.train experiments/burgers_one_frame.py

A velocity in a periodic box of 2 m is -sin(pi x) at the start. Nobody knows that: only its 128
values after half a second are seen, where the wave has steepened to a shock a cell wide
(experiments/data/shock.npz, by an independent solver: experiments/data/make_shock.py). The first
state is estimated, and from it follow the 32 steps of a second. The viscosity of 0.01 / pi m^2/s is
known.

A minute on 2 CPU cores, most of which compiles. Mean absolute error over the whole trajectory:
0.008 m/s, of a wave of 1 m/s. That takes a prior which says how long waves are: with the default,
a length by the frame that is seen, it is 0.031 m/s. From the true first state the step itself is
0.002 m/s off, which is why the frame is given a sigma of 0.02 m/s.

The problem is that of N. Thuerey et al., "Physics-based Deep Learning", arXiv 2109.05237, chapter
"Burgers optimization with a differentiable physics gradient".
"""

from pathlib import Path

import numpy as np

import hycojax as hj

experiment = hj.Experiment(
    name="burgers-one-frame",
    domain=hj.Domain(shape=(128,), size=(2.0,), boundary=hj.PERIODIC, origin=(-1.0,)),
    interval=1 / 32,
    physical=hj.Physical(
        model=hj.physics.Burgers(
            viscosity=0.01 / np.pi,
            fronts="limited",  # the shock is thinner than a cell
            pieces=2,
        ),
        solver=hj.LBFGS(iterations=200, memory=30),
        growth=0,
    ),
    synthetic=hj.Synthetic(hj.networks.ConvNet(), hj.Adam()),
    data=hj.Files(
        Path(__file__).parent / "data" / "shock.npz",
        channels={"velocity_x": "seen"},
        sigma={"velocity_x": 0.02},
        begin=0.0,
        # A wave as long as the box, of about 1 m/s: alike over half of its length.
        first=hj.Estimated(priors={"velocity_x": hj.Prior(mean=0.0, amplitude=0.7, length=1.0)}),
    ),
    mode=hj.Mode.PHYSICAL,
    schedule=hj.Schedule(warmup=0, cycles=3),
)
