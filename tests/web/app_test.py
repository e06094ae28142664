"""Tests of the application: its answers, refusals and temporary files."""

import asyncio
import csv
import io
import json
import socket

import av
import numpy as np
import pytest

from acm_jax.datasets import image_files
from acm_jax.datasets.videos import open_video
from acm_jax.web import jpeg
from acm_jax.web.sources import Limits
from tests.datasets.stamped_videos import stamp, stamped

BOX = [20.0, 30.0, 30.0, 25.0]
OWN = 'http://127.0.0.1'


@pytest.fixture
def client(make_app):
  testclient = pytest.importorskip('starlette.testclient')
  with testclient.TestClient(make_app(), OWN) as client:
    yield client


@pytest.fixture
def root(tmp_path):
  return tmp_path / 'root'


def upload(client, path, name='a.mkv'):
  return client.post(
    '/sessions', params={'name': name}, content=path.read_bytes()
  )


@pytest.fixture
def session(client, clip):
  """Returns the address of a session with an uploaded video."""
  answer = upload(client, clip)
  assert answer.status_code == 201
  return f'/sessions/{answer.json()["key"]}'


def place(client, session, position=0, box=BOX, target=None):
  values = {'position': position, 'box': box, 'target': target}
  return client.post(f'{session}/targets', content=json.dumps(values))


def test_an_upload_can_be_tracked_and_downloaded(
  client, session, clip, new_tracker
):
  state = place(client, session).json()
  assert state['targets'] == [0]
  assert state['results'] == {'0': {'0': [*BOX, 1.0, 0]}}
  images = [frame.image for frame in open_video(str(clip)).frames]
  expected = [results[0] for results in new_tracker().track(images, [BOX])]
  for position in range(1, 12):
    state = client.post(f'{session}/step').json()
    assert state['position'] == position
    *box, score, lost = state['results']['0']
    np.testing.assert_array_equal(np.float32(box), expected[position].box)
    assert (score, lost) == (expected[position].score, expected[position].lost)
  assert client.post(f'{session}/step').json()['position'] is None
  table = client.get(f'{session}/boxes.csv')
  assert 'attachment' in table.headers['Content-Disposition']
  rows = list(csv.DictReader(io.StringIO(table.text)))
  assert [int(row['frame']) for row in rows] == list(range(12))
  video = client.get(f'{session}/tracked.mp4')
  with av.open(io.BytesIO(video.content)) as container:
    assert sum(1 for _ in container.decode(video=0)) == 12


def test_frames_are_jpeg_files_that_browsers_do_not_keep(client, session):
  for position in (5, 0, 11):
    answer = client.get(f'{session}/frames/{position}')
    assert answer.headers['X-Size'] == '128,96'
    assert answer.headers['Cache-Control'] == 'no-store'
    assert stamp(jpeg.decode(answer.content)) == position


@pytest.mark.parametrize('position', [12, 15_001, 10**400])
def test_a_frame_that_does_not_exist_is_not_found(client, session, position):
  answer = client.get(f'{session}/frames/{position}')
  assert answer.status_code == 404
  assert answer.json() == {'error': f'the video has no frame {position}'}
  assert place(client, session, position=position).status_code == 404


def test_a_large_frame_is_sent_smaller_with_its_own_size(client, tmp_path):
  path = tmp_path / 'a.png'
  image_files.write(path, np.zeros((60, 4000, 3), np.uint8))
  key = upload(client, path, 'a.png').json()['key']
  answer = client.get(f'/sessions/{key}/frames/0')
  assert answer.headers['X-Size'] == '4000,60'
  assert jpeg.decode(answer.content).shape == (29, 1920, 3)


def test_a_camera_is_tracked_frame_by_frame(client):
  answer = client.post('/sessions').json()
  session = f'/sessions/{answer["key"]}'
  assert (answer['live'], answer['length']) == (True, 0)
  for number in range(3):
    data = jpeg.encode(stamped(number), 95)
    state = client.post(f'{session}/frames', content=data).json()
    assert state['length'] == number + 1
  place(client, session, position=1)
  assert client.post(f'{session}/step').json()['position'] == 2
  # The next frame has not been taken yet.
  assert client.post(f'{session}/step').json()['position'] is None


