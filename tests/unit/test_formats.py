"""Each format is written from its public description and read: the same numbers, the same bits."""

import dataclasses
import json

import h5py
import numpy as np
import pandas as pd
import pytest
import xarray as xr

from hycojax.data.files import Files, Together
from hycojax.data.formats.layouts import Layout, detect
from hycojax.data.instruments import Gaussian, Mean, Student
from hycojax.data.labelled import to_xarray
from hycojax.data.observing import seen
from hycojax.data.recordings import Film, Points, Recordings, System
from hycojax.data.splits import LastPart, Share
from hycojax.data.units import in_units
from hycojax.errors import InputError
from hycojax.grid.domain import CLOSED, PERIODIC, Channel, Domain, vector_channels, with_channels
from hycojax.models.coefficients import Unknown
from hycojax.physics import Heat
from hycojax.settings.values import as_json, from_json

TIME, X, Y = np.array([0.0, 0.5, 1.25]), np.arange(4) / 4 + 0.125, np.arange(5) / 8
RNG = np.random.default_rng(0)
U = RNG.normal(size=(2, 3, 4, 5)).astype(np.float32)
V = RNG.normal(size=(2, 3, 4, 5)).astype(np.float32)
V[1, 2, 0] = np.nan


def same(one, other):
    """Whether two series hold the same bits."""
    for field in dataclasses.fields(one):
        a, b = getattr(one, field.name), getattr(other, field.name)
        pairs = zip(a, b, strict=True) if isinstance(a, tuple) else [(a, b)]
        for left, right in pairs:
            if isinstance(left, np.ndarray):
                assert left.dtype == right.dtype, field.name
                np.testing.assert_array_equal(left, right, err_msg=field.name)
            else:
                assert left == right, field.name


ABOUT = ("name", "numbers", "units", "clock", "boundary", "left_out")


def equal(one, other):
    assert len(one.systems) == len(other.systems)
    for a, b in zip(one.systems, other.systems, strict=True):
        for name in ABOUT:
            assert getattr(a, name) == getattr(b, name), name
        for left, right in zip(a.series, b.series, strict=True):
            assert type(left) is type(right)
            same(left, right)


def films(units=True):
    """Return the recordings that all formats of films carry."""
    unit = "m/s" if units else None
    pairs = list(zip("uv", (U, V), strict=True))

    def seen(i):
        return tuple(Film(name, unit, TIME, (X, Y), values[i]) for name, values in pairs)

    return Recordings(tuple(System(f"simulation {i}", seen(i)) for i in range(2)))


def dataset():
    dims, units = ("simulation", "time", "x", "y"), {"units": "m/s"}
    places = {"x": ("x", X, {"units": "m"}), "y": ("y", Y)}
    times = {"time": ("time", TIME, {"units": "s"})}
    return xr.Dataset({"u": (dims, U, units), "v": (dims, V, units)}, times | places)


def netcdf4(path):
    dataset().to_netcdf(path / "a.nc", engine="h5netcdf")
    return path / "a.nc"


def netcdf3(path):
    dataset().to_netcdf(path / "a.nc", engine="scipy")
    return path / "a.nc"


def zarr(path):
    dataset().to_zarr(path / "a.zarr", consolidated=False)
    return path / "a.zarr"


def transposed(path):
    turned = dataset().transpose("y", "time", "simulation", "x").isel(y=slice(None, None, -1))
    turned.to_netcdf(path / "a.nc", engine="h5netcdf")
    return path / "a.nc"


@pytest.mark.parametrize("write", [netcdf4, netcdf3, zarr, transposed])
def test_labelled_files(write, tmp_path):
    equal(Files(str(write(tmp_path))).read(), films())


def npz(path):
    np.savez(path / "a.npz", time=TIME, x=X, y=Y, u=U, v=V)
    return path / "a.npz"


def hdf5(path):
    with h5py.File(path / "a.h5", "w") as file:
        for name, values in {"time": TIME, "x": X, "y": Y, "u": U, "v": V}.items():
            file[name] = values
    return path / "a.h5"


def the_well(path):
    with h5py.File(path / "a.hdf5", "w") as file:
        file.attrs.update(grid_type="cartesian", n_spatial_dims=2, n_trajectories=2)
        sizes = file.create_group("dimensions")
        sizes.attrs["spatial_dims"] = ["x", "y"]
        for name, values in {"time": TIME, "x": X, "y": Y}.items():
            sizes.create_dataset(name, data=values.astype(np.float32))
            sizes[name].attrs["sample_varying"] = False
        scalars = file.create_group("scalars")
        scalars["inflow"] = np.float32([0.25, 0.5])
        scalars["inflow"].attrs.update(sample_varying=True, time_varying=False)
        scalars["drive"] = np.float32([0, 1, 2])
        scalars["drive"].attrs.update(sample_varying=False, time_varying=True)
        for rank in range(3):
            file.create_group(f"t{rank}_fields")
        vector = np.stack([U, V], axis=-1)
        mean = np.random.default_rng(1).normal(size=(2, 4)).astype(np.float32)
        varying = {"sample_varying": True, "time_varying": True, "dim_varying": [True, True]}
        file["t0_fields/u"], file["t1_fields/w"] = U, vector
        file["t0_fields/mean"] = mean
        file["t2_fields/stress"] = np.stack([U, V, V, U], axis=-1).reshape(*U.shape, 2, 2)
        for name in ("t0_fields/u", "t1_fields/w", "t2_fields/stress"):
            file[name].attrs.update(varying)
        file["t0_fields/mean"].attrs.update(varying | {"time_varying": False})
        file["t0_fields/mean"].attrs["dim_varying"] = [True, False]
    return path / "a.hdf5"


