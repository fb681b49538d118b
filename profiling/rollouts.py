"""How far the rollouts of a trained model are from systems that it has not seen."""

from __future__ import annotations

import jax
import numpy as np
from jaxtyping import Float

import hycojax as hj
from hycojax.report import metrics


def error(
    trained: hj.Trained, paths: Float[np.ndarray, "simulation time *shape channels"]
) -> float:
    """Return the mean nRMSE over the whole box, of rollouts from exact first states."""
    roll = jax.vmap(hj.rollout(trained, paths.shape[1] - 1))
    values = np.asarray(roll(paths[:, 0].astype(np.float32)))
    everywhere = np.ones(paths.shape[1:-1], bool)
    off = metrics.rollout_errors(trained.model.domain, values, paths, everywhere)
    return float(np.mean(off.whole))
