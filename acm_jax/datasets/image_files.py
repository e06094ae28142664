"""Image files: reading of single images and of sequences, and writing.

All images that are read become RGB with 8 bits per channel:

- Pixels have the positions in which the file stores them, because annotations
  refer to these positions. The EXIF orientation is ignored, as by PIL and
  therefore by GOT-10k's toolkit.
- Grey is repeated in all channels, palettes and CMYK are converted, and alpha
  is dropped.
- Deeper images, such as thermal images with 16 bits, are stretched: the range
  of values in the first image of the sequence becomes 0..255, without the
  lowest and highest thousandth, which may be dead pixels. The same temperature
  or distance then has the same grey level in the whole sequence.
"""

import contextlib
import functools
import io
import re
import threading
import typing
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
from absl import logging
from jaxtyping import Num, UInt8
from PIL import Image, TiffImagePlugin

from acm_jax.datasets import jpeg_ends
from acm_jax.host import quiet
from acm_jax.host.staging import replacing

Rgb = UInt8[np.ndarray, 'h w 3']
# Values as a file stores them; grey images have no channels.
Values = Num[np.ndarray, 'h w *c']

_AS_STORED = cv2.IMREAD_IGNORE_ORIENTATION
_FLAGS = cv2.IMREAD_ANYCOLOR | cv2.IMREAD_ANYDEPTH | _AS_STORED

# What libjpeg reports if pixels are missing or have an invalid code. Surplus
# bytes may also be what a camera writes.
_PIXELS_DAMAGED = re.compile(r'Corrupt JPEG data: (?!\d+ extraneous bytes)')
_BIG_TIFF = b'II+\0'
_TIFF = b'II*\0', b'MM\0*', _BIG_TIFF
# Tags of TIFF, and values of theirs.
_WHITE_OR_BLACK, _WHITE_IS_0 = TiffImagePlugin.PHOTOMETRIC_INTERPRETATION, 0
_ALPHA, _UNASSOCIATED = TiffImagePlugin.EXTRASAMPLES, 2
# Bit in the flags of an extended WebP.
_WEBP_ANIMATED = 2
# What EXIF entries begin with in JPEG, PNG and WebP.
_EXIF = (b'Exif', b'eXIf', b'EXIF')
# Share of values that are cut off at each end of the range, as dead pixels.
_CUT_OFF = 0.001


@typing.runtime_checkable
class File(typing.Protocol):
  """A file, such as a `Path`. Its `str` is its name for messages."""

  def read_bytes(self) -> bytes:
    """Returns the content of the file."""


class Levels(NamedTuple):
  """Values of an image that become the levels 0 and 255."""

  low: float
  high: float


class Reader:
  """Function that reads the images of one sequence; threads may share it.

  Deeper images are stretched by the range of the first image. Messages say so
  once, and also that an EXIF orientation, or all pictures in a file but the
  first, are ignored.
  """

  def __init__(self, first: File):
    """Creates a reader; reads nothing yet.

    Args:
      first: First image of the sequence.
    """
    self._first = first
    self._lock = threading.Lock()
    self._begun = False
    self._levels: Levels | None = None

  def __call__(self, file: File) -> Rgb:
    """Reads an image of the sequence.

    Raises:
      FileNotFoundError: The file does not exist.
      ValueError: The file cannot be decoded, only one of the image and the
        first image has 8 bits per channel, or the first image is deeper but has
        a single value.
    """
    data = _content(file)
    values = _decode(data, str(file))
    with self._lock:
      if not self._begun:
        _warn_of_the_ignored(data, str(file))
      self._begun = True
      deep = values.dtype != np.uint8
      if deep and self._levels is None:
        first = stored(self._first)
        if first.dtype == np.uint8:
          raise self._mixed(file, 'more than 8', '8')
        self._levels = first_levels(first, str(self._first))
    if self._levels is not None and not deep:
      raise self._mixed(file, '8', 'more')
    return _rgb(values, self._levels)

  def _mixed(self, file: File, bits: str, first_bits: str) -> ValueError:
    return ValueError(
      f'{file}: has {bits} bits per channel, but the first image of the '
      f'sequence, {self._first}, has {first_bits}; convert all images to one '
      'depth'
    )


def read(file: File) -> Rgb:
  """Reads a single image; a deeper image is stretched by its own range.

  Raises:
    FileNotFoundError: The file does not exist.
    ValueError: The file cannot be decoded, or a deeper image has a single
      value.
  """
  values = stored(file)
  deep = values.dtype != np.uint8
  return _rgb(values, _levels(values, str(file)) if deep else None)


