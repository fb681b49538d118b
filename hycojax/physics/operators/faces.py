"""Flow in a closed box with walls at rest: fluxes, viscosity, forces, on a staggered grid.

Values are means: a density over cells, a velocity over the faces between cells, `n` and `n - 1`
along an axis of `n` cells. So the divergence theorem holds exactly for them. Each operator is a
matrix along an axis, with what lies beyond the walls in its first and last rows: as a product it
compiles in a fraction of the time of shifts and borders, and up to some hundred cells it is faster.
"""

from __future__ import annotations

import enum
import functools

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from hycojax.kernels.axes import along
from hycojax.physics.operators.fluid import projected

#: The components of a velocity on the faces between cells.
Faces = list[Float[Array, "*own"]]

#: From means over six cells, or two times three faces, to the value between: of order 6.
_MIDDLE = np.array([1, -8, 37, 37, -8, 1]) / 60
#: Half of the difference of the two upwind-biased values of order 5 there.
_JUMP = np.array([-1, 5, -10, 10, -5, 1]) / 60
#: The share of upwinding that is taken: what the grid does not resolve is damped half as much.
_UPWIND = 0.5
#: From means over cells to the value between, from values to the value between, of order 4.
_BETWEEN_MEANS = np.array([-1, 7, 7, -1]) / 12
_BETWEEN_POINTS = np.array([-1, 9, 9, -1]) / 16
#: From means over cells to the slope between, from values to second differences, of order 4.
_SLOPE = np.array([1, -15, 15, -1]) / 12
_BEND = np.array([-1, 16, -30, 16, -1]) / 12


class Ends(enum.Enum):
    """How values go on along an axis beyond the walls."""

    MIRROR = "mirror"
    """Means over cells, without a flux through the wall."""
    OPPOSITE = "opposite"
    """Means over cells with the other sign beyond the wall, where they vanish."""
    REST = "rest"
    """Means over cells of the cubic that vanishes on the wall and has the next three means."""
    FLAT = "flat"
    """Values on faces that vanish on the wall with their slope: there no fluid diverges."""


def transported(
    values: Float[Array, "*own"], own: int | None, speeds: Faces
) -> Float[Array, "*own"]:
    """Return -div(u c) of a quantity c that a flow carries, in c per second.

    The flux through a side of a control volume is the product of c and u, of order 4 inside:

        F = u m - |u| j / 2 + (du)(dc) / 12

    with m the interpolated value, j the jump between the values from either side (upwinding, of
    order 5) and differences d along the side, which are what a mean of products has beyond the
    product of means. Through walls nothing flows: the sum over all cells is kept.

    Args:
        values: c: a density, or a component of the velocity.
        own: The axis of that component; None: a density.
        speeds: For each axis the velocity over the width of a cell, in 1/s, where the fluxes are.

    Source: X.-D. Liu, S. Osher, T. Chan, J. Comput. Phys. 115 (1994), and Shu, "Essentially
    non-oscillatory and weighted ENO schemes", ICASE 97-65 (1997), section 2, for its linear
    weights; Y. Morinishi et al., J. Comput. Phys. 143 (1998), for staggered products.
    """
    total = 0
    for axis, speed in enumerate(speeds):
        ends = _ends(own, axis)
        middle, jump = (_apply(m, values, axis, ends) for m in (_interpolation, _upwinding))
        flux = speed * middle - jnp.abs(speed) * jump
        for across in range(len(speeds)):
            if across not in (axis, own):
                bends = _apply(_difference, middle, across, _ends(own, across))
                flux = flux + _apply(_difference, speed, across, Ends.OPPOSITE) * bends / 12
        total = total - _apply(_balance, flux, axis, ends, cells=_cells(values, axis, ends))
    return total


