"""Depthwise convolution, in which every channel has its own kernel."""

import functools
import itertools
from collections.abc import Iterator
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from acm_jax.modules import plain


def depthwise_conv(
  x: Float[Array, 'b h w c'],
  kernel: Float[Array, 'k k 1 c'],
  bias: Float[Array, 'c'] | None = None,
  *,
  stride: int = 1,
  padding: int = 0,
  dilation: int = 1,
) -> Float[Array, 'b y x c']:
  """Convolves every channel with its own kernel; samples share the kernels.

  Adds one shifted product per tap of the kernel; XLA fuses the sum into one
  pass. XLA's grouped convolution, which is the plain form, is tens of times
  slower on a CPU. Sums are accumulated in float32, whatever the type of `x`.

  The bias is the first term of the sum. XLA repeats a sum for each of its uses
  if the last operation is an addition of a bias, which it takes for cheap.

  Args:
    x: Input.
    kernel: One square kernel per channel.
    bias: Bias to add, or None.
    stride: Stride along both axes.
    padding: Number of zeros at each edge.
    dilation: Distance between neighbouring taps.
  """
  taps = _Taps(kernel.shape[0], stride, padding, dilation)
  if plain.selected():
    x = _grouped(x, kernel, taps)
    return x if bias is None else x + bias[None, None, None]
  if bias is None:
    return _depthwise(x, kernel, taps)
  start = bias.astype(jnp.float32)[None, None, None]
  return _sums(x, kernel, taps, start).astype(x.dtype)


class _Taps(NamedTuple):
  """Grid of the taps of a square kernel.

  Attributes:
    size: Number of taps per side.
    stride: Stride of the convolution.
    padding: Number of zeros at each edge.
    dilation: Distance between neighbouring taps.
  """

  size: int
  stride: int
  padding: int
  dilation: int

  @property
  def reach(self) -> int:
    """Distance between the first and the last tap along an axis."""
    return (self.size - 1) * self.dilation

  def positions(self) -> Iterator[tuple[int, int]]:
    """Returns the row and column of every tap within the window."""
    steps = range(0, self.size * self.dilation, self.dilation)
    return itertools.product(steps, steps)

  def inputs(self, x: Array, position: tuple[int, int]) -> Array:
    """Returns the inputs that a tap multiplies, in the shape of the output."""
    edges = [
      (self.padding - i, self.padding + i - self.reach, 0) for i in position
    ]
    return _pad(x, edges)[:, :: self.stride, :: self.stride]


def _pad(x, edges):
  zero = jnp.zeros((), x.dtype)
  return jax.lax.pad(x, zero, ((0, 0, 0), *edges, (0, 0, 0)))


