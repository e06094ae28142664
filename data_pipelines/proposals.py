"""Boxes where objects may be, found in unlabelled video without a detector.

Two cues: what moves against the background, and what has more corners than its
surroundings. Both are weak; whoever tracks the boxes finds out which of them
hold on to something.
"""

from collections.abc import Sequence

import cv2
import numpy as np
from jaxtyping import Float, UInt8

from acm_jax.geometry import boxes

# Longest side of the images that are searched, px.
_LONGEST = 640
# Later frames that the first is compared with, and how far ahead these reach.
_NEIGHBOURS, _REACH = 5, 24
# Corners below which a camera's motion cannot be told.
_LEAST_CORNERS = 12
# Grey levels by which a moving thing differs from the background.
_LEAST_CHANGE = 18
# Windows of the search for texture: width times height as parts of the short
# side of the image squared, and width over height.
_SCALES, _ASPECTS = (0.1, 0.16, 0.25, 0.4), (0.4, 0.7, 1.0, 1.8)
# Standard deviation of the grey levels in a box below which it is flat.
_LEAST_CONTRAST = 10.0
# Shortest side, px of the video, and longest side as a part of the image's.
_LEAST_SIDE, _MOST_SIDE = 12, 0.7
# Gap between parts of one moving thing, as a part of the image's longest side.
_GAP = 1 / 60
# Pixels that change together, of the image that is searched, below which they
# are noise.
_LEAST_AREA = 8
# Distance from the border within which an object is probably cut, px.
_BORDER = 3
# IoU above which two proposals count as one, and the part of a proposal above
# which it lies in another one.
_SAME, _INSIDE = 0.3, 0.7


def propose(
  frames: Sequence[UInt8[np.ndarray, 'h w 3']],
  count: int,
  seed: int | tuple[int, ...],
) -> Float[np.ndarray, 'n 4']:
  """Proposes boxes in the first of some frames.

  Moving things come first, the largest ones before the others. Textured
  regions fill up the rest: of the best ones, twice as many as are wanted, a
  choice at random, so that more than one sort of thing is proposed.

  Args:
    frames: RGB frames of one shot, in order.
    count: Most boxes.
    seed: Of the choice of textured regions.

  Returns:
    Boxes x, y, w, h, px of the frames, 0-based; none overlaps another one much,
    touches the border or is flat.
  """
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
  """Finds what is elsewhere in all but one of the other images, largest first.

  These are moved onto the first by homographies, as a camera that turns or a
  distant scene has them. Only the place where an object
  starts is found: at the places that it moves to few images differ.

  Args:
    first: Grey image.
    others: Later images of the same size; without any, nothing moves.
  """
  if not others:
    return np.zeros((0, 4))
  corners = np.float32(_corners(first, 400))
  moved = [_registered(other, first, corners) for other in others]
  changes = [_change(first, other) for other in moved]
  change = np.sort(changes, axis=0)[min(1, len(changes) - 1)]
  # One thing may change in several places: gaps between these are closed.
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
  """Finds windows with more corners than their surroundings, the best first.

  A window that holds k corners and has a share p of a larger window round it,
  which holds n, scores (k - n p) / sqrt(n p + 1): how unlikely so many are by
  chance. Each of the best then shrinks to the corners in it.
  """
  corners = _corners(image, 1000)
  counts = np.zeros(image.shape, np.float32)
  counts[tuple(np.intp(corners[:, ::-1]).T)] = 1
  found = []
  for scale in _SCALES:
    for aspect in _ASPECTS:
      side = scale * min(image.shape)
      size = np.array([side * aspect**0.5, side / aspect**0.5])
      found.append(_scored_windows(counts, size))
  windows = np.concatenate(found)
  best = np.argsort(-windows[:, 4], kind='stable')
  windows = distinct(windows[best, :4])
  tight = [_tight(window, corners) for window in windows]
  return np.reshape(tight, (-1, 4))


def _tight(box_xywh, corners) -> Float[np.ndarray, '4']:
  """The smallest box round the corners in a window."""
  low, high = box_xywh[:2], box_xywh[:2] + box_xywh[2:]
  inside = corners[((corners >= low) & (corners < high)).all(axis=1)]
  low, high = inside.min(axis=0), inside.max(axis=0)
  return np.concatenate([low, high - low + 1])


def _scored_windows(counts, size) -> Float[np.ndarray, 'n 5']:
  """Rows x, y, w, h, score of the windows of a size whose scores peak."""
  w, h = (max(3, round(side)) for side in size)
  around = 2 * w, 2 * h
  inside, outside = (
    cv2.boxFilter(counts, -1, s, normalize=False, borderType=cv2.BORDER_REFLECT)
    for s in ((w, h), around)
  )
  expected = outside * (w * h) / (around[0] * around[1])
  score = (inside - expected) / np.sqrt(expected + 1)
  # The best of its neighbours; among equals, as a plateau has, the last one.
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


def _registered(other, first, corners) -> UInt8[np.ndarray, 'h w']:
  """Moves an image onto the first; beyond its border it equals the first."""
  if len(corners) < _LEAST_CORNERS:
    return other
  there, tracked, _ = cv2.calcOpticalFlowPyrLK(first, other, corners, None)
  good = tracked[:, 0] > 0
  if good.sum() < _LEAST_CORNERS:
    return other
  homography, _ = cv2.findHomography(
    there[good], corners[good], cv2.RANSAC, 2.0
  )
  if homography is None:
    return other
  h, w = first.shape
  return cv2.warpPerspective(
    other, homography, (w, h), first.copy(), borderMode=cv2.BORDER_TRANSPARENT
  )


def _at_least(box_xywh, side: float) -> Float[np.ndarray, 'n 4']:
  """Boxes whose sides are grown about their centre to be at least so long."""
  size = np.maximum(box_xywh[:, 2:], np.ceil(side))
  return np.concatenate(
    [box_xywh[:, :2] + (box_xywh[:, 2:] - size) / 2, size], axis=1
  )


def _change(first, other) -> UInt8[np.ndarray, 'h w']:
  """Grey levels by which an image leaves the range of the other one.

  That range is taken from a pixel and its neighbours, which forgives a
  misplacement of one pixel.
  """
  around = np.ones((3, 3), np.uint8)
  return np.maximum(
    cv2.subtract(first, cv2.dilate(other, around)),
    cv2.subtract(cv2.erode(other, around), first),
  )


def _fit(box_xywh, image, scale: float) -> Float[np.ndarray, 'n 4']:
  """Boxes of a size for a tracker, off the border, with something in them."""
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
  """Leaves out boxes that overlap an earlier one much or lie mostly in it."""
  kept: list[int] = []
  corners = boxes.xywh_to_xyxy(box_xywh)
  area = boxes.area(corners)
  for i, box in enumerate(corners):
    iou = boxes.iou(box, corners[kept])
    shared = iou / (1 + iou) * (area[i] + area[kept])
    if (np.maximum(iou / _SAME, shared / area[i] / _INSIDE) <= 1).all():
      kept.append(i)
  return box_xywh[kept]
