"""Convolution, and the rule that chooses its form.

A plain kernel is for training steps and for devices other than a CPU, and a
prepared kernel for tracking on a CPU. XLA's convolutions reach the speed of its
matrix products only for some shapes on a CPU, and their gradients for fewer;
without tuning, cuDNN's gradients of small 1x1 kernels are slow, too.

    form      kernel                 used for               reason
    dot       1x1                    all, on every device   one matrix product,
                                                            no patches
    winograd  2x2 to 5x5, stride 1   training and prepared  a quarter to a half
                                     kernels on a CPU       of the products
    scalar    3x3 of an image        prepared kernels       3 channels are too
                                                            few for a product
    image     of an image            training on a CPU      its gradient is a
                                                            product per row of
                                                            taps
    direct    all others             all, on every device   XLA's convolution

Winograd needs many channels and cells. Graphs for other runtimes, which are
traced with the plain forms of `plain`, have only the form `direct`.
`acm-jax speed --part fusion --only conv --against benchmarks/forms.py` compares
the forms with slower ones.
"""

import functools
import itertools
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from acm_jax.modules import plain, winograd

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
    The kernel in the form that `convolve_prepared` takes.
  """
  form = _form(kernel, cells, stride, training=False)
  if form == 'winograd':
    return {form: winograd.transform(kernel, _tile(kernel, cells, dilation))}
  return {form: kernel[0, 0] if form == 'dot' else kernel}


def _form(
  kernel: Float[Array, 'k k c f'], cells: int, stride: int, *, training: bool
) -> str:
  """Returns the name of a kernel's form: the table above."""
  size, _, channels, _ = kernel.shape
  if plain.selected():
    return 'direct'
  if size == 1:
    return 'dot'
  if channels <= _IMAGE:
    if training:
      return 'image'
    return 'scalar' if size == 3 else 'direct'
  pays = channels >= _CHANNELS and cells >= _CELLS
  return 'winograd' if pays and stride == 1 and size <= 5 else 'direct'


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


def convolve_prepared(
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
    return winograd.convolve_transformed(
      x, weights, size=size, padding=padding, dilation=dilation
    )
  if form == 'direct':
    return _direct(x, weights, stride, padding, dilation)
  if form == 'dot':
    return _dot(x, weights, stride, padding)
  x = _pad(x, padding)
  h, w = (cells - (size - 1) * dilation for cells in x.shape[1:3])

  def window(i, j):
    i, j = i * dilation, j * dilation
    return x[:, i : i + h : stride, j : j + w : stride]

  return sum(
    window(i, j)[..., c : c + 1] * weights[i, j, c][None, None, None]
    for i, j in itertools.product(range(size), repeat=2)
    for c in range(x.shape[-1])
  )


def convolve(
  x: Float[Array, 'b h w c'],
  kernel: Float[Array, 'k k c f'],
  *,
  training: bool = False,
  stride: int = 1,
  padding: int = 0,
  dilation: int = 1,
) -> Float[Array, 'b y x f']:
  """Convolves with a plain kernel.

  Args:
    x: Input.
    kernel: Square kernel.
    training: Whether to use the forms of a training step on a CPU. Results
      differ from those of `lax.conv_general_dilated` by rounding.
    stride: Stride along both axes.
    padding: Number of zeros at each edge.
    dilation: Dilation of the kernel.
  """
  grid = stride, padding, dilation
  out, _ = cells(x, len(kernel), *grid)
  form = _form(kernel, out, stride, training=True)
  if form == 'dot':
    return _dot(x, kernel[0, 0], stride, padding)
  # The transformations need the precision of float32.
  if not training or x.dtype != jnp.float32:
    return _direct(x, kernel, *grid)

  def on_cpu(x, kernel):
    if form == 'winograd':
      tile = _tile(kernel, out, dilation)
      return winograd.convolve(x, kernel, tile, padding, dilation)
    return _image(x, kernel, *grid)

  def elsewhere(x, kernel):
    return _direct(x, kernel, *grid)

  if form == 'direct':
    return elsewhere(x, kernel)
  return jax.lax.platform_dependent(x, kernel, cpu=on_cpu, default=elsewhere)


def _dot(x, matrix, stride, padding):
  x = _pad(x, padding)
  if stride > 1:
    x = x[:, ::stride, ::stride]
  # The gradient of a product of two matrices needs no transposed copy on a CPU;
  # that of a product of a four-dimensional array and a matrix does.
  product = x.reshape(-1, x.shape[-1]) @ matrix
  return product.reshape(*x.shape[:-1], -1)


def _pad(x, padding):
  if not padding:
    return x
  around = (padding, padding)
  return jnp.pad(x, ((0, 0), around, around, (0, 0)))


def _direct(x, kernel, stride, padding, dilation):
  return jax.lax.conv_general_dilated(
    x,
    kernel,
    (stride, stride),
    ((padding, padding),) * 2,
    rhs_dilation=(dilation, dilation),
    dimension_numbers=('NHWC', 'HWIO', 'NHWC'),
  )


@functools.partial(jax.custom_vjp, nondiff_argnums=(2, 3, 4))
def _image(x, kernel, stride, padding, dilation):
  """Convolves images; the kernel's gradient is a product per row of taps."""
  return _direct(x, kernel, stride, padding, dilation)


def _image_forward(x, kernel, *grid):
  return _image(x, kernel, *grid), (x, kernel)


def _image_backward(stride, padding, dilation, residuals, gradient):
  x, kernel = residuals

  def of_x(x):
    return _direct(x, kernel, stride, padding, dilation)

  (by_x,) = jax.vjp(of_x, x)[1](gradient)
  _, h, w, features = gradient.shape
  taps = range(0, len(kernel) * dilation, dilation)
  end = (w - 1) * stride + 1

  def add(total, sample):
    image, gradient = sample
    image = jnp.pad(image, ((padding, padding), (padding, padding), (0, 0)))
    columns = [image[:, tap : tap + end : stride] for tap in taps]
    columns = jnp.concatenate(columns, axis=-1)
    # As arrays of their own, every stride-th rows are factors without a copy.
    phases = [columns[phase::stride] for phase in range(stride)]
    phases = jax.lax.optimization_barrier(phases)
    rows = [phases[tap % stride][tap // stride :][:h] for tap in taps]
    flat = gradient.reshape(-1, features)
    products = [row.reshape(len(flat), -1).T @ flat for row in rows]
    return total + jnp.stack(products), None

  # The columns of a single sample fit in the processor's cache.
  size, _, channels, _ = kernel.shape
  zeros = jnp.zeros((size, size * channels, features), kernel.dtype)
  by_kernel, _ = jax.lax.scan(add, zeros, (x, gradient))
  return by_x, by_kernel.reshape(kernel.shape)


_image.defvjp(_image_forward, _image_backward)
