"""What is wrong with a file or with what it holds is one message, which says where."""

import subprocess
import sys

import h5py
import numpy as np
import pytest
import xarray as xr

from hycojax.data.files import Files
from hycojax.data.formats import netcdf
from hycojax.data.recordings import Film, Points, Reading, Recorded, Recordings, System
from hycojax.errors import InputError

X, TIME = np.arange(4.0), np.arange(3.0)


def dataset(**changes):
    values = np.random.default_rng(0).normal(size=(2, 3, 4, 4))
    dims = ("simulation", "time", "x", "y")
    return xr.Dataset({"dye": (dims, values)}, {"time": TIME, "x": X, "y": X} | changes)


def refused(data, message, **options):
    with pytest.raises(InputError, match=message):
        Recordings.from_xarray(data, **options)


def test_no_such_variable():
    refused(
        dataset(),
        "there is no variable die for the channel density: did you mean dye",
        channels={"density": "die"},
    )
    refused(dataset(), "sigma: there is no channel density: There are dye", sigma={"density": 0.1})
    refused(dataset(), "units: there is no channel dey: did you mean dye", units={"dey": "1"})


def test_missing_dimensions():
    refused(dataset().drop_vars("x"), "dye: it lies along time, x, y, but nothing says where x")
    refused(dataset().isel(x=0, drop=True), "dye: .* nothing says what its x is")
    refused(dataset().rename(y="row").drop_vars("row"), "nothing says where row lies")
    refused(xr.Dataset({"f": 1.0}), "no variable has places")
    refused(xr.Dataset(), "there is no variable with numbers")
    at = ("sensor", [0.0, 1.0])
    refused(xr.Dataset({"u": at}, {"x": at, "y": at}), "u: a coordinate time is missing")


def test_labels_of_simulations():
    for labels in ([7, 7], ["a", "a"]):
        refused(dataset(simulation=labels), f"simulation: {labels[0]!r} is there twice")
    refused(dataset(simulation=[0.0, np.nan]), "simulation: number 1 has no label")
    refused(dataset(simulation=["a", ""]), "simulation: number 1 has no label")


def test_what_is_no_recording_beside_one_is_left_out_and_told():
    data = dataset().assign(qc=("flag", [1.0, 2.0]), mean=(("time", "row"), np.ones((3, 2))))
    found = Recordings.from_xarray(data)
    assert [series.channel for series in found.systems[0].series] == ["dye"]
    assert found.left_out == [
        "qc: it lies along flag, but nothing says where flag lies",
        "mean: it lies along time, row, but nothing says where row lies",
    ]
    refused(data, "qc: it lies along flag, but nothing says where", channels={"dye": "qc"})


def test_attributes_of_others_are_not_ours():
    """Common metadata, and numbers where words are usual."""
    about = {"channel": 3, "instrument": "PT100", "noise": "0.1 K"}
    data = dataset().assign(dye=dataset()["dye"].assign_attrs(about), other=dataset()["dye"])
    data["x"].attrs["units"] = 1
    refused(data, "x: values in '1' do not convert to 'm'")
    del data["x"].attrs["units"]
    series = Recordings.from_xarray(data).systems[0].series
    assert [own.channel for own in series] == ["dye", "other"]
    assert series[0].instrument is None


def test_two_coordinates_of_one_kind():
    two = dataset().drop_vars("x").assign_coords(x_1=("x", X), x_2=("x", X))
    refused(two, "x_1 and x_2 both tell the x along")


def test_times_that_do_not_increase():
    refused(
        dataset(time=[0.0, 2.0, 1.0]),
        "simulation 0: dye: time: it must increase, but number 2 is 1 after 2",
    )
    refused(dataset(time=[0.0, 1.0, 1.0]), "number 2 is 1 after 1")
    refused(dataset(x=[0.0, 1.0, 3.0, 2.0]), "dye: x: it must increase, but number 3 is 2 after 3")
    refused(dataset(time=[0.0, np.nan, 1.0]), "dye: the time of frame 1 is not a number")


def test_times_in_single_precision_are_told_with_all_digits():
    late = (1.7e9 + TIME).astype(np.float32)
    refused(dataset(time=late), "number 1 is 1700000000 after 1700000000")
    names = np.array(["2026-01-01", "2026-01-02", "2026-01-03"])
    with pytest.raises(InputError, match="time: numbers, or dates as datetime64, are needed"):
        Recordings.from_arrays({"time": names, "x": X, "u": np.ones((3, 4))})


