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

  def weighted(self, x: Array, kernel: Array) -> Iterator[tuple[Array, tuple]]:
    """`x` times a tap's weights, and the tap's place.

    Products are shifted, as what was shifted and then multiplied is not one
    loop for XLA on a CPU.
    """
    weights = kernel.astype(jnp.float32).reshape(-1, 1, 1, 1, x.shape[-1])
    x = x.astype(jnp.float32)
    return ((x * w, p) for w, p in zip(weights, self.places(), strict=True))

  def seen(self, x: Array, place: tuple[int, int]) -> Array:
    """What the tap at a place sees, for every cell of the result."""
    reach = (self.number - 1) * self.dilation
    edges = [(self.padding - i, self.padding + i - reach, 0) for i in place]
    return _pad(x, edges)[:, :: self.stride, :: self.stride]

  def spread(
    self, y: Array, place: tuple[int, int], shape: tuple[int, ...]
  ) -> Array:
    """The transpose of `seen`, for images of that shape."""
    edges = []
    for i, cells, size in zip(place, y.shape[1:3], shape[1:3], strict=True):
      first = i - self.padding
      last = first + (cells - 1) * self.stride
      edges.append((first, size - 1 - last, self.stride - 1))
    return _pad(y, edges)


def _pad(x, edges):
  zero = jnp.zeros((), x.dtype)
  return jax.lax.pad(x, zero, ((0, 0, 0), *edges, (0, 0, 0)))


@functools.partial(jax.custom_vjp, nondiff_argnums=(2,))
def _depthwise(x, kernel, taps):
  return sum(taps.seen(*p) for p in taps.weighted(x, kernel)).astype(x.dtype)


def _depthwise_forward(x, kernel, taps):
  return _depthwise(x, kernel, taps), (x, kernel)


def _depthwise_backward(taps, given, slope):
  x, kernel = given
  products = taps.weighted(slope, kernel)
  by_image = sum(taps.spread(*p, x.shape) for p in products)
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
