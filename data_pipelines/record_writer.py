"""Writes TFRecord files of tf.train.Example messages without TensorFlow.

Importing TensorFlow takes longer than writing a small data set.

A record holds the length of the message (8 bytes), a checksum of the length (4
bytes), the message, and a checksum of the message (4 bytes). The message is
what TensorFlow encodes with `deterministic=True`: features are sorted by name.

Sources: tensorflow/core/lib/io/record_writer.h,
tensorflow/core/example/feature.proto and the encoding of Protocol Buffers.
"""

import io
import itertools
import struct
from collections.abc import Mapping, Sequence

import google_crc32c
import numpy as np

# Values of a feature: bytes, or an array of float32 or int64 of any shape.
Values = Sequence[bytes] | np.ndarray


class RecordWriter:
  """Writes records to a new binary file."""

  def __init__(self, file: io.BufferedIOBase):
    self._file = file
    self._position = 0

  def write(self, features: Mapping[str, Values]) -> dict[str, list[int]]:
    """Writes a record.

    Args:
      features: Values of the features; keys are names.

    Returns:
      For each feature with values of bytes: the position in the file at which
      each value begins.

    Raises:
      TypeError: An array is neither float32 nor int64.
    """
    entries, positions = b'', {}
    for name, values in sorted(features.items()):
      kind, encoded = _encode(values)
      key, value = name.encode(), _field(kind, encoded)
      entries += _field(1, _field(1, key) + _field(2, value))
      # The encoded values are the end of the entry.
      if not isinstance(values, np.ndarray):
        first = len(entries) - len(encoded)
        positions[name] = [first + start for start in _starts(values)]
    message = _field(1, entries)
    length = struct.pack('<Q', len(message))
    head = length + _checksum(length)
    self._file.write(head + message + _checksum(message))
    begin = self._position + len(head) + len(message) - len(entries)
    self._position += len(head) + len(message) + 4
    return {
      name: [begin + start for start in starts]
      for name, starts in positions.items()
    }


def _encode(values: Values) -> tuple[int, bytes]:
  """Returns the number of the values' field in a Feature, and its contents."""
  if not isinstance(values, np.ndarray):
    return 1, b''.join(_field(1, value) for value in values)
  if values.dtype == np.float32:
    number, packed = 2, values.astype('<f4').tobytes()
  elif values.dtype == np.int64:
    # A negative number is encoded as the unsigned number with the same bits.
    unsigned = values.astype(np.uint64).ravel().tolist()
    number, packed = 3, b''.join(map(_varint, unsigned))
  else:
    raise TypeError(f'{values.dtype}: must be float32 or int64')
  return number, _field(1, packed) if packed else b''


def _starts(values: Sequence[bytes]) -> list[int]:
  """Returns the positions of values of bytes within their encoding."""
  ends = itertools.accumulate(len(_field(1, value)) for value in values)
  return [end - len(v) for end, v in zip(ends, values, strict=True)]


def _field(number: int, data: bytes) -> bytes:
  """Encodes a field of variable length: a message, text, or packed numbers."""
  return _varint(number << 3 | 2) + _varint(len(data)) + data


def _varint(number: int) -> bytes:
  """Encodes a non-negative integer, seven bits a byte."""
  encoded = bytearray()
  while number > 0x7F:
    encoded.append(number & 0x7F | 0x80)
    number >>= 7
  return bytes([*encoded, number])


def _checksum(data: bytes) -> bytes:
  """Returns the masked CRC-32C of TFRecord files."""
  crc = google_crc32c.value(data)
  rotated = crc >> 15 | crc << 17
  return struct.pack('<I', (rotated + 0xA282EAD8) % 2**32)
