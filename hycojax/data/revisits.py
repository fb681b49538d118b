"""Which part of the time sees places more than once: only there first states explain not all."""

from __future__ import annotations

import numpy as np

from hycojax.data.observations import Dense, Observed, Part

#: Places over measurements from which on nearly none is seen again.
_ONCE = 0.9


def doublings(observed: Observed) -> int | None:
    """Return how often the time may double so that places are seen again in its first part.

    Where each is seen once, a first state that is estimated explains all that is measured, whatever
    the coefficients are: these would be led astray. None: the first states are known.
    """
    if observed.first.kind == "known":
        return None
    numbers = range(int(np.log2(max(observed.steps, 1))), 0, -1)
    return next((n for n in numbers if _sees_again(observed, observed.steps / 2**n)), 0)


def _sees_again(observed: Observed, end: float) -> bool:
    """Return whether places are seen more than once up to a frame."""
    counts = [_counts(part, end) for part in observed.parts]
    values, places = (sum(own[i] for own in counts) for i in range(2))
    return places < _ONCE * values


def _counts(part: Part, end: float) -> tuple[int, int]:
    """Return how many values are measured up to a frame, and at how many places."""
    seen = np.asarray(part.seen)[:, : int(end) + 1]
    if isinstance(part, Dense):
        return int(seen.sum()), int(seen.any(1).sum())
    system, *_ = index = np.nonzero(seen)
    rows = np.asarray(part.row)[:, : int(end) + 1][tuple(index)]
    return len(system), len(np.unique(np.stack([system, rows]), axis=1).T)
