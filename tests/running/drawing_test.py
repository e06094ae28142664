"""Tests of drawn boxes and sheets of frames."""

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


@pytest.mark.parametrize(
  ('size', 'bars'),
  [((120, 80), np.s_[:, :20]), ((30, 80), np.s_[:15]), ((60, 80), np.s_[:0])],
  ids=['tall', 'flat', 'same'],
)
def test_a_frame_of_another_size_is_centred_between_black_bars(size, bars):
  fitted = drawing.fit(np.full((*size, 3), RED, np.uint8), (60, 80))
  expected = np.full((60, 80, 3), RED, np.uint8)
  for side in (expected, expected[::-1, ::-1]):
    side[bars] = 0
  np.testing.assert_array_equal(fitted, expected)


def test_a_sheet_has_four_frames_of_equal_width_per_row(tmp_path):
  path = tmp_path / 'sheet.png'
  drawing.write_sheet([black(), black(30, 80), *[black()] * 4], path)
  sheet = cv2.imread(str(path))
  assert sheet.shape == (2 * 240, 4 * 320, 3)
  # Space below a lower frame and after the last frame is white.
  assert (sheet[130:240, 320:640] == 255).all()
  assert (sheet[240:, 640:] == 255).all()
  assert [p.name for p in tmp_path.iterdir()] == ['sheet.png']


@pytest.mark.parametrize(
  ('h', 'w', 'expected'),
  [(9, 9000, (1, 320)), (9000, 9, (1280, 1)), (8, 8, (320, 320))],
  ids=['wide', 'high', 'small'],
)
def test_a_frame_of_any_shape_has_a_cell(tmp_path, h, w, expected):
  assert drawing.cell(black(h, w)).shape[:2] == expected
  drawing.write_sheet([black(h, w)] * 2, tmp_path / 'sheet.png')
  sheet = cv2.imread(str(tmp_path / 'sheet.png'))
  assert sheet.shape == (expected[0], 640, 3)


def test_a_sheet_that_cannot_be_written_is_named(tmp_path, limit_file_size):
  noise = np.random.default_rng(0).integers(0, 256, (240, 320, 3), np.uint8)
  path = tmp_path / 'sheet.png'
  with limit_file_size(8192), pytest.raises(OSError, match='sheet') as caught:
    drawing.write_sheet([noise], path)
  assert caught.value.filename == str(path)
  assert not list(tmp_path.iterdir())
  nowhere = tmp_path / 'nowhere' / 'sheet.png'
  with pytest.raises(FileNotFoundError) as caught:
    drawing.write_sheet([noise], nowhere)
  assert caught.value.filename == str(nowhere)
