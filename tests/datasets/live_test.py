"""Live sources: the newest frame is kept, and dropped frames are counted."""

import contextlib
import functools
import http.server
import itertools
import queue
import threading
import time

import av
import cv2
import pytest

from acm_jax.datasets import videos
from acm_jax.datasets.live import Newest, persistent
from acm_jax.datasets.video_files import Stream, open_address, to_rgb
from tests.datasets import stamped_videos
from tests.datasets.stamped_videos import stamp, stamped

# Longest wait for what arrives at once, s.
PATIENCE = 30.0


def wait_for(condition):
  """Waits for another thread."""
  end = time.monotonic() + PATIENCE
  while not condition():
    assert time.monotonic() < end
    # Gives way to the other thread.
    time.sleep(0)


class Source:
  """Iterator over items that are put in, until None is put in."""

  def __init__(self):
    self._items = queue.SimpleQueue()

  def put(self, *items):
    for item in items:
      self._items.put(item)

  def __iter__(self):
    return self

  def __next__(self):
    item = self._items.get(timeout=PATIENCE)
    if item is None:
      raise StopIteration
    if isinstance(item, Exception):
      raise item
    return item


def messages(caplog):
  return [record.getMessage() for record in caplog.records]


def test_a_slow_reader_gets_the_newest_item_with_its_number_and_time(caplog):
  source, ticks = Source(), itertools.count(100, 2)
  newest = Newest(source, 'stream', lambda: float(next(ticks)))
  arrivals = iter(newest)
  source.put('a')
  assert next(arrivals) == ('a', 0, 0)
  source.put('b', 'c', 'd')
  wait_for(lambda: newest.received == 4)
  assert next(arrivals) == ('d', 3, 6)
  source.put('e', None)
  assert list(arrivals) == [('e', 4, 8)]
  assert newest.dropped == 2
  assert messages(caplog)[0].startswith('stream: 2 of 5 frames were dropped')


def test_a_fast_reader_gets_all_items(caplog):
  source = Source()
  arrivals = iter(Newest(source, 'stream'))
  for number in range(20):
    source.put(number)
    assert next(arrivals)[:2] == (number, number)
  source.put(None)
  assert list(arrivals) == []
  assert messages(caplog) == []


def test_an_error_of_the_source_is_raised_after_its_last_item():
  source = Source()
  source.put('a', ValueError('broken'))
  arrivals = iter(Newest(source, 'stream'))
  assert next(arrivals)[0] == 'a'
  with pytest.raises(ValueError, match='broken'):
    next(arrivals)


class Server(http.server.ThreadingHTTPServer):
  """Sends stamped frames as an MJPEG stream, one at every `tick`."""

  # Waits for the end of the stream when the server is closed.
  daemon_threads = False

  def __init__(self):
    super().__init__(('127.0.0.1', 0), Handler)
    self.address = f'http://user:secret@127.0.0.1:{self.server_port}/a.mjpg'
    # Number of frames that are sent, or were.
    self.due = 0
    self.ticks = queue.SimpleQueue()

  def tick(self, count=1):
    for _ in range(count):
      self.ticks.put(self.due)
      self.due += 1


class Handler(http.server.BaseHTTPRequestHandler):
  def do_GET(self):
    self.send_response(200)
    kind = 'multipart/x-mixed-replace; boundary=frame'
    self.send_header('Content-Type', kind)
    self.end_headers()
    # None ends the stream.
    while (number := self.server.ticks.get()) is not None:
      if isinstance(number, bytes):
        self.wfile.write(number)
        continue
      image = stamped(number % 256)[..., ::-1]
      data = cv2.imencode('.jpg', image)[1].tobytes()
      with contextlib.suppress(ConnectionError):
        self.wfile.write(
          b'--frame\r\nContent-Type: image/jpeg\r\n'
          b'Content-Length: %d\r\n\r\n%s\r\n' % (len(data), data)
        )

  def log_message(self, *_):
    pass


@pytest.fixture
def server():
  with Server() as server:
    serve = threading.Thread(target=server.serve_forever, args=(0.01,))
    serve.start()
    yield server
    server.ticks.put(None)
    server.shutdown()


def test_a_slow_tracker_lags_less_than_two_frames_behind_a_stream(
  server, caplog
):
  # The first frames serve to recognise the format.
  server.tick(64)
  stream = open_address(server.address, 'stream')
  assert isinstance(stream, Stream)
  newest = Newest(stream.pictures, 'stream')
  arrivals = iter(newest)
  numbers = [next(arrivals).number]
  for _ in range(20):
    # Seven frames arrive while one is tracked.
    server.tick(7)
    wait_for(lambda: newest.received >= server.due - 1)
    arrival = next(arrivals)
    assert stamp(to_rgb(arrival.item)) == arrival.number % 256
    assert server.due - arrival.number <= 2
    numbers.append(arrival.number)
  arrivals.close()
  dropped = numbers[-1] + 1 - len(numbers)
  assert dropped >= 100
  (message,) = messages(caplog)
  assert message.startswith(f'stream: {newest.dropped} of {newest.received}')
  # The newest frame was not asked for, or none has arrived since.
  assert newest.dropped in (dropped, dropped + 1)


