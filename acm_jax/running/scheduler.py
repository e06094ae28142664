"""Runs the tracking protocols of several sequences at once.

A tracker has a fixed number of lanes, and each lane tracks one sequence at a
time. A step advances all lanes by a frame, while threads decode the coming
images. A step begins before the results of the previous step are known, because
a protocol nearly always requests the next frame. If a protocol requests
something else, the result of its lane is discarded. Frames are padded to one of
a few sizes, called buckets. Sequences whose first frames are in the same bucket
run together, so that few programs are compiled.
"""

import collections
import concurrent.futures
import contextlib
import dataclasses
import os
import typing
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float

from acm_jax.datasets import sequences
from acm_jax.evaluation.protocol import Answer, Next, Protocol, Start
from acm_jax.evaluation.runs import Run
from acm_jax.tracking.contract import Tracked
from acm_jax.tracking.engine import bucket_of, initial_result
from acm_jax.tracking.inputs import check_box
from acm_jax.tracking.programs import Programs

# Number of frames that are decoded ahead in each lane.
_AHEAD = 4


@typing.runtime_checkable
class Follower(typing.Protocol):
  """Tracker that `drive` runs: an `Engine` or a `BaselineFollower`.

  Attributes:
    lanes: Number of targets that are tracked at once.
    programs: Programs that the tracker has compiled.
    about: Description of everything that the results depend on.
  """

  lanes: int
  programs: Programs
  about: Mapping[str, Any]

  def start(
    self, image: np.ndarray, boxes_xywh: Mapping[int, np.ndarray]
  ) -> None:
    """Starts lanes on new targets, given a box in the image for each lane."""

  def advance(
    self, images: Mapping[int, np.ndarray]
  ) -> Callable[[], Mapping[int, Tracked]]:
    """Advances lanes to their next images, without waiting for the results.

    The returned function waits, then returns a mapping from lanes to results.
    """

  def take_failures(self) -> list[str]:
    """Returns the reason of each failure since the last call."""


def answer_of(tracked: Tracked) -> Answer:
  """Returns a tracker's result as an answer to a protocol.

  Raises:
    ValueError: The box is not finite.
  """
  box_xywh = np.asarray(tracked.box_xywh, np.float64)
  if not np.isfinite(box_xywh).all():
    raise ValueError(
      'the tracker returned a box that is not finite; check that its weights '
      'are finite'
    )
  return Answer(box_xywh, float(tracked.score), bool(tracked.lost))


class Job(NamedTuple):
  """Sequence, and the tracking protocol to run on it."""

  sequence: sequences.Sequence
  protocol: Protocol


class Times(NamedTuple):
  """Seconds spent on each frame of a sequence.

  The time of a frame that was not tracked is 0. If a frame was tracked more
  than once, the times are summed.

  Attributes:
    seconds: Seconds without waiting for the image to be decoded.
    seconds_with_decode: Seconds including the wait for the image.
  """

  seconds: Float[np.ndarray, 'n']
  seconds_with_decode: Float[np.ndarray, 'n']


class Done(NamedTuple):
  """Results of a finished job.

  Attributes:
    index: Index of the job in the `jobs` that `drive` received.
    runs: Runs that the protocol returned.
    answers: Number of the protocol's requests that were answered.
    times: Seconds spent on each frame.
  """

  index: int
  runs: list[Run]
  answers: int
  times: Times


def drive(
  follower: Follower,
  jobs: Sequence[Job],
  on_frames: Callable[[int], None] = lambda count: None,
) -> Iterator[Done]:
  """Runs jobs to completion; yields the results of each job once it is done.

  Args:
    follower: Tracker that answers the requests of the protocols.
    jobs: Jobs to run.
    on_frames: Callback that receives the number of newly answered requests.

  Raises:
    OSError: An image does not exist.
    ValueError: An image cannot be decoded, a sequence is empty, a box fails
      `check_box`, or a protocol rejects its sequence. The message names the
      sequence or the image.
  """
  workers = len(os.sched_getaffinity(0))
  with concurrent.futures.ThreadPoolExecutor(workers) as pool:
    all_active = [
      _ActiveJob(index, job, pool) for index, job in enumerate(jobs)
    ]
    # Check all jobs before the first one runs, since a run may take hours.
    groups = collections.defaultdict(list)
    for active, bucket in zip(
      all_active, pool.map(_check, all_active), strict=True
    ):
      groups[bucket].append(active)
    del all_active
    while groups:
      _, group = groups.popitem()
      # Longest sequences first, so that all lanes finish at about the same
      # time.
      group.sort(key=lambda active: -len(active.job.sequence))
      yield from _Group(follower, group, on_frames).run()


