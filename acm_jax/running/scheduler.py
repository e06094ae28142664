"""Drives the protocols of many sequences at once, each in a lane.

Each step moves all lanes by a frame. Images are decoded ahead in threads. A
step is begun before the result of the one before it is known: nearly always a
protocol then asks for the next frame, and where it asks for something else the
step is discarded. Lanes of one bucket of frame sizes run together, so that a
benchmark takes few programs.
"""

import collections
import concurrent.futures
import contextlib
import dataclasses
import os
import time
import typing
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float

from acm_jax.datasets import sequences
from acm_jax.evaluation.protocol import Answer, Next, Protocol, Start
from acm_jax.evaluation.runs import Run
from acm_jax.tracking.contract import Tracked
from acm_jax.tracking.engine import Programs, bucket_of, check_box, given

# Frames of each lane that are decoded ahead.
_AHEAD = 4


@typing.runtime_checkable
class Follower(typing.Protocol):
  """What follows targets: `tracking.engine.Engine`, or a baseline in its place.

  Attributes:
    lanes: How many targets it follows at once.
    programs: What it has compiled.
    about: What its results depend on.
  """

  lanes: int
  programs: Programs
  about: Mapping[str, Any]

  def start(
    self, image: np.ndarray, boxes_xywh: Mapping[int, np.ndarray]
  ) -> None:
    """Gives lanes a target each."""

  def advance(
    self, images: Mapping[int, np.ndarray]
  ) -> Callable[[], Mapping[int, Tracked]]:
    """Moves lanes; returns a function that waits for what was found."""


class Job(NamedTuple):
  """A sequence and the protocol that is to be driven over it."""

  sequence: sequences.Sequence
  protocol: Protocol


class Done(NamedTuple):
  """What came of a job.

  Attributes:
    index: Its place among the jobs.
    runs: What its protocol returned.
    answers: How many requests of it were answered.
    times: Seconds that each frame of the sequence took, without decoding it and
      with; 0 where none was tracked, the sum where more than once.
  """

  index: int
  runs: list[Run]
  answers: int
  times: tuple[Float[np.ndarray, 'n'], Float[np.ndarray, 'n']]


def drive(
  follower: Follower,
  jobs: Sequence[Job],
  on_frames: Callable[[int], None] = lambda count: None,
) -> Iterator[Done]:
  """Drives protocols to their ends; gives each when it is done.

  Args:
    follower: What follows the targets.
    jobs: What to do.
    on_frames: Called with the number of requests that were answered.

  Raises:
    OSError: An image is not there.
    ValueError: An image cannot be decoded, a sequence has no frame or its
      frames change size, a box cannot be tracked, or a protocol lacks what it
      needs; the message names the sequence or the image.
  """
  workers = len(os.sched_getaffinity(0))
  with concurrent.futures.ThreadPoolExecutor(workers) as pool:
    active = [_Active(index, job, pool) for index, job in enumerate(jobs)]
    # Check every job before the first one runs, which may take hours.
    groups = collections.defaultdict(list)
    for one, bucket in zip(active, pool.map(_checked, active), strict=True):
      groups[bucket].append(one)
    del active
    while groups:
      _, group = groups.popitem()
      # The longest first, so that the lanes end together.
      group.sort(key=lambda one: -len(one.job.sequence))
      yield from _Group(follower, group, on_frames).run()


class _Active:
  """A job on its way."""

  def __init__(self, index: int, job: Job, pool):
    self.index, self.job = index, job
    if not len(job.sequence):
      raise ValueError(f'{job.sequence.name}: the video has no frames')
    self.runs: list[Run] | None = None
    self.wanted: Start | Next | None = None
    self.answers = 0
    self._ask(lambda: next(job.protocol))
    if not isinstance(self.wanted, Start):
      raise self.refused('the first request of a protocol must be a Start')
    self.frames = _Frames(job.sequence, pool)
    length = len(job.sequence)
    self.times = np.zeros(length), np.zeros(length)
    # Height and width of its images, from a start on.
    self.size: tuple[int, int] | None = None

  def answer(self, frame: int, tracked: Tracked) -> None:
    """Gives the protocol what was found, and takes its next request."""
    box_xywh = np.asarray(tracked.box_xywh, np.float64)
    if not np.isfinite(box_xywh).all():
      raise self.refused(
        f'frame {frame}, counted from 0: the tracker gave a box that is not '
        'finite; are its weights?'
      )
    self.answers += 1
    answer = Answer(box_xywh, float(tracked.score))
    self._ask(lambda: self.job.protocol.send(answer))

  def _ask(self, request: Callable[[], Start | Next]) -> None:
    """Takes the next request of the protocol, or what it returns."""
    try:
      self.wanted = wanted = request()
    except StopIteration as stop:
      self.wanted, self.runs = None, stop.value
      if not isinstance(self.runs, list):
        raise self.refused('a protocol must return a list of runs') from None
      return
    except ValueError as error:
      raise self.refused(error) from None
    if isinstance(wanted, Start):
      last = len(self.job.sequence) - 1
      if not (0 <= wanted.frame <= last and wanted.step):
        raise self.refused(
          f'{wanted}: the frame must be one of 0 to {last}, the step not 0'
        )
    elif not isinstance(wanted, Next):
      raise self.refused(
        f'{wanted!r} is no request; a protocol yields Start(...) or Next()'
      )

  def refused(self, error: object) -> ValueError:
    """An error that names the sequence."""
    return ValueError(f'{self.job.sequence.name}: {error}')

  def done(self) -> Done:
    return Done(self.index, self.runs, self.answers, self.times)


