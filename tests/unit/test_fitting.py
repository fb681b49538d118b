"""When recordings are read: once, and not before it is known that a run may be kept."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

import hycojax as hj
from hycojax import comparing
from hycojax.data.files import Files
from hycojax.errors import InputError
from hycojax.run import directory as directories
from hycojax.run.directory import RunDir


@pytest.fixture
def experiment(tiny_heat, tmp_path):
    """The experiment of fixtures/heat.py on a film in a file."""
    x, times = (np.arange(16) + 0.5) * 100 / 16, 4.0 * np.arange(7)
    values = np.random.default_rng(0).normal(size=(7, 16, 16))
    film = hj.Film("temperature", "K", times, (x, x), values)
    whole = hj.Recordings((hj.System("tank", (film,)),))
    whole.to_xarray().to_netcdf(tmp_path / "tank.nc", engine="h5netcdf")
    return replace(tiny_heat, data=Files(tmp_path / "tank.nc"))


def test_a_taken_place_is_refused_before_anything_is_read(experiment, tmp_path):
    (tmp_path / "run").mkdir()
    directories.claim(RunDir(tmp_path / "run"), experiment, (experiment.schedule.cycles,))
    (tmp_path / "tank.nc").unlink()
    with pytest.raises(InputError, match="holds this run already"):
        hj.fit(experiment, run=tmp_path / "run")
    with pytest.raises(InputError, match=r"there is no file .*tank\.nc"):
        hj.fit(experiment, run=tmp_path / "run", resume=True)
    with pytest.raises(InputError, match=r"there is no file .*tank\.nc"):
        hj.fit(experiment, run=tmp_path / "runs" / "other")
    assert not (tmp_path / "runs").exists()


def test_a_comparison_reads_once_and_looks_once_a_seed(experiment, monkeypatch):
    reads, given, read = [], [], Files.read
    monkeypatch.setattr(Files, "read", lambda own: reads.append(own) or read(own))

    def fit(own, seen, **_):
        given.append((own.seed, seen))
        errors = {"held_out_nrmse": 0.5, "last_held_out_nrmse": 0.5}
        return SimpleNamespace(summary={"finished": True, "physical": errors, "synthetic": errors})

    monkeypatch.setattr(comparing, "fit", fit)
    comparing.compare(experiment, seeds=2)
    assert len(reads) == 1
    assert len(given) == 2 * len(comparing.SCHEMES)
    assert len({id(seen) for _, seen in given}) == 2
    assert all(seen is next(s for n, s in given if n == seed) for seed, seen in given)


def test_a_model_without_unknowns_and_with_known_starts_is_refused(experiment):
    own = replace(experiment.physical, model=hj.physics.Heat(diffusivity=1.0))
    with pytest.raises(InputError, match=r"the first states are known: .* \(diffusivity\)"):
        hj.fit(replace(experiment, physical=own, data=replace(experiment.data, first=hj.Known())))


def test_a_file_that_nobody_can_write_is_told_in_a_line(tmp_path):
    """HDF5 would say it in five."""
    told = pytest.raises(FileNotFoundError, match=r"^\[Errno 2\] No such file .*/new\.partial'$")
    with told, directories.replacing(tmp_path / "none" / "new.nc"):
        pass
