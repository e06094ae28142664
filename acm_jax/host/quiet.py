"""Keeps messages of OpenCV and of the libraries in it off the terminal."""

import contextlib
import ctypes
import functools
import os
import sys
import threading
from collections.abc import Iterator

import cv2

_lock = threading.Lock()
# Number of threads in `opencv`, and what the last one to leave has to undo.
_inside = 0
_undo = contextlib.ExitStack()


@contextlib.contextmanager
def opencv() -> Iterator[None]:
  """Silences OpenCV, libjpeg, libpng and libtiff in the block.

  The libraries write about damaged files to the terminal, besides the error
  that the caller raises. Several threads may be in such a block at once. What
  Python writes to stderr still appears.
  """
  global _inside
  with _lock:
    if not _inside:
      _silence()
    _inside += 1
  try:
    yield
  finally:
    with _lock:
      _inside -= 1
      if not _inside:
        _undo.close()


def _silence() -> None:
  logging = cv2.utils.logging
  _undo.callback(logging.setLogLevel, logging.getLogLevel())
  logging.setLogLevel(logging.LOG_LEVEL_SILENT)
  # libjpeg and libpng have no levels that OpenCV could set. They write to C's
  # variable `stderr`, which Python does not use.
  nowhere, stream = _streams()
  if stream is not None:
    _undo.callback(setattr, stream, 'value', stream.value)
    stream.value = nowhere


@functools.cache
def _streams() -> tuple[int | None, ctypes.c_void_p | None]:
  """Returns an open stream to nowhere, and C's variable `stderr`.

  The variable is None if the C library does not have it.
  """
  library = ctypes.CDLL(None)
  name = '__stderrp' if sys.platform == 'darwin' else 'stderr'
  try:
    stream = ctypes.c_void_p.in_dll(library, name)
  except ValueError:
    return None, None
  library.fopen.restype = ctypes.c_void_p
  return library.fopen(os.devnull.encode(), b'w'), stream
