"""Tests of sources: any frame in any order, and limits."""

import numpy as np
import pytest

from acm_jax.datasets.video_files import Frame
from acm_jax.datasets.videos import Video, open_video
from acm_jax.web import jpeg, sources
from acm_jax.web.sources import Captured, Limits, Recorded, StoppedError
from tests.datasets import stamped_videos
from tests.datasets.stamped_videos import stamp, stamped


def encoded(image):
  return jpeg.encode(image, 95)


@pytest.fixture(scope='module')
def long_clip(tmp_path_factory):
  """Returns the path of a video of 40 frames at 25 frames per second."""
  return stamped_videos.write(tmp_path_factory.mktemp('clips') / 'a.mkv')


@pytest.fixture
def recorded(long_clip):
  opened = []

  def reopen():
    opened.append(open_video(str(long_clip)))
    return opened[-1]

  source = Recorded(reopen(), reopen, 'a.mkv', Limits())
  source.opened = opened
  return source


def test_frames_are_read_in_any_order(recorded):
  for position in (0, 1, 9, 3, 39, 38, 0, 20):
    frame = recorded.at(position)
    assert frame.number == stamp(frame.image) == position
    assert frame.time == pytest.approx(position / 25, abs=1e-3)
  assert recorded.at(40) is None
  assert recorded.at(39).number == 39
  assert recorded.length == 40


def test_a_video_is_read_again_only_to_go_far_back(recorded, monkeypatch):
  monkeypatch.setattr(sources, '_RECENT', 4 * stamped(0).nbytes)
  for position in (9, 8, 7, 6, 10, 11):
    recorded.at(position)
  assert len(recorded.opened) == 1
  recorded.at(2)
  assert len(recorded.opened) == 2


def test_a_frame_after_the_end_is_not_searched_for(recorded):
  for position in (40, 41, 20_000):
    assert recorded.at(position) is None
  assert recorded.at(0).number == 0
  assert len(recorded.opened) == 1


def test_a_video_may_have_more_frames_than_it_states(recorded):
  recorded.length = 38
  assert recorded.at(39) is None
  assert [recorded.at(i).number for i in (37, 38, 39)] == [37, 38, 39]
  assert recorded.length == 40


def test_a_stopped_video_is_not_read_on(long_clip):
  frames = open_video(str(long_clip)).frames

  def stopping():
    for frame in frames:
      if frame.number == 5:
        source.stop()
      yield frame

  video = Video(stopping(), 25.0, 40)
  source = Recorded(video, lambda: video, 'a.mkv', Limits())
  with pytest.raises(StoppedError):
    source.at(30)
  assert next(frames).number == 6
  # What was read is not given, either.
  with pytest.raises(StoppedError):
    source.at(0)


def test_a_video_that_states_no_length_has_one_at_its_end(recorded):
  recorded.length = None
  assert recorded.at(99) is None
  assert recorded.length == 40


def test_a_video_that_is_too_long_is_refused(long_clip):
  video, limits = open_video(str(long_clip)), Limits(seconds=1.5)
  with pytest.raises(ValueError, match=r'a\.mkv: is longer than 1\.5 s; cut'):
    Recorded(video, lambda: video, 'a.mkv', limits)


def test_a_video_of_unknown_length_ends_with_an_error_at_the_limit(long_clip):
  frames = open_video(str(long_clip)).frames
  video = Video(frames, 25.0, None)
  source = Recorded(video, lambda: video, 'a.mkv', Limits(seconds=1.0))
  assert source.at(25).number == 25
  with pytest.raises(ValueError, match='is longer than 1 s'):
    source.at(26)


def test_frames_of_a_camera_are_kept_with_the_times_of_their_arrival(tmp_path):
  now = iter([5.0, 5.5, 6.25])
  camera = Captured(tmp_path, Limits(), clock=lambda: next(now))
  for number in range(3):
    assert camera.at(number) is None
    camera.add(encoded(stamped(number)))
    assert camera.length == number + 1
  for number, seconds in ((2, 1.25), (0, 0.0), (1, 0.5)):
    frame = camera.at(number)
    assert (stamp(frame.image), *frame[1:]) == (number, number, seconds)


def test_a_stream_is_read_one_frame_at_a_time_and_can_be_gone_back_in(tmp_path):
  # Dropped frames count.
  frames = (Frame(stamped(n), n, n / 10) for n in (0, 3, 7, 9))
  closed = []

  def stream():
    try:
      yield from frames
    finally:
      closed.append(True)

  source = Captured(tmp_path, Limits(), Video(stream(), 10.0, None, live=True))
  assert source.at(1) is None
  assert [source.at(i).number for i in (0, 1, 0, 2, 1)] == [0, 3, 0, 7, 3]
  assert stamp(source.at(2).image) == 7
  assert source.length == 3
  assert not closed
  source.close()
  assert closed


@pytest.mark.parametrize(
  ('limits', 'message'),
  [
    (Limits(megabytes=1), 'live video: is larger than 1 MB; open it again, or'),
    (Limits(seconds=3.0), 'live video: is longer than 3 s; open it again, or'),
  ],
)
def test_a_camera_ends_with_an_error_at_a_limit(tmp_path, limits, message):
  noise = np.random.default_rng(0).integers(0, 256, (480, 640, 3), np.uint8)
  now = map(float, range(100))
  camera = Captured(tmp_path, limits, clock=lambda: next(now))
  data = encoded(noise)
  assert len(data) > 250_000

  def add_all():
    for _ in range(10):
      camera.add(data)

  with pytest.raises(ValueError, match=message):
    add_all()
  # The frames so far are kept.
  assert 0 < camera.length < 5
  assert camera.at(camera.length - 1) is not None


@pytest.mark.parametrize('data', [b'', b'no image', encoded(stamped(0))[:20]])
def test_what_is_no_jpeg_file_is_refused(tmp_path, data):
  camera = Captured(tmp_path, Limits())
  with pytest.raises(ValueError, match='the frame of the camera'):
    camera.add(data)
  assert camera.length == 0


def test_a_large_frame_of_a_camera_is_refused_before_it_is_decoded(
  tmp_path, monkeypatch
):
  monkeypatch.setattr(sources, 'MOST_PIXELS', 100)
  monkeypatch.delattr(jpeg, 'decode')
  with pytest.raises(ValueError, match=r'camera: has more than 0\.0001 meg'):
    Captured(tmp_path, Limits()).add(encoded(stamped(0)))
