"""How many stages an explicit diffusion needs, worked out before anything is traced."""

from __future__ import annotations

import math
from typing import Any

from hycojax.grid.domain import Domain
from hycojax.models import coefficients
from hycojax.physics.operators import diffuse

#: More stages than this mean that a bound is far above what the data can need.
MOST_STAGES = 101


def diffusion_stages(pde: Any, name: str, domain: Domain, dt: float) -> int | None:
    """Return the stages that keep a diffusion step stable for all values of a coefficient.

    None for a coefficient that is one number, whose diffusion is exact and needs no stages.

    Raises:
        ValueError: There is no upper bound, or one that would ask for very many stages.
    """
    if not coefficients.is_field(getattr(pde, name)):
        return None
    bound = coefficients.largest(pde, name, domain)
    advice = f"set {name}.high, as an example to ten times its start"
    if math.isinf(bound):
        raise ValueError(f"{name} has no upper bound, for which its diffusion is stable: {advice}")
    stages = diffuse.stages(bound, dt, domain.dx)
    if stages > MOST_STAGES:
        raise ValueError(
            f"{name} up to {bound:g} needs {stages} diffusion stages a step: {advice}, or take "
            f"more pieces"
        )
    return stages
