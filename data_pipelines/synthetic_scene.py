"""Renders the frames of synthetic sequences and simulates the camera."""

import dataclasses

import cv2
import numpy as np

from acm_jax.host import quiet
from data_pipelines import synthetic_motion, synthetic_textures
from data_pipelines.synthetic_motion import Motion
from data_pipelines.synthetic_textures import Textures

# A target counts as visible when at least this fraction of it is in the frame
# and not occluded.
_VISIBLE_PART = 0.1
# Side of the sprites' images, px; most sprites are rendered at a smaller size.
_SPRITE_SIDE = 96
# Size of an obstacle that hides the target, relative to other obstacles.
_HIDING = 2.5


@dataclasses.dataclass(frozen=True, eq=False)
class _Actor:
  """A sprite and its motion."""

  image: np.ndarray
  motion: Motion


class Scene:
  """Scene of a sequence.

  From back to front: background, distractors, target, obstacles.
  """

  def __init__(self, rng, frames, size, textures: Textures, hides: int = 0):
    """Samples the sprites and their motion.

    Args:
      rng: Source of randomness.
      frames: Number of frames.
      size: Height and width of the frames, px.
      textures: Source of the sprites' textures and of the background.
      hides: Number of extra obstacles, large enough to hide the target in
        several frames.
    """
    h, w = size
    self._size = size
    self._pan = synthetic_motion.pan(rng, frames)
    self._tilt = 0.05 * synthetic_motion.wander(rng, frames, 0.97)
    self._tilt *= rng.integers(2)
    backdrop = textures.scene(rng, h * 3 // 2, w * 3 // 2)
    self._backdrop = _defocus(rng, backdrop, 1.5)
    # Fraction of the interval between frames during which the shutter is open.
    self._shutter = max(0.0, rng.uniform(-0.5, 0.7))
    family = textures.family(rng, _SPRITE_SIDE, 5)
    outline = synthetic_textures.shape(rng, _SPRITE_SIDE)
    side = min(h, w) * np.exp(rng.uniform(np.log(0.13), np.log(0.36)))
    self._target = _Actor(
      synthetic_textures.sprite(family[0], outline),
      synthetic_motion.roam(rng, frames, size, side),
    )
    self._behind = [
      self._distractor(rng, texture, outline, side, frames)
      for texture in family[1 : 1 + rng.integers(1, 4)]
    ]
    obstacles = [
      self._obstacle(rng, textures)
      for _ in range(rng.choice(3, p=[0.4, 0.4, 0.2]))
    ]
    obstacles += [self._obstacle(rng, textures, _HIDING) for _ in range(hides)]
    self._before = [
      each for each in obstacles if _apart(each.motion, self._target.motion)
    ]

  def _obstacle(self, rng, textures, enlarged=1.0) -> _Actor:
    """Samples an obstacle that the target passes behind."""
    surface = textures.scene(rng, _SPRITE_SIDE, _SPRITE_SIDE)
    form = synthetic_textures.shape(rng, _SPRITE_SIDE)
    target = self._target.motion
    motion = synthetic_motion.crossing(rng, target, self._pan, enlarged)
    return _Actor(synthetic_textures.sprite(surface, form), motion)

  def _distractor(self, rng, texture, outline, side, frames) -> _Actor:
    """Samples a distractor, which may have the outline of the target."""
    if rng.random() < 0.5:
      outline = synthetic_textures.shape(rng, _SPRITE_SIDE)
    side = side * np.exp(rng.normal(0, 0.2))
    motion = synthetic_motion.roam(rng, frames, self._size, side)
    return _Actor(synthetic_textures.sprite(texture, outline), motion)

  def render(self, t: int) -> tuple[np.ndarray, np.ndarray, bool]:
    """Renders frame t.

    Returns:
      RGB image; box of the target, x, y, w, h, px, or NaN if the target is
      outside the frame; and whether the target is visible.
    """
    image = self._background(t)
    for actor in self._behind:
      self._paint(image, actor, t)
    region, coverage = self._paint(image, self._target, t)
    box, visible = np.full(4, np.nan), False
    if region is not None:
      box = _bounds(coverage, region)
      remaining = np.zeros(self._size, np.uint8)
      remaining[region] = coverage
    for actor in self._before:
      occluded, occluder = self._paint(image, actor, t)
      if region is not None and occluded is not None:
        rest = cv2.subtract(np.full_like(occluder, 255), occluder)
        remaining[occluded] = cv2.multiply(
          remaining[occluded], rest, scale=1 / 255
        )
    if np.isfinite(box).all():
      whole = self._target.image[..., 3].sum(dtype=float)
      whole *= np.prod(self._target.motion.size[t] / _SPRITE_SIDE)
      visible = bool(remaining.sum(dtype=float) >= _VISIBLE_PART * whole)
    return image, box, visible

  def _background(self, t: int) -> np.ndarray:
    h, w = self._size
    c, s = np.cos(self._tilt[t]), np.sin(self._tilt[t])
    turn = np.array([[c, -s], [s, c]])
    center = np.array([w - 1, h - 1]) / 2
    middle = (np.array(self._backdrop.shape[1::-1]) - 1) / 2
    shift = center + self._pan[t] - turn @ middle
    return cv2.warpAffine(
      self._backdrop,
      np.column_stack([turn, shift]),
      (w, h),
      borderMode=cv2.BORDER_REFLECT_101,
    )

  def _paint(self, image, actor: _Actor, t: int):
    """Blends an actor into the image.

    Returns:
      Painted region of the image, and the actor's coverage of the pixels in
      this region; (None, None) if the actor is outside the frame.
    """
    motion = actor.motion
    step = motion.center[t] - motion.center[max(t - 1, 0)]
    smear = step * self._shutter
    turn, reach = _pose(motion.size[t], motion.angle[t])
    low = np.floor(motion.center[t] - reach - abs(smear)).astype(int)
    high = np.ceil(motion.center[t] + reach + abs(smear)).astype(int) + 1
    low, high = np.maximum(low, 0), np.minimum(high, self._size[::-1])
    if (high <= low).any():
      return None, None
    middle = np.full(2, (_SPRITE_SIDE - 1) / 2)
    matrix = np.column_stack([turn, motion.center[t] - low - turn @ middle])
    patch = cv2.warpAffine(actor.image, matrix, tuple((high - low).tolist()))
    if np.hypot(*smear) >= 2:
      patch = cv2.filter2D(patch, -1, _streak(smear))
    alpha = patch[..., 3]
    region = np.s_[low[1] : high[1], low[0] : high[0]]
    rest = cv2.merge([cv2.bitwise_not(alpha)] * 3)
    color = cv2.convertScaleAbs(patch[..., :3], alpha=motion.gain[t])
    image[region] = cv2.add(
      cv2.multiply(image[region], rest, scale=1 / 255), color
    )
    return region, alpha


class Camera:
  """Simulated camera: exposure, focus, noise and compression."""

  def __init__(self, rng, frames, size):
    """Samples the properties of the camera.

    Args:
      rng: Source of randomness.
      frames: Number of frames.
      size: Height and width of the frames, px.
    """
    h, w = size
    light = np.exp(0.15 * synthetic_motion.wander(rng, frames, 0.95))
    gamma = np.exp(rng.normal(0, 0.15))
    tint = np.exp(rng.normal(0, 0.06, 3))
    levels = 255 * (np.arange(256) / 255) ** gamma
    tables = levels[None, :, None] * (light[:, None, None] * tint)
    self._tables = np.clip(np.rint(tables), 0, 255).astype(np.uint8)
    self._blur = max(0.0, rng.uniform(-1.5, 1.2))
    strength = max(0.0, rng.uniform(-4, 9))
    self._noise = rng.normal(0, strength, (h + 32, w + 32, 3)).astype(np.int8)
    self._offsets = rng.integers(0, 33, (frames, 2))
    self._quality = int(rng.integers(30, 95)) if rng.random() < 0.5 else None

  def record(self, image: np.ndarray, t: int) -> np.ndarray:
    """Returns frame t as the camera records it."""
    h, w = image.shape[:2]
    image = cv2.LUT(image, self._tables[t][:, None, :])
    if self._blur > 0.3:
      image = cv2.GaussianBlur(image, (0, 0), self._blur)
    y, x = self._offsets[t]
    noise = self._noise[y : y + h, x : x + w]
    image = cv2.add(image, noise, dtype=cv2.CV_8U)
    if self._quality is not None:
      flags = [cv2.IMWRITE_JPEG_QUALITY, self._quality]
      _, data = cv2.imencode('.jpg', image, flags)
      with quiet.opencv():
        image = cv2.imdecode(data, cv2.IMREAD_COLOR)
    return image


def _apart(a: Motion, b: Motion) -> bool:
  """Returns whether two sprites, before rotation, are apart in the first frame.

  An obstacle is used only if it is apart from the target in that frame, since
  trackers start from that frame.
  """
  gap = abs(a.center[0] - b.center[0]) - (a.size[0] + b.size[0]) / 2
  return bool((gap > 0).any())


def _pose(size, angle):
  """Computes the linear map and the extent of a sprite in the frame.

  Returns:
    Linear map from the sprite's image to the frame; half the width and height
    of the sprite's bounding box in the frame, px.
  """
  c, s = np.cos(angle), np.sin(angle)
  turn = np.array([[c, -s], [s, c]]) * (size / _SPRITE_SIDE)
  return turn, abs(turn) @ np.full(2, _SPRITE_SIDE / 2)


def _bounds(coverage, region):
  """Returns the box x, y, w, h around pixels that are at least half covered.

  Returns NaN if there are no such pixels.

  Args:
    coverage: Coverage of the pixels of a region, 0 to 255.
    region: Rows and columns of the region in the frame, as slices.
  """
  rows, columns = region
  mask = cv2.threshold(coverage, 127, 255, cv2.THRESH_BINARY)[1]
  x, y, w, h = cv2.boundingRect(mask)
  if w == 0:
    return np.full(4, np.nan)
  return np.array([columns.start + x, rows.start + y, w, h])


def _streak(smear):
  """Returns the kernel for a motion blur along the vector `smear`, px."""
  half = int(np.ceil(abs(smear).max() / 2))
  kernel = np.zeros((2 * half + 1, 2 * half + 1), np.float32)
  start, end = (
    tuple(np.rint(half + sign * smear / 2).astype(int).tolist())
    for sign in (-1, 1)
  )
  cv2.line(kernel, start, end, 1.0)
  return kernel / kernel.sum()


def _defocus(rng, image, most):
  sigma = rng.uniform(0, most)
  return cv2.GaussianBlur(image, (0, 0), sigma) if sigma > 0.3 else image
