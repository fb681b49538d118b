"""What all tests share: a compilation cache, and small experiments compiled once a session."""

import dataclasses
import logging
import os
import signal
from pathlib import Path

# Before JAX is imported, for the processes too that tests start: a third of the time that a
# program takes to compile.
if "xla_backend_optimization_level" not in os.environ.get("XLA_FLAGS", ""):
    os.environ["XLA_FLAGS"] = " ".join(
        ["--xla_backend_optimization_level=0", os.environ.get("XLA_FLAGS", "")]
    )

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import hycojax as hj
from hycojax import commandline
from hycojax.data import simulated
from hycojax.data.observations import Dense, First, Observed
from hycojax.game import state as games
from hycojax.kernels import programs
from hycojax.run.compiled import compiled_cycle
from hycojax.settings.numbers import split

FIXTURES = Path(__file__).parent / "fixtures"


def pytest_configure(config):
    """Compute in full single precision on GPUs too, and keep compiled programs between sessions.

    Compilation is most of a test's time.
    """
    jax.config.update("jax_default_matmul_precision", "highest")
    programs.keep()
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.0)
    jax.config.update("jax_persistent_cache_min_entry_size_bytes", -1)


#: Fixtures that compile a program which many tests share.
PROGRAMS = ("ready", "compared", "recorded_run", "own_run")


@pytest.hookimpl(tryfirst=True)  # before xdist reads the groups
def pytest_collection_modifyitems(items):
    """Send tests that share a program to one worker (`--dist loadgroup`)."""
    for item in items:
        for name in PROGRAMS:
            if name in item.fixturenames:
                item.add_marker(pytest.mark.xdist_group(name))


@pytest.fixture(autouse=True, scope="module")
def _no_programs_of_other_files():
    """Forget the programs of a file at its end: gigabytes, in a worker that runs them all."""
    yield
    jax.clear_caches()


@pytest.fixture(scope="session")
def smoke_box():
    return hj.Domain((16, 16), (100.0, 100.0), hj.CLOSED)


@pytest.fixture(scope="session")
def plume(smoke_box):
    """A plume whose buoyancy is unknown, on 16 x 16 cells, with an interval of 2 s."""
    return hj.physics.Smoke(buoyancy=hj.Unknown(start=0.1)).on(smoke_box, 2.0)


@pytest.fixture(scope="session")
def heat_box():
    return hj.Domain((16, 16), (100.0, 100.0), hj.PERIODIC)


@pytest.fixture(scope="session")
def step(plume):
    """One compiled step of the plume: `step(buoyancy, state)`."""
    return jax.jit(lambda b, state: plume.forward({"buoyancy": b}, state))


@pytest.fixture(scope="session")
def tiny_heat():
    """The experiment of fixtures/heat.py, a run of seconds."""
    return commandline.load(FIXTURES / "heat.py")


@dataclasses.dataclass
class Ready:
    """A game, ready to play: `play(state)` is its compiled cycle."""

    experiment: hj.Experiment
    game: games.Game
    stored: dict
    data: object
    program: object

    def start(self):
        return games.start(self.game, self.data, jax.random.key(1))

    def play(self, state):
        """Return the state after a cycle, and what it reports."""
        cycle = int(state.cycle)
        numbers = split(games.stage(self.game, cycle))[1]
        return self.program(numbers, self.data, state, games.turns(self.game, cycle))


def first_state(experiment):
    """Return game, simulations, recordings and first state of an experiment."""
    about = experiment.data, experiment.domain, experiment.interval, experiment.seed
    stored, game = simulated.simulate(*about), experiment.game()
    data = simulated.known(about[0], game.physics.domain, stored, experiment.seed)
    return game, stored, data, games.start(game, data, jax.random.key(1))


@pytest.fixture(scope="session", name="first_state")
def first_state_fixture():
    return first_state


@pytest.fixture(scope="session")
def ready(tiny_heat):
    game, stored, data, state = first_state(tiny_heat)
    program = compiled_cycle(games.stage(game, 0), data, state, games.turns(game, 0))
    return Ready(tiny_heat, game, stored, data, program)


@pytest.fixture
def compilations(monkeypatch):
    """Names of the functions that JAX compiles, in order, as they are compiled."""
    names = []

    class Listener(logging.Handler):
        def emit(self, record):
            text = record.getMessage()
            if text.startswith("Compiling "):
                names.append(text.split()[1])

    listener = Listener()
    logger = logging.getLogger("jax")
    monkeypatch.setattr(logger, "propagate", False)
    logger.addHandler(listener)
    with jax.log_compiles():
        yield names
    logger.removeHandler(listener)


def changed(game, name, **fields):
    """Return a game with some fields of a player changed."""
    seats = tuple(
        (own, dataclasses.replace(player, **fields) if own == name else player)
        for own, player in game.seats
    )
    return dataclasses.replace(game, seats=seats)


@pytest.fixture(scope="session", name="changed")
def changed_fixture():
    return changed


def recorded(values, seen=None):
    """Return what is known of trajectories without noise: what is seen, and the first states."""
    seen = np.ones(values.shape, bool) if seen is None else np.asarray(seen)
    exact = seen.reshape(*seen.shape[:2], -1).all(-1)
    exact[:, 0] = True
    return Observed((Dense(values, jnp.asarray(seen)),), First(values[:, 0]), values, exact)


@pytest.fixture(scope="session", name="recorded")
def recorded_fixture():
    return recorded


def smooth(key, shape, waves=3):
    """Return a random field of a few long waves, whatever the boundary."""
    rng = np.random.default_rng(key)
    x = np.meshgrid(*[(np.arange(n) + 0.5) / n for n in shape], indexing="ij")
    total = np.zeros(shape)
    for _ in range(6):
        k = rng.integers(1, waves + 1, len(shape))
        total += rng.normal() * np.prod(
            [np.cos(np.pi * n * c + rng.uniform(0, 6)) for n, c in zip(k, x, strict=True)], axis=0
        )
    return jnp.asarray(total, jnp.float32)


@pytest.fixture(scope="session", name="smooth")
def smooth_fixture():
    return smooth


def cell_means(values):
    """Return exact means over the cells of a periodic grid from values at their centres."""
    waves = np.fft.fftn(values)
    for axis, n in enumerate(values.shape):
        share = np.sinc(np.fft.fftfreq(n)).reshape(
            [-1 if a == axis else 1 for a in range(values.ndim)]
        )
        waves = waves * share
    return np.fft.ifftn(waves).real


@pytest.fixture(scope="session", name="cell_means")
def cell_means_fixture():
    return cell_means


def order(sizes, errors):
    """Return the order of convergence: the slope of log(error) against -log(size)."""
    return -np.polyfit(np.log(sizes), np.log(errors), 1)[0]


@pytest.fixture(scope="session", name="order")
def order_fixture():
    return order


@pytest.fixture
def double():
    """Double precision, as long as a test lasts."""
    with jax.enable_x64(True):
        yield


class StopAfter:
    """A logger that asks runs to stop, by a signal after a cycle."""

    def __init__(self, cycle):
        self.wanted = cycle

    def phase(self, text):
        pass

    def cycle(self, record):
        if record.cycle == self.wanted:
            os.kill(os.getpid(), signal.SIGTERM)

    def close(self, summary):
        pass


@pytest.fixture(scope="session")
def stop_after():
    return StopAfter
