"""python -m profiling.synthetic: the plain UNet against PyTorch, and what an epoch adds.

The network has 4 levels of 64 features, float32, batches of 16; its training step is a rollout,
mean squares, back-propagation and Adam. PyTorch runs the same network in the same process, on the
same device, in whichever memory format is faster: compiled programs against its usual eager mode,
both with their default precision (on recent GPUs TF32 in convolutions). Medians of warm runs.

Then an epoch of training as `hycojax.train` runs it, validation included, against its training
steps alone; and what 100 epochs leave in memory.

PyTorch is the extra `benchmark`: pip install -c constraints.txt -e '.[benchmark]'.
"""

from __future__ import annotations

import math
import resource
import statistics
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import torch
import tyro
from rich.console import Console
from rich.table import Table

import hycojax as hj
from hycojax.data.observations import Dense, First, Observations, Observed
from hycojax.data.simulated import observations
from hycojax.data.windows import Source, Windows, tile
from hycojax.game import state as games
from hycojax.game.player import Player
from hycojax.game.state import Game, PlayerState
from hycojax.inference.losses import window_loss
from hycojax.models.model import Model, rollouts
from hycojax.networks.unet import Block
from hycojax.run.compiled import compiled_cycle
from hycojax.settings.numbers import split
from profiling import clock

_BATCH, _LEVELS, _FEATURES = 16, 4, 64
#: Where PyTorch computes.
_TORCH_DEVICE = "cuda" if jax.default_backend() == "gpu" else "cpu"


@dataclass(frozen=True)
class Options:
    """Time the training of the plain UNet."""

    sizes: tuple[int, ...] = (64, 128)
    """Cells along each axis."""
    repeats: int = 5
    """Runs that are timed after a first one that is not."""
    updates: int = 5
    """Training steps in one compiled program."""
    epochs: int = 100
    """Epochs between which memory is compared."""


def main(options: Options) -> None:
    """Run the command."""
    console = Console()
    versions = f"{clock.device()}, torch {torch.__version__}, {torch.get_num_threads()} threads"
    rate = _matrix_rate(options.repeats)
    console.print(f"{versions}; matrix products: {rate / 1e9:.0f} GFLOP/s", highlight=False)
    _epochs(options, console)
    table = Table("cells", "what", "hycojax [ms]", "torch [ms]", "ratio", "share", "compile")
    for size in options.sizes:
        ours = _our_programs(size, options)
        theirs = _their_programs(size)
        for name, (program, inputs, steps, work) in ours.items():
            compiled, seconds = clock.compiled(program, inputs, clock.AS_IN_RUNS)
            mine = clock.median(compiled, inputs, options.repeats) / steps
            other = min(clock.median(run, (), options.repeats) for run in theirs[name])
            numbers = f"{1e3 * mine:.3g}", f"{1e3 * other:.3g}", f"{mine / other:.2f}"
            share = f"{100 * work / mine / rate:.0f} %"
            table.add_row(f"{size} x {size}", name, *numbers, share, f"{seconds:.0f} s")
    console.print(table)


def _matrix_rate(repeats: int) -> float:
    """Return the measured rate of a large product of float32 matrices, in operations a second."""
    n = 2048
    matrix = jnp.ones((n, n))
    return 2 * n**3 / clock.median(jax.jit(jnp.matmul), (matrix, matrix), repeats)


def _flow(size: int) -> Model:
    """Return a PDE whose states the networks read."""
    box = hj.Domain((size, size), (100.0, 100.0), hj.PERIODIC)
    return hj.physics.Burgers(viscosity=hj.Unknown(start=2.0)).on(box, 1.0)


def _network(size: int) -> Model:
    unet = hj.networks.UNet(levels=_LEVELS, features=_FEATURES, growth=1, block=Block.PLAIN)
    return unet.on(_flow(size).domain, 1.0)


def _operations(size: int) -> float:
    """Return the operations of a forward pass of a batch, convolutions summed directly."""
    f, channels = _FEATURES, 2
    layers = [(1.0, channels * f + f * f)]
    layers += [(4.0**-i, 2 * f * f) for i in range(1, _LEVELS + 1)]
    layers += [(4.0**-i, 3 * f * f) for i in range(_LEVELS)]
    products = sum(9 * share * weights for share, weights in layers) + f * channels
    return 2 * products * size**2 * _BATCH


