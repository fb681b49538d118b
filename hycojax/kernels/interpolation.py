"""Multilinear interpolation at displaced grid points and its adjoint: two JAX primitives.

    interpolate   g_i = sum_k W(d_i - k) f_(i-k)           values f, displacements d in cells
    spread        f_j = sum_k W(d_(j+k) - k) g_(j+k)       its adjoint with respect to f

with W the product of the hat functions max(0, 1 - |t|) of the axes, or of their slopes on some. The
two are each other's transpose, so that both modes of differentiation work, to any order.

On accelerators they are a gather and a scatter. On CPU the scatter is ten times slower than the
gather, and XLA evaluates what makes the operand of a gather again at each of its reads. There the
sums over k are taken directly, as long as nothing moves further than `REACH` cells.
"""

from __future__ import annotations

import functools
import itertools
import math

import jax
import jax.extend.core
import jax.numpy as jnp
from jax.interpreters import ad, batching, mlir
from jaxtyping import Array, Bool, Float, Int

#: Displacements in cells, by dimension, up to which a sum over neighbours is faster on CPU.
REACH = {1: 2, 2: 2, 3: 1}


def interpolate(
    values: Float[Array, "*shape"], displacement: Float[Array, "dims ..."], *, periodic: bool
) -> Float[Array, "*shape"]:
    """Return the values at the points `i - displacement` (in cells) of their own grid.

    Points outside a box that is not periodic take the value of the nearest cell.
    """
    if not periodic:
        displacement = _confine(displacement)
    slopes = (False,) * values.ndim
    return _interpolate.bind(values, displacement, slopes=slopes, periodic=periodic)


def _confine(displacement: Float[Array, "dims ..."]) -> Float[Array, "dims ..."]:
    """Shorten displacements so that no point lies beyond the outermost cells.

    On these and beyond, where the values stop to change, the displacement has no derivative.
    """
    confined = []
    for i, d, n in _points(displacement):
        point = i - d
        inside = (point > 0) & (point < n - 1)
        edge = jax.lax.stop_gradient(i - jnp.clip(point, 0, n - 1))
        confined.append(jnp.where(inside, d, edge))
    return jnp.stack(confined)


def _points(displacement: Array):
    """Yield for each axis: the index of every point, its displacement, the number of points."""
    shape = displacement.shape[1:]
    for axis, (d, n) in enumerate(zip(displacement, shape, strict=True)):
        yield jax.lax.broadcasted_iota(d.dtype, shape, axis), d, n


def cells(
    displacement: Float[Array, "dims ..."], *, periodic: bool
) -> tuple[list[tuple[Int[Array, "*shape"], ...]], list[Float[Array, "*shape"]]]:
    """Return the lower and upper neighbours of the points, along each axis, and the way between.

    The way from the lower to the upper neighbour lies in [0, 1). Outside a box that is not
    periodic both neighbours are the outermost cell.
    """
    pairs, ways = [], []
    for i, d, n in _points(displacement):
        point = i - d
        low = jnp.floor(point)
        ways.append(point - low)
        low = low.astype(jnp.int32)
        if periodic:
            low = low % n
            high = jnp.where(low == n - 1, 0, low + 1)
        else:
            low, high = jnp.clip(low, 0, n - 1), jnp.clip(low + 1, 0, n - 1)
        pairs.append((low, high))
    return pairs, ways


def take(values: Float[Array, "*shape"], index: tuple[Int[Array, "*shape"], ...]) -> Array:
    """Return values at indices that are known to lie inside."""
    return values.ravel().at[_flat(values.shape, index)].get(mode="promise_in_bounds")


def _flat(shape: tuple[int, ...], index: tuple[Array, ...]) -> Array:
    flat = index[0]
    for n, i in zip(shape[1:], index[1:], strict=True):
        flat = flat * n + i
    return flat


def _corners(displacement, slopes, periodic):
    """Yield the index and the weight of the 2^dims neighbours of each point."""
    pairs, ways = cells(displacement, periodic=periodic)
    for corner in itertools.product((0, 1), repeat=len(slopes)):
        weight = 1
        for upper, way, slope in zip(corner, ways, slopes, strict=True):
            weight = weight * ((1 - 2 * upper) if slope else (way if upper else 1 - way))
        yield tuple(pair[upper] for pair, upper in zip(pairs, corner, strict=True)), weight


def _gather(values, displacement, *, slopes, periodic):
    """One unbatched `interpolate`."""
    return sum(w * take(values, i) for i, w in _corners(displacement, slopes, periodic))


def _scatter(values, displacement, *, slopes, periodic):
    """One unbatched `spread`, for displacements of any length."""
    out = jnp.zeros(math.prod(values.shape), values.dtype)
    for index, weight in _corners(displacement, slopes, periodic):
        flat = _flat(values.shape, index)
        out = out.at[flat].add(weight * values, mode="promise_in_bounds")
    return out.reshape(values.shape)


def _pull(values, displacement, *, slopes, periodic):
    """One unbatched `interpolate`, for displacements up to REACH.

    The sum is nested, axis by axis: fewer products, which XLA turns into far faster code.
    """
    hats = _hats(displacement, slopes)

    def along(axis, wide):
        if axis == values.ndim:
            return wide
        size = values.shape[axis]
        return sum(w * along(axis + 1, _cut(wide, axis, -k, size)) for k, w in hats[axis].items())

    return along(0, _extend(values, periodic))


