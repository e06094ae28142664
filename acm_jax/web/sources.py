"""Frames of the videos that are tracked on a page, in any order."""

import io
import math
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple, Protocol, runtime_checkable

from PIL import Image

from acm_jax.datasets.video_files import DEFAULT_FPS, Frame
from acm_jax.datasets.videos import Video
from acm_jax.web import jpeg

# Largest number of pixels of a frame. 4K has 8.8 million.
MOST_PIXELS = 10_000_000
# Memory for the frames that were decoded last, bytes.
_RECENT = 100_000_000
# Quality of the files that frames of streams are kept in.
_QUALITY = 95
# What the user can do if a live video reaches a limit.
_ANEW = 'open it again'


class Limits(NamedTuple):
  """Limits on a video.

  Attributes:
    megabytes: Size of a file, or of all frames of a live video.
    seconds: Length.
  """

  megabytes: int = 500
  seconds: float = 600.0

  def check_bytes(
    self, count: int, name: str, advice: str = 'scale it down or cut it'
  ) -> None:
    """Checks the size of a file.

    Args:
      count: Size, bytes.
      name: Name of the file, for the message.
      advice: What can be done with the file.

    Raises:
      ValueError: The file is too large.
    """
    if count > self.megabytes * 1_000_000:
      raise ValueError(
        f'{name}: is larger than {self.megabytes} MB; {advice}, or start the '
        'page with a larger --max_megabytes'
      )

  def check_seconds(
    self, seconds: float, name: str, advice: str = 'cut it'
  ) -> None:
    """Checks the length of a video.

    Args:
      seconds: Length, s.
      name: Name of the video, for the message.
      advice: What can be done with the video.

    Raises:
      ValueError: The video is too long.
    """
    if seconds > self.seconds:
      raise ValueError(
        f'{name}: is longer than {self.seconds:g} s; {advice}, or start the '
        'page with a larger --max_seconds'
      )


class StoppedError(LookupError):
  """The video is being closed."""

  def __init__(self):
    super().__init__('this video was closed')


@runtime_checkable
class Source(Protocol):
  """Frames of a video, by their position among those that can be decoded.

  Attributes:
    fps: Frames per second.
    length: Number of frames, or None if unknown. That of a live video grows.
    live: Whether frames arrive in real time.
  """

  fps: float
  length: int | None
  live: bool

  def at(self, position: int) -> Frame | None:
    """Returns a frame, or None after the last frame so far.

    Raises:
      StoppedError: `stop` was called.
      ValueError: The video is too long.
    """

  def stop(self) -> None:
    """Makes `at` fail, also if another thread waits for it."""

  def close(self) -> None:
    """Releases what is read from."""


class Recorded:
  """Frames of a whole video.

  To go far back, the video is read from its beginning again.
  """

  live = False

  def __init__(
    self, video: Video, reopen: Callable[[], Video], name: str, limits: Limits
  ):
    """Begins to read a video.

    Args:
      video: Opened video.
      reopen: Function that opens the video again.
      name: Name of the video, for messages.
      limits: Limits on the video.

    Raises:
      ValueError: The video is too long.
    """
    self.fps, self.length = video.fps, video.length
    self._frames, self._next = video.frames, 0
    self._reopen, self._name, self._limits = reopen, name, limits
    self._recent: dict[int, Frame] = {}
    self._stopped = False
    if self.length is not None:
      limits.check_seconds(self.length / self.fps, name)

  def at(self, position: int) -> Frame | None:
    """Returns a frame; see `Source.at`."""
    if self._stopped:
      raise StoppedError
    if position in self._recent:
      return self._recent[position]
    # A video may have more frames than it states, which are read one by one.
    if self.length is not None and position > max(self._next, self.length - 1):
      return None
    if position < self._next:
      self._frames, self._next = self._reopen().frames, 0
    self._limits.check_seconds(position / self.fps, self._name)
    while self._next <= position:
      if self._stopped:
        raise StoppedError
      frame = next(self._frames, None)
      if frame is None:
        self.length = self._next
        return None
      self._keep(frame)
    return self._recent[position]

  def stop(self) -> None:
    """Makes `at` fail; see `Source.stop`."""
    self._stopped = True

  def close(self) -> None:
    """Forgets the video."""
    self._frames = iter(())
    self._recent.clear()

  def _keep(self, frame: Frame) -> None:
    self._recent[self._next] = frame
    if len(self._recent) * frame.image.nbytes > _RECENT:
      del self._recent[next(iter(self._recent))]
    self._next += 1
    if self.length is not None:
      self.length = max(self.length, self._next)


