"""Checkpoints of a training state. The only place that imports orbax: on use, it loads slowly."""

from __future__ import annotations

import errno
import hashlib
import logging
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
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


def save(directory: Path, step: int, state: Any) -> None:
    """Save a state, complete on disk when this returns. The best parameters are part of a state.

    Raises:
        OSError: It can't be written: ENOSPC if the disk is full.
    """
    import orbax.checkpoint as ocp

    # As NumPy's: JAX's would be read in the precision of another process.
    leaves = {name: np.asarray(leaf) for name, leaf in named_leaves(state).items()}
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
        InputError: None can be read, or it holds a state of another shape or precision than
            `template`.
    """
    leaves, warnings = read(directory)
    _check_precision(leaves, template)
    return part(leaves, "", template), warnings


def read(directory: Path) -> tuple[dict[str, np.ndarray], list[str]]:
    """Return the leaves of the latest sound state by their paths, and warnings as `restore`.

    Raises:
        InputError: None can be read.
    """
    warnings = []
    with _manager(directory) as manager:
        for step in sorted(manager.all_steps(), reverse=True):
            problem, leaves = _read(manager, step)
            if problem is None:
                return leaves, warnings
            warnings.append(f"checkpoint {directory / str(step)} is passed over: {problem}")
    raise InputError("\n".join([*warnings, f"{directory} holds no checkpoint that can be used"]))


def _check_precision(leaves: dict[str, np.ndarray], template: Any) -> None:
    """Check that a state goes on in the precision that it was trained in, bit for bit."""
    double = np.dtype(np.float64)
    kept = double in {a.dtype for a in leaves.values()}
    asked = double in {np.dtype(a.dtype) for a in named_leaves(template).values()}
    if kept and not asked:
        raise InputError("the run was trained in double precision: set JAX_ENABLE_X64=1")
    if asked and not kept:
        raise InputError("the run was trained in single precision: leave JAX_ENABLE_X64 unset")


def part(leaves: dict[str, np.ndarray], path: str, template: Any) -> Any:
    """Return the part of a state below a path, in the structure and the types of a template.

    Raises:
        InputError: It has another structure or other shapes.
    """
    wanted = {f"{path}.{name}".strip("."): leaf for name, leaf in named_leaves(template).items()}
    for name, leaf in wanted.items():
        if name not in leaves or np.shape(leaves[name]) != np.shape(leaf):
            raise InputError(f"the checkpoint does not belong to this experiment: {name} differs")
    found = [leaves[name].astype(leaf.dtype) for name, leaf in wanted.items()]
    return jax.tree.unflatten(jax.tree.structure(template), found)


def named_leaves(state: Any) -> dict[str, Any]:
    """Return the leaves of a pytree by their paths, as "weights.params.Dense_0.bias"."""
    leaves, _ = jax.tree_util.tree_flatten_with_path(state)
    return {jax.tree_util.keystr(path, simple=True, separator="."): leaf for path, leaf in leaves}


def _full_disk(directory: Path) -> OSError:
    return OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(directory))


def _read(manager: ocp.CheckpointManager, step: int) -> tuple[str | None, Any]:
    import orbax.checkpoint as ocp

    arguments = ocp.args.Composite(state=ocp.args.StandardRestore(), proof=ocp.args.JsonRestore())
    try:
        saved = manager.restore(step, args=arguments)
        leaves = {name: np.asarray(leaf) for name, leaf in saved["state"].items()}
        sound = saved["proof"] == _proof(leaves)
    except Exception as error:  # whatever is at hand, of a missing, truncated or foreign file
        return f"it can't be read ({type(error).__name__})", None
    return (None, leaves) if sound else ("its bytes have changed since it was written", None)


@contextmanager
def _manager(directory: Path) -> Iterator[ocp.CheckpointManager]:
    import orbax.checkpoint as ocp

    options = ocp.CheckpointManagerOptions(
        max_to_keep=KEPT, enable_async_checkpointing=False, cleanup_tmp_directories=True
    )
    logger = logging.getLogger("absl")
    level = logger.level
    logger.setLevel(logging.CRITICAL)  # orbax logs each file, and what it raises
    try:
        with ocp.CheckpointManager(directory.absolute(), options=options) as manager:
            yield manager
    finally:
        logger.setLevel(level)


def _proof(leaves: dict[str, Any]) -> dict[str, str]:
    """Return a checksum of the bytes of all leaves."""
    total = hashlib.sha256()
    for name in sorted(leaves):
        total.update(name.encode() + np.asarray(leaves[name]).tobytes())
    return {"sha256": total.hexdigest()}
