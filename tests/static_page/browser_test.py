"""Tests of the static page in Chromium, with a fake camera."""

import base64
import contextlib
import csv
import json
import re
import shutil
import urllib.parse
import wave
from pathlib import Path

import cv2
import numpy as np
import pytest

from acm_jax.exported.crop import mean_color, square_crop
from acm_jax.geometry import squares
from acm_jax.running.drawing import COLORS
from acm_jax.running.video_writer import VideoWriter
from acm_jax.tracking.video_tracker import VideoTracker
from acm_jax.training import trained
from tests import chromium as browsers
from tests.chromium import downloaded, draw, expect
from tests.datasets import stamped_videos

pytestmark = pytest.mark.browser
# By these, the browser itself looks for a new version of a service worker.
VERSION_CHECKS = {('GET', '/service_worker.js'), ('GET', '/files.js')}

# Longest wait, ms. The page loads 20 MB, and compiles them.
PATIENCE = 60_000
RECORDER = Path(__file__).with_name('recorder.js')
# Frames of a camera that are tracked, at least.
TRACKED = 30


@pytest.fixture(scope='module')
def chromium(sequence, tmp_path_factory):
  """Starts Chromium; its camera shows the sequence forwards and backwards."""
  frames, _ = sequence
  path = tmp_path_factory.mktemp('camera') / 'camera.y4m'
  h, w = frames[0].shape[:2]
  with path.open('wb') as file:
    file.write(b'YUV4MPEG2 W%d H%d F30:1 Ip A1:1 C420\n' % (w, h))
    for frame in [*frames, *frames[::-1]]:
      yuv = cv2.cvtColor(frame, cv2.COLOR_RGB2YUV_I420)
      file.write(b'FRAME\n' + yuv.tobytes())
  # A name that is neither localhost nor has HTTPS.
  with browsers.launched(
    f'--use-file-for-fake-video-capture={path}',
    '--host-resolver-rules=MAP page.test 127.0.0.1',
  ) as browser:
    yield browser


@pytest.fixture(scope='module')
def movie(sequence, tmp_path_factory):
  path = tmp_path_factory.mktemp('movies') / 'a.mp4'
  with VideoWriter(path, 25.0) as writer:
    for frame in sequence[0]:
      writer.write(frame)
  return path


@pytest.fixture
def open_page(chromium, built, serve):
  """Returns a function that opens a page; checks what pages have requested."""
  from playwright import sync_api

  sync_api.expect.set_options(timeout=PATIENCE)
  requested, errors = set(), []
  with contextlib.ExitStack() as stack:

    def open_page(host=None, script=None, address=None, ready=True, **options):
      context = chromium.new_context(**options)
      stack.callback(context.close)
      context.on('request', lambda request: requested.add(request.url))
      page = context.new_page()
      page.set_default_timeout(PATIENCE)
      page.on('pageerror', lambda error: errors.append(error))
      if script is not None:
        page.add_init_script(script)
      page.goto(address or (host or serve(built)).address)
      if ready:
        expect(page.locator('#tracker')).to_have_text('small')
      return page

    yield open_page
  assert not errors
  hosts = {urllib.parse.urlsplit(url).hostname for url in requested}
  # Videos that the page opens itself have no host.
  assert hosts - {None} <= {'127.0.0.1', 'page.test'}


@pytest.fixture
def size_hw(sequence):
  return sequence[0][0].shape[:2]


@pytest.fixture
def box(sequence):
  return sequence[1]


def load(page, path):
  page.set_input_files('#file', path)
  expect(page.locator('#position')).to_have_text(re.compile(r'0\.0 / '))


def use_camera(page):
  page.click('#camera')
  expect(page.locator('#position')).to_have_text(re.compile(r'\d\.\d s'))


def table(page, folder):
  with downloaded(page, 'csv', folder).open() as file:
    return list(csv.DictReader(file))


