"""Videos from files and folders, and files that cannot be decoded."""

import functools
import http.server
import math
import re
import socket
import threading
import traceback

import cv2
import numpy as np
import pytest

from acm_jax.datasets import video_files, videos
from tests.datasets import stamped_videos


def images(count=3):
  rng = np.random.default_rng(0)
  small = rng.integers(0, 256, (count, 6, 8, 3), np.uint8)
  return [cv2.resize(image, (64, 48)) for image in small]


def write_video(path):
  code = cv2.VideoWriter_fourcc(*'mp4v')
  writer = cv2.VideoWriter(str(path), code, 15, (64, 48))
  for image in images():
    writer.write(image[..., ::-1])
  writer.release()


def write_folder(path, kind='png'):
  path.mkdir()
  for i, image in enumerate(images(), 9):
    cv2.imwrite(str(path / f'{i}.{kind}'), image[..., ::-1])


def test_frames_of_a_video_file_are_rgb(tmp_path):
  write_video(tmp_path / 'a.mp4')
  video = videos.open_video(str(tmp_path / 'a.mp4'))
  assert (video.fps, video.length, video.live) == (15, 3, False)
  for frame, expected in zip(video.frames, images(), strict=True):
    # The codec is lossy, but swapped channels would differ far more.
    assert np.abs(frame.image.astype(int) - expected).mean() < 12


def test_images_of_a_folder_are_read_by_number(tmp_path):
  write_folder(tmp_path / 'a')
  video = videos.open_video(str(tmp_path / 'a'))
  assert video.length == 3
  assert_images(video, [0, 1, 2])


def assert_images(video, expected):
  """Checks that a video consists of images; `expected` has their numbers."""
  frames = list(video.frames)
  assert [frame.number for frame in frames] == [*range(len(expected))]
  assert all(math.isnan(frame.time) for frame in frames)
  found = [frame.image for frame in frames]
  np.testing.assert_array_equal(found, np.array(images())[expected])


@pytest.mark.parametrize('kind', ['tif', 'tiff', 'webp', 'png', 'bmp'])
@pytest.mark.parametrize('name', ['', '%d.{}', '%02d.{}', '*.{}', '[0-9]*'])
def test_images_are_found_by_folder_number_and_pattern(tmp_path, kind, name):
  write_folder(tmp_path / 'a', kind)
  (tmp_path / 'a' / 'notes.txt').write_text('')
  (tmp_path / 'a' / '._10.png').write_text('')
  # The images are 9, 10 and 11.
  expected = [1, 2] if name.startswith('%02d') else [0, 1, 2]
  video = videos.open_video(str(tmp_path / 'a' / name.format(kind)))
  assert video.name == 'a'
  assert_images(video, expected)


def test_images_of_several_folders_are_refused(tmp_path):
  write_folder(tmp_path / 'a')
  write_folder(tmp_path / 'b')
  with pytest.raises(ValueError, match=r'matches 6 paths, such as .*10\.png'):
    videos.open_video(str(tmp_path / '*' / '*.png'))


@pytest.mark.parametrize('name', ['a*', '?.mp4', 'a.mp[4]'])
def test_a_pattern_may_match_one_video(tmp_path, name):
  write_video(tmp_path / 'a.mp4')
  assert videos.open_video(str(tmp_path / name)).name == 'a'


def test_a_pattern_of_several_videos_is_refused(tmp_path):
  write_video(tmp_path / 'a.mp4')
  write_video(tmp_path / 'b.mp4')
  with pytest.raises(ValueError, match=r'matches 2 paths.*give one video'):
    videos.open_video(str(tmp_path / '*.mp4'))


@pytest.mark.parametrize('name', ['%04d.png', 'x%d.png', '*.png'])
def test_a_pattern_that_matches_nothing_is_refused(tmp_path, name):
  write_folder(tmp_path / 'a')
  with pytest.raises(FileNotFoundError, match=re.escape(name)):
    videos.open_video(str(tmp_path / 'b' / name))


@pytest.mark.parametrize(
  'name', ['0007', '12:30.mp4', 'file:a.mp4', '50%d.mp4', 'a[1].mp4', 'a?.mp4']
)
def test_the_name_of_an_existing_file_is_taken_as_it_is(
  tmp_path, monkeypatch, name
):
  write_video(tmp_path / 'v.mp4')
  (tmp_path / 'v.mp4').rename(tmp_path / name)
  monkeypatch.chdir(tmp_path)
  assert len(list(videos.open_video(name).frames)) == 3


def test_a_folder_with_a_number_as_its_name_is_no_camera(tmp_path, monkeypatch):
  write_folder(tmp_path / '0007')
  monkeypatch.chdir(tmp_path)
  assert_images(videos.open_video('0007'), [0, 1, 2])


def test_an_image_is_a_video_of_one_frame(tmp_path):
  write_folder(tmp_path / 'a')
  assert_images(videos.open_video(str(tmp_path / 'a' / '10.png')), [1])


@pytest.mark.parametrize('source', ['99', '/dev/video99'])
def test_a_camera_is_given_by_number_or_device(source):
  with pytest.raises(ValueError, match=f'camera {source}: no frame could be'):
    videos.open_video(source)


