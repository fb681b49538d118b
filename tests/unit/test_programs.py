"""Compiled programs are kept where the user alone can write, for one type of processor."""

import os
import stat
import subprocess
import sys
import warnings
from types import SimpleNamespace

import jax
import jaxlib
import pytest

from hycojax import commandline
from hycojax.kernels import programs

SETTINGS = ("jax_enable_compilation_cache", "jax_compilation_cache_dir", *programs._SETTINGS)


@pytest.fixture
def cache(tmp_path, monkeypatch):
    """The user's cache directory, empty, of a user who has set nothing."""
    before = {name: getattr(jax.config, name) for name in SETTINGS}
    monkeypatch.setattr(programs.platformdirs, "user_cache_dir", lambda _: tmp_path / "cache")
    monkeypatch.delenv("HYCOJAX_CACHE", raising=False)
    jax.config.update("jax_compilation_cache_dir", None)
    yield tmp_path / "cache"
    for name, value in before.items():
        jax.config.update(name, value)


def test_the_folder_is_the_users_own(cache):
    found = programs.keep()
    assert found.parent == cache
    assert found.name.startswith(f"{jaxlib.__version__}-")
    assert stat.S_IMODE(found.stat().st_mode) == 0o700
    assert jax.config.jax_compilation_cache_dir == str(found)
    assert jax.config.jax_persistent_cache_min_compile_time_secs == 0
    assert jax.config.jax_persistent_cache_min_compile_time_secs == 0


def test_a_folder_that_others_can_read_is_closed(cache):
    programs.folder().mkdir(parents=True)
    programs.folder().chmod(0o755)
    assert stat.S_IMODE(programs.keep().stat().st_mode) == 0o700


def test_what_the_user_has_set_stays(cache, monkeypatch, tmp_path):
    for off in ("off", "OFF", "0", "false", "no"):
        monkeypatch.setenv("HYCOJAX_CACHE", off)
        assert programs.keep() is None
        assert jax.config.jax_compilation_cache_dir is None
    monkeypatch.delenv("HYCOJAX_CACHE")
    jax.config.update("jax_enable_compilation_cache", False)
    assert programs.keep() is None
    jax.config.update("jax_enable_compilation_cache", True)
    jax.config.update("jax_compilation_cache_dir", str(tmp_path / "own"))
    least = jax.config.jax_persistent_cache_min_entry_size_bytes
    assert programs.keep() == tmp_path / "own"
    assert jax.config.jax_compilation_cache_dir == str(tmp_path / "own")
    assert jax.config.jax_persistent_cache_min_entry_size_bytes == least
    assert not cache.exists()
    jax.config.update("jax_compilation_cache_dir", None)
    jax.config.update("jax_persistent_cache_min_entry_size_bytes", 10**6)
    monkeypatch.setenv("JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS", "1")
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 1.0)
    assert programs.keep() == programs.folder()
    assert jax.config.jax_persistent_cache_min_entry_size_bytes == 10**6
    assert jax.config.jax_persistent_cache_min_compile_time_secs == 1


def test_another_processor_has_another_folder(tmp_path):
    text = "processor : {}\nmodel name : {}\nflags : fpu {}\ncpu MHz : {}\n"
    names = []
    for number, told in enumerate(["A avx2", "A avx2", "A avx512f", "B avx2"]):
        model, flag = told.split()
        path = tmp_path / str(number)
        # As many processors as there are, at whatever speed: that makes no other type.
        path.write_text(
            "".join(text.format(i, model, flag, 2000 + number) for i in range(1 + number))
        )
        names.append(programs.processor(path))
    assert names[0] == names[1]
    assert len(set(names)) == 3
    assert programs.processor(tmp_path / "none") == programs.processor(tmp_path / "none")


def test_what_was_not_used_for_longest_is_removed(tmp_path):
    for number in range(5):
        path = tmp_path / f"jit_{number}-cache"
        path.write_bytes(b"\0" * 100)
        os.utime(path, (1000 + number, 1000 + number))
    os.utime(tmp_path / "jit_0-cache", (2000, 1000))  # read again since
    programs.prune(tmp_path, 1000)
    assert len(list(tmp_path.glob("*-cache"))) == 5
    programs.prune(tmp_path, 250)
    assert sorted(path.name for path in tmp_path.glob("*-cache")) == ["jit_0-cache", "jit_4-cache"]


def test_a_folder_is_pruned_when_it_is_named(cache, monkeypatch):
    programs.folder().mkdir(parents=True)
    (programs.folder() / "jit_old-cache").write_bytes(b"\0" * 100)
    monkeypatch.setattr(programs, "LIMIT", 50)
    assert not list(programs.keep().glob("*-cache"))


PROBLEMS = ("a file in its place", "a full disk", "somebody else's", "open to all", "no home")


@pytest.mark.parametrize("problem", PROBLEMS)
def test_a_folder_that_is_of_no_use_is_one_warning(cache, monkeypatch, problem):
    if problem == "a file in its place":
        cache.write_text("")
    elif problem == "a full disk":
        monkeypatch.setattr(programs.shutil, "disk_usage", lambda _: SimpleNamespace(free=2**20))
    elif problem == "somebody else's":
        monkeypatch.setattr(programs.os, "getuid", lambda: os.geteuid() + 1)
    elif problem == "open to all":
        cache.mkdir()
        cache.chmod(0o777)
    else:

        def homeless(_):
            raise RuntimeError("could not determine the home directory")

        monkeypatch.setattr(programs.platformdirs, "user_cache_dir", homeless)
    with pytest.warns(UserWarning, match="compiled programs are not kept: ") as told:
        assert programs.keep() is None
    assert len(told) == 1
    assert jax.config.jax_compilation_cache_dir is None


def test_programs_of_any_size_are_found_by_the_next_process(tmp_path):
    """Importing sets nothing; the second process reads what the first one has compiled."""
    code = """
import jax, hycojax, hycojax.train
assert jax.config.jax_compilation_cache_dir is None
from hycojax.kernels import programs
events = []
jax.monitoring.register_event_listener(lambda event, **_: events.append(event.split("/")[-1]))
programs.keep()
programs.jit(lambda x: x + 1, programs.ONCE)(1.0)
print(events.count("cache_hits"), events.count("cache_misses"))
"""
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("JAX_", "HYCOJAX_"))}
    environment["XDG_CACHE_HOME"] = str(tmp_path)
    environment["HOME"] = str(tmp_path)
    found = [
        subprocess.run(
            [sys.executable, "-c", code],
            env=environment,
            check=True,
            capture_output=True,
            text=True,
        ).stdout.split()
        for _ in range(2)
    ]
    assert found[0][0] == "0"
    assert int(found[0][1]) >= 1
    assert found[1][1] == "0"
    assert int(found[1][0]) >= 1


def test_a_command_tells_a_warning_once(capsys):
    """Those of JAX name a program each: a full disk would be a line for all of them."""

    def main(_):
        for name, reason in (("jit_a", "No space left"), ("jit_b", "not found")):
            told = f"Error writing persistent compilation cache entry for '{name}': {reason}"
            warnings.warn(told, stacklevel=1)
        for text in ("'another' one", "'another' two"):
            warnings.warn(text, stacklevel=1)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", ["hycojax"])
        commandline.run(main)
    assert capsys.readouterr().err.splitlines() == [
        "warning: Error writing persistent compilation cache entry for 'jit_a': No space left",
        "warning: 'another' one",
        "warning: 'another' two",
    ]
