"""Tests of first boxes: the grid of coordinates, and the window."""

import cv2
import numpy as np
import pytest

from acm_jax.running import picking


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


def test_without_a_display_a_window_is_refused(monkeypatch):
  monkeypatch.setattr(cv2, 'currentUIFramework', lambda: 'QT')
  for name in ('DISPLAY', 'WAYLAND_DISPLAY'):
    monkeypatch.delenv(name, raising=False)
  monkeypatch.setattr(picking.sys, 'platform', 'linux')
  with pytest.raises(ValueError, match=r'no display .*first_frame'):
    picking.select(gray(24, 32))
