"""How large waves of first states are before anything is measured: learned as the search goes on.

The prior has a guessed spectrum; shells of waves have their amplitude multiplied by a factor rho
each. From all measurements, over all of the time, follows

    rho^2 <- rho^2 sum |w|^2 / gamma,    gamma = N - tr(Sigma)

over the N waves of a shell, with w the numbers that are normal by the prior, at the best of the
posterior, and Sigma their covariance there: gamma waves are told by the measurements. Its fixed
point is the maximum of the evidence. Without it sensors see waves that are not there: with 40 of
them a diffusivity came out 16 % too low.

Source: MacKay, "Bayesian interpolation", Neural Comput. 4 (1992), section 4.
"""

from __future__ import annotations

from dataclasses import replace

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from hycojax.data.observations import First, Observations
from hycojax.grid import filters
from hycojax.grid.domain import Grid

#: Waves that count beside those of a shell: few measurements change little.
_CAUTION = 0.5
#: A factor stays above this and below its inverse; in one step its square does.
_LEAST = 0.1


def untold(first: First) -> Float[Array, "channels shell"] | None:
    """Return the factors before anything is learned; None without a prior."""
    if first.shells is None:
        return None
    return jnp.ones((len(first.shells), filters.SHELLS), first.mean.dtype)


def shaped(first: First, factors: Float[Array, "channels shell"] | None) -> First:
    """Return first states with the prior multiplied by factors."""
    if factors is None or first.sizes is None:
        return first
    padded = jnp.pad(factors, ((0, 0), (0, 1)), constant_values=1)  # the last: as the user says
    by = [own[shell] for own, shell in zip(padded, first.shells, strict=True)]
    sizes = tuple(size / rho for size, rho in zip(first.sizes, by, strict=True))
    return replace(first, sizes=sizes)


def known(data: Observations, factors: Float[Array, "channels shell"] | None) -> Observations:
    """Return what is known of a system, with the prior of its first states multiplied."""
    first = shaped(data.training.first, factors)
    return replace(data, training=replace(data.training, first=first))


def learned(
    grid: Grid,
    first: First,
    factors: Float[Array, "channels shell"],
    numbers: Float[Array, "simulation *shape channels"],
    samples: Float[Array, "sample simulation *shape channels"],
    signs: Float[Array, "sample simulation *shape channels"],
) -> Float[Array, "channels shell"]:
    """Return the factors after one step.

    Args:
        grid: The box.
        first: The first states with the prior as it is now (`shaped`).
        factors: Its factors.
        numbers: Those of the search at its best, q; w = S q by `first_guess.normal`.
        samples: Samples x of q about its best: the mean of |S x|^2 is the trace of Sigma.
        signs: Random signs that these are x = S^-1 signs of, where nothing is measured.
    """
    waves = len(numbers) * jnp.asarray(filters.waves_in_shells(grid), numbers.dtype)
    found = []
    for c, (size, shell) in enumerate(zip(first.sizes, first.shells, strict=True)):
        e, x, q = (a[..., c] for a in (signs, samples, numbers))
        square = _by_shell(grid, shell, size**2, q, q)
        # The ratio of two estimates is exact where all is told and where nothing is.
        doubt = _by_shell(grid, shell, size**2, x, x) / _by_shell(grid, shell, 1.0, e, e)
        told = waves * (1 - jnp.clip(jnp.nan_to_num(doubt, nan=1.0), 0, 1))
        step = (square + _CAUTION) / (told + _CAUTION)
        found.append(jnp.sqrt(jnp.clip(step, _LEAST, 1 / _LEAST)))
    return jnp.clip(factors * jnp.stack(found), _LEAST, 1 / _LEAST)


def _by_shell(
    grid: Grid, shell: Array, factor: Array | float, one: Array, other: Array
) -> Float[Array, " shell"]:
    """Return the products of two fields, summed over the waves of each shell, with a factor."""
    cells = one.reshape(-1, *grid.shape), other.reshape(-1, *grid.shape)

    def product(number: Array) -> Array:
        within = jnp.where(shell == number, factor, 0.0)
        part = jax.vmap(lambda field: filters.filtered(grid, within, field))(cells[0])
        return jnp.vdot(part, cells[1])

    return jax.lax.map(product, jnp.arange(filters.SHELLS))
