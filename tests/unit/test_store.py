import errno
import os
from pathlib import Path

import numpy as np
import pytest

import hycojax as hj
from hycojax.data import store
from hycojax.errors import InputError
from hycojax.grid.domain import Channel, with_channels

ORIGIN = {"physics": {"dt": 1.0}, "seed": 0}
BOX = hj.Domain((4, 5), (1.0, 2.0), hj.PERIODIC)
GRID = with_channels(BOX, (Channel("velocity_x", "m/s", face=0), Channel("dye")))


@pytest.fixture
def simulations():
    rng = np.random.default_rng(0)
    return {"training": rng.normal(size=(2, 3, 4, 5, 2)).astype(np.float32)}


@pytest.fixture
def file(tmp_path, simulations):
    path = tmp_path / "folder" / "data.nc"
    store.write(path, simulations, ORIGIN, GRID, 0.5)
    return path


def test_what_is_read_is_what_was_written(file, simulations):
    found = store.read(file, ORIGIN, GRID)
    np.testing.assert_array_equal(found["training"], simulations["training"])
    assert found["training"].dtype == np.float32
    assert [p.name for p in file.parent.iterdir()] == ["data.nc"]


def test_it_is_a_file_of_recordings(file, simulations):
    """With times, places and units; the faces of a vector lie where they are."""
    found = hj.Files(file, group="training").read()
    dye, velocity = found.systems[1].series
    np.testing.assert_array_equal(dye.values, simulations["training"][1, ..., 1])
    np.testing.assert_array_equal(dye.times, [0.0, 0.5, 1.0])
    assert velocity.unit == "m/s"
    np.testing.assert_allclose(velocity.places[0], [0.0, 0.25, 0.5, 0.75])
    np.testing.assert_allclose(velocity.places[1], [0.2, 0.6, 1.0, 1.4, 1.8])


def test_another_provenance_is_not_mistaken_for_this_one(file):
    assert store.read(file, {**ORIGIN, "seed": 1}, GRID) is None
    assert store.read(file, {"physics": {"dt": 1.5}, "seed": 0}, GRID) is None
    assert store.digest(ORIGIN) != store.digest({**ORIGIN, "seed": 1})
    assert store.digest(ORIGIN) == store.digest(dict(reversed(ORIGIN.items())))


def test_no_file_is_no_data(tmp_path):
    assert store.read(tmp_path / "none.nc", ORIGIN, GRID) is None
    with pytest.raises(InputError, match=r"there is no file .*none\.nc"):
        store.read_all(tmp_path / "none.nc", GRID)
    with pytest.raises(InputError, match="is a directory"):
        store.read_all(tmp_path, GRID)


def test_what_is_evaluated_may_be_of_any_origin(file, simulations):
    np.testing.assert_array_equal(store.read_all(file, GRID)["training"], simulations["training"])


def test_another_grid_or_other_channels_are_named(file):
    with pytest.raises(InputError, match=r"data\.nc: velocity_x: .* values for \(8, 5\) cells"):
        store.read_all(
            file, with_channels(hj.Domain((8, 5), (1.0, 2.0), hj.PERIODIC), GRID.channels)
        )
    with pytest.raises(InputError, match=r"data\.nc: smoke is missing: the data have"):
        store.read_all(file, with_channels(BOX, (Channel("smoke"),)))


@pytest.mark.parametrize("share", [0.0, 0.3, 0.9])
def test_a_truncated_file_is_named(file, share):
    content = file.read_bytes()
    file.write_bytes(content[: int(share * len(content))])
    with pytest.raises(InputError, match=r"data\.nc can't be read"):
        store.read(file, ORIGIN, GRID)


def test_a_bit_that_flips_is_never_read_as_another_number(file):
    content = file.read_bytes()
    bits = np.random.default_rng(0).integers(8 * len(content), size=60)
    for bit in bits.tolist():
        damaged = bytearray(content)
        damaged[bit // 8] ^= 1 << bit % 8
        file.write_bytes(damaged)
        with pytest.raises(InputError, match=r"is damaged|can't be read"):
            store.read(file, ORIGIN, GRID)


def test_values_that_are_not_finite_are_named(file, simulations):
    simulations["training"][1, 2, 3, 3, 0] = np.nan
    store.write(file, simulations, ORIGIN, GRID, 0.5)
    with pytest.raises(InputError, match="training holds values"):
        store.read(file, ORIGIN, GRID)


def test_a_failed_write_leaves_the_old_file(file, simulations, monkeypatch):
    """A full disk is an OSError that names it."""

    def full(number):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left"):
        store.write(file, simulations, {}, GRID, 0.5)
    monkeypatch.undo()
    assert store.read(file, ORIGIN, GRID) is not None
    assert [p.name for p in Path(file.parent).iterdir()] == ["data.nc"]
