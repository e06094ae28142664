"""Sessions of all tabs, each with a key, a folder and a lock of its own."""

import contextlib
import dataclasses
import secrets
import shutil
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from acm_jax.web.session import Session

MOST_SESSIONS = 8
# Time after which a session that is not used may make room for another one, s.
_IDLE = 600.0


class FullError(Exception):
  """Too many sessions are in use."""


@dataclasses.dataclass
class _Place:
  """Room for a session; it is empty while the session's video is loaded."""

  folder: Path
  used: float
  session: Session | None = None
  lock: threading.Lock = dataclasses.field(default_factory=threading.Lock)


class Sessions:
  """Sessions by key. A key is secret: whoever has it may use the session."""

  def __init__(self, root: Path, clock: Callable[[], float] = time.monotonic):
    """Begins without sessions.

    Args:
      root: Folder for the folders of the sessions.
      clock: Function that returns the time, s.
    """
    self._root, self._clock = root, clock
    self._places: dict[str, _Place] = {}
    self._changing = threading.Lock()

  def reserve(self) -> tuple[str, Path]:
    """Makes room for a session; if there is none, the longest idle one ends.

    Returns:
      The key of the session, and an empty folder for its files.

    Raises:
      FullError: All other sessions are in use.
    """
    with self._changing:
      if len(self._places) >= MOST_SESSIONS:
        self._remove_idle()
      key = secrets.token_urlsafe()
      folder = self._root / key
      folder.mkdir()
      self._places[key] = _Place(folder, self._clock())
    return key, folder

  def _remove_idle(self) -> None:
    # What is loaded or computed may take longer than the limit.
    idle = {
      key: place.used
      for key, place in self._places.items()
      if place.session
      and not place.lock.locked()
      and self._clock() - place.used > _IDLE
    }
    if not idle:
      raise FullError(
        f'{MOST_SESSIONS} videos are open, which is the limit; close one in '
        f'another tab, or wait: one that is not used for {_IDLE / 60:g} '
        'minutes may be closed'
      )
    _remove(self._places.pop(min(idle, key=idle.get)))

  def start(self, key: str, session: Session) -> None:
    """Puts a session in the room that was made for it."""
    place = self._places[key]
    place.session, place.used = session, self._clock()

  @contextlib.contextmanager
  def use(self, key: str) -> Iterator[tuple[Session, Path]]:
    """Yields a session and its folder to one thread at a time.

    Raises:
      LookupError: The session does not exist, or no longer.
    """
    place = self._places.get(key)
    if place is None:
      raise _closed()
    with place.lock:
      # It may have been closed in the meantime.
      if place.session is None or self._places.get(key) is not place:
        raise _closed()
      try:
        yield place.session, place.folder
      finally:
        place.used = self._clock()

  def close(self, key: str) -> None:
    """Ends a session and removes its files; does nothing if there is none."""
    with self._changing:
      place = self._places.pop(key, None)
    if place:
      _remove(place)

  def stop_all(self) -> None:
    """Makes all sessions fail, so that work in other threads ends soon."""
    for place in list(self._places.values()):
      if place.session:
        place.session.stop()

  def close_all(self) -> None:
    """Ends all sessions."""
    for key in list(self._places):
      self.close(key)


def _closed() -> LookupError:
  return LookupError('this video is no longer open; load it again')


def _remove(place: _Place) -> None:
  if place.session:
    place.session.stop()
  with place.lock:
    if place.session:
      place.session.close()
    shutil.rmtree(place.folder, ignore_errors=True)
