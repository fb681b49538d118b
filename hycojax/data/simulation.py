"""Simulated recordings: the true system on a finer grid, averaged to the model's grid."""

from __future__ import annotations

from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Key

from hycojax.errors import InputError
from hycojax.kernels import programs
from hycojax.models import parameters as parameter
from hycojax.models.model import PhysicalModel, rollout

ROLES = ("training", "validation", "test")


def simulate(
    model: PhysicalModel, key: Key[Array, ""], counts: dict[str, int], steps: int, refinement: int
) -> dict[str, Float[np.ndarray, "simulation time *shape channels"]]:
    """Return `counts[role]` trajectories for each role that has any, no two from the same state.

    They are computed with the true parameters on a grid `refinement` times finer and with as much
    smaller time steps, so that the model which is fitted to them cannot be exact.

    Raises:
        InputError: The model has no more than one state to start from, so that simulations to
            validate or to test on would be those that are learned from.
    """

    present = [(i, role) for i, role in enumerate(ROLES) if counts[role]]
    keys = [jax.random.split(jax.random.fold_in(key, i), counts[role]) for i, role in present]
    program = programs.jit(_trajectories, programs.LOOP, static_argnums=(0, 2, 3))
    trajectories = np.asarray(program(model, jnp.concatenate(keys), steps, refinement))
    starts = trajectories[:, 0]
    if len(np.unique(starts.reshape(len(starts), -1), axis=0)) < len(starts):
        raise InputError(
            f"{len(starts)} simulations were asked for, but this physical model starts from the "
            "same state always: set data.training to 1, data.validation and data.test to 0"
        )
    ends = np.cumsum([counts[role] for _, role in present])[:-1]
    parts = np.split(trajectories, ends)
    return {role: part for (_, role), part in zip(present, parts, strict=True)}


def refine(model: PhysicalModel, refinement: int) -> PhysicalModel:
    """Return the model that the recordings are simulated with: finer in space and in time.

    Raises:
        ValueError: There the model does not work; the message says why.
    """
    try:
        return replace(model, domain=model.domain.refine(refinement), dt=model.dt / refinement)
    except ValueError as error:
        raise ValueError(
            f"data.refinement = {refinement}: on the finer grid of the recordings {error}"
        ) from error


def _trajectories(
    model: PhysicalModel, keys: Key[Array, " simulation"], steps: int, refinement: int
) -> Array:
    return jax.vmap(lambda key: _trajectory(model, key, steps, refinement))(keys)


def _trajectory(model: PhysicalModel, key: Key[Array, ""], steps: int, refinement: int) -> Array:
    fine = refine(model, refinement)
    path = rollout(fine, parameter.truths(fine), fine.sample(key), steps, stride=refinement)
    return model.domain.restrict(path, refinement)
