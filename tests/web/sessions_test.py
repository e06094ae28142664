"""Tests of the sessions of several tabs."""

import pytest

from acm_jax.web import sessions as module
from acm_jax.web.session import Session
from acm_jax.web.sessions import FullError, Sessions


class FakeSession(Session):
  """Fake session that knows whether it was closed."""

  closed = False

  def __init__(self):
    pass

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


def test_too_many_sessions_are_refused_until_one_is_closed_or_idle(
  sessions, clock
):
  opened = [start(sessions) for _ in range(module.MOST_SESSIONS)]
  with pytest.raises(FullError, match='8 videos are open, which is the limit'):
    sessions.reserve()
  sessions.close(opened[0][0])
  start(sessions)
  clock.now = 600.0
  with sessions.use(opened[1][0]):
    pass
  clock.now = 601.0
  key, _ = start(sessions)
  # All but the one that was used and the new one made room.
  assert [session.closed for _, session in opened] == [True, False] + [True] * 6
  for kept in (key, opened[1][0]):
    with sessions.use(kept):
      pass


def test_the_end_closes_all_sessions(sessions, tmp_path):
  opened = [start(sessions) for _ in range(3)]
  sessions.close_all()
  assert all(session.closed for _, session in opened)
  assert not list(tmp_path.iterdir())
