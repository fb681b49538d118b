"""A trained network as three files that are of use without this package.

    surrogate.jax           the program: states in, the states one interval later out
    surrogate.safetensors   weights and statistics as arrays by name, with the card as metadata
    surrogate.json          the card: channels and units, domain, network, statistics, errors

The program holds the weights and needs `jax` and `flatbuffers`, on CPU, CUDA or TPU. States are
float32 `[batch, *shape, channels]`, of any batch, after training in double precision too; the card
says what is in them:

    from pathlib import Path
    import jax, jax.export
    program = jax.export.deserialize(Path("surrogate.jax").read_bytes())
    step = jax.jit(program.call)  # states = step(states)
    gradient = jax.grad(lambda states: loss(step(states)))  # once: not twice, and not forwards

JAX reads a program for at least six months after the release that wrote it; safetensors and JSON
stay.
"""

from __future__ import annotations

import dataclasses
import json
from typing import Any

import jax
import jax.export
import jax.numpy as jnp
import numpy as np

from hycojax import __version__
from hycojax.models.model import Stepper
from hycojax.networks.emulator import BoundEmulator
from hycojax.run import checkpoint
from hycojax.run import directory as directories
from hycojax.run.directory import RunDir
from hycojax.settings.values import as_json, to_words

#: Where a program runs.
PLATFORMS = ("cpu", "cuda", "tpu")
#: Of the card, and of the names of the arrays.
FORMAT = 1


def write(
    directory: RunDir,
    name: str,
    model: BoundEmulator,
    params: dict[str, Any],
    errors: dict[str, float],
) -> None:
    """Write the three files; the folder is made if there is none.

    Args:
        directory: Where to.
        name: Of the experiment.
        model: The network on its domain.
        params: Its weights and statistics.
        errors: How far its predictions were off, by name.
    """
    directory.root.mkdir(parents=True, exist_ok=True)
    directory.program.unlink(missing_ok=True)  # of other weights, if this one fails
    about = card(name, model, params, errors)
    directories.write_json(directory.card, about)
    directories.write(directory.weights, tensors(params, about))
    directories.write(directory.program, bytes(program(model, params).serialize(vjp_order=1)))


def program(model: Stepper, params: Any) -> jax.export.Exported:
    """Return the step of a batch of states, for any batch and platform, with constant parameters.

    Args:
        model: A network, or a PDE, on its domain.
        params: Its parameters.
    """

    def step(states):
        return jax.vmap(lambda state: model.forward(params, state))(states)

    (batch,) = jax.export.symbolic_shape("batch")
    shape = (batch, *model.domain.shape, len(model.domain.channels))
    states = jax.ShapeDtypeStruct(shape, jnp.float32)
    with jax.enable_x64(False):  # the format's precision, whatever the network was trained in
        return jax.export.export(jax.jit(step), platforms=PLATFORMS)(states)


def tensors(params: dict[str, Any], about: dict[str, Any]) -> bytes:
    """Return weights and statistics in the safetensors format, with a card as metadata.

    Their names are their paths: `weights.params.body.Convolution_0.kernel`, `statistics.mean`.
    """
    from safetensors import numpy as safetensors  # loaded where a file is written

    # It writes the memory of an array, in whatever order that is.
    arrays = {k: np.array(v, order="C") for k, v in checkpoint.named_leaves(params).items()}
    return safetensors.save(arrays, {"card": json.dumps(to_words(about), ensure_ascii=False)})


def card(
    name: str, model: BoundEmulator, params: dict[str, Any], errors: dict[str, float]
) -> dict[str, Any]:
    """Return what a user of the network has to know, as JSON types."""
    grid, scales = model.domain, params["statistics"]
    return {
        "format": FORMAT,
        "name": name,
        "versions": {"hycojax": __version__, "jax": jax.__version__},
        "states": "float32 [batch, *shape, channels]",
        "channels": [dataclasses.asdict(channel) for channel in grid.channels],
        "domain": {
            "shape": list(grid.shape),
            "size": list(grid.size),
            "boundary": grid.boundary.value,
        },
        "interval": model.interval,
        "units": {"size": "m", "interval": "s"},
        "network": as_json(model.emulator),
        "statistics": {k: np.asarray(v).tolist() for k, v in vars(scales).items()},
        "errors": errors,
    }
