"""One normal form of a target in a video, whatever it was read from."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int, UInt8


class Track(NamedTuple):
  """One target in one video.

  Attributes:
    name: Unique in its data set.
    box_xywh: Box in each frame, px, 0-based; NaN where there is none.
    visible: Frames whose box counts.
    frame_number: Position in the source's video, ascending.
    image: Gives the RGB image of frame i; raises OSError or ValueError, which
      names its file, if there is none. Of a cropped track: the bytes of a JPEG.
    files: The images by name, for readers of the original bytes.
    reason: What the frames are called that do not count.
    cropped: Whether the images are context crops already, the target in their
      centre.
    video: What its video is called, for which tracks follow each other; its
      own name if it is the only one.
    category: Class of the target in its data set's words; empty if unknown.
    spare: How many images there are beyond the last row.
  """

  name: str
  box_xywh: Float[np.ndarray, 'n 4']
  visible: Bool[np.ndarray, 'n']
  frame_number: Int[np.ndarray, 'n']
  image: Callable[[int], UInt8[np.ndarray, 'h w 3'] | bytes]
  files: tuple[str, ...] = ()
  reason: str = 'absent'
  cropped: bool = False
  video: str = ''
  category: str = ''
  spare: int = 0