def _windows(size: int, horizon: int) -> Windows:
    path = jax.random.normal(jax.random.key(0), (_BATCH, horizon + 1, size, size, 2))
    return tile(_source(path), horizon)


def _source(path: jax.Array) -> Source:
    """Return trajectories of which all is seen."""
    return Source(path, (Dense(path, jnp.ones(path.shape, bool)),))


def _known(path: jax.Array) -> Observed:
    """Return the same as what is known of systems."""
    exact = jnp.ones(path.shape[:2], bool)
    return Observed(_source(path).parts, First(path[:, 0]), path, exact)


def _our_programs(size: int, options: Options) -> dict[str, tuple[Callable, tuple, int, float]]:
    """Return by name: program, inputs, steps that it makes, operations of a step."""
    model, work = _network(size), _operations(size)
    params = jax.jit(model.init)(jax.random.key(0))
    solver = hj.Adam(updates=options.updates)

    def train(params, state, windows):
        def objective(params, key, number):
            del key, number
            return window_loss(model, params, windows, jnp.ones(2)), {}

        return solver.run(objective, params, state, jax.random.key(0), 1)

    programs = {
        "forward": (
            lambda p, x: rollouts(model, p, x, options.updates)[:, -1],
            (params, _windows(size, 1).starts.state),
            options.updates,
            work,
        )
    }
    for horizon in (1, 4):
        inputs = (params, solver.init(params, 1), _windows(size, horizon))
        name = f"training step, rollout {horizon}"
        programs[name] = (train, inputs, options.updates, 3 * horizon * work)
    return programs


def _their_programs(size: int) -> dict[str, list[Callable]]:
    """Return by name the same in PyTorch, in both memory formats."""
    programs: dict[str, list[Callable]] = {}
    for layout in (torch.contiguous_format, torch.channels_last):
        model = _TorchUNet(2, _LEVELS, _FEATURES).to(_TORCH_DEVICE, memory_format=layout)
        state = torch.randn(_BATCH, 2, size, size, device=_TORCH_DEVICE)
        state = state.contiguous(memory_format=layout)
        optimiser = torch.optim.Adam(model.parameters())
        forward = partial(_torch_forward, model, state)
        programs.setdefault("forward", []).append(partial(_torch_timed, forward))
        for horizon in (1, 4):
            step = partial(_torch_step, model, optimiser, state, horizon)
            name = f"training step, rollout {horizon}"
            programs.setdefault(name, []).append(partial(_torch_timed, step))
    return programs


def _torch_timed(program: Callable) -> None:
    """Run a program until the device is done."""
    program()
    if _TORCH_DEVICE == "cuda":
        torch.cuda.synchronize()


def _torch_forward(model: torch.nn.Module, state: torch.Tensor) -> None:
    with torch.no_grad():
        model(state)


def _torch_step(
    model: torch.nn.Module, optimiser: torch.optim.Optimizer, state: torch.Tensor, horizon: int
) -> None:
    optimiser.zero_grad()
    path = [state]
    for _ in range(horizon):
        path.append(model(path[-1]))
    torch.stack([torch.mean(s**2) for s in path[1:]]).mean().backward()
    optimiser.step()


class _TorchUNet(torch.nn.Module):
    """The plain UNet of `networks/unet.py`, layer by layer."""

    def __init__(self, channels: int, levels: int, features: int):
        super().__init__()
        level = partial(_torch_level, outputs=features)
        downs = [level(channels), *(level(features) for _ in range(levels - 1))]
        self.down, self.coarsest = torch.nn.ModuleList(downs), level(features)
        self.up = torch.nn.ModuleList(level(2 * features) for _ in range(levels))
        self.last = torch.nn.Conv2d(features, channels, 1)

    def forward(self, state):
        x, skips = state, []
        for level in self.down:
            x = level(x)
            skips.append(x)
            x = torch.nn.functional.max_pool2d(x, 2)
        x = self.coarsest(x)
        for level in self.up:
            x = torch.nn.functional.interpolate(x, scale_factor=2)
            x = level(torch.cat([x, skips.pop()], dim=1))
        return state + self.last(x)


