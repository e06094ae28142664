"""Measures the response of a fusion: distractors, channels, background.

The response vector of a cell holds the values of all channels there, and its L1
norm is the heat of the cell. A cell is at the target if its location in the
search crop is in the box of the target, as is the cell closest to the centre of
the box. A cell is in the background if its location is outside the box enlarged
to `GROWN` times its width and height.

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
VERSION = 1
# Between the box and this multiple of it, the receptive fields of cells still
# contain much of the target.
GROWN = 2.0
# Fractions of the channels, ordered by their maximum, at which the maxima are
# reported: 0 is the weakest channel, 0.5 the median.
RANKS = tuple(i / 20 for i in range(21))


@struct
class Statistics:
  """Measures of a response; NaN where a measure is undefined.

  Attributes:
    cosine: Cosine of the angle between the response vectors of the target and
      the distractor. The target is the cell with the most heat at the target,
      and the distractor the cell with the most heat in the background.
      Undefined if the response has one channel, a vector is zero or no cell is
      in the background.
    distractor_heat: Heat of the distractor over that of the target.
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

  cosine: Float[Array, '*b']
  distractor_heat: Float[Array, '*b']
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
  size: int, stride: int, truth: Float[Array, '4']
) -> tuple[Bool[Array, 'r r'], Bool[Array, 'r r']]:
  """Returns which cells are at the target, and which are in the background.

  Args:
    size: Number of cells per side of the response.
    stride: Distance between neighbouring cells, px of the search crop.
    truth: Box of the target, cx, cy, w, h relative to the centre of the search
      crop, px.
  """
  points = jnp.asarray(grid.points(size, stride))
  distance = jnp.abs(points - truth[None, None, :2])
  half = truth[None, None, 2:] / 2
  squared = jnp.sum(distance**2, axis=-1)
  inside = jnp.all(distance <= half, axis=-1) | (squared == jnp.min(squared))
  outside = jnp.any(distance > GROWN * half, axis=-1) & ~inside
  return inside, outside


def heat(response: Float[Array, '*b r r o']) -> Float[Array, '*b r r']:
  """Computes the heat of every cell."""
  return jnp.sum(jnp.abs(response), axis=-1)


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
  hot = heat(response)
  target, distractor = hottest(hot, inside), hottest(hot, outside)
  vectors, hot = response.reshape(hot.size, -1), hot.ravel()
  cosine = _cosine(vectors[target], vectors[distractor])
  relative = _ratio(hot[distractor], hot[target])
  energy = jnp.sum(vectors**2, axis=-1)
  share = _ratio(jnp.sum(jnp.where(inside.ravel(), energy, 0)), jnp.sum(energy))
  several, background = vectors.shape[1] > 1, jnp.any(outside)
  return Statistics(
    cosine=jnp.where(background & several, cosine, jnp.nan),
    distractor_heat=jnp.where(background, relative, jnp.nan),
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
  # may overflow.
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
