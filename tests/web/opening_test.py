"""Tests of opening uploads and addresses."""

import functools
import http.server
import struct
import threading
import zlib

import av
import cv2
import pytest

from acm_jax.datasets import videos
from acm_jax.datasets.video_files import Frame
from acm_jax.web import jpeg, live, opening, ports, sources
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


@pytest.mark.parametrize(
  ('data', 'message'),
  [
    (b'', 'holiday.mp4: is empty; choose another file'),
    (b'name,score\n', 'holiday.mp4: cannot be decoded as a video; re-encode'),
    (bytes(range(256)) * 40, 'holiday.mp4: cannot be decoded as a video'),
  ],
  ids=['empty', 'text', 'bytes'],
)
def test_an_upload_that_is_no_video_is_refused_by_the_users_name(
  tmp_path, data, message
):
  path = tmp_path / 'upload.mp4'
  path.write_bytes(data)
  with pytest.raises(ValueError, match=message) as refused:
    opening.open_upload(path, 'holiday.mp4', LIMITS)
  assert str(tmp_path) not in str(refused.value)


HLS = (
  b'#EXTM3U\n#%b\n#EXT-X-TARGETDURATION:5\n#EXTINF:5,\nfile://%b\n'
  b'#EXT-X-ENDLIST\n'
)


@pytest.mark.parametrize('noise', [b'', b'\xff\xff', b'\0'], ids=repr)
@pytest.mark.parametrize('suffix', ['', '.m3u8', '.mp4'])
def test_a_playlist_does_not_open_the_files_that_it_names(
  tmp_path, noise, suffix
):
  secret = stamped_videos.write(tmp_path / 'secret.ts', 'mpeg4', frames=9)
  path = tmp_path / f'upload{suffix}'
  path.write_bytes(HLS % (noise, bytes(secret)))
  if suffix == '.m3u8' and noise != b'\0':
    # FFmpeg would play the other file.
    assert len(list(videos.open_video(str(path)).frames)) == 9
  with pytest.raises(ValueError, match='mine: cannot be decoded as a video'):
    opening.open_upload(path, 'mine', LIMITS)


@pytest.mark.parametrize('noise', [b'', b'#\xff\xff\n', b'#\0\n'], ids=repr)
@pytest.mark.parametrize(
  'text',
  ["ffconcat version 1.0\nfile 'secret.ts'\n", 'v=0\nm=video 9 RTP'],
  ids=['concat', 'sdp'],
)
def test_a_list_of_files_or_addresses_is_refused(tmp_path, text, noise):
  stamped_videos.write(tmp_path / 'secret.ts', 'mpeg4', frames=9)
  path = tmp_path / 'upload.mp4'
  path.write_bytes(text.encode() + noise)
  with pytest.raises(ValueError, match='mine: cannot be decoded as a video'):
    opening.open_upload(path, 'mine', LIMITS)


def png(width, height):
  """Returns the beginning of a PNG file, which has no pixels."""
  header = b'IHDR' + struct.pack('>IIBBBBB', width, height, 8, 2, 0, 0, 0)
  checked = header + struct.pack('>I', zlib.crc32(header))
  beginning = b'\x89PNG\r\n\x1a\n' + struct.pack('>I', 13) + checked
  return beginning + struct.pack('>I', 9) + b'IDAT'


@pytest.mark.parametrize('size', [(4000, 4000), (30000, 25000)], ids=str)
def test_a_large_image_is_refused_before_it_is_decoded(tmp_path, size):
  path = tmp_path / 'a.png'
  path.write_bytes(png(*size))
  with pytest.raises(ValueError, match='mine: has more than 10 megapixels'):
    opening.open_upload(path, 'mine', LIMITS)


def test_a_large_video_is_refused_before_it_is_decoded(tmp_path):
  # The decoder would tell that there are no pixels.
  path = tmp_path / 'a.mov'
  with av.open(str(path), 'w') as container:
    stream = container.add_stream('png', rate=1)
    stream.width, stream.height, stream.pix_fmt = 4000, 4000, 'rgb24'
    packet = av.Packet(png(4000, 4000))
    packet.stream, packet.pts, packet.dts = stream, 0, 0
    container.start_encoding()
    container.mux(packet)
  message = 'mine: has damaged frames, or frames of more than 10 megapixels'
  with pytest.raises(ValueError, match=message):
    opening.open_upload(path, 'mine', LIMITS)


def test_frames_of_a_video_that_become_large_are_left_out(
  tmp_path, monkeypatch, caplog
):
  monkeypatch.setattr(sources, 'MOST_PIXELS', 200 * 150)
  path = tmp_path / 'a.avi'
  with av.open(str(path), 'w') as container:
    stream = container.add_stream('mjpeg', rate=25)
    stream.height, stream.width = stamped_videos.SIZE_HW
    stream.pix_fmt = 'yuvj420p'
    container.start_encoding()
    for number in range(9):
      image = stamped(number)
      if number == 5:
        image = cv2.resize(image, (640, 480))
      packet = av.Packet(jpeg.encode(image, 95))
      packet.stream, packet.pts, packet.dts = stream, number, number
      container.mux(packet)
  source = opening.open_upload(path, 'mine', LIMITS)
  numbers = [stamp(source.at(i).image) for i in range(8)]
  assert numbers == [0, 1, 2, 3, 4, 6, 7, 8]
  assert source.at(8) is None
  assert '1 of 9 frames cannot be decoded' in caplog.text


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
