"""Writes videos that browsers play, with FFmpeg."""

import subprocess
import tempfile
from pathlib import Path
from typing import NamedTuple

import cv2
import imageio_ffmpeg
import numpy as np
from jaxtyping import UInt8

from acm_jax.host.staging import full_disk
from acm_jax.running import drawing

# Largest side of a video, px. Decoders of H.264 need not support more.
LONGEST_SIDE = 8192


class _Format(NamedTuple):
  """Options of FFmpeg for a format.

  Attributes:
    options: Filters, codec and container.
    even: Whether width and height must be even numbers.
  """

  options: str
  even: bool = False


# FFmpeg converts RGB to YUV by BT.601 (SMPTE 170M). Without the tag
# `colorspace`, players guess the conversion from the size of the frames.
_YUV = '-pix_fmt yuv420p -colorspace smpte170m'
_FORMATS = {
  '.mp4': _Format(
    # `faststart` puts the index in front, so that playing starts before all of
    # the file is loaded.
    f'-c:v libx264 -preset veryfast -crf 20 {_YUV} -movflags +faststart -f mp4',
    even=True,
  ),
  '.webm': _Format(
    '-c:v libvpx-vp9 -deadline realtime -cpu-used 6 -row-mt 1 -crf 30 -b:v 0 '
    f'{_YUV} -f webm'
  ),
  # Each frame has a palette of its own, because a common one would require all
  # frames in memory.
  '.gif': _Format(
    '-vf {rate}split[a][b];[a]palettegen=stats_mode=single[p];'
    '[b][p]paletteuse=new=1 -f gif'
  ),
}
# Browsers slow down a GIF that has more frames per second.
_GIF_RATE = 50


def check_suffix(path: Path) -> None:
  """Checks that the suffix of a path names a format of `VideoWriter`.

  Raises:
    ValueError: The suffix names none.
  """
  if path.suffix.lower() not in _FORMATS:
    raise ValueError(
      f'{path}: unknown suffix {path.suffix!r} of a video to write; choose '
      f'one of {", ".join(_FORMATS)}'
    )


class VideoWriter:
  """Context manager that writes a video.

  The suffix of the path names the format: .mp4 (H.264), .webm (VP9) or .gif.
  All of them are played by browsers.

  A frame with a side of more than `LONGEST_SIDE` px is scaled down. H.264 needs
  an even width and height; the last column or row of an odd frame is repeated,
  so that nothing in the picture moves. Of a GIF with more than 50 frames per
  second, frames are left out.

  Frames with a time are shown from their time on: a frame is repeated until the
  next one is due. Of frames that are due at once, the last is kept.

  If the block raises, the file is incomplete.
  """

  def __init__(self, path: Path, fps: float):
    """Creates the writer; the file is created with the first frame.

    Args:
      path: File to write, with one of the suffixes of `check_suffix`.
      fps: Frames per second, which may be fractional.
    """
    self._path, self._fps = path, fps
    self._format = _FORMATS[path.suffix.lower()]
    # Height and width of the first frame.
    self._size: tuple[int, int] | None = None
    # Frame that waits for the time of the next, its place in the video, and the
    # time of the first frame.
    self._waiting: UInt8[np.ndarray, 'h w 3'] | None = None
    self._place, self._begun = 0, 0.0
    self._process: subprocess.Popen | None = None

  def __enter__(self) -> 'VideoWriter':
    # A file, because FFmpeg would wait for a pipe that nobody reads.
    self._messages = tempfile.TemporaryFile()
    return self

  def __exit__(self, kind, *_) -> None:
    with self._messages:
      if kind is None and self._waiting is not None:
        self._append(self._waiting)
      if self._process is None:
        return
      if kind is None:
        self._end()
      else:
        self._process.kill()
        self._process.communicate()

  def write(
    self, frame: UInt8[np.ndarray, 'h w 3'], time: float | None = None
  ) -> None:
    """Appends an RGB frame.

    The video has the size of the first frame; `drawing.fit` adapts others.

    Args:
      frame: RGB frame.
      time: Time from which the frame is shown, s, relative to the first frame's
        (default: after the frame before). All frames have one, or none.

    Raises:
      OSError: The disk is full.
      RuntimeError: FFmpeg is missing, or cannot encode the video.
    """
    if time is None:
      self._append(frame)
      return
    if self._waiting is None:
      self._begun = time
    place = round((time - self._begun) * self._fps)
    for _ in range(self._place, place):
      self._append(self._waiting)
    self._waiting, self._place = frame, place

  def _append(self, frame: UInt8[np.ndarray, 'h w 3']) -> None:
    if self._size is None:
      self._size = frame.shape[:2]
    picture = _fit(drawing.fit(frame, self._size), self._format.even)
    if self._process is None:
      self._process = self._start(*picture.shape[:2])
    try:
      self._process.stdin.write(np.ascontiguousarray(picture).data)
    except BrokenPipeError:
      # FFmpeg has ended early, and usually tells why.
      self._end()
      raise

  def _start(self, height: int, width: int) -> subprocess.Popen:
    fast = self._fps > _GIF_RATE
    rate = f'fps={_GIF_RATE}:round=up:eof_action=pass,' if fast else ''
    source = f'-f rawvideo -pix_fmt rgb24 -s {width}x{height}'
    command = [
      imageio_ffmpeg.get_ffmpeg_exe(),
      *f'-nostdin -loglevel error -y {source}'.split(),
      *f'-framerate {self._fps:.9g} -i pipe:0'.split(),
      *self._format.options.format(rate=rate).split(),
      # With the protocol, a path may contain colons.
      f'file:{self._path}',
    ]
    return subprocess.Popen(
      command,
      stdin=subprocess.PIPE,
      stdout=subprocess.DEVNULL,
      stderr=self._messages,
      # Ctrl-C stops only the tracker, which then finishes the video.
      process_group=0,
      # FFmpeg reports a limit of file sizes instead of being killed by it, as
      # Python does.
      restore_signals=False,
    )

  def _end(self) -> None:
    """Waits for FFmpeg; raises an error if the file is not written."""
    self._process.communicate()
    code = self._process.returncode
    if code == 0:
      return
    self._messages.seek(0)
    text = self._messages.read().decode(errors='replace').strip()
    if error := full_disk(text):
      raise error
    reason = text.splitlines()[-1] if text else f'it ended with code {code}'
    raise RuntimeError(f'FFmpeg cannot write the video: {reason}')


def _fit(
  frame: UInt8[np.ndarray, 'h w 3'], even: bool
) -> UInt8[np.ndarray, 'h2 w2 3']:
  """Scales down a large frame; pads an odd one to an even size if `even`."""
  height, width = frame.shape[:2]
  longest = max(height, width)
  if longest > LONGEST_SIDE:
    width = max(1, round(width * LONGEST_SIDE / longest))
    height = max(1, round(height * LONGEST_SIDE / longest))
    size = width, height
    frame = cv2.resize(frame, size, interpolation=cv2.INTER_AREA)
  if even and (height % 2 or width % 2):
    below, right = height % 2, width % 2
    frame = cv2.copyMakeBorder(frame, 0, below, 0, right, cv2.BORDER_REPLICATE)
  return frame
