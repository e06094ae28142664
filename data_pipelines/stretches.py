"""Stretches of a video: frames of one shot, short enough to hold in memory."""

from collections.abc import Collection, Iterable, Iterator
from typing import NamedTuple

import cv2
import numpy as np
from jaxtyping import UInt8

# Side of the thumbnails that are compared, px, and levels of each colour in
# their histograms.
_SIDE, _LEVELS = 32, 8
# At a cut the histograms share less than this part of the pixels, and the mean
# difference of the thumbnails exceeds so many grey levels.
_LEAST_SHARED, _MOST_DIFFERENCE = 0.5, 20


class Stretch(NamedTuple):
  """Frames of one shot and size.

  Attributes:
    frames: RGB, in order.
    numbers: Position of each in the video, from 0.
  """

  frames: list[UInt8[np.ndarray, 'h w 3']]
  numbers: list[int]


def stretches(
  frames: Iterable[UInt8[np.ndarray, '_ _ 3']],
  length: int,
  every: int = 1,
  starts: Collection[int] | None = None,
) -> Iterator[Stretch]:
  """Parts a video into stretches, which end at hard cuts.

  Args:
    frames: RGB frames of a video; a change of their size counts as a cut.
    length: Most frames of a stretch.
    every: Distance in the video between frames of a stretch.
    starts: Frames that a stretch begins with; what lies between the end of one
      and the next of these is left out. By default a stretch begins where the
      last one ended.
  """
  taken, before = Stretch([], []), None
  for number, frame in enumerate(frames):
    wanted = starts is None or number in starts
    full = len(taken.frames) == length
    ends = full or is_cut(before, frame) or (starts is not None and wanted)
    if taken.frames and ends:
      yield taken
      taken = Stretch([], [])
    due = (number - taken.numbers[0]) % every == 0 if taken.numbers else wanted
    if due:
      taken.frames.append(frame)
      taken.numbers.append(number)
    before = frame
  if taken.frames:
    yield taken


def is_cut(
  before: UInt8[np.ndarray, '_ _ 3'] | None, after: UInt8[np.ndarray, '_ _ 3']
) -> bool:
  """Whether another shot begins with a frame; no shot is before the first.

  Colours as well as their places must differ: lightning keeps the places, a
  fast pan the colours.
  """
  if before is None:
    return False
  if before.shape != after.shape:
    return True
  one, other = (
    cv2.resize(image, (_SIDE, _SIDE), interpolation=cv2.INTER_AREA)
    for image in (before, after)
  )
  if cv2.absdiff(one, other).mean() < _MOST_DIFFERENCE:
    return False
  shared = np.minimum(_histogram(one), _histogram(other)).sum()
  return bool(shared < _LEAST_SHARED)


def _histogram(image):
  levels = np.intp(image) * _LEVELS // 256
  index = np.ravel_multi_index(tuple(levels.reshape(-1, 3).T), (_LEVELS,) * 3)
  return np.bincount(index, minlength=_LEVELS**3) / len(index)
