"""Tests of the pictures that the page shows: what is read, and what is kept."""

import numpy as np
import pytest

from acm_jax.web import jpeg
from acm_jax.web.shown import Shown
from tests.datasets.stamped_videos import stamp, stamped


def test_a_frame_is_read_once(tmp_path):
  shown = Shown(tmp_path, 1_000_000)
  read = iter([5, 3])
  for position in (5, 3, 5, 3):
    picture = shown.at(position, lambda: stamped(next(read)))
    assert (picture.width, picture.height) == (128, 96)
    assert stamp(jpeg.decode(picture.jpeg)) == position


def test_the_oldest_pictures_are_removed_when_there_is_no_more_room(tmp_path):
  size = len(Shown(tmp_path, 1_000_000).at(0, lambda: stamped(7)).jpeg)
  shown, read = Shown(tmp_path, 3 * size), []

  def look(position):
    shown.at(position, lambda: read.append(position) or stamped(7))

  for position in (0, 1, 2, 3, 1, 2, 3, 0):
    look(position)
  assert read == [0, 1, 2, 3, 0]
  assert len(list(tmp_path.iterdir())) == 3


@pytest.mark.parametrize(
  ('size', 'expected'),
  [((60, 4000), (29, 1920)), ((3000, 2000), (1920, 1280)), ((9, 8), (9, 8))],
  ids=str,
)
def test_a_large_frame_is_shown_smaller_with_its_own_size(
  tmp_path, size, expected
):
  picture = Shown(tmp_path, 1_000_000).at(
    0, lambda: np.zeros((*size, 3), np.uint8)
  )
  assert (picture.height, picture.width) == size
  assert jpeg.decode(picture.jpeg).shape == (*expected, 3)