def test_units_that_do_not_convert():
    data = dataset()
    data["x"].attrs["units"] = "kg"
    refused(data, r"x: values in 'kg' do not convert to 'm'; give units=\{'x': ...\}")


def test_values_that_are_no_measurements():
    nothing, one = dataset(), dataset()
    nothing["dye"][...] = np.nan
    refused(nothing, "dye: all of its values are NaN: nothing is seen of it")
    nothing = dataset()
    nothing["dye"][1] = np.nan
    refused(nothing, "simulation 1: nothing is seen of it")
    one["dye"][1, 2, 3, 0] = -np.inf
    refused(one, r"simulation 1: dye: an infinite value in frame 2, cell \(3, 0\)")
    refused(one, "simulation 1, variable dye: density: an infinite", channels={"density": "dye"})
    negative = dataset()
    negative["dye_sigma"] = ("time", [0.1, -0.1, 0.1])
    refused(negative, r"dye: sigma is -0.1 at \(1, 0, 0\): 0 or more is needed")
    negative["dye_sigma"] = ("time", [0.1, np.inf, 0.1])
    refused(negative, r"dye: sigma is inf at \(1, 0, 0\): 0 or more is needed")


def test_recordings_with_other_axes():
    line = Points("u", None, TIME, np.zeros((3, 1)), np.ones(3))
    plane = Film("u", None, TIME, (X, X), np.ones((3, 4, 4)))
    with pytest.raises(ValueError, match="u of left has 1, u of right has 2"):
        Recordings((System("left", (line,)), System("right", (plane,))))


def test_arrays_that_do_not_belong_together():
    with pytest.raises(ValueError, match=r"u: \(3, 4\) values, where times and places"):
        Film("u", None, TIME, (np.arange(5.0),), np.ones((3, 4)))
    with pytest.raises(ValueError, match="do not belong together"):
        Points("u", None, TIME, np.zeros((2, 1)), np.ones(3))
    with pytest.raises(InputError, match=r"u: an array \(7, 7\) does not lie along"):
        Recordings.from_arrays({"time": TIME, "x": X, "u": np.ones((7, 7))})
    with pytest.raises(InputError, match="the array x with places along an axis is missing"):
        Recordings.from_arrays({"time": TIME, "u": np.ones((3, 4))})
    places = dict(zip("xy", np.meshgrid(X, X), strict=True))
    with pytest.raises(InputError, match=r"x: an array \(4, 4\), where .* numpy.meshgrid takes it"):
        Recordings.from_arrays({"time": TIME, **places, "u": np.ones((3, 4, 4))})
    films = {"time": TIME, "x": X, "u": np.ones((2, 3, 4))}
    with pytest.raises(InputError, match=r"inflow: an array \(5,\) does not lie along .*2 of sim"):
        Recordings.from_arrays(films | {"inflow": np.ones(5)})
    with pytest.raises(InputError, match=r"the arrays do not belong together: .*simulation"):
        Recordings.from_arrays(films | {"simulation": np.arange(5)})


def test_arrays_that_may_lie_along_several_axes():
    """As many simulations as times, or as cells: an order of axes is guessed nowhere."""
    square = {"time": TIME, "x": np.arange(3.0), "u": np.ones((3, 3, 3))}
    with pytest.raises(InputError, match=r"f: an array \(3,\) may lie along .* or \(x\), as there"):
        Recordings.from_arrays(square | {"f": np.ones(3)})
    with pytest.raises(
        InputError, match=r"f: an array \(3, 3\) may lie along \(simulation, time\)"
    ):
        Recordings.from_arrays(square | {"f": np.ones((3, 3))})


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ({"x": [1], "u": [1]}, "the column time is missing: there are x, u"),
        ({"time": [1], "x": [1]}, "there is no column of a channel"),
        ({"time": [1, 2], "x": [1, 2], "u": [1]}, "the columns have different lengths"),
        ({"time": [1], "x": [1], "u": ["a"]}, "the column u has 'a' in row 1: a number is needed"),
        ({"time": ["noon"], "x": [1], "u": [1]}, "the column time has 'noon'"),
        ({"time": [1], "x": [1], "channel": ["u"]}, "the column value is missing"),
        ({"time": [], "x": [], "u": []}, "the table has no rows"),
        ({"time": [1], "x": [1], "u [K]": [1], "u [degC]": [1]}, "the column u is there twice"),
        ({"time": [0, 1], "x": [1, 1], "u": [1, np.inf]}, "u: an infinite value in row 1"),
        (
            {"time": [0, np.nan], "x": [1, 1], "u": [1, 1]},
            "the time of measurement 1 is not",
        ),
    ],
)
def test_tables(table, message):
    with pytest.raises(InputError, match=message):
        Recordings.from_points({name: np.array(values) for name, values in table.items()})


