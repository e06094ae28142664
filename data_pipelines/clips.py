"""Cuts tracks into clips: short runs of context crops, stored as JPEG.

A clip is one record of a clip set, with at most 64 frames and their numbers. It
takes every Nth frame of a track, where N is the stride. `stride_for` chooses a
stride for which a full clip spans at least twice the largest distance between
the two frames of a training pair.
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
# Maximum number of error messages in a report; further errors are only counted.
MOST_PROBLEMS = 100


@dataclasses.dataclass(frozen=True)
class Cut:
  """Settings for cutting tracks into clips.

  Attributes:
    stride: Sampling step: every `stride`-th frame of a track is used.
    crop_size: Side of the crops, px.
    quality: Quality of the JPEGs, 0 to 100.
  """

  stride: int = 1
  crop_size: int = crops.CROP_SIZE
  quality: int = 92

  def __post_init__(self):
    """Raises ValueError if a number is out of range."""
    for name in ('stride', 'crop_size'):
      if getattr(self, name) < 1:
        raise ValueError(f'`{name}`={getattr(self, name)}: must be at least 1')
    if not 0 <= self.quality <= 100:
      raise ValueError(f'`quality`={self.quality}: must be between 0 and 100')


def stride_for(gap: int) -> int:
  """Returns the smallest stride for which a full clip spans at least 2 * `gap`.

  Args:
    gap: Largest distance between the two frames of a training pair, in frames
      of the video.
  """
  return max(1, -(-2 * gap // (FRAMES_PER_CLIP - 1)))


class Clip(NamedTuple):
  """A record of a clip set: successive frames of one track.

  Attributes:
    track: Name of the track.
    jpegs: Context crops as JPEG.
    boxes: Box of the target in each crop: cx, cy, w, h, px.
    numbers: Position of each frame in the video, ascending.
  """

  track: str
  jpegs: list[bytes]
  boxes: list[np.ndarray]
  numbers: list[int]


class Report:
  """Report of the frames that were left out.

  Attributes:
    dropped: Number of frames that were left out for each reason.
    problems: Error messages of unreadable images, at most `MOST_PROBLEMS`.
  """

  def __init__(self):
    self.dropped: collections.Counter[str] = collections.Counter()
    self.problems: list[str] = []

  def unreadable(self, error: Exception) -> None:
    """Records that a frame is left out because its image cannot be read."""
    self.dropped['unreadable'] += 1
    if len(self.problems) < MOST_PROBLEMS:
      self.problems.append(str(error))

  def cause(self) -> str:
    """Explains why all frames were left out."""
    counts = ', '.join(f'{n} {why}' for why, n in self.dropped.most_common())
    text = f'left out: {counts or "none"}; '
    # If an image cannot be read, the annotations are hardly the cause.
    return text + (self.problems or ['check the annotations'])[0]


def cut(track: Track, settings: Cut, report: Report) -> Iterator[Clip]:
  """Yields the clips of a track in order.

  A frame is left out in the following cases. The report counts the frames that
  are left out for each reason, under the name in parentheses.

  - The target is not visible (the track's `reason`, such as 'absent').
  - The box is not finite, or is less than a pixel wide or high ('degenerate').
  - The box is outside the image ('outside').
  - The image is missing or damaged ('unreadable').
  - The annotation ends before the frame ('without a row').
  """
  if track.spare:
    report.dropped['without a row'] += track.spare
  clip = Clip(track.name, [], [], [])
  for i in range(0, len(track.box_xywh), settings.stride):
    crop = _crop(track, i, settings, report)
    if crop is None:
      continue
    jpeg, box = crop
    clip.jpegs.append(jpeg)
    clip.boxes.append(box)
    clip.numbers.append(int(track.frame_number[i]))
    if len(clip.jpegs) == FRAMES_PER_CLIP:
      yield clip
      clip = Clip(track.name, [], [], [])
  if clip.jpegs:
    yield clip


def _crop(
  track: Track, i: int, settings: Cut, report: Report
) -> tuple[bytes, np.ndarray] | None:
  """Returns the crop of frame i as JPEG, and the target's box in the crop.

  If the frame must be left out, counts it in the report and returns None.
  """
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
    return image, crops.center_box(box[2:], settings.crop_size)
  height, width = image.shape[:2]
  if (box[:2] >= [width, height]).any() or (box[:2] + box[2:] <= 0).any():
    report.dropped['outside'] += 1
    return None
  crop, crop_box = crops.context_crop(image, box, settings.crop_size)
  bgr = cv2.cvtColor(crop, cv2.COLOR_RGB2BGR)
  flags = [cv2.IMWRITE_JPEG_QUALITY, settings.quality]
  return cv2.imencode('.jpg', bgr, flags)[1].tobytes(), crop_box
