"""Splits videos into stretches.

A stretch is a run of frames of one shot, short enough to be kept in memory.
"""

from collections.abc import Collection, Iterable, Iterator
from typing import NamedTuple

import cv2
import numpy as np
from jaxtyping import UInt8

from acm_jax.datasets.video_files import Frame

# Frames are compared as thumbnails: side of a thumbnail, px, and number of
# levels per colour channel in its histogram.
_SIDE, _LEVELS = 32, 8
# At a cut, the histograms share less than this fraction of the pixels, and the
# thumbnails differ by at least this number of levels (of 256) on average.
_LEAST_SHARED, _MOST_DIFFERENCE = 0.5, 20


class Stretch(NamedTuple):
  """Run of frames of one shot; their size may change.

  Attributes:
    frames: RGB frames, in order.
    numbers: Position of each frame in the video, from 0.
  """

  frames: list[UInt8[np.ndarray, '_ _ 3']]
  numbers: list[int]


def stretches(
  frames: Iterable[Frame],
  length: int,
  every: int = 1,
  starts: Collection[int] | None = None,
) -> Iterator[Stretch]:
  """Splits a video into stretches, none of which contains a hard cut.

  Args:
    frames: RGB frames of a video; their size may change.
    length: Maximum number of frames in a stretch, after sampling.
    every: Sampling step: a stretch holds every `every`-th frame of the video,
      counted from the first frame of the stretch.
    starts: Positions in the video, counted from 0, of the frames at which
      stretches begin. A stretch ends at the next start at the latest. If it
      ends earlier, the frames up to the next start are left out. By default,
      each stretch begins where the previous one ended.
  """
  stretch, before = Stretch([], []), None
  for frame, number, _ in frames:
    starts_here = starts is None or number in starts
    full = len(stretch.frames) == length
    ends = full or is_cut(before, frame) or (starts is not None and starts_here)
    if stretch.frames and ends:
      yield stretch
      stretch = Stretch([], [])
    if stretch.numbers:
      wanted = (number - stretch.numbers[0]) % every == 0
    else:
      wanted = starts_here
    if wanted:
      stretch.frames.append(frame)
      stretch.numbers.append(number)
    before = frame
  if stretch.frames:
    yield stretch


def is_cut(
  before: UInt8[np.ndarray, '_ _ 3'] | None, after: UInt8[np.ndarray, '_ _ 3']
) -> bool:
  """Returns whether a new shot begins with the frame `after`.

  The colours and the layout must both change: a flash of light keeps the
  layout, and a fast pan keeps the colours.

  Args:
    before: Frame before `after`; None if `after` is the first frame of the
      video, which does not count as a cut.
    after: Frame to classify.
  """
  if before is None:
    return False
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
