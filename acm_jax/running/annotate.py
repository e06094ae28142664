"""Tracks targets through a video, and writes and draws the resulting boxes."""

import contextlib
import csv
import io
import itertools
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple, Protocol, TextIO, runtime_checkable

import numpy as np
from jaxtyping import Float

from acm_jax.datasets.exports.target import Target
from acm_jax.datasets.video_files import Frame
from acm_jax.datasets.videos import Video
from acm_jax.host.progress import progress
from acm_jax.host.staging import (
  FullDiskError,
  check_absent,
  naming,
  replacing,
)
from acm_jax.running.pictures import Pictures
from acm_jax.running.video_writer import check_suffix
from acm_jax.tracking.inputs import Boxes, Image
from acm_jax.tracking.result import Result

HEADER = 'frame,target,x,y,w,h,score,lost,margin,time'
# Further columns of targets that are known from key frames.
_KNOWN = 'category,key,occluded'


@runtime_checkable
class Tracker(Protocol):
  """Tracker of targets in video: a `VideoTracker` or an `ExportedTracker`."""

  def track(
    self, frames: Iterable[Image], boxes: Boxes, *, ahead: int
  ) -> Iterator[list[Result]]:
    """Tracks n targets through a video; see `VideoTracker.track`."""

  def compile(self, image: Image, boxes: Boxes) -> None:
    """Prepares to track n targets in frames of an image's size."""

  def clock(self) -> float:
    """Returns a time in seconds, which stands still during compilation."""


class Annotated(NamedTuple):
  """Number of tracked frames, and the paths of the written files."""

  frames: int
  files: list[Path]


def follow(
  tracker: Tracker,
  video: Video,
  boxes_xywh: Float[np.ndarray, 'n 4'],
  first: Frame | None = None,
) -> Iterator[tuple[Frame, list[Result]]]:
  """Tracks targets through a video, from their boxes in its first frame.

  Args:
    tracker: Tracker that follows the targets.
    video: Video to track the targets in.
    boxes_xywh: Box of each target in the first frame, px, 0-based.
    first: First frame, if it was taken from the video already. Otherwise, the
      first frame of a live video is the one after compilation.

  Yields:
    Each frame, and the result of each target.

  Raises:
    ValueError: The video is empty, a frame is not RGB of uint8, or a box is not
      finite, is less than a pixel wide or high, or lies outside the first
      frame.
  """
  if video.live and (frame := first or next(video.frames, None)):
    # During compilation, which takes many frames, the target could move away.
    tracker.compile(frame.image, boxes_xywh)
  frames = itertools.chain([first] if first else [], video.frames)
  to_track, to_yield = itertools.tee(frames)
  images = (frame.image for frame in to_track)
  tracked = tracker.track(images, boxes_xywh, ahead=0 if video.live else 1)
  for results, frame in zip(tracked, to_yield, strict=False):
    yield frame, results