def with_boundaries(path, **kinds):
    """Add boundaries of a kind along axes to a file of The Well."""
    with h5py.File(path, "a") as file:
        for number, (axes, kind) in enumerate(kinds.items()):
            group = file.require_group("boundary_conditions").create_group(f"{number}_{kind}")
            group.attrs.update(bc_type=kind, associated_dims=list(axes))
            group.attrs.update(sample_varying=False, time_varying=False)
            mask = np.zeros([len({"x": X, "y": Y}[axis]) for axis in axes], bool)
            mask[(1, 2) if len(axes) > 1 else ([0, -1],)] = True
            group["mask"] = mask
    return path


def seen_in(path, boundary):
    """Return what a heat equation in a box is told of the file."""
    box = Domain((4, 5), (1.0, 0.625), boundary, origin=(0.0, -0.0625))
    found = Files(str(path), channels={"temperature": "u"}, units={"temperature": "K"}).read()
    return seen(found, Heat(diffusivity=Unknown(start=1e-3)).on(box, 0.25), 0).told


def test_the_box_of_the_well_and_of_the_model_end_in_the_same_way(tmp_path):
    path = with_boundaries(the_well(tmp_path), x="PERIODIC", y="PERIODIC")
    assert Files(path, channels={"u": "u"}).read().systems[1].boundary == ("periodic", "periodic")
    assert not any("boundary" in told for told in seen_in(path, PERIODIC))
    message = (
        "domain.boundary = closed: the box of simulation 0 is periodic along x, periodic along"
    )
    with pytest.raises(InputError, match=message):
        seen_in(path, CLOSED)
    path.unlink()
    with pytest.raises(InputError, match=r"wall along x, wall along y, .* take hj\.CLOSED"):
        seen_in(with_boundaries(the_well(tmp_path), x="wall", y="WALL"), PERIODIC)


def test_a_box_of_the_well_that_no_model_has_is_told(tmp_path):
    path = with_boundaries(the_well(tmp_path), x="open", y="wall", xy="wall")
    for boundary in (PERIODIC, CLOSED):
        told = " ".join(seen_in(path, boundary))
        assert f"is open along x, wall along y, the model's {boundary.value} on all sides" in told
        assert "2_wall: boundaries inside the box (wall): models have none" in told


def test_a_number_that_changes_in_time_is_left_out_and_told(tmp_path):
    path = the_well(tmp_path)
    (system, _) = Files(str(path), channels={"u": "u"}).read().systems
    assert set(system.numbers) == {"inflow"}
    told = "a number that changes in time: models take constant ones only"
    assert system.left_out == (f"drive: {told}",)
    assert any("drive: a number" in own for own in seen_in(path, PERIODIC))
    with pytest.raises(InputError, match="drive: it is a number that changes in time"):
        Files(str(path), channels={"u": "u", "source": "drive"}).read()
    labelled = dataset().assign(drive=("time", TIME), drive_sigma=("time", TIME))
    for ds in (labelled, labelled.assign(drive=(("simulation", "time"), np.ones((2, 3))))):
        found = Recordings.from_xarray(ds)
        assert found.left_out == [f"drive: {told}"]
        assert [s.channel for s in found.systems[0].series] == ["u", "v"]


def test_the_digest_is_of_the_numbers_alone():
    one = films()
    own = dataclasses.replace(one.systems[0], boundary=("wall", "wall"), left_out=("x: no",))
    assert dataclasses.replace(one, systems=(own, one.systems[1])).digest == one.digest
    assert one.digest == "f9cc3a1515"


def tensor(path):
    with h5py.File(path / "a.hdf5", "w") as file:
        file["density"], file["Vx"] = U, V
        file["x-coordinate"], file["y-coordinate"] = X.astype(np.float32), Y.astype(np.float32)
        file["t-coordinate"] = np.float32([*TIME, 2.0])  # the end of the last step too
        file.attrs["eta"] = 0.1
    return path / "a.hdf5"


