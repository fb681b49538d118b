"""Tables as people write them: what shifts columns, hides units or drops rows without a word."""

import numpy as np
import pandas as pd
import pytest

from hycojax.data.files import Files
from hycojax.data.recordings import Recordings
from hycojax.errors import InputError

ROWS = {"time": [0.0, 1.0], "x": [1.0, 2.0], "u": [2.0, 3.0]}


def read(tmp_path, text, encoding="utf-8"):
    (tmp_path / "a.csv").write_text(text, encoding=encoding)
    return Files(tmp_path / "a.csv").read()


def columns(recordings):
    (system,) = recordings.systems
    (own,) = system.series
    return {"time": own.times.tolist(), "x": own.places[:, 0].tolist(), "u": own.values.tolist()}


@pytest.mark.parametrize(
    "text",
    {
        "commas at the ends of rows": "time,x,u\n0,1,2,\n1,2,3,\n",
        "commas at the ends of all lines": "time,x,u,\n0,1,2,\n1,2,3,\n",
        "numbers of the rows": ",time,x,u\n0,0,1,2\n1,1,2,3\n",
        "decimal points between semicolons": "time;x;u\n0.0;1.0;2.0\n1.0;2.0;3.0\n",
        "decimal commas between semicolons": "time;x;u\n0,0;1,0;2,0\n1,0;2,0;3,0\n",
        "a comma in a comment": "# Tank 3, left\ntime;x;u\n0.0;1.0;2.0\n# 5,5 s\n1.0;2.0;3.0\n",
    }.values(),
)
def test_ways_to_write_the_same_table(text, tmp_path):
    assert columns(read(tmp_path, text)) == ROWS


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("time,x,u\n0,1,2,5\n1,2,3,5\n", r"more fields than its line of names \(time,x,u\)"),
        ("time,x,u\n0,1,2\n1,2,3,5\n", "Expected 3 fields in line 3, saw 4"),
        ("time,x,u\n0,1,5,2\n", "more fields than its line of names"),  # 1,5 is a number
        ("time,x,u,\n0,1,2,7\n1,2,3,8\n", "column 4 has no name"),
        ("# tank\ntime,x,u\n0,1,2\n2,0.1", "row 2 has 2 fields of 3: is the table cut off"),
        ("time;x;u\n0;1,5;2\n1;1.5;2\n", "decimal comma in row 1 and a decimal point in row 2"),
        ("simulation,time,x,u\na,0,1,2\n,1,2,3\n", "column simulation is empty in row 2"),
        ("simulation,time,x,u\n1,0,1,2\n,1,2,3\n", "column simulation is empty in row 2"),
        ("time,x,channel,value\n0,1,u,2\n1,2,,3\n", "column channel is empty in row 2"),
        ("time,x,channel,value,u\n0,1,u,2,7\n", "the column u is there twice"),
        ("<html><body>time,x,u</body></html>", "looks like HTML, XML or JSON"),
        ('{"time": [0, 1]}', "looks like HTML, XML or JSON"),
    ],
)
def test_what_would_shift_columns_or_drop_rows_is_refused(text, message, tmp_path):
    with pytest.raises(InputError, match=message):
        read(tmp_path, text)


def test_a_table_in_another_encoding(tmp_path):
    text = "time,x,u [°C]\n0,1,2\n1,2,3\n"
    assert columns(read(tmp_path, text)) == ROWS
    with pytest.raises(InputError, match=r"no table in UTF-8 \(byte 0xb0 after 10 others\)"):
        read(tmp_path, text, encoding="latin-1")


def test_units_of_the_columns_that_go_with_a_channel():
    """Those of `value`, `sigma` and `NAME_sigma`."""
    own = {"time": [0.0, 1.0], "x": [1.0, 2.0]}
    pair = {"channel": ["u", "v"], "value [degC]": [2.0, 3.0], "sigma [mK]": [5.0, 6.0]}
    u, v = Recordings.from_points(own | pair).systems[0].series
    assert (u.unit, v.unit) == ("degC", "degC")
    np.testing.assert_allclose([u.sigma[0], v.sigma[0]], [0.005, 0.006])
    each = {"u [K]": [2.0, 3.0], "v [K]": [1.0, 1.0], "sigma [mK]": [5.0, 6.0]}
    own_sigma = {"v_sigma [K]": [0.5, 0.25]}
    u, v = Recordings.from_points(own | each | own_sigma).systems[0].series
    np.testing.assert_allclose(u.sigma, [0.005, 0.006])
    np.testing.assert_allclose(v.sigma, [0.5, 0.25])
    times = {"time": [0.0, 1.0], "t [K]": [20.0, 30.0], "x [cm]": [1.0, 2.0]}
    (t,) = Recordings.from_points(times).systems[0].series
    assert (t.channel, t.unit, t.times.tolist()) == ("t", "K", [0.0, 1.0])


def test_a_sigma_with_a_unit_needs_one_of_its_values():
    """Else nobody knows how many of the one are one of the other."""
    table = ROWS | {"u_sigma [mK]": [5.0, 6.0]}
    with pytest.raises(InputError, match=r"u_sigma is in mK, but u has no unit: give units=.*'u'"):
        Recordings.from_points(table)
    (u,) = Recordings.from_points(table, units={"u": "K"}).systems[0].series
    np.testing.assert_allclose(u.sigma, [0.005, 0.006])


def test_what_is_masked_is_not_seen():
    values = np.ma.array([2.0, 999.0, 3.0], mask=[False, True, False])
    table = {"time": [0.0, 0.5, 1.0], "x": [1.0, 1.5, 2.0]}
    counts = np.ma.array([2, 999, 3], mask=values.mask)
    nullable = pd.DataFrame(table | {"u": pd.array([2, None, 3], dtype="Int64")})
    for own in (table | {"u": values}, table | {"u": counts}, nullable):
        assert columns(Recordings.from_points(own)) == ROWS
    film = np.ma.array([[1.0, 2.0], [3.0, 999.0]], mask=[[False, False], [False, True]])
    (own,) = Recordings.from_arrays({"time": [0, 1], "x": [0.5, 1.5], "u": film}).systems[0].series
    np.testing.assert_array_equal(own.values, [[1, 2], [3, np.nan]])


def test_times_as_text_are_numbers_or_dates():
    assert columns(Recordings.from_points(ROWS | {"time": ["0.0", "1.0"]})) == ROWS
    dates = ["2026-01-01T12:00:00", "2026-01-01T12:00:01"]
    assert columns(Recordings.from_points(ROWS | {"time": dates})) == ROWS


def test_a_numbered_column_beside_a_coordinate_is_a_channel():
    """The state x_1 is no second x."""
    u, x_1 = Recordings.from_points(ROWS | {"x_1": [7.0, 8.0]}).systems[0].series
    assert (u.channel, x_1.channel) == ("u", "x_1")
    np.testing.assert_array_equal(u.places[:, 0], ROWS["x"])
    np.testing.assert_array_equal(x_1.values, [7, 8])
