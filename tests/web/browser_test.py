"""Tests of both pages in Chromium, with its fake camera."""

import contextlib
import csv
import re
import threading
import time
import urllib.parse

import cv2
import numpy as np
import pytest

from acm_jax.datasets import videos
from acm_jax.datasets.video_files import Frame
from acm_jax.running.video_writer import VideoWriter
from acm_jax.web import live, ports
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


@pytest.fixture
def served(make_app):
  """Serves the application; returns its address."""
  uvicorn = pytest.importorskip('uvicorn')
  config = uvicorn.Config(make_app(), log_level='warning')
  server = uvicorn.Server(config)
  with ports.listen('127.0.0.1', 0) as listening:
    options = {'sockets': [listening]}
    thread = threading.Thread(target=server.run, kwargs=options)
    thread.start()
    yield ports.address(listening)
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
      page.goto(served)
      sync_api.expect(page.locator('#limits')).to_contain_text('At most 1 MB')
      return page

    yield open_page
  assert not errors
  hosts = {urllib.parse.urlsplit(url).netloc for url in requested}
  # Pictures that the page makes itself have no host.
  assert hosts - {''} == {urllib.parse.urlsplit(served).netloc}


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
  open_page, movie, new_tracker, tmp_path
):
  page = open_page()
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


def test_the_downloaded_video_plays(open_page, movie, tmp_path):
  page = open_page()
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
  open_page, movie, tmp_path
):
  page = open_page()
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


def test_a_box_is_moved_and_resized_with_the_mouse(open_page, movie, tmp_path):
  page = open_page()
  load(page, movie)
  draw(page)
  expect(page.locator('#targets li')).to_have_count(1)
  drag(page, (200, 200), (250, 220))
  expect(page.locator('#targets li')).to_have_count(1)
  moved = (150, 140, 200, 150)
  expect(page.locator('#busy')).to_be_hidden()
  np.testing.assert_allclose(box_of(table(page, tmp_path)[0]), moved, atol=2)
  drag(page, (350, 290), (400, 330))
  np.testing.assert_allclose(
    box_of(table(page, tmp_path)[0]), (150, 140, 250, 190), atol=2
  )


def test_a_click_on_the_picture_pauses_and_draws_nothing(open_page, movie):
  page = open_page()
  load(page, movie)
  draw(page)
  page.click('#play')
  expect(page.locator('#play')).to_have_text('Pause')
  drag(page, (20, 20), (90, 90))
  expect(page.locator('#play')).to_have_text('Track')
  expect(page.locator('#targets li')).to_have_count(1)


def test_a_removed_target_is_gone(open_page, movie):
  page = open_page()
  load(page, movie)
  draw(page)
  expect(page.locator('#targets li')).to_have_count(1)
  draw(page, (400, 300, 90, 90))
  expect(page.locator('#targets li')).to_have_count(2)
  page.locator('#targets li', has_text='Target 1').get_by_text('Remove').click()
  expect(page.locator('#targets li')).to_have_count(1)
  expect(page.locator('#targets .name')).to_have_text('Target 0')


def test_the_response_map_changes_the_picture(open_page, movie):
  page = open_page()
  load(page, movie)
  draw(page)
  expect(page.locator('#targets li')).to_have_count(1)
  plain = page.locator('#stage').screenshot()
  with page.expect_response('**/scores/0'):
    page.check('#map')
  end = time.monotonic() + PATIENCE / 1000
  while page.locator('#stage').screenshot() == plain:
    assert time.monotonic() < end


def test_the_camera_is_tracked_live(open_page, tmp_path):
  page = open_page()
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


def test_a_missing_camera_is_told(open_page):
  page = open_page()
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
    ('notes.mp4', b'no video\n', 'notes.mp4: is a text file, not a video'),
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


def test_a_closed_page_leaves_no_files(open_page, movie, tmp_path):
  page = open_page()
  load(page, movie)
  assert list((tmp_path / 'root').iterdir())
  with page.expect_response('**/close'):
    page.click('#other')
  assert not list((tmp_path / 'root').iterdir())
  expect(page.locator('#start')).to_be_visible()


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
