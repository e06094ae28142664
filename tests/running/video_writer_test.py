"""Tests of written videos: format, size, rate, and errors of the encoder."""

import struct
import subprocess
from html.parser import HTMLParser

import cv2
import numpy as np
import pytest
from PIL import Image

from acm_jax.running import video_writer
from acm_jax.running.video_writer import VideoWriter

RED = (255, 0, 0)


def write(path, frames, fps=25.0):
  with VideoWriter(path, fps) as writer:
    for frame in frames:
      writer.write(frame)
  return path


def red(h, w):
  return np.full((h, w, 3), RED, np.uint8)


def noise(h=240, w=320):
  return np.random.default_rng(0).integers(0, 256, (h, w, 3), np.uint8)


def boxes(data):
  """Yields the name and the content of each box of an MP4 file."""
  while data:
    size, name = struct.unpack('>I4s', data[:8])
    yield name.decode(), data[8:size]
    data = data[size:]


def within(data, *path):
  """Returns the content of a nested box of an MP4 file."""
  for name in path:
    data = dict(boxes(data))[name]
  return data


@pytest.mark.parametrize(
  ('height', 'width', 'expected'),
  [
    (48, 64, (48, 64)),
    (61, 83, (62, 84)),
    (1, 1, (2, 2)),
    (9, 9000, (8, 8192)),
  ],
  ids=['even', 'odd', 'one pixel', 'wide'],
)
def test_an_mp4_is_h264_for_browsers_with_its_index_in_front(
  tmp_path, height, width, expected
):
  path = write(tmp_path / 'a.mp4', [red(height, width)] * 2)
  data = path.read_bytes()
  names = [name for name, _ in boxes(data)]
  assert names.index('moov') < names.index('mdat')
  table = within(data, 'moov', 'trak', 'mdia', 'minf', 'stbl', 'stsd')
  # A version and a count precede the entries.
  ((codec, entry),) = boxes(table[8:])
  assert codec == 'avc1'
  assert struct.unpack('>HH', entry[24:28]) == expected[::-1]
  # Profile 100 (High) has chroma 4:2:0 and 8 bits; 4:4:4 would be 244.
  assert dict(boxes(entry[78:]))['avcC'][1] == 100


def test_a_webm_is_vp9_of_the_frames_own_size(tmp_path):
  path = write(tmp_path / 'a.webm', [red(61, 83)] * 2)
  data = path.read_bytes()
  assert data[:4] == b'\x1aE\xdf\xa3'
  assert b'V_VP9' in data
  capture = cv2.VideoCapture(str(path))
  assert capture.read()[1].shape == (61, 83, 3)


@pytest.mark.parametrize(
  ('fps', 'count'), [(25.0, 6), (60.0, 5), (999.0, 1)], ids=str
)
def test_a_gif_has_at_most_50_frames_per_second(tmp_path, fps, count):
  frames = [np.roll(noise(12, 16), i, axis=1) for i in range(6)]
  path = write(tmp_path / 'a.gif', frames, fps)
  with Image.open(path) as gif:
    assert (gif.size, gif.n_frames) == ((16, 12), count)


@pytest.mark.parametrize('suffix', ['.mp4', '.webm'])
@pytest.mark.parametrize('fps', [30.0, 23.976, 30000 / 1001, 0.5], ids=str)
def test_a_video_has_the_frames_and_rate_that_were_written(
  tmp_path, suffix, fps
):
  path = write(tmp_path / f'a{suffix}', [red(48, 64)] * 5, fps)
  capture = cv2.VideoCapture(str(path))
  assert capture.get(cv2.CAP_PROP_FPS) == pytest.approx(fps, rel=1e-3)
  frames = []
  while (decoded := capture.read()[1]) is not None:
    frames.append(decoded)
  assert len(frames) == 5
  # The codec is lossy; swapped channels would differ by 255.
  assert np.abs(frames[0][..., ::-1].astype(int) - RED).max() < 20


@pytest.mark.parametrize('suffix', ['.mp4', '.webm', '.gif'])
def test_frames_with_times_are_shown_from_their_times_on(tmp_path, suffix):
  path = tmp_path / f'a{suffix}'
  times = [7.0, 7.1, 7.52, 7.53, 7.9]
  with VideoWriter(path, 10.0) as writer:
    for level, time in enumerate(times):
      writer.write(np.full((48, 64, 3), 50 * level, np.uint8), time)
  capture = cv2.VideoCapture(str(path))
  levels = []
  while (decoded := capture.read()[1]) is not None:
    levels.append(round(decoded.mean() / 50))
  # The third frame is followed by the fourth before its time is over.
  expected = [0, 1, 1, 1, 1, 3, 3, 3, 3, 4]
  if suffix == '.gif':
    # FFmpeg joins equal pictures of a GIF.
    levels = [
      level for i, level in enumerate(levels) if level not in levels[:i]
    ]
    expected = [0, 1, 3, 4]
  assert levels == expected


