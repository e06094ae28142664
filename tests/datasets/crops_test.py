"""Geometry of context crops."""

import numpy as np

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
