"""Drawing of boxes and contact sheets."""

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
from jaxtyping import Float, UInt8

from acm_jax.datasets import image_files

# RGB. Okabe and Ito's colours, which colour-blind readers can distinguish, with
# grey in place of black.
COLORS = (
  (230, 159, 0),
  (86, 180, 233),
  (0, 158, 115),
  (240, 228, 66),
  (213, 94, 0),
  (204, 121, 167),
  (0, 114, 178),
  (153, 153, 153),
)
TRUTH = (255, 255, 255)
SHEET_COLUMNS = 4
SHEET_CELL = 320
# Height of the highest cell, in widths of a cell.
_HIGHEST = 4


def draw_box(
  frame: UInt8[np.ndarray, 'h w 3'],
  box_xywh: Float[np.ndarray, '4'],
  color: tuple[int, int, int],
  text: str = '',
) -> None:
  """Draws a box into a frame, with a text at the box's top left corner.

  The frame is changed in place. The frame and the colour are RGB; the box is in
  px, 0-based. A box that is not finite is not drawn.
  """
  if not np.isfinite(box_xywh).all():
    return
  x, y, w, h = box_xywh
  low = round(float(x)), round(float(y))
  high = round(float(x + w)), round(float(y + h))
  thick = max(2, round(min(frame.shape[:2]) / 200))
  cv2.rectangle(frame, low, high, (0, 0, 0), thick + 2)
  cv2.rectangle(frame, low, high, color, thick)
  if text:
    scale = max(0.4, min(frame.shape[:2]) / 700)
    origin = low[0], max(round(24 * scale), low[1] - 4)
    font = cv2.FONT_HERSHEY_SIMPLEX
    cv2.putText(frame, text, origin, font, scale, (0, 0, 0), thick + 2)
    cv2.putText(frame, text, origin, font, scale, color, thick)


def cell(
  frame: UInt8[np.ndarray, 'h w 3'],
) -> UInt8[np.ndarray, 'h2 w2 3']:
  """Scales a frame to the width of a sheet's cell; a very high one to less."""
  h, w = frame.shape[:2]
  scale = SHEET_CELL / max(w, h / _HIGHEST)
  size = max(1, round(w * scale)), max(1, round(h * scale))
  return cv2.resize(frame, size, interpolation=cv2.INTER_AREA)


def fit(
  frame: UInt8[np.ndarray, '_ _ 3'], size_hw: tuple[int, int]
) -> UInt8[np.ndarray, 'h w 3']:
  """Scales a frame to fit into a size, and centres it between black bars."""
  h, w = frame.shape[:2]
  if (h, w) == size_hw:
    return frame
  scale = min(size_hw[0] / h, size_hw[1] / w)
  new_h, new_w = (max(1, round(side * scale)) for side in (h, w))
  top, left = (size_hw[0] - new_h) // 2, (size_hw[1] - new_w) // 2
  fitted = np.zeros((*size_hw, 3), np.uint8)
  fitted[top : top + new_h, left : left + new_w] = cv2.resize(
    frame, (new_w, new_h), interpolation=cv2.INTER_AREA
  )
  return fitted


def write_sheet(
  frames: Sequence[UInt8[np.ndarray, '_ _ 3']], path: Path
) -> None:
  """Scales RGB frames to equal width, and writes them to a PNG file as a grid.

  Raises:
    OSError: The file cannot be written.
  """
  cells = [cell(frame) for frame in frames]
  height = max(image.shape[0] for image in cells)
  columns = min(SHEET_COLUMNS, len(cells))
  rows = -(-len(cells) // columns)
  sheet = np.full((rows * height, columns * SHEET_CELL, 3), 255, np.uint8)
  for i, image in enumerate(cells):
    y, x = i // columns * height, i % columns * SHEET_CELL
    sheet[y : y + image.shape[0], x : x + image.shape[1]] = image
  image_files.write(path, sheet)
