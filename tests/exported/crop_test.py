"""Crops by OpenCV equal those of the tracking loop in JAX."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from acm_jax.exported import crop as exported_crop
from acm_jax.geometry import squares
from acm_jax.tracking import crop
from acm_jax.tracking.contract import Frame


def image(h=90, w=120):
  rng = np.random.default_rng(0)
  return rng.integers(0, 256, (h, w, 3), np.uint8)


@pytest.mark.parametrize(
  ('center', 'side'),
  [
    ((60.3, 45.8), 40),
    ((60.0, 45.0), 300),
    ((-3.5, 4.2), 41),
    ((119.0, 89.0), 64),
    # Nothing of the image is in the square.
    ((-400.0, 300.0), 50),
    ((20.0, 20.0), 2),
  ],
)
def test_a_crop_equals_that_of_the_tracking_loop(center, side):
  pixels, size = image(), 63
  fill = np.array([10, 100, 250])
  frame = Frame(jnp.asarray(pixels), jnp.array(pixels.shape[:2]))
  center = np.array(center, np.float32)
  expected = jax.jit(crop.square_crop, static_argnums=3)(
    frame, jnp.asarray(center), jnp.float32(side), size, fill.astype(np.float32)
  )
  square = np.array([*squares.corner(center, side), side], np.int32)
  found = exported_crop.square_crop(pixels, square, size, fill)
  assert found.dtype == np.float32
  # Coordinates of JAX are float32 and include the corner of the square.
  np.testing.assert_allclose(found, expected, rtol=0, atol=0.02)


def test_the_mean_color_is_truncated_like_that_of_the_tracking_loop():
  pixels = image()
  frame = Frame(jnp.asarray(pixels), jnp.array(pixels.shape[:2]))
  expected = np.asarray(crop.mean_color(frame))
  np.testing.assert_array_equal(exported_crop.mean_color(pixels), expected)
  # A mean that is a whole number is not rounded down.
  even = np.full((7, 11, 3), 100, np.uint8)
  assert exported_crop.mean_color(even).tolist() == [100, 100, 100]
