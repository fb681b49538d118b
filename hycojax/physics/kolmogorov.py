"""Kolmogorov flow: incompressible flow driven by a shear force."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Key

from hycojax.grid.domain import Channel, Domain, Grid, vector_channels
from hycojax.grid.random_fields import random_flow
from hycojax.models.coefficients import Coefficient, coefficient
from hycojax.physics import phi, pseudo_spectral
from hycojax.physics.operators.fluid import make_incompressible, without_divergence
from hycojax.physics.operators.fourier import Fourier
from hycojax.physics.pseudo_spectral import Modes, PseudoSpectral


@dataclass(frozen=True)
class Kolmogorov(PseudoSpectral):
    """Incompressible velocity u, driven by a force along x that waves along y.

        du/dt + u . grad u = -grad p + nu laplace u + F sin(2 pi n y / L_y) e_x,     div u = 0

    on a periodic box in 2 or 3 dimensions. Pseudo-spectral, of order 4 in time (`PseudoSpectral`),
    with u . grad u = div(u u) and the acceleration projected on what has no divergence.

    State: velocity u [m/s], means over lower faces, so that the flow out of a cell is exactly 0.
    Laminar flow u = F / (nu k^2) sin(k y) e_x, k = 2 pi n /
    L_y, is steady, and unstable above a Reynolds number u / (nu k) of about sqrt(2).

    Source: L. D. Meshalkin, Ya. G. Sinai, J. Appl. Math. Mech. 25 (1961).
    """

    dimensions = (2, 3)

    viscosity: Coefficient = coefficient(0.5, unit="m²/s", low=0.0)
    """Kinematic viscosity nu, in m^2/s."""
    forcing: Coefficient = coefficient(0.05, unit="m/s²")
    """Amplitude F of the force, in m/s^2."""
    waves: int = 4
    """Waves n of the force along y."""

    def __post_init__(self):
        super().__post_init__()
        if self.waves < 1:
            raise ValueError(f"waves = {self.waves}: at least 1 is needed")

    def channels(self, dims: int) -> tuple[Channel, ...]:
        """Return the components of the velocity, on lower faces."""
        return vector_channels("velocity", "m/s", dims, staggered=True)

    def plan(self, domain: Domain, dt: float) -> None:
        """Check that the grid resolves the force."""
        if self.waves > domain.shape[1] // 4:
            raise ValueError(
                f"waves = {self.waves}: at most a quarter of the cells along y is needed"
            )

    def step_rate(
        self, domain: Grid, values: dict[str, Any], largest: Float[Array, " dims"]
    ) -> Any:
        """Return the rate at which waves are carried, in 1/s."""
        return pseudo_spectral.courant_rate(domain, list(largest))

    def linear(self, fourier: Fourier, values: dict[str, Any]) -> Float[Array, " *modes"]:
        """Return the decay by viscosity, in 1/s."""
        return -fourier.decay(values["viscosity"])

    def tendency(
        self, fourier: Fourier, values: dict[str, Any], static: Array
    ) -> Callable[[Modes], Modes]:
        """Return P(F - div(u u)), with P the projection on what has no divergence."""
        del static
        force = values["forcing"] * self._profile(fourier)
        return lambda waves: _solenoidal(fourier, (-_flux(fourier, waves)).at[0].add(force))

    def admissible(
        self, domain: Grid, state: Float[Array, "*shape dims"]
    ) -> Float[Array, "*shape dims"]:
        """Return the state with the nearest velocity that has no divergence."""
        return without_divergence(domain, state, 0)

    def draw(self, domain: Domain, key: Key[Array, ""]) -> Float[Array, "*shape dims"]:
        """Draw a flow of long waves, 1 m/s on average (root mean square)."""
        faces = random_flow(key, domain, staggered=True)
        velocity, _ = make_incompressible(phi.staggered(domain, faces))
        return jnp.stack(phi.face_values(velocity), axis=-1)

    def _profile(self, fourier: Fourier) -> np.ndarray:
        """Return the waves of sin(2 pi n y / L_y) at cell centres."""
        height = (np.arange(fourier.grid.shape[1]) + 0.5) / fourier.grid.shape[1]
        wave = np.sin(2 * np.pi * self.waves * height)
        field = np.broadcast_to(
            wave.reshape(1, -1, *(1,) * (fourier.grid.dims - 2)), fourier.grid.shape
        )
        return np.fft.rfftn(field).astype(np.result_type(fourier.dtype, np.complex64))


def _flux(fourier: Fourier, waves: Modes) -> Modes:
    """Return div(u u) without grad(w^2), w the last component: that is a pressure's.

    So there is one product less to transform (C. Basdevant, J. Comput. Phys. 50, 1983).
    """
    dims = len(waves)
    u = fourier.values(waves)
    pairs = [(i, j) for i in range(dims) for j in range(i + 1)][:-1]
    v = u / fourier.unit  # u^2 could be too large
    products = [u[i] * v[i] - u[-1] * v[-1] if i == j else u[i] * v[j] for i, j in pairs]
    stress = dict(zip(pairs, fourier.modes(jnp.stack(products)), strict=True))
    return jnp.stack(
        [
            sum(
                fourier.slope_per_unit(stress[max(i, j), min(i, j)], j)
                for j in range(dims)
                if (max(i, j), min(i, j)) in stress
            )
            for i in range(dims)
        ]
    )


def _solenoidal(fourier: Fourier, waves: Modes) -> Modes:
    """Return what has no divergence of a vector: w - k (k . w) / |k|^2."""
    square = sum(k**2 for k in fourier.numbers)
    inverse = 1 / np.where(square > 0, square, 1)
    along = sum(k * w for k, w in zip(fourier.numbers, waves, strict=True)) * inverse
    return waves - jnp.stack([k * along for k in fourier.numbers])
