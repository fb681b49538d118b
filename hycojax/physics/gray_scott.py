"""Two substances that react and diffuse (Gray-Scott)."""

from __future__ import annotations

import enum
import math
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Key

from hycojax.grid.domain import Boundary, Channel, Domain
from hycojax.grid.random_fields import random_field
from hycojax.models.coefficients import Coefficient, coefficient
from hycojax.models.pde import PDE, Setting
from hycojax.physics import phi
from hycojax.physics.operators import diffuse

#: Longest step of the reaction, in seconds, for concentrations up to 1 (rates up to 3 per second).
REACTION_STEP = 0.5


class Seeding(enum.Enum):
    """Where there is catalyst at the start."""

    PATCHES = "patches"
    """In random patches, no two states alike."""
    DISC = "disc"
    """In a disc in the middle, of a tenth of the box in radius: every state alike."""


@dataclass(frozen=True)
class GrayScott(PDE):
    """Substrate u and catalyst v: u + 2 v -> 3 v, fed and washed out.

        du/dt = D_u laplace u - u v^2 + f (1 - u)
        dv/dt = D_v laplace v + u v^2 - (f + k) v

    on a periodic box in 1 to 3 dimensions. Strang splitting, second order in time: half a step of
    reaction (Runge-Kutta 4, in sub-steps of at most 0.5 s), a step of diffusion that is exact in
    Fourier space, half a step of reaction. Stable for every dt.

    State: concentrations u and v [1] at cell centres. Good values: f 0.01 to 0.08, k 0.045 to 0.07;
    spots are about 20 sqrt(D_u s) wide.

    Source: J. E. Pearson, "Complex patterns in a simple system", Science 261 (1993).
    """

    boundaries = (Boundary.PERIODIC,)

    diffusivity_u: Coefficient = coefficient(0.16, unit="m²/s", low=0.0)
    """Diffusivity D_u, in m^2/s."""
    diffusivity_v: Coefficient = coefficient(0.08, unit="m²/s", low=0.0)
    """Diffusivity D_v, in m^2/s."""
    feed: Coefficient = coefficient(0.035, unit="1/s", low=0.0, high=0.3)
    """Rate f at which u is fed and all is washed out, in 1/s."""
    kill: Coefficient = coefficient(0.06, unit="1/s", low=0.0, high=0.3)
    """Rate k at which v decays besides, in 1/s."""
    seeding: Seeding = Seeding.PATCHES
    """Where there is catalyst at the start."""

    def channels(self, dims: int) -> tuple[Channel, ...]:
        """Return the channels of a state."""
        del dims  # the same in all
        return (Channel("u"), Channel("v"))

    def step(
        self, at: Setting, values: dict[str, Any], state: Float[Array, "*shape 2"]
    ) -> Float[Array, "*shape 2"]:
        """Return the state `at.dt` later."""
        with phi.precision(state):
            state = _react(values, state, at.dt / 2)
            diffused = [
                diffuse.fourier(phi.centered(at.domain, state[..., i]), values[name], at.dt)
                for i, name in enumerate(("diffusivity_u", "diffusivity_v"))
            ]
            state = jnp.stack([phi.cell_values(field) for field in diffused], axis=-1)
            return _react(values, state, at.dt / 2)

    def draw(self, domain: Domain, key: Key[Array, ""]) -> Float[Array, "*shape 2"]:
        """Return catalyst, as the `seeding` says, in a box full of substrate."""
        if self.seeding is Seeding.DISC:
            inside = jnp.asarray(_disc(domain), jnp.float32)
            return jnp.stack([1 - 0.5 * inside, 0.5 * inside], axis=-1)
        waves = random_field(key, domain, waves=3)
        patches = jax.nn.sigmoid(6 * (waves - 0.8))
        return jnp.stack([1 - 0.6 * patches, 0.4 * patches], axis=-1)


def _disc(domain: Domain) -> np.ndarray:
    """Return which cells lie in a disc in the middle."""
    pairs = zip(domain.centers(), domain.size, strict=True)
    square = sum((x - length / 2) ** 2 for x, length in pairs)
    return square <= (0.1 * min(domain.size)) ** 2


def _react(values: dict, state: Array, time: float) -> Array:
    """Return the state some time later, without diffusion."""
    count = math.ceil(time / REACTION_STEP)
    h = time / count

    def rate(s: Array) -> Array:
        u, v = s[..., 0], s[..., 1]
        made = u * v**2
        gain = values["feed"] * (1 - u) - made
        return jnp.stack([gain, made - (values["feed"] + values["kill"]) * v], axis=-1)

    def advance(s: Array, _: None) -> tuple[Array, None]:
        a = rate(s)
        b = rate(s + h / 2 * a)
        c = rate(s + h / 2 * b)
        d = rate(s + h * c)
        return s + h / 6 * (a + 2 * (b + c) + d), None

    return jax.lax.scan(advance, state, length=count)[0]
