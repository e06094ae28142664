"""Drawing of boxes, annotated videos and contact sheets."""

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
from jaxtyping import Float, UInt8

from acm_jax.host.staging import replacing

# RGB. Okabe and Ito's colours, which colour-blind readers can distinguish.
COLORS = (
  (230, 159, 0),
  (86, 180, 233),
  (0, 158, 115),
  (240, 228, 66),
  (213, 94, 0),
  (204, 121, 167),
)
TRUTH = (255, 255, 255)
SHEET_COLUMNS = 4
SHEET_CELL = 320


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


class VideoWriter:
  """Writer of an mp4 file."""

  def __init__(self, path: Path, fps: float):
    self._path, self._fps = path, fps
    self._writer: cv2.VideoWriter | None = None

  def write(self, frame: UInt8[np.ndarray, 'h w 3']) -> None:
    """Appends an RGB frame.

    Raises:
      RuntimeError: The installed OpenCV has no mp4 encoder.
    """
    if self._writer is None:
      h, w = frame.shape[:2]
      code = cv2.VideoWriter_fourcc(*'mp4v')
      self._writer = cv2.VideoWriter(str(self._path), code, self._fps, (w, h))
      if not self._writer.isOpened():
        raise RuntimeError(
          f'{self._path}: cannot be written, because the installed OpenCV has '
          'no mp4 encoder; install opencv-python-headless from PyPI'
        )
    self._writer.write(cv2.cvtColor(frame, cv2.COLOR_RGB2BGR))

  def close(self) -> None:
    """Finalises the file."""
    if self._writer is not None:
      self._writer.release()


def write_sheet(
  frames: Sequence[UInt8[np.ndarray, '_ _ 3']], path: Path
) -> None:
  """Scales RGB frames to equal width, and writes them to a PNG file as a grid.

  Raises:
    RuntimeError: The file cannot be written.
  """
  cells = []
  for frame in frames:
    h, w = frame.shape[:2]
    size = SHEET_CELL, round(h * SHEET_CELL / w)
    cells.append(cv2.resize(frame, size, interpolation=cv2.INTER_AREA))
  height = max(cell.shape[0] for cell in cells)
  columns = min(SHEET_COLUMNS, len(cells))
  rows = -(-len(cells) // columns)
  sheet = np.full((rows * height, columns * SHEET_CELL, 3), 255, np.uint8)
  for i, cell in enumerate(cells):
    y, x = i // columns * height, i % columns * SHEET_CELL
    sheet[y : y + cell.shape[0], x : x + SHEET_CELL] = cell
  with replacing(path) as partial:
    if not cv2.imwrite(str(partial), cv2.cvtColor(sheet, cv2.COLOR_RGB2BGR)):
      raise RuntimeError(
        f'{path}: cannot be written; check that the folder exists and that the '
        'disk has space'
      )
