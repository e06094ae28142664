"""Pictures of tracked targets: a video, and a sheet of its frames."""

import contextlib
import inspect
from collections.abc import Generator, Sequence
from pathlib import Path

import numpy as np
from jaxtyping import UInt8

from acm_jax.datasets.video_files import Frame
from acm_jax.host.extras import extra
from acm_jax.host.staging import FullDiskError, replacing
from acm_jax.running import drawing
from acm_jax.running.video_writer import VideoWriter
from acm_jax.tracking.result import Result

SHEET_FRAMES = 8
# A picture and its time; see `VideoWriter.write`.
_Timed = tuple[UInt8[np.ndarray, 'h w 3'], float | None]


class Pictures:
  """Draws boxes into frames, and writes a video and a sheet of the frames.

  If one of the two files cannot be written, a warning says so. Only a full disk
  is an error, which `finish` raises.
  """

  def __init__(self, video: Path, sheet: Path, fps: float, live: bool = False):
    """Begins both files, which appear under their names in `finish`.

    Args:
      video: Path of the video, with a suffix that `VideoWriter` knows.
      sheet: Path of the sheet, a PNG file.
      fps: Frames per second of the video.
      live: Whether the video shows frames at their times, because some of those
        that arrived were dropped.
    """
    self._live = live
    self._video, self._sheet = video, sheet
    self._sample = _Sample()
    self._full: FullDiskError | None = None
    self._writer = _write_video(video, fps)
    self._advance()

  def add(self, frame: Frame, results: Sequence[Result | None]) -> None:
    """Adds a frame, with the box of each target that has a result."""
    picture = draw(frame.image, results)
    self._sample.add(picture)
    self._advance((picture, frame.time if self._live else None))

  def discard_video(self, error: FullDiskError) -> None:
    """Removes the unfinished video, to make room for other files.

    Args:
      error: Error of writing another file to the full disk.
    """
    self._writer.close()
    self._full = FullDiskError(error.errno, error.strerror, str(self._video))

  def finish(self) -> list[Path]:
    """Writes both files, or removes files of an earlier run.

    Returns:
      Paths of the files that were written.

    Raises:
      FullDiskError: The disk was full.
    """
    # If a file cannot be written, no file with older boxes takes its place.
    self._video.unlink(missing_ok=True)
    self._sheet.unlink(missing_ok=True)
    self._advance()
    try:
      with extra(self._sheet):
        drawing.write_sheet(self._sample.chosen(), self._sheet)
    except FullDiskError as error:
      self._full = self._full or error
    if self._full is not None:
      raise self._full
    return [path for path in (self._video, self._sheet) if path.is_file()]

  def close(self) -> None:
    """Removes the video, unless it is finished."""
    self._writer.close()

  def _advance(self, picture: _Timed | None = None) -> None:
    """Sends a picture to the writer of the video, unless the writer failed."""
    if inspect.getgeneratorstate(self._writer) == inspect.GEN_CLOSED:
      return
    try:
      with extra(self._video), contextlib.suppress(StopIteration):
        self._writer.send(picture)
    except FullDiskError as error:
      # Raised later: there may be room for the other files.
      self._full = error


def _write_video(
  path: Path, fps: float
) -> Generator[None, _Timed | None, None]:
  """Writes the pictures that are sent; None ends the video."""
  with replacing(path) as partial, VideoWriter(partial, fps) as writer:
    while (picture := (yield)) is not None:
      writer.write(*picture)


def draw(
  frame: UInt8[np.ndarray, 'h w 3'], results: Sequence[Result | None]
) -> UInt8[np.ndarray, 'h w 3']:
  """Returns an RGB frame with the box of each target that has a result."""
  picture = frame.copy()
  for target, result in enumerate(results):
    if result is None:
      continue
    color = drawing.COLORS[target % len(drawing.COLORS)]
    text = f'{target} {result.score:.2f}' + (' lost' if result.lost else '')
    drawing.draw_box(picture, result.box, color, text)
  return picture


class _Sample:
  """Samples cells of a sheet evenly from pictures of an unknown number.

  Memory is bounded: when the number of kept cells reaches a limit, every
  second one of them is dropped and the sampling interval doubles.
  """

  def __init__(self):
    self._kept: list[UInt8[np.ndarray, 'h2 w2 3']] = []
    self._seen, self._every = 0, 1

  def add(self, picture: UInt8[np.ndarray, 'h w 3']) -> None:
    if self._seen % self._every == 0:
      self._kept.append(drawing.cell(picture))
      if len(self._kept) == 2 * SHEET_FRAMES:
        self._kept = self._kept[::2]
        self._every *= 2
    self._seen += 1

  def chosen(self) -> list[UInt8[np.ndarray, 'h2 w2 3']]:
    count = min(SHEET_FRAMES, len(self._kept))
    indices = np.linspace(0, len(self._kept) - 1, count).round().astype(int)
    return [self._kept[i] for i in indices]
