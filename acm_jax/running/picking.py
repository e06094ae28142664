"""First boxes of targets: drawn in a window, or read off a picture."""

import os
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
from jaxtyping import Float, UInt8

from acm_jax.datasets import image_files
from acm_jax.running import drawing

# Distances between the lines of a grid, px. The first is used that gives at
# most `_LINES` lines along the longer side.
_STEPS = (10, 20, 50, 100, 200, 500, 1000)
_LINES = 24
# A smaller frame is enlarged, so that the numbers fit between the lines, px.
_LEGIBLE = 960
_WINDOW = 'Drag a box around each target; Backspace removes one, Enter ends'
# Largest side of the window at first, px.
_WINDOW_SIDE = 1280
# Time after which Ctrl-C and the end of the window are noticed, ms.
_PAUSE = 50
# Codes of Enter and Escape, and of Backspace.
_END, _UNDO = (10, 13, 27), 8
# Smaller boxes count as clicks, px.
_SMALLEST = 3
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


def check_window() -> None:
  """Checks that `select` can open a window.

  Raises:
    ValueError: This OpenCV has no windows, or there is no display.
  """
  if not cv2.currentUIFramework():
    raise ValueError(
      '`select`: OpenCV is installed without windows; replace '
      'opencv-python-headless by opencv-python (pip uninstall '
      'opencv-python-headless, then pip install --force-reinstall '
      f'opencv-python), or {_OTHERWISE}'
    )
  # In a process of its own, because Qt ends the process that fails.
  attempt = [sys.executable, '-c', "import cv2; cv2.namedWindow('a')"]
  if subprocess.run(attempt, capture_output=True).returncode:
    display = os.environ.get('DISPLAY', '')
    raise ValueError(
      f'`select`: no window can be opened (DISPLAY={display!r}); {_OTHERWISE}'
    )


def select(frame: UInt8[np.ndarray, 'h w 3']) -> Float[np.ndarray, 'n 4']:
  """Opens a window in which the user draws the boxes of targets in a frame.

  Args:
    frame: RGB frame.

  Returns:
    Boxes x, y, w, h, px, 0-based.

  Raises:
    ValueError: No box is drawn.
  """
  height, width = frame.shape[:2]
  shown = min(1, _WINDOW_SIDE / max(height, width))
  # Without tool bars, which would take room from the frame.
  kind = cv2.WINDOW_NORMAL | cv2.WINDOW_KEEPRATIO | cv2.WINDOW_GUI_NORMAL
  cv2.namedWindow(_WINDOW, kind)
  cv2.resizeWindow(_WINDOW, round(width * shown), round(height * shown))
  boxes = _Boxes(frame)
  try:
    cv2.setMouseCallback(_WINDOW, boxes.follow)
    while _is_open():
      cv2.imshow(_WINDOW, boxes.picture()[..., ::-1])
      key = cv2.waitKey(_PAUSE)
      if key in _END:
        break
      if key == _UNDO:
        boxes.undo()
  finally:
    cv2.destroyAllWindows()
  if not boxes.drawn:
    raise ValueError('`select`: no box was drawn; drag one and press Enter')
  return np.array(boxes.drawn, np.float32)


def _is_open() -> bool:
  try:
    return cv2.getWindowProperty(_WINDOW, cv2.WND_PROP_VISIBLE) > 0
  except cv2.error:
    # Qt does not know a window that was closed.
    return False


class _Boxes:
  """Boxes that are drawn with the mouse.

  Attributes:
    drawn: Boxes x, y, w, h, px of the frame.
  """

  def __init__(self, frame: UInt8[np.ndarray, 'h w 3']):
    self._frame = frame
    self.drawn: list[tuple[int, int, int, int]] = []
    # Corner that the mouse was pressed in, and box up to the mouse.
    self._start: tuple[int, int] | None = None
    self._box = (0, 0, 0, 0)

  def follow(self, event: int, x: int, y: int, *_) -> None:
    """Follows the mouse; see `cv2.setMouseCallback`."""
    height, width = self._frame.shape[:2]
    x, y = min(max(x, 0), width), min(max(y, 0), height)
    if event == cv2.EVENT_LBUTTONDOWN:
      self._start = x, y
    if self._start is None:
      return
    left, top = self._start
    self._box = min(left, x), min(top, y), abs(x - left), abs(y - top)
    if event == cv2.EVENT_LBUTTONUP:
      self._start = None
      if min(self._box[2:]) >= _SMALLEST:
        self.drawn.append(self._box)

  def undo(self) -> None:
    """Removes the last box."""
    del self.drawn[-1:]

  def picture(self) -> UInt8[np.ndarray, 'h w 3']:
    """Returns the frame with all boxes."""
    picture = self._frame.copy()
    unfinished = [] if self._start is None else [self._box]
    for target, box in enumerate([*self.drawn, *unfinished]):
      color = drawing.COLORS[target % len(drawing.COLORS)]
      drawing.draw_box(picture, np.array(box, float), color, str(target))
    return picture
