"""Sides of squares around a box with its context and around augmented crops."""

import math


def context_side(w, h, context_amount: float = 0.5):
  """Returns the side of the square around a w x h box and its context, px.

  The side is sqrt((w + p) (h + p)) with p = context_amount (w + h), as in the
  template crops of the SiamFC family. It is not rounded.

  Args:
    w: Width of the box, px; a scalar or an array.
    h: Height of the box, px, in the shape of `w`.
    context_amount: Increase of width and height, as a fraction of w + h.

  Source: SiamFC (arXiv:1606.09549), section 3.2. The paper's p is the margin on
  one side of the box; the p above covers both sides and is twice as large.
  """
  margin = context_amount * (w + h)
  return ((w + margin) * (h + margin)) ** 0.5


def padded_side(size: int, shift: float, scale: float) -> int:
  """Returns the side of a square that contains all augmented crops, px.

  The square contains a crop of `size` px that is enlarged by a factor of up to
  1 + `scale` and moved from the centre by up to `shift` px, plus one pixel at
  each edge for interpolation. The side is odd, as are 127, 255 and 511 px; the
  square therefore has a centre pixel.

  Args:
    size: Side of the crop after augmentation, px.
    shift: Largest displacement of the crop along each axis, px.
    scale: Largest relative change of the crop's side.
  """
  half = (size - 1) / 2 * (1 + scale) + shift
  return 2 * (math.ceil(half) + 1) + 1
