"""Images and boxes that trackers are given, and their checks, without JAX."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from absl import logging
from jaxtyping import Float

from acm_jax.geometry import boxes

# RGB, uint8 [h, w, 3]; checked by `check_image`.
Image = np.ndarray
# Box: x, y, w, h in px, 0-based. Boxes: one such row per target.
Box = np.ndarray | Sequence
Boxes = np.ndarray | Sequence


def as_array(boxes: Any) -> Float[np.ndarray, '...']:
  """Converts boxes to an array of float32.

  Raises:
    ValueError: The boxes do not consist of numbers.
  """
  try:
    return np.asarray(boxes, np.float32)
  except (TypeError, ValueError):
    raise ValueError(
      f'box {boxes!r} does not consist of numbers; give x,y,w,h in pixels'
    ) from None


def as_boxes(boxes: Any) -> Float[np.ndarray, 'n _']:
  """Converts the boxes of one or more targets to an array of float32.

  Raises:
    ValueError: The boxes do not consist of numbers, or are not rows.
  """
  rows = as_array(boxes)
  if rows.ndim != 2 or not len(rows):
    raise ValueError(
      f'the boxes have the shape {list(rows.shape)}; give one row x,y,w,h per '
      'target'
    )
  return rows


def check_image(image: Any) -> None:
  """Checks that an image is a NumPy array of RGB values in uint8.

  Raises:
    ValueError: The image has the wrong type, shape or dtype.
  """
  if not isinstance(image, np.ndarray):
    raise ValueError(
      f'the image is a {type(image).__name__}; give a NumPy array of RGB '
      'values, uint8 [h, w, 3]'
    )
  if image.ndim != 3 or image.shape[2] != 3 or 0 in image.shape:
    raise ValueError(
      f'the image has the shape {list(image.shape)}; give RGB values '
      '[h, w, 3]: repeat a grey channel three times, drop an alpha channel'
    )
  if image.dtype != np.uint8:
    raise ValueError(
      f'the image has the dtype {image.dtype}; give uint8 values from 0 to 255'
    )


def check_box(box_xywh: np.ndarray, size_hw: tuple[int, int]) -> None:
  """Checks that a box can be tracked.

  Raises:
    ValueError: The box is not four finite numbers, is less than a pixel wide or
      high, or does not overlap the frame.
  """
  text = ','.join(f'{value:g}' for value in np.ravel(box_xywh))
  if box_xywh.shape != (4,):
    raise ValueError(f'box {text} is not four numbers; give x,y,w,h in pixels')
  if not np.isfinite(box_xywh).all():
    raise ValueError(f'box {text} is not finite; give x,y,w,h in pixels')
  if (box_xywh[2:] < 1).any():
    raise ValueError(
      f'box {text} is less than a pixel wide or high; give x,y,w,h in pixels'
    )
  inside = boxes.clip(boxes.xywh_to_xyxy(box_xywh), size_hw)
  if boxes.area(inside) <= 0:
    h, w = size_hw
    raise ValueError(
      f'box {text} lies outside the frame of {w} x {h} pixels; give a box that '
      'overlaps the frame'
    )


def warn_if_small(
  box_xywh: np.ndarray, smallest_side: float, target: str
) -> None:
  """Warns if a target's first box is smaller than all tracked boxes will be.

  Args:
    box_xywh: First box of the target, px.
    smallest_side: Limit of the tracker, `Tracker.smallest_side`, px.
    target: Name of the target.
  """
  w, h = box_xywh[2:]
  if min(w, h) < smallest_side:
    logging.warning(
      '%s: the first box is %g x %g px, but the tracker returns boxes of at '
      'least %g x %g px; to follow smaller targets, set a lower limit with '
      '--smallest_side, or with smallest_side in acm_jax.load',
      *(target, w, h, smallest_side, smallest_side),
    )
