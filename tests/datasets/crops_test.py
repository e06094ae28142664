"""Geometry of context crops."""

import cv2
import numpy as np
import pytest

from acm_jax.datasets import crops
from acm_jax.geometry import context


def test_the_target_is_at_the_centre_of_the_crop():
  image = np.zeros((200, 300, 3), np.uint8)
  image[80:101, 120:151] = 255
  crop, box = crops.context_crop(image, np.array([120, 80, 31, 21.0]), 255)
  ys, xs = np.nonzero(crop[..., 0] > 127)
  assert crop.shape == (255, 255, 3)
  # Rounding at the target's edges shifts the mean by up to half a pixel.
  np.testing.assert_allclose([xs.mean(), ys.mean()], 127, atol=0.5)
  np.testing.assert_array_equal(box[:2], 127)
  extent = [np.ptp(xs) + 1, np.ptp(ys) + 1]
  # Interpolation spreads an edge over an image pixel, 2.5 px of the crop.
  np.testing.assert_allclose(extent, box[2:], atol=2.6)


def test_the_template_crop_has_127_px_for_every_crop_size():
  box = np.array([10, 10, 40, 20.0])
  image = np.zeros((50, 60, 3), np.uint8)
  for crop_size in (255, 511):
    _, box_cxcywh = crops.context_crop(image, box, crop_size)
    _, _, width, height = box_cxcywh
    side = context.context_side(width, height)
    np.testing.assert_allclose(side, 127, rtol=1e-6)


def test_the_crop_has_the_mean_colour_outside_the_image():
  image = np.zeros((40, 40, 3), np.uint8)
  image[:20] = [200, 100, 50]
  crop, _ = crops.context_crop(image, np.array([0, 0, 20, 20.0]))
  np.testing.assert_array_equal(crop[0, 0], [100, 50, 25])


@pytest.mark.parametrize(
  'corner', [(0, 0), (110, 4), (60, 95), (70, 45)], ids=str
)
def test_the_picture_is_the_part_of_a_crop_without_padding(corner):
  rng = np.random.default_rng(0)
  image = rng.integers(0, 256, (9, 13, 3), np.uint8)
  image = cv2.resize(image, (160, 120), interpolation=cv2.INTER_CUBIC)
  box = np.array([*corner, 40, 24.0])
  crop, found = crops.context_crop(image, box, 255)
  scale = crops.scale_of(box[2:])
  # Edges of the image's first and last pixels.
  low = found[:2] - scale * (box[:2] + (box[2:] - 1) / 2 + 0.5)
  expected = np.concatenate([low, low + scale * np.array([160, 120])])
  expected = np.clip(expected + 0.5, 0, 255)
  jpeg = cv2.imencode('.jpg', crop, [cv2.IMWRITE_JPEG_QUALITY, 92])[1]
  for shown in (crop, cv2.imdecode(jpeg, cv2.IMREAD_COLOR)):
    # Interpolation mixes image and padding over a pixel of the image, and JPEG
    # over a part of a block.
    atol = scale + 2
    np.testing.assert_allclose(crops.picture(shown), expected, atol=atol)


def test_a_crop_of_a_single_colour_has_no_picture():
  x1, y1, x2, y2 = crops.picture(np.full((50, 60, 3), 90, np.uint8))
  assert x1 >= x2
  assert y1 >= y2