def groups(path):
    with h5py.File(path / "a.h5", "w") as file:
        for i in range(2):
            file[f"000{i}/data"] = np.stack([U[i], V[i]], axis=-1)
            for name, values in {"t": TIME, "x": X, "y": Y}.items():
                file[f"000{i}/grid/{name}"] = values.astype(np.float32)
    return path / "a.h5"


FORMATS = {
    "npz": (npz, Layout.ARRAYS, {}, {}),
    "hdf5": (hdf5, Layout.ARRAYS, {}, {}),
    "the well": (the_well, Layout.THE_WELL, {"u": "u", "v": "w_y"}, {"inflow": [0.25, 0.5]}),
    "tensors": (the_well, Layout.THE_WELL, {"u": "stress_xx", "v": "stress_yx"}, {}),
    "pdebench": (tensor, Layout.PDEBENCH, {"u": "density", "v": "Vx"}, {}),
    "groups": (groups, Layout.PDEBENCH, {"u": "data_0", "v": "data_1"}, {}),
}


@pytest.mark.parametrize("name", FORMATS)
def test_the_same_numbers_give_the_same_bits(name, tmp_path):
    write, layout, channels, numbers = FORMATS[name]
    path = write(tmp_path)
    assert detect(path) is layout
    found = Files(str(path), channels=channels).read()
    for i, system in enumerate(found.systems):
        for known, values in numbers.items():
            assert system.numbers[known] == values[i]
    kept = tuple(dataclasses.replace(s, numbers={}, left_out=None) for s in found.systems)
    equal(dataclasses.replace(found, systems=kept), films(units=False))


@pytest.mark.parametrize("write", [netcdf4, netcdf3, zarr, npz, hdf5, the_well, tensor, groups])
def test_a_name_that_no_file_has_gets_the_nearest_one(write, tmp_path):
    path = write(tmp_path)
    name = {the_well: "w_x", tensor: "density", groups: "data_0"}.get(write, "u")
    with pytest.raises(InputError, match=f"no variable {name}s .*: did you mean {name}"):
        Files(path, channels={"u": f"{name}s"}).read()


def test_places_of_two_axes_are_read_beside_chosen_channels(tmp_path):
    """By CF's attribute `axis`, whatever they are called."""
    near, far = np.meshgrid(X, Y, indexing="ij")
    places = {"near": (("i", "j"), near, {"axis": "X"}), "far": (("i", "j"), far, {"axis": "Y"})}
    ds = xr.Dataset({"u": (("time", "i", "j"), U[0])}, {"time": TIME} | places)
    ds.to_netcdf(tmp_path / "a.nc", engine="h5netcdf")
    (whole,), (chosen,) = (
        Files(tmp_path / "a.nc", channels=c).read().systems[0].series for c in ({}, {"u": "u"})
    )
    same(whole, chosen)


def test_fields_of_the_well_that_lack_axes(tmp_path):
    found = Files(str(the_well(tmp_path)), channels={"m": "mean"}).read()
    (film,) = found.systems[1].series
    assert film.times is None
    assert film.values.shape == (4, 5)
    np.testing.assert_array_equal(film.values[:, 0], film.values[:, 4])


def test_one_dimensional_tensor(tmp_path):
    with h5py.File(tmp_path / "a.hdf5", "w") as file:
        file["tensor"], file["x-coordinate"], file["t-coordinate"] = U[:, :, :, 0], X, TIME
    found = Files(str(tmp_path / "a.hdf5"), channels={"u": "tensor"}).read()
    same(
        found.systems[1].series[0], Film("u", None, TIME, (X,), np.ascontiguousarray(U[1, ..., 0]))
    )


def flow(path, places=True):
    """Write what the simulations of incompressible flow hold, with places and times or without."""
    with h5py.File(path, "w") as file:
        file["velocity"] = np.stack([U, V], axis=-1)
        file["particles"] = U[..., None]
        file["force"] = np.stack([U[:, 0], V[:, 0]], axis=-1)
        file["t"] = np.stack([TIME, TIME])
        for name, values in {"x": X, "y": Y, "t": TIME}.items() if places else ():
            file[f"{name}-coordinate"] = values
    return path


def test_datasets_with_channels_last(tmp_path):
    path = flow(tmp_path / "a.h5")
    assert detect(path) is Layout.PDEBENCH
    found = Files(path, channels={"u": "velocity_0", "v": "velocity_1"}).read()
    equal(found, films(units=False))
    (whole, _) = Files(path).read().systems
    by_name = {s.channel: s for s in whole.series}
    assert set(by_name) == {"velocity_0", "velocity_1", "particles", "force_0", "force_1"}
    assert by_name["force_1"].times is None
    np.testing.assert_array_equal(by_name["particles"].values, U[0])


def test_samples_of_one_dimension_and_one_channel(tmp_path):
    with h5py.File(tmp_path / "a.h5", "w") as file:
        for i in range(2):
            file[f"000{i}/data"] = U[i, :, :, :1]
            file[f"000{i}/grid/x"], file[f"000{i}/grid/t"] = X, TIME
        file.attrs["0000/config"] = "sim: ..."
    found = Files(tmp_path / "a.h5", channels={"u": "data"}).read()
    values = np.ascontiguousarray(U[1, :, :, 0])
    same(found.systems[1].series[0], Film("u", None, TIME, (X,), values))


