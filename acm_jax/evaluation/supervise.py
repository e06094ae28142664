"""Runs a tracker under VOT's reset protocol.

A run goes on until the tracker has lost its target, and again from five frames
later. All sequences go on at once: each round follows every sequence from its
next start, so that lanes stay full.
"""

import dataclasses
import functools
from collections.abc import Callable, Iterator, Mapping
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from acm_jax.evaluation import regions, reset
from acm_jax.evaluation.methods import Follow
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
  started = {i: _Begun(len(sequence)) for i, sequence in enumerate(found)}
  while started:
    indices = list(started)
    pieces, failed = [], []
    for index in indices:
      sequence, start = found[index], started[index].next_start
      truth = truths[sequence.name]
      boxes = sequence.box_xywh[start:].copy()
      boxes[0] = first_box(truth.region[start])
      pieces.append(
        dataclasses.replace(
          sequence,
          frame_paths=sequence.frame_paths[start:],
          box_xywh=boxes,
          absent=sequence.absent[start:],
        )
      )
      failed.append(_failure_of(truth, start))
    for outcome in follow(pieces, on_frames, functools.partial(_asked, failed)):
      index = indices[outcome.index]
      begun = started[index]
      begun.add(outcome, failed[outcome.index])
      if begun.next_start >= len(found[index]):
        del started[index]
        yield Supervised(index, begun.run(), *begun.times)


def _asked(failed, index: int, frame: int, box: np.ndarray) -> bool:
  return failed[index](frame, box)


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


def _failure_of(truth: reset.Truth, start: int):
  def failed(frame: int, box: np.ndarray) -> bool:
    true = truth.region[start + frame]
    return regions.pysot_overlap(box.astype(float), true, truth.bounds) <= 0

  return failed


class _Begun:
  """A run on its way."""

  def __init__(self, length: int):
    self._event = np.full(length, SKIPPED)
    self._region = [np.zeros(0)] * length
    self.times = np.zeros(length), np.zeros(length)
    self.next_start = 0

  def add(self, outcome, failed: Callable[[int, np.ndarray], bool]) -> None:
    start, length = self.next_start, len(self._event)
    self._event[start] = INITIALISED
    self.next_start = length
    tracked = len(outcome.box_xywh)
    for frame, box in enumerate(outcome.box_xywh[1:], 1):
      if failed(frame, box):
        self._event[start + frame] = FAILED
        self.next_start = start + frame + reset.SKIP
        tracked = frame + 1
        break
      self._event[start + frame] = TRACKED
      self._region[start + frame] = box
    for all_, own in zip(self.times, outcome[2:], strict=True):
      all_[start : start + tracked] = own[:tracked]

  def run(self) -> Run:
    return Run(self._event, tuple(self._region))
