"""The classes that an experiment is made of, by their paths; those of a user from kept copies.

A run keeps copies of the user's modules that its classes come from, so that it can be opened where
they are gone. Only then does opening a run execute a file.
"""

from __future__ import annotations

import dataclasses
import hashlib
import importlib
import importlib.util
import inspect
import shutil
import sys
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import flax.linen as nn

from hycojax.data.provenance import modules, named_files
from hycojax.data.regions import Region
from hycojax.data.times import Times
from hycojax.errors import InputError
from hycojax.models.smoothness import Smoothness
from hycojax.settings.checked import Checked
from hycojax.solvers import Solver

#: What may be made from a file: the contracts of this package.
_CONTRACTS = (Checked, Region, Times, Smoothness, Solver, nn.Module)


def import_file(path: Path) -> ModuleType:
    """Import a file as a module of its name, with its folder among those that it imports from."""
    folder, name = str(path.resolve().parent), _free_name(path)
    if folder not in sys.path:
        sys.path.insert(0, folder)
    spec = importlib.util.spec_from_file_location(name, path.resolve())
    module = importlib.util.module_from_spec(spec)
    before = sys.modules.get(name)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except BaseException:
        sys.modules.pop(name)
        if before is not None:
            sys.modules[name] = before
        raise
    return module


def _free_name(path: Path) -> str:
    """Return the name of a file, unless a module of that name is somebody else's."""
    known = sys.modules.get(path.stem)
    file = getattr(known, "__file__", None)
    own = file is not None and _digest(Path(file)) == _digest(path)
    taken = known is not None and not own and not _loaded_like(known)
    return f"experiment_{path.stem}" if taken or not path.stem.isidentifier() else path.stem


def _loaded_like(module: ModuleType) -> bool:
    """Return whether a module was imported from a file by its path, as experiments are."""
    return bool(modules_of([module])) and module.__spec__ is not None and not module.__package__


def modules_of(values: Iterable[Any]) -> list[ModuleType]:
    """Return the user's modules that settings come from."""
    found: dict[str, ModuleType] = {}
    for value in values:
        kept = [value] if inspect.ismodule(value) else modules(value)
        found |= {module.__name__: module for module in kept if module.__name__ != "__main__"}
    return list(found.values())


def keep_copies(settings: Any, folder: Path) -> list[str]:
    """Copy the user's modules that a setting comes from, and the files that they name, to a folder.

    Returns the names of the modules.
    """
    kept = modules_of(_parts(settings))
    for module in kept:
        file = Path(module.__file__)
        target = folder / Path(*module.__name__.split(".")).with_suffix(".py")
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(file, target)
        for beside in named_files(file):
            goal = target.parent / beside.relative_to(file.parent)
            goal.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(beside, goal)
    return [module.__name__ for module in kept]


def finder(
    folder: Path | None = None, names: Iterable[str] = (), given: Iterable[type] = ()
) -> Callable[[str], type]:
    """Return a function that finds a class by its path, "module:Class".

    Args:
        folder: Where copies of the user's modules lie.
        names: Names of these modules.
        given: Classes that are taken in place of those of their names, as a notebook's own.
    """
    own = {kind.__qualname__: kind for kind in given}
    copies = _import_copies(folder, list(names)) if folder and names else {}

    def find(path: str) -> type:
        module, _, name = path.partition(":")
        if name in own and not module.startswith("hycojax."):
            return own[name]
        try:
            place = copies.get(module) or importlib.import_module(module)
            kind = _attribute(place, name)
        except (ImportError, AttributeError) as error:
            raise InputError(
                f"the class {name} of {module} can't be found: give it as classes=[{name}]"
            ) from error
        if not (isinstance(kind, type) and issubclass(kind, _CONTRACTS)):
            raise InputError(f"{path} is no setting of an experiment")
        return kind

    return find


def _import_copies(folder: Path, names: list[str]) -> dict[str, ModuleType]:
    """Import copies of modules; one that is imported already, with the same text, is that one."""
    files = {name: folder / Path(*name.split(".")).with_suffix(".py") for name in names}
    known = {
        n: sys.modules[n] for n in names if n in sys.modules and _same(sys.modules[n], files[n])
    }
    hidden = {n: sys.modules.pop(n) for n in names if n in sys.modules and n not in known}
    sys.path.insert(0, str(folder))
    importlib.invalidate_caches()
    try:
        return {name: known.get(name) or importlib.import_module(name) for name in names}
    finally:
        sys.path.remove(str(folder))
        sys.modules.update(hidden)


def _same(module: ModuleType, file: Path) -> bool:
    own = getattr(module, "__file__", None)
    return bool(own) and Path(own).is_file() and _digest(Path(own)) == _digest(file)


def _digest(file: Path) -> str:
    return hashlib.sha256(file.read_bytes()).hexdigest() if file.is_file() else ""


def _attribute(module: ModuleType, path: str) -> Any:
    found: Any = module
    for name in path.split("."):
        found = getattr(found, name)
    return found


def _parts(value: Any) -> Iterator[Any]:
    """Yield a setting and all settings in it."""
    if isinstance(value, tuple):
        for item in value:
            yield from _parts(item)
    elif dataclasses.is_dataclass(value):
        yield value
        for field in dataclasses.fields(value):
            yield from _parts(getattr(value, field.name, None))
