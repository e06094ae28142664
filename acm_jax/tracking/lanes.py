"""Many videos at once: every lane has its own, and takes the next at its end.

One compiled step moves all lanes by a frame. Lanes of one bucket of frame sizes
run together, so that a benchmark takes few programs. Images are decoded ahead
in threads, and what a step found is fetched while the next one runs.
"""

import collections
import concurrent.futures
import os
import time
from collections.abc import Callable, Hashable, Iterator, Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float, UInt8

from acm_jax.tracking import lane_step, loop, stream
from acm_jax.tracking.contract import (
  Frame,
  Hparams,
  Tracked,
  Tracker,
  TrackState,
  Variables,
)

# Frames of each lane that are decoded ahead.
_AHEAD = 4


class Video(NamedTuple):
  """What a lane follows.

  Attributes:
    name: For messages.
    length: How many frames it has.
    read: Gives RGB frame i; is called from threads.
    box_xywh: The target in frame 0, px, 0-based.
    until: Is told each frame's number and box, and says whether to stop there;
      None follows to the end.
    then: Is told the outcome, and gives what is to be followed next instead of
      it, of frames of the same size; None is given and gives nothing.
  """

  name: str
  length: int
  read: Callable[[int], UInt8[np.ndarray, 'h w 3']]
  box_xywh: Float[np.ndarray, '4']
  until: Callable[[int, Float[np.ndarray, '4']], bool] | None = None
  then: 'Callable[[Followed], Video | None] | None' = None


class Followed(NamedTuple):
  """The outcome of a video.

  Attributes:
    index: Its place among the videos, or that of the one it came after.
    tracked: What was found in each frame up to the last or that of `until`,
      [n, ...]; the first is the box given.
    seconds: A frame's share of the time of its step, without the wait for
      images.
    seconds_with_decode: The same with that wait.
  """

  index: int
  tracked: Tracked
  seconds: Float[np.ndarray, 'n']
  seconds_with_decode: Float[np.ndarray, 'n']


class Programs:
  """Compiled programs by what they are for.

  Attributes:
    seconds: What it took to compile them.
  """

  def __init__(self):
    self._compiled: dict[Hashable, Callable] = {}
    self.seconds = 0.0

  def __len__(self) -> int:
    return len(self._compiled)

  def get(self, key: Hashable, function, *args, **static) -> Callable:
    """A jitted function compiled for arguments of these shapes.

    Args:
      key: What tells it from the others, its static arguments and shapes.
      function: Made by jax.jit.
      *args: As it is called with, static ones included.
      **static: Further static arguments.

    Returns:
      The program; it takes the arguments that are not static.
    """
    if key not in self._compiled:
      begun = time.perf_counter()
      self._compiled[key] = function.lower(*args, **static).compile()
      self.seconds += time.perf_counter() - begun
    return self._compiled[key]


def follow(
  tracker: Tracker,
  variables: Variables,
  hparams: Hparams,
  videos: Sequence[Video],
  *,
  lanes: int,
  programs: Programs | None = None,
  on_frames: Callable[[int], None] = lambda count: None,
) -> Iterator[Followed]:
  """Follows one target in each of many videos; gives each when it is done.

  Args:
    tracker: The algorithm.
    variables: Of its network.
    hparams: Penalty, window and smoothing.
    videos: What to follow.
    lanes: How many of them at once, at most.
    programs: Where the compiled programs are kept and counted.
    on_frames: Is told after each start and step how many frames it took.

  Raises:
    ValueError: A video has no frame or its frames change size, or its box has
      no area or lies outside the first frame; the message names it.
  """
  if lanes < 1:
    raise ValueError(f'--lanes={lanes}: at least 1')
  programs = Programs() if programs is None else programs
  workers = len(os.sched_getaffinity(0))
  with (
    concurrent.futures.ThreadPoolExecutor(workers) as pool,
    # Apart, so that a step's frames do not queue behind later ones' decoding.
    concurrent.futures.ThreadPoolExecutor(workers) as copiers,
  ):
    sizes = list(pool.map(_size, videos))
    groups = collections.defaultdict(list)
    for index, size in enumerate(sizes):
      groups[stream.bucket_of(size)].append(index)
    for bucket, indices in groups.items():
      # The longest first, so that the lanes end together.
      indices.sort(key=lambda index: -videos[index].length)
      width = min(lanes, len(indices))
      given = tracker, variables, hparams
      group = _Group(programs, given, (pool, copiers), bucket, width)
      yield from group.run(videos, indices, on_frames)