def expect_error(page, message):
  expect(page.locator('#error')).to_be_visible()
  expect(page.locator('#error')).to_contain_text(message)


def box_of(row):
  return [float(row[name]) for name in 'xywh']


def wait_for_rows(page, count, folder):
  """Waits until the table has this many rows, and returns them."""
  rows = []
  while len(rows) < count:
    expect(page.locator('#position')).not_to_have_text(
      page.locator('#position').text_content()
    )
    rows = table(page, folder)
  return rows


def recorded(page, time):
  """Returns the frame that the page took at a time."""
  address = page.evaluate('(time) => recordedFrame(time)', time)
  file = base64.b64decode(address.partition(',')[2])
  bgr = cv2.imdecode(np.frombuffer(file, np.uint8), cv2.IMREAD_COLOR)
  return bgr[..., ::-1]


def check_boxes(page, rows):
  """Checks that a table has the boxes of JAX in the page's own frames."""
  frames = [recorded(page, row['time']) for row in rows]
  tracker = VideoTracker(trained.load('small'))
  tracked = list(tracker.track(frames, [box_of(rows[0])]))
  expected = np.stack([result.box for (result,) in tracked])
  assert np.abs(expected - expected[0]).max() > 5
  # Rounding; it may move a crop by a pixel, and the box by part of one.
  np.testing.assert_allclose(list(map(box_of, rows)), expected, atol=0.5)
  for row, (result,) in zip(rows, tracked, strict=True):
    assert row['lost'] == str(int(result.lost))
    # Scores follow the crops.
    assert abs(float(row['score']) - result.score) < 0.02


def test_every_frame_of_a_video_has_the_box_of_jax(
  open_page, movie, sequence, size_hw, box, tmp_path
):
  page = open_page(script=RECORDER.read_text())
  load(page, movie)
  draw(page, size_hw, box)
  expect(page.locator('#play')).to_be_disabled()
  rows = table(page, tmp_path)
  np.testing.assert_allclose(
    [float(row['time']) for row in rows], np.arange(len(sequence[0])) / 25
  )
  check_boxes(page, rows)


def test_frames_are_all_tracked_where_they_are_not_evenly_spaced(
  open_page, tmp_path
):
  times = [0, 33, 67, 100, 400, 433, 1000, 1033, 1067]
  movie = stamped_videos.write(
    tmp_path / 'a.webm', 'libvpx-vp9', len(times), milliseconds=times
  )
  page = open_page()
  load(page, movie)
  draw(page, stamped_videos.SIZE_HW, (20, 20, 60, 50))
  expect(page.locator('#play')).to_be_disabled()
  found = [float(row['time']) for row in table(page, tmp_path)]
  np.testing.assert_allclose(found, np.array(times) / 1000)


def test_frames_of_the_camera_have_the_boxes_of_jax(
  open_page, size_hw, box, tmp_path
):
  page = open_page(script=RECORDER.read_text())
  use_camera(page)
  draw(page, size_hw, box)
  rows = wait_for_rows(page, TRACKED, tmp_path)
  check_boxes(page, rows)


