"""Forms of a convolution, and the rule that chooses one on a CPU.

XLA's convolutions reach the speed of its matrix products only for some shapes
on a CPU, and their gradients for fewer. For tracking, `prepare` converts a
kernel once to the form that is fastest for inputs of a given size, and `conv`
applies it to every frame. In a training step, `trained` does both.

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

import functools
import itertools
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from acm_jax.modules import winograd

# Name of a form -> arrays. The names and shapes are static under jit.
Prepared = dict[str, Any]
# Most channels that an image has.
_IMAGE = 4
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
  form = _form(kernel, cells, stride)
  if form == 'winograd':
    return {form: winograd.transform(kernel, _tile(kernel, cells, dilation))}
  return {form: kernel[0, 0] if form == 'dot' else kernel}


def _form(kernel: Float[Array, 'k k c f'], cells: int, stride: int) -> str:
  """Returns the name of the form for a kernel."""
  size, _, channels, _ = kernel.shape
  if size == 1:
    return 'dot'
  if channels <= _IMAGE and size == 3:
    return 'scalar'
  if channels < _CHANNELS:
    return 'direct'
  if stride > 1:
    return 'shifted'
  return 'winograd' if size <= 5 and cells >= _CELLS else 'direct'


def _tile(kernel: Float[Array, 'k k c f'], cells: int, dilation: int) -> int:
  """Returns the number of outputs that a tile has along an axis.

  Larger tiles have fewer products, but longer transformations, larger kernels
  and larger rounding errors. A larger tile therefore has to save a seventh of
  the products.
  """
  size, of_phase = len(kernel), -(-cells // dilation)

  def products(tile):
    return (-(-of_phase // tile) * (tile + size - 1)) ** 2

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
    return direct(x, weights, stride, padding, dilation)
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


def direct(
  x: Float[Array, 'b h w c'],
  kernel: Float[Array, 'k k c f'],
  stride: int = 1,
  padding: int = 0,
  dilation: int = 1,
) -> Float[Array, 'b y x f']:
  """Convolves with XLA's convolution.

  Args:
    x: Input.
    kernel: Square kernel.
    stride: Stride along both axes.
    padding: Number of zeros at each edge.
    dilation: Dilation of the kernel.
  """
  return jax.lax.conv_general_dilated(
    x,
    kernel,
    (stride, stride),
    ((padding, padding),) * 2,
    rhs_dilation=(dilation, dilation),
    dimension_numbers=('NHWC', 'HWIO', 'NHWC'),
  )


def trained(
  x: Float[Array, 'b h w c'],
  kernel: Float[Array, 'k k c f'],
  *,
  stride: int = 1,
  padding: int = 0,
  dilation: int = 1,
) -> Float[Array, 'b y x f']:
  """Convolves in a training step, with gradients that are fast on a CPU.

  The forms are those of `prepare`, but strided convolutions of many channels
  are those of XLA.

  Args:
    x: Input.
    kernel: Square kernel.
    stride: Stride along both axes.
    padding: Number of zeros at each edge.
    dilation: Dilation of the kernel.
  """
  grid = stride, padding, dilation

  def on_cpu(x, kernel):
    size, _, channels, _ = kernel.shape
    if channels <= _IMAGE:
      return _of_image(x, kernel, *grid)
    out, _ = cells(x, size, *grid)
    form = _form(kernel, out, stride)
    if form == 'winograd':
      tile = _tile(kernel, out, dilation)
      return winograd.trained(x, kernel, tile, padding, dilation)
    if form == 'dot':
      return conv(x, {form: kernel[0, 0]}, size=1, stride=stride)
    return direct(x, kernel, *grid)

  def elsewhere(x, kernel):
    return direct(x, kernel, *grid)

  if x.dtype != jnp.float32:
    # The transformations need the precision of float32.
    return elsewhere(x, kernel)
  return jax.lax.platform_dependent(x, kernel, cpu=on_cpu, default=elsewhere)


@functools.partial(jax.custom_vjp, nondiff_argnums=(2, 3, 4))
def _of_image(x, kernel, stride, padding, dilation):
  """Convolves an image; the gradient of the kernel is a product for each row.

  XLA's gradient is a convolution with the size of the output as kernel size.
  """
  return direct(x, kernel, stride, padding, dilation)


def _of_image_forward(x, kernel, *grid):
  return _of_image(x, kernel, *grid), (x, kernel)


def _of_image_backward(stride, padding, dilation, residuals, gradient):
  x, kernel = residuals

  def of_x(x):
    return direct(x, kernel, stride, padding, dilation)

  (by_x,) = jax.vjp(of_x, x)[1](gradient)
  edges = ((0, 0), (padding, padding), (padding, padding), (0, 0))
  x, taps = jnp.pad(x, edges), range(0, len(kernel) * dilation, dilation)
  ends = [(size - 1) * stride + 1 for size in gradient.shape[1:3]]
  columns = [x[:, :, tap : tap + ends[1] : stride] for tap in taps]
  columns = jnp.concatenate(columns, axis=-1)
  flat = gradient.reshape(-1, gradient.shape[-1])
  rows = [
    columns[:, tap : tap + ends[0] : stride].reshape(-1, columns.shape[-1])
    for tap in taps
  ]
  by_kernel = jnp.stack([row.T @ flat for row in rows])
  return by_x, by_kernel.reshape(kernel.shape)


_of_image.defvjp(_of_image_forward, _of_image_backward)