def _size(video: Video) -> tuple[int, int]:
  if video.length < 1:
    raise ValueError(f'{video.name}: the video has no frames')
  size = video.read(0).shape[:2]
  try:
    stream.check_boxes(np.asarray(video.box_xywh, np.float32)[None], size)
  except ValueError as error:
    raise ValueError(f'{video.name}: {error}') from None
  return size


class _Lane:
  """A video on its way."""

  def __init__(self, index: int, video: Video, pool):
    self.index, self.video = index, video
    self._pool = pool
    self._next = 0
    self._ahead: collections.deque = collections.deque()
    self._fill()
    self._stopped = False
    self.size: tuple[int, int] | None = None
    self.found: list[Tracked] = []
    self.seconds: list[float] = []
    self.seconds_with_decode: list[float] = []

  def _fill(self):
    while self._next < self.video.length and len(self._ahead) < _AHEAD:
      self._ahead.append(self._pool.submit(self.video.read, self._next))
      self._next += 1

  @property
  def ended(self) -> bool:
    """Whether no further frame will be taken."""
    return not self._ahead

  @property
  def done(self) -> bool:
    """Whether all is known that will be."""
    return self._stopped or len(self.found) == self.video.length

  def keep(self, tracked: Tracked) -> None:
    """Takes what the next frame's step found."""
    # A step may be under way when the one before it says to stop.
    if self._stopped:
      return
    self.found.append(tracked)
    until = self.video.until
    if until and until(len(self.found) - 1, tracked.box_xywh):
      self._stopped = True
      self._next = self.video.length
      while self._ahead:
        self._ahead.pop().cancel()

  def take(self) -> np.ndarray:
    """The next frame."""
    frame = self._ahead.popleft().result()
    number = self._next - len(self._ahead) - 1
    self._fill()
    if self.size not in (None, frame.shape[:2]):
      (h, w), (h0, w0) = frame.shape[:2], self.size
      raise ValueError(
        f'{self.video.name}: frame {number}, counted from 0, is {w} x {h} '
        f'pixels where the first is {w0} x {h0}: make all frames one size'
      )
    self.size = frame.shape[:2]
    return frame

  def outcome(self) -> Followed:
    tracked = jax.tree.map(lambda *x: np.stack(x), *self.found)
    count = len(self.found)
    alone, decoded = self.seconds[:count], self.seconds_with_decode[:count]
    return Followed(self.index, tracked, np.array(alone), np.array(decoded))


