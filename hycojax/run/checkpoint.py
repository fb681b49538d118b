"""Checkpoints of a training state. The only place that imports orbax: on use, it loads slowly."""

from __future__ import annotations

import errno
import hashlib
import logging
import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

import jax
import numpy as np

from hycojax.errors import InputError

if TYPE_CHECKING:
    import orbax.checkpoint as ocp

#: How many of the latest checkpoints are kept: older ones are what a damaged one falls back to.
KEPT = 3

#: Room that a checkpoint needs beside its numbers, in bytes: orbax's own files.
_OVERHEAD = 500_000

logging.getLogger("absl").setLevel(logging.CRITICAL)  # orbax logs each file, and what it raises


def save(directory: Path, step: int, state: Any) -> None:
    """Save a state, complete on disk when this returns. The best parameters are part of a state.

    Raises:
        OSError: It can't be written: ENOSPC if the disk is full.
    """
    import orbax.checkpoint as ocp

    leaves = _named_leaves(state)
    directory.mkdir(parents=True, exist_ok=True)
    # Asked first: in the middle of a write orbax's threads would flood the terminal.
    needed = sum(leaf.nbytes for leaf in leaves.values()) + _OVERHEAD
    if shutil.disk_usage(directory).free < needed:
        raise _full_disk(directory)
    arguments = ocp.args.Composite(
        state=ocp.args.StandardSave(leaves), proof=ocp.args.JsonSave(_proof(leaves))
    )
    try:
        with _manager(directory) as manager:
            manager.save(step, args=arguments)
    except ValueError as error:  # tensorstore's way to tell of a full disk
        if "RESOURCE_EXHAUSTED" not in str(error):
            raise
        raise _full_disk(directory) from None


def steps(directory: Path) -> list[int]:
    """Return the steps that are saved in a directory, in order."""
    if not directory.is_dir():
        return []
    with _manager(directory) as manager:
        return sorted(manager.all_steps())


def restore(directory: Path, template: Any) -> tuple[Any, list[str]]:
    """Return the latest sound state, and a warning for each damaged one that was passed over.

    Raises:
        InputError: None can be read, or they hold a state of another shape than `template`.
    """
    wanted = _named_leaves(template)
    warnings = []
    with _manager(directory) as manager:
        for step in sorted(manager.all_steps(), reverse=True):
            problem, leaves = _read(manager, step, wanted)
            if problem is None:
                structure = jax.tree.structure(template)
                return jax.tree.unflatten(structure, [leaves[n] for n in wanted]), warnings
            warnings.append(f"checkpoint {directory / str(step)} is passed over: {problem}")
    raise InputError("\n".join([*warnings, f"{directory} holds no checkpoint that can be used"]))


def _full_disk(directory: Path) -> OSError:
    return OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(directory))


def _read(manager: ocp.CheckpointManager, step: int, wanted: dict) -> tuple[str | None, Any]:
    import orbax.checkpoint as ocp

    shapes = jax.tree.map(ocp.utils.to_shape_dtype_struct, wanted)
    arguments = ocp.args.Composite(
        state=ocp.args.StandardRestore(shapes), proof=ocp.args.JsonRestore()
    )
    try:
        saved = manager.restore(step, args=arguments)
    # Orbax and tensorstore tell of a missing, truncated or foreign file by whatever is at hand.
    except (ValueError, KeyError, TypeError, OSError, RuntimeError) as error:
        return f"it can't be read ({type(error).__name__})", None
    if saved["proof"] != _proof(saved["state"]):
        return "its bytes have changed since it was written", None
    return None, saved["state"]


def _manager(directory: Path) -> ocp.CheckpointManager:
    import orbax.checkpoint as ocp

    options = ocp.CheckpointManagerOptions(
        max_to_keep=KEPT, enable_async_checkpointing=False, cleanup_tmp_directories=True
    )
    return ocp.CheckpointManager(directory.absolute(), options=options)


def _named_leaves(state: Any) -> dict[str, Any]:
    leaves, _ = jax.tree_util.tree_flatten_with_path(state)
    return {jax.tree_util.keystr(path, simple=True, separator="."): leaf for path, leaf in leaves}


def _proof(leaves: dict[str, Any]) -> dict[str, str]:
    """Return a checksum of the bytes of all leaves."""
    total = hashlib.sha256()
    for name in sorted(leaves):
        total.update(name.encode() + np.asarray(leaves[name]).tobytes())
    return {"sha256": total.hexdigest()}
