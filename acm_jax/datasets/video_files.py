"""Pictures of video files and of network streams, decoded by FFmpeg (PyAV)."""

import collections
import contextlib
import itertools
import re
import time
from collections.abc import Callable, Iterator, Mapping
from typing import NamedTuple

import av
import numpy as np
from absl import logging
from jaxtyping import Int32, UInt8

from acm_jax.datasets.addresses import is_address
from acm_jax.datasets.frame_numbers import Numbering, constant_step
from acm_jax.datasets.live import PATIENCE
from acm_jax.datasets.packet_gaps import MATROSKA, Gaps

DEFAULT_FPS = 30.0
# Number of packets that decide whether the rate of a video is constant.
_SAMPLE = 250
# Number of frames that decide whether timestamps are those of frames.
_SHOWN = 32
# Number of failures in a row after which no more packets are read.
_MOST_FAILURES = 100
# Inaccuracy of the duration of a whole file, s. In FLV, it begins before the
# first picture.
_SLACK = 1.0
# FFmpeg's names of formats that describe where pictures come from, or in which
# one response of a server has no end.
_ENDLESS = ('dash', 'hls', 'mpjpeg', 'sdp')
# FFmpeg's name of MP4.
_MP4 = 'mov,mp4,m4a,3gp,3g2,mj2'
# What reading a packet raises at damage. PyAV raises IndexError where damage
# makes FFmpeg find a further stream.
_DAMAGE = (av.FFmpegError, IndexError)
# Number of packets that are read before the first of them is decoded, because
# positions tell of damage some packets late in ASF.
_AHEAD = 8
# Number of ranges of frames that a warning lists.
_LISTED = 20
# Warning for AVI and raw streams.
_INEXACT = (
  '; the format states no times of frames, so that frames after the damage may '
  'have too low a number'
)


class Frame(NamedTuple):
  """A frame of a video.

  Attributes:
    image: RGB image.
    number: Position in the video, counted from 0. Frames that could not be
      decoded, or were dropped, count too.
    time: Time since the beginning of the video, s; NaN if unknown.
  """

  image: UInt8[np.ndarray, 'h w 3']
  number: int
  time: float


def open_address(
  address: str, name: str, options: Mapping[str, str] | None = None
) -> 'Recording | Stream':
  """Opens a video and decodes the first picture.

  Args:
    address: Absolute path of a file, or address of a recording or a stream.
    name: Name of the video, for messages.
    options: Options of FFmpeg, such as `format_whitelist` and `max_pixels`.

  Raises:
    ValueError: The video cannot be opened, its pictures have more than
      `max_pixels`, or none can be decoded.
  """
  container = _open(address, name, options or {})
  if is_address(address) and not _is_whole(container, address):
    return Stream(container, name)
  return Recording(container, address, name)


def _is_whole(container: av.container.InputContainer, address: str) -> bool:
  """Returns whether a server sends a whole video, as fast as it is read."""
  if container.format.name not in _ENDLESS and container.size > 0:
    return True
  # Other servers that state a duration may send a recording in real time.
  http = address.lower().startswith('http')
  return http and container.duration is not None


class Stream:
  """A video that arrives in real time, without a known end.

  Attributes:
    fps: Frames per second, `DEFAULT_FPS` if unknown.
    pictures: Pictures in the form that the decoder gives them, to be read once.
  """

  def __init__(
    self,
    container: av.container.InputContainer,
    name: str,
    clock: Callable[[], float] = time.monotonic,
  ):
    """Decodes the first picture; see `open_address`.

    Args:
      container: Opened stream.
      name: Name of the stream, for messages.
      clock: Function that returns the time, s.
    """
    self._name, self._container, self._clock = name, container, clock
    self._stream = _video_stream(container, name)
    # Pictures that are decoded in parallel come late.
    self._stream.thread_type = 'SLICE'
    self.fps = _rate(self._stream)
    self.pictures = _begun(self._decoded(), name)

  def _decoded(self) -> Iterator[av.VideoFrame]:
    """Yields the pictures that can be decoded; says why the stream fails."""
    since = self._clock()
    while self._clock() - since < PATIENCE:
      try:
        packet = next(self._container.demux(self._stream))
      except (av.InvalidDataError, IndexError):
        # The next packet may be intact.
        continue
      except av.FFmpegError as error:
        self._warn(_reason(error))
        return
      with contextlib.suppress(av.FFmpegError):
        yield from self._stream.decode(packet)
        # Decoders give no frames, but no errors, before the first key frame.
        since = self._clock()
      if not _has_data(packet):
        return
    self._warn(f'no frame could be decoded for {PATIENCE:g} s')

  def _warn(self, reason: str) -> None:
    logging.warning('%s: the stream has ended: %s', self._name, reason)


