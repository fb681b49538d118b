"""Where simulated numbers come from: a digest of all code that computes them."""

import importlib
import sys
from pathlib import Path

import numpy as np
import pytest

import hycojax as hj
from hycojax.data import provenance, simulated, store
from hycojax.errors import InputError
from hycojax.run.classes import finder, import_file, keep_copies

BASE = """
from dataclasses import dataclass
import hycojax as hj

@dataclass(frozen=True)
class Waning(hj.PDE):
    rate: hj.Coefficient = hj.coefficient(0.1, unit="1/s", low=0.0)

    def channels(self, dims):
        return (hj.Channel("amount"),)

    def step(self, at, values, state):
        return state - at.dt * values["rate"] * state

    def draw(self, domain, key):
        return hj.random_field(key, domain)[..., None]
"""
OWN = """
from dataclasses import dataclass
{how}
from base_of_waning import Waning

@dataclass(frozen=True)
class Faster(Waning):
    def step(self, at, values, state):
        return state - {factor} * at.dt * values["rate"] * state
"""
#: Ways to use what another module of the user's holds.
WAYS = {
    "the module": ("import helper_of_waning", "helper_of_waning.FACTOR"),
    "a function": ("from helper_of_waning import factor", "factor()"),
    "a number": ("from helper_of_waning import FACTOR", "FACTOR"),
    "a name of its own": ("from helper_of_waning import FACTOR as f", "f"),
}
HELPER = "FACTOR = 2.0\n\ndef factor():\n    return FACTOR\n"
BOX = hj.Domain((8,), (1.0,), hj.PERIODIC)


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A folder for a user's modules, whose imports are forgotten in the end."""
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    yield tmp_path
    forget()


def forget():
    for name in ("own_waning", "base_of_waning", "helper_of_waning"):
        sys.modules.pop(name, None)
    importlib.invalidate_caches()


def write(folder, way, base=BASE, helper=HELPER):
    how, factor = WAYS[way]
    (folder / "base_of_waning.py").write_text(base)
    (folder / "helper_of_waning.py").write_text(helper)
    (folder / "own_waning.py").write_text(OWN.format(how=how, factor=factor))


def truth(folder):
    """Return the PDE, imported as if by a new process."""
    forget()
    return import_file(folder / "own_waning.py").Faster()


def digest(folder):
    return provenance.provenance(truth(folder), seed=0)["code"]


@pytest.mark.parametrize("way", WAYS)
def test_the_digest_is_of_all_modules_that_a_pde_comes_from(folder, way):
    write(folder, way)
    (folder / "unrelated.py").write_text("a = 1")
    first = digest(folder)
    (folder / "unrelated.py").write_text("a = 2")
    assert digest(folder) == first
    write(folder, way, helper=HELPER.replace("2.0", "3.0"))
    second = digest(folder)
    write(folder, way, base=BASE.replace("state - ", "state - 2 * "))
    third = digest(folder)
    own = folder / "own_waning.py"
    own.write_text(own.read_text().replace("state - ", "state - 3 * "))
    assert len({first, second, third, digest(folder)}) == 4
    write(folder, way)
    assert digest(folder) == first


@pytest.mark.parametrize("way", WAYS)
def test_the_modules_of_a_pde_are_the_users_alone(folder, way):
    write(folder, way)
    found = {module.__name__ for module in provenance.modules(truth(folder))}
    assert found == {"own_waning", "base_of_waning", "helper_of_waning"}
    assert provenance.modules(hj.physics.Heat()) == []


def test_a_module_of_a_package_is_found_by_its_relative_import(folder):
    package = folder / "package_of_waning"
    package.mkdir()
    (package / "__init__.py").write_text("")
    write(package, "a number")
    own = package / "own_waning.py"
    own.write_text(
        own.read_text().replace("from ", "from .").replace(".dataclasses", "dataclasses")
    )
    sys.path.insert(0, str(folder))
    try:
        module = importlib.import_module("package_of_waning.own_waning")
        found = {m.__name__.split(".")[-1] for m in provenance.modules(module.Faster())}
        assert {"own_waning", "base_of_waning", "helper_of_waning"} <= found
    finally:
        for name in [n for n in sys.modules if n.startswith("package_of_waning")]:
            sys.modules.pop(name)


@pytest.mark.parametrize("way", WAYS)
def test_copies_of_all_modules_make_the_class_again(folder, tmp_path_factory, way):
    write(folder, way)
    kept = tmp_path_factory.mktemp("code")
    names = keep_copies(hj.Simulated(truth=truth(folder)), kept)
    assert set(names) == {"own_waning", "base_of_waning", "helper_of_waning"}
    for file in folder.iterdir():
        file.unlink()
    forget()
    again = finder(kept, names)("own_waning:Faster")
    assert again(rate=0.5).rate == 0.5
    assert Path(sys.modules[again.__module__].__file__).parent == kept


def test_all_that_decides_the_numbers_is_in_it():
    data = hj.Simulated(truth=hj.physics.Heat(diffusivity=1.0), training=1, validation=1, test=1)
    about = simulated.origin(data, BOX, 1.0, 0)
    others = [
        simulated.origin(hj.Simulated(hj.physics.Heat(2.0), 1, 1, test=1), BOX, 1.0, 0),
        simulated.origin(hj.Simulated(hj.physics.Heat(1.0), 2, 1, test=1), BOX, 1.0, 0),
        simulated.origin(hj.Simulated(hj.physics.Heat(1.0), 1, 1, test=1, steps=9), BOX, 1.0, 0),
        simulated.origin(hj.Simulated(hj.physics.Heat(1.0, pieces=2), 1, 1, test=1), BOX, 1.0, 0),
        simulated.origin(data, BOX.refine(2), 1.0, 0),
        simulated.origin(data, BOX, 2.0, 0),
        simulated.origin(data, BOX, 1.0, 1),
    ]
    names = [store.digest(origin) for origin in (about, *others)]
    assert len(set(names)) == len(names)
    seen = hj.Simulated(hj.physics.Heat(1.0), 1, 1, test=1, noise=0.1, region=hj.Centre(0.5))
    assert simulated.origin(seen, BOX, 1.0, 0) == about  # what is seen of them comes later


def test_simulations_of_another_origin_are_refused(tmp_path):
    data = hj.Simulated(hj.physics.Heat(1.0), training=1, validation=1, test=0, steps=2)
    path = tmp_path / "data.h5"
    made = simulated.stored(data, BOX, 1.0, 0, path)
    written = path.stat().st_mtime_ns
    again = simulated.stored(data, BOX, 1.0, 0, path)
    assert path.stat().st_mtime_ns == written
    for role in ("training", "validation"):
        np.testing.assert_array_equal(made[role], again[role])
    with pytest.raises(InputError, match=r"data\.h5 holds simulations of another origin"):
        simulated.stored(data, BOX, 1.0, 1, path)
