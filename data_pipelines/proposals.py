"""Proposes boxes of objects in unlabelled video, without a detector.

A region is proposed if it moves against the background, or if it has more
corners than its surroundings. Both cues are weak. Tracking the boxes shows
which of them contain an object.
"""

from collections.abc import Sequence

import cv2
import numpy as np
from jaxtyping import Float, UInt8

from acm_jax.geometry import boxes

# Maximum side of the images that are searched, px; larger images are shrunk.
_LONGEST = 640
# Number of later frames that are compared with the first frame. Maximum
# distance of these frames from the first frame, in frames.
_NEIGHBOURS, _REACH = 5, 24
# Number of corners needed to estimate the camera's motion.
_LEAST_CORNERS = 12
# Difference above which a pixel counts as changed, grey levels.
_LEAST_CHANGE = 18
# Sizes of the windows that are searched for texture. A scale is the square root
# of the window's area, as a fraction of the image's shorter side. An aspect is
# the window's width divided by its height.
_SCALES, _ASPECTS = (0.1, 0.16, 0.25, 0.4), (0.4, 0.7, 1.0, 1.8)
# Minimum standard deviation of the grey levels in a box; flatter boxes are left
# out.
_LEAST_CONTRAST = 10.0
# Minimum side of a box, px of the video. Maximum width and maximum height of a
# box, as fractions of the image's width and height.
_LEAST_SIDE, _MOST_SIDE = 12, 0.7
# Largest gap between parts of one moving object, as a fraction of the image's
# longest side.
_GAP = 1 / 60
# Area below which a connected region of changed pixels counts as noise, in
# pixels of the searched image.
_LEAST_AREA = 8
# Distance from the image border below which an object is probably cut off, px.
_BORDER = 3
# IoU above which two boxes count as the same. A box counts as a part of another
# box if more than the fraction _INSIDE of its area is inside the other box.
_SAME, _INSIDE = 0.3, 0.7


def propose(
  frames: Sequence[UInt8[np.ndarray, '_ _ 3']],
  count: int,
  seed: int | tuple[int, ...],
) -> Float[np.ndarray, 'n 4']:
  """Proposes boxes of objects in the first of several frames.

  Boxes of moving objects come first, in descending order of size. Boxes of
  textured regions follow: for variety, they are drawn at random from the
  2 * `count` best.

  Args:
    frames: RGB frames of one shot, in order. Motion is found by comparison
      with those frames that have the size of the first one.
    count: Maximum number of boxes.
    seed: Random seed for drawing the textured regions.

  Returns:
    Boxes x, y, w, h, 0-based, in px of the first frame. Boxes are left out if
    they overlap an earlier box too much, touch the border, are too small or too
    large, or have little contrast.
  """
  frames = [frame for frame in frames if frame.shape == frames[0].shape]
  h, w = frames[0].shape[:2]
  scale = min(1.0, _LONGEST / max(h, w))
  ahead = np.linspace(0, min(len(frames) - 1, _REACH), _NEIGHBOURS + 1)
  first, *others = (
    _small_grey(frames[i], scale) for i in sorted({round(i) for i in ahead})
  )
  moving = _at_least(moving_boxes(first, others), _LEAST_SIDE * scale)
  moving = distinct(_fit(moving, first, scale))
  textured = _fit(textured_boxes(first), first, scale)
  textured = distinct(np.concatenate([moving, textured]))[len(moving) :]
  textured = textured[: 2 * count]
  order = np.random.default_rng(seed).permutation(len(textured))
  chosen = np.concatenate([moving, textured[order]])[:count]
  return (chosen / scale).astype(np.float32)


