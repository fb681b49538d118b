"""Regions: which cells are seen, and by sensors that move in which frames."""

import numpy as np
import pytest

from hycojax.data.regions import (
    Centre,
    Everywhere,
    MovingSensors,
    Range,
    Region,
    Scattered,
    Sensors,
)
from hycojax.grid.domain import Boundary, Domain

FRAMES = 7
#: Each region in a box of 100 m a side, by the number of axes; None: there it does not exist.
REGIONS = {
    "everywhere": lambda dims: Everywhere(),
    "range": lambda dims: Range((0.25,) * dims, (0.9,) * dims),
    "centre": lambda dims: Centre(0.4),
    "scattered": lambda dims: Scattered(0.3, seed=3),
    "scattered anew": lambda dims: Scattered(0.3, seed=3, anew=True),
    "sensors": lambda dims: Sensors(((20.0,) * dims, (100.0,) * dims, (71.0,) * dims)),
    "moving sensors": lambda dims: (
        None
        if dims < 2
        else MovingSensors((40.0,) * dims, (90.0,) * dims, (50.0,) * dims, count=3, rotation=2.0)
    ),
}


def box(*shape, boundary=Boundary.CLOSED, size=None):
    return Domain(shape, size or (100.0,) * len(shape), boundary)


def cells(*numbers, shape):
    """Return a mask of the cells with these numbers."""
    mask = np.zeros(shape, bool)
    for number in numbers:
        mask[number] = True
    return mask


# Regions.


@pytest.mark.parametrize("dims", [1, 2, 3])
@pytest.mark.parametrize("name", REGIONS)
def test_a_region_is_a_mask_of_the_cells_or_of_each_frames(name, dims):
    region = REGIONS[name](dims)
    if region is None:
        return
    masks = [region.mask(box(*(8,) * dims, boundary=b), FRAMES) for b in Boundary]
    changes = name in ("scattered anew", "moving sensors")
    for mask in masks:
        assert isinstance(region, Region)
        assert mask.dtype == bool
        assert mask.shape == ((FRAMES,) if changes else ()) + (8,) * dims
        assert mask.any()
    if name != "moving sensors":  # whether there are walls makes a difference to these alone
        np.testing.assert_array_equal(*masks)
    again = region.mask(box(*(8,) * dims, boundary=Boundary.CLOSED), FRAMES)
    np.testing.assert_array_equal(masks[list(Boundary).index(Boundary.CLOSED)], again)


@pytest.mark.parametrize("fraction", [0.25, 0.5, 1.0])
def test_the_centre_holds_its_fraction_of_the_area(smoke_box, fraction):
    domain = smoke_box.refine(8)
    mask = Centre(fraction).mask(domain, 1)
    assert abs(mask.mean() - fraction) < 0.02
    np.testing.assert_array_equal(mask, mask[::-1, ::-1])
    assert mask[64, 64]


