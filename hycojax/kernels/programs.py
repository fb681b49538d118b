"""Compiled programs: how much effort goes into them, and where they are kept between processes.

Compilation takes longer than many a run. JAX keeps no programs by itself, so `keep` names a folder
below the user's cache directory, unless the user has named one:

    JAX_COMPILATION_CACHE_DIR=DIR   programs are kept in DIR, by JAX's own settings
    HYCOJAX_CACHE=off               no folder is named
"""

from __future__ import annotations

import hashlib
import os
import platform
import shutil
import stat
import tempfile
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
import jaxlib
import platformdirs
from filelock import FileLock, Timeout

#: Programs beyond this size in all are removed, those first that were not used for longest.
LIMIT = 2 * 1024**3
#: Free space below which nothing is kept: a cycle's program takes about 10 MB.
ROOM = 256 * 1024**2

#: JAX's settings: what they are by default, and here. Programs of any size are kept. Its own limit
#: on the size is none: JAX then reads the age of every program, to add one.
_SETTINGS = {
    "jax_persistent_cache_min_compile_time_secs": (1.0, 0.0),
    "jax_persistent_cache_min_entry_size_bytes": (0, -1),
}
_OFF = ("off", "0", "false", "no")

#: How XLA compiles on CPU what runs once, and soon: in a third of the time.
ONCE = {"xla_backend_optimization_level": 0}
#: How it compiles the loops of training: in half of the time, and they run as fast as by default.
#: The passes that are left out take a sixth of it to look for what these loops do not have.
LOOP = {
    "xla_backend_optimization_level": 1,
    "xla_disable_hlo_passes": "while-loop-invariant-code-motion,simplify-while-loops",
}


def jit(function: Callable, effort: dict[str, Any], **settings: Any) -> Callable:
    """Return `jax.jit(function, **settings)`, compiled with an effort, `ONCE` or `LOOP`, on CPU.

    What `XLA_FLAGS` say is left as it is.
    """
    flags = os.environ.get("XLA_FLAGS", "")
    options = {name: value for name, value in effort.items() if name not in flags}
    on_cpu = jax.default_backend() == "cpu"
    return jax.jit(function, compiler_options=options if on_cpu else None, **settings)


def keep() -> Path | None:
    """Keep compiled programs from now on, and return the folder; None if they are not kept.

    To be called before anything is compiled; once is enough. It changes no setting of JAX that has
    been made, and what was compiled before is not kept. The folder belongs to one version of jaxlib
    and one type of processor, and its user alone can read and write it: who can write there can run
    code in this process. A folder that can't be used is one warning.
    """
    named = jax.config.jax_compilation_cache_dir
    off = os.environ.get("HYCOJAX_CACHE", "").lower() in _OFF
    if named is not None or off or not jax.config.jax_enable_compilation_cache:
        return Path(named) if named else None
    try:
        directory = folder()
        _claim(directory)
    except (OSError, RuntimeError) as error:  # no home is a RuntimeError
        warnings.warn(f"compiled programs are not kept: {error}", stacklevel=2)
        return None
    jax.config.update("jax_compilation_cache_dir", str(directory))
    for name, (by_default, value) in _SETTINGS.items():
        if getattr(jax.config, name) == by_default and name.upper() not in os.environ:
            jax.config.update(name, value)
    return directory


def folder() -> Path:
    """Return where programs are kept, unless the user names another folder."""
    return Path(platformdirs.user_cache_dir("hycojax")) / f"{jaxlib.__version__}-{processor()}"


def processor(cpuinfo: Path = Path("/proc/cpuinfo")) -> str:
    """Return a name of the processor's type: equal for those that run the same instructions."""
    known = ("model name", "flags", "Features", "CPU implementer", "CPU part", "isa")
    try:
        lines = cpuinfo.read_text().splitlines()
    except OSError:  # no Linux
        lines = []
    told = {line for line in lines if line.split(":")[0].strip() in known}
    text = "\n".join(sorted(told)) or platform.processor()
    return f"{platform.machine()}-{hashlib.sha256(text.encode()).hexdigest()[:12]}"


def _claim(directory: Path) -> None:
    """Make a folder that this user alone can use, and make sure that there is room to write in it.

    Raises:
        OSError: It can't be made or written, or somebody else can or could write there.
    """
    for own in (directory.parent, directory):
        own.mkdir(mode=0o700, parents=True, exist_ok=True)
        about = own.stat()
        if hasattr(os, "getuid") and about.st_uid != os.getuid():
            raise OSError(None, "it belongs to somebody else", str(own))
        # Not closed and used: what somebody has put there would be trusted.
        if stat.S_IMODE(about.st_mode) & 0o022:
            raise OSError(None, "others can write there; remove it", str(own))
    directory.chmod(0o700)
    free = shutil.disk_usage(directory).free
    if free < ROOM:
        told = f"only {free // 1024**2} MB are free, {ROOM // 1024**2} are wanted"
        raise OSError(None, told, str(directory))
    with tempfile.TemporaryFile(dir=directory):
        pass
    prune(directory, LIMIT)


def prune(directory: Path, limit: int) -> None:
    """Remove the programs that were not used for longest, down to a size in bytes.

    One process does so at a time; where another one is at it already, it is left to that one.
    """
    try:
        with FileLock(directory / ".pruning", timeout=0):
            kept = sorted((_used(path), path) for path in directory.glob("*-cache"))
            sizes = [path.stat().st_size for _, path in kept]
            over = sum(sizes) - limit
            for (_, path), size in zip(kept, sizes, strict=True):
                if over <= 0:
                    break
                path.unlink(missing_ok=True)
                over -= size
    except (Timeout, FileNotFoundError):
        return


def _used(program: Path) -> float:
    """Return when a program was read or written last, as far as the file system tells."""
    about = program.stat()
    return max(about.st_atime, about.st_mtime)