class Recording:
  """A whole video, in a file or on a server, whose frames have numbers.

  Attributes:
    fps: Frames per second, `DEFAULT_FPS` if unknown.
    length: Number of frames according to the file, or None if unknown.
  """

  def __init__(
    self, container: av.container.InputContainer, address: str, name: str
  ):
    """Decodes the first picture; see `open_address`."""
    self._name, self._container = name, container
    self._stream = stream = _video_stream(container, name)
    stream.thread_type = 'AUTO'
    kind, second = container.format.name, float(1 / stream.time_base)
    timestamps = _timestamps(address, name, container.options)
    self._timed = bool(timestamps)
    self._exact = self._timed and kind != 'avi'
    step = constant_step(timestamps)
    self.fps = _rate(stream, second / step if step else None)
    if not self._timed:
      step = second / self.fps
    # A broadcast may be recorded from any packet on. Its first frames refer to
    # frames before the recording.
    whole = timestamps and kind not in ('mpegts', 'mpeg')
    first = timestamps[0] if whole else None
    self._total = self.length = _listed_frames(stream, kind)
    self._end = None
    if self._total is not None and self._timed:
      # No packet can be lost, whatever the times are.
      step = None
    elif step and (stated := _stated_end(container, stream)):
      end, inaccuracy = stated
      self.length = round((end - (stream.start_time or 0)) / step)
      self._end = end - inaccuracy
    self._numbering = Numbering(step, second, first)
    self._pictures = _begun(self._decoded(), name)

  def frames(self) -> Iterator[Frame]:
    """Yields the frames that can be decoded; warns of the others at the end.

    The frames can be read once.
    """
    numbering = self._numbering
    try:
      for picture in self._pictures:
        timing = self._timing(picture)
        if picture.is_corrupt:
          numbering.add_failure(*timing)
        elif numbered := numbering.add_frame(*timing):
          yield Frame(to_rgb(picture), *numbered)
      numbering.end(self._end, self._total)
    finally:
      if numbering.missing:
        logging.warning(
          '%s: %d of %d frames cannot be decoded and are left out, because the '
          'file is damaged or incomplete: %s%s',
          self._name,
          sum(map(len, numbering.missing)),
          numbering.number + 1,
          _listed(numbering.missing),
          '' if self._exact else _INEXACT,
        )

  def _timing(self, picture: av.VideoFrame) -> tuple[int | None, int | None]:
    """Returns the timestamp and the duration of a picture, as far as known."""
    return (picture.pts, picture.duration) if self._timed else (None, None)

  def _decoded(self) -> Iterator[av.VideoFrame]:
    """Yields pictures; reading goes on after those that cannot be decoded."""
    for packet in itertools.chain(_read_ahead(self._packets()), [None]):
      hidden = packet is None or packet.is_discard
      if not hidden:
        self._numbering.add_packet(packet.pts if self._timed else None)
      try:
        pictures = self._stream.decode(packet)
      except av.FFmpegError:
        if self._timed:
          self._numbering.add_damage(packet and packet.pts)
        else:
          self._numbering.add_failure(None, None)
        continue
      yield from pictures

  def _packets(self) -> Iterator[av.Packet]:
    """Yields packets; reading goes on after damaged places, which are noted."""
    gaps = Gaps(self._container.format.name)
    failures, damaged = 0, False
    while failures < _MOST_FAILURES:
      try:
        # All packets, because those of sound lie between those of pictures.
        for packet in filter(_has_data, self._container.demux()):
          failures = 0
          damaged |= packet.is_corrupt or gaps.before(packet)
          if packet.stream is self._stream:
            if damaged:
              self._numbering.add_damage(packet.pts)
            damaged = False
            yield packet
        return
      except av.ExitError:
        # The server has sent nothing for long.
        return
      except _DAMAGE:
        failures, damaged = failures + 1, True


