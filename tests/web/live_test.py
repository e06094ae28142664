"""Tests of the live page: what it serves, and when it ends."""

import socket
import threading
import urllib.request

import cv2
import numpy as np
import pytest

from acm_jax.datasets.video_files import Frame
from acm_jax.running import pictures
from acm_jax.tracking.result import Result
from acm_jax.web import live, ports

# Longest wait for the other side, s.
PATIENCE = 30
RESULT = Result(np.array([20, 10, 40, 30], np.float32), 0.9, False, 0.5)


def frame(number):
  return Frame(np.full((60, 80, 3), 10 * number, np.uint8), number, 0.04)


@pytest.fixture
def listening():
  with ports.listen('127.0.0.1', 0) as listening:
    yield listening


def part(response):
  """Reads a part of a multipart response; returns its picture, or None."""
  assert response.readline() in (b'--frame\r\n', b'')
  kind = response.readline()
  if not kind:
    return None
  assert kind == b'Content-Type: image/jpeg\r\n'
  assert response.readline() == b'\r\n'
  data = b''
  while not data.endswith(b'\xff\xd9\r\n'):
    data += response.read(1)
  return cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)[
    ..., ::-1
  ]


def test_the_page_shows_the_tracked_frames_until_the_end(listening):
  place, address = listening.getsockname(), ports.address(listening)
  asked = threading.Semaphore(0)

  def tracked():
    for number in range(1, 4):
      # The frames wait until the one before was received.
      assert asked.acquire(timeout=PATIENCE)
      yield frame(number), [RESULT, None]

  passed_on = []
  shown = live.shown(tracked(), listening)
  thread = threading.Thread(target=lambda: passed_on.extend(shown))
  thread.start()
  with urllib.request.urlopen(address, timeout=PATIENCE) as page:
    assert b'<img src="/frames"' in page.read()
  with urllib.request.urlopen(f'{address}/frames', timeout=PATIENCE) as stream:
    for number in range(1, 4):
      asked.release()
      picture = part(stream)
      expected = pictures.draw(frame(number).image, [RESULT, None])
      # The mean error of JPEG is a few grey levels.
      assert np.abs(picture.astype(int) - expected).mean() < 6
    assert part(stream) is None
  thread.join(PATIENCE)
  assert [each.number for each, _ in passed_on] == [1, 2, 3]
  with pytest.raises(OSError, match='refused'):
    socket.create_connection(place, PATIENCE)


def test_frames_pass_at_once_if_no_browser_watches(listening, monkeypatch):
  monkeypatch.delattr(pictures, 'draw')
  tracked = [(frame(number), [RESULT]) for number in range(3)]
  assert list(live.shown(iter(tracked), listening)) == tracked


def test_a_failure_of_tracking_ends_the_page(listening):
  def tracked():
    yield frame(0), [RESULT]
    raise RuntimeError('out of memory')

  with pytest.raises(RuntimeError, match='out of memory'):
    list(live.shown(tracked(), listening))
  assert listening.fileno() == -1


def test_other_paths_are_not_found(listening):
  def tracked():
    yield frame(0), [RESULT]

  shown = live.shown(tracked(), listening)
  next(shown)
  with pytest.raises(urllib.error.HTTPError, match='404'):
    urllib.request.urlopen(f'{ports.address(listening)}/etc', timeout=PATIENCE)
  shown.close()


@pytest.mark.parametrize(
  'headers',
  [
    {'Host': 'evil.example'},
    {'Host': '[evil'},
    {'Origin': 'http://evil.example'},
  ],
  ids=str,
)
def test_requests_of_other_pages_are_refused(listening, headers):
  def tracked():
    yield frame(0), [RESULT]

  shown = live.shown(tracked(), listening)
  next(shown)
  for path in ('', '/frames'):
    address = f'{ports.address(listening)}{path}'
    request = urllib.request.Request(address, headers=headers)
    with pytest.raises(urllib.error.HTTPError, match='403') as refused:
      urllib.request.urlopen(request, timeout=PATIENCE)
    refused.value.close()
  shown.close()


def test_a_page_for_other_machines_is_warned_of_with_its_address(caplog):
  with ports.listen('127.0.0.1', 0):
    assert not caplog.messages
  with ports.listen('0.0.0.0', 0) as listening:
    (message,) = caplog.messages
    assert message == (
      '--host=0.0.0.0: everyone who reaches this machine can use the page'
    )
    address = ports.address(listening)
    host, port = address.removeprefix('http://').split(':')
    socket.create_connection((host, int(port)), PATIENCE).close()


@pytest.mark.parametrize(
  ('host', 'port', 'message'),
  [
    ('127.0.0.1', 70000, '`port`=70000: give a number from 0 to 65535'),
    ('192.0.2.1', 0, '`host`=192.0.2.1: is not an address of this machine'),
    ('no host', 0, '`host`=no host: is not an address of this machine'),
  ],
)
def test_a_place_that_cannot_be_served_on_is_refused(host, port, message):
  with pytest.raises(ValueError, match=message):
    ports.listen(host, port)


def test_an_address_of_ipv6_has_brackets():
  with ports.listen('::1', 0) as listening:
    assert ports.address(listening).startswith('http://[::1]:')