def moving_boxes(
  first: UInt8[np.ndarray, 'h w'], others: Sequence[UInt8[np.ndarray, 'h w']]
) -> Float[np.ndarray, 'n 4']:
  """Finds moving regions of an image by comparison with later images.

  A pixel counts as changed if it differs from all later images, with at most
  one exception. The later images are first aligned by homographies, which model
  a rotating camera or a distant scene. A moving object is found only where it
  is in the first image. A place that the object reaches later does not count as
  changed, since the place differs from the first image only while the object is
  there.

  Args:
    first: Grey image.
    others: Later grey images of the same size; if empty, no box is returned.

  Returns:
    Boxes x, y, w, h, px, in descending order of the changed area.
  """
  if not others:
    return np.zeros((0, 4))
  corners = np.float32(_corners(first, 400))
  aligned = [_aligned(other, first, corners) for other in others]
  changes = [_change(first, other) for other in aligned]
  change = np.sort(changes, axis=0)[min(1, len(changes) - 1)]
  # Close the gaps, since one object may cause several changed regions.
  side = max(3, round(_GAP * max(first.shape)))
  joined = cv2.morphologyEx(
    np.uint8(change > _LEAST_CHANGE),
    cv2.MORPH_CLOSE,
    cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (side, side)),
  )
  _, _, stats, _ = cv2.connectedComponentsWithStats(joined)
  parts = stats[1:][stats[1:, cv2.CC_STAT_AREA] >= _LEAST_AREA]
  parts = parts[np.argsort(-parts[:, cv2.CC_STAT_AREA], kind='stable')]
  return parts[:, :4].astype(float)


def textured_boxes(image: UInt8[np.ndarray, 'h w']) -> Float[np.ndarray, 'n 4']:
  """Finds windows in which corners are denser than around them.

  Each window is compared with a larger window around it. If the window has k
  corners, the larger one has n corners, and the window covers a fraction p of
  the larger one, the score is (k - n p) / sqrt(n p + 1). The score is high if
  so many corners are unlikely by chance. The best windows are shrunk to the
  corners inside them.

  Args:
    image: Grey image.

  Returns:
    Boxes x, y, w, h, px, in descending order of the score.
  """
  corners = _corners(image, 1000)
  counts = np.zeros(image.shape, np.float32)
  counts[tuple(np.intp(corners[:, ::-1]).T)] = 1
  windows = []
  for scale in _SCALES:
    for aspect in _ASPECTS:
      side = scale * min(image.shape)
      size = np.array([side * aspect**0.5, side / aspect**0.5])
      windows.append(_scored_windows(counts, size))
  windows = np.concatenate(windows)
  best = np.argsort(-windows[:, 4], kind='stable')
  windows = distinct(windows[best, :4])
  tight = [_tight(window, corners) for window in windows]
  return np.reshape(tight, (-1, 4))


def _tight(box_xywh, corners) -> Float[np.ndarray, '4']:
  """Returns the smallest box around the corners in a window."""
  low, high = box_xywh[:2], box_xywh[:2] + box_xywh[2:]
  inside = corners[((corners >= low) & (corners < high)).all(axis=1)]
  low, high = inside.min(axis=0), inside.max(axis=0)
  return np.concatenate([low, high - low + 1])


