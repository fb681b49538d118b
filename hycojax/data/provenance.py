"""Where simulated numbers come from: all that decides them, code included."""

from __future__ import annotations

import ast
import contextlib
import hashlib
import inspect
import sys
import sysconfig
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path
from types import ModuleType
from typing import Any

import hycojax
from hycojax.settings.values import as_json

#: Packages whose version changes the numbers.
_PACKAGES = ("phiflow", "phiml", "jax")
#: Parts of this package that compute them.
_PARTS = ("grid", "kernels", "models", "physics")


def provenance(truth: Any, **settings: Any) -> dict[str, Any]:
    """Return all that decides what a truth produces: equal provenance, equal numbers."""
    return {
        "truth": as_json(truth),
        **{name: as_json(value) for name, value in settings.items()},
        "code": _digest(truth),
        "versions": {name: version(name) for name in _PACKAGES},
    }


def modules(value: Any) -> list[ModuleType]:
    """Return the user's modules that the class of a value comes from, all that they import too.

    These are the modules of its base classes, and what they name, outside of installed packages.
    """
    found: dict[str, ModuleType] = {}
    waiting = [sys.modules.get(kind.__module__) for kind in type(value).__mro__]
    while waiting:
        module = waiting.pop()
        if module is not None and module.__name__ not in found and _is_users(module):
            found[module.__name__] = module
            waiting += _named(module)
    return list(found.values())


def _digest(truth: Any) -> str:
    """Return a digest of the code that computes the numbers."""
    root = Path(hycojax.__file__).parent
    own = [file for part in _PARTS for file in sorted((root / part).rglob("*.py"))]
    theirs = sorted(Path(m.__file__) for m in modules(truth))
    beside = [file for module in theirs for file in sorted(set(named_files(module)))]
    texts = [*(file.read_bytes() for file in [*own, *theirs, *beside]), *_unfiled(truth)]
    return hashlib.sha256(b"".join(texts)).hexdigest()


def _unfiled(value: Any) -> Iterator[bytes]:
    """Yield the text of the classes of a value that no module's file holds: those of a notebook."""
    for kind in type(value).__mro__:
        if not getattr(sys.modules.get(kind.__module__), "__file__", None):
            with contextlib.suppress(OSError, TypeError):  # a class of C, or typed in at a prompt
                yield inspect.getsource(kind).encode()


def _named(module: ModuleType) -> Iterator[ModuleType | None]:
    """Yield the modules that a module imports, and those that its names come from."""
    yield from map(sys.modules.get, _imported(module))
    for value in list(vars(module).values()):
        if isinstance(value, ModuleType):
            yield value
        else:
            yield sys.modules.get(getattr(inspect.unwrap(value), "__module__", None) or "")


def _imported(module: ModuleType) -> Iterator[str]:
    """Yield the names of modules that a module's text imports: of a number, nothing else tells."""
    try:
        tree = ast.parse(Path(module.__file__).read_bytes())
    except (SyntaxError, ValueError):  # it is compiled, or just being edited
        return
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            package = (module.__package__ or "").split(".")
            inside = package[: len(package) + 1 - node.level] if node.level else []
            place = ".".join([*inside, node.module] if node.module else inside)
            yield place
            yield from (f"{place}.{alias.name}" for alias in node.names)


def _is_users(module: ModuleType) -> bool:
    """Return whether a module lies outside of this package, the library and installed packages."""
    file = getattr(module, "__file__", None)
    if not file or not Path(file).is_file() or module.__name__.split(".")[0] == "hycojax":
        return False
    places = {sysconfig.get_path(name) for name in ("stdlib", "platstdlib", "purelib", "platlib")}
    return not any(Path(file).is_relative_to(place) for place in places)


def named_files(file: Path) -> Iterator[Path]:
    """Yield the files beside a module that its text names: data that it reads."""
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and node.value:
            beside = file.parent / node.value
            inside = len(node.value) < 200 and not Path(node.value).is_absolute()
            if inside and ".." not in node.value and beside.is_file() and beside.suffix != ".py":
                yield beside