class _ActiveJob:
  """Job in progress: the protocol's pending request and the results so far."""

  def __init__(self, index: int, job: Job, pool):
    self.index, self.job = index, job
    if not len(job.sequence):
      raise ValueError(f'{job.sequence.name}: no frames; remove the sequence')
    self.runs: list[Run] | None = None
    self.wanted: Start | Next | None = None
    self.answers = 0
    self._ask(lambda: next(job.protocol))
    if not isinstance(self.wanted, Start):
      begun = 'a return' if self.wanted is None else repr(self.wanted)
      raise self.error(
        f'the protocol began with {begun}; its first yield must be Start(...)'
      )
    self.frames = _Frames(job.sequence, pool)
    length = len(job.sequence)
    self.times = Times(np.zeros(length), np.zeros(length))

  def answer(self, frame: int, tracked: Tracked) -> None:
    """Sends a result to the protocol, and receives the next request."""
    try:
      answer = answer_of(tracked)
    except ValueError as error:
      raise self.error(f'frame {frame} (counted from 0): {error}') from None
    self.answers += 1
    self._ask(lambda: self.job.protocol.send(answer))

  def _ask(self, request: Callable[[], Start | Next]) -> None:
    """Receives the protocol's next request, or the runs that it returns."""
    try:
      self.wanted = wanted = request()
    except StopIteration as stop:
      self.wanted, self.runs = None, stop.value
      if not isinstance(self.runs, list):
        raise self.error(
          f'the protocol returned {self.runs!r}; it must return a list of runs'
        ) from None
      return
    except ValueError as error:
      raise self.error(error) from None
    if isinstance(wanted, Start):
      last = len(self.job.sequence) - 1
      if not (0 <= wanted.frame <= last and wanted.step):
        raise self.error(
          f'{wanted}: `frame` must be from 0 to {last}, and `step` not 0'
        )
    elif not isinstance(wanted, Next):
      raise self.error(
        f'{wanted!r} is not a request; a protocol must yield Start(...) or '
        'Next()'
      )

  def error(self, error: object) -> ValueError:
    """Returns an error that names the sequence."""
    return ValueError(f'{self.job.sequence.name}: {error}')

  def done(self) -> Done:
    return Done(self.index, self.runs, self.answers, self.times)


def _check(active: _ActiveJob) -> tuple[int, int]:
  """Checks the first request of a job; returns the bucket of its image."""
  start = active.wanted
  image = active.job.sequence.frame(start.frame)
  try:
    check_box(np.asarray(start.box_xywh, np.float32), image.shape[:2])
  except ValueError as error:
    raise active.error(error) from None
  return bucket_of(image)


class _Frames:
  """Queue of images from the latest `Start` on, which threads decode ahead."""

  def __init__(self, sequence: sequences.Sequence, pool):
    self._sequence, self._pool = sequence, pool
    self._ahead: collections.deque = collections.deque()
    self._numbers = range(0)

  def begin(self, start: Start) -> np.ndarray:
    """Returns the first image; begins to decode the images after it."""
    self.drop()
    end = len(self._sequence) if start.step > 0 else -1
    self._numbers = range(start.frame, end, start.step)
    return self.take()

  def drop(self) -> None:
    """Discards all remaining images."""
    for future in self._ahead:
      future.cancel()
    self._ahead.clear()
    self._numbers = range(0)

  def __len__(self) -> int:
    return len(self._numbers)

  @property
  def number(self) -> int:
    """Index of the frame that `take` returns next."""
    return self._numbers[0]

  def take(self) -> np.ndarray:
    """Returns the next image."""
    for number in self._numbers[len(self._ahead) : _AHEAD]:
      self._ahead.append(self._pool.submit(self._sequence.frame, number))
    self._numbers = self._numbers[1:]
    return self._ahead.popleft().result()


