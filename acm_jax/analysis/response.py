"""Measures the response of a fusion: distractors, channels, background.

The response vector of a cell holds the values of all channels there, and its L1
norm is the heat of the cell. A cell is at the target if its location in the
search crop is in the box of the target, as is the cell closest to the centre of
the box. A cell is in the background if its location shows the image, not
padding, and is outside the box enlarged to `GROWN` times its width and height.
A distractor is a cell in the background with more heat than each of its eight
neighbours. The neighbours may be anywhere, so that the flank of the target's
peak is no distractor. A cell at the border of the response is none either,
because the heat may rise beyond the border.

Source: the measures make those of Han et al., CVPR 2021 (arXiv:2012.02776),
figure 1 and section 3.2, computable for any pair. The paper does not state how
its distractors were chosen and how its figures were averaged, so that the
definitions here are our own.
"""

import contextlib
from collections.abc import Iterator

import flax.linen as nn
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from acm_jax.geometry import grid
from acm_jax.modules.fusion import Fusion
from acm_jax.tracking.struct import struct

# Version of the definitions in this file.
VERSION = 2
# Between the box and this multiple of it, the receptive fields of cells still
# contain much of the target.
GROWN = 2.0
# Fractions of the channels, ordered by their maximum, at which the maxima are
# reported: 0 is the weakest channel, 0.5 the median.
RANKS = tuple(i / 20 for i in range(21))


@struct
class Statistics:
  """Measures of a response; NaN where a measure is undefined.

  No measure changes if the response is multiplied by a number.

  Attributes:
    distractor: 1 if the response has a distractor, else 0.
    distractor_heat: Heat of the hottest distractor over that of the hottest
      cell at the target. Undefined without a distractor, and if no cell at the
      target has any heat.
    cosine: Cosine of the angle between the response vectors of these two cells.
      Undefined without a distractor, if the response has one channel and if a
      vector is zero.
    centered_cosine: The same cosine, after the mean over all cells is
      subtracted from the response.
    peaks: For each of `RANKS`, the maximum of the absolute value over all cells
      in the channel of this rank, over the same maximum in the strongest
      channel. Undefined if the response has one channel or is zero.
    area: Fraction of the cells that are at the target. A response that is the
      same everywhere has this value as `energy_inside` and `best_overlap`.
    energy_inside: Fraction of the sum of all squared values that lies in cells
      at the target.
    best_overlap: IoU of the cells at the target with the cells whose heat
      reaches a threshold, for the threshold with the highest IoU.
  """

  distractor: Float[Array, '*b']
  distractor_heat: Float[Array, '*b']
  cosine: Float[Array, '*b']
  centered_cosine: Float[Array, '*b']
  peaks: Float[Array, '*b q']
  area: Float[Array, '*b']
  energy_inside: Float[Array, '*b']
  best_overlap: Float[Array, '*b']


@contextlib.contextmanager
def recording() -> Iterator[dict[str, Float[Array, 'b r r o']]]:
  """Records the responses of all fusions that run in the block.

  The dictionary that it yields maps the path of each fusion in the network to
  the output of `Fusion.fuse`. A fusion inside of another fusion is left out.
  """
  responses: dict[str, Array] = {}
  inside = False

  def record(call, args, kwargs, context):
    nonlocal inside
    fuses = isinstance(context.module, Fusion) and context.method_name == 'fuse'
    if inside or not fuses:
      return call(*args, **kwargs)
    inside = True
    try:
      response = call(*args, **kwargs)
    finally:
      inside = False
    responses['/'.join(context.module.path)] = response.astype(jnp.float32)
    return response

  with nn.intercept_methods(record):
    yield responses


def cells(
  size: int,
  stride: int,
  truth: Float[Array, '4'],
  picture: Float[Array, '4'],
) -> tuple[Bool[Array, 'r r'], Bool[Array, 'r r']]:
  """Returns which cells are at the target, and which are in the background.

  Args:
    size: Number of cells per side of the response.
    stride: Distance between neighbouring cells, px of the search crop.
    truth: Box of the target, cx, cy, w, h relative to the centre of the search
      crop, px.
    picture: Part of the search crop that shows the image, x1, y1, x2, y2
      relative to the centre of the crop, px.
  """
  points = jnp.asarray(grid.points(size, stride))
  distance = jnp.abs(points - truth[None, None, :2])
  half = truth[None, None, 2:] / 2
  squared = jnp.sum(distance**2, axis=-1)
  inside = jnp.all(distance <= half, axis=-1) | (squared == jnp.min(squared))
  outside = jnp.any(distance > GROWN * half, axis=-1) & ~inside
  low, high = picture[None, None, :2], picture[None, None, 2:]
  shown = jnp.all((low <= points) & (points < high), axis=-1)
  return inside, outside & shown


