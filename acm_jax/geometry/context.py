"""How large the square crop round a target is, and what room a crop needs."""

import math


def context_side(w, h, context_amount: float = 0.5):
  """Side of the square that holds a w x h box and its context, in pixels.

  sqrt((w + p) (h + p)) with p = context_amount (w + h): the template crop of
  the whole SiamFC family. Scalars or arrays; not rounded.

  Source: SiamFC (arXiv:1606.09549), section 3.2 (there p is half of it a side).
  """
  margin = context_amount * (w + h)
  return ((w + margin) * (h + margin)) ** 0.5


def room(size: int, shift: float, scale: float) -> int:
  """Side of the centred region that augmentation can reach, in pixels.

  A crop of `size` stretched by up to 1 + scale and moved by up to shift, and a
  pixel at each edge for interpolation. Odd, so that the region has a centre
  pixel as the crops of 127, 255 and 511 have.

  Args:
    size: Side of the crop after augmentation, px.
    shift: Largest displacement along each axis, px.
    scale: Largest relative change of the crop's side.
  """
  half = (size - 1) / 2 * (1 + scale) + shift
  return 2 * (math.ceil(half) + 1) + 1