@pytest.fixture
def site(tmp_path):
  """Serves the files of `tmp_path`, without ranges; returns the address."""
  make_handler = functools.partial(
    http.server.SimpleHTTPRequestHandler, directory=tmp_path
  )
  make_handler.func.log_message = lambda *_: None
  with http.server.ThreadingHTTPServer(('127.0.0.1', 0), make_handler) as site:
    serve = threading.Thread(target=site.serve_forever, args=(0.01,))
    serve.start()
    yield f'http://127.0.0.1:{site.server_port}'
    site.shutdown()


def test_a_video_at_an_address_is_read_completely(tmp_path, site):
  write_video(tmp_path / 'a.mp4')
  video = videos.open_video(f'{site}/a.mp4')
  assert (video.live, video.length, video.name) == (False, 3, 'a')
  assert [frame.number for frame in video.frames] == [0, 1, 2]
  with pytest.raises(ValueError, match=r'b\.mp4: cannot be opened'):
    videos.open_video(f'{site}/b.mp4')


@pytest.mark.parametrize(
  ('name', 'codec'),
  [('a.ts', 'libx264'), ('a.h264', 'libx264'), ('a.mjpeg', 'mjpeg')],
)
def test_a_response_of_known_size_is_not_live(tmp_path, site, name, codec):
  stamped_videos.write(tmp_path / name, codec)
  video = videos.open_video(f'{site}/{name}')
  assert not video.live
  assert [frame.number for frame in video.frames] == [*range(40)]


def test_a_video_that_needs_a_download_is_refused(tmp_path, site):
  """The index is at the end, where the server does not begin to send."""
  stamped_videos.write(tmp_path / 'a.mp4')
  with pytest.raises(ValueError, match=r'a\.mp4: cannot .* download the vid'):
    videos.open_video(f'{site}/a.mp4')


def test_a_server_that_sends_nothing_is_refused(monkeypatch):
  monkeypatch.setattr(video_files, 'PATIENCE', 0.1)
  with socket.create_server(('127.0.0.1', 0)) as server:
    address = f'http://127.0.0.1:{server.getsockname()[1]}/a'
    with pytest.raises(ValueError, match=r'nothing was received within 0\.1 s'):
      videos.open_video(address)


@pytest.mark.parametrize('login', ['user:secret', 'user:secret@', 'u:/secret'])
def test_an_address_that_cannot_be_opened_is_refused_without_its_password(
  login,
):
  # Nothing listens at port 1.
  with pytest.raises(ValueError, match='cannot be opened') as error:
    videos.open_video(f'rtsp://{login}@127.0.0.1:1/stream')
  trace = ''.join(traceback.format_exception(error.value))
  assert 'rtsp://127.0.0.1:1/stream: ' in trace
  assert 'secret' not in trace


def test_an_address_of_a_file_is_its_path(tmp_path, monkeypatch):
  write_video(tmp_path / 'a.mp4')
  (tmp_path / 'a.mp4').rename(tmp_path / 'a b.mp4')
  monkeypatch.chdir(tmp_path)
  for address in f'file://{tmp_path}/a%20b.mp4', 'file:a%20b.mp4':
    video = videos.open_video(address)
    assert (video.live, video.length, video.name) == (False, 3, 'a b')
  write_folder(tmp_path / 'img')
  assert_images(videos.open_video(f'file://{tmp_path}/img/*.png'), [0, 1, 2])


def test_an_unknown_protocol_is_refused():
  with pytest.raises(ValueError, match='abc://host/a: cannot be opened'):
    videos.open_video('abc://host/a')


def test_a_missing_video_is_refused(tmp_path):
  with pytest.raises(FileNotFoundError, match='no such video'):
    videos.open_video(str(tmp_path / 'a.mp4'))


def test_an_empty_folder_is_refused(tmp_path):
  with pytest.raises(ValueError, match='contains no images'):
    videos.open_video(str(tmp_path))


def test_a_file_that_is_not_a_video_is_refused(tmp_path):
  (tmp_path / 'a.mp4').write_text('not a video')
  with pytest.raises(ValueError, match=r'a\.mp4: cannot be decoded'):
    videos.open_video(str(tmp_path / 'a.mp4'))


@pytest.mark.parametrize('kind', ['png', 'jpg'])
@pytest.mark.parametrize('fraction', [0.0, 0.1, 0.9], ids=str)
def test_a_truncated_image_is_named(tmp_path, kind, fraction, caplog):
  write_folder(tmp_path / 'a', kind)
  path = tmp_path / 'a' / f'10.{kind}'
  path.write_bytes(path.read_bytes()[: int(fraction * path.stat().st_size)])
  frames = list(videos.open_video(str(tmp_path / 'a')).frames)
  assert [frame.number for frame in frames] == [0, 2]
  (message,) = caplog.messages
  assert message.startswith('1 of 3 images cannot be read and are left out')
  assert f'10.{kind}: cannot be decoded' in message


def test_an_annotation_file_is_refused_as_a_video(tmp_path):
  path = tmp_path / 'groundtruth.txt'
  path.write_text('10,20,30,40\n' * 40)
  with pytest.raises(ValueError, match=r'groundtruth.txt: is a text file'):
    videos.open_video(str(path))
