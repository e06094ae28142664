"""Context crops: squares cut out around targets.

Clip sets, which are data sets prepared for training, store context crops. The
target's box is at the centre of its context crop. The scale is that of a
tracker's template crop, which shows the box and a margin (`CONTEXT_AMOUNT`) in
a square of `TEMPLATE_SIZE` px. A context crop is larger, `CROP_SIZE` px per
side by default, and therefore shows more of the target's surroundings.
"""

import cv2
import numpy as np
from jaxtyping import Float, Int, UInt8

from acm_jax.geometry import boxes, context

TEMPLATE_SIZE = 127
CONTEXT_AMOUNT = 0.5
CROP_SIZE = 511
# Largest root mean square deviation of a row of padding from its colour, grey
# levels. JPEG changes the padding next to the image.
_NOISE = 3.0


def scale_of(size: Float[np.ndarray, '*n 2']) -> Float[object, '*n']:
  """Computes the scale from an image to the context crop of a target.

  Args:
    size: Width and height of each target in the image, px.

  Returns:
    The scale for each target, in px of the crop per px of the image.
  """
  width, height = size[..., 0], size[..., 1]
  return TEMPLATE_SIZE / context.context_side(width, height, CONTEXT_AMOUNT)


def center_box(
  size: Float[np.ndarray, '*n 2'], crop_size: int
) -> Float[np.ndarray, '*n 4']:
  """Returns the boxes cx, cy, w, h of targets at the centres of crops, px.

  Args:
    size: Width and height of each target in its crop, px.
    crop_size: Side of the crops, px.
  """
  middle = np.full(size.shape, (crop_size - 1) / 2)
  return np.concatenate([middle, size], axis=-1).astype(np.float32)


def context_crop(
  image: UInt8[np.ndarray, 'h w 3'],
  box_xywh: Float[np.ndarray, '4'],
  crop_size: int = CROP_SIZE,
) -> tuple[UInt8[np.ndarray, 'c c 3'], Float[np.ndarray, '4']]:
  """Cuts out the context crop of a target, a square centred on its box.

  The scale is that of a tracker's template crop with a side of 127 px. The
  centre of the crop is the centre of the pixels that the box covers,
  x + (w - 1) / 2 and y + (h - 1) / 2. Pixels of the crop that lie outside the
  image get the image's mean colour.

  Args:
    image: RGB image.
    box_xywh: Box of the target in the image, px, 0-based; its area must be
      positive.
    crop_size: Side of the crop, px.

  Returns:
    The crop, and the target's box cx, cy, w, h in the crop, px.

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


def picture(crop: UInt8[np.ndarray, 'h w 3']) -> Int[np.ndarray, '4']:
  """Returns the part of a crop that shows the image and not the padding.

  A row or column is padding if all rows or columns between it and an edge of
  the crop, and it itself, have the colour of this edge.

  Returns:
    Corners x1, y1, x2, y2: the part is `crop[y1:y2, x1:x2]`. It is empty if the
    crop has a single colour.
  """
  columns = crop.swapaxes(0, 1)
  left, top = _padding(columns), _padding(crop)
  right = crop.shape[1] - _padding(columns[::-1])
  bottom = crop.shape[0] - _padding(crop[::-1])
  return np.array([left, top, right, bottom])


def _padding(rows: UInt8[np.ndarray, 'n m 3']) -> int:
  """Returns how many of the first rows are padding."""
  color = rows[0].mean(axis=0)
  for count, row in enumerate(rows):
    if np.sqrt(np.mean((row - color) ** 2, axis=0)).max() > _NOISE:
      return count
  return len(rows)
