"""Targets that a user starts, corrects and tracks in one video."""

import dataclasses
from collections.abc import Callable
from pathlib import Path

import numpy as np

from acm_jax.datasets.video_files import Frame
from acm_jax.host.staging import replacing
from acm_jax.running import annotate, pictures
from acm_jax.running.video_writer import VideoWriter
from acm_jax.tracking.inputs import Box
from acm_jax.tracking.result import Result, ScoreMap
from acm_jax.tracking.video_tracker import VideoTracker
from acm_jax.web.shown import Picture, Shown
from acm_jax.web.sources import Source

MOST_TARGETS = 8


@dataclasses.dataclass
class _Target:
  """A target, and the frames that its tracker has seen.

  Attributes:
    tracker: Tracker that follows the target.
    first: Position of the frame with the box that the user gave last.
    position: Position of the last frame.
  """

  tracker: VideoTracker
  first: int
  position: int


@dataclasses.dataclass
class _Row:
  """Results of a frame, by target."""

  number: int
  time: float
  results: dict[int, Result] = dataclasses.field(default_factory=dict)

  def listed(self) -> list[Result | None]:
    """Returns the result of each target, by its number."""
    return [self.results.get(target) for target in range(MOST_TARGETS)]


class Session:
  """Tracks targets in a video, frame by frame, as a user asks.

  Each target is tracked from its latest box on. Targets may be started in
  different frames, and one target may be corrected in a frame that others have
  passed: `step` advances those that are furthest behind, until all are level.

  A session must not be used by several threads at once.

  Attributes:
    source: Frames of the video.
  """

  def __init__(
    self,
    source: Source,
    new_tracker: Callable[[], VideoTracker],
    shown: Shown,
  ):
    """Begins without targets.

    Args:
      source: Frames of the video.
      new_tracker: Function that makes a tracker without a target.
      shown: Pictures of the frames.
    """
    self.source, self._shown = source, shown
    self._new_tracker = new_tracker
    self._targets: dict[int, _Target] = {}
    self._rows: dict[int, _Row] = {}

  @property
  def targets(self) -> list[int]:
    """Numbers of the targets."""
    return sorted(self._targets)

  @property
  def tracked_to(self) -> int | None:
    """Position up to which all targets are tracked; None without a target."""
    positions = [target.position for target in self._targets.values()]
    return min(positions, default=None)

  def compile(self) -> None:
    """Compiles the programs for frames of the size of the first one.

    Otherwise, the user waits for them after the first box. Does nothing while
    there is no frame.
    """
    if (frame := self.source.at(0)) is None:
      return
    height, width = frame.image.shape[:2]
    whole = 0, 0, width, height
    tracker = self._new_tracker()
    tracker.compile(frame.image, [whole])
    tracker.init(frame.image, whole)
    tracker.score_map(frame.image, whole)

  def frame(self, position: int) -> Frame:
    """Returns a frame of the video.

    Raises:
      LookupError: There is no such frame, or not yet.
      ValueError: The video is too long.
    """
    frame = self.source.at(position) if position >= 0 else None
    if frame is None:
      raise LookupError(f'the video has no frame {position}')
    return frame

  def picture(self, position: int) -> Picture:
    """Returns a frame as the page shows it; see `frame`."""
    return self._shown.at(position, lambda: self.frame(position).image)

  def results(self) -> dict[int, dict[int, Result]]:
    """Returns all results, by position and target."""
    return {
      position: dict(row.results)
      for position, row in self._rows.items()
      if row.results
    }

  def at(self, position: int) -> dict[int, Result]:
    """Returns the results in a frame, by target."""
    row = self._rows.get(position)
    return dict(row.results) if row else {}

  def place(
    self, position: int, box_xywh: Box, target: int | None = None
  ) -> int:
    """Starts a target, or corrects one; tracking goes on from its box.

    The results of a corrected target in later frames are discarded.

    Args:
      position: Frame that shows the target.
      box_xywh: Box of the target in the frame, px, 0-based.
      target: Number of the target to correct (default: a new target).

    Returns:
      The number of the target, the first that is free.

    Raises:
      LookupError: There is no such frame or target.
      ValueError: The box cannot be tracked, or there are too many targets. The
        target is then tracked on as before.
    """
    if target is None and len(self._targets) == MOST_TARGETS:
      raise ValueError(
        f'there are {MOST_TARGETS} targets, which is the limit; remove one'
      )
    if target is not None:
      self._check(target)
    frame, tracker = self.frame(position), self._new_tracker()
    tracker.init(frame.image, box_xywh)
    if target is None:
      target = min(set(range(MOST_TARGETS)) - self._targets.keys())
    self._targets[target] = _Target(tracker, position, position)
    for other, row in self._rows.items():
      if other > position:
        row.results.pop(target, None)
    given = Result(np.array(box_xywh, np.float32), 1.0, False, 1.0)
    self._row(position, frame).results[target] = given
    return target

  def remove(self, target: int) -> None:
    """Removes a target and its results.

    Raises:
      LookupError: There is no such target.
    """
    self._check(target)
    del self._targets[target]
    for row in self._rows.values():
      row.results.pop(target, None)

  def step(self) -> int | None:
    """Tracks the targets that are furthest behind in their next frame.

    Returns:
      The position of the frame, or None if there is none, or not yet.

    Raises:
      ValueError: There is no target, or the frame cannot be tracked in.
    """
    if self.tracked_to is None:
      raise ValueError('there is no target yet; draw a box first')
    position = self.tracked_to + 1
    frame = self.source.at(position)
    if frame is None:
      return None
    for number, target in self._targets.items():
      if target.position == position - 1:
        result = target.tracker.update(frame.image)
        self._row(position, frame).results[number] = result
        target.position = position
    return position

  def score_map(self, target: int, position: int) -> ScoreMap:
    """Scores the region in which a target was searched in a frame.

    The template is that of the target's latest box.

    Raises:
      LookupError: There is no such target or frame, or the target has no result
        in the frame.
    """
    self._check(target)
    tracked = self._targets[target]
    # A target is searched around its box in the frame before.
    around = position if position == tracked.first else position - 1
    before = self._rows.get(around)
    if before is None or target not in before.results:
      raise LookupError(f'target {target} is not tracked in frame {position}')
    box = before.results[target].box
    return tracked.tracker.score_map(self.frame(position).image, box)

  def table(self) -> str:
    """Returns all results as the text of a file like boxes.csv of `track`."""
    rows = (
      annotate.rows(row.number, row.time, row.listed())
      for _, row in sorted(self._rows.items())
    )
    return f'{annotate.HEADER}\n{"".join(rows)}'

  def write_video(self, path: Path) -> None:
    """Writes the frames from the first to the last result, with the boxes.

    Args:
      path: Video to write, with a suffix that `VideoWriter` knows.

    Raises:
      OSError: The disk is full.
      RuntimeError: The video cannot be encoded.
      ValueError: There are no results.
    """
    positions = self.results()
    if not positions:
      raise ValueError('there is nothing to write yet; draw a box first')
    first, last = min(positions), max(positions)
    with (
      replacing(path) as partial,
      VideoWriter(partial, self.source.fps) as writer,
    ):
      for position in range(first, last + 1):
        frame = self.frame(position)
        results = self._row(position, frame).listed()
        picture = pictures.draw(frame.image, results)
        writer.write(picture, frame.time if self.source.live else None)

  def stop(self) -> None:
    """Makes the work of another thread fail as soon as it needs a frame."""
    self.source.stop()

  def close(self) -> None:
    """Stops reading the video."""
    self.source.close()

  def _check(self, target: int) -> None:
    if target not in self._targets:
      raise LookupError(f'there is no target {target}')

  def _row(self, position: int, frame: Frame) -> _Row:
    return self._rows.setdefault(position, _Row(frame.number, frame.time))
