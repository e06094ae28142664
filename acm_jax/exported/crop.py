"""Square crops with OpenCV, as the graphs of exported trackers take them."""

import cv2
import numpy as np
from jaxtyping import Float, Int, UInt8


def mean_color(image: UInt8[np.ndarray, 'h w 3']) -> Int[np.ndarray, '3']:
  """Computes an image's mean colour, truncated to integers."""
  h, w = image.shape[:2]
  return image.sum(axis=(0, 1), dtype=np.int64) // (h * w)


def square_crop(
  image: UInt8[np.ndarray, 'h w 3'],
  square: Int[np.ndarray, '3'],
  size: int,
  fill: Int[np.ndarray, '3'],
) -> Float[np.ndarray, 'n n 3']:
  """Crops a square and resizes it bilinearly, without rounding the colours.

  Args:
    image: Image to crop from.
    square: First column, first row and side of the square, px of the image.
    size: Side of the resized crop, px.
    fill: Colour of the crop's pixels that lie outside the image.

  Returns:
    float32, in 0..255.
  """
  left, top, side = square.tolist()
  h, w = image.shape[:2]
  inside = image[max(top, 0) : top + side, max(left, 0) : left + side]
  edges = -top, top + side - h, -left, left + side - w
  edges = [min(max(edge, 0), side) for edge in edges]
  if any(edges):
    inside = cv2.copyMakeBorder(
      inside, *edges, cv2.BORDER_CONSTANT, value=fill.tolist()
    )
  return cv2.resize(inside.astype(np.float32), (size, size))
