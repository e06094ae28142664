"""Augmentation of training pairs on the device, inside the training step.

The host delivers context crops, which have a margin for shift and scale. The
final crops, in the input sizes of the network, are cut from them.

The training code of trackers derived from SiamFC applies grey, shift and scale,
colour, blur and flip, in this order. This implementation applies grey after
shift and scale, because the final crop has fewer pixels than the context crop.
The result is the same, because resampling and the conversion to grey are linear
and commute.
"""

import dataclasses
import functools

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Num

from acm_jax.geometry import context
from acm_jax.tracking import crop
from acm_jax.tracking.contract import Batch
from data_pipelines.batch import RawBatch

# Square root of the covariance matrix of colours in ImageNet, in grey levels.
# Rows are R, G and B. Each column is multiplied by a separate random number.
# Source: the training code of SiamFC, as in pysot.
_COLOR = np.array(
  [
    [-0.55919361, 0.98062831, -0.41940627],
    [1.72091413, 0.19879334, -1.82968581],
    [4.64467907, 4.73710203, 4.88324118],
  ],
  np.float32,
)
_LUMA = np.array([0.299, 0.587, 0.114], np.float32)
# Smallest and largest radius of the blur, px. A kernel has 2 * radius + 1
# pixels: from 5 to 45.
_BLUR_RADIUS = (2, 22)


@dataclasses.dataclass(frozen=True)
class Ranges:
  """Ranges of the augmentation, either of template crops or of search crops.

  A final crop is cut from a larger image, the context crop.

  Attributes:
    shift: Largest displacement along each axis, px of the context crop.
    scale: Largest relative change of the scale along each axis.
    color: Probability of colour noise.
    blur: Probability of blur.
    flip: Probability of a left-right flip.
  """

  shift: float = 0.0
  scale: float = 0.0
  color: float = 0.0
  blur: float = 0.0
  flip: float = 0.0

  def __post_init__(self):
    if self.shift < 0:
      raise ValueError(f'shift={self.shift} must not be negative')
    if not 0 <= self.scale < 1:
      raise ValueError(f'scale={self.scale} must be at least 0 and less than 1')
    for name in ('color', 'blur', 'flip'):
      _check_probability(name, getattr(self, name))

  def padded_side(self, size: int) -> int:
    """Returns the side that a context crop needs, px.

    Args:
      size: Side of the final crop, px.
    """
    return context.padded_side(size, self.shift, self.scale)


def _check_probability(name: str, value: float) -> None:
  if not 0 <= value <= 1:
    raise ValueError(f'{name}={value} must be a probability, from 0 to 1')


@dataclasses.dataclass(frozen=True)
class Distortion:
  """Ranges of the augmentation of a pair.

  Attributes:
    template: Ranges of the template crop.
    search: Ranges of the search crop.
    grey: Probability that both crops of a pair become grey.
  """

  template: Ranges
  search: Ranges
  grey: float

  def __post_init__(self):
    _check_probability('grey', self.grey)


def augment(
  raw: RawBatch,
  rng: jax.Array,
  distortion: Distortion | None,
  *,
  template_size: int,
  search_size: int,
) -> Batch:
  """Cuts augmented final crops from context crops, and transforms the boxes.

  Args:
    raw: Context crops around the targets.
    rng: Random key; equal keys and crops give equal results.
    distortion: Ranges of the augmentation. None if the crops in `raw` already
      have the final sizes; then only their type is converted, to float32.
    template_size: Side of the final template crop, px.
    search_size: Side of the final search crop, px.

  Returns:
    The final crops, and the boxes in px of the final crops.

  Raises:
    ValueError: The context crops are too small for the ranges.

  Source: the data code of SiamRPN++ and SiamBAN.
  """
  if distortion is None:
    return Batch(
      template=raw.template.astype(jnp.float32),
      search=raw.search.astype(jnp.float32),
      template_box=raw.template_box,
      search_box=raw.search_box,
      positive=raw.positive,
    )
  grey_key, template_key, search_key = jax.random.split(rng, 3)
  greyed = jax.random.bernoulli(grey_key, distortion.grey, raw.positive.shape)
  template, template_box = _distort(
    raw.template,
    raw.template_box,
    greyed,
    template_key,
    size=template_size,
    ranges=distortion.template,
  )
  search, search_box = _distort(
    raw.search,
    raw.search_box,
    greyed,
    search_key,
    size=search_size,
    ranges=distortion.search,
  )
  return Batch(
    template=template,
    search=search,
    template_box=template_box,
    search_box=search_box,
    positive=raw.positive,
  )


def _distort(images, boxes_cxcywh, greyed, key, *, size, ranges):
  """Augments the templates or the search images of a batch."""
  side = images.shape[1]
  if side < ranges.padded_side(size):
    raise ValueError(
      f'context crops of {side} px are too small: with shift={ranges.shift} '
      f'and scale={ranges.scale}, a final crop of {size} px needs a context '
      f'crop of {ranges.padded_side(size)} px; give larger context crops or '
      'reduce `shift` or `scale`'
    )
  distort = functools.partial(distort_one, size=size, ranges=ranges)
  keys = jax.random.split(key, len(images))
  return jax.vmap(distort)(images, boxes_cxcywh, greyed, keys)


