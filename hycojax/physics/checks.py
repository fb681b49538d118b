"""What every PDE asks of its fields before it computes."""

from __future__ import annotations

import math
from typing import Any

from hycojax.grid.domain import Boundary, Channel
from hycojax.models import parameters as parameter
from hycojax.physics.operators import diffuse

#: More stages than this mean that a bound is far above what the data can need.
MOST_STAGES = 101


def check(
    model: Any,
    channels: tuple[Channel, ...],
    boundaries: tuple[Boundary, ...] = tuple(Boundary),
    dims: tuple[int, ...] = (1, 2, 3),
) -> None:
    """Check the domain, the time step and the coefficients of a physical model.

    Raises:
        ValueError: One of them does not suit; the message names it.
    """
    name, domain = type(model).__name__, model.domain
    if domain.dims not in dims:
        raise ValueError(f"domain.shape: {name} lives in {_either(dims)} dimensions")
    if domain.boundary not in boundaries:
        words = _either([b.value for b in boundaries])
        raise ValueError(f"domain.boundary: {name} needs a {words} box")
    if domain.channels != channels:
        names = ", ".join(c.name for c in channels)
        raise ValueError(f"domain.channels: {name} needs those of its module ({names})")
    if not (math.isfinite(model.dt) and model.dt > 0):
        raise ValueError(f"dt = {model.dt}: the time step must be positive")
    parameter.check(model)


def diffusion_stages(model: Any, name: str) -> int:
    """Return the stages that keep a diffusion step stable for all values of a coefficient.

    Raises:
        ValueError: There is no upper bound, or one that would ask for very many stages.
    """
    bound = parameter.largest(model, name)
    advice = f"set {name}.high, as an example to ten times its start"
    if math.isinf(bound):
        raise ValueError(f"{name} has no upper bound, for which its diffusion is stable: {advice}")
    stages = diffuse.stages(bound, model.dt, model.domain.dx)
    if stages > MOST_STAGES:
        raise ValueError(
            f"{name} up to {bound:g} needs {stages} diffusion stages a step: {advice}, or take a "
            f"smaller dt"
        )
    return stages


def _either(words) -> str:
    *most, last = map(str, words)
    return f"{', '.join(most)} or {last}" if most else last