# Points

TABLE = {
    "simulation": np.repeat([0, 1], 4),
    "time": np.array([0.0, 0.1, 0.25, 0.1, 0.0, 0.3, 0.3, 1.0]),
    "x": RNG.uniform(size=8),
    "y": RNG.uniform(size=8),
    "u": RNG.normal(size=8),
    "u_sigma": np.linspace(0.1, 0.2, 8),
}
TABLE["u"][5] = np.nan


def points():
    keep = np.isfinite(TABLE["u"])

    def part(i):
        own = keep & (TABLE["simulation"] == i)
        places = np.stack([TABLE["x"][own], TABLE["y"][own]], axis=-1)
        return Points("u", None, TABLE["time"][own], places, TABLE["u"][own], TABLE["u_sigma"][own])

    return Recordings(tuple(System(f"simulation {i}", (part(i),)) for i in range(2)))


def test_tables_in_memory():
    frame = pd.DataFrame(TABLE)
    for table in (TABLE, frame, frame.to_records(index=False)):
        equal(Recordings.from_points(table), points())


@pytest.mark.parametrize("separator", [",", ";", "\t"], ids=["comma", "semicolon", "tab"])
def test_csv(separator, tmp_path):
    pd.DataFrame(TABLE).to_csv(tmp_path / "a.csv", index=False, sep=separator)
    equal(Files(str(tmp_path / "a.csv")).read(), points())


def test_csv_with_decimal_commas(tmp_path):
    pd.DataFrame(TABLE).to_csv(tmp_path / "a.csv", index=False, sep=";", decimal=",")
    equal(Files(tmp_path / "a.csv").read(), points())


@pytest.mark.parametrize("kind", ["rows", "films"])
def test_t_is_the_time_where_nothing_is_called_so(kind, tmp_path):
    own = TABLE if kind == "rows" else {"time": TIME, "x": X, "y": Y, "u": U, "v": V}
    named = {"t" if name == "time" else name: values for name, values in own.items()}
    np.savez(tmp_path / "a.npz", **named)
    wanted = points() if kind == "rows" else films(units=False)
    equal(Files(tmp_path / "a.npz").read(), wanted)
    equal(Files(tmp_path / "a.npz", channels={"u": "u"}).read(), only_u(wanted))


def only_u(whole):
    kept = (
        dataclasses.replace(s, series=tuple(own for own in s.series if own.channel == "u"))
        for s in whole.systems
    )
    return dataclasses.replace(whole, systems=tuple(kept))


def test_npz_of_rows(tmp_path):
    np.savez(tmp_path / "a.npz", **TABLE)
    equal(Files(str(tmp_path / "a.npz")).read(), points())


def test_csv_with_units_dates_and_a_channel_a_row(tmp_path):
    (tmp_path / "a.csv").write_text(
        "# of a tank\ntime,x [cm],channel,value,sigma\n"
        "2026-01-01T00:00:01.5,100,u,1,0.1\n2026-01-01T00:00:02,50,v,2,0.2\n"
    )
    (system,) = Files(str(tmp_path / "a.csv")).read().systems
    u, v = system.series
    assert system.clock.startswith("2026-01-01T00:00:01.5")
    assert (u.channel, u.values, u.sigma, u.times, u.places) == ("u", 1, 0.1, 0.0, 1.0)
    assert (v.channel, v.values, v.sigma, v.times, v.places) == ("v", 2, 0.2, 0.5, 0.5)


def test_sensors_with_one_clock():
    ds = xr.Dataset(
        {"u": (("time", "sensor"), [[1.0, 2.0], [np.nan, 4.0], [5.0, 6.0]])},
        {"time": TIME, "x": ("sensor", [0.1, 0.2]), "y": ("sensor", [0.3, 0.4])},
    )
    (own,) = Recordings.from_xarray(ds).systems[0].series
    np.testing.assert_array_equal(own.values, [1, 2, 4, 5, 6])
    np.testing.assert_array_equal(own.times, [0, 0, 0.5, 1.25, 1.25])
    np.testing.assert_array_equal(own.places[2], [0.2, 0.4])


# Roundtrips