def _torch_level(inputs: int, outputs: int) -> torch.nn.Sequential:
    convolution = partial(torch.nn.Conv2d, padding=1, padding_mode="circular")
    layers = convolution(inputs, outputs, 3), convolution(outputs, outputs, 3)
    return torch.nn.Sequential(layers[0], torch.nn.ReLU(), layers[1], torch.nn.ReLU())


def _epochs(options: Options, console: Console) -> None:
    """Compare an epoch of a run with its training steps alone, and memory after many."""
    path = jax.random.normal(jax.random.key(0), (8, 33, 32, 32, 2))
    horizon, batch = 4, 8
    windows = path.shape[0] * (path.shape[1] - horizon)
    solver = hj.Adam(updates=math.ceil(windows / batch))
    network = hj.networks.UNet(levels=2, features=16).on(_flow(32).domain, 1.0)
    player = hj.Synthetic(network, solver, horizon=horizon, batch=batch)
    data = observations(_known(path), _known(path[:2]))
    first, later, memory = _play(player, data, options.epochs)
    state = games.start(_game(player, 1), data, jax.random.key(0)).players["synthetic"]
    steps = partial(_steps_alone, player, _first_windows(path, batch, horizon))
    program, _ = clock.compiled(steps, (state,), clock.AS_IN_RUNS)
    alone = clock.median(program, (state,), options.repeats)
    console.print(
        f"an epoch of {windows} windows, rollout {horizon}, 32 x 32, UNet of 2 levels and 16 "
        f"features: {later:.2f} s, with validation {first:.2f} s; its {solver.updates} training "
        f"steps alone: {alone:.2f} s; the rest is {100 * (later / alone - 1):.1f} %, with "
        f"validation {100 * (first / alone - 1):.1f} %\nmemory after 2 and after "
        f"{options.epochs} epochs: "
        + "; ".join(f"{k} {memory[2][k]}, {memory[options.epochs][k]}" for k in memory[2]),
        highlight=False,
    )


def _game(player: hj.Synthetic, epochs: int) -> Game:
    """Return a game in which every second epoch is validated."""
    schedule = hj.Schedule(warmup=0, cycles=epochs, validation=2)
    other = hj.Physical(_flow(32), hj.LBFGS())
    return games.game(other, player, schedule, hj.Interaction(), playing=("synthetic",))


def _play(
    player: hj.Synthetic, data: Observations, epochs: int
) -> tuple[float, float, dict[int, dict[str, str]]]:
    """Return the median seconds of epochs with and without validation, and memory after each."""
    game = _game(player, epochs)
    state = games.start(game, data, jax.random.key(0))
    stage = games.stage(game, 0)
    program = compiled_cycle(stage, data, state, games.turns(game, 0))
    epoch, seconds, memory = partial(program, split(stage)[1], data), [], {}
    for number in range(1, epochs + 1):
        one, (state, _) = clock.timed(epoch, state, games.turns(game, number - 1))
        seconds.append(one)
        memory[number] = _memory()
    return statistics.median(seconds[2::2]), statistics.median(seconds[1:-1:2]), memory


def _first_windows(path: jax.Array, batch: int, horizon: int) -> Windows:
    every = tile(_source(path), horizon)
    return jax.tree.map(lambda leaf: leaf[:batch], every)


def _steps_alone(player: Player, windows: Windows, own: PlayerState) -> Any:
    """Make one epoch's updates, all on the same windows."""

    def objective(params, key, number):
        del key, number
        return window_loss(player.model, params, windows, jnp.ones(2)), {}

    return player.solver.run(objective, own.params, own.solver, jax.random.key(0), 1)


def _memory() -> dict[str, str]:
    arrays = jax.live_arrays()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    found = {"arrays on the device": f"{len(arrays)} ({sum(a.nbytes for a in arrays)} bytes)"}
    return {**found, "peak of the process": f"{peak:.0f} MiB"}


if __name__ == "__main__":
    main(tyro.cli(Options, prog="python -m profiling.synthetic"))
