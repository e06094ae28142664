"""Depthwise convolution: every channel with a kernel of its own."""

import functools
import itertools
from collections.abc import Iterator
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float


def depthwise_conv(
  x: Float[Array, 'b h w c'],
  kernel: Float[Array, 'k k 1 c'],
  *,
  stride: int = 1,
  padding: int = 0,
  dilation: int = 1,
) -> Float[Array, 'b y x c']:
  """Convolves every channel with its own kernel, the same for all samples.

  A sum over the kernel's taps of shifted products, which XLA fuses into one
  pass; its grouped convolution is tens of times slower on a CPU. Sums are
  float32 whatever the type.
  """
  taps = _Taps(kernel.shape[0], stride, padding, dilation)
  return _depthwise(x, kernel, taps)


class _Taps(NamedTuple):
  """Where the taps of a kernel fall."""

  number: int
  stride: int
  padding: int
  dilation: int

  def places(self) -> Iterator[tuple[int, int]]:
    """Row and column of every tap in the padded image."""
    steps = range(0, self.number * self.dilation, self.dilation)
    return itertools.product(steps, steps)

  def seen(self, x: Array, place: tuple[int, int]) -> Array:
    """What the tap at a place sees, for every cell of the result."""
    reach = (self.number - 1) * self.dilation
    edges = [(self.padding - i, self.padding + i - reach, 0) for i in place]
    return _pad(x, edges)[:, :: self.stride, :: self.stride]


def _pad(x, edges):
  zero = jnp.zeros((), x.dtype)
  return jax.lax.pad(x, zero, ((0, 0, 0), *edges, (0, 0, 0)))


def _windows(x, kernel, edges, stride, dilation):
  """Pads once, then sums a strided window of the padded image for each tap.

  XLA computes the padded image once; in a sum of padded products it computes
  whatever precedes the convolution again for each tap.
  """
  x = _pad(x.astype(jnp.float32), edges)
  weights = kernel.astype(jnp.float32)[:, :, None, None]
  reach = (kernel.shape[0] - 1) * dilation
  ends = [size - reach for size in x.shape[1:3]]

  def seen(row, column):
    (top, bottom), (left, right) = (
      (i * dilation, i * dilation + end)
      for i, end in zip((row, column), ends, strict=True)
    )
    return x[:, top:bottom:stride, left:right:stride]

  places = itertools.product(range(kernel.shape[0]), repeat=2)
  return sum(seen(*place) * weights[place] for place in places)


@functools.partial(jax.custom_vjp, nondiff_argnums=(2,))
def _depthwise(x, kernel, taps):
  edges = ((taps.padding, taps.padding, 0),) * 2
  result = _windows(x, kernel, edges, taps.stride, taps.dilation)
  return result.astype(x.dtype)


def _depthwise_forward(x, kernel, taps):
  return _depthwise(x, kernel, taps), (x, kernel)


def _depthwise_backward(taps, given, slope):
  x, kernel = given
  reach = (taps.number - 1) * taps.dilation
  edges = []
  for size, cells in zip(x.shape[1:3], slope.shape[1:3], strict=True):
    low = reach - taps.padding
    high = size + taps.padding - (cells - 1) * taps.stride - 1
    edges.append((low, high, taps.stride - 1))
  flipped = kernel[::-1, ::-1]
  by_image = _windows(slope, flipped, edges, 1, taps.dilation)
  by_kernel = jax.lax.platform_dependent(
    x,
    slope,
    cpu=functools.partial(_by_kernel_on_cpu, taps=taps),
    default=functools.partial(_by_kernel, taps=taps),
  )
  by_kernel = by_kernel.reshape(kernel.shape)
  return by_image.astype(x.dtype), by_kernel.astype(kernel.dtype)


def _by_kernel(x, slope, *, taps):
  """Of every tap in one pass, where XLA would make one for each."""
  x, slope = x.astype(jnp.float32), slope.astype(jnp.float32)
  products = tuple(taps.seen(x, place) * slope for place in taps.places())
  sums = jax.lax.reduce(
    products,
    (0.0,) * len(products),
    lambda a, b: tuple(p + q for p, q in zip(a, b, strict=True)),
    (0, 1, 2),
  )
  return jnp.stack(sums)


def _by_kernel_on_cpu(x, slope, *, taps):
  """Row by row: XLA's reduction there goes through all of x for a channel."""
  _, rows, columns, channels = slope.shape
  around = (taps.padding, taps.padding)

  def add_sample(sums, sample):
    image, slope = (a.astype(jnp.float32) for a in sample)
    image = jnp.pad(image, (around, around, (0, 0)))
    # Not again for every row.
    image, slope = jax.lax.optimization_barrier((image, slope))

    def add_row(row, sums):
      def seen(i, j):
        line = jax.lax.dynamic_index_in_dim(
          image, row * taps.stride + i, keepdims=False
        )
        end = j + (columns - 1) * taps.stride + 1
        return line[j : end : taps.stride]

      slopes = jax.lax.dynamic_index_in_dim(slope, row, keepdims=False)
      places = zip(taps.places(), sums, strict=True)
      return tuple(total + seen(*place) * slopes for place, total in places)

    return jax.lax.fori_loop(0, rows, add_row, sums), None

  zeros = (jnp.zeros((columns, channels)),) * taps.number**2
  sums, _ = jax.lax.scan(add_sample, zeros, (x, slope))
  return jnp.stack([total.sum(0) for total in sums])


_depthwise.defvjp(_depthwise_forward, _depthwise_backward)
