"""Forms of a convolution, and the rule that chooses one for tracking on a CPU.

XLA's convolutions reach the speed of its matrix products only for some shapes
on a CPU. `prepare` converts a kernel once to the form that is fastest for
inputs of a given size; `conv` then applies it to every frame:

    form      when                          reason
    dot       1x1                           a matrix product, without patches
    winograd  3x3 to 5x5 with stride 1      a quarter to a half of the products
    shifted   another stride                one matrix product per tap
    scalar    3x3 of an image               three channels are too few for a
                                            matrix product
    direct    anything else                 `lax.conv_general_dilated`

All but dot and scalar need enough channels, and winograd enough cells.
`benchmarks/convolutions.py` times the forms.
"""

import itertools
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from acm_jax.modules import winograd

# Name of a form -> arrays. The names and shapes are static under jit.
Prepared = dict[str, Any]
# Fewest channels and cells for which transformations pay.
_CHANNELS, _CELLS = 32, 8
# Number of weights above which tiles of four outputs save little time, because
# reading the transformed kernel takes longer, and cost too much memory.
_LARGE = 2**22


def cells(
  x: Float[Array, 'b h w c'],
  size: int,
  stride: int = 1,
  padding: int = 0,
  dilation: int = 1,
) -> tuple[int, int]:
  """Returns the height and width of a convolution's output.

  Args:
    x: Input.
    size: Width and height of the kernel.
    stride: Stride along both axes.
    padding: Number of zeros at each edge.
    dilation: Dilation of the kernel.
  """
  reach = (size - 1) * dilation
  h, w = (
    (cells + 2 * padding - reach - 1) // stride + 1 for cells in x.shape[1:3]
  )
  return h, w


def prepare(
  kernel: Float[Array, 'k k c f'], cells: int, *, stride: int, dilation: int
) -> Prepared:
  """Converts a kernel to the form in which a CPU convolves fastest.

  Args:
    kernel: Square kernel.
    cells: Width and height of the output.
    stride: Stride along both axes.
    dilation: Dilation of the kernel.

  Returns:
    The kernel in the form that `conv` takes.
  """
  size, _, channels, _ = kernel.shape
  if size == 1:
    return {'dot': kernel[0, 0]}
  if channels <= 4 and size == 3:
    return {'scalar': kernel}
  if channels < _CHANNELS:
    return {'direct': kernel}
  if stride > 1:
    return {'shifted': kernel}
  if size > 5 or cells < _CELLS:
    return {'direct': kernel}
  tile = _tile(kernel, -(-cells // dilation))
  return {'winograd': winograd.transform(kernel, tile)}


def _tile(kernel: Float[Array, 'k k c f'], cells: int) -> int:
  """Returns the number of outputs that a tile has along an axis.

  Larger tiles have fewer products, but longer transformations, larger kernels
  and larger rounding errors. A larger tile therefore has to save a seventh of
  the products.
  """
  size = kernel.shape[0]

  def products(tile):
    return (-(-cells // tile) * (tile + size - 1)) ** 2

  best, *others = (2, 3, 4) if size < 5 and kernel.size < _LARGE else (2, 3)
  for tile in others:
    if products(tile) < 0.85 * products(best):
      best = tile
  return best


def conv(
  x: Float[Array, 'b h w c'],
  kernel: Prepared,
  *,
  size: int,
  stride: int = 1,
  padding: int = 0,
  dilation: int = 1,
) -> Float[Array, 'b y x f']:
  """Convolves with a prepared kernel.

  Args:
    x: Input.
    kernel: Kernel, converted by `prepare`. Inputs of other sizes than the one
      given there are allowed, too.
    size: Width and height of the kernel.
    stride: Stride along both axes.
    padding: Number of zeros at each edge.
    dilation: Dilation of the kernel.
  """
  ((form, weights),) = kernel.items()
  if form == 'winograd':
    return winograd.conv(
      x, weights, size=size, padding=padding, dilation=dilation
    )
  if form == 'direct':
    return jax.lax.conv_general_dilated(
      x,
      weights,
      (stride, stride),
      ((padding, padding),) * 2,
      rhs_dilation=(dilation, dilation),
      dimension_numbers=('NHWC', 'HWIO', 'NHWC'),
    )
  if padding:
    x = jnp.pad(x, ((0, 0), (padding, padding), (padding, padding), (0, 0)))
  if form == 'dot':
    return x[:, ::stride, ::stride] @ weights
  rows, columns = (
    range(0, cells - (size - 1) * dilation, stride) for cells in x.shape[1:3]
  )

  def window(i, j):
    i, j = i * dilation, j * dilation
    return x[:, i : i + rows.stop : stride, j : j + columns.stop : stride]

  taps = list(itertools.product(range(size), repeat=2))
  if form == 'shifted':
    return sum(window(*tap) @ weights[tap] for tap in taps)
  channels = range(x.shape[-1])
  return sum(
    window(*tap)[..., c : c + 1] * weights[tap][c][None, None, None]
    for tap in taps
    for c in channels
  )
