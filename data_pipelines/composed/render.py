"""Renders frames of composed sequences: whole, or as crops of the target."""

from typing import NamedTuple

import cv2
import numpy as np
from jaxtyping import Float, UInt8

from acm_jax.datasets import crops
from data_pipelines.composed import library as libraries
from data_pipelines.composed.cast import POLE, POLE_HW
from data_pipelines.composed.library import Library
from data_pipelines.composed.plan import Layer, Plan

# Largest fraction of a target that the layers in front of it may hide.
MOST_HIDDEN = 0.5
# Minimum and maximum length of a motion blur, px of the image. A shorter blur
# is left out, and a longer one is shortened.
_STREAKS = (2.0, 16.0)


class Rendered(NamedTuple):
  """A rendered frame, or the square around its target.

  Attributes:
    bgr: Pixels, blue, green, red.
    coverage: Coverage of each pixel by the target, 0 to 255. Hidden parts of
      the target are included.
    hidden: Fraction of the target that other layers hide.
  """

  bgr: UInt8[np.ndarray, 'h w 3']
  coverage: UInt8[np.ndarray, 'h w']
  hidden: float


class _Patch(NamedTuple):
  """Visible part of a layer.

  Attributes:
    bgra: Pixels as BGRA, with premultiplied alpha.
    region: Rows and columns of the image that the visible part covers.
  """

  bgra: UInt8[np.ndarray, 'h w 4']
  region: tuple[slice, slice]


def render(
  library: Library, plan: Plan, t: int, crop_size: int | None = None
) -> Rendered:
  """Renders frame `t` of a sequence, or only the crop around the target.

  A frame shows the window of the plan at the scale of the photograph. The
  position and the scale of a crop are those at which `crops.context_crop` would
  cut it out of the frame.

  Args:
    library: Library that the plan was made for.
    plan: Plan of the sequence.
    t: Number of the frame, from 0.
    crop_size: Side of the crop, px (default: the whole frame).
  """
  canvas = _Canvas(library, plan, t, crop_size)
  for layer in plan.behind:
    patch = canvas.patch(layer)
    if patch is not None:
      canvas.blend(patch)
  target = canvas.patch(plan.target)
  coverage = np.zeros(canvas.bgr.shape[:2], np.uint8)
  coverage[target.region] = target.bgra[..., 3]
  canvas.blend(target)
  visible, whole = coverage.copy(), cv2.sumElems(coverage)[0]
  for layer in plan.before:
    patch = canvas.patch(layer)
    if patch is None:
      continue
    rest = cv2.bitwise_not(patch.bgra[..., 3])
    remaining = visible.copy()
    remaining[patch.region] = cv2.multiply(
      remaining[patch.region], rest, scale=1 / 255
    )
    # A layer that would hide too much is left out of this frame.
    if cv2.sumElems(remaining)[0] >= (1 - MOST_HIDDEN) * whole:
      canvas.blend(patch)
      visible = remaining
  hidden = 1 - cv2.sumElems(visible)[0] / whole
  return Rendered(canvas.exposed(), coverage, hidden)


