"""Trackers that any other should beat, behind one signature."""

import ctypes
from collections.abc import Callable, Iterable

import cv2
import numpy as np
from jaxtyping import Float, Num, UInt8

Frames = Iterable[UInt8[np.ndarray, 'h w 3']]


def first_box(
  frames: Frames, box_xywh: Num[np.ndarray, '4']
) -> Float[np.ndarray, 'n 4']:
  """The first box, repeated.

  Args:
    frames: RGB images, the first included.
    box_xywh: The target in the first frame, px, 0-based.

  Returns:
    A box a frame, px, 0-based.
  """
  return np.stack([np.asarray(box_xywh, dtype=np.float64) for _ in frames])


def mil(
  frames: Frames, box_xywh: Num[np.ndarray, '4']
) -> Float[np.ndarray, 'n 4']:
  """OpenCV's multiple instance learning tracker.

  It keeps the size of the first box and works on whole pixels. A frame in
  which it fails repeats the box before. The same frames give the same boxes.

  Args:
    frames: RGB images, the first included.
    box_xywh: The target in the first frame, px, 0-based.

  Returns:
    A box a frame, px, 0-based.

  Source: Babenko et al., CVPR 2009.
  """
  # It draws its features from C's rand, which OpenCV's own seed does not reach.
  ctypes.CDLL(None).srand(1)
  tracker = cv2.TrackerMIL.create()
  tracked = []
  for frame in frames:
    bgr = np.ascontiguousarray(frame[..., ::-1])
    if tracked:
      found, box = tracker.update(bgr)
      tracked.append(np.asarray(box, np.float64) if found else tracked[-1])
    else:
      tracker.init(bgr, tuple(int(v) for v in np.rint(box_xywh)))
      tracked.append(np.asarray(box_xywh, dtype=np.float64))
  return np.stack(tracked)


BASELINES: dict[
  str,
  Callable[[Frames, Num[np.ndarray, '4']], Float[np.ndarray, 'n 4']],
] = {'first_box': first_box, 'mil': mil}
