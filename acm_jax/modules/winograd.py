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
from collections.abc import Sequence

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

# Points of interpolation, and infinity as the last one; small numbers keep the
# rounding errors small.
_POINTS = (0.0, 1.0, -1.0, 2.0, -2.0, 0.5, -0.5)


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
  """Transforms a kernel for `conv`.

  Args:
    kernel: Square kernel.
    tile: Number of outputs that `conv` computes together along an axis.

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


def conv(
  x: Float[Array, 'b h w c'],
  kernel: Sequence[Float[Array, 'n c f']],
  *,
  size: int,
  padding: int = 0,
  dilation: int = 1,
) -> Float[Array, 'b y x f']:
  """Convolves with a transformed kernel and stride 1.

  The transformations along rows and columns are separate steps with arrays in
  between; otherwise XLA would repeat the first step for every product.

  Args:
    x: Input.
    kernel: Kernel, transformed by `transform`.
    size: Width and height of the kernel before the transformation.
    padding: Number of zeros at each edge.
    dilation: Dilation of the kernel.
  """
  inputs = len(kernel)
  tile = inputs - size + 1
  by_output, _, by_input = matrices(tile, size)
  batch = x.shape[0]
  out = [cells + 2 * padding - (size - 1) * dilation for cells in x.shape[1:3]]
  tiles = [-(-cells // (tile * dilation)) for cells in out]
  edges = [
    (padding, (count * tile + size - 1) * dilation - cells - padding, 0)
    for cells, count in zip(x.shape[1:3], tiles, strict=True)
  ]
  zero = jnp.zeros((), x.dtype)
  x = jax.lax.pad(x, zero, ((0, 0, 0), *edges, (0, 0, 0)))
  # A dilated convolution is one convolution for every phase.
  x = _split(x, dilation)

  def windows(x, axis, count):
    """Returns the j-th input of every tile along an axis, for every j."""
    end = (count - 1) * tile + 1
    slices = [slice(j, j + end, tile) for j in range(inputs)]
    return [x[(slice(None),) * axis + (each,)] for each in slices]

  rows = windows(x, 1, tiles[0])
  x = jnp.stack([_combine(factors, rows) for factors in by_input])
  columns = windows(x, 3, tiles[1])
  products = []
  for factors, matrix in zip(by_input, kernel, strict=True):
    # [n, phases * b, tile row, tile column, c]
    values = _combine(factors, columns)
    flat = values.reshape(inputs, -1, values.shape[-1])
    product = jax.lax.dot_general(flat, matrix, (((2,), (1,)), ((0,), (0,))))
    products.append(product.reshape(*values.shape[:-1], -1))
  y = jnp.stack([_combine(factors, products) for factors in by_output], axis=4)
  y = y.reshape(*y.shape[:3], tiles[1] * tile, -1)
  y = jnp.stack([_combine(factors, list(y)) for factors in by_output], axis=2)
  y = y.reshape(-1, tiles[0] * tile, *y.shape[3:])
  return _join(y, batch, dilation)[:, : out[0], : out[1]]


def _combine(factors: np.ndarray, values: Sequence[Array]) -> Array:
  """Returns the sum of values multiplied by factors, without needless ones."""
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
