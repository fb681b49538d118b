"""Two substances that react and diffuse (Gray-Scott)."""

from __future__ import annotations

import enum
import math
from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Key

from hycojax.grid.domain import Boundary, Channel, Domain
from hycojax.grid.random_fields import random_field
from hycojax.models import parameters as parameter
from hycojax.models.model import PhysicalModel, SharedDomain
from hycojax.models.parameters import Parameter, quantity
from hycojax.physics import phi
from hycojax.physics.checks import check
from hycojax.physics.operators import diffuse

CHANNELS = (Channel("u"), Channel("v"))

#: Longest step of the reaction, in seconds, for concentrations up to 1 (rates up to 3 per second).
REACTION_STEP = 0.5


class Seeding(enum.Enum):
    """Where there is catalyst at the start."""

    PATCHES = "patches"
    """In random patches, no two states alike."""
    DISC = "disc"
    """In a disc in the middle, of a tenth of the box in radius: every state alike."""


@dataclass(frozen=True)
class GrayScott(PhysicalModel):
    """Substrate u and catalyst v: u + 2 v -> 3 v, fed and washed out.

        du/dt = D_u laplace u - u v^2 + f (1 - u)
        dv/dt = D_v laplace v + u v^2 - (f + k) v

    on a periodic box in 1 to 3 dimensions. Strang splitting, second order in time: half a step of
    reaction (Runge-Kutta 4, in sub-steps of at most 0.5 s), a step of diffusion that is exact in
    Fourier space, half a step of reaction. Stable for every dt; a longer one may be cut in pieces.

    State: concentrations u and v [1] at cell centres. Good values: f 0.01 to 0.08, k 0.045 to 0.07;
    spots are about 20 sqrt(D_u s) wide.

    Source: J. E. Pearson, "Complex patterns in a simple system", Science 261 (1993).
    """

    domain: SharedDomain
    dt: float = 1.0
    """Time step, in seconds."""
    diffusivity_u: Parameter = quantity(0.16, unit="m²/s", low=0.0)
    """Diffusivity D_u, in m^2/s."""
    diffusivity_v: Parameter = quantity(0.08, unit="m²/s", low=0.0)
    """Diffusivity D_v, in m^2/s."""
    feed: Parameter = quantity(0.035, unit="1/s", low=0.0, high=0.3)
    """Rate f at which u is fed and all is washed out, in 1/s."""
    kill: Parameter = quantity(0.06, unit="1/s", low=0.0, high=0.3)
    """Rate k at which v decays besides, in 1/s."""
    pieces: int = 1
    """Equal pieces of a time step that are split each for itself."""
    seeding: Seeding = Seeding.PATCHES
    """Where there is catalyst at the start."""

    def __post_init__(self):
        check(self, CHANNELS, (Boundary.PERIODIC,))
        if self.pieces < 1:
            raise ValueError(f"pieces = {self.pieces}: at least 1 is needed")

    def forward(
        self, params: dict[str, Array], state: Float[Array, "*shape 2"]
    ) -> Float[Array, "*shape 2"]:
        """Return the state `dt` later."""
        values = parameter.coefficients(self, params)
        if self.pieces == 1:
            return self._split(values, state)
        pieces = jnp.arange(self.pieces)
        return jax.lax.scan(lambda s, _: (self._split(values, s), None), state, pieces)[0]

    def sample(self, key: Key[Array, ""]) -> Float[Array, "*shape 2"]:
        """Return catalyst, as the `seeding` says, in a box full of substrate."""
        if self.seeding is Seeding.DISC:
            inside = jnp.asarray(_disc(self.domain), jnp.float32)
            return jnp.stack([1 - 0.5 * inside, 0.5 * inside], axis=-1)
        waves = random_field(key, self.domain, waves=3)
        patches = jax.nn.sigmoid(6 * (waves - 0.8))
        return jnp.stack([1 - 0.6 * patches, 0.4 * patches], axis=-1)

    def _split(self, values: dict, state: Array) -> Array:
        """Return the state after a piece of a step: reaction, diffusion, reaction."""
        h = self.dt / self.pieces
        with phi.precision(state):
            state = _react(values, state, h / 2)
            diffused = [
                diffuse.fourier(phi.centered(self.domain, state[..., i]), values[name], h)
                for i, name in enumerate(("diffusivity_u", "diffusivity_v"))
            ]
            state = jnp.stack([phi.cell_values(field) for field in diffused], axis=-1)
            return _react(values, state, h / 2)


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

    for _ in range(count):
        a = rate(state)
        b = rate(state + h / 2 * a)
        c = rate(state + h / 2 * b)
        d = rate(state + h * c)
        state = state + h / 6 * (a + 2 * (b + c) + d)
    return state