def _read_ahead(packets: Iterator[av.Packet]) -> Iterator[av.Packet]:
  """Yields packets, each after the next `_AHEAD` ones were read."""
  ahead = collections.deque(itertools.islice(packets, _AHEAD))
  for packet in packets:
    ahead.append(packet)
    yield ahead.popleft()
  yield from ahead


def _has_data(packet: av.Packet) -> bool:
  # An empty packet would tell the decoder that the video ends.
  return packet.size > 0


def _begun(
  pictures: Iterator[av.VideoFrame], name: str
) -> Iterator[av.VideoFrame]:
  """Decodes the first picture; returns an iterator over all.

  Raises:
    ValueError: No picture can be decoded.
  """
  first = next(pictures, None)
  if first is None:
    raise _undecodable(name)
  return itertools.chain([first], pictures)


def to_rgb(picture: av.VideoFrame) -> UInt8[np.ndarray, 'h w 3']:
  """Converts a decoded picture to an upright RGB image."""
  image = picture.to_ndarray(format='rgb24')
  # Phones store how the camera was held, and whether the picture is mirrored.
  if stored := picture.side_data.get('DISPLAYMATRIX'):
    return _upright(image, np.frombuffer(stored, np.int32))
  return image


def _upright(
  image: UInt8[np.ndarray, 'h w 3'], matrix: Int32[np.ndarray, '9']
) -> UInt8[np.ndarray, 'h2 w2 3']:
  """Turns and mirrors an image as a display matrix says.

  The matrix is [[a, b, _], [c, d, _], [_, _, _]]. The position x, y is shown at
  a x + c y, b x + d y. Angles are rounded to right angles.

  Source: ISO/IEC 14496-12, section 6.2.2.
  """
  a, b, _, c, d, *_ = matrix.astype(int)
  across, down = a, d
  if abs(a) + abs(d) < abs(b) + abs(c):
    image, across, down = image.swapaxes(0, 1), c, b
  image = image[:: -1 if down < 0 else 1, :: -1 if across < 0 else 1]
  return np.ascontiguousarray(image)


def _rate(stream: av.VideoStream, measured: float | None = None) -> float:
  """Returns the number of frames per second of a stream.

  Args:
    stream: Stream of a video.
    measured: Rate of its first frames, if it is constant.
  """
  # FFmpeg guesses a rate that suits all times of frames. A single late frame
  # makes it far too high.
  rates = stream.average_rate or measured, stream.guessed_rate
  return frame_rate(float(min(filter(None, rates), default=0)))


def frame_rate(stated: float) -> float:
  """Returns a stated rate, or `DEFAULT_FPS` if it is not plausible."""
  return stated if 0 < stated < 1000 else DEFAULT_FPS


def _open(
  address: str, name: str, options: Mapping[str, str]
) -> av.container.InputContainer:
  options, patience = dict(options), None
  if is_address(address):
    # Over UDP, lost packets would damage the frames of cameras.
    options['rtsp_transport'], patience = 'tcp', PATIENCE
  try:
    return av.open(address, options=options, timeout=patience)
  # The errors of FFmpeg contain the address with its login.
  except av.FFmpegError as error:
    refused = 'format_whitelist' in options and isinstance(
      error, av.ArgumentError
    )
    if refused or isinstance(error, av.InvalidDataError):
      raise _undecodable(name) from None
    raise ValueError(
      f'{name}: cannot be opened ({_reason(error)}); check the address and the '
      'format'
    ) from None


