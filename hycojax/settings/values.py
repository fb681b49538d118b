"""Settings as JSON values, and back: class paths and numbers, arrays apart.

    {"class": "hycojax.physics.heat:Heat", "diffusivity": 1.0, "pieces": 1}

An enum is written as its value, a tuple as a list: the annotation of a field brings them back. An
array is written as the name under which it is kept beside, a number that JSON does not have as
`{"number": "inf"}`.
"""

from __future__ import annotations

import dataclasses
import enum
import hashlib
import math
from collections.abc import Callable
from typing import Any

import numpy as np


def as_json(value: Any, arrays: dict[str, np.ndarray] | None = None) -> Any:
    """Return a setting as JSON types; its arrays are added to `arrays` by name."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        kind = type(value)
        fields = {name: as_json(getattr(value, name), arrays) for name in _fields(value)}
        return {"class": f"{kind.__module__}:{kind.__qualname__}", **fields}
    if isinstance(value, enum.Enum):
        return value.value
    if isinstance(value, tuple | list):
        return [as_json(item, arrays) for item in value]
    if isinstance(value, dict):
        return {key: as_json(item, arrays) for key, item in value.items()}
    if isinstance(value, np.ndarray):
        name = f"array-{digest(value)}"
        if arrays is not None:
            arrays[name] = value
        return {"array": name}
    return {"number": str(value)} if _is_no_json(value) else value


def from_json(value: Any, arrays: dict[str, np.ndarray], find: Callable[[str], type]) -> Any:
    """Return the setting that JSON types stand for; `find` returns the class of a path.

    Raises:
        ValueError: A value does not suit its class.
    """
    if isinstance(value, list):
        return tuple(from_json(item, arrays, find) for item in value)
    if not isinstance(value, dict):
        return value
    if "array" in value:
        return arrays[value["array"]]
    if value.get("number") in _NO_JSON:
        return float(value["number"])
    found = {k: from_json(v, arrays, find) for k, v in value.items() if k != "class"}
    return find(value["class"])(**found) if "class" in value else found


def differences(one: Any, other: Any, path: str = "") -> list[str]:
    """Return what differs between two values of `as_json`, as lines "field: this, not that"."""
    if isinstance(one, dict) and isinstance(other, dict):
        return [
            line
            for key in dict.fromkeys([*one, *other])
            for line in differences(one.get(key), other.get(key), f"{path}.{key}" if path else key)
        ]
    return [] if one == other else [f"{path}: {one}, not {other}"]


def to_words(value: Any) -> Any:
    """Return JSON types whose numbers are all JSON's: others are the words "inf", "-inf", "nan"."""
    if isinstance(value, dict):
        return {key: to_words(own) for key, own in value.items()}
    if isinstance(value, list | tuple):
        return [to_words(own) for own in value]
    return str(value) if _is_no_json(value) else value


def from_words(value: Any) -> Any:
    """Return JSON types with the numbers that `to_words` has made words of."""
    if isinstance(value, dict):
        return {key: from_words(own) for key, own in value.items()}
    if isinstance(value, list):
        return [from_words(own) for own in value]
    return float(value) if isinstance(value, str) and value in _NO_JSON else value


def _is_no_json(value: Any) -> bool:
    return isinstance(value, float) and not math.isfinite(value)


_NO_JSON = ("inf", "-inf", "nan")


def digest(array: np.ndarray) -> str:
    """Return a short name of an array's values."""
    about = f"{array.shape}{array.dtype}".encode()
    return hashlib.sha256(about + np.ascontiguousarray(array).tobytes()).hexdigest()[:10]


def _fields(value: Any) -> list[str]:
    """Return the names of the fields that make an object (a flax module has two more)."""
    own = ("parent", "name") if hasattr(value, "scope") else ()
    return [f.name for f in dataclasses.fields(value) if f.init and f.name not in own]
