"""Trackers that any other should beat, behind one signature."""

import ctypes
from collections.abc import Callable, Iterable, Iterator

import cv2
import numpy as np
from jaxtyping import Float, Num, UInt8

Frames = Iterable[UInt8[np.ndarray, 'h w 3']]
Boxes = Iterator[Float[np.ndarray, '4']]


def first_box(frames: Frames, box_xywh: Num[np.ndarray, '4']) -> Boxes:
  """The first box, repeated.

  Args:
    frames: RGB images, the first included.
    box_xywh: The target in the first frame, px, 0-based.

  Yields:
    A box a frame, px, 0-based.
  """
  for _ in frames:
    yield np.asarray(box_xywh, dtype=np.float64)


def mil(frames: Frames, box_xywh: Num[np.ndarray, '4']) -> Boxes:
  """OpenCV's multiple instance learning tracker.

  It keeps the size of the first box and works on whole pixels. A frame in
  which it fails repeats the box before. The same frames give the same boxes.

  Args:
    frames: RGB images, the first included.
    box_xywh: The target in the first frame, px, 0-based.

  Yields:
    A box a frame, px, 0-based.

  Source: Babenko et al., CVPR 2009.
  """
  # It draws its features from C's rand, which OpenCV's own seed does not reach.
  ctypes.CDLL(None).srand(1)
  tracker = cv2.TrackerMIL.create()
  latest = None
  for frame in frames:
    bgr = np.ascontiguousarray(frame[..., ::-1])
    if latest is None:
      tracker.init(bgr, tuple(int(v) for v in np.rint(box_xywh)))
      latest = np.asarray(box_xywh, dtype=np.float64)
    else:
      found, box = tracker.update(bgr)
      latest = np.asarray(box, np.float64) if found else latest
    yield latest


BASELINES: dict[str, Callable[[Frames, Num[np.ndarray, '4']], Boxes]] = {
  'first_box': first_box,
  'mil': mil,
}
