"""Tests of first boxes: the grid of coordinates, and the window."""

import json
import os
import shutil
import signal
import subprocess
import sys

import cv2
import numpy as np
import pytest

from acm_jax.running import picking

# Longest wait for a window, s.
PATIENCE = 30


def gray(h, w):
  return np.full((h, w, 3), 128, np.uint8)


@pytest.mark.parametrize(
  ('size', 'factor', 'step'),
  [
    ((240, 320), 3, 20),
    ((1080, 1920), 1, 100),
    ((60, 80), 12, 10),
    ((2160, 3840), 1, 200),
  ],
  ids=lambda value: str(value),
)
def test_a_line_runs_along_the_pixel_that_it_is_labelled_with(
  tmp_path, size, factor, step
):
  path = tmp_path / 'grid.png'
  picking.write_grid(gray(*size), path)
  picture = cv2.imread(str(path))[..., 0]
  assert picture.shape == (size[0] * factor, size[1] * factor)
  # A row and a column between the lines, away from the labels.
  row = picture[size[0] * factor - factor * step // 4]
  column = picture[:, size[1] * factor - factor * step // 4]
  for line, length in ((row, size[1]), (column, size[0])):
    bright = np.flatnonzero(line > 128)
    assert bright.tolist() == [x * factor for x in range(0, length, step)]


# The test's own process must not load Qt.
SELECT = """
import numpy as np
from acm_jax.running import picking
undo = picking._Boxes.undo
def told(boxes):
  undo(boxes)
  print('undone', flush=True)
picking._Boxes.undo = told
picking.check_window()
print(picking.select(np.full((240, 320, 3), 128, np.uint8)).tolist())
"""

# What a window manager sends to a window when the user closes it.
CLOSE = """
import ctypes
import sys
x = ctypes.CDLL('libX11.so.6')
for function in x.XOpenDisplay, x.XInternAtom:
  function.restype = ctypes.c_void_p
display = ctypes.c_void_p(x.XOpenDisplay(None))
names = b'WM_PROTOCOLS', b'WM_DELETE_WINDOW'
kind, close = (x.XInternAtom(display, name, 0) for name in names)
# An XClientMessageEvent.
message = 33, 0, 1, display.value, int(sys.argv[1]), kind, 32, close
event = (ctypes.c_long * 24)(*message)
x.XSendEvent(display, ctypes.c_ulong(int(sys.argv[1])), 0, 0, event)
x.XSync(display, 0)
"""


@pytest.fixture(scope='module')
def display():
  """Returns the name of a display without a window manager."""
  if not cv2.currentUIFramework():
    pytest.skip('this OpenCV has no windows')
  if not (shutil.which('Xvfb') and shutil.which('xdotool')):
    pytest.skip('needs Xvfb and xdotool')
  with subprocess.Popen(
    ['Xvfb', '-displayfd', '1', '-screen', '0', '800x600x24'],
    stdout=subprocess.PIPE,
    stderr=subprocess.DEVNULL,
    text=True,
  ) as server:
    yield f':{server.stdout.readline().strip()}'
    server.terminate()


@pytest.fixture
def window(display):
  """Opens the window.

  Returns:
    Its process, a function that calls xdotool, its number, and the environment.
  """
  environment = os.environ | {'DISPLAY': display}

  def xdotool(*args):
    return subprocess.run(
      ['xdotool', *map(str, args)],
      env=environment,
      check=True,
      timeout=PATIENCE,
      capture_output=True,
      text=True,
    ).stdout.split()

  with subprocess.Popen(
    [sys.executable, '-c', SELECT],
    stdout=subprocess.PIPE,
    stderr=subprocess.PIPE,
    text=True,
    env=environment,
  ) as process:
    name = 'Drag a box around each target'
    found = xdotool('search', '--sync', '--onlyvisible', '--name', name)
    xdotool('windowmove', '--sync', found[0], 100, 50)
    xdotool('windowfocus', '--sync', found[0])
    yield process, xdotool, found[0], environment
    process.kill()


def drag(xdotool, start, end):
  moves = [('mousemove', '--sync', 100 + x, 50 + y) for x, y in (start, end)]
  xdotool(*moves[0], 'mousedown', 1, *moves[1], 'mouseup', 1)


def test_boxes_are_drawn_in_a_window(window):
  process, xdotool, *_ = window
  drag(xdotool, (40, 30), (140, 110))
  drag(xdotool, (10, 10), (60, 60))
  xdotool('key', 'BackSpace')
  # Of keys that arrive together, OpenCV tells only the last.
  assert process.stdout.readline() == 'undone\n'
  # From the lower right corner.
  drag(xdotool, (300, 200), (200, 150))
  xdotool('key', 'Return')
  printed, errors = process.communicate(timeout=PATIENCE)
  assert process.returncode == 0, errors
  expected = [[40, 30, 100, 80], [200, 150, 100, 50]]
  # A place of the window is rounded to a pixel of the frame.
  np.testing.assert_allclose(json.loads(printed), expected, atol=1)


@pytest.mark.parametrize('end', ['Ctrl-C', 'close'])
def test_a_window_ends_by_ctrl_c_and_when_it_is_closed(window, end):
  process, _, number, env = window
  if end == 'close':
    subprocess.run([sys.executable, '-c', CLOSE, number], check=True, env=env)
    message = '`select`: no box was drawn; drag one and press Enter'
  else:
    process.send_signal(signal.SIGINT)
    message = 'KeyboardInterrupt'
  assert message in process.communicate(timeout=PATIENCE)[1]
  # An abort would be a negative number.
  assert process.returncode in (1, 128 + signal.SIGINT, -signal.SIGINT)


@pytest.mark.parametrize('display', ['', ':77'])
def test_without_a_display_a_window_is_refused(monkeypatch, display):
  if not cv2.currentUIFramework():
    pytest.skip('this OpenCV has no windows')
  monkeypatch.setenv('DISPLAY', display)
  with pytest.raises(ValueError, match=r'no window can be .*first_frame'):
    picking.check_window()
