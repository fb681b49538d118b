"""How noisy recordings are, from what no smooth function does."""

from __future__ import annotations

import numpy as np

from hycojax.data.recordings import Film, Points

#: Rows of values that are looked at: more of them tell nothing new.
_ROWS = 1024
#: Differences that are needed for an estimate.
_ENOUGH = 24
#: Of the share of higher differences in lower ones, from which on these are noise: a smooth
#: function has much less in them.
_FLAT = 0.7
#: Standard deviation of a normal variable over its median distance from 0.
_NORMAL = 1.4826
#: Differences of values that are exact stay below so many times the precision of their type.
_ROUNDING = 8


def noise_estimate(series: Film | Points) -> float | None:
    """Return the standard deviation of the noise of a series; None: it can't be told.

    It is the median of third and of fourth differences in time of all sites, the smaller one. They
    are scaled so that white noise has its own standard deviation in them, whatever the times. Where
    the fourth are much smaller than the third, or both are rounding errors, what is seen is no
    noise; a film is then looked at in space.

    Source: for second differences, Gasser, Sroka, Jennen-Steinmetz, Biometrika 73 (1986).
    """
    rounding = _ROUNDING * float(np.finfo(series.values.dtype).eps)
    estimate = _estimate(*_in_time(series), rounding)
    if estimate is None and isinstance(series, Film):
        lines = (_in_space(series, axis) for axis in range(len(series.places)))
        found = [_estimate(*line, rounding) for line in lines]
        estimate = min((value for value in found if value is not None), default=None)
    return estimate


def noise_of_lines(
    values: np.ndarray, systems: np.ndarray, times: np.ndarray, sites: np.ndarray
) -> float | None:
    """Return the same of measurements, a line each; None: it can't be told.

    Args:
        values: `[measurement]`.
        systems: Number of the system of each.
        times: In any unit.
        sites: Whole number of the place of each, from 0 on: equal places, equal numbers.
    """
    if not len(values):
        return None
    some = sites % (1 + int(np.max(sites)) // _ROWS) == 0
    values, systems, times, sites = (a[some] for a in (values, systems, times, sites))
    order = np.lexsort((times, sites, systems))
    new = (np.diff(systems[order]) != 0) | (np.diff(sites[order]) != 0)
    rows = np.concatenate([[0], np.cumsum(new)])
    rounding = _ROUNDING * float(np.finfo(values.dtype).eps)
    return _estimate(rows, times[order], values[order].astype(np.float64), rounding)


def residuals(series: Film | Points) -> np.ndarray:
    """Return the third differences in time of all sites, scaled as in `noise_estimate`."""
    return _differences(*_in_time(series), order=3)


def _estimate(
    rows: np.ndarray, at: np.ndarray, values: np.ndarray, rounding: float
) -> float | None:
    """Return the noise of values along rows, a row after the other."""
    third, fourth = (_differences(rows, at, values, order) for order in (3, 4))
    if min(third.size, fourth.size) < _ENOUGH:
        return None
    third, fourth = (_NORMAL * float(np.median(np.abs(d))) for d in (third, fourth))
    least = rounding * float(np.max(np.abs(values)))
    return min(third, fourth) if third > least and fourth > _FLAT * third else None


def _differences(rows: np.ndarray, at: np.ndarray, values: np.ndarray, order: int) -> np.ndarray:
    """Return divided differences within rows, with weights of unit length."""
    if len(values) <= order:
        return np.zeros(0)
    same = rows[order:] == rows[:-order]
    windows = [
        np.stack([a[i : len(a) - order + i] for i in range(order + 1)]) for a in (at, values)
    ]
    places, seen = (window[:, same] for window in windows)
    gaps = places[:, None] - places[None]
    gaps[np.diag_indices(order + 1)] = 1
    scale = np.max(np.abs(gaps), axis=(0, 1), initial=0)
    # Two values at one place have no difference that says anything.
    apart = np.min(np.abs(gaps), axis=(0, 1), initial=np.inf) > 0
    weights = 1 / np.prod(gaps[..., apart] / scale[apart], axis=1)
    return np.sum(weights * seen[:, apart], axis=0) / np.sqrt(np.sum(weights**2, axis=0))


def _in_time(series: Film | Points) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return site, time and value of what is seen, sites one after the other."""
    if isinstance(series, Points):
        _, sites = np.unique(series.places, axis=0, return_inverse=True)
        order = np.lexsort((series.times, sites.ravel()))
        return sites.ravel()[order], series.times[order], series.values[order].astype(np.float64)
    if series.times is None:
        return (np.zeros(0),) * 3
    table = series.values.reshape(len(series.times), -1).T
    return _rows(table, series.times)


def _in_space(film: Film, axis: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return row, place and value of what is seen along an axis, rows one after the other."""
    leading = film.values.ndim - len(film.places)
    table = np.moveaxis(film.values, leading + axis, -1)
    return _rows(table.reshape(-1, table.shape[-1]), film.places[axis])


def _rows(table: np.ndarray, at: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return row, place and value of what is seen in a table, of some of its rows."""
    chosen = table[:: -(-len(table) // _ROWS)].astype(np.float64)
    rows, columns = np.nonzero(~np.isnan(chosen))
    return rows, at[columns], chosen[rows, columns]
