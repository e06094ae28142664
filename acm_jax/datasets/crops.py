"""The context crop of a target: what a clip set holds for every frame.

It has the target's box at its centre and the scale at which the template crop,
`CONTEXT_AMOUNT` round the box, is `TEMPLATE_SIZE` px.
"""

import cv2
import numpy as np
from jaxtyping import Float, UInt8

from acm_jax.geometry import boxes, context

TEMPLATE_SIZE = 127
CONTEXT_AMOUNT = 0.5
CROP_SIZE = 511


def scale_of(size: Float[np.ndarray, '*n 2']) -> Float[object, '*n']:
  """Crop pixels a pixel, for targets of that width and height."""
  width, height = size[..., 0], size[..., 1]
  return TEMPLATE_SIZE / context.context_side(width, height, CONTEXT_AMOUNT)


def center_box(
  size: Float[np.ndarray, '*n 2'], crop_size: int
) -> Float[np.ndarray, '*n 4']:
  """The targets' boxes cx, cy, w, h in their crops; `size` is that in them."""
  middle = np.full(size.shape, (crop_size - 1) / 2)
  return np.concatenate([middle, size], axis=-1).astype(np.float32)


def context_crop(
  image: UInt8[np.ndarray, 'h w 3'],
  box_xywh: Float[np.ndarray, '4'],
  crop_size: int = CROP_SIZE,
) -> tuple[UInt8[np.ndarray, 'c c 3'], Float[np.ndarray, '4']]:
  """The square round a target in which the template crop has 127 px.

  The centre of the box's pixels becomes the centre of the crop's; what lies
  outside the image has the image's mean colour.

  Args:
    image: RGB.
    box_xywh: Target, px, 0-based, with an area.
    crop_size: Side of the crop, px.

  Returns:
    The crop, and the target's box cx, cy, w, h in it, px.

  Source: SiamFC (arXiv:1606.09549), section 3.2.
  """
  size = box_xywh[2:].astype(float)
  scale = scale_of(size)
  box = center_box(size * scale, crop_size)
  x, y = box[:2] - scale * boxes.pixel_center(box_xywh.astype(float))
  crop = cv2.warpAffine(
    image,
    np.array([[scale, 0, x], [0, scale, y]]),
    (crop_size, crop_size),
    borderMode=cv2.BORDER_CONSTANT,
    borderValue=cv2.mean(image),
  )
  return crop, box
