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

In key frames, the box is exactly the one that is given. Where a target is
marked as absent, tracking ends in the frame before, without a second pass.
"""

import itertools
import math
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from acm_jax.datasets import exports
from acm_jax.datasets.exports.target import Target
from acm_jax.datasets.video_files import Frame
from acm_jax.datasets.videos import Video
from acm_jax.geometry import boxes
from acm_jax.running.annotate import Tracker
from acm_jax.running.targets import checked
from acm_jax.tracking.result import Result

# Most bytes of frames that are held in memory.
_MOST_HELD = 4_000_000_000
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


class _Segment(NamedTuple):
  """Frames in which targets are tracked together.

  Attributes:
    first: First frame, a key frame.
    last: Last frame: the next key frame, or the last one before the targets
      are absent.
    closed: Whether the last frame is a key frame.
    targets: Indices of the targets.
  """

  first: int
  last: int
  closed: bool
  targets: tuple[int, ...]


def read(path: Path, video: Video) -> list[Target]:
  """Reads targets that have boxes in key frames only.

  Args:
    path: File in one of the formats of `datasets.exports`. In a file of CVAT,
      boxes that CVAT has interpolated are left out.
    video: Video of the targets; no frame of it is read.

  Raises:
    FileNotFoundError: The file does not exist.
    ValueError: The file is malformed, belongs to a video of another length, or
      has no boxes between which a target can be tracked.
  """
  targets = [
    target._replace(
      boxes={number: target.boxes[number] for number in sorted(target.given)}
    )
    for target in exports.read(path, video)
  ]
  _segments(targets)
  return targets


def track(
  tracker: Tracker, frames: Iterable[Frame], targets: Sequence[Target]
) -> Iterator[tuple[Frame, list[Result | None]]]:
  """Tracks targets between their key frames.

  The frames between two key frames are kept in memory.

  Args:
    tracker: Tracker that follows the targets.
    frames: Frames of the video.
    targets: Targets with boxes in their key frames only.

  Yields:
    Each frame, and the result of each target; None before its first key frame,
    after its last one, and from a frame in which it is marked as absent to its
    next key frame. A target is tracked only forward up to such a mark. The
    score and the margin are the weighted means of those of the passes; a target
    is lost if all passes have lost it.

  Raises:
    ValueError: A target is tracked nowhere, a box cannot be tracked, a key
      frame does not exist or cannot be decoded, or frames between two key
      frames do not fit in memory.
  """
  waiting = _segments(targets)
  held: list[Frame] = []
  results: dict[int, list[Result | None]] = {}
  for count, frame in enumerate(checked(frames, targets, '`key_frames`')):
    if count == 0:
      _check_memory(waiting, frame.image.nbytes)
    held.append(frame)
    results[frame.number] = [None] * len(targets)
    while waiting and waiting[0].last <= frame.number:
      _fill(tracker, held, waiting.pop(0), targets, results)
    first = min((segment.first for segment in waiting), default=math.inf)
    while held and held[0].number < first:
      yield held[0], results.pop(held.pop(0).number)
  # The frames before a mark may be missing at the end.
  for segment in waiting:
    _fill(tracker, held, segment, targets, results)
  for frame in held:
    yield frame, results.pop(frame.number)


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


def _segments(targets: Sequence[Target]) -> list[_Segment]:
  """Returns the segments of all targets, in the order in which they end.

  Raises:
    ValueError: A target has none.
  """
  grouped: dict[tuple[int, int, bool], list[int]] = {}
  for index, target in enumerate(targets):
    own = []
    for first, following in itertools.pairwise([*sorted(target.boxes), None]):
      marks = [
        mark
        for mark in target.outside
        if first < mark and (following is None or mark < following)
      ]
      if marks:
        own.append((first, min(marks) - 1, False))
      elif following is not None:
        own.append((first, following, True))
    if not own:
      raise ValueError(
        f'`key_frames`: target {index} has a box in {len(target.boxes)} '
        'frames; give it boxes in two or more'
      )
    for part in own:
      grouped.setdefault(part, []).append(index)
  segments = [_Segment(*part, tuple(n)) for part, n in grouped.items()]
  return sorted(segments, key=lambda segment: (segment.last, segment.first))


def _check_memory(segments: Sequence[_Segment], size: int) -> None:
  """Checks that the frames between key frames fit in memory.

  Args:
    segments: All segments, in the order in which they end.
    size: Size of a frame, bytes.
  """
  for index, segment in enumerate(segments):
    # Frames are held until every segment that they are in has been tracked.
    first = min(each.first for each in segments[index:])
    count = segment.last - first + 1
    if count * size > _MOST_HELD:
      longest = max(segments, key=lambda each: each.last - each.first)
      raise ValueError(
        f'`key_frames`: the {count} frames from {first} to {segment.last} '
        f'would take {count * size / 1e9:.1f} GB of memory, more than '
        f'{_MOST_HELD / 1e9:.1f} GB; add a key frame between frames '
        f'{longest.first} and {longest.last}, or make the video smaller'
      )


def _fill(
  tracker: Tracker,
  held: Sequence[Frame],
  segment: _Segment,
  targets: Sequence[Target],
  results: dict[int, list[Result | None]],
) -> None:
  """Tracks the targets of a segment and writes their results.

  Args:
    tracker: Tracker that follows the targets.
    held: Frames, which include those of the segment.
    segment: Segment to track in.
    targets: Targets with boxes in their key frames only.
    results: Results of each frame, which are changed.
  """
  first, last = segment.first, segment.last
  frames = [frame for frame in held if first <= frame.number <= last]
  given = [targets[n].boxes for n in segment.targets]
  runs = [_run(tracker, frames, [each[first] for each in given])]
  if segment.closed:
    backward = _run(tracker, frames[::-1], [each[last] for each in given])
    runs.append(backward[::-1])
  box_xywh = np.array([[[r.box for r in row] for row in run] for run in runs])
  score = np.array([[[r.score for r in row] for row in run] for run in runs])
  margin = np.array([[[r.margin for r in row] for row in run] for run in runs])
  if segment.closed:
    numbers = np.array([frame.number for frame in frames])
    fraction = (numbers - first) / (last - first)
    box_xywh, weight = merge(Passes(box_xywh, score), fraction)
  else:
    box_xywh, weight = box_xywh[0], np.ones_like(score)
  score, margin = (weight * score).sum(axis=0), (weight * margin).sum(axis=0)
  for t, frame in enumerate(frames):
    for n, target in enumerate(segment.targets):
      results[frame.number][target] = Result(
        np.array(given[n].get(frame.number, box_xywh[t, n])),
        float(score[t, n]),
        all(run[t][n].lost for run in runs),
        float(margin[t, n]),
      )


def _run(
  tracker: Tracker, frames: Sequence[Frame], box_xywh: Sequence
) -> list[list[Result]]:
  images = (frame.image for frame in frames)
  return list(tracker.track(images, np.array(box_xywh, np.float32)))
