"""Pictures of frames as the page shows them, which are kept in files."""

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
from jaxtyping import UInt8

from acm_jax.web import jpeg

# Longer side of a picture at most, px, and its quality.
_SIDE, _QUALITY = 1920, 90


class Picture(NamedTuple):
  """A picture of a frame.

  Attributes:
    jpeg: Content of a JPEG file, which may be smaller than the frame.
    width: Width of the frame, px.
    height: Height of the frame, px.
  """

  jpeg: bytes
  width: int
  height: int


class Shown:
  """Pictures by position; the oldest are removed when there is no more room.

  A video is decoded from its beginning to read an earlier frame. Whoever only
  looks at it need not wait for that.
  """

  def __init__(self, folder: Path, most_bytes: int):
    """Begins without pictures.

    Args:
      folder: Folder for the files.
      most_bytes: Size that they may have together.
    """
    self._folder, self._room = folder, most_bytes
    # Width and height of the frame, by position.
    self._sizes: dict[int, tuple[int, int]] = {}

  def at(
    self, position: int, read: Callable[[], UInt8[np.ndarray, 'h w 3']]
  ) -> Picture:
    """Returns the picture of a frame.

    Args:
      position: Position of the frame.
      read: Function that returns the frame, in RGB.

    Raises:
      OSError: The disk is full.
    """
    path = self._path(position)
    if position in self._sizes:
      return Picture(path.read_bytes(), *self._sizes[position])
    image = read()
    height, width = image.shape[:2]
    scale = min(1, _SIDE / max(width, height))
    if scale < 1:
      size = [max(1, round(side * scale)) for side in (width, height)]
      image = cv2.resize(image, size, interpolation=cv2.INTER_AREA)
    data = jpeg.encode(image, _QUALITY)
    self._room -= len(data)
    while self._room < 0 and self._sizes:
      oldest = self._path(next(iter(self._sizes)))
      self._room += oldest.stat().st_size
      oldest.unlink()
      del self._sizes[next(iter(self._sizes))]
    path.write_bytes(data)
    self._sizes[position] = width, height
    return Picture(data, width, height)

  def _path(self, position: int) -> Path:
    return self._folder / f'shown_{position}.jpg'