@pytest.mark.parametrize(("shape", "inner"), [((64,), 16), ((64,) * 2, 32), ((64,) * 3, 40)])
def test_the_centre_has_the_proportions_of_the_box(shape, inner):
    """A quarter of the cells: a length of 64 times 1/4, its root, or its third root (40.3)."""
    size = (3.0, 50.0, 8.0)[: len(shape)]
    mask = Centre(0.25).mask(box(*shape, size=size), 1)
    for axis in range(len(shape)):
        others = tuple(a for a in range(len(shape)) if a != axis)
        inside = np.flatnonzero(mask.any(others))
        np.testing.assert_array_equal(inside, np.arange(32 - inner // 2, 32 + inner // 2))
    assert mask.sum() == inner ** len(shape)


def test_a_range_lies_between_its_corners():
    mask = Range((0.25, 0.0), (0.75, 0.5)).mask(box(16, 12, size=(3.0, 50.0)), 1)
    expected = np.zeros((16, 12), bool)
    expected[4:12, :6] = True
    np.testing.assert_array_equal(mask, expected)
    line = Range((0.5,), (1.0,)).mask(box(8), 1)
    np.testing.assert_array_equal(line, np.arange(8) >= 4)


@pytest.mark.parametrize("cells", [4, 5, 7, 8])
@pytest.mark.parametrize("middle", [0.3, 0.5, 0.7])
def test_ranges_that_touch_have_no_cell_in_common_and_leave_none_out(cells, middle):
    """Also where a cell's centre lies on the border."""
    domain = box(cells, cells)
    parts = [
        Range((low, 0.0), (high, 1.0)).mask(domain, 1) for low, high in ((0, middle), (middle, 1))
    ]
    np.testing.assert_array_equal(sum(p.astype(int) for p in parts), 1)


@pytest.mark.parametrize("fraction", [0.1, 0.25, 1.0])
def test_scattered_sensors_are_as_many_as_stated_and_anywhere(smoke_box, fraction):
    masks = [Scattered(fraction, seed).mask(smoke_box, 9) for seed in range(200)]
    assert {int(mask.sum()) for mask in masks} == {round(fraction * 256)}
    chance = np.mean(masks, axis=0)
    np.testing.assert_allclose(chance, fraction, atol=5 * np.sqrt(fraction * (1 - fraction) / 200))
    np.testing.assert_array_equal(masks[3], Scattered(fraction, 3).mask(smoke_box, 9))


def test_sensors_scattered_anew_are_as_many_in_each_frame_but_elsewhere(smoke_box):
    mask = Scattered(0.25, 5, anew=True).mask(smoke_box, 200)
    assert (mask.sum((1, 2)) == 64).all()
    np.testing.assert_allclose(mask.mean(0), 0.25, atol=5 * np.sqrt(0.25 * 0.75 / 200))
    together = (mask[1:] & mask[:-1]).mean()  # by chance
    np.testing.assert_allclose(together, 0.25**2, rtol=0.1)
    np.testing.assert_array_equal(mask, Scattered(0.25, 5, anew=True).mask(smoke_box, 200))
    assert (mask != Scattered(0.25, 6, anew=True).mask(smoke_box, 200)).any()


@pytest.mark.parametrize("boundary", Boundary)
def test_sensors_see_the_cells_that_they_stand_in(boundary):
    domain = box(10, 4, boundary=boundary, size=(5.0, 20.0))  # cells of 0.5 m by 5 m
    sensors = Sensors(((0.0, 0.0), (0.6, 4.9), (4.4, 5.1), (4.3, 9.0)))
    expected = cells((0, 0), (1, 0), (8, 1), shape=(10, 4))  # two of them stand in one cell
    np.testing.assert_array_equal(sensors.mask(domain, 3), expected)


def test_a_sensor_on_the_upper_wall_sees_the_cell_at_it():
    mask = Sensors(((100.0, 10.0), (60.0, 100.0))).mask(box(8, 8), 1)
    np.testing.assert_array_equal(mask, cells((7, 0), (4, 7), shape=(8, 8)))


@pytest.mark.parametrize("place", [(-0.1, 50.0), (50.0, 100.1)])
def test_a_sensor_outside_the_box_is_refused(place):
    with pytest.raises(ValueError, match=r"positions: a sensor stands outside the box of \(100"):
        Sensors(((50.0, 50.0), place)).mask(box(8, 8), 1)


@pytest.mark.parametrize(
    ("region", "shape", "message"),
    [
        (Range((0.1,), (0.5,)), (8, 8), "low: 1 numbers for the 2 axes"),
        (Range((0.1, 0.1), (0.5, 0.5)), (8,), "low: 2 numbers for the 1 axes"),
        (Sensors(((1.0, 1.0), (1.0, 1.0, 1.0))), (8, 8), "positions: 3 numbers for the 2 axes"),
        (MovingSensors((1.0,) * 3, (2.0,) * 3, (1.5,) * 3), (8, 8), "low: 3 numbers for the 2"),
        (MovingSensors((1.0,) * 2, (2.0,) * 2, (1.5,) * 2), (8,), "low: 2 numbers for the 1 axes"),
    ],
)
def test_a_region_with_other_axes_than_the_box_is_refused(region, shape, message):
    with pytest.raises(ValueError, match=message):
        region.mask(box(*shape), 5)


# Sensors that move: in the complex plane (z - c) exp((i omega - g) t).


def paths(starts, centre, rotation, approach, frames):
    """Return where sensors are in each frame, as complex numbers."""
    time = np.linspace(0, 1, frames)[:, None]
    c = complex(*centre)
    return c + (np.array(starts) - c) * np.exp((1j * rotation - approach) * time)


@pytest.mark.parametrize("boundary", Boundary)
def test_sensors_start_on_their_grid(boundary):
    sensors = MovingSensors((30.0, 40.0), (50.0, 60.0), (40.0, 50.0), count=3)
    first = sensors.mask(box(20, 25, boundary=boundary), 9)[0]
    expected = [(x, y) for x in (6, 8, 10) for y in (10, 12, 15)]  # cells of 5 m by 4 m
    np.testing.assert_array_equal(first, cells(*expected, shape=(20, 25)))


@pytest.mark.parametrize(("rotation", "approach"), [(np.pi / 2, 0.0), (1.0, 0.1), (-2.0, 1.5)])
def test_sensors_turn_by_the_stated_angle_and_come_nearer(rotation, approach):
    start, centre, domain = (88.3, 61.7), (50.0, 50.0), box(50, 40)
    sensors = MovingSensors(start, start, centre, 1, rotation, approach)
    masks = sensors.mask(domain, 6)
    ways = paths([complex(*start)], centre, rotation, approach, 6)[:, 0]
    for mask, z in zip(masks, ways, strict=True):
        cell = int(z.real / 2), int(z.imag / 2.5)
        np.testing.assert_array_equal(mask, cells(cell, shape=(50, 40)))
    (found,) = np.argwhere(masks[-1])
    off = (found + 0.5) * domain.dx - 50.0
    began = np.array(start) - 50.0
    radius = np.linalg.norm(off) / np.linalg.norm(began)
    angle = np.arctan2(off[1], off[0]) - np.arctan2(began[1], began[0])
    assert abs(radius / np.exp(-approach) - 1) < 0.15  # to a cell's width
    assert abs(np.angle(np.exp(1j * (angle - rotation)))) < 0.15


def test_the_third_coordinate_of_a_sensor_approaches_without_turning():
    sensors = MovingSensors((70.0, 50.0, 91.0), (70.0, 50.0, 91.0), (50.0,) * 3, 1, np.pi / 2, 0.7)
    last = sensors.mask(box(10, 10, 100), 4)[-1]
    near = np.exp(-0.7)
    place = (50.0, 50.0 + 20 * near, 50.0 + 41 * near)
    expected = tuple(int(p / dx) for p, dx in zip(place, (10, 10, 1), strict=True))
    np.testing.assert_array_equal(np.argwhere(last), [expected])


def test_moving_sensors_that_start_outside_a_closed_box_are_refused():
    sensors = MovingSensors((60.0, 60.0), (100.1, 90.0), (50.0, 50.0), count=2)
    with pytest.raises(ValueError, match=r"low, high: sensors start outside the box of \(100"):
        sensors.mask(box(20, 20), 2)
    assert sensors.mask(box(20, 20, boundary=Boundary.PERIODIC), 2)[0].sum() == 4


def test_a_sensor_outside_a_closed_box_sees_nothing_until_it_is_back():
    """A whole turn about a point at the upper wall: half of it lies outside."""
    sensors = MovingSensors((93.0, 90.0), (93.0, 90.0), (50.0, 90.0), 1, 2 * np.pi, 0.0)
    z = paths([93 + 90j], (50, 90), 2 * np.pi, 0.0, 24)[:, 0]
    inside = (z.imag >= 0) & (z.imag <= 100)
    assert not inside.all()
    assert inside[[0, -1]].all()
    masks = sensors.mask(box(20, 20), 24)
    np.testing.assert_array_equal(masks.sum((1, 2)), inside)


def test_a_sensor_that_leaves_a_periodic_box_enters_it_on_the_other_side():
    sensors = MovingSensors((93.0, 90.0), (93.0, 90.0), (50.0, 90.0), 1, 2 * np.pi, 0.0)
    z = paths([93 + 90j], (50, 90), 2 * np.pi, 0.0, 24)[:, 0]
    masks = sensors.mask(box(20, 20, boundary=Boundary.PERIODIC), 24)
    assert (masks.sum((1, 2)) == 1).all()
    expected = np.stack([z.real // 5 % 20, z.imag // 5 % 20], -1)
    np.testing.assert_array_equal(np.argwhere(masks)[:, 1:], expected)


# Settings.


@pytest.mark.parametrize("fraction", [0.0, -1.0, 1.5, float("nan")])
@pytest.mark.parametrize("region", [Centre, Scattered])
def test_an_impossible_fraction_is_refused(region, fraction):
    with pytest.raises(ValueError, match="fraction"):
        region(fraction)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Range((0.1,), (0.5, 0.5)), "low and high: 1 and 2 axes"),
        (lambda: Range((0.5,), (0.5,)), r"low = 0.5, high = 0.5: 0 <= low < high <= 1"),
        (lambda: Range((-0.1, 0.0), (0.5, 1.0)), "low = -0.1"),
        (lambda: Range((0.0,), (1.1,)), "high = 1.1"),
        (lambda: Range((float("nan"),), (1.0,)), r"low\[0\] = nan: a finite number is needed"),
        (lambda: Sensors(((50.0, 50.0), (float("nan"), 1.0))), r"positions\[1\]\[0\] = nan"),
        (lambda: MovingSensors((0.0,) * 2, (1.0,) * 2, (0.5,) * 2, count=0), "count = 0"),
        (lambda: MovingSensors((0.0,), (1.0,), (0.5,)), "at least two of them"),
        (lambda: MovingSensors((0.0,) * 2, (1.0,) * 3, (0.5,) * 2), "the same axes"),
        (lambda: MovingSensors((0.0,) * 2, (1.0,) * 2, (0.5,) * 3), "the same axes"),
    ],
)
def test_impossible_settings_are_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()
