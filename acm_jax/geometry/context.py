"""Sides of square crops, with context and with a margin for augmentation."""

import math


def context_side(w, h, context_amount: float = 0.5):
  """Returns the side of the square around a w x h box and its context, px.

  The side is sqrt((w + p) (h + p)) with p = context_amount (w + h), as in the
  template crops of the SiamFC family. It is not rounded. Takes scalars or
  arrays.

  Source: SiamFC (arXiv:1606.09549), section 3.2. There, p is the margin on one
  side of the box, which is half of the p above.
  """
  margin = context_amount * (w + h)
  return ((w + margin) * (h + margin)) ** 0.5


def padded_side(size: int, shift: float, scale: float) -> int:
  """Returns the side of the centred region that augmentation can reach, px.

  The region contains a crop of `size` px after stretching by up to 1 + `scale`
  and moving by up to `shift`, plus a pixel at each edge for interpolation. The
  side is odd, so that the region has a centre pixel like the crops of 127, 255
  and 511 px.

  Args:
    size: Side of the crop after augmentation, px.
    shift: Largest displacement along each axis, px.
    scale: Largest relative change of the crop's side.
  """
  half = (size - 1) / 2 * (1 + scale) + shift
  return 2 * (math.ceil(half) + 1) + 1