def rich():
    """Recordings with all that there is: lengths that differ, two instruments, numbers, clocks."""
    first, second = (s.series for s in films().systems)
    probe = points().systems[0].series[0]
    short = dataclasses.replace(second[0], times=TIME[:2], values=second[0].values[:2])
    about = {"noise": Student(degrees=3.0), "instrument": Mean(widths=(0.25,))}
    noisy = dataclasses.replace(first[1], sigma=np.abs(first[1].values), **about)
    coarse = Film("u", "m/s", TIME, (X[::2], Y), U[0, :, ::2].astype(np.float64), 0.5)
    source = Film("z", None, None, (X, Y), U[0, 0])
    probes = dataclasses.replace(probe, sigma=0.5)
    left = System("left", (first[0], probe, noisy, source), {"inflow": 1.0}, {"inflow": "l/min"})
    about = {"boundary": ("wall", ""), "left_out": ("drive: of no use",)}
    right = System("right", (short, coarse, probes), {}, {}, "2026-01-01", **about)
    return Recordings((left, right))


def misnamed():
    """Recordings whose names are those of other things: of coordinates, numbers, deviations."""
    film, probe = films().systems[0].series[0], points().systems[0].series[0]
    sure = dataclasses.replace(film, sigma=np.asarray(0.5))
    names = ("u_2", "u_sigma", "x", "z", "t", "time", "measurement", "frame", "inflow")
    more = [dataclasses.replace(film, channel=name) for name in names]
    points_z = dataclasses.replace(probe, channel="z", sigma=None)
    series = tuple(sorted((sure, probe, *more, points_z), key=lambda s: s.channel))
    one = System("one", series, {"inflow": 1.0, "x": 2.0}, {"inflow": "l/min"})
    two = System("two", (film,), {"inflow": 3.0}, {"inflow": "m³/s"})
    return Recordings((one, two, System("three", (film,), {"inflow": 4.0})))


def test_nothing_gets_lost_by_its_name():
    found = Recordings.from_xarray(misnamed().to_xarray())
    for own, other in zip(found.systems, misnamed().systems, strict=True):
        assert (own.numbers, own.units) == (other.numbers, other.units)
        rest = list(own.series)
        for wanted in other.series:
            matches = [s for s in rest if (type(s), s.channel) == (type(wanted), wanted.channel)]
            same(matches[0], wanted)
            rest.remove(matches[0])
        assert not rest


@pytest.mark.parametrize("made", [films, points, rich])
@pytest.mark.parametrize("how", ["memory", "netcdf", "zarr"])
def test_what_is_written_is_read_with_the_same_bits(made, how, tmp_path):
    data = made().to_xarray()
    if how == "netcdf":
        data.to_netcdf(tmp_path / "a.nc", engine="h5netcdf")
        equal(Files(str(tmp_path / "a.nc")).read(), made())
    elif how == "zarr":
        data.to_zarr(tmp_path / "a.zarr", zarr_format=2)
        equal(Files(str(tmp_path / "a.zarr")).read(), made())
    else:
        equal(Recordings.from_xarray(data), made())


def test_states_that_the_package_writes(tmp_path):
    box = Domain((6, 4), (3.0, 8.0), CLOSED)
    faces = vector_channels("velocity", "m/s", 2, staggered=True)
    grid = with_channels(box, (Channel("density"), *faces, Channel("source", static=True)))
    values = np.random.default_rng(2).normal(size=(2, 7, 6, 4, 4)).astype(np.float32)
    tree = xr.DataTree.from_dict({"/test/truth": to_xarray(grid, 0.5, values)})
    tree.to_netcdf(tmp_path / "a.nc", engine="h5netcdf")
    found = Files(str(tmp_path / "a.nc"), group="test/truth").read()
    density, source, along, _ = found.systems[1].series
    np.testing.assert_array_equal(density.values, values[1, ..., 0])
    np.testing.assert_array_equal(along.places[0], 0.5 * np.arange(6))
    assert source.times is None
    np.testing.assert_array_equal(source.values, values[1, 0, ..., 3])


# Standard deviations, units of coordinates, dates, numbers


def test_standard_deviations():
    ds = dataset()
    ds["u_sigma"] = ("time", [0.1, 0.2, 0.3])
    data = Recordings.from_xarray(ds, sigma={"v": 0.5})
    u, v = data.systems[1].series
    assert u.sigma.shape == (3, 1, 1)
    assert v.sigma.shape == ()
    data = Recordings.from_xarray(ds, relative_sigma=0.1)
    u, v = data.systems[0].series
    assert u.sigma.shape == (3, 1, 1)
    assert v.sigma is None  # which is known once it is known what is learned from
    assert data.relative_sigma == 0.1
    assert Recordings.from_xarray(dataset()).systems[0].series[0].sigma is None


def test_standard_deviations_have_units_of_their_own():
    ds = dataset()
    ds["u_sigma"] = ("time", [1.0, 2.0, 3.0], {"units": "cm/s"})
    u = Recordings.from_xarray(ds).systems[1].series[0]
    np.testing.assert_allclose(u.sigma.ravel(), [0.01, 0.02, 0.03])
    ds["u_sigma"].attrs["units"] = "K"
    with pytest.raises(InputError, match="u_sigma: values in 'K' do not convert to 'm/s'"):
        Recordings.from_xarray(ds)
    ds = ds.assign(u=ds["u"].assign_attrs(units="degC"))
    u = Recordings.from_xarray(ds).systems[1].series[0]
    np.testing.assert_allclose(u.sigma.ravel(), [1, 2, 3])  # a difference has no offset


