"""Whole states in recordings, from which a model predicts."""

import numpy as np
import pytest

import hycojax as hj
from hycojax.data import labelled
from hycojax.data.states import Naming, naming, whole_states
from hycojax.errors import InputError
from hycojax.grid.domain import with_channels

GRID = with_channels(
    hj.Domain((6, 4), (3.0, 8.0), hj.CLOSED, origin=(1.0, -2.0)), hj.physics.Smoke().channels(2)
)
VALUES = np.random.default_rng(0).normal(size=(2, 6, 4, 4)).astype(np.float32)


def dataset():
    """Two states on cells and faces, with a static channel."""
    return labelled.to_xarray(GRID, 1.0, VALUES[:, None]).isel(time=0)


def read(data, **more):
    return whole_states(hj.Recordings.from_xarray(data), GRID, Naming(**more))[0]


def test_states_come_back_whatever_the_order_of_axes_and_cells():
    np.testing.assert_array_equal(read(dataset()), VALUES)
    turned = dataset().transpose("y", "y_face", "x", "x_face", "simulation")
    np.testing.assert_array_equal(read(turned), VALUES)
    one = labelled.to_xarray(GRID, 1.0, VALUES[:, None]).isel(simulation=0)  # a frame with its time
    np.testing.assert_array_equal(read(one), VALUES[:1])


def test_names_and_units_are_those_of_the_recordings_that_were_learned_from():
    data = dataset().rename(density="dye").drop_vars("source").assign(source=0.25)
    data["velocity_x"] = (100 * data["velocity_x"]).assign_attrs(units="cm/s")
    expected = VALUES.copy()
    expected[..., 3] = 0.25  # of a static channel a number will do
    found = read(data, channels={"density": "dye"})
    np.testing.assert_allclose(found, expected, rtol=1e-5)
    bare = dataset()
    bare["velocity_x"] = 100 * bare["velocity_x"].drop_attrs()
    np.testing.assert_allclose(read(bare, units={"velocity_x": "cm/s"}), VALUES, rtol=1e-5)


def test_a_unit_that_is_stated_now_and_was_another_one_in_the_run_is_asked_for():
    with pytest.raises(InputError, match="velocity_x: it is said to be in m/s, but the recordings"):
        read(dataset(), units={"velocity_x": "cm/s"})
    stated = read(dataset(), units={"velocity_x": "cm/s"}, given={"velocity_x": "m/s"})
    np.testing.assert_array_equal(stated, VALUES)


def test_numbers_have_the_names_and_units_of_the_recordings_too():
    data = dataset().drop_vars("source").assign(strength=25.0)
    found = read(data, channels={"source": "strength"}, units={"source": "%"})
    np.testing.assert_allclose(found[..., 3], 0.25)
    bare = hj.Recordings.from_xarray(data)
    _, assumed = whole_states(bare, GRID, Naming({"source": "strength"}))
    assert assumed == ["source: no unit is given, 1 is assumed"]


def test_the_instruments_of_a_run_have_told_names_and_units():
    film = hj.Files("film.nc", channels={"density": "dye"}, units={"density": "g/l"})
    probes = hj.Files("probes.csv", channels={"velocity_x": "u"})
    assert naming([hj.Together((film, probes))]) == Naming(
        {"density": "dye", "velocity_x": "u"}, {"density": "g/l"}
    )
    assert naming([film]).channels == film.channels
    assert naming([hj.Simulated(hj.physics.Heat())]) == Naming()


def test_a_name_of_the_model_goes_before_another_one():
    data = dataset().assign(dye=dataset()["source"])
    np.testing.assert_array_equal(read(data, channels={"density": "dye"}), VALUES)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda d: d.drop_vars("velocity_y"), "velocity_y is missing: did you mean velocity_x?"),
        (lambda d: d.isel(x=slice(1, None)), "density of simulation 0: it must be given in all ce"),
        (lambda d: d.assign_coords(x=d["x"] + 0.1), "density of simulation 0: it must be given in"),
        (
            lambda d: d.assign(density=d["density"].where(d["x"] > 2)),
            "density of simulation 0: it must be complete, without",
        ),
        (lambda d: d.expand_dims(time=[0.0, 1.0]), "2 frames were given as an initial state"),
        (
            lambda d: d.isel(y=0, y_face=0, drop=True),
            "density of simulation 0: it has 1 axes of space, the model 2",
        ),
    ],
)
def test_what_is_no_state_of_the_model_is_told(change, message):
    with pytest.raises(InputError) as caught:
        read(change(dataset()))
    assert message in str(caught.value)


def test_points_are_no_state():
    points = hj.Recordings.from_points({"time": [0.0], "x": [2.0], "y": [0.0], "density": [1.0]})
    with pytest.raises(InputError, match="density: it is measured at points, but a whole state"):
        whole_states(points, GRID)
