"""Tests that both implementations of crops agree with OpenCV."""

import cv2
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from acm_jax.tracking import crop
from acm_jax.tracking.contract import Frame

FILL = jnp.array([10.0, 120.0, 250.0])
SQUARES = {
  'inside': ((100.0, 90.0), 60.0),
  'over the corner': ((3.0, 4.0), 75.0),
  'outside': ((-200.0, 50.0), 40.0),
  'larger than the frame': ((100.0, 80.0), 500.0),
  'fraction': ((77.3, 61.8), 33.0),
}


def frame(h=160, w=210):
  pixels = np.random.default_rng(4).integers(0, 256, (h, w, 3), np.uint8)
  return Frame(jnp.asarray(pixels), jnp.array([h, w]))


def by_opencv(pixels, center, side, out_size):
  """Pads a frame with the fill colour, crops at whole pixels, and resizes."""
  side = int(side)
  pad = 600
  padded = cv2.copyMakeBorder(
    pixels, *[pad] * 4, cv2.BORDER_CONSTANT, value=np.asarray(FILL).tolist()
  )
  x, y = (int(np.floor(c - (side + 1) / 2 + 0.5)) + pad for c in center)
  patch = padded[y : y + side, x : x + side]
  return cv2.resize(patch, (out_size, out_size))


@pytest.mark.parametrize('square', SQUARES.values(), ids=SQUARES)
@pytest.mark.parametrize('out_size', [31, 127])
def test_crops_equal_those_of_opencv(square, out_size):
  center, side = square
  image = frame()
  ours = crop.square_crop(
    image, jnp.array(center), jnp.float32(side), out_size, FILL
  )
  truth = by_opencv(np.asarray(image.pixels), center, side, out_size)
  # OpenCV rounds weights to 11 bits and results to whole grey levels, so values
  # differ by up to 2.
  difference = np.abs(np.asarray(ours) - truth)
  assert difference.max() <= 2
  assert difference.mean() < 0.5


@pytest.mark.parametrize('square', SQUARES.values(), ids=SQUARES)
def test_matrix_products_equal_gathers(square):
  (x, y), side = square
  offset = jnp.arange(63) * side / 63
  image = frame().pixels
  rows = crop.taps(y - side / 2 + offset, image.shape[0])
  cols = crop.taps(x - side / 2 + offset, image.shape[1])
  gathered, multiplied = (
    sample(sample(image, rows, FILL).swapaxes(0, 1), cols, FILL)
    for sample in (crop._by_gather, jax.jit(crop._by_matrix))
  )
  # float32 sums of grey levels up to 255 differ by rounding.
  np.testing.assert_allclose(gathered, multiplied, atol=1e-3)


def test_the_mean_colour_is_exact_and_excludes_padding():
  pixels = np.zeros((2200, 3900, 3), np.uint8)
  pixels[:2160, :3840] = [127, 255, 1]
  image = Frame(jnp.asarray(pixels), jnp.array([2160, 3840]))
  assert crop.mean_color(image).tolist() == [127, 255, 1]


@pytest.mark.parametrize('size', [(7, 11), (240, 320), (101, 997)])
def test_the_mean_colour_is_the_truncated_mean(size):
  image = frame(*size)
  truth = np.asarray(image.pixels).mean(axis=(0, 1), dtype=np.float64)
  assert crop.mean_color(image).tolist() == np.floor(truth).tolist()


def test_the_mean_colour_is_truncated_and_not_rounded():
  pixels = np.zeros((1, 4, 3), np.uint8)
  pixels[0, :, 0] = [1, 2, 2, 2]
  image = Frame(jnp.asarray(pixels), jnp.array([1, 4]))
  assert crop.mean_color(image).tolist() == [1, 0, 0]