class _Canvas:
  """An image that layers are blended into, starting from the background."""

  def __init__(
    self, library: Library, plan: Plan, t: int, crop_size: int | None
  ):
    self._library, self._plan, self._t = library, plan, t
    box, window = plan.box[t], plan.window[t]
    if crop_size is None:
      size_wh = window[2:].astype(int)
      self._scale, self._shift = 1.0, -window[:2]
    else:
      size_wh = np.full(2, crop_size)
      self._scale = crops.scale_of(box[2:])
      self._shift = (crop_size - 1) / 2 - self._scale * box[:2]
    self._drift = window[:2] - plan.window[max(t - 1, 0), :2]
    self.bgr, self._low, self._high = self._scene(window, size_wh)

  def _scene(self, window, size_wh):
    """Renders the background.

    Args:
      window: Part of the photograph that the camera shows, x, y, w, h, px.
      size_wh: Width and height of the image, px.

    Returns:
      Three arrays: the image with the background only, blue, green, red; and
      the top left and the bottom right corner of the part of the image in which
      layers are visible, each x, y, px.
    """
    # Find the part of the window that is inside the image, in whole pixels of
    # the photograph and of the image. The rounding moves the photograph by less
    # than a pixel.
    corner = self._scale * (window[:2] - 0.5) + self._shift + 0.5
    first = np.floor(np.maximum(-corner / self._scale, 0))
    last = np.ceil(np.minimum((size_wh - corner) / self._scale, window[2:]))
    x, y, w, h = np.concatenate([window[:2] + first, last - first]).astype(int)
    low = np.rint(corner + self._scale * first).astype(int)
    high = np.rint(corner + self._scale * last).astype(int)
    photograph = self._library.photograph(self._plan.photograph)
    drift = -self._drift * self._plan.shutter
    shown = _smeared(photograph[y : y + h, x : x + w], drift, self._scale)
    mean = cv2.mean(shown)
    shown = cv2.resize(shown, tuple((high - low).tolist()))
    cut = np.maximum(-low, 0)
    low, high = low + cut, np.minimum(high, size_wh)
    shown = shown[cut[1] :, cut[0] :][: high[1] - low[1], : high[0] - low[0]]
    mirrored = self._plan.mirrored
    bgr = cv2.copyMakeBorder(
      shown,
      top=int(low[1]),
      bottom=int(size_wh[1] - high[1]),
      left=int(low[0]),
      right=int(size_wh[0] - high[0]),
      borderType=cv2.BORDER_REFLECT_101 if mirrored else cv2.BORDER_CONSTANT,
      value=mean,
    )
    if mirrored:
      low, high = np.zeros(2, int), size_wh
    return bgr, low, high

  def exposed(self) -> UInt8[np.ndarray, 'h w 3']:
    """Returns the image with the camera's exposure and defocus applied."""
    plan, t = self._plan, self._t
    levels = 255 * (np.arange(256) / 255) ** plan.gamma[t]
    table = np.clip(levels[:, None] * plan.light[t], 0, 255)
    bgr = cv2.LUT(self.bgr, np.rint(table).astype(np.uint8)[None])
    blur = self._scale * plan.defocus[t]
    if blur > 0.3:
      # The fill outside the photograph must not blur into the photograph.
      (x, y), (right, bottom) = self._low, self._high
      inside = bgr[y:bottom, x:right]
      bgr[y:bottom, x:right] = cv2.GaussianBlur(inside, (0, 0), blur)
    return bgr

  def patch(self, layer: Layer) -> _Patch | None:
    """Returns the visible part of a layer; None if no part is visible."""
    t, sprite = self._t, self._sprite(layer)
    matrix = self._scale * layer.matrix[t]
    matrix[:, 2] += self._shift
    turn = matrix[:, :2]
    moved = layer.center[t] - layer.center[max(t - 1, 0)] - self._drift
    smear = self._scale * self._plan.shutter * moved
    half = np.array(sprite.shape[1::-1]) / 2
    middle = turn @ (half - 0.5) + matrix[:, 2]
    reach = abs(turn) @ half + abs(smear) / 2
    low = np.maximum(np.floor(middle - reach).astype(int), self._low)
    high = np.minimum(np.ceil(middle + reach).astype(int) + 1, self._high)
    if (high <= low).any():
      return None
    matrix[:, 2] -= low
    bgra = cv2.warpAffine(sprite, matrix, tuple((high - low).tolist()))
    bgra = _smeared(bgra, smear)
    bgra = cv2.transform(bgra, layer.color)
    return _Patch(bgra, np.s_[low[1] : high[1], low[0] : high[0]])

  def _sprite(self, layer: Layer) -> UInt8[np.ndarray, 'h w 4']:
    number = int(layer.cutout[self._t])
    if layer.texture is None:
      return self._library.cutout(number)
    coverage = _POLE if number == POLE else self._library.cutout(number)[..., 3]
    height, width = coverage.shape
    picture = self._library.photograph(layer.texture.photograph)
    x, y = layer.texture.corner * np.maximum(
      np.array(picture.shape[1::-1]) - [width, height], 0
    )
    piece = picture[int(y) : int(y) + height, int(x) : int(x) + width]
    if piece.shape[:2] != coverage.shape:
      piece = cv2.resize(piece, (width, height))
    return libraries.covered(piece, coverage)

  def blend(self, patch: _Patch) -> None:
    """Blends the visible part of a layer into the image."""
    rest = cv2.bitwise_not(patch.bgra[..., 3])
    under = cv2.multiply(
      self.bgr[patch.region], cv2.merge([rest] * 3), scale=1 / 255
    )
    self.bgr[patch.region] = cv2.add(under, patch.bgra[..., :3])


def _smeared(
  image: UInt8[np.ndarray, 'h w c'],
  smear: Float[np.ndarray, '2'],
  scale: float = 1.0,
) -> UInt8[np.ndarray, 'h w c']:
  """Applies motion blur along a vector, unless the vector is short.

  Args:
    image: Image to blur.
    smear: Motion x, y while the shutter is open, px of the image.
    scale: Number of pixels of the rendered image per pixel of `image`.
  """
  length = scale * np.hypot(*smear)
  if length < _STREAKS[0]:
    return image
  smear = smear * min(1.0, _STREAKS[1] / length)
  half = int(np.ceil(abs(smear).max() / 2))
  kernel = np.zeros((2 * half + 1, 2 * half + 1), np.float32)
  start, end = (
    tuple(np.rint(half + sign * smear / 2).astype(int).tolist())
    for sign in (-1, 1)
  )
  cv2.line(kernel, start, end, 1.0)
  return cv2.filter2D(image, -1, kernel / kernel.sum())


def _pole() -> UInt8[np.ndarray, 'h w']:
  """Returns the coverage of a vertical pole with soft sides, 0 to 255."""
  coverage = np.zeros(POLE_HW, np.uint8)
  coverage[:, 2:-2] = 255
  return cv2.GaussianBlur(coverage, (5, 5), 0.9)


_POLE = _pole()