def size(file: File) -> tuple[int, int]:
  """Returns the height and width of an image, px.

  Raises:
    FileNotFoundError: The file does not exist.
    ValueError: The file cannot be decoded.
  """
  height, width = stored(file).shape[:2]
  return height, width


def stored(file: File) -> Values:
  """Reads the values that a file stores; colours are in the order BGR.

  Raises:
    FileNotFoundError: The file does not exist.
    ValueError: The file cannot be decoded.
  """
  return _decode(_content(file), str(file))


def jpeg(file: File) -> tuple[bytes, tuple[int, int]]:
  """Reads a JPEG that is to be copied.

  Returns:
    The content up to the end marker, which is appended if it is missing, and
    the height and width of the image, px.

  Raises:
    FileNotFoundError: The file does not exist.
    ValueError: The file is not a JPEG, or cannot be decoded.
  """
  data = _content(file)
  height, width = _decode(data, str(file)).shape[:2]
  if not jpeg_ends.is_jpeg(data):
    raise ValueError(f'{file}: not a JPEG; convert it')
  return jpeg_ends.whole(data), (height, width)


def write(path: Path, image: Rgb) -> None:
  """Writes an RGB image, in the format that the suffix of the path names.

  Raises:
    OSError: The file cannot be written.
    RuntimeError: The image cannot be encoded.
  """
  bgr = cv2.cvtColor(image, cv2.COLOR_RGB2BGR)
  # Encoding and writing are separate, because `cv2.imwrite` does not tell why a
  # file cannot be written.
  try:
    encoded, data = cv2.imencode(path.suffix, bgr)
  except cv2.error:
    encoded = False
  if not encoded:
    h, w = image.shape[:2]
    raise RuntimeError(
      f'{path}: an image of {w} x {h} pixels cannot be encoded in the format '
      f'{path.suffix!r}; choose another suffix, such as .png'
    )
  with replacing(path) as partial:
    partial.write_bytes(data)


def first_levels(values: Values, where: str) -> Levels:
  """Returns the range by which all images of a sequence are stretched.

  Logs a message that says so.

  Args:
    values: First image of the sequence, with more than 8 bits per channel.
    where: Name of the image, for messages.

  Raises:
    ValueError: The image has a single value.
  """
  found = _levels(values, where)
  logging.warning(
    '%s: has more than 8 bits per channel; its values from %g to %g, which are '
    'all but the lowest and highest 0.1 %%, become 0 to 255 in the whole '
    'sequence',
    *(where, *found),
  )
  return found


def _levels(values: Values, where: str) -> Levels:
  """Returns quantiles of the finite values of an image, or else its range."""
  finite = values[np.isfinite(values)]
  for share in (_CUT_OFF, 0):
    if finite.size:
      low, high = np.quantile(finite, (share, 1 - share)).tolist()
      if low < high:
        return Levels(low, high)
  raise ValueError(
    f'{where}: has more than 8 bits per channel but a single value, so that '
    'its range cannot be stretched; begin with another image, or convert all '
    'images to 8 bits'
  )


def to_8_bits(values: Values, range_: Levels | None) -> Rgb:
  """Stretches an image to 8 bits, and repeats grey in three channels.

  Args:
    values: Image; values that are not a number become 0.
    range_: Values that become 0 and 255; None for an image of 8 bits, which
      keeps its values.

  Raises:
    ValueError: A range is given for an image of 8 bits, or none for a deeper
      one, because the first image of the sequence has another depth.
  """
  deep = values.dtype != np.uint8
  if deep != (range_ is not None):
    bits, first_bits = ('more than 8', '8') if deep else ('8', 'more')
    raise ValueError(
      f'the image has {bits} bits per channel, but the first image of the '
      f'sequence has {first_bits}; convert all images to one depth'
    )
  if deep and values.itemsize <= 2:
    unsigned = np.dtype(f'u{values.itemsize}')
    values = _table(values.dtype, range_)[values.view(unsigned)]
  elif deep:
    values = _stretched(values, range_)
  if values.ndim == 2:
    values = cv2.cvtColor(values, cv2.COLOR_GRAY2RGB)
  return values


# Cached because looking up is several times faster than stretching.
@functools.lru_cache(maxsize=16)
def _table(dtype: np.dtype, range_: Levels) -> UInt8[np.ndarray, 'n']:
  """Returns the level of each value of a type with at most 16 bits."""
  every = np.arange(2 ** (8 * dtype.itemsize)).astype(f'u{dtype.itemsize}')
  return _stretched(every.view(dtype), range_)


def _stretched(
  values: Num[np.ndarray, '*n'], range_: Levels
) -> UInt8[np.ndarray, '*n']:
  """Returns the levels, 0 to 255, of values."""
  scale = 255 / (range_.high - range_.low)
  levels = np.nan_to_num((values.astype(np.float64) - range_.low) * scale)
  return np.clip(np.rint(levels), 0, 255).astype(np.uint8)