def test_crops_are_those_of_python(open_page, sequence):
  image = sequence[0][0]
  h, w = image.shape[:2]
  page = open_page()
  rgba = np.dstack([image, np.full((h, w), 255, np.uint8)])
  fill = mean_color(image)
  where = [
    (30, 20, 90),  # Enlarged.
    (10, 5, 200),
    (-40, -30, 180),  # Beyond two edges.
    (w - 60, h - 50, 255),
    (-300, -400, 900),  # Around the frame, and reduced.
    (w + 5, 10, 50),  # Outside.
    (-80, 30, 80),
    (0, 0, 1),
  ]
  crops, mean = page.evaluate(
    """async ([bytes, w, h, where, fill]) => {
      const {meanColor, squareCrop} = await import('./crop.js')
      const rgba = new ImageData(Uint8ClampedArray.from(bytes), w, h)
      const canvas = new OffscreenCanvas(w, h)
      const pen = canvas.getContext('2d', {willReadFrequently: true})
      pen.putImageData(rgba, 0, 0)
      const read = (...place) => pen.getImageData(...place).data
      const frame = {width: w, height: h, read}
      const crops = where.map(
        (square) => [...squareCrop(frame, square, 64, fill)])
      return [crops, meanColor(frame)]
    }""",
    [rgba.ravel().tolist(), w, h, where, fill.tolist()],
  )
  assert mean == fill.tolist()
  for crop, square in zip(crops, where, strict=True):
    expected = square_crop(image, np.array(square, np.int32), 64, fill)
    # Rounding to float32, of colours up to 255.
    np.testing.assert_allclose(crop, expected.ravel(), atol=1e-3)


def test_template_squares_are_those_of_python(open_page, exported):
  contract = json.loads((exported / 'tracker.json').read_text())
  rng = np.random.default_rng(0)
  # Boxes of the page have one decimal: many centres are at half a pixel.
  boxes = np.round(rng.uniform(1, 300, (20_000, 4)), 1)
  found = open_page().evaluate(
    """async ([boxes, contract]) => {
      const {templateSquare} = await import('./tracker.js')
      return boxes.map((box) => templateSquare(box, contract))
    }""",
    [boxes.tolist(), contract],
  )
  expected = []
  for box in boxes.astype(np.float32):
    center, side = squares.of_template(box, contract['context_amount'], 0.0)
    expected.append([*squares.corner(center, side), side])
  np.testing.assert_array_equal(found, expected)


# Depends on what else the machine does.
@pytest.mark.slow
def test_a_camera_is_tracked_at_15_frames_per_second(open_page, size_hw, box):
  page = open_page()
  use_camera(page)
  draw(page, size_hw, box)
  # The mean over 20 frames; other programs may slow down most of them.
  fast = re.compile(r', (1[5-9]|[2-9]\d|\d{3,}) frames/s')
  expect(page.locator('#position')).to_have_text(fast)


def test_the_page_works_without_a_network_and_requests_nothing(
  open_page, built, serve, size_hw, box, tmp_path
):
  host = serve(built)
  page = open_page(host)
  host.stop()
  host.requests.clear()
  page.context.set_offline(True)
  page.reload()
  expect(page.locator('#tracker')).to_have_text('small')
  assert page.evaluate('() => crossOriginIsolated')
  use_camera(page)
  draw(page, size_hw, box)
  wait_for_rows(page, 5, tmp_path)
  assert set(host.requests) <= VERSION_CHECKS


def test_a_frame_cannot_be_sent_even_to_the_host(open_page, built, serve):
  host = serve(built)
  page = open_page(host)
  host.requests.clear()
  send = """async (url) => {
    try {
      return (await fetch(url, {method: 'POST', body: 'frame'})).status
    } catch (error) {
      return error.name
    }
  }"""
  assert page.evaluate(send, 'frames') == 404
  # Refused by the content security policy, before a name is looked up.
  assert page.evaluate(send, 'https://page.test') == 'TypeError'
  assert set(host.requests) <= VERSION_CHECKS


def test_a_box_is_redrawn_and_tracking_goes_on_from_there(
  open_page, movie, size_hw, box, tmp_path
):
  page = open_page()
  load(page, movie)
  draw(page, size_hw, box)
  expect(page.locator('#play')).to_be_disabled()
  before = table(page, tmp_path)
  page.locator('#slider').fill('0.41')
  expect(page.locator('#position')).to_have_text(re.compile(r'0\.4 / '))
  page.click('text=Redraw')
  expect(page.locator('#hint')).to_have_text('Draw the new box of target 0.')
  corrected = np.add(box, (20, 20, -30, -20))
  draw(page, size_hw, corrected)
  expect(page.locator('#play')).to_be_disabled()
  rows = table(page, tmp_path)
  assert len(rows) == len(before)
  assert rows[:10] == before[:10]
  assert float(rows[10]['time']) == 0.4
  # The pointer moves by whole pixels of the screen.
  np.testing.assert_allclose(box_of(rows[10]), corrected, atol=1)
  assert rows[11:] != before[11:]


