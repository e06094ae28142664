"""The end of a JPEG: bytes behind it are left out, a missing end is added."""

import re

_BEGIN, _SCAN, _END = b'\xff\xd8', b'\xff\xda', b'\xff\xd9'
# A marker of a JPEG. Coded pixels contain only 0xff00 and restart markers,
# 0xffd0 to 0xffd7.
_MARKER = re.compile(rb'\xff([^\x00\xff\xd0-\xd7])', re.DOTALL)
# Number of zeros at the end of a file which show that it was filled up.
_FILLED = 16


def is_jpeg(data: bytes) -> bool:
  """Returns whether the content of a file begins like a JPEG."""
  return data.startswith(_BEGIN)


def whole(data: bytes) -> bytes | None:
  """Returns a JPEG up to its end marker, which is appended if it is missing.

  Bytes behind the end marker, such as the video in a motion photo, are left
  out.

  Args:
    data: Content of a file that begins like a JPEG.

  Returns:
    The JPEG, or None if the content ends before or between the coded pixels.
  """
  end, scan = _parts(data)
  if end is not None:
    return data[:end]
  if scan is None:
    return None
  body = data.rstrip(b'\0')
  if len(data) - len(body) < _FILLED:
    body = data
  return body.rstrip(b'\xff') + _END


def _parts(data: bytes) -> tuple[int | None, int | None]:
  """Finds the end of a JPEG, or the coded pixels in which the file ends.

  Returns:
    The position behind the end marker, or None if the marker is missing; and
    the position where the last coded pixels begin, or None if an end marker or
    a header follows them.
  """
  position, scan = len(_BEGIN), None
  while marker := _MARKER.search(data, position):
    position = marker.end()
    if marker[1] == _END[1:]:
      return position, None
    # Any other marker is followed by the length of its segment.
    position += int.from_bytes(data[position : position + 2])
    scan = position if marker[1] == _SCAN[1:] else None
  return None, scan