def test_a_stream_is_a_live_video_without_its_password(server, caplog):
  server.tick(64)
  video = videos.open_video(server.address)
  assert (video.live, video.length, video.name) == (True, None, 'a')
  frames = list(itertools.islice(video.frames, 1))
  assert stamp(frames[0].image) == frames[0].number
  assert 'secret' not in caplog.text


def test_a_stream_goes_on_after_garbage(server, caplog):
  server.tick(64)
  stream = open_address(server.address, 'stream')
  server.ticks.put(b'garbage garbage\r\n')
  server.tick(16)
  server.ticks.put(None)
  stamps = [stamp(to_rgb(picture)) for picture in stream.pictures]
  # The server ends the stream without saying so.
  assert messages(caplog) == [
    'stream: the stream has ended: Input/output error'
  ]
  # Some frame may be lost with the garbage.
  assert len(stamps) >= 79
  assert stamps[-16:] == [*range(64, 80)]
  # For the end of the test.
  server.ticks.put(None)


def test_a_stream_without_frames_ends(tmp_path, caplog):
  """The first image is followed by images of garbage."""
  image = cv2.imencode('.jpg', stamped(0))[1].tobytes()
  garbage = b'\xff\xd8\xff\xfe\x00\x04ab\xff\xd9'
  path = tmp_path / 'a.mjpeg'
  path.write_bytes(image + 1000 * garbage)
  clock = itertools.count(0.0, 1.0)
  with av.open(str(path)) as container:
    stream = Stream(container, 'stream', lambda: next(clock))
    assert len(list(stream.pictures)) == 1
  assert messages(caplog) == [
    'stream: the stream has ended: no frame could be decoded for 10 s'
  ]


def test_the_first_key_frame_may_come_late(tmp_path, caplog):
  """The stream is joined after a key frame, and time passes quickly."""
  path = stamped_videos.write(tmp_path / 'a.ts', 'libx264', g='30', bf='0')
  stamped_videos.cut(path, 0, 0.05)
  clock = itertools.count(0.0, 2.0)
  with av.open(str(path)) as container:
    stream = Stream(container, 'stream', lambda: next(clock))
    assert stamp(to_rgb(list(stream.pictures)[-1])) == 39
  assert messages(caplog) == []


def test_a_source_may_fail_for_ten_seconds(caplog):
  times = [0.0]
  items = iter([1, *[None] * 9, 2, *[None] * 9, 3, *[None] * 20])
  found = persistent(
    lambda: next(items),
    'camera 0',
    clock=lambda: times[-1],
    wait=lambda _: times.append(times[-1] + 1),
  )
  assert list(found) == [1, 2, 3]
  assert messages(caplog) == ['camera 0: has ended: no frame for 10 s']
  # Nine failures after each of the first two items, and ten in the end.
  assert times[-1] == 28


class Camera:
  """Camera whose third read fails, and whose last one raises an error."""

  def __init__(self, _):
    self._frames = [stamped(0), stamped(1), None, stamped(2)]

  def read(self):
    if not self._frames:
      raise OSError('unplugged')
    frame = self._frames.pop(0)
    return frame is not None, frame

  def get(self, _):
    return 25.0

  def release(self):
    pass


def test_a_camera_goes_on_after_a_failure(monkeypatch):
  monkeypatch.setattr(cv2, 'VideoCapture', Camera)
  at_once = functools.partial(persistent, wait=lambda _: None)
  monkeypatch.setattr(videos, 'persistent', at_once)
  video = videos.open_video('0')
  assert (video.live, video.fps, video.name) == (True, 25, 'camera 0')
  found = []
  with pytest.raises(OSError, match='unplugged'):
    found.extend(stamp(frame.image) for frame in video.frames)
  # The first frame was read to see whether the camera works.
  assert found[-1] == 2


@pytest.mark.slow
def test_the_lag_stays_under_two_frame_times_for_a_minute(server):
  """Sends 25 frames per second for 60 s to a tracker of 7 per second."""
  server.tick(64)
  frames = videos.open_video(server.address).frames
  stop, lags = threading.Event(), []

  def send():
    while not stop.wait(0.04):
      server.tick()

  threading.Thread(target=send, daemon=True).start()
  end = time.monotonic() + 60
  while time.monotonic() < end:
    frame = next(frames)
    lags.append((server.due - 1 - stamp(frame.image)) % 256)
    time.sleep(0.14)
  stop.set()
  # Without the first frames, which were sent in advance.
  assert max(lags[5:]) < 2
