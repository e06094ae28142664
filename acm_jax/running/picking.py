"""First boxes of targets: drawn in a window, or read off a picture."""

import os
import sys
from pathlib import Path

import cv2
import numpy as np
from jaxtyping import Float, UInt8

from acm_jax.datasets import image_files

# Distances between the lines of a grid, px. The first is used that gives at
# most `_LINES` lines along the longer side.
_STEPS = (10, 20, 50, 100, 200, 500, 1000)
_LINES = 24
# A smaller frame is enlarged, so that the numbers fit between the lines, px.
_LEGIBLE = 960
_WINDOW = 'Draw a box and press Enter; press Escape after the last box'
# Largest side of the window at first, px.
_WINDOW_SIDE = 1280
_OTHERWISE = 'read a box off the picture that `first_frame` writes'


def write_grid(frame: UInt8[np.ndarray, 'h w 3'], path: Path) -> None:
  """Writes a frame with a grid of coordinates, to read off a box.

  The lines are labelled in pixels of the frame; the picture is larger if the
  frame is small.

  Args:
    frame: RGB frame.
    path: Image file to write.

  Raises:
    OSError: The file cannot be written.
    RuntimeError: The suffix names no format of images.
  """
  image_files.write(path, _with_grid(frame))


def _with_grid(frame: UInt8[np.ndarray, 'h w 3']) -> UInt8[np.ndarray, '_ _ 3']:
  longer = max(frame.shape[:2])
  factor = -(-_LEGIBLE // longer)
  picture = cv2.resize(
    frame, None, fx=factor, fy=factor, interpolation=cv2.INTER_NEAREST
  )
  step = next((s for s in _STEPS if longer <= s * _LINES), longer)
  places = range(0, longer, step)
  height, width = picture.shape[:2]
  lines = picture.copy()
  for place in places:
    # A line covers the first row or column of its pixel.
    at = place * factor
    lines[at : at + 1] = lines[:, at : at + 1] = 255
    lines[at + 1 : at + 2] = lines[:, at + 1 : at + 2] = 0
  picture = cv2.addWeighted(picture, 0.5, lines, 0.5, 0)
  scale = max(height, width) / 2400 + 0.1
  below = round(30 * scale)
  for place in places:
    at = place * factor
    _label(picture, str(place), (at + 4, below), scale)
    if place:
      _label(picture, str(place), (4, at + below), scale)
  return picture


def _label(picture, text: str, origin: tuple[int, int], scale: float) -> None:
  for color, thick in ((0, 0, 0), 4), ((255, 255, 255), 1):
    cv2.putText(
      picture,
      text,
      origin,
      cv2.FONT_HERSHEY_SIMPLEX,
      scale,
      color,
      thick,
      cv2.LINE_AA,
    )


def select(frame: UInt8[np.ndarray, 'h w 3']) -> Float[np.ndarray, 'n 4']:
  """Opens a window in which the user draws the boxes of targets in a frame.

  Args:
    frame: RGB frame.

  Returns:
    Boxes x, y, w, h, px, 0-based.

  Raises:
    ValueError: No box is drawn; or no window can be opened, because this OpenCV
      has none, or there is no display.
  """
  if not cv2.currentUIFramework():
    raise ValueError(
      '`select`: OpenCV is installed without windows; replace '
      'opencv-python-headless by opencv-python (pip uninstall '
      'opencv-python-headless, then pip install --force-reinstall '
      f'opencv-python), or {_OTHERWISE}'
    )
  # Without a display, Qt would end the process.
  displays = 'DISPLAY', 'WAYLAND_DISPLAY'
  if sys.platform == 'linux' and not any(map(os.environ.get, displays)):
    raise ValueError(
      f'`select`: there is no display to open a window on; {_OTHERWISE}'
    )
  height, width = frame.shape[:2]
  shown = min(1, _WINDOW_SIDE / max(height, width))
  # Without tool bars, which would take room from the frame.
  kind = cv2.WINDOW_NORMAL | cv2.WINDOW_KEEPRATIO | cv2.WINDOW_GUI_NORMAL
  cv2.namedWindow(_WINDOW, kind)
  cv2.resizeWindow(_WINDOW, round(width * shown), round(height * shown))
  try:
    boxes = cv2.selectROIs(
      _WINDOW, np.ascontiguousarray(frame[..., ::-1]), printNotice=False
    )
  finally:
    cv2.destroyAllWindows()
  if not len(boxes):
    raise ValueError('`select`: no box was drawn; draw one and press Enter')
  return np.asarray(boxes, np.float32)