def test_the_score_map_of_a_target_is_sent(client, session):
  place(client, session)
  client.post(f'{session}/step')
  found = client.get(f'{session}/targets/0/scores/1').json()
  scores = np.array(found['scores'])
  assert scores.ndim == 2
  assert len(scores) == len(scores.T)
  assert len(found['box']) == 4
  answer = client.get(f'{session}/targets/0/scores/7')
  assert answer.status_code == 404
  assert answer.json() == {'error': 'target 0 is not tracked in frame 7'}


def test_a_removed_target_has_no_results(client, session):
  place(client, session)
  state = client.delete(f'{session}/targets/0').json()
  assert (state['targets'], state['results']) == ([], {})


@pytest.mark.parametrize('way', ['bytes', 'stream'])
def test_an_upload_that_is_too_large_is_refused_and_removed(client, root, way):
  data = [b'\0' * 500_000] * 3
  answer = client.post(
    '/sessions',
    params={'name': 'big.mp4'},
    # A stream does not state its size.
    content=b''.join(data) if way == 'bytes' else iter(data),
  )
  assert answer.status_code == 400
  assert answer.json()['error'].startswith(
    'big.mp4: is larger than 1 MB; scale'
  )
  assert not list(root.iterdir())


def test_what_is_no_video_is_refused_and_removed(client, root):
  answer = client.post(
    '/sessions', params={'name': 'a.mp4'}, content=bytes(range(256)) * 9
  )
  assert answer.status_code == 400
  assert answer.json()['error'].startswith(
    'a.mp4: cannot be decoded as a video'
  )
  assert not list(root.iterdir())


@pytest.mark.parametrize(
  'query', [b'name=a.mkv', b'address=http%3A%2F%2Fa%2Fb']
)
def test_a_cancelled_upload_leaves_no_files(make_app, root, clip, query):
  app = make_app()
  data = clip.read_bytes()
  messages = [
    {'type': 'http.request', 'body': data[:5000], 'more_body': True},
    {'type': 'http.disconnect'},
  ]
  scope = {
    'type': 'http',
    'method': 'POST',
    'path': '/sessions',
    'query_string': query,
    'headers': [(b'host', b'127.0.0.1')],
  }
  reserved = []

  async def receive():
    reserved.extend(root.iterdir())
    return messages.pop(0)

  async def send(message):
    del message

  asyncio.run(app(scope, receive, send))
  assert reserved
  assert not list(root.iterdir())


def test_a_video_that_nobody_waits_for_any_more_is_closed(
  make_app, root, clip, monkeypatch
):
  requests = pytest.importorskip('starlette.requests')

  async def is_disconnected(request):
    return True

  monkeypatch.setattr(requests.Request, 'is_disconnected', is_disconnected)
  testclient = pytest.importorskip('starlette.testclient')
  with testclient.TestClient(make_app(), OWN) as client:
    assert upload(client, clip).status_code == 400
  assert not list(root.iterdir())


def test_a_long_video_is_refused(make_app, clip, root):
  testclient = pytest.importorskip('starlette.testclient')
  app = make_app(Limits(megabytes=1, seconds=0.2))
  with testclient.TestClient(app, OWN) as client:
    answer = upload(client, clip)
  assert answer.status_code == 400
  assert answer.json()['error'].startswith(
    'a.mkv: is longer than 0.2 s; cut it'
  )
  assert not list(root.iterdir())


@pytest.mark.parametrize(
  ('body', 'message'),
  [
    (b'', 'give a position, a box x,y,w,h and a target or null'),
    (b'[]', 'give a position'),
    (b'{"position": 0, "box": 3, "target": null}', 'give a position'),
    (b'{"position": Infinity, "box": [1, 2, 3, 4], "target": null}', 'give a'),
    (b'{"position": 0, "box": [1, 2, 3], "target": null}', 'not four numbers'),
    (
      b'{"position": 0, "box": [900, 2, 30, 40], "target": null}',
      'lies outside the frame of 128 x 96 pixels',
    ),
    (
      b'{"position": 0, "box": [NaN, 2, 30, 40], "target": null}',
      'is not finite',
    ),
  ],
)
def test_a_box_that_cannot_be_tracked_is_refused(
  client, session, body, message
):
  answer = client.post(f'{session}/targets', content=body)
  assert answer.status_code == 400
  assert message in answer.json()['error']