@dataclasses.dataclass
class _Step:
  """Step with results that have not been fetched yet.

  Attributes:
    moved: Job and index of the new frame, for each lane that advances.
    fetch: Function that waits, then returns a mapping from lanes to results.
  """

  moved: dict[int, tuple[_ActiveJob, int]]
  fetch: Callable[[], Mapping[int, Tracked]]


class _Group:
  """Runs jobs whose first images are in the same bucket."""

  def __init__(self, follower: Follower, jobs, on_frames):
    self._follower, self._on_frames = follower, on_frames
    self._waiting = collections.deque(jobs)
    # Job of each lane; None if the lane is free.
    self._lanes: list[_ActiveJob | None] = [None] * min(
      follower.lanes, len(jobs)
    )
    self._clock = _Clock(follower.programs)

  def run(self) -> Iterator[Done]:
    pending: _Step | None = None
    while self._waiting or any(self._lanes):
      for lane in range(len(self._lanes)):
        self._fill(lane)
      begun = self._begin()
      if pending:
        self._settle(pending)
      self._discard(begun)
      pending = begun
      for lane, active in enumerate(self._lanes):
        if active and active.wanted is None:
          self._lanes[lane] = None
          yield active.done()
          # The clock must not count the time that the caller spends on results.
          self._clock.start()

  def _fill(self, lane: int) -> None:
    """Gives a free lane the next job; starts the target if requested."""
    if self._lanes[lane] is None and self._waiting:
      self._lanes[lane] = self._waiting.popleft()
    active = self._lanes[lane]
    while active and isinstance(active.wanted, Start):
      start = active.wanted
      with self._clock.waiting():
        image = active.frames.begin(start)
      try:
        self._follower.start(image, {lane: start.box_xywh})
      except ValueError as error:
        raise active.error(error) from None
      self._answer([(active, start.frame, initial_result(start.box_xywh))])

  def _begin(self) -> _Step | None:
    """Begins a step of all lanes that have frames left."""
    moved, images = {}, {}
    for lane, active in enumerate(self._lanes):
      if active and len(active.frames):
        moved[lane] = active, active.frames.number
        with self._clock.waiting():
          images[lane] = active.frames.take()
    return _Step(moved, self._follower.advance(images)) if moved else None

  def _settle(self, pending: _Step) -> None:
    """Waits for the results of a step, and answers requests with them."""
    if pending.moved:
      results = pending.fetch()
      self._answer(
        [
          (active, frame, results[lane])
          for lane, (active, frame) in pending.moved.items()
        ]
      )

  def _discard(self, begun: _Step | None) -> None:
    """Removes lanes from the step if their jobs do not want the next frame."""
    moved = begun.moved if begun else {}
    for lane, active in enumerate(self._lanes):
      if active and not isinstance(active.wanted, Next):
        moved.pop(lane, None)
        active.frames.drop()
      elif active and lane not in moved:
        raise active.error(
          'the protocol requests a frame after the last one; it must return '
          'instead'
        )

  def _answer(self, answers: list[tuple[_ActiveJob, int, Tracked]]) -> None:
    """Sends results to the protocols, and records the time per frame."""
    seconds, seconds_with_decode = self._clock.lap()
    count = len(answers)
    for active, frame, tracked in answers:
      active.answer(frame, tracked)
      active.times.seconds[frame] += seconds / count
      active.times.seconds_with_decode[frame] += seconds_with_decode / count
    self._on_frames(count)


class _Clock:
  """Stopwatch for the time between answers, excluding compilation."""

  def __init__(self, programs: Programs):
    self._now = programs.clock
    self.start()

  def start(self) -> None:
    """Restarts from zero."""
    self._begun, self._waited = self._now(), 0.0

  @contextlib.contextmanager
  def waiting(self) -> Iterator[None]:
    """Counts the time within the context as waiting for images."""
    begun = self._now()
    yield
    self._waited += self._now() - begun

  def lap(self) -> tuple[float, float]:
    """Returns two counts of the seconds since the start, and restarts.

    The first count excludes the waits for images; the second includes them.
    """
    total = self._now() - self._begun
    without_waits = total - self._waited
    self.start()
    return without_waits, total
