"""One function many times over, with a gradient that needs little memory."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import jax

#: From so many times on the memory of a gradient counts for more than the time of its third pass.
_MANY = 64


def repeated(step: Callable[[Any], Any], count: int) -> Callable[[Any], Any]:
    """Return so many steps as one function.

    A gradient keeps what each step keeps. Of `_MANY` steps and more it keeps the states where
    blocks of sqrt(count) steps begin, and one block: memory grows like the square root, and each
    step is made once more.

    Source: T. Chen, B. Xu, C. Zhang, C. Guestrin, arXiv 1604.06174, section 4.
    """
    if count == 1:
        return step
    if count < _MANY:
        return _in_a_row(step, count)
    inner = math.isqrt(count)
    blocks = _in_a_row(jax.checkpoint(_in_a_row(step, inner)), count // inner)
    rest = count % inner
    return blocks if rest == 0 else lambda u: _in_a_row(step, rest)(blocks(u))


def _in_a_row(step: Callable[[Any], Any], count: int) -> Callable[[Any], Any]:
    return lambda u: jax.lax.scan(lambda v, _: (step(v), None), u, length=count)[0]
