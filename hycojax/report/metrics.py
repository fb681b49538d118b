"""How good a rollout is, against a truth that is known in full."""

from __future__ import annotations

from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float

from hycojax.grid.domain import Domain
from hycojax.kernels.precision import magnitude


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class RolloutErrors:
    """Relative L2 errors of rollouts: over the whole box, its seen part, and its hidden part."""

    whole: Float[Array, "simulation time"]
    seen: Float[Array, "simulation time"]
    hidden: Float[Array, "simulation time"]


def rollout_errors(
    domain: Domain,
    prediction: Float[Array, "simulation time *shape channels"],
    truth: Float[Array, "simulation time *shape channels"],
    mask: Bool[Array, " time *shape"],
) -> RolloutErrors:
    """Return the relative L2 error of each simulation at each time but the first, about the mean.

        e(t) = ||(prediction - truth) / r|| / ||(truth - m) / r||

    over the dynamic channels of the cells in question. m is the mean of a channel over all of the
    truth, r the rms about it: so neither the zero of a unit nor its size counts, and 1 is the error
    of a model that predicts the mean. The mask says what is seen. Where there are no cells, as in
    the seen part of a frame that is not recorded, the error is NaN. Where a prediction is not
    finite, it is infinite.
    """
    dynamic = jnp.array(domain.dynamic)
    truth, prediction = truth[:, 1:, ..., dynamic], prediction[:, 1:, ..., dynamic]
    over = tuple(range(truth.ndim - 1))
    unit = magnitude(truth, over)
    truth, prediction = truth / unit, prediction / unit
    about = truth - jnp.mean(truth, over)
    rms = jnp.sqrt(jnp.mean(about**2, over))
    rms = jnp.where(rms > 0, rms, 1.0)
    off, size = ((prediction - truth) / rms) ** 2, (about / rms) ** 2

    def error(cells: np.ndarray) -> np.ndarray:
        axes = tuple(range(2, truth.ndim))
        far, wide = (jnp.sum(jnp.where(cells[..., None], x, 0), axes) for x in (off, size))
        found = jnp.sqrt(far / jnp.maximum(wide, 1e-12))
        found = jnp.where(jnp.isfinite(found), found, jnp.inf)
        some = cells.any(tuple(range(1, cells.ndim)))
        # On the host: a NaN of JAX's would stop those who look for one (`JAX_DEBUG_NANS`).
        return np.where(some, np.asarray(found), np.nan)

    seen = np.asarray(mask)[1:]
    return RolloutErrors(error(np.ones_like(seen)), error(seen), error(~seen))


def correlation(
    domain: Domain,
    prediction: Float[Array, "simulation time *shape channels"],
    truth: Float[Array, "simulation time *shape channels"],
) -> Float[Array, "simulation time"]:
    """Return Pearson's correlation with the truth at each time but the first.

    It is taken over the cells and dynamic channels, each channel about its mean and relative to the
    rms about it over all of the truth.
    """
    dynamic, cells = jnp.array(domain.dynamic), tuple(range(2, truth.ndim - 1))
    pair = [path[:, 1:, ..., dynamic] for path in (prediction, truth)]
    pair = [path - jnp.mean(path, cells, keepdims=True) for path in pair]
    rms = jnp.sqrt(jnp.mean(pair[1] ** 2, axis=tuple(range(truth.ndim - 1))))
    one, other = (path / jnp.where(rms > 0, rms, 1.0) for path in pair)
    axes = (*cells, truth.ndim - 1)
    sizes = jnp.sum(one**2, axes) * jnp.sum(other**2, axes)
    return jnp.sum(one * other, axes) / jnp.sqrt(jnp.maximum(sizes, 1e-24))
