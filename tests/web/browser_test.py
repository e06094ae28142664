"""Tests of both pages in Chromium, with its fake camera."""

import base64
import contextlib
import csv
import re
import threading
import urllib.parse
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
import pytest

from acm_jax.datasets import videos
from acm_jax.datasets.video_files import Frame
from acm_jax.running.video_writer import VideoWriter
from acm_jax.web import live, ports
from acm_jax.web.sessions import Sessions
from tests import chromium as browsers
from tests.chromium import downloaded, expect
from tests.datasets.stamped_videos import stamped

pytestmark = pytest.mark.browser

# Longest wait, ms; compiling takes longest.
PATIENCE = 20_000
SIZE = 480, 640
BOX = (100.0, 120.0, 200.0, 150.0)


@pytest.fixture(scope='module')
def chromium():
  with browsers.launched() as browser:
    yield browser


class Served(NamedTuple):
  """Address of the page, and folder for the videos."""

  address: str
  root: Path


@pytest.fixture(scope='module')
def served(make_setting, tmp_path_factory):
  pytest.importorskip('uvicorn')
  from acm_jax.web import app
  from acm_jax.web.server import Server

  root = tmp_path_factory.mktemp('root')
  server = Server(app.make(make_setting(root)))
  with ports.listen('127.0.0.1', 0) as listening:
    options = {'sockets': [listening]}
    thread = threading.Thread(target=server.run, kwargs=options)
    thread.start()
    yield Served(ports.address(listening), root)
    server.should_exit = True
    thread.join()


@pytest.fixture
def open_page(chromium, served):
  """Returns a function that opens the page; checks what pages have loaded."""
  from playwright import sync_api

  sync_api.expect.set_options(timeout=PATIENCE)
  requested, errors = set(), []
  with contextlib.ExitStack() as stack:

    def open_page(**options):
      context = chromium.new_context(**options)
      stack.callback(context.close)
      page = context.new_page()
      page.set_default_timeout(PATIENCE)
      page.on('request', lambda request: requested.add(request.url))
      page.on('pageerror', lambda error: errors.append(error))
      page.goto(served.address)
      sync_api.expect(page.locator('#limits')).to_contain_text('At most 1 MB')
      return page

    yield open_page
  assert not errors
  hosts = {urllib.parse.urlsplit(url).netloc for url in requested}
  # Pictures that the page makes itself have no host.
  assert hosts - {''} == {urllib.parse.urlsplit(served.address).netloc}


@pytest.fixture
def page(open_page):
  return open_page()


@pytest.fixture(scope='module')
def movie(tmp_path_factory):
  """Returns the path of a video of 20 frames in which a square moves."""
  path = tmp_path_factory.mktemp('movies') / 'a.mp4'
  with VideoWriter(path, 25.0) as writer:
    for number in range(20):
      image = cv2.resize(stamped(3), SIZE[::-1])
      image[150:250, 120 + 8 * number : 240 + 8 * number] = (200, 30, 30)
      writer.write(image)
  return path


def load(page, path, position='Frame 0'):
  page.set_input_files('#file', path)
  expect(page.locator('#position')).to_contain_text(position)


def drag(page, start, end):
  browsers.drag(page, SIZE, start, end)


def draw(page, box=BOX):
  browsers.draw(page, SIZE, box)


def table(page, tmp_path):
  with downloaded(page, 'csv', tmp_path).open() as file:
    return list(csv.DictReader(file))


def box_of(row):
  return [float(row[name]) for name in 'xywh']


@pytest.mark.parametrize(
  'options',
  [
    {'viewport': {'width': 1280, 'height': 760}},
    {'viewport': {'width': 390, 'height': 800}},
    {'viewport': {'width': 1111, 'height': 777}, 'device_scale_factor': 1.5},
  ],
  ids=['laptop', 'phone', 'scaled'],
)
def test_a_drawn_box_arrives_within_a_pixel(
  open_page, movie, tmp_path, options
):
  page = open_page(**options)
  load(page, movie)
  draw(page)
  expect(page.locator('#targets li')).to_have_count(1)
  (row,) = table(page, tmp_path)
  assert (row['frame'], row['target']) == ('0', '0')
  # The pointer moves by whole pixels of the screen, of which a phone shows 0.57
  # for each pixel of the frame; they are within one.
  np.testing.assert_allclose(box_of(row), BOX, atol=1)