def distort_one(
  image: Num[Array, 'h h 3'],
  box_cxcywh: Float[Array, '4'],
  greyed: Bool[Array, ''],
  key: jax.Array,
  *,
  size: int,
  ranges: Ranges,
) -> tuple[Float[Array, 'n n 3'], Float[Array, '4']]:
  """Cuts an augmented final crop from one context crop.

  Args:
    image: Context crop, RGB.
    box_cxcywh: Box of the target, px of `image`.
    greyed: Whether the final crop becomes grey.
    key: Random key.
    size: Side of the final crop, px.
    ranges: Ranges of the augmentation.

  Returns:
    The final crop, and the target's box, cx, cy, w, h, px of the final crop.
  """
  (
    geometry_key,
    noise_key,
    color_key,
    blur_key,
    flip_key,
    radius_key,
  ) = jax.random.split(key, 6)
  limit = jnp.array([[ranges.scale], [ranges.shift]])
  scale, shift = jax.random.uniform(geometry_key, (2, 2), minval=-1.0) * limit
  image, box = shift_scale(image, box_cxcywh, 1 + scale, shift, size)
  image = jnp.where(greyed, (image @ _LUMA)[..., None], image)
  noise = jax.random.normal(noise_key, (3,))
  image = _sometimes(
    ranges.color, color_key, lambda x: x - (_COLOR @ noise)[None, None], image
  )
  image = _sometimes(
    ranges.blur, blur_key, lambda x: _random_blur(x, radius_key), image
  )
  return _sometimes(ranges.flip, flip_key, _flip, (image, box))


def _sometimes(probability, key, function, value):
  """Applies a function with a fixed probability.

  The function is not compiled if the probability is 0.
  """
  if probability == 0:
    return value
  applies = jax.random.bernoulli(key, probability)
  choose = functools.partial(jnp.where, applies)
  return jax.tree.map(choose, function(value), value)


def shift_scale(
  image: Num[Array, 'h h 3'],
  box_cxcywh: Float[Array, '4'],
  scale: Float[Array, '2'],
  shift: Float[Array, '2'],
  size: int,
) -> tuple[Float[Array, 'n n 3'], Float[Array, '4']]:
  """Cuts a scaled and shifted final crop by bilinear interpolation.

  Args:
    image: Context crop; the centre is pixel h // 2.
    box_cxcywh: Box of the target, px of `image`.
    scale: Distance between neighbouring pixels of the final crop along x and y,
      px of `image`.
    shift: Displacement of the final crop from the centre of `image` along x and
      y, px of `image`.
    size: Side of the final crop, px.

  Returns:
    The final crop, and the target's box, cx, cy, w, h, px of the final crop.
  """
  side = image.shape[0]
  low = side // 2 + shift - (size - 1) / 2 * scale
  xs, ys = low[:, None] + jnp.arange(size)[None] * scale[:, None]
  rows, cols = crop.taps(ys, side), crop.taps(xs, side)
  pixels = crop.resample(image, rows, cols, jnp.zeros(3))
  box = [(box_cxcywh[:2] - low) / scale, box_cxcywh[2:] / scale]
  return pixels, jnp.concatenate(box)


def _random_blur(image, key):
  radius_key, vertical_key = jax.random.split(key)
  low, high = _BLUR_RADIUS
  radius = jax.random.randint(radius_key, (), low, high + 1)
  return cross_blur(image, radius, jax.random.uniform(vertical_key))


def cross_blur(
  image: Float[Array, 'h w 3'], radius, vertical_weight
) -> Float[Array, 'h w 3']:
  """Blurs an image by averaging along vertical and horizontal lines.

  Each pixel becomes the weighted sum of two means: over a vertical line and
  over a horizontal line, both centred on the pixel.

  Args:
    image: Image; beyond an edge, the pixels are mirrored without repeating the
      edge pixel.
    radius: Radius of the lines, px; a line has 2 * radius + 1 pixels.
    vertical_weight: Weight of the mean over the vertical line, 0 to 1. The
      weight of the other mean is 1 - vertical_weight.
  """
  rows = _line_mean(image.shape[0], radius)
  cols = _line_mean(image.shape[1], radius)
  vertical = jnp.einsum('yh,hwc->ywc', rows, image)
  horizontal = jnp.einsum('xw,hwc->hxc', cols, image)
  return vertical_weight * vertical + (1 - vertical_weight) * horizontal


def _line_mean(length: int, radius) -> Float[Array, 'l l']:
  """Builds the banded matrix of a moving mean over 2 * radius + 1 pixels."""
  out = jnp.arange(length)[:, None]
  source = jnp.arange(length)[None]
  last = length - 1
  count = (
    (jnp.abs(out - source) <= radius).astype(jnp.float32)
    + ((out + source <= radius) & (source > 0))
    + ((2 * last - out - source <= radius) & (source < last))
  )
  return count / (2 * radius + 1)


def _flip(sample):
  image, box = sample
  width = image.shape[1]
  return image[:, ::-1], box.at[0].set(width - 1 - box[0])
