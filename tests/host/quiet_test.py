"""Messages of OpenCV's libraries about damaged files."""

import contextlib
import struct
import sys
import threading
import zlib

import cv2
import numpy as np
import pytest

from acm_jax.datasets import image_files
from acm_jax.host import quiet


def encoded(suffix):
  rng = np.random.default_rng(0)
  image = rng.integers(0, 256, (48, 64, 3), np.uint8)
  return cv2.imencode(suffix, image)[1].tobytes()


def chunk(kind, data):
  checksum = struct.pack('>I', zlib.crc32(kind + data))
  return struct.pack('>I', len(data)) + kind + data + checksum


def damaged_jpeg():
  """Returns a JPEG with bytes that belong to no pixel."""
  data = encoded('.jpg')
  return data[:-2] + b'\x11' * 20 + data[-2:]


def damaged_png():
  """Returns a PNG with an invalid colour profile after its header."""
  data, header = encoded('.png'), 33
  return data[:header] + chunk(b'iCCP', b'bad') + data[header:]


@pytest.mark.parametrize(
  'data',
  [
    damaged_jpeg(),
    damaged_png(),
    encoded('.png')[:2000],
    b'BM' + b'\xff' * 100,
    b'II*\0\x08\0\0\0' + b'\xff' * 60,
  ],
  ids=['JPEG', 'PNG', 'half a PNG', 'BMP', 'TIFF'],
)
def test_libraries_write_nothing_about_an_image(data, tmp_path, capfd):
  (tmp_path / 'a').write_bytes(data)
  cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
  assert ''.join(capfd.readouterr())
  # Whether the damage is an error is tested elsewhere.
  with contextlib.suppress(ValueError):
    image_files.read(tmp_path / 'a')
  assert ''.join(capfd.readouterr()) == ''


def test_python_still_writes_and_all_is_undone_at_the_end(capfd):
  level, data = cv2.utils.logging.getLogLevel(), damaged_jpeg()
  inside, leave = threading.Event(), threading.Event()

  def stay():
    with quiet.opencv():
      inside.set()
      leave.wait()

  thread = threading.Thread(target=stay)
  thread.start()
  inside.wait()
  with quiet.opencv():
    print('from Python', file=sys.stderr)
  # The other thread is still inside.
  cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
  assert capfd.readouterr().err == 'from Python\n'
  leave.set()
  thread.join()
  assert cv2.utils.logging.getLogLevel() == level
  cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
  assert 'Corrupt JPEG' in capfd.readouterr().err