def heat(response: Float[Array, '*b r r o']) -> Float[Array, '*b r r']:
  """Computes the heat of every cell."""
  return jnp.sum(jnp.abs(response), axis=-1)


def distractors(
  heat: Float[Array, 'r r'], outside: Bool[Array, 'r r']
) -> Bool[Array, 'r r']:
  """Returns which cells are distractors.

  Args:
    heat: Heat of every cell.
    outside: Cells in the background.
  """
  size = len(heat)
  padded = jnp.pad(heat, 1, constant_values=jnp.inf)
  for row in range(3):
    for column in range(3):
      if (row, column) != (1, 1):
        neighbour = padded[row : row + size, column : column + size]
        outside &= heat > neighbour
  return outside


def hottest(
  heat: Float[Array, 'r r'], among: Bool[Array, 'r r']
) -> Int[Array, '']:
  """Returns the index, in row-major order, of the hottest of some cells."""
  return jnp.argmax(jnp.where(among, heat, -1.0))


def statistics(
  response: Float[Array, 'r r o'],
  inside: Bool[Array, 'r r'],
  outside: Bool[Array, 'r r'],
) -> Statistics:
  """Computes the statistics of a response.

  Args:
    response: Response of a fusion.
    inside: Cells at the target.
    outside: Cells in the background.
  """
  largest = jnp.max(jnp.abs(response))
  # Squares of the largest float32 numbers would overflow.
  response /= jnp.where(largest > 0, largest, 1.0)
  hot = heat(response)
  others = distractors(hot, outside)
  target, distractor = hottest(hot, inside), hottest(hot, others)
  vectors, hot = response.reshape(hot.size, -1), hot.ravel()
  relative = _ratio(hot[distractor], hot[target])
  energy = jnp.sum(vectors**2, axis=-1)
  share = _ratio(jnp.sum(jnp.where(inside.ravel(), energy, 0)), jnp.sum(energy))
  several, exists = vectors.shape[1] > 1, jnp.any(others)

  def cosine(vectors):
    value = _cosine(vectors[target], vectors[distractor])
    return jnp.where(exists & several, value, jnp.nan)

  return Statistics(
    distractor=exists.astype(jnp.float32),
    distractor_heat=jnp.where(exists, relative, jnp.nan),
    cosine=cosine(vectors),
    centered_cosine=cosine(vectors - jnp.mean(vectors, axis=0, keepdims=True)),
    peaks=jnp.where(several, _peaks(vectors), jnp.nan),
    area=jnp.mean(inside, dtype=jnp.float32),
    energy_inside=share,
    best_overlap=_best_overlap(hot, inside.ravel()),
  )


def _ratio(numerator, denominator):
  """Divides; NaN if the denominator is 0."""
  positive = denominator > 0
  quotient = numerator / jnp.where(positive, denominator, 1.0)
  return jnp.where(positive, quotient, jnp.nan)


def _cosine(a: Float[Array, 'o'], b: Float[Array, 'o']) -> Float[Array, '']:
  # Each vector is divided by its own norm: the product of two squared norms
  # may underflow.
  norms = jnp.linalg.norm(a), jnp.linalg.norm(b)
  return jnp.sum(_ratio(a, norms[0]) * _ratio(b, norms[1]))


def _peaks(vectors: Float[Array, 'n o']) -> Float[Array, 'q']:
  peaks = jnp.max(jnp.abs(vectors), axis=0)
  return jnp.quantile(_ratio(peaks, jnp.max(peaks)), jnp.array(RANKS))


def _best_overlap(
  heat: Float[Array, 'n'], inside: Bool[Array, 'n']
) -> Float[Array, '']:
  """Tries the heat of every cell as the threshold."""
  order = jnp.argsort(-heat)
  heat, hits = heat[order], jnp.cumsum(inside[order])
  chosen = jnp.arange(1, len(heat) + 1)
  overlap = hits / (chosen + hits[-1] - hits)
  # A threshold separates no cells of equal heat.
  last = jnp.append(heat[:-1] > heat[1:], True)
  return jnp.max(jnp.where(last, overlap, 0.0))