class Captured:
  """Frames of a live video, which are kept in files, so that none is lost."""

  live = True

  def __init__(
    self,
    folder: Path,
    limits: Limits,
    video: Video | None = None,
    clock: Callable[[], float] = time.monotonic,
  ):
    """Begins a live video.

    Args:
      folder: Folder for the files.
      limits: Limits on the video.
      video: Stream to read (default: frames are added by `add`).
      clock: Function that returns the time, s.
    """
    self.fps = video.fps if video else DEFAULT_FPS
    self._stream: Iterator[Frame] = video.frames if video else iter(())
    self._folder, self._limits, self._clock = folder, limits, clock
    self._begun: float | None = None
    self._bytes, self._stopped = 0, False
    # Number and time of each frame.
    self._kept: list[tuple[int, float]] = []

  @property
  def length(self) -> int:
    """Number of frames so far."""
    return len(self._kept)

  def add(self, data: bytes) -> None:
    """Adds a frame, whose time is the time of this call.

    Args:
      data: Content of a JPEG file.

    Raises:
      ValueError: The frame cannot be decoded or is too large, or a limit on the
        video is reached.
    """
    now = self._clock()
    self._begun = now if self._begun is None else self._begun
    check_image(io.BytesIO(data), 'the frame of the camera')
    if jpeg.decode(data) is None:
      raise ValueError('the frame of the camera is no JPEG image; send JPEG')
    self._keep(data, self.length, now - self._begun)

  def at(self, position: int) -> Frame | None:
    """Returns a frame, the next one of a stream if needed; see `Source.at`."""
    if self._stopped:
      raise StoppedError
    if position == self.length and (frame := next(self._stream, None)):
      data = jpeg.encode(frame.image, _QUALITY)
      self._keep(data, frame.number, frame.time)
    if position >= self.length:
      return None
    image = jpeg.decode(self._path(position).read_bytes())
    return Frame(image, *self._kept[position])

  def stop(self) -> None:
    """Makes `at` fail; see `Source.stop`."""
    self._stopped = True

  def close(self) -> None:
    """Stops reading the stream."""
    if hasattr(self._stream, 'close'):
      self._stream.close()

  def _keep(self, data: bytes, number: int, seconds: float) -> None:
    self._bytes += len(data)
    self._limits.check_bytes(self._bytes, 'the live video', _ANEW)
    self._limits.check_seconds(seconds, 'the live video', _ANEW)
    self._path(self.length).write_bytes(data)
    self._kept.append((number, seconds))

  def _path(self, position: int) -> Path:
    return self._folder / f'{position:06d}.jpg'


def check_image(file: Path | io.BytesIO, name: str) -> None:
  """Checks the size of an image, which is not decoded.

  Raises:
    ValueError: The file is not an image, or has more than `MOST_PIXELS`.
  """
  try:
    with Image.open(file) as image:
      count = image.width * image.height
  except (Image.DecompressionBombError, Image.DecompressionBombWarning):
    count = math.inf
  except OSError:
    raise ValueError(f'{name}: is not an image; choose another file') from None
  if count > MOST_PIXELS:
    raise ValueError(
      f'{name}: has more than {MOST_PIXELS / 1e6:g} megapixels; scale it down'
    )