def _checked(one: _Active) -> tuple[int, int]:
  """The bucket of a job, whose first request can be met."""
  start = one.wanted
  image = one.job.sequence.frame(start.frame)
  try:
    check_box(np.asarray(start.box_xywh, np.float32), image.shape[:2])
  except ValueError as error:
    raise one.refused(error) from None
  return bucket_of(image)


class _Frames:
  """The images of a sequence, in the order in which they are asked for."""

  def __init__(self, sequence: sequences.Sequence, pool):
    self._sequence, self._pool = sequence, pool
    self._ahead: collections.deque = collections.deque()
    self._numbers = range(0)

  def begin(self, start: Start) -> np.ndarray:
    """Gives the image of a start, and decodes on from there."""
    self.drop()
    end = len(self._sequence) if start.step > 0 else -1
    self._numbers = range(start.frame, end, start.step)
    return self.take()

  def drop(self) -> None:
    """Forgets the images to come."""
    for future in self._ahead:
      future.cancel()
    self._ahead.clear()
    self._numbers = range(0)

  def __len__(self) -> int:
    return len(self._numbers)

  @property
  def number(self) -> int:
    """Number of the frame that `take` gives."""
    return self._numbers[0]

  def take(self) -> np.ndarray:
    """Gives the next image."""
    wanted = self._numbers[len(self._ahead) : _AHEAD]
    for number in wanted:
      self._ahead.append(self._pool.submit(self._sequence.frame, number))
    self._numbers = self._numbers[1:]
    return self._ahead.popleft().result()


@dataclasses.dataclass
class _Step:
  """A step that was begun.

  Attributes:
    moved: Job and frame by lane.
    fetch: Waits for what was found.
  """

  moved: dict[int, tuple[_Active, int]]
  fetch: Callable[[], Mapping[int, Tracked]]


class _Group:
  """Jobs of one bucket."""

  def __init__(self, follower: Follower, jobs, on_frames):
    self._follower, self._on_frames = follower, on_frames
    self._waiting = collections.deque(jobs)
    # A lane has a job, or None.
    self._at: list[_Active | None] = [None] * min(follower.lanes, len(jobs))
    self._clock = _Clock(follower.programs)

  def run(self) -> Iterator[Done]:
    pending: _Step | None = None
    while self._waiting or any(self._at):
      for lane in range(len(self._at)):
        self._fill(lane)
      begun = self._begin()
      if pending:
        self._settle(pending)
      self._discard(begun)
      pending = begun
      for lane, one in enumerate(self._at):
        if one and one.wanted is None:
          self._at[lane] = None
          yield one.done()
          # The time that the caller takes is not the tracker's.
          self._clock.start()

  def _fill(self, lane: int) -> None:
    """Gives a free lane the next job, and starts what a job asks for."""
    if self._at[lane] is None and self._waiting:
      self._at[lane] = self._waiting.popleft()
    one = self._at[lane]
    while one and isinstance(one.wanted, Start):
      start = one.wanted
      with self._clock.waiting():
        image = one.frames.begin(start)
      one.size = image.shape[:2]
      try:
        self._follower.start(image, {lane: start.box_xywh})
      except ValueError as error:
        raise one.refused(error) from None
      self._answer([(one, start.frame, given(start.box_xywh))])

  def _begin(self) -> _Step | None:
    """Begins a step of the lanes whose sequences go on."""
    moved, images = {}, {}
    for lane, one in enumerate(self._at):
      if one and len(one.frames):
        moved[lane] = one, one.frames.number
        with self._clock.waiting():
          images[lane] = one.frames.take()
    if not moved:
      return None
    try:
      return _Step(moved, self._follower.advance(images))
    except ValueError as error:
      for lane, (one, frame) in moved.items():
        if images[lane].shape[:2] != one.size:
          where = f'frame {frame}, counted from 0: {error}'
          raise one.refused(where) from None
      raise

  def _settle(self, pending: _Step) -> None:
    """Answers the requests that a step has met."""
    if pending.moved:
      found = pending.fetch()
      self._answer(
        [
          (one, frame, found[lane])
          for lane, (one, frame) in pending.moved.items()
        ]
      )

  def _discard(self, begun: _Step | None) -> None:
    """Drops what was begun in lanes that ask for something else."""
    going = begun.moved if begun else {}
    for lane, one in enumerate(self._at):
      if one and not isinstance(one.wanted, Next):
        going.pop(lane, None)
        one.frames.drop()
      elif one and lane not in going:
        raise one.refused('the protocol asks for a frame after the last one')

  def _answer(self, answers: list[tuple[_Active, int, Tracked]]) -> None:
    """Passes on what was found, and what it took."""
    spent = self._clock.lap()
    for one, frame, tracked in answers:
      one.answer(frame, tracked)
      for times, seconds in zip(one.times, spent, strict=True):
        times[frame] += seconds / len(answers)
    self._on_frames(len(answers))


class _Clock:
  """Time from answer to answer, less what is spent on compiling."""

  def __init__(self, programs: Programs):
    self._programs = programs
    self.start()

  def start(self) -> None:
    """Forgets the time since the last answer."""
    self._begun, self._waited = time.perf_counter(), 0.0
    self._compiled = self._programs.seconds

  @contextlib.contextmanager
  def waiting(self) -> Iterator[None]:
    """Counts the time inside as a wait for images."""
    begun = time.perf_counter()
    yield
    self._waited += time.perf_counter() - begun

  def lap(self) -> tuple[float, float]:
    """Time since the last answer, without and with the wait for images."""
    took = time.perf_counter() - self._begun
    took -= self._programs.seconds - self._compiled
    alone = took - self._waited
    self.start()
    return alone, took
