"""Boxes, sides of crops and grids, compared with values computed by hand."""

import jax.numpy as jnp
import numpy as np
import pytest

from acm_jax.geometry import boxes, context, grid

arrays = pytest.mark.parametrize('xp', [np, jnp], ids=['numpy', 'jax'])


@arrays
def test_conversions_between_formats_keep_the_box(xp):
  xywh = xp.asarray([[10.0, 20.0, 30.0, 40.0]])
  xyxy = xp.asarray([[10.0, 20.0, 40.0, 60.0]])
  cxcywh = xp.asarray([[25.0, 40.0, 30.0, 40.0]])
  np.testing.assert_array_equal(boxes.xywh_to_xyxy(xywh), xyxy)
  np.testing.assert_array_equal(boxes.xyxy_to_cxcywh(xyxy), cxcywh)
  np.testing.assert_array_equal(boxes.cxcywh_to_xyxy(cxcywh), xyxy)
  np.testing.assert_array_equal(boxes.cxcywh_to_xywh(cxcywh), xywh)
  assert boxes.pixel_center(xywh).tolist() == [[24.5, 39.5]]


@arrays
@pytest.mark.parametrize(
  ('other', 'expected'),
  [
    ((0, 0, 10, 10), 1.0),
    ((5, 0, 15, 10), 1 / 3),
    ((10, 0, 20, 10), 0.0),
    ((2, 2, 4, 4), 0.04),
    ((8, 8, 2, 2), 0.0),
  ],
  ids=['same', 'half', 'touching', 'inside', 'swapped corners'],
)
def test_iou_equals_the_value_computed_by_hand(xp, other, expected):
  box = xp.asarray([0.0, 0.0, 10.0, 10.0])
  other = xp.asarray(other, dtype=box.dtype)
  assert float(boxes.iou(box, other)) == pytest.approx(expected)


@arrays
def test_iou_of_two_empty_boxes_is_zero(xp):
  empty = xp.zeros((3, 4))
  assert boxes.iou(empty, empty).tolist() == [0, 0, 0]


@arrays
def test_iou_broadcasts_one_box_over_many(xp):
  many = xp.asarray([[0.0, 0, 10, 10], [0, 0, 5, 10]])
  np.testing.assert_allclose(boxes.iou(many[:1], many), [1, 0.5])


@arrays
def test_clip_cuts_to_the_image(xp):
  box = xp.asarray([-5.0, 10.0, 700.0, 500.0])
  assert boxes.clip(box, (480, 640)).tolist() == [0, 10, 640, 480]


def test_context_side_of_a_square_is_twice_its_side():
  assert context.context_side(60.0, 60.0) == pytest.approx(120)


@pytest.mark.parametrize(
  ('size', 'shift', 'scale'),
  [(127, 4.0, 0.05), (255, 64.0, 0.18), (207, 40.0, 0.18)],
)
def test_the_region_of_augmentation_contains_the_farthest_crop(
  size, shift, scale
):
  side = context.padded_side(size, shift, scale)
  farthest = (size - 1) / 2 * (1 + scale) + shift
  assert side % 2 == 1
  assert farthest + 1 <= (side - 1) / 2 < farthest + 2


@pytest.mark.parametrize('size', [17, 25])
def test_the_middle_cell_is_at_the_centre_of_the_crop(size):
  points = grid.points(size, 8)
  assert points.shape == (size, size, 2)
  assert points[size // 2, size // 2].tolist() == [0, 0]
  assert points[0, 1].tolist() == [-(size // 2) * 8 + 8, -(size // 2) * 8]


def test_the_response_has_the_size_of_a_valid_convolution():
  assert grid.response_size(31, 7) == 25
  assert grid.response_size(22, 6) == 17
