import jax
import jax.numpy as jnp
import numpy as np
import pytest

from hycojax.errors import InputError
from hycojax.game.state import PlayerState, TrainingState
from hycojax.run import checkpoint

# Orbax leaves an event loop behind where it can't read a file.
pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")


def state(value=0.0, size=3):
    params = {"weights": {"kernel": jnp.full((size, 2), value)}, "nothing": ()}
    error, cycle = jnp.float32(jnp.inf), jnp.asarray(0, jnp.int32)
    solver, recorded = (jnp.asarray(4, jnp.int32), ()), jnp.full((2, 5), value)
    player = PlayerState(params, solver, error, error, error[None], params, error, cycle, recorded)
    key = jax.random.key_data(jax.random.key(7))
    return TrainingState({"synthetic": player}, jnp.asarray(5, jnp.int32), key)


def damage(folder):
    """Flip one byte in the largest file below a folder."""
    largest = max((p for p in folder.rglob("*") if p.is_file()), key=lambda p: p.stat().st_size)
    content = bytearray(largest.read_bytes())
    content[len(content) // 2] ^= 0xFF
    largest.write_bytes(bytes(content))


def assert_equal(found, saved):
    assert jax.tree.structure(found) == jax.tree.structure(saved)
    for a, b in zip(jax.tree.leaves(found), jax.tree.leaves(saved), strict=True):
        np.testing.assert_array_equal(a, b)
        assert a.dtype == b.dtype


def test_a_state_comes_back_bit_for_bit(tmp_path):
    saved = state(1 / 3)
    checkpoint.save(tmp_path, 5, saved)
    found, warnings = checkpoint.restore(tmp_path, state())
    assert not warnings
    assert_equal(found, saved)


def test_the_latest_few_are_kept_and_the_latest_is_read(tmp_path):
    assert checkpoint.steps(tmp_path / "none") == []
    for step in range(5):
        checkpoint.save(tmp_path, step, state(float(step)))
    assert checkpoint.steps(tmp_path) == [2, 3, 4]
    found, _ = checkpoint.restore(tmp_path, state())
    assert found.players["synthetic"].params["weights"]["kernel"][0, 0] == 4


@pytest.mark.parametrize("how", ["flipped", "emptied", "removed"])
def test_a_damaged_one_is_passed_over_with_a_warning(tmp_path, how):
    for step in (1, 2):
        checkpoint.save(tmp_path, step, state(float(step)))
    if how == "flipped":
        damage(tmp_path / "2" / "state")
    else:
        for path in [p for p in (tmp_path / "2" / "state").rglob("*") if p.is_file()]:
            path.write_bytes(b"") if how == "emptied" else path.unlink()
    found, warnings = checkpoint.restore(tmp_path, state())
    assert found.players["synthetic"].params["weights"]["kernel"][0, 0] == 1
    assert len(warnings) == 1
    assert "2 is passed over" in warnings[0]


def test_one_empty_file_anywhere_does_no_harm(tmp_path):
    """What a full disk leaves: the state is read as it was saved, or the one before it."""
    for step in (1, 2):
        checkpoint.save(tmp_path, step, state(float(step)))
    files = [p for p in (tmp_path / "2").rglob("*") if p.is_file() and p.stat().st_size]
    passed = set()
    for file in files:
        content = file.read_bytes()
        file.write_bytes(b"")
        found, warnings = checkpoint.restore(tmp_path, state())
        file.write_bytes(content)
        assert_equal(found, state(1.0 if warnings else 2.0))
        if warnings:
            (warning,) = warnings
            assert "2 is passed over: it can't be read" in warning
            passed.add(str(file.relative_to(tmp_path / "2")))
    # Some files are orbax's own notes, which no reader needs; the others are noticed.
    assert {"proof/metadata", "state/_METADATA", "state/manifest.ocdbt"} <= passed
    assert any(name.startswith("state/d/") for name in passed)


@pytest.mark.parametrize(
    "problem",
    [ValueError("NOT_FOUND"), KeyError("state"), TypeError("None"), OSError(5, "I/O"), EOFError()],
    ids=lambda problem: type(problem).__name__,
)
def test_whatever_orbax_raises_the_one_before_is_read(tmp_path, monkeypatch, problem):
    import orbax.checkpoint as ocp

    for step in (1, 2):
        checkpoint.save(tmp_path, step, state(float(step)))
    restore, broken = ocp.CheckpointManager.restore, {2}

    def fail(manager, step, **words):
        if step in broken:
            raise problem
        return restore(manager, step, **words)

    monkeypatch.setattr(ocp.CheckpointManager, "restore", fail)
    found, (warning,) = checkpoint.restore(tmp_path, state())
    assert_equal(found, state(1.0))
    assert f"2 is passed over: it can't be read ({type(problem).__name__})" in warning
    broken.add(1)
    with pytest.raises(InputError, match="holds no checkpoint that can be used") as error:
        checkpoint.restore(tmp_path, state())
    assert len(str(error.value).splitlines()) == 3


def test_a_checksum_that_does_not_match_is_noticed(tmp_path, monkeypatch):
    """Orbax has checksums of its own for some files; ours covers the numbers themselves."""
    checkpoint.save(tmp_path, 1, state(1.0))
    monkeypatch.setattr(checkpoint, "_proof", lambda leaves: {"sha256": "another"})
    with pytest.raises(InputError, match="bytes have changed"):
        checkpoint.restore(tmp_path, state())


def test_another_shape_is_an_error_and_not_a_guess(tmp_path):
    checkpoint.save(tmp_path, 1, state())
    with pytest.raises(InputError, match=r"not belong to this experiment: players\..*differs"):
        checkpoint.restore(tmp_path, state(size=4))


def test_a_part_of_a_state_is_found_by_its_path(tmp_path):
    """As a result needs it that is opened from disk: what was learned, without the rest."""
    saved = state(1 / 3)
    checkpoint.save(tmp_path, 1, saved)
    leaves, _ = checkpoint.read(tmp_path)
    best = saved.players["synthetic"].best
    assert_equal(checkpoint.part(leaves, "players.synthetic.best", best), best)
    with pytest.raises(InputError, match=r"players\.physical\.best\.weights\.kernel differs"):
        checkpoint.part(leaves, "players.physical.best", best)


@pytest.mark.parametrize("free", [0, 400_000])
def test_a_disk_without_room_is_told_before_anything_is_written(tmp_path, monkeypatch, free):
    usage = checkpoint.shutil.disk_usage(tmp_path)._replace(free=free)
    monkeypatch.setattr(checkpoint.shutil, "disk_usage", lambda path: usage)
    with pytest.raises(OSError, match="No space left") as error:
        checkpoint.save(tmp_path, 1, state())
    assert error.value.errno == 28
    assert checkpoint.steps(tmp_path) == []


def test_a_disk_that_fills_while_a_state_is_written_is_told(tmp_path, monkeypatch):
    def fill(*args, **kwargs):
        raise ValueError("RESOURCE_EXHAUSTED: Failed writing")  # what tensorstore raises

    monkeypatch.setattr("orbax.checkpoint.CheckpointManager.save", fill)
    with pytest.raises(OSError, match="No space left"):
        checkpoint.save(tmp_path, 1, state())
