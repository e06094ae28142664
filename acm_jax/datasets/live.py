"""The newest frame of a source that does not wait, such as a camera."""

import threading
import time
from collections.abc import Callable, Iterator
from typing import Generic, NamedTuple, TypeVar

from absl import logging

T = TypeVar('T')

# Longest time for which a live source may give nothing, s.
PATIENCE = 10.0
# Time until a source is asked again that gave nothing, s.
_PAUSE = 0.05


class Arrival(NamedTuple, Generic[T]):
  """An item and its arrival.

  Attributes:
    item: Item of the source.
    number: Number of items that arrived before.
    time: Time since the first arrival, s.
  """

  item: T
  number: int
  time: float


class Newest(Generic[T]):
  """Newest items of a source, for a caller that may be slower than the source.

  The first `next` starts a thread that reads the source. Of the items that
  arrive between two calls of `next`, only the last is kept; the others are
  dropped. If none has arrived, `next` waits for one.

  Attributes:
    received: Number of items that have arrived.
    dropped: Number of items that were dropped.
  """

  def __init__(
    self,
    source: Iterator[T],
    name: str,
    clock: Callable[[], float] = time.monotonic,
  ):
    """Prepares the iteration; the source is not read yet.

    Args:
      source: Iterator that waits for each item, such as frames of a camera.
      name: Name of the source, for messages.
      clock: Function that returns the time, s.
    """
    self.received, self.dropped = 0, 0
    self._source, self._name, self._clock = source, name, clock
    self._changed = threading.Condition()
    self._newest: Arrival[T] | None = None
    self._begun, self._ended = 0.0, False
    self._error: Exception | None = None
    # No daemon, because libraries may crash in a thread that is killed when the
    # program ends. The thread ends at the next item or error of the source.
    self._thread = threading.Thread(target=self._read)

  def __iter__(self) -> Iterator[Arrival[T]]:
    """Yields the newest items; says at the end how many were dropped.

    Raises:
      Exception: The source has failed, and its last item was yielded.
    """
    self._thread.start()
    try:
      while True:
        with self._changed:
          self._changed.wait_for(lambda: self._newest or self._ended)
          newest, self._newest = self._newest, None
        if newest is None:
          break
        yield newest
      if self._error:
        raise self._error
    finally:
      self._ended = True
      if self.dropped:
        logging.warning(
          '%s: %d of %d frames were dropped, because newer ones arrived before '
          'they could be tracked',
          self._name,
          self.dropped,
          self.received,
        )

  def _read(self) -> None:
    try:
      for item in self._source:
        with self._changed:
          if self._ended:
            return
          now = self._clock()
          if self.received == 0:
            self._begun = now
          self.dropped += self._newest is not None
          self._newest = Arrival(item, self.received, now - self._begun)
          self.received += 1
          self._changed.notify()
    except Exception as error:
      self._error = error
    finally:
      with self._changed:
        self._ended = True
        self._changed.notify()


def persistent(
  read: Callable[[], T | None],
  name: str,
  clock: Callable[[], float] = time.monotonic,
  wait: Callable[[float], None] = time.sleep,
) -> Iterator[T]:
  """Yields what a source gives until it gives nothing for `PATIENCE`.

  Args:
    read: Function that waits for the next item, and returns None if it fails.
    name: Name of the source, for the warning at the end.
    clock: Function that returns the time, s.
    wait: Function that waits for a number of seconds.
  """
  since = clock()
  while clock() - since < PATIENCE:
    item = read()
    if item is None:
      wait(_PAUSE)
    else:
      yield item
      since = clock()
  logging.warning('%s: has ended: no frame for %g s', name, PATIENCE)
