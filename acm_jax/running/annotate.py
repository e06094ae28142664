"""Tracks targets through a video and draws the resulting boxes."""

import contextlib
import itertools
from pathlib import Path
from typing import TextIO

import numpy as np
from jaxtyping import Float, UInt8

from acm_jax.datasets.videos import Video
from acm_jax.host.progress import progress
from acm_jax.host.staging import replacing
from acm_jax.running import drawing
from acm_jax.tracking.video_tracker import Result, VideoTracker

HEADER = 'frame,target,x,y,w,h,score,lost,margin'
SHEET_FRAMES = 8


def annotate(
  tracker: VideoTracker,
  video: Video,
  boxes_xywh: Float[np.ndarray, 'n 4'],
  out: Path,
) -> int:
  """Tracks targets and writes boxes.csv, tracked.mp4 and tracked.png.

  boxes.csv has one row per frame and target: frame, target, x, y, w, h (px,
  0-based), score, lost (0 or 1), margin (the score minus the highest score of
  the locations outside the box). tracked.mp4 shows the boxes, and tracked.png
  shows a few frames of tracked.mp4 in a grid. Ctrl-C stops tracking early, as
  is usual with a camera. The results of all frames tracked so far are still
  written.

  Args:
    tracker: Tracker that follows the targets.
    video: Video to track the targets in.
    boxes_xywh: Box of each target in the first frame, px, 0-based.
    out: Folder for the three files; created if missing.

  Returns:
    Number of tracked frames.

  Raises:
    ValueError: The video is empty, a frame is not RGB of uint8 or differs in
      size from the first frame, or a box is not finite, is less than a pixel
      wide or high, or lies outside the first frame.
    RuntimeError: tracked.mp4 or tracked.png cannot be written.
    KeyboardInterrupt: The user interrupts before the first frame is tracked.
  """
  out.mkdir(parents=True, exist_ok=True)
  to_track, to_draw = itertools.tee(video.frames)
  tracked = tracker.track(to_track, boxes_xywh, ahead=0 if video.live else 1)
  count, sheet = 0, _Sheet()
  with (
    replacing(out / 'tracked.mp4') as movie,
    replacing(out / 'boxes.csv') as path,
    path.open('w') as table,
    contextlib.closing(drawing.VideoWriter(movie, video.fps)) as writer,
  ):
    print(HEADER, file=table)
    tracked = progress(tracked, 'tracking', video.length, 'frames')
    try:
      for results, frame in zip(tracked, to_draw, strict=False):
        _write_rows(table, count, results)
        picture = _draw(frame, results)
        writer.write(picture)
        sheet.add(picture)
        count += 1
    except KeyboardInterrupt:
      if count == 0:
        raise
  drawing.write_sheet(sheet.chosen(), out / 'tracked.png')
  return count


def _write_rows(table: TextIO, index: int, results: list[Result]) -> None:
  for target, result in enumerate(results):
    numbers = ','.join(f'{value:.3f}' for value in (*result.box, result.score))
    print(
      f'{index},{target},{numbers},{int(result.lost)},{result.margin:.3f}',
      file=table,
    )


def _draw(frame, results: list[Result]) -> UInt8[np.ndarray, 'h w 3']:
  picture = frame.copy()
  for target, result in enumerate(results):
    color = drawing.COLORS[target % len(drawing.COLORS)]
    text = f'{target} {result.score:.2f}' + (' lost' if result.lost else '')
    drawing.draw_box(picture, result.box, color, text)
  return picture


class _Sheet:
  """Samples frames evenly from a stream of unknown length.

  Memory is bounded: when the number of kept frames reaches a limit, every
  second one of them is dropped and the sampling interval doubles.
  """

  def __init__(self):
    self._kept: list[np.ndarray] = []
    self._seen, self._every = 0, 1

  def add(self, picture: np.ndarray) -> None:
    if self._seen % self._every == 0:
      self._kept.append(picture)
      if len(self._kept) == 2 * SHEET_FRAMES:
        self._kept = self._kept[::2]
        self._every *= 2
    self._seen += 1

  def chosen(self) -> list[np.ndarray]:
    count = min(SHEET_FRAMES, len(self._kept))
    indices = np.linspace(0, len(self._kept) - 1, count).round().astype(int)
    return [self._kept[i] for i in indices]
