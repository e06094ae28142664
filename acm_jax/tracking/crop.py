"""Square crops by separable bilinear interpolation, on the device.

An axis-aligned crop is rows @ image @ cols^T. The matrices `rows` and `cols`
have two non-zero entries per row; `Taps` represents one such matrix. On a CPU
or GPU, the pixels for the non-zero entries are gathered. On a TPU, where
gathers are slow, the matrices are built and multiplied.
"""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int, Num

from acm_jax.geometry import squares
from acm_jax.tracking.contract import Frame
from acm_jax.tracking.struct import struct


@struct
class Taps:
  """Taps along one axis: two source pixels and their weights per output pixel.

  Attributes:
    index: Index of the first source pixel; the second is the next pixel.
    weight: Weights of both source pixels. A pixel outside the image has the
      weight 0. If the sum of both weights is less than 1, the remainder is the
      weight of the fill colour.
  """

  index: Int[Array, 'n']
  weight: Float[Array, 'n 2']


def taps(coordinate: Float[Array, 'n'], length: Int[Array, ''] | int) -> Taps:
  """Computes the taps of linear interpolation along an axis.

  Args:
    coordinate: Coordinates to sample the image at, px; 0 is the centre of the
      first pixel.
    length: Length of the image along the axis, px. Coordinates may lie beyond
      it; pixels outside the image have the weight 0.
  """
  low = jnp.floor(coordinate)
  high_weight = coordinate - low
  index = low.astype(jnp.int32)
  weight = jnp.stack([1 - high_weight, high_weight], axis=-1)
  pair = jnp.stack([index, index + 1], axis=-1)
  inside = (pair >= 0) & (pair < length)
  return Taps(index, jnp.where(inside, weight, 0.0))


def resample(
  image: Num[Array, 'h w c'],
  rows: Taps,
  cols: Taps,
  fill: Float[Array, 'c'],
) -> Float[Array, 'y x c']:
  """Samples an image on a grid: its rows first, then its columns.

  Args:
    image: Image to sample.
    rows: Taps of the grid's rows, computed by `taps`.
    cols: Taps of the grid's columns.
    fill: Colour of the grid's pixels that lie outside the image.
  """
  return sample_columns(sample_rows(image, rows, fill), cols, fill)


def sample_rows(
  image: Num[Array, 'h w c'], rows: Taps, fill: Float[Array, 'c']
) -> Float[Array, 'y w c']:
  """Samples the rows of an image; the first half of `resample`."""
  return jax.lax.platform_dependent(
    image, rows, fill, default=_by_gather, tpu=_by_matrix
  )


def sample_columns(
  image: Num[Array, 'y w c'], cols: Taps, fill: Float[Array, 'c']
) -> Float[Array, 'y x c']:
  """Samples the columns of an image; the second half of `resample`."""
  return sample_rows(image.swapaxes(0, 1), cols, fill).swapaxes(0, 1)


def _by_gather(image, rows, fill):
  limit = image.shape[0] - 1

  def tap(k):
    source = image[jnp.clip(rows.index + k, 0, limit)].astype(jnp.float32)
    return source * rows.weight[:, k, None, None]

  rest = 1 - jnp.sum(rows.weight, axis=1)
  return tap(0) + tap(1) + rest[:, None, None] * fill[None, None]


def _by_matrix(image, rows, fill):
  # After subtraction of the fill colour, everything outside the image is 0.
  image = image.astype(jnp.float32) - fill[None, None]
  matrix = _matrix(rows, image.shape[0])
  # Weights rounded to bfloat16 would shift the sampled positions.
  image = jnp.einsum('yh,hwc->ywc', matrix, image, precision='highest')
  return image + fill[None, None]


def _matrix(axis: Taps, length: int) -> Float[Array, 'n l']:
  low = jax.nn.one_hot(axis.index, length)
  high = jax.nn.one_hot(axis.index + 1, length)
  return low * axis.weight[:, :1] + high * axis.weight[:, 1:]


def square_crop(
  frame: Frame,
  center: Float[Array, '2'],
  side: Float[Array, ''],
  out_size: int,
  fill: Float[Array, '3'],
) -> Float[Array, 'n n 3']:
  """Crops a square around `center` and resizes it to `out_size` pixels.

  Args:
    frame: Frame to crop from.
    center: Centre x, y of the square, px of the frame.
    side: Side of the square, a whole number of px.
    out_size: Side of the resized crop, px.
    fill: Colour of the crop's pixels that lie outside the frame.

  Returns:
    RGB in 0..255.
  """
  rows, cols = square_taps(frame.size, center, side, out_size)
  return resample(frame.pixels, rows, cols, fill)


def square_taps(
  size: Int[Array, '2'],
  center: Float[Array, '2'],
  side: Float[Array, ''],
  out_size: int,
) -> tuple[Taps, Taps]:
  """Returns the taps of the rows and columns of a square crop.

  Args:
    size: Height and width of the frame, px.
    center: Centre x, y of the square, px of the frame.
    side: Side of the square, a whole number of px.
    out_size: Side of the resized crop, px.

  Source: the crops of the official SiamFC, SiamRPN++ and SiamBAN code.
  """
  start, offset = squares.corner(center, side), squares.samples(side, out_size)
  return taps(start[1] + offset, size[0]), taps(start[0] + offset, size[1])


def mean_color(frame: Frame) -> Float[Array, '3']:
  """Computes the frame's mean colour, truncated to integers.

  The official code truncates the mean, too. The sum of all pixels might not fit
  in 32 bits. Each row's sum is therefore divided by the width, and the
  quotients and the remainders are summed separately. Nothing is rounded before
  the truncation.
  """
  h, w = frame.pixels.shape[:2]
  inside = (jnp.arange(h) < frame.size[0])[:, None, None]
  inside &= (jnp.arange(w) < frame.size[1])[None, :, None]
  pixels = jnp.where(inside, frame.pixels, 0).astype(jnp.uint32)
  rows = jnp.sum(pixels, axis=1)
  height, width = frame.size.astype(jnp.uint32)
  whole = jnp.sum(rows // width, axis=0)
  rest = jnp.sum(rows % width, axis=0)
  return ((whole + rest // width) // height).astype(jnp.float32)