def speeds(faces: Faces, dx: tuple[float, ...], dt: float, most: float) -> Faces:
    """Return a velocity on faces over the width of a cell, in 1/s; no faster than a step allows.

    If it would carry further than `most` cells in a step anywhere, summed over the axes, it is
    slowed everywhere alike: so it gets no divergence, and what it carries stays stable. Derivatives
    take the share as given.
    """
    rates = [face / d for face, d in zip(faces, dx, strict=True)]
    distance = dt * jnp.max(sum(_at_cells(jnp.abs(r), axis) for axis, r in enumerate(rates)))
    share = jax.lax.stop_gradient(most / jnp.maximum(distance, most))
    return [share * rate for rate in rates]


def _at_cells(face: Array, axis: int) -> Array:
    """Return the mean of the two faces of each cell along an axis, walls at rest included."""
    walled = jnp.pad(face, [(int(i == axis),) * 2 for i in range(face.ndim)])
    n = walled.shape[axis]
    lower, upper = (jax.lax.slice_in_dim(walled, i, n - 1 + i, axis=axis) for i in (0, 1))
    return (lower + upper) / 2


def speeds_around(faces: Faces, own: int) -> Faces:
    """Return the values of `speeds` where they carry the component along `own`."""
    return [
        _apply(_to_centres, face, own, Ends.FLAT)
        if axis == own
        else _apply(_to_faces, face, own, Ends.OPPOSITE)
        for axis, face in enumerate(faces)
    ]


def between(values: Float[Array, "*shape"], axis: int) -> Float[Array, "*faces"]:
    """Return means over the faces between cells along an axis, of order 4, from means over cells.

    Beyond the walls values go on as in a mirror.
    """
    return _apply(_to_faces, values, axis, Ends.MIRROR)


def diffused(faces: Faces, viscosity: float | Array, dt: float, dx: tuple[float, ...]) -> Faces:
    """Return a viscous flow between walls at rest `dt` later: of order 2, stable for every dt.

        du/dt = nu laplace u - grad p,    div u = 0:

        u  <-  P exp(nu dt L) (u - dt / 2 (1 - P) nu L u)

    with L the Laplacian between walls, whose exponential is a matrix along each axis, and P the
    projection. The term (1 - P) nu L u is the pressure of a viscous flow, its Stokes pressure;
    without it the projection would make an error of first order.

    Source: J.-G. Liu, J. Liu, R. Pego, Comm. Pure Appl. Math. 60 (2007), for the Stokes pressure
    and why it may be explicit.
    """
    strengths = [viscosity / d * (dt / d) for d in dx]  # 1 / d^2 alone may be no number
    bends = [_laplace(face, own, strengths) for own, face in enumerate(faces)]
    pressed = [
        face - (bend - free) / 2
        for face, bend, free in zip(faces, bends, projected(bends, dx)[0], strict=True)
    ]
    for axis, strength in enumerate(strengths):
        pressed = [
            _decayed(x, axis, _resting(own, axis), strength) for own, x in enumerate(pressed)
        ]
    return projected(pressed, dx)[0]


def _laplace(face: Array, own: int, strengths: list[Array]) -> Array:
    return sum(
        strength * _apply(_second_difference, face, axis, _resting(own, axis))
        for axis, strength in enumerate(strengths)
    )


def _decayed(values: Array, axis: int, ends: Ends, strength: Array) -> Array:
    """Return exp(strength D) values, D the second differences along an axis."""
    decay, waves, amounts = (
        jnp.asarray(m, values.dtype) for m in _modes(_cells(values, axis, ends), ends)
    )
    with jax.default_matmul_precision("highest"):
        change = (waves * jnp.expm1(strength * decay)) @ amounts
    return values + along(change, values, axis)


def _ends(own: int | None, axis: int) -> Ends:
    """Return how the carried quantity goes on along an axis."""
    if own is None:
        return Ends.MIRROR
    return Ends.FLAT if axis == own else Ends.OPPOSITE


def _resting(own: int, axis: int) -> Ends:
    """Return how a viscous component goes on: thin layers at the walls need more than a mirror."""
    return Ends.FLAT if axis == own else Ends.REST