@pytest.mark.parametrize("kind", ["memory", "table", "film"])
def test_whole_numbers_are_numbers(kind):
    """An error of 500 mK is 0.5 K, not 0 K, which would be exact."""
    if kind == "memory":
        probe = points().systems[0].series[0]
        whole = {"values": np.full(4, 300, int), "sigma": np.full(4, 500, int), "unit": "mK"}
        own = dataclasses.replace(probe, **whole)
    elif kind == "table":
        rows = {"time": [0, 1], "x": [1, 2], "u [mK]": [300, 300], "u_sigma [mK]": [500, 500]}
        own = Recordings.from_points(rows).systems[0].series[0]
    else:
        ds = dataset()
        ds["u"] = ds["u"].astype(int).assign_attrs(units="mK") * 0 + 300
        ds["u"].attrs["units"] = "K"
        ds["u_sigma"] = ("time", [500, 500, 500], {"units": "mK"})
        own = Recordings.from_xarray(ds).systems[0].series[0]
    system = System("one", (own,))
    (found,) = in_units(Recordings((system,)), {"u": "K"})[0].systems[0].series
    np.testing.assert_allclose(found.sigma, 0.5 * np.ones_like(found.sigma))
    np.testing.assert_allclose(found.values, 300.0 if kind == "film" else 0.3)


def test_lengths_and_times_become_metres_and_seconds():
    ds = dataset()
    ds["x"].attrs["units"], ds["time"].attrs["units"] = "cm", "min"
    film = Recordings.from_xarray(ds, units={"y": "km", "u": "km/h"}).systems[0].series[0]
    np.testing.assert_allclose(film.times, 60 * TIME)
    np.testing.assert_allclose(film.places[0], 0.01 * X)
    np.testing.assert_allclose(film.places[1], 1000 * Y)
    assert film.unit == "km/h"


@pytest.mark.parametrize("stored", [False, True], ids=["memory", "file"])
@pytest.mark.parametrize("kind", ["datetime64[ns]", "timedelta64[ns]"])
def test_dates_become_seconds(kind, stored, tmp_path):
    steps = np.array([0, 500_000_000, 1_250_000_000], "timedelta64[ns]")
    dates = steps if kind[0] == "t" else np.datetime64("2026-03-01T12:00", "ns") + steps
    ds = dataset().assign_coords(time=dates)
    if stored:
        ds.to_netcdf(tmp_path / "a.nc", engine="h5netcdf")
        data = Files(str(tmp_path / "a.nc")).read()
    else:
        data = Recordings.from_xarray(ds)
    np.testing.assert_array_equal(data.systems[0].series[0].times, TIME)
    assert (data.systems[0].clock is None) == (kind[0] == "t")


def test_fill_values_of_whole_numbers_are_not_seen(tmp_path):
    counts = np.arange(60).reshape(3, 4, 5)
    ds = xr.Dataset(
        {"u": (("time", "x", "y"), counts.astype(float))}, {"time": TIME, "x": X, "y": Y}
    )
    ds["u"][0, 0, 0] = np.nan
    packed = {"u": {"dtype": "int16", "_FillValue": -1, "scale_factor": 0.5}}
    ds.to_netcdf(tmp_path / "a.nc", engine="h5netcdf", encoding=packed)
    (film,) = Files(str(tmp_path / "a.nc")).read().systems[0].series
    np.testing.assert_array_equal(film.values, ds["u"].values)


def test_what_attributes_call_missing_is_not_seen():
    """A Dataset that was opened without decoding it keeps CF's attributes."""
    about = {"_FillValue": -1, "scale_factor": 0.5, "add_offset": 10.0}
    counts = np.arange(60, dtype=np.int16).reshape(3, 4, 5)
    counts[0, 0, 0] = -1
    times = ("time", TIME, {"units": "seconds since 2026-03-01"})
    ds = xr.Dataset({"u": (("time", "x", "y"), counts, about)}, {"time": times, "x": X, "y": Y})
    (system,) = Recordings.from_xarray(ds).systems
    (film,) = system.series
    assert np.isnan(film.values[0, 0, 0])
    np.testing.assert_allclose(film.values[1], 10 + counts[1] / 2)
    np.testing.assert_array_equal(film.times, TIME)
    assert system.clock.startswith("2026-03-01")


def test_numbers_of_a_recording():
    ds = dataset().assign(inflow=("simulation", [0.1, np.nan]), depth=2.0)
    ds["inflow"].attrs["units"] = "l/s"
    left, right = Recordings.from_xarray(ds).systems
    assert left.numbers == {"inflow": 0.1, "depth": 2.0}
    assert left.units == {"inflow": "l/s"}
    assert right.numbers == {"depth": 2.0}


