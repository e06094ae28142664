"""Tracks targets between key frames, in which their boxes are given.

Between two neighbouring key frames, a target is tracked forward from the first
and backward from the second. The two passes are merged in three steps:

1. Drift. If a pass ends with an IoU of at least 1/2 with the box that is given
   there, its boxes are moved and scaled so that it ends on this box. The change
   grows linearly with the time since the pass began, for sizes in their
   logarithm.
2. Weights. The weight of a pass is its score, times a factor that falls
   linearly from 1 in the key frame where it begins to 0 in the other.
3. The box is the weighted mean of both boxes. If they do not overlap, the box
   with the greater weight is taken.

In key frames, the box is exactly the one that is given.
"""

import itertools
import math
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from acm_jax.datasets import exports
from acm_jax.datasets.exports.target import Boxes, Target
from acm_jax.datasets.video_files import Frame
from acm_jax.geometry import boxes
from acm_jax.running.annotate import Tracker
from acm_jax.tracking.inputs import check_box
from acm_jax.tracking.result import Result

# Least IoU with the given box at the end of a pass whose drift is corrected.
_LEAST_OVERLAP = 0.5


class Passes(NamedTuple):
  """Results of tracking n targets from one key frame to the next, in t frames.

  Attributes:
    box_xywh: Boxes of the forward pass (index 0) and of the backward pass
      (index 1), px; frames are in the order of the video.
    score: Scores of the boxes, in the same order.
  """

  box_xywh: Float[np.ndarray, '2 t n 4']
  score: Float[np.ndarray, '2 t n']


class KeyFrames(NamedTuple):
  """Key frames of a target.

  Attributes:
    boxes: Boxes that are given; keys are the numbers of the key frames.
    absent: Frames in which the target is known to be absent.
  """

  boxes: Boxes
  absent: frozenset[int] = frozenset()


class _Segment(NamedTuple):
  """Targets with the same two neighbouring key frames."""

  first: int
  last: int
  targets: tuple[int, ...]


def read(path: Path, files: Sequence[Path]) -> list[KeyFrames]:
  """Reads the key frames of each target.

  Args:
    path: File in one of the formats of `datasets.exports`. In a file of CVAT,
      boxes that CVAT has interpolated are left out; a target that is marked as
      outside is absent up to its next box.
    files: Files that the frames of the video are read from.

  Raises:
    FileNotFoundError: The file does not exist.
    ValueError: The file is malformed or has no boxes.
  """
  return [_key_frames(target) for target in exports.read(path, files)]


def track(
  tracker: Tracker, frames: Iterable[Frame], targets: Sequence[KeyFrames]
) -> Iterator[tuple[Frame, list[Result | None]]]:
  """Tracks targets between their key frames.

  The frames between two key frames are kept in memory.

  Args:
    tracker: Tracker that follows the targets.
    frames: Frames of the video.
    targets: Key frames of each target, two or more.

  Yields:
    Each frame, and the result of each target; None before its first and after
    its last key frame, and where it is known to be absent. The score and the
    margin are the weighted means of those of the passes; a target is lost if
    both passes have lost it.

  Raises:
    ValueError: A target has fewer than two boxes, a box cannot be tracked, or a
      key frame does not exist or cannot be decoded.
  """
  waiting = _segments(targets)
  held: list[Frame] = []
  results: dict[int, list[Result | None]] = {}
  for frame in frames:
    held.append(frame)
    results[frame.number] = [None] * len(targets)
    while waiting and waiting[0].last <= frame.number:
      _fill(tracker, held, waiting.pop(0), targets, results)
    first = min((segment.first for segment in waiting), default=math.inf)
    while held and held[0].number < first:
      yield held[0], results.pop(held.pop(0).number)
  if waiting:
    raise _missing(waiting[0].last)


