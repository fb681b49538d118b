"""What `make quick` tests of a change."""

from pathlib import Path

import pytest

from hycojax.run.classes import import_file

ROOT = Path(__file__).parents[2]
quick = import_file(ROOT / "tests" / "quick.py")


@pytest.mark.parametrize("name", sorted({*quick.DEFAULT, *quick.TESTED_IN.values()}))
def test_the_files_that_it_names_exist(name):
    assert (ROOT / "tests" / "unit" / f"{name}.py").exists()


@pytest.mark.parametrize("name", quick.TESTED_IN)
def test_the_modules_that_it_names_exist_and_have_no_file_of_their_own(name):
    folders = (ROOT / folder for folder in ("hycojax", "experiments", "profiling"))
    assert any(file.stem == name for folder in folders for file in folder.rglob("*.py"))
    assert not (ROOT / "tests" / "unit" / f"test_{name}.py").exists()


def test_a_change_is_tested_where_its_module_is(monkeypatch):
    monkeypatch.chdir(ROOT)
    found = {
        "hycojax/grid/domain.py": "test_domain",
        "hycojax/solvers/adam.py": "test_solvers",
        "tests/unit/test_store.py": "test_store",
    }
    for changed, test in found.items():
        assert quick.tests_of(Path(changed)) == [Path(f"tests/unit/{test}.py")]
    both = [Path(f"tests/unit/test_operators{of}.py") for of in ("", "_of_observation")]
    assert quick.tests_of(Path("hycojax/data/operators.py")) == both
    for changed in ("tests/conftest.py", "hycojax/data/nothing.py", "tests/unit/test_nothing.py"):
        assert quick.tests_of(Path(changed)) == []