def test_a_press_pauses_the_camera_and_draws_another_target(
  open_page, size_hw, box, tmp_path
):
  page = open_page()
  use_camera(page)
  draw(page, size_hw, box)
  expect(page.locator('#play')).to_have_text('Pause')
  browsers.drag(page, size_hw, (3, 3), (3, 3))
  expect(page.locator('#play')).to_have_text('Play')
  rows = table(page, tmp_path)
  draw(page, size_hw, (5, 5, 60, 50))
  expect(page.locator('#targets li')).to_have_count(2)
  expect(page.locator('#play')).to_have_text('Pause')
  found = wait_for_rows(page, len(rows) + 6, tmp_path)
  assert {row['target'] for row in found[len(rows) + 2 :]} == {'0', '1'}
  # A frame that was tracked while the picture was pressed is not kept.
  assert found[: len(rows)] == rows
  dots = page.locator('#targets .dot').evaluate_all(
    '(dots) => dots.map((dot) => dot.style.background)'
  )
  assert dots == [f'rgb{color}' for color in COLORS[:2]]
  page.locator('#targets li', has_text='Target 1').get_by_text('Remove').click()
  expect(page.locator('#targets .name')).to_have_text('Target 0')


def test_results_are_shown_where_the_slider_is(
  open_page, movie, size_hw, box, tmp_path
):
  page = open_page()
  load(page, movie)
  draw(page, size_hw, box)
  expect(page.locator('#play')).to_be_disabled()
  rows = table(page, tmp_path)
  page.locator('#slider').fill('0.81')
  expect(page.locator('#position')).to_have_text(re.compile(r'0\.8 / '))
  score = f'{float(rows[20]["score"]):.3f}'
  expect(page.locator('#targets .score')).to_have_text(score)
  page.click('#play')
  expect(page.locator('#play')).to_be_disabled()
  assert table(page, tmp_path) == rows


@pytest.mark.parametrize(
  'options',
  [
    {'viewport': {'width': 1280, 'height': 760}},
    {'viewport': {'width': 360, 'height': 640}, 'device_scale_factor': 2},
  ],
  ids=['laptop', 'phone'],
)
def test_the_page_fits_the_screen(open_page, movie, size_hw, box, options):
  page = open_page(**options)
  load(page, movie)
  draw(page, size_hw, box)
  expect(page.locator('#play')).to_be_disabled()
  assert page.evaluate('() => document.body.scrollWidth <= innerWidth')
  for name in ('stage', 'play', 'hint', 'csv'):
    expect(page.locator(f'#{name}')).to_be_in_viewport(ratio=1)


def test_a_small_box_is_tracked_with_a_warning(open_page, movie, size_hw):
  page = open_page()
  load(page, movie)
  draw(page, size_hw, (50, 50, 8, 8))
  expect_error(page, 'at least 10 x 10')
  expect(page.locator('#targets li')).to_have_count(1)


@pytest.mark.parametrize(
  ('name', 'reason'),
  [
    ('NotFoundError', 'there is none'),
    ('NotAllowedError', 'the browser was not allowed to use it'),
  ],
)
def test_an_unusable_camera_is_told(open_page, name, reason):
  refuse = """(name) => {
    navigator.mediaDevices.getUserMedia = async () => {
      throw new DOMException('no', name)
    }
  }"""
  page = open_page()
  page.evaluate(refuse, name)
  page.click('#camera')
  expect_error(page, f'The camera cannot be used: {reason}.')
  expect(page.locator('#start')).to_be_visible()


