"""Videos whose frames show their own numbers, and damage to their files."""

import subprocess
from collections.abc import Iterable
from fractions import Fraction
from pathlib import Path

import av
import cv2
import imageio_ffmpeg
import numpy as np

SIZE_HW = (96, 128)
_BITS, _CELL = 8, 16


def stamped(number: int) -> np.ndarray:
  """Returns an RGB image that shows a number below 256."""
  cells = np.random.default_rng(number).integers(60, 200, (6, 8, 3), np.uint8)
  image = cv2.resize(cells, SIZE_HW[::-1])
  for bit in range(_BITS):
    image[:_CELL, bit * _CELL : (bit + 1) * _CELL] = 255 * (number >> bit & 1)
  return image


def stamp(image: np.ndarray) -> int:
  """Returns the number that an image shows."""
  cells = image[:_CELL].reshape(_CELL, _BITS, _CELL, 3).mean((0, 2, 3))
  return sum(1 << bit for bit in range(_BITS) if cells[bit] > 127)


def write(
  path: Path,
  codec: str = 'mjpeg',
  frames: int = 40,
  rate: int = 25,
  milliseconds: Iterable[int] | None = None,
  **options: str,
) -> Path:
  """Writes a video of frames that show their numbers; returns its path.

  Args:
    path: File to write; the suffix decides on its format.
    codec: Name of the encoder. Frames of mjpeg do not refer to each other.
    frames: Number of frames.
    rate: Frames per second.
    milliseconds: Time of each frame (default: as `rate` says).
    **options: Options of the encoder.
  """
  with av.open(str(path), 'w') as container:
    stream = container.add_stream(codec, rate=rate, options=options)
    stream.height, stream.width = SIZE_HW
    stream.pix_fmt = 'yuvj420p' if codec == 'mjpeg' else 'yuv420p'
    stream.bit_rate = 2_000_000
    if milliseconds is None:
      times, base = range(frames), Fraction(1, rate)
    else:
      times, base = list(milliseconds), Fraction(1, 1000)
    stream.codec_context.time_base = base
    for number, time in enumerate(times):
      frame = av.VideoFrame.from_ndarray(stamped(number), format='rgb24')
      frame.pts, frame.time_base = time, base
      container.mux(stream.encode(frame))
    container.mux(stream.encode())
  return path


def transcode(source: Path, path: Path, *options: str) -> Path:
  """Writes a video in another format, with a tone as its sound.

  Args:
    source: Video to read.
    path: File to write; the suffix decides on its format.
    *options: Options of FFmpeg. Times of frames are kept.
  """
  tone = ('-f', 'lavfi', '-i', 'sine=duration=8')
  kept = ('-fps_mode', 'passthrough', '-loglevel', 'error')
  command = (imageio_ffmpeg.get_ffmpeg_exe(), '-i', source, *tone)
  subprocess.run([*command, *options, *kept, path], check=True)
  return path


def copied(source: Path, path: Path, delay: int = 0, **options: str) -> Path:
  """Copies a video without encoding it again; returns the path of the copy.

  Args:
    source: Video to copy.
    path: File to write.
    delay: Number of frames by which all frames are delayed. In MP4, an edit
      list hides frames with negative times.
    **options: Options of the format.
  """
  with (
    av.open(str(source)) as old,
    av.open(str(path), 'w', options=options) as new,
  ):
    pictures = old.streams.video[0]
    stream = new.add_stream_from_template(pictures)
    ticks = round(delay / pictures.average_rate / pictures.time_base)
    for packet in old.demux(pictures):
      if packet.size:
        packet.pts += ticks
        packet.dts += ticks
        packet.stream = stream
        new.mux(packet)
  return path


def with_sound(source: Path, path: Path) -> Path:
  """Copies a video and adds 4 s of silence; returns the path of the copy.

  Args:
    source: Video to copy, without sound.
    path: File to write.
  """
  with av.open(str(source)) as old, av.open(str(path), 'w') as new:
    pictures = old.streams.video[0]
    stream = new.add_stream_from_template(pictures)
    sound = new.add_stream('aac', rate=44100)
    for packet in old.demux(pictures):
      if packet.size:
        packet.stream = stream
        new.mux(packet)
    silence = np.zeros((1, 4 * 44100), np.float32)
    frame = av.AudioFrame.from_ndarray(silence, format='fltp', layout='mono')
    frame.sample_rate, frame.pts = 44100, 0
    new.mux([*sound.encode(frame), *sound.encode()])
  return path


def cut(path: Path, begin: float, end: float) -> None:
  """Removes the bytes of a file between two fractions of its length."""
  data = path.read_bytes()
  begin, end = (int(place * len(data)) for place in (begin, end))
  path.write_bytes(data[:begin] + data[end:])


def blank(path: Path, begin: float, end: float) -> None:
  """Overwrites the bytes of a file between two fractions of its length."""
  data = bytearray(path.read_bytes())
  begin, end = (int(place * len(data)) for place in (begin, end))
  data[begin:end] = bytes(end - begin)
  path.write_bytes(data)
