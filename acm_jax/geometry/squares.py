"""Squares that are cut out of a frame and resized, for NumPy and JAX arrays."""

import numpy as np
from jaxtyping import Num

from acm_jax.geometry import boxes, context


def of_template(
  box_xywh: Num[object, '4'], context_amount: float, pixel_shift: float
):
  """Returns the centre x, y and the side of the template crop's square, px.

  Args:
    box_xywh: Box of the target in the first frame, px.
    context_amount: Length added to the target's width and height for context,
      as a fraction of their sum.
    pixel_shift: Offset that is added to the centres of boxes and of crops, px.
  """
  xp = box_xywh.__array_namespace__()
  center = boxes.pixel_center(box_xywh) + 2 * pixel_shift
  side = context.context_side(box_xywh[2], box_xywh[3], context_amount)
  return center, xp.round(side)


def corner(center: Num[object, '*b 2'], side):
  """Returns the first pixel x, y of a square around a point.

  Args:
    center: Centre x, y of the square, px.
    side: Side of the square, a whole number of px.
  """
  xp = center.__array_namespace__()
  return xp.floor(center - (side + 1) / 2 + 0.5)


def samples(side, size: int):
  """Returns where a square is sampled along an axis, px from its first pixel.

  Resizing equals OpenCV's: pixel centres lie at half-integers, and no pixel
  beyond the square contributes.

  Args:
    side: Side of the square, a whole number of px.
    size: Side of the resized crop, px.
  """
  at = (np.arange(size, dtype=np.float32) + 0.5) * side / size - 0.5
  return at.clip(0, side - 1)