def _push(values, displacement, *, slopes, periodic):
    """One unbatched `spread`, for displacements up to REACH."""

    def along(axis, wide, hats):
        if axis == values.ndim:
            return wide
        total, size = 0, values.shape[axis]
        for k, weight in hats[0].items():
            later = [{j: _cut(w, axis, k, size) for j, w in own.items()} for own in hats[1:]]
            total = total + along(axis + 1, _cut(weight * wide, axis, k, size), later)
        return total

    wide_displacement = [_extend(d, periodic) for d in displacement]
    return along(0, _extend(values, periodic), _hats(wide_displacement, slopes))


def _extend(values: Array, periodic: bool) -> Array:
    """Add REACH layers around a grid; what lies outside a box that is not periodic is not read."""
    wide = jnp.pad(values, REACH[values.ndim], mode="wrap" if periodic else "constant")
    # Fused into the sum, the border would be evaluated again in each of its terms.
    return jax.lax.optimization_barrier(wide)


def _cut(wide: Array, axis: int, shift: int, size: int) -> Array:
    """Return what lies `shift` cells further along an axis, without the layers around it."""
    layers = (wide.shape[axis] - size) // 2
    return jax.lax.slice_in_dim(wide, layers + shift, layers + shift + size, axis=axis)


def _hats(displacement, slopes) -> list[dict[int, Array]]:
    """Return for each axis the weights of the neighbours within REACH, by their distance."""
    reach = REACH[len(slopes)]
    return [
        {k: (_slope if slope else _hat)(d - k) for k in range(-reach, reach + 1)}
        for d, slope in zip(displacement, slopes, strict=True)
    ]


def _hat(t: Array) -> Array:
    return jnp.maximum(0, 1 - jnp.abs(t))


def _slope(t: Array) -> Array:
    return jnp.where(jnp.abs(t) < 1, jnp.where(t > 0, -1, 1), jnp.where(t == 1, -1, 0)).astype(
        t.dtype
    )


def _over_batches(function, values, displacement, **options):
    """Apply an unbatched function to any number of leading axes."""
    dims = len(options["slopes"])
    for _ in range(values.ndim - dims):
        function = jax.vmap(functools.partial(function, **options))
        options = {}
    return function(values, displacement, **options)


def _on_cpu(near, far, values, displacement, **options):
    """Apply one function if all displacements lie within REACH, else the other."""
    longest, reach = jnp.max(jnp.abs(displacement)), REACH[len(options["slopes"])]
    # The slope of a hat takes in the neighbour beyond a point exactly on the grid.
    short: Bool[Array, ""] = longest < reach if any(options["slopes"]) else longest <= reach
    branches = [functools.partial(_over_batches, f, **options) for f in (near, far)]
    return jax.lax.cond(short, *branches, values, displacement)


def _jvp(primitive, primals, tangents, *, slopes, periodic):
    values, displacement = primals
    tangent, motion = tangents
    bind = functools.partial(primitive.bind, periodic=periodic)
    out = bind(values, displacement, slopes=slopes)
    terms = []
    if type(tangent) is not ad.Zero:
        terms.append(bind(tangent, displacement, slopes=slopes))
    if type(motion) is not ad.Zero:
        terms += [
            _along(primitive, values, displacement, motion, axis, slopes, periodic)
            for axis, slope in enumerate(slopes)
            if not slope
        ]
    return out, sum(terms[1:], terms[0]) if terms else jnp.zeros_like(out)


def _along(primitive, values, displacement, motion, axis, slopes, periodic):
    """Return the part of the tangent that comes from the displacement along one axis."""
    steeper = tuple(slope or i == axis for i, slope in enumerate(slopes))
    motion = jnp.take(motion, axis, axis=-1 - len(slopes))
    if primitive is _interpolate:
        return motion * primitive.bind(values, displacement, slopes=steeper, periodic=periodic)
    return primitive.bind(motion * values, displacement, slopes=steeper, periodic=periodic)


def _batch(primitive, args, axes, **options):
    size = next(x.shape[a] for x, a in zip(args, axes, strict=True) if a is not None)
    args = [batching.bdim_at_front(x, axis, size) for x, axis in zip(args, axes, strict=True)]
    return primitive.bind(*args, **options), 0


def _primitive(name: str, far, near) -> jax.extend.core.Primitive:
    primitive = jax.extend.core.Primitive(name)
    primitive.def_impl(jax.jit(primitive.bind, static_argnames=("slopes", "periodic")))
    primitive.def_abstract_eval(lambda values, displacement, **_: values)
    ad.primitive_jvps[primitive] = functools.partial(_jvp, primitive)
    batching.primitive_batchers[primitive] = functools.partial(_batch, primitive)
    anywhere = functools.partial(_over_batches, far)
    on_cpu = functools.partial(_on_cpu, near, far)
    mlir.register_lowering(primitive, mlir.lower_fun(anywhere, multiple_results=False))
    mlir.register_lowering(primitive, mlir.lower_fun(on_cpu, multiple_results=False), "cpu")
    return primitive


_interpolate = _primitive("interpolate", _gather, _pull)
_spread = _primitive("spread", _scatter, _push)


def _transpose(adjoint, cotangent, values, displacement, **options):
    del values
    return adjoint.bind(ad.instantiate_zeros(cotangent), displacement, **options), None


ad.primitive_transposes[_interpolate] = functools.partial(_transpose, _spread)
ad.primitive_transposes[_spread] = functools.partial(_transpose, _interpolate)
