"""Two substances that react and diffuse (Gray-Scott)."""

from __future__ import annotations

import enum
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Key

from hycojax.grid.domain import Channel, Domain, Grid
from hycojax.grid.random_fields import random_field
from hycojax.kernels.precision import real
from hycojax.models.coefficients import Coefficient, coefficient
from hycojax.physics.operators.fourier import Fourier
from hycojax.physics.pseudo_spectral import Modes, PseudoSpectral


class Seeding(enum.Enum):
    """Where there is catalyst at the start."""

    PATCHES = "patches"
    """In random patches, no two states alike."""
    DISC = "disc"
    """In a disc in the middle, of a tenth of the box in radius: every state alike."""


@dataclass(frozen=True)
class GrayScott(PseudoSpectral):
    """Substrate u and catalyst v: u + 2 v -> 3 v, fed and washed out.

        du/dt = D_u laplace u - u v^2 + f (1 - u)
        dv/dt = D_v laplace v + u v^2 - (f + k) v

    on a periodic box in 1 to 3 dimensions. Pseudo-spectral, of order 4 in time (`PseudoSpectral`):
    diffusion and decay are exact, u v^2 limits the step.

    State: concentrations u and v [1], means over cells. Good values: f 0.01 to 0.08, k 0.045 to
    0.07; spots are about 20 sqrt(D_u s) wide.

    Source: J. E. Pearson, "Complex patterns in a simple system", Science 261 (1993).
    """

    usual = 0.77  # (u + v / 2) v of rollouts comes to 0.88: where v is large, u is not

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

    def step_rate(self, domain: Grid, values: dict[str, Any], largest: Float[Array, " 2"]) -> Any:
        """Return half the slope of u v^2, in 1/s; 1.4 times as long steps would be stable."""
        u, v = largest
        return (u + v / 2) * v

    def linear(self, fourier: Fourier, values: dict[str, Any]) -> Float[Array, " channel *modes"]:
        """Return the decay by diffusion and by what is washed out, in 1/s."""
        feed, kill = values["feed"], values["kill"]
        u = fourier.decay(values["diffusivity_u"]) + feed
        return -jnp.stack([u, fourier.decay(values["diffusivity_v"]) + feed + kill])

    def tendency(
        self, fourier: Fourier, values: dict[str, Any], static: Array
    ) -> Callable[[Modes], Modes]:
        """Return (f - u v^2, u v^2)."""
        del static
        uniform = fourier.grid.dims * (0,)

        def rate(waves: Modes) -> Modes:
            u, v = fourier.values(waves)
            made = fourier.modes(u * v**2)
            fed = (-made).at[uniform].add(values["feed"] * np.prod(fourier.grid.shape))
            return jnp.stack([fed, made])

        return rate

    def draw(self, domain: Domain, key: Key[Array, ""]) -> Float[Array, "*shape 2"]:
        """Return catalyst, as the `seeding` says, in a box full of substrate."""
        if self.seeding is Seeding.DISC:
            inside = jnp.asarray(_disc(domain), real())
            return jnp.stack([1 - 0.5 * inside, 0.5 * inside], axis=-1)
        waves = random_field(key, domain, waves=3)
        patches = jax.nn.sigmoid(6 * (waves - 0.8))
        return jnp.stack([1 - 0.6 * patches, 0.4 * patches], axis=-1)


def _disc(domain: Domain) -> np.ndarray:
    """Return which cells lie in a disc in the middle."""
    pairs = zip(domain.centers(), domain.size, strict=True)
    square = sum((x - length / 2) ** 2 for x, length in pairs)
    return square <= (0.1 * min(domain.size)) ** 2