def test_a_video_is_tracked_to_its_end_and_the_table_is_right(
  page, movie, new_tracker, tmp_path
):
  load(page, movie)
  draw(page)
  expect(page.locator('#targets li')).to_have_count(1)
  expect(page.locator('#play')).to_have_text('Track')
  page.click('#play')
  expect(page.locator('#position')).to_have_text('Frame 19 / 19')
  expect(page.locator('#play')).to_be_disabled()
  expect(page.locator('#targets .score')).to_have_text(re.compile(r'\d\.\d\d'))
  rows = table(page, tmp_path)
  assert [int(row['frame']) for row in rows] == list(range(20))
  images = [frame.image for frame in videos.open_video(str(movie)).frames]
  tracked = new_tracker().track(images, [box_of(rows[0])])
  for row, (result,) in zip(rows, tracked, strict=True):
    # The table has three decimals.
    np.testing.assert_allclose(box_of(row), result.box, atol=1e-3)
    assert row['lost'] == str(int(result.lost))


def test_the_downloaded_video_plays(page, movie, tmp_path):
  load(page, movie)
  draw(page)
  expect(page.locator('#targets li')).to_have_count(1)
  page.keyboard.press('Space')
  expect(page.locator('#position')).to_have_text('Frame 19 / 19')
  path = downloaded(page, 'mp4', tmp_path)
  assert path.name == 'tracked.mp4'
  (tmp_path / 'play.html').write_text(
    f'<video src="{path.name}" autoplay muted onended="document.title = '
    '[this.videoWidth, this.videoHeight, this.duration]"></video>'
  )
  player = page.context.browser.new_page()
  player.goto((tmp_path / 'play.html').as_uri())
  expect(player).to_have_title('640,480,0.8')
  player.close()


def test_a_box_is_corrected_and_tracking_goes_on_from_there(
  page, movie, tmp_path
):
  load(page, movie)
  draw(page)
  page.keyboard.press('Space')
  expect(page.locator('#position')).to_have_text('Frame 19 / 19')
  before = table(page, tmp_path)
  page.locator('#slider').fill('8')
  expect(page.locator('#position')).to_have_text('Frame 8 / 19')
  page.click('text=Redraw')
  expect(page.locator('#hint')).to_contain_text('new box of target 0')
  draw(page, (300, 60, 80, 90))
  expect(page.locator('#play')).to_have_text('Track')
  # The later results are gone.
  rows = table(page, tmp_path)
  assert [int(row['frame']) for row in rows] == list(range(9))
  assert rows[:8] == before[:8]
  np.testing.assert_allclose(box_of(rows[8]), (300, 60, 80, 90), atol=1)
  page.click('#play')
  expect(page.locator('#position')).to_have_text('Frame 19 / 19')
  assert len(table(page, tmp_path)) == 20


def test_a_box_is_moved_and_resized_with_the_mouse(page, movie, tmp_path):
  load(page, movie)
  for start, end, expected in (
    ((100, 120), (300, 270), BOX),
    ((200, 200), (250, 220), (150, 140, 200, 150)),
    ((350, 290), (400, 330), (150, 140, 250, 190)),
  ):
    with page.expect_response('**/targets'):
      drag(page, start, end)
    (row,) = table(page, tmp_path)
    # The pointer moves by whole pixels of the screen, and each of the up to
    # three drags is within one pixel of the frame.
    np.testing.assert_allclose(box_of(row), expected, atol=3)


def test_a_click_on_the_picture_pauses_and_draws_nothing(page, movie):
  load(page, movie)
  draw(page)
  page.click('#play')
  expect(page.locator('#play')).to_have_text('Pause')
  drag(page, (20, 20), (90, 90))
  expect(page.locator('#play')).to_have_text('Track')
  expect(page.locator('#targets li')).to_have_count(1)


def test_a_removed_target_is_gone(page, movie):
  load(page, movie)
  draw(page)
  expect(page.locator('#targets li')).to_have_count(1)
  draw(page, (400, 300, 90, 90))
  expect(page.locator('#targets li')).to_have_count(2)
  page.locator('#targets li', has_text='Target 1').get_by_text('Remove').click()
  expect(page.locator('#targets li')).to_have_count(1)
  expect(page.locator('#targets .name')).to_have_text('Target 0')


STAGE = "document.getElementById('stage').toDataURL()"


