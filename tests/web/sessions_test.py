"""Tests of the sessions of several tabs."""

import concurrent.futures
import threading

import pytest

from acm_jax.web import sessions as module
from acm_jax.web.session import Session
from acm_jax.web.sessions import FullError, Sessions

# Longest wait for another thread, s.
PATIENCE = 30


class FakeSession(Session):
  """Fake session that knows whether it was closed."""

  closed = False

  def __init__(self):
    self.stopped = threading.Event()

  def stop(self):
    self.stopped.set()

  def close(self):
    self.closed = True


class Clock:
  now = 0.0

  def __call__(self):
    return self.now


@pytest.fixture
def clock():
  return Clock()


@pytest.fixture
def sessions(tmp_path, clock):
  return Sessions(tmp_path, clock)


def start(sessions):
  key, folder = sessions.reserve()
  session = FakeSession()
  sessions.start(key, session)
  (folder / 'upload.mp4').write_bytes(b'video')
  return key, session


def test_each_key_gives_its_own_session_and_folder(sessions):
  (one, first), (other, second) = start(sessions), start(sessions)
  with sessions.use(one) as used, sessions.use(other) as used_too:
    assert used[0] is first
    assert used_too[0] is second
    assert used[1] != used_too[1]


def test_a_closed_session_leaves_no_files(sessions, tmp_path):
  key, session = start(sessions)
  kept, _ = start(sessions)
  sessions.close(key)
  sessions.close(key)
  assert session.closed
  assert [path.name for path in tmp_path.iterdir()] == [kept]
  with (
    pytest.raises(LookupError, match='no longer open; load it again'),
    sessions.use(key),
  ):
    pass


def test_a_session_is_not_used_before_its_video_is_loaded(sessions):
  key, _ = sessions.reserve()
  with pytest.raises(LookupError, match='no longer open'), sessions.use(key):
    pass


def use(sessions, key):
  with sessions.use(key):
    pass


def test_the_longest_idle_session_makes_room_if_all_are_taken(sessions, clock):
  opened = [start(sessions) for _ in range(module.MOST_SESSIONS - 1)]
  clock.now = 100.0
  use(sessions, opened[0][0])
  clock.now = 650.0
  # There is room.
  opened.append(start(sessions))
  assert not any(session.closed for _, session in opened)
  for closed in (1, 2):
    start(sessions)
    assert [i for i, (_, each) in enumerate(opened) if each.closed] == list(
      range(1, closed + 1)
    )


def test_too_many_sessions_are_refused_until_one_is_closed_or_idle(
  sessions, clock
):
  opened = [start(sessions) for _ in range(module.MOST_SESSIONS)]
  clock.now = 600.0
  with pytest.raises(FullError, match='8 videos are open, which is the limit'):
    sessions.reserve()
  sessions.close(opened[0][0])
  start(sessions)
  clock.now = 601.0
  start(sessions)
  assert [session.closed for _, session in opened] == [True] * 2 + [False] * 6


def test_a_session_is_in_use_also_if_its_work_fails(sessions, clock):
  opened = [start(sessions) for _ in range(module.MOST_SESSIONS)]
  clock.now = 601.0
  for key, _ in opened:
    with pytest.raises(OSError, match='disk'), sessions.use(key):
      raise OSError('the disk is full')
  with pytest.raises(FullError):
    sessions.reserve()


def test_what_is_loaded_or_computed_for_long_makes_no_room(sessions, clock):
  opened = [start(sessions) for _ in range(module.MOST_SESSIONS - 1)]
  loaded, folder = sessions.reserve()
  computed, session = opened[0]
  with sessions.use(computed):
    clock.now = 2000.0
    for _ in opened[1:]:
      start(sessions)
    with pytest.raises(FullError):
      sessions.reserve()
  assert not session.closed
  assert folder.exists()
  sessions.start(loaded, FakeSession())
  use(sessions, loaded)


def test_the_work_of_a_closed_session_ends_first(sessions):
  key, session = start(sessions)
  begun = threading.Event()

  def work():
    with sessions.use(key):
      begun.set()
      assert session.stopped.wait(PATIENCE)
      assert not session.closed

  with concurrent.futures.ThreadPoolExecutor() as pool:
    working = pool.submit(work)
    assert begun.wait(PATIENCE)
    waiting = pool.submit(use, sessions, key)
    sessions.close(key)
    working.result()
    # Whoever came too late finds no session.
    with pytest.raises(LookupError, match='no longer open'):
      waiting.result()
  assert session.closed


def test_the_end_closes_all_sessions(sessions, tmp_path):
  opened = [start(sessions) for _ in range(3)]
  sessions.close_all()
  assert all(session.closed for _, session in opened)
  assert not list(tmp_path.iterdir())
