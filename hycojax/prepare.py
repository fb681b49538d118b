"""What a run starts from: simulations, what is seen of them, the game before it begins."""

from __future__ import annotations

import hashlib
import inspect
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from hycojax import __version__
from hycojax.data import store
from hycojax.data.observation import hold_out, observe
from hycojax.data.simulation import ROLES, simulate
from hycojax.data.store import Simulations
from hycojax.errors import InputError
from hycojax.experiment import Experiment, as_dict
from hycojax.game import state as games
from hycojax.game.state import Game, Recordings, TrainingState
from hycojax.grid import random_fields as waves
from hycojax.kernels import programs
from hycojax.physics import operators

# Packages whose version changes the simulated numbers.
_PACKAGES = ("phiflow", "phiml", "jax")
# Streams of random numbers under an experiment's seed.
_SIMULATIONS, _NOISE, _TRAINING = range(3)


def provenance(experiment: Experiment) -> dict[str, Any]:
    """Return all that decides the simulated numbers: equal provenance, equal data."""
    model = experiment.physical.model
    physics = as_dict(model)
    for value in physics.values():
        if isinstance(value, dict):
            for name in ("start", "prior"):  # where a search begins does not touch the data
                value.pop(name, None)
    data = as_dict(experiment.data)
    data.pop("held_out")  # nor does what is not learned from
    files = [Path(inspect.getfile(type(model))), *Path(operators.__file__).parent.glob("*.py")]
    code = "".join(file.read_text() for file in sorted([*files, Path(waves.__file__)]))
    return {
        "physics": physics,
        "data": data,
        "seed": experiment.seed,
        "code": hashlib.sha256(code.encode()).hexdigest(),
        "versions": {"hycojax": __version__, **{name: version(name) for name in _PACKAGES}},
    }


def simulations(experiment: Experiment, path: Path | None = None) -> tuple[Simulations, Path]:
    """Return the simulations of an experiment and their file, which is made if there is none.

    Raises:
        InputError: The file holds something else, or the true solver produced no finite numbers.
    """
    origin = provenance(experiment)
    path = path or Path("data") / f"{experiment.name}-{store.digest(origin)}.h5"
    found = store.read(path, origin)
    if found is not None:
        return found, path
    if path.exists():
        raise InputError(
            f"{path} holds simulations of another origin: choose another, or remove it"
        )
    programs.keep()
    data = experiment.data
    counts = {role: getattr(data, role) for role in ROLES}
    key = jax.random.fold_in(jax.random.key(experiment.seed), _SIMULATIONS)
    made = simulate(experiment.physical.model, key, counts, data.steps, data.refinement)
    if not all(np.isfinite(trajectories).all() for trajectories in made.values()):
        raise InputError("the simulation of the true system diverged: take a smaller time step dt")
    store.write(path, made, origin)
    return made, path


def recordings(experiment: Experiment, stored: Simulations) -> Recordings:
    """Return what training may see of stored simulations.

    Raises:
        InputError: A value that is seen is not finite, or nothing is seen to learn from or to
            validate on.
    """
    key = jax.random.fold_in(jax.random.key(experiment.seed), _NOISE)
    roles = ("training", "validation") if experiment.data.validation else ("training",)
    seen = {}
    for i, role in enumerate(roles):
        trajectories = jnp.asarray(stored[role])
        try:
            seen[role] = observe(
                experiment.observation, experiment.domain, trajectories, jax.random.fold_in(key, i)
            )
        except ValueError as error:
            raise InputError(f"{role} simulations: {error}") from error
    if not experiment.data.validation:
        share, own = experiment.data.held_out, jax.random.fold_in(key, 2)
        seen["training"], seen["validation"] = hold_out(
            seen["training"], experiment.domain, share, own
        )
    for role, recording in seen.items():
        if not (recording.seen & experiment.domain.evolves())[:, 1:].any():
            raise InputError(
                f"nothing is seen after the first frame that is left for {role}: observe more, "
                "change data.held_out, or set data.validation to 1"
            )
    return games.recordings(**seen, held_out=not experiment.data.validation)


def game_of(experiment: Experiment) -> Game:
    """Return the game of those of an experiment's players that its mode names."""
    return games.game(
        experiment.physical,
        experiment.synthetic,
        experiment.schedule,
        experiment.interaction,
        experiment.mode.players,
    )


def first_state(
    experiment: Experiment, stored: Simulations
) -> tuple[Game, Recordings, TrainingState]:
    """Return the game of an experiment, what its players may see, and the state they start from."""
    programs.keep()
    game = game_of(experiment)
    data = recordings(experiment, stored)
    key = jax.random.fold_in(jax.random.key(experiment.seed), _TRAINING)
    start = programs.jit(partial(games.start, game), programs.ONCE)
    return game, data, start(data, key)