def annotate(
  tracked: Iterable[tuple[Frame, Sequence[Result | None]]],
  video: Video,
  out: Path,
  video_out: Path,
  *,
  targets: Sequence[Target] = (),
  clock: Callable[[], float] | None = None,
  overwrite: bool = False,
) -> Annotated:
  """Writes the results of tracking as boxes.csv, a video and tracked.png.

  boxes.csv has one row per frame and target: frame (position in the video, from
  0), target, x, y, w, h (px, 0-based), score, lost (0 or 1), margin (the score
  minus the highest score of the locations outside the box), time (s, nan if
  unknown). Frames that cannot be decoded have no row. The video shows the
  boxes; that of a live source shows each frame from its time on. tracked.png
  shows a few frames of the video in a grid. boxes.csv is complete before the
  other two files; if one of them cannot be written, a warning says so, and
  boxes.csv is kept. Ctrl-C stops tracking early, as is usual with a camera. The
  results of all frames tracked so far are still written.

  Args:
    tracked: Frames of the video, and the results of each target; None for a
      target without a result. Tracking begins when the first is requested.
    video: Video that is tracked.
    out: Folder for boxes.csv and tracked.png; created if missing.
    video_out: Video to write, whose suffix names the format: .mp4, .webm or
      .gif. Its folder is created if missing.
    targets: What is known of each target, if anything is. boxes.csv then has
      the further columns category, key (1 where the box was given) and occluded
      (as in the last key frame).
    clock: Clock of the printed rate; see `Progress`.
    overwrite: Whether existing files of these names are replaced.

  Raises:
    FullDiskError: The disk is full; the error names the file that was not
      written. If it is not boxes.csv, then boxes.csv is complete.
    ValueError: A file exists and `overwrite` is false, is a folder, or is read
      as part of the video; `out` is the folder of the video's images;
      `video_out` has another suffix; or tracking raises it.
    KeyboardInterrupt: The user interrupts before the first frame is tracked.
  """
  boxes, sheet = out / 'boxes.csv', out / 'tracked.png'
  check_suffix(video_out)
  check_free((boxes, video_out, sheet), video.files, overwrite=overwrite)
  out.mkdir(parents=True, exist_ok=True)
  video_out.parent.mkdir(parents=True, exist_ok=True)
  tracked = progress(tracked, 'tracking', video.length, 'frames', clock)
  count = 0
  writing = Pictures(video_out, sheet, video.fps, video.live)
  with contextlib.closing(writing) as pictures:
    with replacing(boxes) as path, path.open('w', encoding='utf-8') as table:
      print(HEADER, *[_KNOWN] * bool(targets), sep=',', file=table)
      try:
        for frame, results in tracked:
          # Written at once, so that an interrupt leaves no frame incomplete.
          table.write(rows(frame.number, frame.time, results, targets))
          _flush(table, boxes, pictures)
          pictures.add(frame, results)
          count += 1
      except KeyboardInterrupt:
        if count == 0:
          raise
    return Annotated(count, [boxes, *pictures.finish()])


def check_free(
  outputs: Sequence[Path], inputs: Sequence[Path], *, overwrite: bool
) -> None:
  """Checks that files can be written without a loss of other files.

  Args:
    outputs: Files to write.
    inputs: Files that the video is read from.
    overwrite: Whether outputs of an earlier run are replaced.

  Raises:
    ValueError: A file exists and `overwrite` is false, is a folder, is read as
      part of the video, or is in the folder of the video's images.
  """
  for path in outputs:
    if path.is_dir():
      raise ValueError(
        f'{path}: is a folder, but a file is written there; choose another '
        '`out` or `video_out`'
      )
    if path.exists() and any(map(path.samefile, filter(Path.exists, inputs))):
      raise ValueError(
        f'{path}: is read as part of `video`; write another file, with '
        '`video_out` or `out`'
      )
    if not overwrite:
      check_absent(path)
    # A written image would be a frame in the next run.
    if len(inputs) > 1 and path.parent.resolve() == inputs[0].parent.resolve():
      raise ValueError(
        f'{path}: would be written next to the images of `video`; choose '
        'another folder with `out` or `video_out`'
      )


def rows(
  number: int,
  time: float,
  results: Sequence[Result | None],
  targets: Sequence[Target] = (),
) -> str:
  """Returns the rows of boxes.csv for a frame, whose columns are in `HEADER`.

  Args:
    number: Position of the frame in the video, from 0.
    time: Time of the frame, s; NaN if unknown.
    results: Result of each target; None for a target without a row.
    targets: What is known of each target, for the further columns; see
      `annotate`.
  """
  text = io.StringIO()
  table = csv.writer(text, lineterminator='\n')
  for index, result in enumerate(results):
    if result is None:
      continue
    numbers = (f'{value:.3f}' for value in (*result.box, result.score))
    last = f'{result.margin:.3f}', f'{time:.3f}'
    row = [number, index, *numbers, int(result.lost), *last]
    if targets:
      row += _known(targets[index], number)
    table.writerow(row)
  return text.getvalue()


def _known(target: Target, number: int) -> list[str | int]:
  key = max((key for key in target.given if key <= number), default=None)
  return [target.category, int(key == number), int(key in target.occluded)]


def _flush(table: TextIO, path: Path, pictures: Pictures) -> None:
  try:
    with naming(path):
      table.flush()
  except FullDiskError as error:
    # The unfinished video may be what fills the disk.
    pictures.discard_video(error)
    table.flush()
