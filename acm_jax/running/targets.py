"""Annotated targets of a video, checked in its frames."""

import collections
from collections.abc import Iterable, Iterator, Sequence

import numpy as np

from acm_jax.datasets.exports.target import Target
from acm_jax.datasets.video_files import Frame
from acm_jax.tracking.inputs import check_box


def checked(
  frames: Iterable[Frame], targets: Sequence[Target], where: str
) -> Iterator[Frame]:
  """Yields the frames of a video, after checking the boxes in them.

  Args:
    frames: Frames of the video.
    targets: Targets of the video.
    where: File of the targets, for messages.

  Raises:
    ValueError: A box has no frame, or lies outside of its frame, or its frame
      has another size than the file of the targets states.
  """
  numbers = {number for target in targets for number in target.boxes}
  waiting = collections.deque(sorted(numbers))
  for frame in frames:
    if waiting and waiting[0] < frame.number:
      break
    for index, target in enumerate(targets):
      try:
        _check(target, frame)
      except ValueError as error:
        raise ValueError(
          f'{where}: frame {frame.number}, target {index}: {error}'
        ) from None
    if waiting and waiting[0] == frame.number:
      waiting.popleft()
    yield frame
  if waiting:
    raise ValueError(
      f'{where}: has a box for frame {waiting[0]}, counted from 0, which does '
      'not exist or cannot be decoded; give the video that was annotated, or '
      'remove the box'
    )


def _check(target: Target, frame: Frame) -> None:
  if frame.number not in target.boxes:
    return
  height, width = size_hw = frame.image.shape[:2]
  stated = target.size_hw.get(frame.number, size_hw)
  if stated != size_hw:
    raise ValueError(
      f'the frame has {width} x {height} pixels, but was annotated with '
      f'{stated[1]} x {stated[0]}; give the video that was annotated'
    )
  check_box(np.array(target.boxes[frame.number]), size_hw)
