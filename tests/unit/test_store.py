import numpy as np
import pytest

from hycojax.data import store
from hycojax.errors import InputError

ORIGIN = {"physics": {"dt": 1.0}, "seed": 0}


@pytest.fixture
def simulations():
    rng = np.random.default_rng(0)
    return {"training": rng.normal(size=(2, 3, 4, 4, 1)).astype(np.float32)}


@pytest.fixture
def file(tmp_path, simulations):
    path = tmp_path / "folder" / "data.h5"
    store.write(path, simulations, ORIGIN)
    return path


def test_what_is_read_is_what_was_written(file, simulations):
    found = store.read(file, ORIGIN)
    np.testing.assert_array_equal(found["training"], simulations["training"])
    assert found["training"].dtype == np.float32
    assert [p.name for p in file.parent.iterdir()] == ["data.h5"]


def test_another_provenance_is_not_mistaken_for_this_one(file):
    assert store.read(file, {**ORIGIN, "seed": 1}) is None
    assert store.read(file, {"physics": {"dt": 1.5}, "seed": 0}) is None
    assert store.digest(ORIGIN) != store.digest({**ORIGIN, "seed": 1})
    assert store.digest(ORIGIN) == store.digest(dict(reversed(ORIGIN.items())))


def test_no_file_is_no_data(tmp_path):
    assert store.read(tmp_path / "none.h5", ORIGIN) is None
    with pytest.raises(InputError, match=r"there is no file .*none\.h5"):
        store.read_all(tmp_path / "none.h5")


def test_what_is_evaluated_may_be_of_any_origin(file, simulations):
    np.testing.assert_array_equal(store.read_all(file)["training"], simulations["training"])


@pytest.mark.parametrize("share", [0.0, 0.3, 0.9])
def test_a_truncated_file_is_named(file, share):
    content = file.read_bytes()
    file.write_bytes(content[: int(share * len(content))])
    with pytest.raises(InputError, match=r"data\.h5 can't be read"):
        store.read(file, ORIGIN)


def test_values_that_are_not_finite_are_named(file, simulations):
    simulations["training"][1, 2, 3, 3, 0] = np.nan
    store.write(file, simulations, ORIGIN)
    with pytest.raises(InputError, match="training holds values"):
        store.read(file, ORIGIN)


def test_a_failed_write_leaves_the_old_file(file, simulations):
    with pytest.raises(TypeError):
        store.write(file, {"training": object()}, ORIGIN)
    assert store.read(file, ORIGIN) is not None
    assert [p.name for p in file.parent.iterdir()] == ["data.h5"]
