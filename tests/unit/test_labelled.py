"""States as labelled data, and back."""

import numpy as np
import pytest
import xarray as xr

import hycojax as hj
from hycojax.data import labelled
from hycojax.errors import InputError
from hycojax.grid.domain import with_channels

SHAPES = {2: (6, 4), 3: (6, 4, 5)}
SIZES = {2: (3.0, 8.0), 3: (3.0, 8.0, 1.0)}


def staggered(dims):
    """Return a grid with cell values, a velocity on faces, and a static channel."""
    box = hj.Domain(SHAPES[dims], SIZES[dims], hj.CLOSED)
    return with_channels(box, hj.physics.Smoke().channels(dims))


@pytest.fixture(params=SHAPES, ids="{}D".format)
def grid(request):
    return staggered(request.param)


def numbers(grid, *leading):
    shape = (*leading, *grid.shape, len(grid.channels))
    return np.random.default_rng(0).normal(size=shape).astype(np.float32)


@pytest.mark.parametrize("leading", [(), (7,), (2, 7)], ids=["state", "trajectory", "several"])
def test_what_is_read_is_what_was_written(grid, leading, tmp_path):
    values = numbers(grid, *leading)
    data = labelled.to_xarray(grid, 0.5, values)
    np.testing.assert_array_equal(labelled.from_xarray(grid, data), values)
    data.to_netcdf(tmp_path / "data.nc", engine="h5netcdf")
    with xr.open_dataset(tmp_path / "data.nc", engine="h5netcdf") as found:
        again = labelled.from_xarray(grid, found)
    np.testing.assert_array_equal(again, values)
    assert again.dtype == np.float32


def test_dimensions_units_and_places(grid):
    data = labelled.to_xarray(grid, 0.5, numbers(grid, 2, 7), first=1.0)
    axes = "xyz"[: grid.dims]
    assert list(data.data_vars) == ["density", *(f"velocity_{a}" for a in axes), "source"]
    for name in ("density", "source"):
        assert data[name].dims == ("simulation", "time", *axes)
        assert data[name].attrs["units"] == "1"
    for i, own in enumerate(axes):
        space = [f"{a}_face" if a == own else a for a in axes]
        assert data[f"velocity_{own}"].dims == ("simulation", "time", *space)
        assert data[f"velocity_{own}"].attrs["units"] == "m/s"
        width = grid.size[i] / grid.shape[i]
        np.testing.assert_allclose(data[own], width * (np.arange(grid.shape[i]) + 0.5))
        np.testing.assert_allclose(data[f"{own}_face"], width * np.arange(grid.shape[i]))
        assert data[own].attrs["units"] == data[f"{own}_face"].attrs["units"] == "m"
    np.testing.assert_allclose(data["time"], 1.0 + 0.5 * np.arange(7))
    assert data["time"].attrs["units"] == "s"
    assert "static" in data["source"].attrs
    assert "static" not in data["density"].attrs


def test_a_grid_without_faces_has_no_dimension_for_them():
    grid = with_channels(hj.Domain((8,), (2.0,), hj.PERIODIC), hj.physics.Heat().channels(1))
    data = labelled.to_xarray(grid, 1.0, numbers(grid, 3))
    assert data["temperature"].dims == ("time", "x")
    assert set(data.coords) == {"time", "x"}


def test_the_order_of_dimensions_and_channels_makes_no_difference(grid):
    values = numbers(grid, 2, 3)
    data = labelled.to_xarray(grid, 0.5, values)
    turned = data[list(data.data_vars)[::-1]].transpose(*reversed("xyz"[: grid.dims]), ...)
    turned = turned.transpose(..., "time", "simulation")
    assert turned["density"].dims == (*reversed("xyz"[: grid.dims]), "time", "simulation")
    np.testing.assert_array_equal(labelled.from_xarray(grid, turned), values)


def test_a_missing_channel_is_named(grid):
    data = labelled.to_xarray(grid, 0.5, numbers(grid, 3)).drop_vars("velocity_y")
    with pytest.raises(InputError, match="velocity_y is missing: the data have density, vel"):
        labelled.from_xarray(grid, data)


def test_a_channel_on_another_grid_is_named(grid):
    data = labelled.to_xarray(grid, 0.5, numbers(grid, 3)).isel(y_face=slice(1, None))
    with pytest.raises(InputError, match=r"velocity_y: \(.*\) values for \(6, 4.*\) cells"):
        labelled.from_xarray(grid, data)


def test_a_channel_along_other_dimensions_is_named(grid):
    data = labelled.to_xarray(grid, 0.5, numbers(grid, 3))
    centred = data.drop_vars("velocity_y").assign(velocity_y=data["density"])
    with pytest.raises(InputError, match=r"velocity_y: .*y_face.* are needed"):
        labelled.from_xarray(grid, centred)
    with pytest.raises(InputError, match=r"density: .* are needed"):
        labelled.from_xarray(grid, data.expand_dims(member=2))


def test_values_in_another_unit_are_converted_or_refused_by_name(grid):
    values = numbers(grid, 3)
    data = labelled.to_xarray(grid, 0.5, values)
    fast = data.assign(velocity_x=(1e-3 * data["velocity_x"]).assign_attrs(units="km/s"))
    np.testing.assert_allclose(labelled.from_xarray(grid, fast), values, rtol=1e-5)
    wrong = data.assign(velocity_x=data["velocity_x"].assign_attrs(units="K"))
    with pytest.raises(InputError, match="velocity_x: values in 'K' do not convert to 'm/s'"):
        labelled.from_xarray(grid, wrong)


# Initial states, as a result takes them.


def test_initial_states_are_an_array_or_a_dataset_one_or_several(grid):
    one, several = numbers(grid), numbers(grid, 3)
    np.testing.assert_array_equal(labelled.states(grid, one), one)
    np.testing.assert_array_equal(labelled.states(grid, several), several)
    data = labelled.to_xarray(grid, 0.5, several[:, None])
    np.testing.assert_array_equal(labelled.states(grid, data), several)
    frame = labelled.to_xarray(grid, 0.5, several).isel(time=1)
    np.testing.assert_array_equal(labelled.states(grid, frame), several[1])


def test_initial_states_that_are_none_are_refused(grid):
    with pytest.raises(InputError, match="3 frames were given as an initial state"):
        labelled.states(grid, labelled.to_xarray(grid, 0.5, numbers(grid, 3)))
    wanted = ", ".join(map(str, (*grid.shape, len(grid.channels))))
    for wrong in (numbers(grid)[..., 0], numbers(grid)[1:], numbers(grid, 2, 3)):
        with pytest.raises(InputError, match=rf"initial: an array \({wanted}\) is needed"):
            labelled.states(grid, wrong)


@pytest.mark.parametrize("dims", SHAPES)
def test_a_coefficient_is_a_number_or_a_field_on_the_cells(dims):
    grid = staggered(dims)
    values = numbers(grid)[..., 0]
    field = labelled.field(grid, values, "m²/s")
    assert field.dims == tuple("xyz"[:dims])
    assert field.attrs["units"] == "m²/s"
    np.testing.assert_array_equal(field, values)
    number = labelled.field(grid, np.float32(2.5), "m/s²")
    assert number.ndim == 0
    assert float(number) == 2.5
