"""Tests of drawn boxes, videos and sheets of frames."""

import cv2
import numpy as np
import pytest

from acm_jax.running import drawing

RED = (255, 0, 0)


def black(h=60, w=80):
  return np.zeros((h, w, 3), np.uint8)


def test_only_the_outline_of_a_box_is_drawn():
  frame = black()
  drawing.draw_box(frame, np.array([20.0, 15, 30, 20]), RED)
  for x, y in ((20, 25), (50, 25), (35, 15), (35, 35)):
    assert tuple(frame[y, x]) == RED
  assert not frame[20:30, 26:44].any()


@pytest.mark.parametrize(
  'box',
  [[np.nan] * 4, [-90, -90, 20, 20], [-9, -9, 200, 200], [5, 5, 0, 0]],
  ids=['nan', 'outside', 'around the frame', 'no area'],
)
def test_any_box_can_be_drawn(box):
  drawing.draw_box(black(), np.array(box, np.float32), RED, 'text')


def test_a_box_that_is_not_finite_is_not_drawn():
  frame = black()
  drawing.draw_box(frame, np.array([1, 2, np.inf, 4]), RED, 'text')
  assert not frame.any()


@pytest.mark.parametrize('fps', [30.0, 23.976, 14.9925], ids=str)
def test_a_video_has_the_frames_and_rate_that_were_written(tmp_path, fps):
  path = tmp_path / 'a.mp4'
  writer = drawing.VideoWriter(path, fps)
  # The sides are odd, so OpenCV's encoder cuts off a row and a column.
  frame = np.full((61, 83, 3), RED, np.uint8)
  for _ in range(5):
    writer.write(frame)
  writer.close()
  capture = cv2.VideoCapture(str(path))
  assert capture.get(cv2.CAP_PROP_FPS) == pytest.approx(fps, rel=1e-3)
  frames = []
  while (decoded := capture.read()[1]) is not None:
    frames.append(decoded)
  assert len(frames) == 5
  assert frames[0].shape == (60, 82, 3)
  # The codec is lossy; swapped channels would differ by 255.
  assert np.abs(frames[0][..., ::-1].astype(int) - RED).max() < 20


def test_a_sheet_has_four_frames_of_equal_width_per_row(tmp_path):
  path = tmp_path / 'sheet.png'
  drawing.write_sheet([black(), black(30, 80), *[black()] * 4], path)
  sheet = cv2.imread(str(path))
  assert sheet.shape == (2 * 240, 4 * 320, 3)
  # Space below a lower frame and after the last frame is white.
  assert (sheet[130:240, 320:640] == 255).all()
  assert (sheet[240:, 640:] == 255).all()
  assert [p.name for p in tmp_path.iterdir()] == ['sheet.png']


def test_a_sheet_that_cannot_be_written_raises_an_error(tmp_path):
  with pytest.raises(RuntimeError, match=r'sheet\.png: cannot be written'):
    drawing.write_sheet([black()], tmp_path / 'nowhere' / 'sheet.png')
