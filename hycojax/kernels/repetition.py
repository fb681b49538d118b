"""One function many times over, with a gradient that needs little memory."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import jax

#: From so many times on, and so many bytes of states, the memory of a gradient counts for more
#: than the time of its third pass.
_MANY, _LARGE = 64, 2**26


def repeated(step: Callable[[Any], Any], count: int) -> Callable[[Any], Any]:
    """Return so many steps as one function.

    A gradient keeps what each step keeps. If all states are large, it keeps those where blocks of
    sqrt(count) steps begin, and one block: memory grows like the square root, and each step is made
    once more.

    Source: T. Chen, B. Xu, C. Zhang, C. Guestrin, arXiv 1604.06174, section 4.
    """
    if count == 1:
        return step
    inner = math.isqrt(count)

    def whole(state: Any) -> Any:
        if count < _MANY or count * _bytes(state) < _LARGE:
            return _in_a_row(step, count)(state)
        state = _in_a_row(step, count % inner)(state) if count % inner else state
        return _in_a_row(jax.checkpoint(_in_a_row(step, inner)), count // inner)(state)

    return whole


def _in_a_row(step: Callable[[Any], Any], count: int) -> Callable[[Any], Any]:
    return lambda u: jax.lax.scan(lambda v, _: (step(v), None), u, length=count)[0]


def _bytes(state: Any) -> int:
    return sum(leaf.size * leaf.dtype.itemsize for leaf in jax.tree.leaves(state))
