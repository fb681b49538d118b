"""Units: what is written for them, and what becomes of values and their errors."""

import numpy as np
import pytest

from hycojax.data.instruments import Line
from hycojax.data.recordings import Film, Points, Recordings, System
from hycojax.data.units import convert, in_units, scale
from hycojax.errors import InputError

SAME = {
    "m²/s": ("m^2/s", "m2 s-1", "m^2 s^-1", "m**2/s"),
    "kg/m³": ("kg m-3", "g/l"),
    "K": ("kelvin",),
    "1": ("", "-", "dimensionless"),
    "°C": ("degC", "degrees_C", "celsius"),
    "W/(m²K)": ("W m-2 K-1",),
}


@pytest.mark.parametrize("unit", SAME)
def test_spellings(unit):
    for other in SAME[unit]:
        assert scale(other, unit) == (1.0, 0.0)


@pytest.mark.parametrize(
    ("unit", "target", "factor", "offset"),
    [
        ("cm", "m", 0.01, 0.0),
        ("degC", "K", 1.0, 273.15),
        ("degF", "K", 5 / 9, 255.3722),
        ("l/min", "m³/s", 1 / 60_000, 0.0),
        ("%", "1", 0.01, 0.0),
        ("h", "s", 3600.0, 0.0),
    ],
)
def test_factors_and_offsets(unit, target, factor, offset):
    np.testing.assert_allclose(scale(unit, target), (factor, offset), rtol=1e-6)


@pytest.mark.parametrize(
    ("unit", "target", "message"),
    [
        ("m", "s", "values in 'm' do not convert to 's'"),
        ("dB", "1", "values in 'dB' become '1' by no factor, as of decibels: convert them before"),
        ("dBm", "W", "values in 'dBm' become 'W' by no factor"),
        ("W", "dBm", "values in 'W' become 'dBm' by no factor"),
        ("furlongs per", "m", "the unit 'furlongs per' can't be understood: write it like"),
    ],
)
def test_what_does_not_convert(unit, target, message):
    with pytest.raises(InputError, match=message):
        scale(unit, target)


def test_equal_units_keep_the_same_array():
    values = np.ones(3, np.float32)
    assert convert(values, "m2 s-1", "m²/s") is values
    assert convert(values, "cm", "m").dtype == np.float32


def recordings(unit):
    x, times = np.arange(4.0), np.array([0.0, 1.0])
    film = Film("temperature", unit, times, (x,), np.full((2, 4), 20, np.float32), sigma=0.5)
    point = Points("dye", None, times, np.zeros((2, 1)), np.ones(2))
    numbers = {"inflow": 60.0, "depth": 2.0}
    return Recordings((System("simulation 0", (film, point), numbers, {"inflow": "l/min"}),))


def test_recordings_in_the_units_of_a_model():
    wanted = {"temperature": "K", "dye": "kg/m³", "inflow": "m³/s", "depth": "m"}
    found, assumed = in_units(recordings("degC"), wanted)
    (system,) = found.systems
    film, point = system.series
    np.testing.assert_allclose(film.values, 293.15, rtol=1e-6)
    assert (film.values.dtype, film.unit, film.sigma) == (np.float32, "K", 0.5)
    assert point.unit == "kg/m³"
    assert system.numbers == {"inflow": pytest.approx(1e-3), "depth": 2.0}
    assert sorted(assumed) == [
        "depth: no unit is given, m is assumed",
        "dye: no unit is given, kg/m³ is assumed",
    ]
    film = in_units(recordings("degF"), wanted)[0].systems[0].series[0]
    assert film.sigma == pytest.approx(0.5 * 5 / 9)


@pytest.mark.parametrize(
    ("unit", "factor"), [("K m", 1.0), ("K cm", 0.01), ("K", 1.0), ("mK", 1e-3), (None, 1.0)]
)
def test_integrals_along_lines_are_in_units_of_their_own(unit, factor):
    line = Points("temperature", unit, np.zeros(2), np.zeros((2, 2)), np.ones(2), 0.1, Line(0))
    found, told = in_units(Recordings((System("one", (line,)),)), {"temperature": "K"})
    (own,) = found.systems[0].series
    np.testing.assert_allclose(own.values, factor)
    np.testing.assert_allclose(own.sigma, 0.1 * factor)
    assert bool(told) == (unit is None)


@pytest.mark.parametrize("unit", ["degC", "degC m"])
def test_integrals_of_a_scale_with_another_zero_are_refused(unit):
    """What lies between the zeros would count times the length of the line."""
    line = Points("temperature", unit, np.zeros(2), np.zeros((2, 2)), np.ones(2), 0.1, Line(0))
    with pytest.raises(InputError, match=r"temperature: .*lines in 'degC.*give them in '\(K\) m'"):
        in_units(Recordings((System("one", (line,)),)), {"temperature": "K"})


def test_a_channel_whose_unit_does_not_convert_is_named():
    with pytest.raises(InputError, match="temperature: values in 'Pa' do not convert to 'K'"):
        in_units(recordings("Pa"), {"temperature": "K"})
