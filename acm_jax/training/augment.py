"""Distortions of training pairs, on the device, inside the train step.

The order and the ranges of SiamFC's descendants: grey, shift and scale,
colour, blur, flip. Grey and the interpolation of shift and scale are linear
and commute, so that grey comes second here, on the smaller image.
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

# Square roots of the colour covariance of ImageNet, RGB by noise source, grey
# levels. Source: SiamFC's training code, as pysot prints it.
_COLOR = np.array(
  [
    [-0.55919361, 0.98062831, -0.41940627],
    [1.72091413, 0.19879334, -1.82968581],
    [4.64467907, 4.73710203, 4.88324118],
  ],
  np.float32,
)
_LUMA = np.array([0.299, 0.587, 0.114], np.float32)
# The blur's kernel has 2 radius + 1 pixels: odd sizes from 5 to 45.
_BLUR_RADIUS = (2, 22)


@dataclasses.dataclass(frozen=True)
class Ranges:
  """How far one of the two crops is distorted; numbers are static.

  Attributes:
    shift: Largest displacement along each axis, px of the context crop.
    scale: Largest relative change of each axis.
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
      raise ValueError(f'scale={self.scale} must be from 0 to below 1')
    for name in ('color', 'blur', 'flip'):
      _check_probability(name, getattr(self, name))

  def room(self, size: int) -> int:
    """Side of the context crop that a result of `size` px needs, px."""
    return context.room(size, self.shift, self.scale)


def _check_probability(name: str, value: float) -> None:
  if not 0 <= value <= 1:
    raise ValueError(f'{name}={value} must be a probability, from 0 to 1')


@dataclasses.dataclass(frozen=True)
class Distortion:
  """How far pairs are distorted.

  Attributes:
    template: Ranges of the template.
    search: Ranges of the search region.
    grey: Probability that both images of a pair lose their colour.
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
  """Cuts crops of the exact sizes and distorts them, their boxes with them.

  Args:
    raw: Context crops round the targets.
    rng: Key; the result is a function of it and of `raw`.
    distortion: How far; None for crops that have their sizes already.
    template_size: Side of the template crop, px.
    search_size: Side of the search crop, px.

  Raises:
    ValueError: The context crops are smaller than the ranges can reach.

  Source: the data code of SiamRPN++ and SiamBAN.
  """
  if distortion is None:
    return Batch(
      raw.template.astype(jnp.float32),
      raw.search.astype(jnp.float32),
      raw.template_box,
      raw.search_box,
      raw.positive,
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
  return Batch(template, search, template_box, search_box, raw.positive)


def _distort(images, boxes_cxcywh, greyed, key, *, size, ranges):
  side = images.shape[1]
  if side < ranges.room(size):
    raise ValueError(
      f'context crops of {side} px are too small: a crop of {size} px needs '
      f'{ranges.room(size)} at shift {ranges.shift}, scale {ranges.scale}'
    )
  one = functools.partial(distort_one, size=size, ranges=ranges)
  keys = jax.random.split(key, len(images))
  return jax.vmap(one)(images, boxes_cxcywh, greyed, keys)


def distort_one(
  image: Num[Array, 'h h 3'],
  box_cxcywh: Float[Array, '4'],
  greyed: Bool[Array, ''],
  key: jax.Array,
  *,
  size: int,
  ranges: Ranges,
) -> tuple[Float[Array, 'n n 3'], Float[Array, '4']]:
  """The crop of one image and the box in it, px of the crop."""
  keys = jax.random.split(key, 6)
  limit = jnp.array([[ranges.scale], [ranges.shift]])
  draw = jax.random.uniform(keys[0], (2, 2), minval=-1.0) * limit
  image, box = shift_scale(image, box_cxcywh, 1 + draw[0], draw[1], size)
  image = jnp.where(greyed, (image @ _LUMA)[..., None], image)
  noise = jax.random.normal(keys[1], (3,))
  image = _sometimes(
    ranges.color, keys[2], lambda x: x - (_COLOR @ noise)[None, None], image
  )
  image = _sometimes(ranges.blur, keys[3], _random_blur, image, keys[5])
  return _sometimes(ranges.flip, keys[4], _flip, (image, box))


def _sometimes(probability, key, function, value, *args):
  """`function` of the value with a static probability; 0 costs nothing."""
  if probability == 0:
    return value
  hit = jax.random.bernoulli(key, probability)
  choose = functools.partial(jnp.where, hit)
  return jax.tree.map(choose, function(value, *args), value)


def shift_scale(
  image: Num[Array, 'h h 3'],
  box_cxcywh: Float[Array, '4'],
  scale: Float[Array, '2'],
  shift: Float[Array, '2'],
  size: int,
) -> tuple[Float[Array, 'n n 3'], Float[Array, '4']]:
  """Cuts `size` pixels a side at steps of `scale`, `shift` off the centre.

  Args:
    image: Context crop; its centre is pixel h // 2.
    box_cxcywh: Target, px of `image`.
    scale: Along x and y, px of `image` per px of the result.
    shift: Along x and y, px of `image`.
    size: Side of the result, px.
  """
  side = image.shape[0]
  low = side // 2 + shift - (size - 1) / 2 * scale
  place = low[:, None] + jnp.arange(size)[None] * scale[:, None]
  cols, rows = crop.taps(place[0], side), crop.taps(place[1], side)
  pixels = crop.resample(image, rows, cols, jnp.zeros(3))
  box = [(box_cxcywh[:2] - low) / scale, box_cxcywh[2:] / scale]
  return pixels, jnp.concatenate(box)


def _random_blur(image, key):
  radius_key, share_key = jax.random.split(key)
  low, high = _BLUR_RADIUS
  radius = jax.random.randint(radius_key, (), low, high + 1)
  return cross_blur(image, radius, jax.random.uniform(share_key))


def cross_blur(
  image: Float[Array, 'h w 3'], radius, share
) -> Float[Array, 'h w 3']:
  """Mean over a vertical line, times `share`, and over a horizontal one.

  Args:
    image: Image.
    radius: The lines have 2 radius + 1 pixels; the image is mirrored at its
      edges, the edge pixel not repeated.
    share: Weight of the vertical line; the horizontal one has the rest.
  """
  rows = _line_mean(image.shape[0], radius)
  cols = _line_mean(image.shape[1], radius)
  vertical = jnp.einsum('yh,hwc->ywc', rows, image)
  horizontal = jnp.einsum('xw,hwc->hxc', cols, image)
  return share * vertical + (1 - share) * horizontal


def _line_mean(length: int, radius) -> Float[Array, 'l l']:
  """Banded matrix of a moving mean over 2 radius + 1 mirrored pixels."""
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
