"""The compiled cycle: one program for all games of a structure."""

from __future__ import annotations

import functools
from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp

from hycojax.data.observations import Observations
from hycojax.game.cycle import cycle
from hycojax.game.schedule import Turn
from hycojax.game.state import Game, TrainingState
from hycojax.kernels import programs
from hycojax.settings.numbers import join, split

#: How many a process remembers: those of a run's stages, or of a comparison's schemes.
_REMEMBERED = 8


def compiled_cycle(
    game: Game, data: Observations, state: TrainingState, turns: dict[str, Turn]
) -> Callable[..., Any]:
    """Return a compiled cycle, `program(numbers, data, state, turns)`; its state is donated.

    The numbers are those of the game (`settings.numbers.split`). One program serves all games of a
    structure: it is compiled once in a process, and kept on disk (`kernels.programs`).
    """
    structure, numbers = split(game)
    shapes = jax.tree.map(_Shape.of, (numbers, data, state, turns))
    leaves, tree = jax.tree.flatten(shapes, is_leaf=lambda leaf: isinstance(leaf, _Shape))
    return _compiled(structure, tree, tuple(leaves))


def cycle_program(structure: Game) -> Any:
    """Return the cycle of a structure under `jax.jit`."""
    return programs.jit(partial(_cycle, structure), programs.LOOP, donate_argnums=2)


def _cycle(
    structure: Game,
    numbers: tuple[Any, ...],
    data: Observations,
    state: TrainingState,
    turns: dict[str, Turn],
) -> tuple[TrainingState, dict[str, dict[str, Any]]]:
    return cycle(join(structure, numbers), data, state, turns)


class _Shape(tuple):
    """Shape, type and weakness of an argument, as something that can be compared."""

    __slots__ = ()

    @classmethod
    def of(cls, leaf: Any) -> _Shape:
        weak = isinstance(leaf, float) or getattr(leaf, "weak_type", False)
        return cls((jnp.shape(leaf), jnp.result_type(leaf), weak))


@functools.lru_cache(maxsize=_REMEMBERED)
def _compiled(structure: Game, tree: Any, shapes: tuple[_Shape, ...]) -> Any:
    leaves = [jax.ShapeDtypeStruct(s, t, weak_type=weak) for s, t, weak in shapes]
    return cycle_program(structure).lower(*jax.tree.unflatten(tree, leaves)).compile()
