"""Convolution of stride 1 with fewer multiplications (Winograd, Toom-Cook).

Along an axis, F(m, r) computes m neighbouring outputs of a kernel with r taps
from n = m + r - 1 inputs d with n multiplications instead of m r:

    y = A^T [(G g) * (B^T d)]

Nested along both axes, m x m outputs take n x n multiplications. Each of these
is a matrix product over the channels, for all tiles of an image at once. The
transformed kernel G g G^T does not depend on the image.

Source: Lavin and Gray, Fast Algorithms for Convolutional Neural Networks
(arXiv:1509.09308).
"""

import functools
import math
from collections.abc import Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

# Points of interpolation, and infinity as the last one; small numbers keep the
# rounding errors small.
_POINTS = (0.0, 1.0, -1.0, 2.0, -2.0, 0.5, -0.5)
# Number of transformed values that a part of a batch may have, 20 MB. More of
# them do not stay in the cache.
_CACHED_VALUES = 5 * 2**20


@functools.cache
def matrices(tile: int, size: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
  """Returns A^T, G and B^T of F(tile, size), in float64.

  Args:
    tile: Number m of outputs.
    size: Number r of taps.

  Raises:
    ValueError: m + r - 1 exceeds the number of points.
  """
  inputs = tile + size - 1
  if inputs - 1 > len(_POINTS):
    raise ValueError(
      f'F({tile}, {size}) needs {inputs - 1} points of interpolation, but '
      f'there are only {len(_POINTS)}'
    )

  def powers(count):
    rows = [[point**k for k in range(count)] for point in _POINTS[: inputs - 1]]
    return np.array([*rows, [0.0] * (count - 1) + [1.0]])

  # A product of polynomials is the interpolation of their values' products. A
  # correlation is its transpose with respect to the result and one factor.
  by_input = np.linalg.inv(powers(inputs)).T
  by_kernel = powers(size)
  # Without fractions in B^T, most of its factors are 1 or -1.
  scale = [1 / np.abs(row[np.abs(row) > 1e-9]).min() for row in by_input]
  scale = np.array(scale)[:, None]
  return powers(tile).T, by_kernel / scale, np.round(by_input * scale, 9)


def transform(
  kernel: Float[Array, 'r r c f'], tile: int
) -> tuple[Float[Array, 'n c f'], ...]:
  """Transforms a kernel for `convolve_transformed`.

  Args:
    kernel: Square kernel.
    tile: Number of outputs that are computed together along an axis.

  Returns:
    n arrays, one for each column of the transformed kernel. As separate arrays
    they are factors of separate products, which run in parallel.
  """
  _, by_kernel, _ = matrices(tile, kernel.shape[0])
  by_kernel = jnp.asarray(by_kernel, kernel.dtype)
  highest = jax.lax.Precision.HIGHEST
  columns = jnp.einsum(
    'kb,ia,abcf->kicf', by_kernel, by_kernel, kernel, precision=highest
  )
  return tuple(columns)


def convolve_transformed(
  x: Float[Array, 'b h w c'],
  kernel: Sequence[Float[Array, 'n c f']],
  *,
  size: int,
  padding: int = 0,
  dilation: int = 1,
) -> Float[Array, 'b y x f']:
  """Convolves with a transformed kernel and stride 1.

  Args:
    x: Input.
    kernel: Kernel, transformed by `transform`.
    size: Width and height of the kernel before the transformation.
    padding: Number of zeros at each edge.
    dilation: Dilation of the kernel.
  """
  grid = _Grid.of(x, len(kernel) - size + 1, size, padding, dilation)
  by_output, _, by_input = matrices(grid.tile, size)
  products = []
  for values, matrix in zip(grid.inputs(x, by_input), kernel, strict=True):
    flat = values.reshape(len(kernel), -1, values.shape[-1])
    product = jax.lax.dot_general(flat, matrix, (((2,), (1,)), ((0,), (0,))))
    products.append(product.reshape(*values.shape[:-1], -1))
  y = jnp.stack([_combine(factors, products) for factors in by_output], axis=4)
  y = y.reshape(*y.shape[:3], grid.tiles[1] * grid.tile, -1)
  y = jnp.stack([_combine(factors, list(y)) for factors in by_output], axis=2)
  y = y.reshape(-1, grid.tiles[0] * grid.tile, *y.shape[3:])
  return _join(y, len(x), dilation)[:, : grid.out[0], : grid.out[1]]


@functools.partial(jax.custom_vjp, nondiff_argnums=(2, 3, 4))
def convolve(
  x: Float[Array, 'b h w c'],
  kernel: Float[Array, 'r r c f'],
  tile: int,
  padding: int,
  dilation: int,
) -> Float[Array, 'b y x f']:
  """Convolves with a plain kernel, for a training step.

  The gradient of the input is a convolution of the same kind. That of the
  kernel is computed from transformed inputs and gradients. The batch is divided
  into parts whose transformed values fit in the processor's cache.

  Args:
    x: Input.
    kernel: Square kernel.
    tile: Number of outputs that are computed together along an axis.
    padding: Number of zeros at each edge.
    dilation: Dilation of the kernel.
  """
  settings = {'size': len(kernel), 'padding': padding, 'dilation': dilation}
  transformed = transform(kernel, tile)
  parts = _parts((x,), tile, kernel, padding, dilation)
  if len(parts[0]) == 1:
    return convolve_transformed(x, transformed, **settings)
  y = jax.lax.map(
    lambda part: convolve_transformed(part[0], transformed, **settings), parts
  )
  return y.reshape(len(x), *y.shape[2:])


def _forward(x, kernel, *settings):
  return convolve(x, kernel, *settings), (x, kernel)


def _backward(tile, padding, dilation, residuals, gradient):
  x, kernel = residuals
  size = len(kernel)
  mirrored = jnp.flip(kernel, (0, 1)).swapaxes(2, 3)
  reach = (size - 1) * dilation
  by_x = convolve(gradient, mirrored, tile, reach - padding, dilation)
  by_output, by_kernel, by_input = matrices(tile, size)
  inputs = tile + size - 1

  def add(total, part):
    x, gradient = part
    grid = _Grid.of(x, tile, size, padding, dilation)
    columns = zip(
      grid.inputs(x, by_input),
      grid.gradients(gradient, by_output.T),
      strict=True,
    )
    columns = [jnp.einsum('npyxc,npyxf->ncf', *each) for each in columns]
    return total + jnp.stack(columns), None

  zeros = jnp.zeros((inputs, inputs, *kernel.shape[2:]), kernel.dtype)
  parts = _parts((x, gradient), tile, kernel, padding, dilation)
  columns, _ = jax.lax.scan(add, zeros, parts)
  by_kernel = jnp.asarray(by_kernel, kernel.dtype)
  total = jnp.einsum(
    'kb,ia,kicf->abcf',
    by_kernel,
    by_kernel,
    columns,
    precision=jax.lax.Precision.HIGHEST,
  )
  return by_x, total


convolve.defvjp(_forward, _backward)


def _parts(
  arrays: Sequence[Float[Array, 'b _ _ _']],
  tile: int,
  kernel: Float[Array, 'r r c f'],
  padding: int,
  dilation: int,
) -> tuple[Float[Array, 'parts samples _ _ _'], ...]:
  """Divides batches into equal parts of at most `_CACHED_VALUES` each.

  Args:
    arrays: Batches of the same size; the first is a convolution's input.
    tile: Number of outputs that are computed together along an axis.
    kernel: Square kernel.
    padding: Number of zeros at each edge.
    dilation: Dilation of the kernel.

  Returns:
    The arrays with an axis for the parts. A part has at least one sample.
  """
  x, size = arrays[0], len(kernel)
  grid = _Grid.of(x, tile, size, padding, dilation)
  tiles = math.prod(grid.tiles) * dilation**2
  values = (tile + size - 1) ** 2 * tiles * sum(kernel.shape[2:])
  fitting = max(1, _CACHED_VALUES // values)
  samples = max(n for n in range(1, fitting + 1) if len(x) % n == 0)
  return tuple(a.reshape(-1, samples, *a.shape[1:]) for a in arrays)


class _Grid(NamedTuple):
  """Tiles of a convolution's output.

  A dilated convolution is one convolution for every phase: every dilation-th
  row and column.

  Attributes:
    tile: Number of outputs of a tile along an axis.
    out: Height and width of the output.
    tiles: Number of tiles of a phase along y and x.
    size: Width and height of the kernel.
    padding: Number of zeros at each edge.
    dilation: Dilation of the kernel.
  """

  tile: int
  out: tuple[int, ...]
  tiles: tuple[int, ...]
  size: int
  padding: int
  dilation: int

  @classmethod
  def of(cls, x, tile, size, padding, dilation):
    """Returns the tiles for an input."""
    reach = (size - 1) * dilation
    out = tuple(cells + 2 * padding - reach for cells in x.shape[1:3])
    tiles = tuple(-(-cells // (tile * dilation)) for cells in out)
    return cls(tile, out, tiles, size, padding, dilation)

  def inputs(self, x: Array, matrix: np.ndarray) -> list[Array]:
    """Transforms the inputs of all tiles."""
    return self._transformed(x, matrix, self.padding, self.size - 1)

  def gradients(self, gradient: Array, matrix: np.ndarray) -> list[Array]:
    """Transforms the outputs' gradients of all tiles."""
    return self._transformed(gradient, matrix, 0, 0)

  def _transformed(self, x, matrix, padding, overlap):
    """Transforms the rows, then the columns of all tiles.

    The rows are an array of their own; otherwise XLA would transform them again
    for every column.

    Returns:
      n arrays [n, phases * b, tile row, tile column, c], one for each column.
    """
    ends = [
      (count * self.tile + overlap) * self.dilation for count in self.tiles
    ]
    edges = [
      (padding, end - cells - padding, 0)
      for cells, end in zip(x.shape[1:3], ends, strict=True)
    ]
    zero = jnp.zeros((), x.dtype)
    x = jax.lax.pad(x, zero, ((0, 0, 0), *edges, (0, 0, 0)))
    x = _split(x, self.dilation)
    taps = matrix.shape[1]

    def cells(x, axis, count):
      """Returns the j-th cell of every tile along an axis, for every j."""
      end = (count - 1) * self.tile + 1
      slices = [slice(j, j + end, self.tile) for j in range(taps)]
      return [x[(slice(None),) * axis + (each,)] for each in slices]

    rows = cells(x, 1, self.tiles[0])
    x = jnp.stack([_combine(factors, rows) for factors in matrix])
    columns = cells(x, 3, self.tiles[1])
    return [_combine(factors, columns) for factors in matrix]


def _combine(factors: np.ndarray, values: Sequence[Array]) -> Array:
  """Returns the sum of values multiplied by factors; skips factors 0 and 1."""
  total = None
  for factor, value in zip(factors, values, strict=True):
    if factor == 0:
      continue
    if total is None:
      total = value if factor == 1 else value * float(factor)
    elif abs(factor) == 1:
      total = total + value if factor == 1 else total - value
    else:
      total = total + value * float(factor)
  return total


def _split(x: Float[Array, 'b h w c'], phases: int) -> Float[Array, 'p y x c']:
  """Splits an image into phases^2 images of every phases-th row and column."""
  if phases == 1:
    return x
  b, h, w, c = x.shape
  x = x.reshape(b, h // phases, phases, w // phases, phases, c)
  return x.transpose(2, 4, 0, 1, 3, 5).reshape(-1, h // phases, w // phases, c)


def _join(
  x: Float[Array, 'p y x c'], batch: int, phases: int
) -> Float[Array, 'b h w c']:
  """Reverses `_split`."""
  if phases == 1:
    return x
  _, h, w, c = x.shape
  x = x.reshape(phases, phases, batch, h, w, c)
  return x.transpose(2, 3, 0, 4, 1, 5).reshape(batch, h * phases, w * phases, c)
