"""Tests of opening uploads and addresses."""

import functools
import http.server
import threading

import pytest

from acm_jax.datasets.video_files import Frame
from acm_jax.web import live, opening, ports
from acm_jax.web.sources import Limits
from tests.datasets import stamped_videos
from tests.datasets.stamped_videos import stamp, stamped

LIMITS = Limits()


@pytest.mark.parametrize('suffix', ['.mp4', '.mkv', '.avi', '.gif'])
def test_an_upload_is_a_video_of_any_format(tmp_path, suffix):
  codec = 'gif' if suffix == '.gif' else 'mjpeg'
  if suffix == '.gif':
    stamped_videos.write(tmp_path / 'a.mkv', frames=5)
    path = stamped_videos.transcode(tmp_path / 'a.mkv', tmp_path / 'a.gif')
  else:
    path = stamped_videos.write(tmp_path / f'a{suffix}', codec, frames=5)
  source = opening.open_upload(path, 'mine', LIMITS)
  assert [stamp(source.at(i).image) for i in (4, 0, 2)] == [4, 0, 2]
  assert not source.live


PLAYLIST = b'#EXTM3U\n#EXTINF:9,\nfile:///etc/passwd\n#EXT-X-ENDLIST\n'


@pytest.mark.parametrize(
  ('data', 'message'),
  [
    (b'', 'holiday.mp4: is empty; choose another file'),
    (b'name,score\n', 'holiday.mp4: is a text file, not a video'),
    (PLAYLIST, 'holiday.mp4: is a text file, not a video'),
    (b"ffconcat version 1.0\nfile '/etc/passwd'\n", 'is a text file'),
    ('ä'.encode() * 400, 'is a text file'),
    (bytes(range(256)) * 40, 'holiday.mp4: cannot be decoded as a video'),
  ],
  ids=['empty', 'text', 'playlist', 'list', 'umlauts', 'bytes'],
)
def test_an_upload_that_is_no_video_is_refused_by_the_users_name(
  tmp_path, data, message
):
  path = tmp_path / 'upload.mp4'
  path.write_bytes(data)
  with pytest.raises(ValueError, match=message) as refused:
    opening.open_upload(path, 'holiday.mp4', LIMITS)
  assert str(tmp_path) not in str(refused.value)


@pytest.mark.parametrize(
  ('name', 'expected'),
  [
    ('a.MP4', '.mp4'),
    ('a', ''),
    ('a.b/../../c', ''),
    ('../x.mp4/', ''),
    ('a.%2e%2e', ''),
    ('video.tar.mkv', '.mkv'),
  ],
)
def test_a_name_gives_nothing_but_a_plain_suffix(name, expected):
  assert opening.suffix(name) == expected


@pytest.mark.parametrize(
  'address',
  [
    'file:///etc/passwd',
    '/etc/passwd',
    'concat:a|b',
    'ftp://host/a.mp4',
    '0',
    '/dev/video0',
    '',
    'http:/host',
  ],
)
def test_only_addresses_of_videos_are_opened(tmp_path, address):
  with pytest.raises(ValueError, match='is not an address of a video; give'):
    opening.open_address(address, tmp_path, LIMITS)


def test_the_login_of_an_address_is_not_shown(tmp_path):
  with pytest.raises(ValueError, match='cannot be opened') as refused:
    opening.open_address('http://me:secret@127.0.0.1:1/a', tmp_path, LIMITS)
  assert 'secret' not in str(refused.value)


class Quiet(http.server.SimpleHTTPRequestHandler):
  def log_message(self, *_):
    pass


def test_a_file_on_a_server_is_a_whole_video(tmp_path):
  stamped_videos.write(tmp_path / 'a.mkv', frames=9)
  handler = functools.partial(Quiet, directory=tmp_path)
  with http.server.ThreadingHTTPServer(('127.0.0.1', 0), handler) as server:
    threading.Thread(target=server.serve_forever).start()
    address = f'http://127.0.0.1:{server.server_port}/a.mkv'
    source = opening.open_address(address, tmp_path, LIMITS)
    assert [stamp(source.at(i).image) for i in (8, 1)] == [8, 1]
    assert not source.live
    with pytest.raises(ValueError, match=r'a\.mkv: is longer than 0\.1 s'):
      opening.open_address(address, tmp_path, Limits(seconds=0.1))
    server.shutdown()


def test_a_stream_is_live_and_its_frames_are_kept(tmp_path):
  ended = threading.Event()

  def endless():
    while not ended.is_set():
      yield Frame(stamped(7), 7, 0.0), []

  with ports.listen('127.0.0.1', 0) as listening:
    address = f'{ports.address(listening)}/frames'
    shown = live.shown(endless(), listening)
    thread = threading.Thread(target=lambda: list(shown))
    thread.start()
    try:
      source = opening.open_address(address, tmp_path, LIMITS)
      assert source.live
      assert stamp(source.at(0).image) == 7
      assert source.at(1).number >= 1
      assert len(list(tmp_path.iterdir())) == 2
      source.close()
    finally:
      ended.set()
      thread.join()