def test_a_camera_that_is_unplugged_is_told(open_page):
  page = open_page(
    script="""const {prototype} = MediaDevices
    const {getUserMedia} = prototype
    prototype.getUserMedia = async function (...wanted) {
      return window.stream = await getUserMedia.apply(this, wanted)
    }"""
  )
  use_camera(page)
  page.evaluate("() => stream.getTracks()[0].dispatchEvent(new Event('ended'))")
  expect_error(page, 'The camera was disconnected.')


def test_a_file_that_cannot_be_played_is_told_and_another_one_works(
  open_page, movie, tmp_path
):
  text, sound = tmp_path / 'notes.mp4', tmp_path / 'sound.wav'
  text.write_text('no video\n')
  with wave.open(str(sound), 'wb') as file:
    file.setparams((1, 2, 8000, 0, 'NONE', None))
    file.writeframes(bytes(8000))
  page = open_page()
  page.set_input_files('#file', text)
  expect_error(
    page, 'notes.mp4: this browser cannot play the file; convert it to MP4'
  )
  page.set_input_files('#file', sound)
  expect_error(page, 'sound.wav: has no picture')
  load(page, movie)
  expect(page.locator('#error')).to_be_hidden()


def without(name):
  return lambda page: (page / name).unlink()


def changed(**changes):
  def change(page):
    path = page / 'tracker' / 'tracker.json'
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))

  return change


def damaged(page):
  with (page / 'tracker' / 'search.onnx').open('ab') as file:
    file.write(b'!')


@pytest.mark.parametrize(
  ('damage', 'message'),
  [
    (without('tracker/tracker.json'), 'tracker.json: cannot be loaded (404)'),
    (without('tracker/search.onnx'), 'search.onnx: cannot be loaded (404)'),
    (
      without('ort/ort-wasm-simd-threaded.wasm'),
      'onnxruntime cannot load the graph',
    ),
    (without('worker.js'), 'The tracker stopped: '),
    (damaged, 'search.onnx: damaged (wrong checksum)'),
    (changed(version=2), 'tracker.json: has version 2 of the contract'),
    (changed(values=[0, 1]), 'tracker.json: crops are RGB, NHWC, 0,1'),
  ],
)
def test_a_tracker_that_fails_to_load_is_told(
  open_page, built, serve, tmp_path, damage, message
):
  folder = tmp_path / 'page'
  shutil.copytree(built, folder)
  damage(folder)
  page = open_page(serve(folder), ready=False)
  expect_error(page, message)
  expect(page.locator('#camera')).to_be_disabled()


def test_a_browser_without_simd_is_told(open_page):
  page = open_page(script='WebAssembly.validate = () => false', ready=False)
  expect_error(page, 'no WebAssembly SIMD')


def test_an_insecure_address_is_told(open_page, built, serve):
  address = f'http://page.test:{serve(built).port}'
  page = open_page(address=address, ready=False)
  expect_error(page, 'run this page over HTTPS')


def test_a_browser_that_refuses_service_workers_tracks_with_one_thread(
  open_page, size_hw, box, tmp_path
):
  page = open_page(service_workers='block')
  assert not page.evaluate('() => crossOriginIsolated')
  use_camera(page)
  draw(page, size_hw, box)
  wait_for_rows(page, 3, tmp_path)


def test_an_isolated_page_tracks_with_several_threads(
  open_page, built, serve, size_hw, box, tmp_path
):
  folder = tmp_path / 'page'
  shutil.copytree(built, folder)
  code = (folder / 'worker.js').read_text()
  assert code.count('navigator.hardwareConcurrency') == 1
  code = code.replace('navigator.hardwareConcurrency', '8')
  (folder / 'worker.js').write_text(code)
  page = open_page(serve(folder))
  use_camera(page)
  draw(page, size_hw, box)
  wait_for_rows(page, 3, tmp_path)