def merge(
  passes: Passes, fraction: Float[np.ndarray, 't']
) -> tuple[Float[np.ndarray, 't n 4'], Float[np.ndarray, '2 t n']]:
  """Merges both passes, as the docstring of this module describes.

  Args:
    passes: Results of the passes. Each begins with the boxes that are given.
    fraction: Time of each frame since the first key frame, as a fraction of the
      time between the key frames.

  Returns:
    The boxes x, y, w, h, px, and the weight of each pass; the sum is 1.
  """
  since = np.stack([fraction, 1 - fraction])[..., None]
  box_xyxy = boxes.xywh_to_xyxy(passes.box_xywh.astype(np.float64))
  begin, end = box_xyxy[(0, 1), (0, -1)], box_xyxy[(0, 1), (-1, 0)]
  kept = boxes.iou(end, begin[::-1]) >= _LEAST_OVERLAP
  box_cxcywh = boxes.xyxy_to_cxcywh(box_xyxy)
  begin, end = boxes.xyxy_to_cxcywh(begin), boxes.xyxy_to_cxcywh(end)
  drift = since * kept[:, None]
  shift = (begin[::-1] - end)[:, None, :, :2] * drift[..., None]
  ratio = begin[::-1, :, 2:] / np.maximum(end[..., 2:], 1e-3)
  scale = ratio[:, None] ** drift[..., None]
  center, size = box_cxcywh[..., :2] + shift, box_cxcywh[..., 2:] * scale
  corrected = boxes.cxcywh_to_xyxy(np.concatenate([center, size], axis=-1))
  # A score may be 0, but the sum of the weights must not be.
  weight = (1 - since) * np.maximum(passes.score, 1e-6)
  apart = boxes.iou(*corrected) <= 0
  best = np.stack([weight[0] >= weight[1], weight[0] < weight[1]])
  weight = np.where(apart, best, weight / weight.sum(axis=0))
  mean_xyxy = (weight[..., None] * corrected).sum(axis=0)
  return boxes.cxcywh_to_xywh(boxes.xyxy_to_cxcywh(mean_xyxy)), weight


def _key_frames(target: Target) -> KeyFrames:
  given = {frame: target.boxes[frame] for frame in sorted(target.given)}
  absent = set()
  for mark in target.outside:
    later = [frame for frame in given if frame > mark]
    absent.update(range(mark, min(later, default=mark)))
  return KeyFrames(given, frozenset(absent))


def _segments(targets: Sequence[KeyFrames]) -> list[_Segment]:
  """Returns the segments of all targets, in the order in which they end."""
  grouped: dict[tuple[int, int], list[int]] = {}
  for number, target in enumerate(targets):
    keys = sorted(target.boxes)
    if len(keys) < 2:
      raise ValueError(
        f'`key_frames`: target {number} has a box in {len(keys)} frames; give '
        'it boxes in two or more'
      )
    for pair in itertools.pairwise(keys):
      grouped.setdefault(pair, []).append(number)
  segments = [_Segment(*pair, tuple(n)) for pair, n in grouped.items()]
  return sorted(segments, key=lambda segment: (segment.last, segment.first))


def _fill(
  tracker: Tracker,
  held: Sequence[Frame],
  segment: _Segment,
  targets: Sequence[KeyFrames],
  results: dict[int, list[Result | None]],
) -> None:
  """Tracks the targets of a segment and writes their results.

  Args:
    tracker: Tracker that follows the targets.
    held: Frames, which include those of the segment.
    segment: Segment to track in.
    targets: Key frames of each target.
    results: Results of each frame, which are changed.
  """
  first, last = segment.first, segment.last
  frames = [frame for frame in held if first <= frame.number <= last]
  for number, frame in ((first, frames[:1]), (last, frames[-1:])):
    if not frame or frame[0].number != number:
      raise _missing(number)
    for target in segment.targets:
      _check(np.array(targets[target].boxes[number]), frame[0], target)
  numbers = np.array([frame.number for frame in frames])
  fraction = (numbers - first) / (last - first)
  given = [targets[n].boxes for n in segment.targets]
  forward = _run(tracker, frames, [each[first] for each in given])
  backward = _run(tracker, frames[::-1], [each[last] for each in given])[::-1]
  both = forward, backward
  box_xywh = np.array([[[r.box for r in row] for row in run] for run in both])
  score = np.array([[[r.score for r in row] for row in run] for run in both])
  margin = np.array([[[r.margin for r in row] for row in run] for run in both])
  merged, weight = merge(Passes(box_xywh, score), fraction)
  score, margin = (weight * score).sum(axis=0), (weight * margin).sum(axis=0)
  for t, frame in enumerate(frames):
    for n, target in enumerate(segment.targets):
      if frame.number in targets[target].absent:
        continue
      results[frame.number][target] = Result(
        np.array(given[n].get(frame.number, merged[t, n])),
        float(score[t, n]),
        forward[t][n].lost and backward[t][n].lost,
        float(margin[t, n]),
      )


def _run(
  tracker: Tracker, frames: Sequence[Frame], box_xywh: Sequence
) -> list[list[Result]]:
  images = (frame.image for frame in frames)
  return list(tracker.track(images, np.array(box_xywh, np.float32)))


def _check(box_xywh: np.ndarray, frame: Frame, target: int) -> None:
  try:
    check_box(box_xywh, frame.image.shape[:2])
  except ValueError as error:
    raise ValueError(
      f'`key_frames`: frame {frame.number}, target {target}: {error}'
    ) from None


def _missing(number: int) -> ValueError:
  return ValueError(
    f'`key_frames`: frame {number} does not exist or cannot be decoded, but '
    'has a box; correct the file'
  )
