"""Runs a tracker under VOT's reset protocol.

A run goes on until the tracker has lost its target, and again from five frames
later.
"""

import dataclasses
from collections.abc import Callable, Iterator, Mapping
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from acm_jax.evaluation import regions, reset
from acm_jax.evaluation.methods import Follow, Supervision, Trajectory
from acm_jax.evaluation.reset import FAILED, INITIALISED, SKIPPED, TRACKED, Run
from data_pipelines.sequences import Sequence


class Supervised(NamedTuple):
  """The run of a sequence.

  Attributes:
    index: Its place among the sequences.
    run: What came of it.
    seconds: What each frame took, without decoding it; 0 where none was
      tracked.
    seconds_with_decode: The same with decoding.
  """

  index: int
  run: Run
  seconds: Float[np.ndarray, 'n']
  seconds_with_decode: Float[np.ndarray, 'n']


def supervise(
  follow: Follow,
  found: list[Sequence],
  truths: Mapping[str, reset.Truth],
  on_frames: Callable[[int], None],
) -> Iterator[Supervised]:
  """Runs a tracker over sequences; gives each when its run is whole.

  Args:
    follow: The tracker.
    found: The sequences.
    truths: Their regions, by name.
    on_frames: Is told how many frames were done.

  Raises:
    ValueError: A sequence cannot be tracked; the message names it.
  """
  begun = [_Begun(sequence, truths[sequence.name]) for sequence in found]
  supervision = Supervision(
    until=lambda index, frame, box: begun[index].failed(frame, box),
    then=lambda outcome: begun[outcome.index].add(outcome),
  )
  pieces = [each.piece() for each in begun]
  for outcome in follow(pieces, on_frames, supervision):
    one = begun[outcome.index]
    if one.piece() is None:
      yield Supervised(outcome.index, one.run(), *one.times)


def first_box(region: Float[np.ndarray, '_']) -> Float[np.ndarray, '4']:
  """The box that a tracker is started from, x, y, w, h.

  Of a polygon, the axis-parallel one round it, shrunk about the mean of the
  corners to the polygon's area, a pixel wider and higher.

  Source: the released code of pysot.
  """
  if len(region) == 4:
    return region
  corners = region.reshape(-1, 2)
  center = corners.mean(axis=0)
  sides = np.ptp(corners, axis=0)
  edges = np.linalg.norm(corners[:3][1:] - corners[:2], axis=1)
  size = sides * np.sqrt(edges.prod() / sides.prod()) + 1
  return np.concatenate([center - (size - 1) / 2, size])


class _Begun:
  """A run on its way."""

  def __init__(self, sequence: Sequence, truth: reset.Truth):
    self._sequence, self._truth = sequence, truth
    length = len(sequence)
    self._event = np.full(length, SKIPPED)
    self._region = [np.zeros(0)] * length
    self.times = np.zeros(length), np.zeros(length)
    self._start = 0

  def piece(self) -> Sequence | None:
    """What is left of the sequence from the next start on, if anything."""
    sequence, start = self._sequence, self._start
    if start >= len(sequence):
      return None
    boxes = sequence.box_xywh[start:].copy()
    boxes[0] = first_box(self._truth.region[start])
    return dataclasses.replace(
      sequence,
      frame_paths=sequence.frame_paths[start:],
      box_xywh=boxes,
      absent=sequence.absent[start:],
    )

  def failed(self, frame: int, box: np.ndarray) -> bool:
    """Whether the box of a frame of the piece has nothing of the target."""
    true, bounds = self._truth.region[self._start + frame], self._truth.bounds
    return regions.pysot_overlap(box.astype(float), true, bounds) <= 0

  def add(self, outcome: Trajectory) -> Sequence | None:
    """Takes what came of the piece; gives the next one."""
    start, count = self._start, len(outcome.box_xywh)
    span = slice(start, start + count)
    self._event[span] = TRACKED
    self._event[start] = INITIALISED
    self._region[span] = [np.zeros(0), *outcome.box_xywh[1:]]
    for all_, own in zip(self.times, outcome[2:], strict=True):
      all_[span] = own
    last = start + count - 1
    if count > 1 and self.failed(count - 1, outcome.box_xywh[-1]):
      self._event[last], self._region[last] = FAILED, np.zeros(0)
      self._start = last + reset.SKIP
    else:
      self._start = len(self._event)
    return self.piece()

  def run(self) -> Run:
    return Run(self._event, tuple(self._region))