def test_what_is_no_data():
    refused(dataset()["dye"], "DataArray: a Dataset is needed")
    with pytest.raises(InputError, match="a dict of arrays, a DataFrame or a structured array"):
        Recordings.from_points("probes.csv")
    for field, value in (("channels", ["dye"]), ("units", {"dye": 1}), ("sigma", {"dye": "1"})):
        with pytest.raises(ValueError, match=field):
            Files("a.nc", **{field: value})
    for options in ({"sigma": {"dye": -1}}, {"relative_sigma": -1}):
        with pytest.raises(ValueError, match="it must not be negative"):
            Files("a.nc", **options)
    with pytest.raises(ValueError, match="channels: dye is read twice"):
        Files("a.nc", channels={"density": "dye", "temperature": "dye"})


def test_what_only_says_how_to_read_can_not_be_read():
    assert not hasattr(Reading(), "read")
    with pytest.raises(TypeError, match="abstract"):
        Recorded()


def written(path, write=None, text=None):
    if write is not None:
        write(path)
    elif text is not None:
        path.write_bytes(text)
    return path


def half(path):
    dataset().to_netcdf(path, engine="h5netcdf")
    path.write_bytes(path.read_bytes()[:4000])


def no_axes(path):
    with h5py.File(path, "w") as file:
        file["tensor"], file["x-coordinate"] = np.ones((2, 3, 4)), X


def no_places(path):
    with h5py.File(path, "w") as file:
        file["tensor"] = np.ones((2, 3, 4, 4))


def no_y(path):
    with h5py.File(path, "w") as file:
        file["density"], file["x-coordinate"] = np.ones((2, 3, 4, 4)), X
        file["t-coordinate"] = TIME


def a_flow(path):
    with h5py.File(path, "w") as file:
        file["velocity"], file["t"] = np.ones((2, 3, 4, 4, 2)), np.ones((2, 3))
        file["particles"] = np.ones((2, 3, 4, 4, 1))


def no_grid(path):
    with h5py.File(path, "w") as file:
        file["0000/data"], file["0000/grid/x"] = np.ones((3, 4, 1)), X


def spherical(path):
    with h5py.File(path, "w") as file:
        file.attrs["grid_type"] = "spherical"
        file.create_group("dimensions"), file.create_group("t0_fields")


def no_dates(path):
    about = {"units": "days since 2001-01-01", "calendar": "noleap"}
    dataset(time=("time", TIME, about)).to_netcdf(path, engine="h5netcdf")


def well(path, length=4, mask=4):
    with h5py.File(path, "w") as file:
        file.create_group("dimensions").attrs["spatial_dims"] = ["x"]
        file["dimensions/time"], file["dimensions/x"] = TIME, X
        file["t0_fields/u"] = np.ones((1, 3, length))
        group = file.create_group("boundary_conditions/all")
        group.attrs.update(bc_type="WALL", associated_dims=["x"])
        group["mask"] = np.ones(mask, bool)


def in_groups(path):
    xr.DataTree.from_dict({"/a/b": dataset()}).to_netcdf(path, engine="h5netcdf")