def test_a_session_is_gone_once_it_is_closed(client, session, root):
  assert len(list(root.iterdir())) == 1
  assert client.post(f'{session}/close').status_code == 204
  assert not list(root.iterdir())
  answer = client.post(f'{session}/step')
  assert answer.status_code == 404
  assert 'no longer open' in answer.json()['error']


def test_two_sessions_share_nothing(client, clip, session):
  place(client, session)
  other = f'/sessions/{upload(client, clip).json()["key"]}'
  assert other != session
  state = place(client, other, position=3, box=[60, 20, 40, 40]).json()
  assert state['results'] == {'3': {'0': [60, 20, 40, 40, 1, 0]}}
  assert client.post(f'{session}/step').json()['position'] == 1


def test_too_many_videos_are_refused(client, clip):
  for _ in range(8):
    assert upload(client, clip).status_code == 201
  answer = upload(client, clip)
  assert answer.status_code == 503
  assert '8 videos are open, which is the limit' in answer.json()['error']


def test_the_end_of_the_application_removes_all_files(make_app, clip, root):
  testclient = pytest.importorskip('starlette.testclient')
  with testclient.TestClient(make_app(), OWN) as client:
    upload(client, clip)
    assert list(root.iterdir())
  assert not list(root.iterdir())


def test_addresses_are_opened_only_for_this_machine(make_app):
  testclient = pytest.importorskip('starlette.testclient')
  with testclient.TestClient(make_app(local=False), OWN) as client:
    assert client.get('/about').json()['addresses'] is False
    address = {'address': 'http://127.0.0.1:1/a.mp4'}
    answer = client.post('/sessions', params=address)
  assert answer.status_code == 400
  assert 'only opened if the page is served to this machine' in answer.text


def test_requests_of_other_pages_are_refused(client, root):
  others = 'http://evil.example', 'null', 'http://127.0.0.1:1', 'http://['
  for origin in others:
    answer = client.post('/sessions', headers={'Origin': origin})
    assert answer.status_code == 403
    assert answer.json() == {'error': f'{origin} must not use this page'}
  assert not list(root.iterdir())
  assert client.post('/sessions', headers={'Origin': OWN}).status_code == 201


def test_a_name_that_may_mean_another_machine_is_refused(client, monkeypatch):
  monkeypatch.setattr(socket, 'gethostname', lambda: 'Lab7.example.org')
  own = 'lab7.example.org', 'lab7:80', 'lab7.local'
  for host in ('localhost:8000', '[::1]:8000', '192.0.2.1:80', *own):
    assert client.get('/about', headers={'Host': host}).status_code == 200
  for host in ('evil.example', '127.0.0.1.evil.example', '', '[evil', '[::1'):
    answer = client.get('/about', headers={'Host': host, 'Origin': OWN})
    assert answer.status_code == 403
    assert answer.json()['error'].startswith(f'{host} is not an address of')


def test_a_name_of_another_page_is_refused_also_if_others_are_served(make_app):
  testclient = pytest.importorskip('starlette.testclient')
  with testclient.TestClient(make_app(local=False), OWN) as client:
    name = 'evil.example'
    headers = {'Host': name, 'Origin': f'http://{name}'}
    assert client.post('/sessions', headers=headers).status_code == 403
    headers = {'Host': '192.0.2.7:8000', 'Origin': 'http://192.0.2.7:8000'}
    assert client.post('/sessions', headers=headers).status_code == 201


def test_other_pages_must_not_show_what_is_here(client):
  headers = client.get('/about').headers
  assert headers['Cross-Origin-Resource-Policy'] == 'same-origin'


def test_the_page_may_load_nothing_from_elsewhere(client):
  policy = client.get('/').headers['Content-Security-Policy']
  assert "default-src 'self'" in policy
  assert 'http' not in policy