def test_a_field_without_simulations_is_that_of_all(tmp_path):
    ds = dataset().assign(source=(("x", "y"), U[0, 0]))
    ds.to_netcdf(tmp_path / "a.nc", engine="h5netcdf")
    for system in Files(str(tmp_path / "a.nc")).read().systems:
        same(system.series[0], Film("source", None, None, (X, Y), U[0, 0]))


def test_channels_are_renamed_and_chosen(tmp_path):
    rich().to_xarray().to_netcdf(tmp_path / "a.nc", engine="h5netcdf")
    left, right = Files(str(tmp_path / "a.nc"), channels={"speed": "u"}).read().systems
    assert [type(s) for s in left.series] == [Film, Points]
    assert {s.channel for s in (*left.series, *right.series)} == {"speed"}
    assert left.numbers == {"inflow": 1.0}


@pytest.mark.parametrize("made", [films, rich])
def test_settings_as_json(made):
    kinds = {kind.__qualname__: kind for kind in KINDS}
    files = Files("a-*.nc", channels={"u": "v"}, layout="the_well", noise=Student())
    both, arrays = Together((files, made()), test=LastPart()), {}
    written = json.loads(json.dumps(as_json(both, arrays)))
    found = from_json(written, arrays, lambda path: kinds[path.rpartition(":")[2]])
    assert (found.instruments[0], found.test) == (files, LastPart())
    equal(found.instruments[1], made())


KINDS = (
    Files,
    Film,
    Gaussian,
    LastPart,
    Mean,
    Points,
    Recordings,
    Share,
    Student,
    System,
    Together,
)


def test_a_static_field_with_a_time():
    ds = dataset()
    ds["u"].attrs["static"] = "true"
    for own in (ds, ds.isel(time=0)):
        film = Recordings.from_xarray(own).systems[1].series[0]
        assert film.times is None
        np.testing.assert_array_equal(film.values, U[1, 0])


def test_a_frame_of_its_own():
    film = Recordings.from_xarray(dataset().isel(time=1)).systems[1].series[0]
    np.testing.assert_array_equal(film.times, [0.5])
    np.testing.assert_array_equal(film.values, U[1, 1:2])


# Several files, several instruments


def test_several_files_are_several_systems(tmp_path):
    for i in (1, 0):
        dataset().isel(simulation=[i]).to_netcdf(tmp_path / f"run-{i}.nc", engine="h5netcdf")
    data = Files(str(tmp_path / "run-*.nc"), validation=LastPart(0.3)).read()
    assert [s.name for s in data.systems] == ["run-0", "run-1"]
    same(data.systems[1].series[1], films().systems[1].series[1])
    assert data.validation == LastPart(0.3)


@pytest.mark.parametrize("write", [npz, hdf5])
def test_numbers_of_arrays_are_read_beside_chosen_channels(write, tmp_path):
    path = write(tmp_path)
    more = {"inflow": np.array([0.25, 0.5]), "depth": np.array(2.0), "odd": np.arange(7.0)}
    if write is npz:
        np.savez(path, **np.load(path), **more)
    else:
        with h5py.File(path, "a") as file:
            for name, values in more.items():
                file[name] = values
    left, right = Files(path, channels={"speed": "u"}).read().systems
    assert (left.numbers, right.numbers) == (
        {"inflow": 0.25, "depth": 2.0},
        {"inflow": 0.5, "depth": 2.0},
    )


def test_attributes_of_plain_hdf5(tmp_path):
    with h5py.File(hdf5(tmp_path), "a") as file:
        file["u"][0, 0, 0, 0] = -999
        about = {"_FillValue": np.float32(-999), "scale_factor": 0.5, "units": np.bytes_(b"cm/s")}
        file["u"].attrs.update(about)
        file["x"].attrs["units"] = np.array(["cm"], dtype="S")
    film = Files(tmp_path / "a.h5").read().systems[0].series[0]
    assert film.unit == "cm/s"
    assert np.isnan(film.values[0, 0, 0])
    np.testing.assert_allclose(film.values[1], U[0, 1] / 2)
    np.testing.assert_allclose(film.places[0], X / 100)


def test_sensors_on_a_line_need_no_order():
    places = np.array([0.4, 0.1, 0.3])
    ds = xr.Dataset({"u": (("sensor", "time"), U[0, :3, :3, 0])}, {"time": TIME})
    (own,) = Recordings.from_xarray(ds.assign_coords(x=("sensor", places))).systems[0].series
    assert isinstance(own, Points)
    np.testing.assert_array_equal(own.places[:, 0], np.repeat(places, 3))
    np.testing.assert_array_equal(own.times, np.tile(TIME, 3))


