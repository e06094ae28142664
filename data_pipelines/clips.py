"""Cuts tracks into clips: short runs of context crops, as JPEG.

A clip is a record of a clip set. Its frames are strided, so that it spans at
least twice the distance that the frames of a pair may have, where the track is
as long; their numbers in the video are kept.
"""

import collections
import dataclasses
from collections.abc import Iterator
from typing import NamedTuple

import cv2
import numpy as np

from acm_jax.datasets import crops
from acm_jax.datasets.track import Track

FRAMES_PER_CLIP = 64
# Number of a run's problems that are printed one by one.
MOST_PROBLEMS = 100


@dataclasses.dataclass(frozen=True)
class Cut:
  """How tracks are cut.

  Attributes:
    stride: Every how many frames of a track one is taken.
    crop_size: Side of the crops, px.
    quality: Of the JPEGs, 0 to 100.
  """

  stride: int = 1
  crop_size: int = crops.CROP_SIZE
  quality: int = 92

  def __post_init__(self):
    """Raises ValueError if a number is out of its range."""
    if self.stride < 1 or self.crop_size < 1 or not 0 <= self.quality <= 100:
      raise ValueError(f'{self}: stride and crop_size 1 or more, quality 0-100')


def stride_for(gap: int) -> int:
  """The least stride at which a clip spans twice the gap."""
  return max(1, -(-2 * gap // (FRAMES_PER_CLIP - 1)))


class Clip(NamedTuple):
  """A record: frames of one track that follow each other.

  Attributes:
    track: Name of the track.
    jpegs: The crops.
    boxes: cx, cy, w, h in each, px.
    numbers: Positions in the source's video, ascending.
  """

  track: str
  jpegs: list[bytes]
  boxes: list[np.ndarray]
  numbers: list[int]


class Report:
  """What was left out and why.

  Attributes:
    dropped: Frames by reason.
    problems: Files that could not be used, in words; not more than a hundred.
  """

  def __init__(self):
    self.dropped: collections.Counter[str] = collections.Counter()
    self.problems: list[str] = []

  def unreadable(self, error: Exception) -> None:
    """Counts a frame whose image is no image."""
    self.dropped['unreadable'] += 1
    if len(self.problems) < MOST_PROBLEMS:
      self.problems.append(str(error))


def cut(track: Track, how: Cut, report: Report) -> Iterator[Clip]:
  """The clips of a track, one after the other.

  Left out and counted are frames that do not count (for the track's reason),
  boxes without a size of a pixel ('degenerate') or off the image ('outside'),
  images that are missing or damaged ('unreadable') or beyond the last row of
  the annotation ('without a row').
  """
  if track.spare:
    report.dropped['without a row'] += track.spare
  clip = Clip(track.name, [], [], [])
  for i in range(0, len(track.box_xywh), how.stride):
    made = _crop(track, i, how, report)
    if made is None:
      continue
    values = (*made, int(track.frame_number[i]))
    for column, value in zip(clip[1:], values, strict=True):
      column.append(value)
    if len(clip.jpegs) == FRAMES_PER_CLIP:
      yield clip
      clip = Clip(track.name, [], [], [])
  if clip.jpegs:
    yield clip


def _crop(
  track: Track, i: int, how: Cut, report: Report
) -> tuple[bytes, np.ndarray] | None:
  """Frame i as JPEG, and the box in it."""
  box = track.box_xywh[i]
  if not track.visible[i]:
    report.dropped[track.reason] += 1
    return None
  if not (np.isfinite(box).all() and (box[2:] >= 1).all()):
    report.dropped['degenerate'] += 1
    return None
  try:
    image = track.image(i)
  except (OSError, ValueError) as error:
    report.unreadable(error)
    return None
  if track.cropped:
    return image, crops.center_box(box[2:], how.crop_size)
  height, width = image.shape[:2]
  if (box[:2] >= [width, height]).any() or (box[:2] + box[2:] <= 0).any():
    report.dropped['outside'] += 1
    return None
  crop, crop_box = crops.context_crop(image, box, how.crop_size)
  bgr = cv2.cvtColor(crop, cv2.COLOR_RGB2BGR)
  flags = [cv2.IMWRITE_JPEG_QUALITY, how.quality]
  return cv2.imencode('.jpg', bgr, flags)[1].tobytes(), crop_box