def decoded(url):
  """Returns the picture in a data URL, in the size of the frame."""
  data = np.frombuffer(base64.b64decode(url.partition(',')[2]), np.uint8)
  image = cv2.imdecode(data, cv2.IMREAD_COLOR)
  return cv2.resize(image, SIZE[::-1]).astype(int)


def test_the_response_map_is_warmest_where_the_score_is_highest(page, movie):
  scores = np.full((5, 5), 0.1)
  scores[1, 3] = 1
  found = {'scores': scores.tolist(), 'box': [0, 0, *SIZE[::-1]]}
  page.route('**/scores/0', lambda route: route.fulfill(json=found))
  load(page, movie)
  draw(page)
  expect(page.locator('#targets li')).to_have_count(1)
  plain = page.evaluate(STAGE)
  page.check('#map')
  page.wait_for_function(f'plain => {STAGE} !== plain', arg=plain)
  change = np.abs(decoded(page.evaluate(STAGE)) - decoded(plain)).sum(-1)
  cells = change.reshape(5, SIZE[0] // 5, 5, SIZE[1] // 5).mean((1, 3))
  assert np.unravel_index(cells.argmax(), cells.shape) == (1, 3)


def test_the_camera_is_tracked_live(page, tmp_path):
  page.click('#camera')
  expect(page.locator('#position')).to_have_text(re.compile(r'Frame [3-9]'))
  page.click('#stage')
  expect(page.locator('#play')).to_have_text('Play')
  draw(page)
  expect(page.locator('#play')).to_have_text('Track')
  start = int(table(page, tmp_path)[0]['frame'])
  page.click('#play')
  expect(page.locator('#position')).not_to_have_text(
    re.compile(rf'Frame ({"|".join(map(str, range(start + 5)))}) ')
  )
  page.click('#stage')
  expect(page.locator('#play')).to_have_text(re.compile('Track|Play'))
  rows = table(page, tmp_path)
  assert [int(row['frame']) for row in rows[:5]] == list(
    range(start, start + 5)
  )
  times = [float(row['time']) for row in rows]
  assert times == sorted(times)
  capture = cv2.VideoCapture(str(downloaded(page, 'mp4', tmp_path)))
  count, fps = capture.get(cv2.CAP_PROP_FRAME_COUNT), 30
  assert capture.get(cv2.CAP_PROP_FPS) == fps
  # The last frame is shown, too; times are rounded to frames.
  assert (count - 1) / fps == pytest.approx(times[-1] - times[0], abs=1 / fps)


def test_a_double_click_opens_one_camera(page):
  opened = []
  page.on(
    'request',
    lambda request: (
      opened.append(request.url) if request.url.endswith('/sessions?') else None
    ),
  )
  page.dblclick('#camera')
  expect(page.locator('#position')).to_have_text(re.compile(r'Frame [1-9]'))
  assert len(opened) == 1


def test_a_camera_that_is_unplugged_is_told(page):
  page.evaluate(
    """() => {
      const open = navigator.mediaDevices.getUserMedia
      navigator.mediaDevices.getUserMedia = async (...options) =>
        window.stream = await open.call(navigator.mediaDevices, ...options)
    }"""
  )
  page.click('#camera')
  expect(page.locator('#position')).to_have_text(re.compile(r'Frame [1-9]'))
  page.evaluate(
    """() => {
      const [track] = stream.getTracks()
      track.stop()
      track.dispatchEvent(new Event('ended'))
    }"""
  )
  expect(page.locator('#error')).to_contain_text('sends no more frames')
  # What was seen can be tracked in.
  expect(page.locator('#play')).to_have_text('Play')
  draw(page)
  expect(page.locator('#targets li')).to_have_count(1)


def test_a_camera_that_browsers_do_not_allow_is_told(page):
  page.evaluate(
    'Object.defineProperty(navigator, "mediaDevices", {value: undefined})'
  )
  page.click('#camera')
  expect(page.locator('#error')).to_contain_text(
    'The camera cannot be used: browsers allow it only at 127.0.0.1 or over '
    'HTTPS.'
  )


def test_a_missing_camera_is_told(page):
  page.evaluate(
    """() => {
      navigator.mediaDevices.getUserMedia = async () => {
        throw new DOMException('no', 'NotFoundError')
      }
    }"""
  )
  page.click('#camera')
  expect(page.locator('#error')).to_contain_text(
    'The camera cannot be used: there is none.'
  )
  expect(page.locator('#start')).to_be_visible()


@pytest.mark.parametrize(
  ('name', 'data', 'message'),
  [
    ('big.mp4', b'\0' * 1_000_001, 'big.mp4: is larger than 1 MB; scale it'),
    ('notes.mp4', b'no video\n', 'notes.mp4: cannot be decoded as a video'),
    ('a.mp4', bytes(range(256)), 'a.mp4: cannot be decoded as a video'),
  ],
)
def test_a_refused_upload_is_told_and_another_one_works(
  open_page, movie, tmp_path, name, data, message
):
  path = tmp_path / name
  path.write_bytes(data)
  page = open_page()
  page.set_input_files('#file', path)
  expect(page.locator('#error')).to_contain_text(message)
  load(page, movie)
  expect(page.locator('#error')).to_be_hidden()


def test_two_tabs_do_not_disturb_each_other(open_page, movie):
  one, other = open_page(), open_page()
  for page in (one, other):
    load(page, movie)
  draw(one)
  expect(one.locator('#targets li')).to_have_count(1)
  other.keyboard.press('Space')
  expect(other.locator('#position')).to_have_text('Frame 19 / 19')
  expect(other.locator('#targets li')).to_have_count(0)
  expect(one.locator('#position')).to_have_text('Frame 0 / 19')


@pytest.fixture
def closing(monkeypatch):
  """Returns an event that is set when a session has been closed."""
  closed, close = threading.Event(), Sessions.close

  def told(sessions, key):
    close(sessions, key)
    closed.set()

  monkeypatch.setattr(Sessions, 'close', told)
  return closed


@pytest.mark.parametrize('way', ['button', 'address'])
def test_a_closed_page_leaves_no_files(page, served, movie, closing, way):
  before = set(served.root.iterdir())
  load(page, movie)
  assert len(set(served.root.iterdir()) - before) == 1
  if way == 'button':
    page.click('#other')
    expect(page.locator('#start')).to_be_visible()
  else:
    page.goto('about:blank')
  assert closing.wait(PATIENCE / 1000)
  assert set(served.root.iterdir()) <= before


def test_another_video_is_opened_while_one_is_tracked(page, movie):
  held = []
  page.route('**/step', lambda route: held.append(route))
  load(page, movie)
  draw(page)
  with page.expect_request('**/step'):
    page.click('#play')
  page.click('#other')
  expect(page.locator('#start')).to_be_visible()
  # The answer comes too late, and before that of `about`.
  held[0].fulfill(json={'position': 1, 'results': {}, 'targets': [0]})
  page.evaluate("fetch('about').then((answer) => answer.json())")
  assert page.locator('#error').is_hidden()
  page.unroute('**/step')
  load(page, movie)
  expect(page.locator('#targets li')).to_have_count(0)
  expect(page.locator('#play')).to_have_text('Play')


def test_quick_clicks_and_keys_do_one_thing_after_the_other(page, movie):
  load(page, movie)
  draw(page)
  expect(page.locator('#targets li')).to_have_count(1)
  now, most = [], []

  def begin(request):
    now.append(request)
    most.append(len(now))

  page.on('request', begin)
  page.on('requestfinished', lambda request: now.remove(request))
  # Plays, pauses and plays.
  page.evaluate(
    "for (const _ of 'abc') document.getElementById('play').click()"
  )
  expect(page.locator('#position')).to_have_text('Frame 19 / 19')
  expect(page.locator('#play')).to_be_disabled()
  for _ in range(10):
    page.keyboard.press('ArrowLeft')
  expect(page.locator('#position')).to_have_text('Frame 9 / 19')
  for _ in range(3):
    page.keyboard.press('ArrowRight')
  expect(page.locator('#position')).to_have_text('Frame 12 / 19')
  assert max(most) == 1


def test_keys_work_after_a_click(page, movie):
  load(page, movie)
  position, play = page.locator('#position'), page.locator('#play')
  page.click('#forth')
  expect(position).to_have_text('Frame 1 / 19')
  page.keyboard.press('ArrowRight')
  expect(position).to_have_text('Frame 2 / 19')
  page.check('#map')
  page.keyboard.press('ArrowLeft')
  expect(position).to_have_text('Frame 1 / 19')
  # Space toggles the check box, and does not play.
  page.keyboard.press('Space')
  expect(page.locator('#map')).not_to_be_checked()
  expect(play).to_have_text('Play')
  expect(position).to_have_text('Frame 1 / 19')
  page.focus('#slider')
  page.keyboard.press('Space')
  expect(position).to_have_text('Frame 19 / 19')


def test_targets_and_downloads_are_reached_by_keys(page, movie, tmp_path):
  load(page, movie)
  for box in (BOX, (400, 300, 90, 90)):
    with page.expect_response('**/targets'):
      draw(page, box)
  rows = page.locator('#targets li')
  expect(rows.nth(1)).to_have_class('selected')
  rows.nth(0).locator('.name').focus()
  page.keyboard.press('Enter')
  expect(rows.nth(0)).to_have_class('selected')
  page.focus('#csv')
  with page.expect_download() as download:
    page.keyboard.press('Enter')
  assert download.value.suggested_filename == 'boxes.csv'
  page.route(
    '**/boxes.csv',
    lambda route: route.fulfill(status=500, json={'error': 'the disk is full'}),
  )
  page.click('#csv')
  expect(page.locator('#error')).to_contain_text('the disk is full')


def test_redraw_is_left_without_a_new_box(page, movie):
  load(page, movie)
  draw(page)
  hint, again = page.locator('#hint'), page.locator('text=Redraw')
  for leave in (
    lambda: page.keyboard.press('Escape'),
    again.click,
    lambda: page.click('#play'),
  ):
    again.click()
    expect(hint).to_contain_text('Draw the new box of target 0; Escape keeps')
    leave()
    expect(hint).not_to_contain_text('new box')
  expect(page.locator('#position')).to_have_text('Frame 19 / 19')


def test_the_page_tells_when_a_target_is_lost(page, movie):
  load(page, movie)
  draw(page)
  text = 'A target is lost when its score is below 0.500.'
  expect(page.locator('#scores')).to_have_attribute('title', text)
  expect(page.locator('#targets .score')).to_have_attribute('title', text)
  # The line is halfway up the curves.
  data = page.evaluate("""() => {
    const {width, height} = document.getElementById('scores')
    const pen = document.getElementById('scores').getContext('2d')
    return Array.from(pen.getImageData(width / 2, 0, 8, height).data)
  }""")
  opacity = np.array(data).reshape(-1, 8, 4)[..., 3].max(1)
  assert abs(opacity.argmax() - (2 + (len(opacity) - 8) / 2)) <= 1


def test_what_takes_long_is_told(page, movie):
  load(page, movie)
  held = []
  page.route('**/frames/7', lambda route: held.append(route))
  page.locator('#slider').fill('7')
  busy = page.locator('#busy')
  expect(busy).to_have_text(re.compile('Reading the video …'))
  expect(page.locator('#cancel')).to_be_hidden()
  held[0].continue_()
  expect(page.locator('#position')).to_have_text('Frame 7 / 19')
  expect(busy).to_be_hidden()


def test_an_upload_tells_its_progress_and_is_cancelled(page, movie, tmp_path):
  path = tmp_path / 'a.mp4'
  path.write_bytes(movie.read_bytes() + bytes(900_000 - movie.stat().st_size))
  network = page.context.new_cdp_session(page)
  network.send('Network.enable')
  slow = {'offline': False, 'latency': 0, 'downloadThroughput': -1}
  change = 'Network.emulateNetworkConditions'
  network.send(change, slow | {'uploadThroughput': 50_000})
  page.set_input_files('#file', path)
  expect(page.locator('#busy')).to_contain_text(re.compile(r'Uploading: \d+ %'))
  # Nothing else can be opened.
  expect(page.locator('#start')).to_have_attribute('inert', '')
  page.click('#cancel')
  expect(page.locator('#busy')).to_be_hidden()
  expect(page.locator('#error')).to_be_hidden()
  network.send(change, slow | {'uploadThroughput': -1})
  load(page, movie)


def test_the_live_page_shows_the_newest_frame(chromium):
  ended = threading.Event()

  def endless():
    while not ended.is_set():
      yield Frame(stamped(7), 7, 0.0), []

  with ports.listen('127.0.0.1', 0) as listening:
    shown = live.shown(endless(), listening)
    thread = threading.Thread(target=lambda: list(shown))
    thread.start()
    try:
      page = chromium.new_page()
      # A stream never ends loading.
      page.goto(ports.address(listening), wait_until='commit')
      picture = page.locator('img')
      expect(picture).to_have_js_property('naturalWidth', 128)
      expect(picture).to_have_js_property('naturalHeight', 96)
      page.close()
    finally:
      ended.set()
      thread.join()
