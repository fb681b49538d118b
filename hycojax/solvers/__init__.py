"""Optimisers behind one interface: `from hycojax.solvers import Adam, LBFGS`."""

from hycojax.solvers.adam import Adam
from hycojax.solvers.jaxopt import JaxoptLBFGS
from hycojax.solvers.lbfgs import LBFGS
from hycojax.solvers.multistart import MultiStart
from hycojax.solvers.solver import CORRECTION, INITIAL_STATES, Objective, Reason, Solver, Terms

__all__ = [
    "CORRECTION",
    "INITIAL_STATES",
    "LBFGS",
    "Adam",
    "JaxoptLBFGS",
    "MultiStart",
    "Objective",
    "Reason",
    "Solver",
    "Terms",
]
