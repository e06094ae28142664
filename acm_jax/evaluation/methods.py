"""What is evaluated: a trained tracker or a baseline, behind one signature."""

import collections
import dataclasses
import functools
import itertools
import time
import zlib
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

import jax
import numpy as np
from jaxtyping import Float

from acm_jax.evaluation.baselines import BASELINES
from acm_jax.tracking import lanes
from acm_jax.tracking.contract import Trained, Variables
from data_pipelines.sequences import Sequence, read_frame


class Trajectory(NamedTuple):
  """What a tracker made of a sequence, or of a part of one.

  Attributes:
    index: Its place among the sequences.
    box_xywh: A box a frame, px, 0-based.
    seconds: What each frame took, without decoding it.
    seconds_with_decode: The same with decoding.
  """

  index: int
  box_xywh: Float[np.ndarray, 'n 4']
  seconds: Float[np.ndarray, 'n']
  seconds_with_decode: Float[np.ndarray, 'n']


class Supervision(NamedTuple):
  """Who ends the following of sequences, and says where it goes on.

  Attributes:
    until: Is told a sequence's place, a frame and the box there; says whether
      to stop.
    then: Is told a trajectory; gives the part of the sequence that is followed
      next, or None.
  """

  until: Callable[[int, int, np.ndarray], bool]
  then: Callable[[Trajectory], Sequence | None]


# Follows the first boxes of sequences, in any order; tells how many frames are
# done.
Follow = Callable[
  [list[Sequence], Callable[[int], None], Supervision | None],
  Iterator[Trajectory],
]


@dataclasses.dataclass(frozen=True)
class Method:
  """A tracker that is evaluated.

  Attributes:
    follow: What it does.
    about: What its results hang on, to be known again by.
    programs: What it has compiled, if anything.
  """

  follow: Follow
  about: Mapping[str, Any]
  programs: lanes.Programs | None = None


def trained(model: Trained, lane_count: int = 1) -> Method:
  """A trained tracker that follows `lane_count` sequences at once."""
  programs = lanes.Programs()

  def follow(found, on_frames, supervision=None):
    def video(index, sequence):
      until = then = None
      if supervision:
        until = functools.partial(supervision.until, index)
        then = after
      return lanes.Video(
        sequence.name,
        len(sequence),
        functools.partial(_frame, sequence),
        sequence.box_xywh[0],
        until,
        then,
      )

    def after(followed):
      sequence = supervision.then(_trajectory(followed))
      return video(followed.index, sequence) if sequence else None

    videos = list(itertools.starmap(video, enumerate(found)))
    with jax.default_matmul_precision(model.precision):
      for followed in lanes.follow(
        model.tracker,
        model.variables,
        model.hparams,
        videos,
        lanes=lane_count,
        programs=programs,
        on_frames=on_frames,
      ):
        yield _trajectory(followed)

  return Method(follow, about_trained(model), programs)


def about_trained(model: Trained) -> dict[str, Any]:
  """What the results of a trained tracker hang on, but for its name."""
  return {
    'weights': fingerprint(model.variables),
    'tracker': repr(model.tracker),
    'hparams': {k: float(v) for k, v in vars(model.hparams).items()},
    'precision': model.precision,
  }


def _trajectory(followed: lanes.Followed) -> Trajectory:
  boxes = followed.tracked.box_xywh.astype(np.float64)
  return Trajectory(followed.index, boxes, *followed[2:])


def _frame(sequence: Sequence, index: int) -> np.ndarray:
  return read_frame(sequence.frame_paths[index])


def fingerprint(variables: Variables) -> str:
  """Gives a checksum of weights and statistics, 8 hexadecimal digits."""
  total = 0
  for leaf in jax.tree.leaves(variables):
    total = zlib.crc32(np.ascontiguousarray(leaf), total)
  return f'{total:08x}'


def baseline(name: str) -> Method:
  """A baseline by name.

  Raises:
    ValueError: There is none of that name; the message lists the known.
  """
  if name not in BASELINES:
    known = ', '.join(BASELINES)
    raise ValueError(f'--baseline: no {name!r}; there are {known}')

  def follow(found, on_frames, supervision=None):
    waiting = collections.deque(enumerate(found))
    while waiting:
      index, sequence = waiting.popleft()
      decoding: list[float] = []

      def frames(sequence=sequence, decoding=decoding):
        for path in sequence.frame_paths:
          begun = time.perf_counter()
          frame = read_frame(path)
          decoding.append(time.perf_counter() - begun)
          yield frame

      boxes, seconds, begun = [], [], time.perf_counter()
      try:
        for box in BASELINES[name](frames(), sequence.box_xywh[0]):
          seconds.append(time.perf_counter() - begun)
          boxes.append(box)
          on_frames(1)
          frame = len(boxes) - 1
          if supervision and frame and supervision.until(index, frame, box):
            break
          begun = time.perf_counter()
      except ValueError as error:
        raise ValueError(f'{sequence.name}: {error}') from error
      alone = np.array(seconds) - decoding
      made = Trajectory(index, np.stack(boxes), alone, np.array(seconds))
      after = supervision and supervision.then(made)
      if after:
        waiting.appendleft((index, after))
      yield made

  return Method(follow, {'baseline': name})