def _windows(x, kernel, edges, stride, dilation, start=None):
  """Adds the taps' windows of `x`, multiplied by the taps' weights, to `start`.

  `x` is padded once. With one padding per tap, XLA would repeat, for every tap,
  the operations that compute `x`. The operations are those of `lax`, because a
  network has thousands of them, and tracing those of NumPy takes much longer.
  """
  x = _pad(x.astype(jnp.float32), edges)
  kernel = kernel.astype(jnp.float32)
  size, channels = kernel.shape[0], x.shape[-1]
  reach = (size - 1) * dilation
  ends = [cells - reach for cells in x.shape[1:3]]
  shape = x.shape[0], *[-(-end // stride) for end in ends], channels
  total = start
  if start is not None:
    total = jax.lax.broadcast_in_dim(start, shape, range(4))
  for tap in itertools.product(range(size), repeat=2):
    low = [i * dilation for i in tap]
    high = [i + end for i, end in zip(low, ends, strict=True)]
    window = jax.lax.slice(
      x, (0, *low, 0), (len(x), *high, channels), (1, stride, stride, 1)
    )
    i, j = tap
    weight = jax.lax.slice(kernel, (i, j, 0, 0), (i + 1, j + 1, 1, channels))
    weight = jax.lax.broadcast_in_dim(weight, shape, range(4))
    product = jax.lax.mul(window, weight)
    total = product if total is None else jax.lax.add(total, product)
  return total


def _sums(x, kernel, taps, start=None):
  edges = ((taps.padding, taps.padding, 0),) * 2
  return _windows(x, kernel, edges, taps.stride, taps.dilation, start)


def _grouped(x, kernel, taps):
  return jax.lax.conv_general_dilated(
    x,
    kernel,
    (taps.stride, taps.stride),
    ((taps.padding, taps.padding),) * 2,
    rhs_dilation=(taps.dilation, taps.dilation),
    dimension_numbers=('NHWC', 'HWIO', 'NHWC'),
    feature_group_count=x.shape[-1],
  )


@functools.partial(jax.custom_vjp, nondiff_argnums=(2,))
def _depthwise(x, kernel, taps):
  return _sums(x, kernel, taps).astype(x.dtype)


def _depthwise_forward(x, kernel, taps):
  return _depthwise(x, kernel, taps), (x, kernel)


def _depthwise_backward(taps, residuals, gradient):
  x, kernel = residuals
  edges = []
  for size, cells in zip(x.shape[1:3], gradient.shape[1:3], strict=True):
    low = taps.reach - taps.padding
    high = size + taps.padding - (cells - 1) * taps.stride - 1
    edges.append((low, high, taps.stride - 1))
  flipped = kernel[::-1, ::-1]
  by_image = _windows(gradient, flipped, edges, 1, taps.dilation)
  by_kernel = jax.lax.platform_dependent(
    x,
    gradient,
    cpu=functools.partial(_by_kernel_on_cpu, taps=taps),
    cuda=functools.partial(_by_kernel_on_cuda, taps=taps),
    default=functools.partial(_by_kernel, taps=taps),
  )
  by_kernel = by_kernel.reshape(kernel.shape)
  return by_image.astype(x.dtype), by_kernel.astype(kernel.dtype)


def _by_kernel(x, gradient, *, taps):
  """Computes the kernel's gradient in one pass for all taps.

  With separate sums, XLA would run one pass per tap.
  """
  x, gradient = x.astype(jnp.float32), gradient.astype(jnp.float32)
  products = tuple(
    taps.inputs(x, position) * gradient for position in taps.positions()
  )
  sums = jax.lax.reduce(
    products,
    (0.0,) * len(products),
    lambda a, b: tuple(p + q for p, q in zip(a, b, strict=True)),
    (0, 1, 2),
  )
  return jnp.stack(sums)


def _by_kernel_on_cuda(x, gradient, *, taps):
  """Computes the kernel's gradient by cuDNN.

  On an H200, the reduction in `_by_kernel` takes two to nine times as long.
  """
  x, gradient = x.astype(jnp.float32), gradient.astype(jnp.float32)
  channels = x.shape[-1]

  def convolve(kernel):
    return _grouped(x, kernel, taps)

  kernel = jax.ShapeDtypeStruct((taps.size, taps.size, 1, channels), x.dtype)
  (by_kernel,) = jax.linear_transpose(convolve, kernel)(gradient)
  return by_kernel.reshape(-1, channels)


def _by_kernel_on_cpu(x, gradient, *, taps):
  """Computes the kernel's gradient row by row.

  On a CPU, XLA's reduction in `_by_kernel` reads all of x for every channel.
  """
  _, rows, columns, channels = gradient.shape
  around = (taps.padding, taps.padding)

  def add_sample(sums, sample):
    image, gradient = (a.astype(jnp.float32) for a in sample)
    image = jnp.pad(image, (around, around, (0, 0)))
    # Without the barrier, XLA repeats the operations above for every row.
    image, gradient = jax.lax.optimization_barrier((image, gradient))

    def add_row(row, sums):
      def inputs(i, j):
        line = jax.lax.dynamic_index_in_dim(
          image, row * taps.stride + i, keepdims=False
        )
        end = j + (columns - 1) * taps.stride + 1
        return line[j : end : taps.stride]

      row_gradient = jax.lax.dynamic_index_in_dim(gradient, row, keepdims=False)
      pairs = zip(taps.positions(), sums, strict=True)
      return tuple(
        total + inputs(*position) * row_gradient for position, total in pairs
      )

    return jax.lax.fori_loop(0, rows, add_row, sums), None

  zeros = (jnp.zeros((columns, channels)),) * taps.size**2
  sums, _ = jax.lax.scan(add_sample, zeros, (x, gradient))
  return jnp.stack([total.sum(0) for total in sums])


_depthwise.defvjp(_depthwise_forward, _depthwise_backward)
