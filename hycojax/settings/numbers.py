"""Which numbers of a setting are arguments of a compiled program, and which a part of it.

A program serves all settings of one structure. `split` takes the numbers out of frozen dataclasses
and tuples of them, `join` puts them, or tracers in their places, back:

    structure, numbers = split(game)
    program = jax.jit(lambda numbers, *rest: cycle(join(structure, numbers), *rest))

Arguments are arrays, and floats that are finite and not exactly 0: what is 0 or unbounded takes
part in the structure, so that a term without a weight costs nothing. Integers, enums, strings and
fields with `metadata=STATIC` are structure.
"""

from __future__ import annotations

import copy
import dataclasses
import math
from collections.abc import Iterator
from typing import Any

import numpy as np

#: Metadata of a field that is a part of the program as a whole.
STATIC = {"static": True}


class _Place:
    """Where a number was taken out."""

    def __repr__(self) -> str:
        return "a number"


_PLACE = _Place()


def split(value: Any) -> tuple[Any, tuple[Any, ...]]:
    """Return the hashable structure of a setting, and its numbers in order."""
    numbers: list[Any] = []

    def take(leaf: Any) -> Any:
        if not _is_argument(leaf):
            return leaf
        numbers.append(leaf)
        return _PLACE

    return _mapped(take, value), tuple(numbers)


def join(structure: Any, numbers: tuple[Any, ...]) -> Any:
    """Return the setting of a structure with these numbers. Nothing is checked again."""
    given: Iterator[Any] = iter(numbers)
    return _mapped(lambda leaf: next(given) if leaf is _PLACE else leaf, structure)


def with_fields(value: Any, **fields: Any) -> Any:
    """Return `replace(value, **fields)` of a setting whose numbers may be tracers: unchecked."""
    other = copy.copy(value)
    for name, own in fields.items():
        object.__setattr__(other, name, own)
    return other


def weighs(weight: Any) -> bool:
    """Return whether a weight counts: one that is an argument of the program does."""
    return not (isinstance(weight, int | float) and weight == 0)


def _is_argument(leaf: Any) -> bool:
    if isinstance(leaf, np.ndarray):
        return True
    return isinstance(leaf, float) and math.isfinite(leaf) and leaf != 0


def _mapped(function: Any, value: Any) -> Any:
    """Return a copy of nested dataclasses and tuples with a function applied to each leaf."""
    if isinstance(value, tuple):
        return tuple(_mapped(function, item) for item in value)
    if not dataclasses.is_dataclass(value):
        return function(value)
    fields = (f.name for f in dataclasses.fields(value) if not f.metadata.get("static"))
    return with_fields(value, **{name: _mapped(function, getattr(value, name)) for name in fields})
