"""One check of every field, from its annotation, wherever a setting is made."""

from __future__ import annotations

import dataclasses
import enum
import functools
import numbers
import sys
import types
import typing
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import numpy as np


class Checked:
    """A frozen dataclass whose fields hold what their annotations say, wherever it is made.

    Numbers of NumPy and JAX become Python's, lists become tuples, the value of an enum its member.
    What can't be converted raises a ValueError that names the field.
    """

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        if own := cls.__dict__.get("__post_init__"):
            cls.__post_init__ = _after_check(own)

    def __post_init__(self):
        check_fields(self)


def _after_check(own: Callable[[Any], None]) -> Callable[[Any], None]:
    @functools.wraps(own)
    def check_first(self: Any) -> None:
        check_fields(self)
        own(self)

    return check_first


@contextmanager
def named(prefix: str) -> Iterator[None]:
    """Put the path of a field before what it complains about.

    What names a field of the experiment itself stays as it is: `domain`, `interval`.
    """
    try:
        yield
    except ValueError as error:
        own = str(error).startswith(("domain.", "interval"))
        raise ValueError(str(error) if own else f"{prefix}{error}") from error


def check_fields(value: Any) -> None:
    """Convert each field of a dataclass to its annotation.

    Raises:
        ValueError: A field holds something else; the message names it.
    """
    hints = _hints(type(value))
    for field in dataclasses.fields(value):
        given = getattr(value, field.name)
        found = converted(hints.get(field.name, Any), given, field.name)
        if found is not given:
            object.__setattr__(value, field.name, found)


def converted(hint: Any, value: Any, name: str) -> Any:
    """Return a value as the type that an annotation asks for.

    Raises:
        ValueError: It is of another type; the message begins with the name.
    """
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if hint is Any:
        return value
    if origin is typing.Annotated:
        return converted(arguments[0], value, name)
    if origin in (typing.Union, types.UnionType):
        return _one_of(arguments, value, name)
    if origin is tuple:
        return _items(arguments, value, name)
    if origin is dict:
        return _entries(arguments, value, name)
    if hint is None or hint is type(None):
        return value if value is None else _refuse(value, name, "None")
    if hint in _NUMBERS:
        return _NUMBERS[hint](value, name)
    if isinstance(hint, type) and issubclass(hint, enum.Enum):
        return _member(hint, value, name)
    if isinstance(hint, type) and (isinstance(value, type) or not isinstance(value, hint)):
        article = "an" if hint.__name__[0] in "AEIOU" else "a"
        _refuse(value, name, f"{article} {hint.__name__}")  # a class has its objects' methods
    return value


def _one_of(hints: tuple[Any, ...], value: Any, name: str) -> Any:
    classes = [h for h in hints if typing.get_origin(h) is None and isinstance(h, type)]
    if isinstance(value, tuple(h for h in classes if h not in _NUMBERS)):
        return value  # at once: what is refused of recordings takes long to put in words
    problems = []
    for hint in hints:
        try:
            return converted(hint, value, name)
        except ValueError as error:
            problems.append(str(error))
    problems = [p for p in problems if not p.endswith("None is needed")] or problems
    whole, end = f"{name} = {_short(value)}: ", " is needed"
    if all(p.startswith(whole) and p.endswith(end) for p in problems):
        wanted = (p.removeprefix(whole).removesuffix(end) for p in problems)
        raise ValueError(f"{whole}{' or '.join(dict.fromkeys(wanted))}{end}")
    raise ValueError(problems[0])


def _items(hints: tuple[Any, ...], value: Any, name: str) -> tuple[Any, ...]:
    if not (isinstance(value, tuple | list) or (isinstance(value, np.ndarray) and value.ndim)):
        _refuse(value, name, "a tuple")
    if hints and hints[-1] is Ellipsis:
        hints = (hints[0],) * len(value)
    if hints and len(hints) != len(value):
        _refuse(value, name, f"a tuple of {len(hints)}")
    pairs = enumerate(zip(hints, value, strict=True))
    found = tuple(converted(hint, item, f"{name}[{i}]") for i, (hint, item) in pairs)
    same = isinstance(value, tuple) and all(a is b for a, b in zip(found, value, strict=True))
    return value if same else found


def _entries(hints: tuple[Any, ...], value: Any, name: str) -> dict[Any, Any]:
    if not isinstance(value, Mapping):
        _refuse(value, name, "a dict")
    return {
        converted(hints[0], key, f"{name} key"): converted(hints[1], own, f"{name}[{key!r}]")
        for key, own in value.items()
    }


def _number(value: Any) -> Any:
    """Return a scalar of NumPy or JAX as Python's, all else as it is."""
    if isinstance(value, np.generic) or (hasattr(value, "dtype") and np.ndim(value) == 0):
        return np.asarray(value).item()
    return value


def _boolean(value: Any, name: str) -> bool:
    plain = _number(value)
    return plain if isinstance(plain, bool) else _refuse(value, name, "True or False")


def _integer(value: Any, name: str) -> int:
    plain = _number(value)
    whole = isinstance(plain, numbers.Integral) and not isinstance(plain, bool)
    return int(plain) if whole else _refuse(value, name, "a whole number")


def _float(value: Any, name: str) -> float:
    plain = _number(value)
    real = isinstance(plain, numbers.Real) and not isinstance(plain, bool)
    finite = real and abs(plain) <= sys.float_info.max  # of a whole number too that is no float
    return float(plain) if finite else _refuse(value, name, "a finite number")


def _string(value: Any, name: str) -> str:
    return value if isinstance(value, str) else _refuse(value, name, "a string")


_NUMBERS: dict[Any, Callable[[Any, str], Any]] = {
    bool: _boolean,
    int: _integer,
    float: _float,
    str: _string,
}


def _member(kind: type[enum.Enum], value: Any, name: str) -> enum.Enum:
    try:
        return kind(value)
    except ValueError:
        names = ", ".join(repr(member.value) for member in kind)
        return _refuse(value, name, f"one of {names}")


def _refuse(value: Any, name: str, wanted: str) -> typing.NoReturn:
    raise ValueError(f"{name} = {_short(value)}: {wanted} is needed")


def _short(value: Any) -> str:
    """Return a value in words; of one that takes many lines its type."""
    words = repr(value)
    return words if "\n" not in words else f"{type(value).__name__}(...)"


@functools.cache
def _hints(kind: type) -> dict[str, Any]:
    """Return the annotations of a class; none of those that can't be read."""
    try:
        return typing.get_type_hints(kind, include_extras=True)
    except (NameError, TypeError, AttributeError):  # a class of a notebook may name what is gone
        return {}