def _reason(error: av.FFmpegError) -> str:
  if isinstance(error, av.ExitError):
    # PyAV stops FFmpeg like this.
    return f'nothing was received within {PATIENCE:g} s'
  return error.strerror


def _video_stream(
  container: av.container.InputContainer, name: str
) -> av.VideoStream:
  stream = container.streams.best('video')
  if stream is None or stream.codec_context is None:
    raise _undecodable(name)
  if most := container.options.get('max_pixels'):
    context = stream.codec_context
    # FFmpeg knows no size if it has refused to decode the first picture.
    if not 0 < context.width * context.height <= int(most):
      raise ValueError(
        f'{name}: has damaged frames, or frames of more than '
        f'{int(most) / 1e6:g} megapixels; scale it down'
      )
    # The size may change later.
    context.options = {'max_pixels': most}
  return stream


def _undecodable(name: str) -> ValueError:
  advice = 're-encode it, or give another file'
  if is_address(name):
    # Many files have their index at the end, which FFmpeg asks for first.
    advice = 'check the address, or download the video and give the file'
  return ValueError(f'{name}: cannot be decoded as a video; {advice}')


def _timestamps(
  address: str, name: str, options: Mapping[str, str]
) -> list[int]:
  """Returns the timestamps of the first packets.

  Returns:
    The timestamps in the order of decoding. Empty if they are those of decoding
    instead of those of frames, as in AVI, and the frames have another order.
  """
  found, shown = [], []
  with _open(address, name, options) as container:
    stream = _video_stream(container, name)
    stream.thread_type = 'AUTO'
    packets = itertools.islice(container.demux(stream), _SAMPLE)
    while len(found) < _SAMPLE:
      try:
        packet = next(packets, None)
        if packet is None:
          break
        if packet.pts is not None and packet.size and not packet.is_discard:
          found.append(packet.pts)
        if len(shown) < _SHOWN and packet.size:
          shown.extend(p.pts for p in packet.decode() if not p.is_corrupt)
      except _DAMAGE:
        continue
  falls = any(
    None in pair or pair[0] > pair[1] for pair in itertools.pairwise(shown)
  )
  return [] if falls and found == sorted(found) else found


def _listed_frames(stream: av.VideoStream, kind: str) -> int | None:
  """Returns the number of shown frames, if the file lists all its frames."""
  # Fragments of MP4 list their frames only when they are read.
  if kind != _MP4 or not stream.frames:
    return None
  return sum(not entry.is_discard for entry in stream.index_entries)


def _stated_end(
  container: av.container.InputContainer, stream: av.VideoStream
) -> tuple[float, float] | None:
  """Returns the end of the pictures according to a file, and its inaccuracy."""
  kind, second = container.format.name, float(1 / stream.time_base)
  start, duration = stream.start_time or 0, stream.duration
  if kind == MATROSKA:
    start = 0
    # FFmpeg writes the time of the end here, whatever the first time is.
    tag = stream.metadata.get('DURATION', '')
    if parts := re.fullmatch(r'(\d+):(\d+):(\d+(?:\.\d+)?)', tag):
      hours, minutes, seconds = map(float, parts.groups())
      duration = (60 * (60 * hours + minutes) + seconds) * second
  elif kind == 'avi':
    # One packet, which may be empty, for each tick.
    duration = stream.frames or None
  elif kind == 'asf':
    # The duration is that of the file, and may count from 0.
    return None
  if duration is not None:
    # The duration of MP4 in fragments may already count from 0.
    return float(start + duration), float(start) if kind == _MP4 else 0.0
  # A file is also as long as its sound.
  if container.duration and len(container.streams) == 1:
    return start + container.duration / av.time_base * second, _SLACK * second
  return None


def _listed(ranges: list[range]) -> str:
  """Formats ranges of numbers, such as `3-5, 9`."""
  texts = [
    f'{numbers[0]}-{numbers[-1]}' if len(numbers) > 1 else f'{numbers[0]}'
    for numbers in ranges[:_LISTED]
  ]
  return ', '.join(texts + ['...'] * (len(ranges) > _LISTED))
