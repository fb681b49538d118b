"""Convolutions with 3-wide kernels, in the form that is fast on the platform at hand.

    convolve          y_i = sum_k x_(i + k) K_k         x padded, K a 3-wide kernel
    kernel_gradient   K_k = sum_i x_(i + k) y_i         its adjoint with respect to K

are JAX primitives, bilinear and closed under transposition, so that both modes of differentiation
work, to any order. XLA's own convolution is what they are on accelerators. On CPU its gradient runs
on one core, and inside a loop it is an order of magnitude slower (jax issue 12868): there they are
matrix products, with fewer products (`winograd.py`) or, on small grids, with less to compile
(`im2col.py`).
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Sequence
from types import ModuleType

import jax
import jax.extend.core
import jax.numpy as jnp
from jax.interpreters import ad, batching, mlir
from jaxtyping import Array, Float

from hycojax.kernels import im2col, winograd

#: Up to so many cells of 2D and 3D grids all products are summed directly on CPU. Alone, a kernel's
#: gradient then takes up to 2.5 times as long as in Winograd's form, on 16 x 16 cells; a UNet's
#: gradient, most of which is finer, takes as long as before and compiles in two thirds of the time.
_FEW_CELLS = 256


def convolve(
    padded: Float[Array, "*padded inputs"],
    kernel: Float[Array, "*three inputs features"],
    dilation: int = 1,
) -> Float[Array, "*shape features"]:
    """Return the convolution where the kernel lies inside of `padded`."""
    return _convolve.bind(padded[None], kernel, dilation=dilation)[0]


def _plain(x: Array, kernel: Array, *, dilation: int) -> Array:
    axes = "XYZ"[: kernel.ndim - 2]
    numbers = (f"N{axes}C", f"{axes}IO", f"N{axes}C")
    return jax.lax.conv_general_dilated(
        *(x, kernel, (1,) * len(axes), "VALID"),
        rhs_dilation=(dilation,) * len(axes),
        dimension_numbers=numbers,
    )


def _plain_gradient(x: Array, y: Array, *, dilation: int) -> Array:
    kernel = jax.ShapeDtypeStruct(_kernel_shape(x, y), x.dtype)
    return jax.linear_transpose(lambda k: _plain(x, k, dilation=dilation), kernel)(y)[0]


def _products(x: Array, kernel: Array, *, dilation: int) -> Array:
    dtype = jnp.promote_types(x.dtype, jnp.float32)
    shape = [n - 2 * dilation for n in x.shape[1:-1]]
    form = _form(shape)
    y = form.convolve(_phases(x.astype(dtype), dilation), kernel.astype(dtype))
    return _join(y, dilation, shape).astype(x.dtype)


def _products_gradient(x: Array, y: Array, *, dilation: int) -> Array:
    dtype = jnp.promote_types(x.dtype, jnp.float32)
    phases = [_phases(v.astype(dtype), dilation) for v in (x, y)]
    return _form(y.shape[1:-1]).kernel_gradient(*phases).astype(x.dtype)


def _form(shape: Sequence[int]) -> ModuleType:
    """Return the form of the matrix products for a grid of so many cells an axis."""
    few = len(shape) > 1 and math.prod(shape) <= _FEW_CELLS
    return im2col if few else winograd


def _phases(x: Array, step: int) -> Array:
    """Split a grid into the grids of every `step`-th cell, which become a part of the batch."""
    if step == 1:
        return x
    dims = x.ndim - 2
    margin = [(0, -n % step) for n in x.shape[1:-1]]
    x = jnp.pad(x, [(0, 0), *margin, (0, 0)])
    groups = [m for n in x.shape[1:-1] for m in (n // step, step)]
    x = x.reshape(x.shape[0], *groups, x.shape[-1])
    x = jnp.moveaxis(x, range(2, 2 * dims + 1, 2), range(dims))
    return x.reshape(-1, *x.shape[dims + 1 :])


def _join(x: Array, step: int, shape: list[int]) -> Array:
    """Undo `_phases`, and cut to a shape."""
    dims = x.ndim - 2
    if step > 1:
        x = x.reshape(*(step,) * dims, -1, *x.shape[1:])
        x = jnp.moveaxis(x, range(dims), range(2, 2 * dims + 1, 2))
        merged = [x.shape[i] * step for i in range(1, 2 * dims + 1, 2)]
        x = x.reshape(x.shape[0], *merged, x.shape[-1])
    return x[(slice(None), *(slice(n) for n in shape))]


def _kernel_shape(x: Array, y: Array) -> tuple[int, ...]:
    return (*(3,) * (x.ndim - 2), x.shape[-1], y.shape[-1])


def _convolved(x, kernel, *, dilation):
    shape = [n - 2 * dilation for n in x.shape[1:-1]]
    return x.update(shape=(x.shape[0], *shape, kernel.shape[-1]))


def _primitive(name: str, shape: Callable, plain: Callable, on_cpu: Callable):
    primitive = jax.extend.core.Primitive(name)
    primitive.def_impl(jax.jit(primitive.bind, static_argnames="dilation"))
    primitive.def_abstract_eval(shape)
    mlir.register_lowering(primitive, mlir.lower_fun(plain, multiple_results=False))
    mlir.register_lowering(primitive, mlir.lower_fun(on_cpu, multiple_results=False), "cpu")
    return primitive


_convolve = _primitive("convolve", _convolved, _plain, _products)
_kernel_gradient = _primitive(
    "kernel_gradient",
    lambda x, y, **_: x.update(shape=_kernel_shape(x, y)),
    _plain_gradient,
    _products_gradient,
)


def _input_gradient(y: Array, kernel: Array, dilation: int) -> Array:
    """Return the adjoint of `convolve` with respect to its input: a convolution as well."""
    dims = kernel.ndim - 2
    margin = [(0, 0), *[(2 * dilation, 2 * dilation)] * dims, (0, 0)]
    mirrored = jnp.flip(kernel, range(dims)).swapaxes(-1, -2)
    return _convolve.bind(jnp.pad(y, margin), mirrored, dilation=dilation)


ad.defbilinear(
    _convolve,
    lambda y, x, kernel, *, dilation: _input_gradient(y, kernel, dilation),
    lambda y, x, kernel, *, dilation: _kernel_gradient.bind(x, y, dilation=dilation),
)
ad.defbilinear(
    _kernel_gradient,
    lambda kernel, x, y, *, dilation: _input_gradient(y, kernel, dilation),
    lambda kernel, x, y, *, dilation: _convolve.bind(x, kernel, dilation=dilation),
)


def _one_by_one(primitive, args, axes, **options):
    """Map over whatever is batched."""
    size = next(v.shape[a] for v, a in zip(args, axes, strict=True) if a is not None)
    args = [batching.bdim_at_front(v, a, size) for v, a in zip(args, axes, strict=True)]
    return jax.lax.map(lambda pair: primitive.bind(*pair, **options), tuple(args)), 0


def _batch_convolve(args, axes, **options):
    """Take a batch of inputs to one kernel as one larger batch."""
    x, kernel = args
    if axes[1] is not None:
        return _one_by_one(_convolve, args, axes, **options)
    x = jnp.moveaxis(x, axes[0], 0)
    y = _convolve.bind(x.reshape(-1, *x.shape[2:]), kernel, **options)
    return y.reshape(*x.shape[:2], *y.shape[1:]), 0


batching.primitive_batchers[_convolve] = _batch_convolve
batching.primitive_batchers[_kernel_gradient] = functools.partial(_one_by_one, _kernel_gradient)