def test_instruments_agree_about_known_numbers():
    def both(one, unit, other, other_unit):
        film, probe = films().systems[0].series[0], points().systems[0].series[0]
        parts = (System("a", (film,), one, unit), System("a", (probe,), other, other_unit))
        return Together(tuple(Recordings((own,)) for own in parts)).read().systems[0]

    found = both({"inflow": 1.0}, {"inflow": "m/s"}, {"inflow": 100.0}, {"inflow": "cm/s"})
    assert (found.numbers, found.units) == ({"inflow": 1.0}, {"inflow": "m/s"})
    found = both({"inflow": 1.0}, {}, {"inflow": 1.0}, {"inflow": "cm/s"})
    assert (found.numbers, found.units) == ({"inflow": 1.0}, {"inflow": "cm/s"})
    with pytest.raises(InputError, match="a: inflow is 1 m/s and 1 cm/s"):
        both({"inflow": 1.0}, {"inflow": "m/s"}, {"inflow": 1.0}, {"inflow": "cm/s"})


def test_instruments_that_see_the_same_systems(tmp_path):
    path = netcdf4(tmp_path)
    both = Together((Files(str(path), noise=Student()), points()), test=LastPart())
    data = both.read()
    assert data.test == LastPart()
    u, _, probe = data.systems[1].series
    assert (u.noise, probe.noise) == (Student(), Gaussian())
    same(probe, points().systems[1].series[0])
    with pytest.raises(InputError, match=r"instruments\[1\] sees 1 systems, instruments\[0\] 2"):
        Together((films(), Recordings(points().systems[:1]))).read()
    with pytest.raises(ValueError, match=r"instruments\[0\].validation: give it to Together"):
        Together((Files("a.nc", validation=Share(0.2)), points()))


def in_folders(path, order):
    """Write a film and probes of two tanks into a folder each."""
    for number, name in enumerate(order):
        (path / name).mkdir()
        films().to_xarray().isel(simulation=[number]).to_netcdf(
            path / name / "film.nc", engine="h5netcdf"
        )
        table = pd.DataFrame(TABLE).drop(columns="simulation")
        table[TABLE["simulation"] == number].to_csv(path / name / "probes.csv", index=False)


@pytest.mark.parametrize("order", [("tank2", "tank10"), ("left", "right")])
def test_files_of_equal_names_in_folders_are_of_the_same_systems(order, tmp_path):
    in_folders(tmp_path, order)
    both = Together((Files(tmp_path / "*/film.nc"), Files(tmp_path / "*/probes.csv")))
    data = both.read()
    assert tuple(system.name for system in data.systems) == order
    for found, film, probe in zip(data.systems, films().systems, points().systems, strict=True):
        same(found.series[0], film.series[0])
        same(found.series[2], probe.series[0])


def test_numbers_in_names_of_files_are_numbers(tmp_path):
    for number in (10, 9, 100):
        dataset().isel(simulation=[0]).to_netcdf(tmp_path / f"{number}.nc", engine="h5netcdf")
    names = [system.name for system in Files(tmp_path / "*.nc").read().systems]
    assert names == ["9", "10", "100"]


def named(recordings, *names):
    pairs = zip(recordings.systems, names, strict=True)
    return Recordings(tuple(dataclasses.replace(s, name=name) for s, name in pairs))


def test_systems_are_matched_by_name_or_by_order():
    turned = Recordings(points().systems[::-1])
    cases = {
        ("a", "b"): (("a", "b"), points()),
        ("b", "a"): (("a", "b"), turned),  # by name
        ("c", "d"): (("a", "b"), points()),
        ("c", "c"): (("a", "b"), points()),
        ("a", "a"): (("a", "a"), points()),
    }
    for own, (first, wanted) in cases.items():
        data = Together((named(films(), *first), named(points(), *own))).read()
        for found, probe in zip(data.systems, wanted.systems, strict=True):
            same(found.series[2], probe.series[0])
    with pytest.raises(InputError, match=r"\[1\] sees a, c, instruments\[0\] a, b: only some of"):
        Together((named(films(), "a", "b"), named(points(), "a", "c"))).read()


def test_instruments_with_dates_get_one_clock():
    steps = np.array([0, 1, 2], "timedelta64[s]")
    dates = np.datetime64("2026-03-01T12:00", "ns") + steps
    one = xr.Dataset({"u": (("time", "x"), np.ones((3, 4)))}, {"time": dates, "x": X})
    later = one.assign_coords(time=dates + np.timedelta64(500, "ms"))
    early, late = map(Recordings.from_xarray, (one, later))
    (system,) = Together((late, early)).read().systems
    np.testing.assert_array_equal(system.series[0].times, [0.5, 1.5, 2.5])
    np.testing.assert_array_equal(system.series[1].times, [0, 1, 2])
    field = Recordings.from_xarray(xr.Dataset({"depth": ("x", np.ones(4))}, {"x": X}))
    assert len(Together((early, field)).read().systems[0].series) == 2  # it has no time
    with pytest.raises(InputError, match="one instrument has dates"):
        Together((early, Recordings.from_xarray(one.assign_coords(time=[0, 1, 2])))).read()
