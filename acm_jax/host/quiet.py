"""Keeps messages of OpenCV and of the libraries in it off the terminal."""

import contextlib
import ctypes
import functools
import sys
import threading
from collections.abc import Callable, Iterator
from typing import TypeVar

import cv2

_Result = TypeVar('_Result')

_changed = threading.Condition()
# Number of threads in `opencv`, whether one of them must stay alone, and what
# the last one to leave has to undo.
_inside = 0
_alone = False
_undo = contextlib.ExitStack()


@contextlib.contextmanager
def opencv(alone: bool = False) -> Iterator[None]:
  """Silences OpenCV, libjpeg, libpng and libtiff in the block.

  The libraries write about damaged files to the terminal, besides the error
  that the caller raises. What Python writes to stderr still appears. Blocks
  must not be nested.

  Args:
    alone: Whether no other thread may be in such a block at the same time.
  """
  global _inside, _alone
  with _changed:
    _changed.wait_for(lambda: not _alone)
    _alone = alone
    _changed.wait_for(lambda: not (alone and _inside))
    if not _inside:
      _silence()
    _inside += 1
  try:
    yield
  finally:
    with _changed:
      _inside -= 1
      if alone:
        _alone = False
      if not _inside:
        _undo.close()
      _changed.notify_all()


def reported(call: Callable[[], _Result]) -> tuple[_Result, str]:
  """Calls a function, silenced as in `opencv`.

  Args:
    call: Function without side effects; it is called again, with no other
      thread in such a block, if one of several threads may have caused a
      report.

  Returns:
    The result of the function, and what libjpeg and libpng wrote about it;
    always an empty text if the C library does not let their messages be read.
  """
  written = _written()
  with opencv():
    before = written.length()
    result = call()
    silent = written.length() == before
  if silent:
    return result, ''
  with opencv(alone=True):
    return call(), written.text()


def _silence() -> None:
  logging = cv2.utils.logging
  _undo.callback(logging.setLogLevel, logging.getLogLevel())
  logging.setLogLevel(logging.LOG_LEVEL_SILENT)
  # libjpeg and libpng have no levels that OpenCV could set. They write to C's
  # variable `stderr`, which Python does not use.
  stderr, written = _stderr(), _written()
  if stderr is not None:
    _undo.callback(setattr, stderr, 'value', stderr.value)
    written.clear()
    stderr.value = written.stream


@functools.cache
def _stderr() -> ctypes.c_void_p | None:
  """Returns C's variable `stderr`; None if the C library does not have it."""
  name = '__stderrp' if sys.platform == 'darwin' else 'stderr'
  try:
    return ctypes.c_void_p.in_dll(ctypes.CDLL(None), name)
  except ValueError:
    return None


class _Written:
  """Text in memory to which C's functions write.

  Attributes:
    stream: Address of C's stream.
  """

  def __init__(self):
    self._library = ctypes.CDLL(None)
    self._library.open_memstream.restype = ctypes.c_void_p
    self._library.ftell.restype = ctypes.c_long
    self._text, self._size = ctypes.c_void_p(), ctypes.c_size_t()
    places = ctypes.byref(self._text), ctypes.byref(self._size)
    self.stream = self._library.open_memstream(*places)

  def length(self) -> int:
    """Returns the number of bytes that were written since `clear`."""
    return self._library.ftell(ctypes.c_void_p(self.stream))

  def text(self) -> str:
    """Returns what was written since `clear`."""
    self._library.fflush(ctypes.c_void_p(self.stream))
    return ctypes.string_at(self._text, self.length()).decode(errors='replace')

  def clear(self) -> None:
    """Forgets what was written."""
    self._library.rewind(ctypes.c_void_p(self.stream))


@functools.cache
def _written() -> _Written:
  """Returns the text to which C's `stderr` leads in `opencv`."""
  return _Written()