def _content(file: File) -> bytes:
  try:
    return file.read_bytes()
  except (FileNotFoundError, IsADirectoryError):
    raise FileNotFoundError(f'{file}: no such file; add the image') from None


def _decode(data: bytes, where: str) -> Values:
  """Decodes the content of an image file; colours are in the order BGR."""
  is_jpeg = jpeg_ends.is_jpeg(data)
  if is_jpeg and not (data := jpeg_ends.whole(data)):
    raise _undecodable(where)
  values, report = quiet.reported(lambda: _imdecode(data))
  if values is None or (is_jpeg and _PIXELS_DAMAGED.match(report)):
    raise _undecodable(where)
  if is_jpeg and report:
    _warn_of_damage(where, report.strip())
  return _as_stored(values, data) if data.startswith(_TIFF) else values


def _as_stored(values: Values, data: bytes) -> Values:
  """Undoes what OpenCV makes of a TIFF with alpha, or with white at 0.

  OpenCV darkens transparent pixels of images with 8 bits per channel, and it
  inverts an image in which 0 is white only if it has 8 bits.

  Args:
    values: Values that OpenCV has decoded.
    data: Content of the file.
  """
  tags = _tiff_tags(data)
  if values.dtype.itemsize > 1 and tags.get(_WHITE_OR_BLACK) == _WHITE_IS_0:
    return ~values if np.issubdtype(values.dtype, np.integer) else -values
  colored = values.dtype == np.uint8 and values.ndim == 3
  if colored and _UNASSOCIATED in tags.get(_ALPHA, ()):
    # Where Pillow cannot read the file, the darkened pixels are all there is.
    with (
      contextlib.suppress(OSError, ValueError),
      Image.open(io.BytesIO(data), formats=['TIFF']) as image,
    ):
      if image.mode == 'RGBA':
        return np.asarray(image.convert('RGB'))[..., ::-1]
  return values


def _tiff_tags(data: bytes) -> TiffImagePlugin.ImageFileDirectory_v2:
  """Returns the tags of the first image of a TIFF, also one unknown to PIL."""
  file = io.BytesIO(data)
  header = file.read(16 if data.startswith(_BIG_TIFF) else 8)
  tags = TiffImagePlugin.ImageFileDirectory_v2(header)
  file.seek(tags.next)
  tags.load(file)
  return tags


# Cached because a file is named once, however often it is read.
@functools.cache
def _warn_of_damage(where: str, report: str) -> None:
  logging.warning(
    '%s: the JPEG may be damaged (%s), so that its pixels may be wrong; look '
    'at it, and replace it with an intact copy',
    *(where, report),
  )


def _imdecode(data: bytes, flags: int = _FLAGS) -> Values | None:
  if not data:
    return None
  try:
    return cv2.imdecode(np.frombuffer(data, np.uint8), flags)
  except cv2.error:
    return None


def _undecodable(where: str) -> ValueError:
  return ValueError(
    f'{where}: cannot be decoded as an image; replace it with an intact copy'
  )


def _rgb(values: Values, range_: Levels | None) -> Rgb:
  return cv2.cvtColor(to_8_bits(values, range_), cv2.COLOR_BGR2RGB)


def _warn_of_the_ignored(data: bytes, where: str) -> None:
  """Warns of an orientation, and of pictures behind the first one."""
  if _is_turned(data):
    logging.warning(
      '%s: the EXIF orientation is ignored in this sequence; boxes refer to '
      'the pixels as the file stores them',
      where,
    )
  if _has_several(data):
    logging.warning(
      '%s: holds several pictures, such as an animation or pages, of which '
      'only the first is used; convert the file to a video or to single images '
      'to use all',
      where,
    )


def _is_turned(data: bytes) -> bool:
  """Returns whether an image has an EXIF orientation that turns it."""
  if not any(mark in data for mark in _EXIF):
    return False
  with quiet.opencv():
    stored, turned = (
      _imdecode(data, cv2.IMREAD_REDUCED_COLOR_8 | flag)
      for flag in (_AS_STORED, 0)
    )
  return stored is not None and not np.array_equal(stored, turned)


def _has_several(data: bytes) -> bool:
  """Returns whether a PNG or WebP is animated, or a TIFF has several pages."""
  if data.startswith(_TIFF):
    return bool(_tiff_tags(data).next)
  if data.startswith(b'RIFF'):
    return data[12:16] == b'VP8X' and bool(data[20] & _WEBP_ANIMATED)
  return data.startswith(b'\x89PNG') and b'acTL' in data.partition(b'IDAT')[0]