def _cells(values: Array, axis: int, ends: Ends) -> int:
    return values.shape[axis] + (ends is Ends.FLAT)


def _apply(matrix, values: Array, axis: int, ends: Ends, cells: int | None = None) -> Array:
    """Return values with one of the matrices below applied along an axis."""
    n = cells or _cells(values, axis, ends)
    return along(matrix(n, ends).astype(values.dtype), values, axis)


@functools.cache
def _interpolation(cells: int, ends: Ends) -> np.ndarray:
    """Values between: of cells on the faces between them, of faces at the centres between them."""
    return _sliding(_MIDDLE, _longer(cells, 2, ends))


@functools.cache
def _upwinding(cells: int, ends: Ends) -> np.ndarray:
    return _UPWIND * _sliding(_JUMP, _longer(cells, 2, ends))


@functools.cache
def _to_faces(cells: int, ends: Ends) -> np.ndarray:
    return _sliding(_BETWEEN_MEANS, _longer(cells, 1, ends))


@functools.cache
def _to_centres(cells: int, ends: Ends) -> np.ndarray:
    return _sliding(_BETWEEN_POINTS, _longer(cells, 1, ends))


@functools.cache
def _difference(cells: int, ends: Ends) -> np.ndarray:
    """Half of the difference of the neighbours of a cell."""
    return _sliding(np.array([-0.5, 0, 0.5]), _longer(cells, 1, ends))


@functools.cache
def _balance(cells: int, ends: Ends) -> np.ndarray:
    """What flows out of each volume less what flows in, from the fluxes between volumes."""
    if ends is Ends.FLAT:
        return np.diff(np.eye(cells), axis=0)
    return np.diff(np.eye(cells + 1), axis=0)[:, 1:-1]


@functools.cache
def _second_difference(cells: int, ends: Ends) -> np.ndarray:
    if ends is Ends.FLAT:
        return _sliding(_BEND, _longer(cells, 1, ends))
    return np.diff(_sliding(_SLOPE, _longer(cells, 2, ends)), axis=0)


@functools.cache
def _modes(cells: int, ends: Ends) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return rates, modes and the inverse of these, of second differences: all rates are real."""
    rates, modes = np.linalg.eig(_second_difference(cells, ends))
    return rates.real, modes.real, np.linalg.inv(modes.real)


def _sliding(weights: np.ndarray, longer: np.ndarray) -> np.ndarray:
    """Return the weighted sums of neighbouring rows, as many as there are."""
    count = len(longer) - len(weights) + 1
    return sum(w * longer[i : i + count] for i, w in enumerate(weights))


def _longer(cells: int, reach: int, ends: Ends) -> np.ndarray:
    """Return the matrix that adds so many values beyond each wall; to faces also the walls' own."""
    if ends is Ends.FLAT:
        inner = np.eye(cells - 1)
        wall = np.zeros((1, cells - 1))
        return np.concatenate([inner[:reach][::-1], wall, inner, wall, inner[::-1][:reach]])
    inner = np.eye(cells)
    if ends is Ends.REST:
        lower = np.zeros((reach, cells))
        lower[:, :3] = _at_rest(reach)
        return np.concatenate([lower[::-1], inner, lower[:, ::-1]])
    sign = 1 if ends is Ends.MIRROR else -1
    return np.concatenate([sign * inner[:reach][::-1], inner, sign * inner[::-1][:reach]])


def _at_rest(reach: int, given: int = 3) -> np.ndarray:
    """Return means beyond a wall by those within: of the polynomial that vanishes on the wall."""
    powers = np.arange(1, given + 1)

    def means(cells: np.ndarray) -> np.ndarray:
        return ((cells[:, None] + 1.0) ** (powers + 1) - 1.0 * cells[:, None] ** (powers + 1)) / (
            powers + 1
        )

    return means(-1 - np.arange(reach)) @ np.linalg.inv(means(np.arange(given)))
