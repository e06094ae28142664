"""Track: one annotated target of a video, in one form for all data sets."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int, UInt8


class Track(NamedTuple):
  """One target in one video.

  Attributes:
    name: Name of the track, unique in its data set.
    box_xywh: Box in each frame, px, 0-based; NaN where none is annotated.
    visible: Whether each frame may be used; False where the target is absent,
      not annotated, or a crowd of objects.
    frame_number: Position of each frame in the original video, ascending.
    image: Function that returns the RGB image of frame i. If `cropped` is set,
      the function returns the bytes of a JPEG instead. If the image cannot be
      read, the function raises OSError or ValueError with the name of the file.
    files: Name of each frame's image file, for callers that copy the file
      instead of decoding it.
    reason: Reason why frames are not `visible`, in one word, for reports.
    cropped: Whether the images are already context crops around the target.
    video: Name of the video; empty if the video has no other track. Tracks of
      the same video must be consecutive.
    category: Class of the target, as the data set names it; empty if unknown.
    spare: Number of images beyond the last row of the annotation.
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
