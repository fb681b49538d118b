"""Physical models, one PDE a file. To add one: a dataclass that inherits `hycojax.models.pde.PDE`.

`operators` holds what their steps are made of, `phi` is the border to PhiFlow.
"""

from hycojax.physics.advection import Advection
from hycojax.physics.burgers import Burgers
from hycojax.physics.gray_scott import GrayScott
from hycojax.physics.heat import Heat
from hycojax.physics.inviscid_burgers import InviscidBurgers
from hycojax.physics.kolmogorov import Kolmogorov
from hycojax.physics.navier_stokes import NavierStokes
from hycojax.physics.phiflow import PhiFlowStep
from hycojax.physics.smoke import Smoke

__all__ = [
    "Advection",
    "Burgers",
    "GrayScott",
    "Heat",
    "InviscidBurgers",
    "Kolmogorov",
    "NavierStokes",
    "PhiFlowStep",
    "Smoke",
]