FILES = {
    "empty.nc": ({"text": b""}, "it is empty"),
    "half.nc": ({"write": half}, "it can't be read: it is truncated, damaged or of another kind"),
    "half.npz": ({"text": b"PK\3\4abc"}, "it can't be read: it is truncated, damaged"),
    "image.png": ({"text": b"\x89PNG\0\0"}, "its layout is unknown"),
    "folder": ({"write": lambda path: path.mkdir()}, "it is a directory: give a file in it"),
    "a.hdf5": ({"write": no_axes}, "t-coordinate is missing"),
    "d.hdf5": (
        {"write": no_places},
        r"x-coordinate is missing, .*\(tensor \(2, 3, 4, 4\)\): .* hj\.Recordings\.from_xarray\(",
    ),
    "e.hdf5": ({"write": a_flow}, r"x-coordinate is missing, .* velocity \(2, 3, 4, 4, 2\)"),
    "f.hdf5": ({"write": no_y}, r"y-coordinate is missing, .*density \(2, 3, 4, 4\)"),
    "g.hdf5": ({"write": no_grid}, r"0000/grid/t is missing, .* hj\.Recordings\.from_xarray\("),
    "b.hdf5": ({"write": spherical}, "its grid is spherical: only Cartesian ones"),
    "c.nc": ({"write": in_groups}, "no variable is in its root: choose one of the groups a/b"),
    "a.csv": ({"text": b"time,x,u\n0,1,2,3,4\n1,2\n3,4,5,6,7,8\n"}, "row 2 has 2 fields of 3: is"),
    "c.csv": ({"text": b"time,x,u,u\n0,1,2,3\n"}, "the column u is there twice"),
    "i.hdf5": ({"write": lambda path: well(path, length=5)}, "u: 5 along x, where it has 4 values"),
    "j.hdf5": ({"write": lambda path: well(path, mask=0)}, r"all: a mask \(0,\) for x"),
    "h.nc": ({"write": no_dates}, "its times are no dates .* give them in seconds"),
    "b.csv": ({"text": b"\xff\xfe\xff time"}, r"it is no table in UTF-8 \(byte 0xff after 0"),
}


@pytest.mark.parametrize("name", FILES)
def test_files(name, tmp_path):
    make, message = FILES[name]
    path = written(tmp_path / name, **make)
    with pytest.raises(InputError, match=message) as told:
        Files(str(path)).read()
    assert str(told.value).startswith(f"{path}: ")


def test_a_file_of_another_layout_than_the_one_asked_for(tmp_path):
    dataset().to_netcdf(tmp_path / "a.nc", engine="h5netcdf")
    with pytest.raises(InputError, match="it can't be read as the_well: "):
        Files(tmp_path / "a.nc", layout="the_well").read()


@pytest.mark.parametrize("kind", [AttributeError, TypeError, IndexError, MemoryError])
def test_whatever_a_library_meets_in_a_damaged_file_is_one_message(kind, tmp_path, monkeypatch):
    """A flipped bit can make a reference to a name that is None, for one."""

    def meets(*arguments):
        raise kind("of no\nuse")

    dataset().to_netcdf(tmp_path / "a.nc", engine="h5netcdf")
    monkeypatch.setattr(netcdf, "_dims", meets)
    with pytest.raises(InputError, match=r"a\.nc: it can't be read: it is trunc.* \(of no use\)"):
        Files(tmp_path / "a.nc").read()


def test_files_that_are_not_there(tmp_path):
    with pytest.raises(InputError, match=r"there is no file .*tank\.nc"):
        Files(str(tmp_path / "tank.nc")).read()
    with pytest.raises(InputError, match=r"no file matches .*\*\.nc"):
        Files(str(tmp_path / "*.nc")).read()
    in_groups(tmp_path / "a.nc")
    with pytest.raises(InputError, match="there is no group c: choose one of the groups a/b"):
        Files(str(tmp_path / "a.nc"), group="c").read()
    np.savez(tmp_path / "a.npz", x=X)
    with pytest.raises(InputError, match="only labelled files have groups, this is arrays"):
        Files(str(tmp_path / "a.npz"), group="c").read()
    with pytest.raises(ValueError, match="layout = 'wave': one of 'labelled'"):
        Files("a.nc", layout="wave")


def test_a_file_that_another_process_has_locked(tmp_path):
    dataset().to_netcdf(tmp_path / "a.nc", engine="h5netcdf")
    hold = (
        "import fcntl, sys\nfile = open(sys.argv[1], 'r+')\n"
        "fcntl.flock(file, fcntl.LOCK_EX)\nprint('held', flush=True)\nsys.stdin.read()"
    )
    command = [sys.executable, "-c", hold, str(tmp_path / "a.nc")]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True) as other:
        assert other.stdout.readline().strip() == "held"
        with pytest.raises(InputError, match="another process has locked it"):
            Files(str(tmp_path / "a.nc")).read()
        other.communicate("")
    assert Files(str(tmp_path / "a.nc")).read().systems
