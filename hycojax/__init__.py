"""Hybrid-cooperative learning of PDE parameters and neural surrogates, on JAX.

import hycojax as hj

result = hj.fit(hj.Experiment(...))
"""

__version__ = "0.2.0"

from hycojax import networks, physics
from hycojax.comparing import compare
from hycojax.data.files import Files, Together
from hycojax.data.first_states import Estimated, Known, Measured, Prior, Tie
from hycojax.data.formats.layouts import Layout
from hycojax.data.instruments import Blur, Gaussian, Line, Mean, Order, Student, Value
from hycojax.data.recordings import Film, Points, Recordings, System
from hycojax.data.regions import (
    Centre,
    Everywhere,
    MovingSensors,
    Range,
    Region,
    Scattered,
    Sensors,
)
from hycojax.data.simulated import Simulated
from hycojax.data.splits import LastPart, Share, Systems
from hycojax.data.times import AllFrames, Chosen, Endpoints, EveryNth, Times
from hycojax.errors import DivergedError, InputError, StoppedError
from hycojax.experiment import Experiment, Mode
from hycojax.fitting import fit
from hycojax.game.player import Early, Physical, Synthetic, Trust, Weights
from hycojax.game.schedule import Fresh, Interaction, Schedule
from hycojax.grid.domain import CLOSED, PERIODIC, Channel, Domain, Grid
from hycojax.grid.random_fields import Waves, random_field, random_flow
from hycojax.inference.losses import data_loss
from hycojax.models.coefficients import Coefficient, Unknown, UnknownField, coefficient
from hycojax.models.convergence import order_test
from hycojax.models.corrected import Corrected
from hycojax.models.pde import PDE, Setting
from hycojax.models.smoothness import Laplacian, Slope, Smoothness, TotalVariation
from hycojax.result import Result, Trained, load, rollout
from hycojax.run.loop import Logger
from hycojax.run.record import Record
from hycojax.solvers import LBFGS, Adam, JaxoptLBFGS, MultiStart

__all__ = [
    "CLOSED",
    "LBFGS",
    "PDE",
    "PERIODIC",
    "Adam",
    "AllFrames",
    "Blur",
    "Centre",
    "Channel",
    "Chosen",
    "Coefficient",
    "Corrected",
    "DivergedError",
    "Domain",
    "Early",
    "Endpoints",
    "Estimated",
    "EveryNth",
    "Everywhere",
    "Experiment",
    "Files",
    "Film",
    "Fresh",
    "Gaussian",
    "Grid",
    "InputError",
    "Interaction",
    "JaxoptLBFGS",
    "Known",
    "Laplacian",
    "LastPart",
    "Layout",
    "Line",
    "Logger",
    "Mean",
    "Measured",
    "Mode",
    "MovingSensors",
    "MultiStart",
    "Order",
    "Physical",
    "Points",
    "Prior",
    "Range",
    "Record",
    "Recordings",
    "Region",
    "Result",
    "Scattered",
    "Schedule",
    "Sensors",
    "Setting",
    "Share",
    "Simulated",
    "Slope",
    "Smoothness",
    "StoppedError",
    "Student",
    "Synthetic",
    "System",
    "Systems",
    "Tie",
    "Times",
    "Together",
    "TotalVariation",
    "Trained",
    "Trust",
    "Unknown",
    "UnknownField",
    "Value",
    "Waves",
    "Weights",
    "coefficient",
    "compare",
    "data_loss",
    "fit",
    "load",
    "networks",
    "order_test",
    "physics",
    "random_field",
    "random_flow",
    "rollout",
]
