"""What all benchmarks measure with: compile times, medians of warm runs, the device's name."""

from __future__ import annotations

import math
import statistics
import time
from collections.abc import Callable
from functools import partial
from typing import Any

import jax

from hycojax.kernels import programs

#: `jax.jit` with the effort that goes into the loops of a run.
AS_IN_RUNS = partial(programs.jit, effort=programs.LOOP)


def device() -> str:
    """Return the device and the version of JAX, for a title."""
    return f"{jax.devices()[0].device_kind} ({jax.default_backend()}), jax {jax.__version__}"


def compiled(function: Callable, inputs: tuple, jit: Callable = jax.jit) -> tuple[Callable, float]:
    """Return a function compiled for its inputs, and the seconds that this took."""
    began = time.perf_counter()
    return jit(function).lower(*inputs).compile(), time.perf_counter() - began


def timed(function: Callable, *inputs: Any) -> tuple[float, Any]:
    """Return the seconds of one run, and its result."""
    began = time.perf_counter()
    found = jax.block_until_ready(function(*inputs))
    return time.perf_counter() - began, found


def median(program: Callable, inputs: tuple, repeats: int, patience: float = math.inf) -> float:
    """Return the median seconds of warm runs: `repeats`, fewer if they take `patience` in all."""
    timed(program, *inputs)
    seconds: list[float] = []
    while len(seconds) < repeats and sum(seconds) < patience:
        seconds.append(timed(program, *inputs)[0])
    return statistics.median(seconds)