def _scored_windows(counts, size) -> Float[np.ndarray, 'n 5']:
  """Finds windows of one size with more corners than expected.

  A window's score measures by how much its number of corners exceeds the number
  expected from the larger window around it. Windows are kept if their score is
  above 1 and is a local maximum.

  Args:
    counts: Number of corners at each pixel.
    size: Width and height of the windows, px.

  Returns:
    Rows of x, y, w, h, score.
  """
  w, h = (max(3, round(side)) for side in size)
  around = 2 * w, 2 * h
  inside, outside = (
    cv2.boxFilter(counts, -1, s, normalize=False, borderType=cv2.BORDER_REFLECT)
    for s in ((w, h), around)
  )
  expected = outside * (w * h) / (around[0] * around[1])
  score = (inside - expected) / np.sqrt(expected + 1)
  # Tiny increments break ties: only the last of several equal scores remains a
  # maximum.
  score = score + 1e-9 * np.arange(score.size).reshape(score.shape)
  best = cv2.dilate(score, np.ones((h, w), np.uint8)) == score
  y, x = np.nonzero(best & (score > 1))
  sides = np.full_like(x, w), np.full_like(x, h)
  rows = np.stack([x - w // 2, y - h // 2, *sides, score[y, x]], axis=1)
  whole = (rows[:, :2] >= 0) & (rows[:, :2] + [w, h] <= score.shape[::-1])
  return rows[whole.all(axis=1)]


def _small_grey(frame, scale: float) -> UInt8[np.ndarray, 'h w']:
  grey = cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY)
  if scale == 1:
    return grey
  size = [round(side * scale) for side in grey.shape[::-1]]
  return cv2.resize(grey, size, interpolation=cv2.INTER_AREA)


def _corners(image, most: int) -> Float[np.ndarray, 'n 2']:
  found = cv2.goodFeaturesToTrack(image, most, 0.01, 3)
  return np.zeros((0, 2)) if found is None else found[:, 0]


def _aligned(other, first, corners) -> UInt8[np.ndarray, 'h w']:
  """Warps `other` to align it with `first`.

  Pixels that the warped image does not cover are taken from `first`. Returns
  `other` unchanged if the alignment fails, for instance because too few corners
  can be tracked.

  Args:
    other: Image to align.
    first: Image to align with.
    corners: Corners of `first`, x, y, px.
  """
  if len(corners) < _LEAST_CORNERS:
    return other
  moved, tracked, _ = cv2.calcOpticalFlowPyrLK(first, other, corners, None)
  good = tracked[:, 0] > 0
  if good.sum() < _LEAST_CORNERS:
    return other
  homography, _ = cv2.findHomography(
    moved[good], corners[good], cv2.RANSAC, 2.0
  )
  if homography is None:
    return other
  h, w = first.shape
  return cv2.warpPerspective(
    other, homography, (w, h), first.copy(), borderMode=cv2.BORDER_TRANSPARENT
  )


def _at_least(box_xywh, side: float) -> Float[np.ndarray, 'n 4']:
  """Grows boxes around their centres until each side has a minimum length."""
  size = np.maximum(box_xywh[:, 2:], np.ceil(side))
  return np.concatenate(
    [box_xywh[:, :2] + (box_xywh[:, 2:] - size) / 2, size], axis=1
  )


def _change(first, other) -> UInt8[np.ndarray, 'h w']:
  """Computes by how many grey levels `first` leaves the range of `other`.

  The range at a pixel reaches from the minimum to the maximum of `other` in the
  3 x 3 window around the pixel. The window tolerates a misalignment of one
  pixel. The result is 0 where `first` is inside the range.
  """
  around = np.ones((3, 3), np.uint8)
  return np.maximum(
    cv2.subtract(first, cv2.dilate(other, around)),
    cv2.subtract(cv2.erode(other, around), first),
  )


def _fit(box_xywh, image, scale: float) -> Float[np.ndarray, 'n 4']:
  """Keeps boxes of suitable size and contrast that do not touch the border."""
  h, w = image.shape
  x, y, wide, high = box_xywh.T
  fit = (
    (np.minimum(wide, high) >= _LEAST_SIDE * scale)
    & (wide <= _MOST_SIDE * w)
    & (high <= _MOST_SIDE * h)
    & (np.minimum(x, y) >= _BORDER)
    & (x + wide <= w - _BORDER)
    & (y + high <= h - _BORDER)
  )
  fit[fit] = [_contrast(image, box) > _LEAST_CONTRAST for box in box_xywh[fit]]
  return box_xywh[fit]


def _contrast(image, box_xywh) -> float:
  x, y, w, h = np.intp(np.rint(box_xywh))
  return float(image[y : y + h, x : x + w].std())


def distinct(box_xywh: Float[np.ndarray, 'n 4']) -> Float[np.ndarray, 'm 4']:
  """Leaves out boxes that strongly overlap an earlier box or mostly lie in it.

  Args:
    box_xywh: Boxes x, y, w, h, px, in descending order of preference.

  Returns:
    Boxes that are kept, in the same order.
  """
  kept: list[int] = []
  corners = boxes.xywh_to_xyxy(box_xywh)
  area = boxes.area(corners)
  for i, box in enumerate(corners):
    iou = boxes.iou(box, corners[kept])
    shared = iou / (1 + iou) * (area[i] + area[kept])
    if (np.maximum(iou / _SAME, shared / area[i] / _INSIDE) <= 1).all():
      kept.append(i)
  return box_xywh[kept]