def test_an_odd_frame_is_padded_by_its_last_column_and_row():
  frame = noise(3, 5)
  padded = video_writer._fit(frame, even=True)
  np.testing.assert_array_equal(
    padded, np.pad(frame, [(0, 1)] * 2 + [(0, 0)], 'edge')
  )
  np.testing.assert_array_equal(video_writer._fit(frame, even=False), frame)


def test_a_path_may_contain_a_colon_and_an_upper_case_suffix(tmp_path):
  path = write(tmp_path / 'pipe:1 %d.MP4', [red(16, 16)])
  assert path.read_bytes()[4:8] == b'ftyp'


def test_a_video_keeps_frames_that_change_their_size(tmp_path):
  frames = [red(60, 80), red(120, 80), red(30, 80)]
  capture = cv2.VideoCapture(str(write(tmp_path / 'a.mp4', frames)))
  decoded = [capture.read()[1] for _ in frames]
  assert [frame.shape for frame in decoded] == [(60, 80, 3)] * 3


def test_an_unknown_suffix_is_refused(tmp_path):
  with pytest.raises(ValueError, match=r"'\.avi'.*one of \.mp4, \.webm, \.gif"):
    video_writer.check_suffix(tmp_path / 'a.avi')


def test_the_reason_of_a_failed_encoder_is_told(tmp_path):
  with pytest.raises(RuntimeError, match=r'FFmpeg cannot.*No such file'):
    write(tmp_path / 'nowhere' / 'a.mp4', [red(16, 16)])


def test_a_full_disk_raises_the_error_of_the_operating_system(
  tmp_path, limit_file_size
):
  with limit_file_size(8192), pytest.raises(OSError, match='File too large'):
    write(tmp_path / 'a.mp4', [noise()] * 3)


def test_a_failed_block_ends_the_encoder(tmp_path):
  writer = VideoWriter(tmp_path / 'a.mp4', 25.0)

  def fail():
    with writer:
      writer.write(noise())
      raise KeyError

  with pytest.raises(KeyError):
    fail()
  assert writer._process.returncode is not None


class Report(HTMLParser):
  """Collects the attributes of the page's videos and images."""

  def __init__(self):
    super().__init__()
    self.media = []

  def handle_starttag(self, tag, attrs):
    if tag in ('video', 'img'):
      self.media.append(dict(attrs))


SCRIPT = """<script>onload = () => {
  for (const video of document.querySelectorAll('video')) {
    video.dataset.ready = video.readyState
    video.dataset.size = [video.videoWidth, video.videoHeight]
    video.dataset.duration = video.duration.toFixed(2)
  }
  for (const image of document.querySelectorAll('img'))
    image.dataset.size = [image.naturalWidth, image.naturalHeight]
}</script>"""


@pytest.mark.browser
def test_a_browser_plays_every_format(tmp_path):
  shapes = [(48, 64), (61, 83), (1, 1), (9, 9000)]
  tags, expected = [], []
  for suffix in ('.mp4', '.webm', '.gif'):
    for fps in (23.976, 999.0):
      for h, w in shapes:
        path = tmp_path / f'{w}x{h}_{fps}{suffix}'
        write(path, [red(h, w)] * 6, fps)
        height, width = video_writer._fit(red(h, w), suffix == '.mp4').shape[:2]
        size = {'data-size': f'{width},{height}'}
        source = f'src="{path.name}"'
        if suffix == '.gif':
          tags.append(f'<img {source}>')
          expected.append(size)
        else:
          tags.append(f'<video {source} preload="auto" muted></video>')
          duration = f'{6 / fps:.2f}'
          expected.append(size | {'data-ready': '4', 'data-duration': duration})
  page = tmp_path / 'page.html'
  page.write_text('<!doctype html>' + '\n'.join(tags) + SCRIPT)
  # The DOM is printed after the event `load`, for which a browser waits until
  # the first frame of each video is decoded.
  ran = subprocess.run(
    [
      'chromium',
      *('--headless', '--no-sandbox', '--disable-gpu', '--no-first-run'),
      *('--disable-background-networking', '--disable-component-update'),
      f'--user-data-dir={tmp_path / "profile"}',
      '--dump-dom',
      page.as_uri(),
    ],
    capture_output=True,
    text=True,
    check=True,
    timeout=120,
  )
  report = Report()
  report.feed(ran.stdout)
  assert len(report.media) == len(expected)
  for found, wanted in zip(report.media, expected, strict=True):
    assert {name: found.get(name) for name in wanted} == wanted, found['src']
