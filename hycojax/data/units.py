"""Units of measurements: read from text, compared, converted."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np

from hycojax.data.instruments import Line
from hycojax.data.recordings import Film, Points, Recordings, System
from hycojax.errors import InputError

#: What instruments and tables write for units that pint knows by other names.
_OTHER_NAMES = {"": "1", "-": "1", "none": "1", "degrees_c": "degC", "deg_c": "degC", "c": "degC"}
#: A power as CF writes it, "m s-1" or "m2": a unit with a whole number right after it.
_POWER = re.compile(r"(?<![\w.^*])([A-Za-zµΩ°]+)(-?\d+)")


def scale(unit: str, target: str) -> tuple[float, float]:
    """Return the factor and the offset that turn values of a unit into those of another one.

    Raises:
        InputError: A unit can't be understood, or they do not convert.
    """
    return (1.0, 0.0) if unit == target else _scale(unit, target)


def convert(values: Any, unit: str, target: str) -> np.ndarray:
    """Return values in another unit, of the same type: the same array if nothing changes.

    Raises:
        InputError: The units do not convert.
    """
    values = np.asarray(values)
    factor, offset = scale(unit, target)
    if (factor, offset) == (1.0, 0.0):
        return values
    kind = values.dtype if values.dtype.kind == "f" else np.float64
    return (values.astype(np.float64) * factor + offset).astype(kind)


def in_units(recordings: Recordings, units: Mapping[str, str]) -> tuple[Recordings, list[str]]:
    """Return recordings with the values of channels, and known numbers, in given units.

    Args:
        recordings: The recordings; values without a unit are taken to be in the given one.
        units: Unit of each channel; those that are not named stay as they are.

    Returns:
        The recordings, and a sentence on each unit that was assumed.

    Raises:
        InputError: A unit does not convert; the message names the channel.
    """
    assumed: dict[str, None] = {}
    systems = tuple(_system(system, units, assumed) for system in recordings.systems)
    return replace(recordings, systems=systems), list(assumed)


def _system(system: System, units: Mapping[str, str], assumed: dict[str, None]) -> System:
    series = tuple(
        _series(own, units[own.channel], assumed) if own.channel in units else own
        for own in system.series
    )
    numbers, known = dict(system.numbers), dict(system.units)
    for name in set(numbers) & set(units):
        given = known.get(name)
        if given is None:
            assumed[_assumption(name, units[name])] = None
        else:
            numbers[name] = float(_named(name, numbers[name], given, units[name]))
        known[name] = units[name]
    return replace(system, series=series, numbers=numbers, units=known)


def _series(own: Film | Points, target: str, assumed: dict[str, None]) -> Film | Points:
    if isinstance(own.instrument, Line):
        return _integrals(own, target, assumed)
    if own.unit is None:
        assumed[_assumption(own.channel, target)] = None
        return replace(own, unit=target)
    values, sigma = _named(own.channel, own.values, own.unit, target), own.sigma
    if sigma is not None:
        factor = scale(own.unit, target)[0]  # a difference has no offset
        sigma = sigma if factor == 1.0 else sigma * np.asarray(factor, sigma.dtype)
    return replace(own, unit=target, values=values, sigma=sigma)


def _integrals(own: Film | Points, target: str, assumed: dict[str, None]) -> Film | Points:
    """Return integrals along lines in the unit of the channel times metre.

    One in the unit of the channel alone counts as that times metre.
    """
    whole = f"({target}) m"
    if own.unit is None:
        assumed[_assumption(f"{own.channel} along lines", whole)] = None
        return replace(own, unit=target)
    try:
        factor, offset = scale(own.unit, whole)
    except InputError:
        _named(own.channel, 0.0, own.unit, target)  # if it does not convert, the channel is named
        factor, offset = scale(own.unit, target)
    if offset or _shifted(own.unit):  # the length of the line would decide what is added
        raise InputError(
            f"{own.channel}: integrals along lines in {own.unit!r}: give them in {whole!r}"
        )
    values, sigma = (None if v is None else v * factor for v in (own.values, own.sigma))
    return replace(own, unit=target, values=values, sigma=sigma)


def _named(name: str, values: Any, unit: str, target: str) -> np.ndarray:
    try:
        return convert(values, unit, target)
    except InputError as error:
        raise InputError(f"{name}: {error}") from error


def _assumption(name: str, unit: str) -> str:
    return f"{name}: no unit is given, {unit} is assumed"


@cache
def _scale(unit: str, target: str) -> tuple[float, float]:
    import pint  # loaded where units differ

    one, other = _parsed(unit), _parsed(target)
    try:
        offset = _converted(0.0, one, other)
        own, wanted = (_difference(u) if offset else u for u in (one, other))
        factor = _converted(1.0, own, wanted)
        straight = np.isclose(_converted(2.0, one, other), 2 * factor + offset, rtol=1e-6)
    except (pint.DimensionalityError, pint.OffsetUnitCalculusError) as error:
        raise InputError(f"values in {unit!r} do not convert to {target!r}") from error
    if not straight:
        raise InputError(
            f"values in {unit!r} become {target!r} by no factor, as of decibels: convert them "
            "before, and their errors too"
        )
    return float(f"{factor:.15g}"), offset  # g/l is kg/m³, without a rounding error


def _converted(value: float, unit: Any, target: Any) -> float:
    with np.errstate(divide="ignore"):  # of the logarithm of 0
        return float(_registry().Quantity(value, unit).to(target).magnitude)


def _difference(unit: Any) -> Any:
    """Return the unit of a difference of values: of temperatures without their zero."""
    registry, name = _registry(), f"delta_{unit}"
    return registry.Unit(name) if name in registry else unit


def _shifted(unit: str) -> bool:
    """Return whether a unit has a part with a zero of its own, like degrees Celsius."""
    from pint.util import to_units_container

    # In a product pint takes degrees for differences, and says so in their names.
    parts = [part.removeprefix("delta_") for part in to_units_container(_parsed(unit))]
    return any(_registry().Quantity(0.0, part).to_base_units().magnitude for part in parts)


def _parsed(unit: str) -> Any:
    text = _OTHER_NAMES.get(unit.strip().lower(), unit.strip())
    try:
        return _registry().Unit(_POWER.sub(r"\1**\2", text))
    except Exception as error:  # pint raises whatever its parser meets
        raise InputError(
            f"the unit {unit!r} can't be understood: write it like 'm²/s', 'kg/m³', 'degC' or '1'"
        ) from error


@cache
def _registry() -> Any:
    import pint

    return pint.UnitRegistry()
