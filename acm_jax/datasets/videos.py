"""Frames of a video file, a folder of images or a camera."""

import dataclasses
import os
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
from absl import logging
from jaxtyping import UInt8

from acm_jax.datasets import images
from acm_jax.datasets.sequences import read_frame

DEFAULT_FPS = 30.0
_TEXT = ('.csv', '.json', '.txt')


@dataclasses.dataclass(frozen=True)
class Video:
  """An opened video.

  Attributes:
    frames: RGB frames, read one at a time.
    fps: Frames per second, `DEFAULT_FPS` if the source does not state it.
    length: Number of frames, or None if unknown before reading.
    live: Whether frames arrive in real time, without a known end.
  """

  frames: Iterator[UInt8[np.ndarray, 'h w 3']]
  fps: float
  length: int | None
  live: bool = False


def open_video(source: str) -> Video:
  """Opens a video file, a folder of images or a camera.

  Args:
    source: Path of a video file or of a folder of images, or number of a
      camera.

  Raises:
    FileNotFoundError: The path does not exist.
    ValueError: The folder has no images, their order is unknown
      (`images.in_order`), or no frame can be read from the file or the camera.
  """
  if source.isdecimal():
    failure = (
      f'camera {source}: no frame could be read; check that it is connected '
      'and that no other program uses it'
    )
    return _capture(int(source), failure)
  path = Path(source)
  if path.is_dir():
    paths = images.of_folder(path)
    frames = (read_frame(image) for image in paths)
    return Video(frames, DEFAULT_FPS, len(paths))
  if not path.is_file():
    raise FileNotFoundError(
      f'{path}: no such video file or folder; check the path, or give the '
      'number of a camera'
    )
  if path.suffix.lower() in _TEXT:
    # FFmpeg would accept the file and render its text as a video.
    raise ValueError(
      f'{path}: is a text file, not a video; give a video file or a folder of '
      'images'
    )
  return _capture(
    str(path), f'{path}: cannot be decoded as a video; re-encode it'
  )


def _capture(source: int | str, failure: str) -> Video:
  # By default, FFmpeg prints the problem to stderr, in addition to the error
  # that is raised.
  os.environ.setdefault('OPENCV_FFMPEG_LOGLEVEL', '-8')
  capture = cv2.VideoCapture(source)
  ok, first = capture.read()
  if not ok:
    capture.release()
    raise ValueError(failure)

  length = int(capture.get(cv2.CAP_PROP_FRAME_COUNT))

  def frames():
    frame, count = first, 0
    try:
      while frame is not None:
        yield cv2.cvtColor(frame, cv2.COLOR_BGR2RGB)
        count += 1
        _, frame = capture.read()
    finally:
      capture.release()
    if count < length:
      # This is only a warning, because the headers of some files state too many
      # frames.
      logging.warning(
        '%s: only %d of %d frames could be decoded', source, count, length
      )

  fps = capture.get(cv2.CAP_PROP_FPS)
  live = isinstance(source, int)
  return Video(
    frames(),
    fps if 0 < fps < 1000 else DEFAULT_FPS,
    length if length > 0 and not live else None,
    live,
  )