class _Group:
  """Lanes of one bucket."""

  def __init__(self, programs, given, pools, bucket, width):
    self._programs, (self._pool, self._copiers) = programs, pools
    self._tracker, self._variables, self._hparams = given
    self._bucket = bucket
    self._lanes: list[_Lane | None] = [None] * width
    self._states: TrackState | None = None
    self._ended: list[_Lane] = []

  def run(self, videos, indices, on_frames) -> Iterator[Followed]:
    waiting = collections.deque((index, videos[index]) for index in indices)
    # What the step before found, on the device, and whose it is.
    pending: tuple[Tracked, list[tuple[int, _Lane]]] | None = None
    while True:
      for place, lane in enumerate(self._lanes):
        if lane is None and waiting:
          self._start(place, _Lane(*waiting.popleft(), self._pool))
          on_frames(1)
      begun, compiled = time.perf_counter(), self._programs.seconds
      moving = [
        (place, lane)
        for place, lane in enumerate(self._lanes)
        if lane is not None and not lane.ended
      ]
      step, waited = None, 0.0
      if moving:
        frames, waited = self._frames(moving)
        step = self._advance(frames, moving), moving
      if pending:
        self._keep(*pending)
      pending = step
      # A lane whose last frame is on the device can be given away.
      for place, lane in enumerate(self._lanes):
        if lane is not None and lane.ended:
          self._lanes[place] = None
          self._ended.append(lane)
      took = time.perf_counter() - begun - (self._programs.seconds - compiled)
      for _, lane in moving:
        lane.seconds.append((took - waited) / len(moving))
        lane.seconds_with_decode.append(took / len(moving))
      on_frames(len(moving))
      for lane in self._ended.copy():
        if lane.done:
          self._ended.remove(lane)
          outcome = lane.outcome()
          after = lane.video.then and lane.video.then(outcome)
          if after:
            waiting.appendleft((lane.index, after))
          yield outcome
      if not (waiting or pending or self._ended):
        return

  def _start(self, place: int, lane: _Lane) -> None:
    begun = time.perf_counter()
    first = lane.take()
    waited = time.perf_counter() - begun
    frame = stream.padded([first], self._bucket)
    frame = jax.tree.map(lambda x: x[0], frame)
    box = np.asarray(lane.video.box_xywh, np.float32)
    compiled, begun = self._programs.seconds, time.perf_counter()
    args = self._variables, frame, box[None]
    program = self._programs.get(
      ('start', self._bucket), loop.start, self._tracker, *args
    )
    state = program(*args)
    if self._states is None:
      self._states = jax.tree.map(
        lambda x: jnp.zeros((len(self._lanes), *x.shape[1:]), x.dtype), state
      )
    args = self._states, state, np.int32(place)
    program = self._programs.get(
      ('put', len(self._lanes)), lane_step.put, *args
    )
    self._states = program(*args)
    took = time.perf_counter() - begun - (self._programs.seconds - compiled)
    one = np.float32(1)
    lane.found.append(Tracked(box, score=one, lost=np.False_, margin=one))
    lane.seconds.append(took)
    lane.seconds_with_decode.append(took + waited)
    self._lanes[place] = lane

  def _frames(self, moving) -> tuple[Frame, float]:
    """The next frame of each lane, and how long the images took."""
    begun = time.perf_counter()
    taken = [lane.take() for _, lane in moving]
    waited = time.perf_counter() - begun
    pixels = np.zeros((len(self._lanes), *self._bucket, 3), np.uint8)
    sizes = np.ones((len(self._lanes), 2), np.int32)

    def copy(place, frame):
      h, w = frame.shape[:2]
      pixels[place, :h, :w], sizes[place] = frame, (h, w)

    list(self._copiers.map(copy, [place for place, _ in moving], taken))
    return Frame(jnp.asarray(pixels), jnp.asarray(sizes)), waited

  def _advance(self, frames: Frame, moving) -> Tracked:
    active = np.zeros(len(self._lanes), bool)
    active[[place for place, _ in moving]] = True
    wanted = np.zeros_like(active)
    if self._tracker.wide_search:
      # A copy, for the step is given the states' own memory.
      wanted = np.array(self._states.wide)
    found = None
    for wide in (False, True):
      now = active & (wanted == wide)
      if now.any():
        part = self._step(frames, now, wide)
        found = part if found is None else self._chosen(now, part, found)
    return found

  def _chosen(self, *args) -> Tracked:
    key = 'chosen', len(self._lanes)
    return self._programs.get(key, lane_step.chosen, *args)(*args)

  def _step(self, frames: Frame, active: np.ndarray, wide: bool) -> Tracked:
    args = self._variables, self._hparams, self._states, frames, active
    program = self._programs.get(
      ('step', self._bucket, len(self._lanes), wide),
      lane_step.step_of(jax.default_backend()),
      self._tracker,
      *args,
      wide=wide,
    )
    self._states, found = program(*args)
    return found

  def _keep(self, tracked: Tracked, moved) -> None:
    tracked = jax.device_get(tracked)
    for place, lane in moved:
      lane.keep(jax.tree.map(lambda x, i=place: x[i], tracked))
