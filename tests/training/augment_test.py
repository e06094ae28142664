"""Distortions equal those of OpenCV, and random draws fill their ranges."""

import cv2
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from acm_jax.training import augment
from acm_jax.training.augment import Distortion, Ranges
from configs import siamban_acm
from data_pipelines import batch

SIDE = 145


def photograph(side: int, seed: int = 0) -> np.ndarray:
  """Draws a smooth image, whose neighbours differ by a few grey levels."""
  noise = np.random.default_rng(seed).uniform(0, 255, (side // 8, side // 8, 3))
  image = cv2.resize(noise, (side, side), interpolation=cv2.INTER_CUBIC)
  return np.clip(image, 0, 255).astype(np.uint8)


@pytest.mark.parametrize('seed', range(4))
def test_shift_and_scale_equal_warp_affine(seed):
  rng = np.random.default_rng(seed)
  size, image = 127, photograph(SIDE, seed)
  scale, shift = rng.uniform(0.95, 1.05, 2), rng.uniform(-4, 4, 2)
  low = SIDE // 2 - (size - 1) / 2 * scale + shift
  high = SIDE // 2 + (size - 1) / 2 * scale + shift
  a = (size - 1) / (high - low)
  matrix = np.array([[a[0], 0, -a[0] * low[0]], [0, a[1], -a[1] * low[1]]])
  expected = cv2.warpAffine(image.astype(np.float32), matrix, (size, size))
  corners = np.array([40.0, 50.0, 100.0, 90.0])
  box = np.array([70.0, 70.0, 60.0, 40.0])
  pixels, moved = augment.shift_scale(
    jnp.array(image), jnp.array(box), jnp.array(scale), jnp.array(shift), size
  )
  # OpenCV rounds coordinates to 1/32 px, and neighbouring pixels differ by at
  # most about 60 grey levels.
  np.testing.assert_allclose(pixels, expected, atol=2)
  assert np.abs(pixels - expected).mean() < 0.2
  corners = (corners - np.tile(low, 2)) * np.tile(a, 2)
  center, extent = moved[:2], moved[2:]
  ours = np.concatenate([center - extent / 2, center + extent / 2])
  np.testing.assert_allclose(ours, corners, atol=1e-4)


@pytest.mark.parametrize('radius', [2, 11, 22])
def test_blur_equals_a_filter_with_mirrored_borders(radius):
  image = np.random.default_rng(0).uniform(0, 255, (127, 127, 3))
  size, vertical = 2 * radius + 1, 0.3
  kernel = np.zeros((size, size))
  kernel[:, radius] += vertical / size
  kernel[radius] += (1 - vertical) / size
  expected = cv2.filter2D(image, -1, kernel, borderType=cv2.BORDER_REFLECT_101)
  blurred = augment.cross_blur(jnp.array(image, jnp.float32), radius, vertical)
  # Sums of 45 products in float32.
  np.testing.assert_allclose(blurred, expected, atol=1e-3)


# Sides of the crops, px. They are small, as the ranges do not depend on them.
TEMPLATE, SEARCH = 31, 47
# Margins of the crops before distortion, px.
AROUND_TEMPLATE, AROUND_SEARCH = 4, 28
INNER = slice(AROUND_SEARCH, AROUND_SEARCH + SEARCH)


def pairs(count):
  return batch.fake(
    count, TEMPLATE + 2 * AROUND_TEMPLATE, SEARCH + 2 * AROUND_SEARCH
  )


distorted = jax.jit(
  augment.augment,
  static_argnums=2,
  static_argnames=('template_size', 'search_size'),
)


def apply(raw, grey=0.0, **ranges):
  return distorted(
    raw,
    jax.random.key(0),
    Distortion(Ranges(), Ranges(**ranges), grey),
    template_size=TEMPLATE,
    search_size=SEARCH,
  )


def test_without_ranges_the_centre_is_cut_out():
  raw = pairs(2)
  out = apply(raw)
  inner = slice(AROUND_TEMPLATE, AROUND_TEMPLATE + TEMPLATE)
  np.testing.assert_array_equal(out.template, raw.template[:, inner, inner])
  np.testing.assert_array_equal(out.search, raw.search[:, INNER, INNER])
  np.testing.assert_allclose(out.search_box[:, :2], (SEARCH - 1) / 2)
  np.testing.assert_array_equal(out.search_box[:, 2:], raw.search_box[:, 2:])


def test_shift_and_scale_fill_their_ranges_and_axes_are_independent():
  raw = pairs(400)
  box = apply(raw, shift=20.0, scale=0.1).search_box
  scale = raw.search_box[:, 2:] / box[:, 2:]
  shift = ((SEARCH - 1) / 2 - box[:, :2]) * scale
  for drawn, limit in ((scale - 1, 0.1), (shift, 20)):
    assert np.abs(drawn).max() <= limit * 1.001
    # The largest of 800 draws lies in the last hundredth of the range.
    assert np.abs(drawn).max() > limit * 0.98
    assert abs(np.corrcoef(drawn.T)[0, 1]) < 0.2


def unevenness(draws, low, high):
  """Computes the Kolmogorov-Smirnov distance to a uniform distribution.

  The distance is relative to the bound that 1% of uniform draws exceed.
  """
  values = (np.sort(np.ravel(draws)) - low) / (high - low)
  below = np.arange(values.size) / values.size
  distance = np.abs(values - below - 0.5 / values.size).max()
  return (distance + 0.5 / values.size) * np.sqrt(values.size) / 1.63


def test_the_official_ranges_are_filled_evenly():
  config = siamban_acm.get_config().augment
  sizes = {'template': TEMPLATE, 'search': SEARCH}
  ranges = {name: Ranges(**config[name]) for name in sizes}
  assert ranges['template'] == Ranges(4.0, 0.05, color=1.0, blur=0.0)
  assert ranges['search'] == Ranges(64.0, 0.18, color=1.0, blur=0.2)
  with_margins = [
    ranges[name].padded_side(size) for name, size in sizes.items()
  ]
  raw = batch.fake(500, *with_margins)
  augmented = distorted(
    raw,
    jax.random.key(1),
    Distortion(**ranges, grey=0.0),
    template_size=sizes['template'],
    search_size=sizes['search'],
  )
  for name, size in sizes.items():
    before, box = (
      np.asarray(getattr(of, f'{name}_box')) for of in (raw, augmented)
    )
    scale = before[:, 2:] / box[:, 2:]
    shift = ((size - 1) / 2 - box[:, :2]) * scale
    limits = ranges[name]
    assert unevenness(scale, 1 - limits.scale, 1 + limits.scale) < 1
    assert unevenness(shift, -limits.shift, limits.shift) < 1


def test_color_noise_has_the_official_covariance_in_rgb_order():
  raw = pairs(400)
  out = apply(raw, color=1.0)
  offset = np.asarray(out.search - raw.search[:, INNER, INNER])
  np.testing.assert_allclose(offset, offset[:, :1, :1] + 0 * offset, atol=1e-3)
  expected = augment._COLOR @ augment._COLOR.T
  ours = np.cov(offset[:, 0, 0].T)
  # Red varies least and blue most; 400 draws estimate variances within a fifth.
  np.testing.assert_allclose(np.diag(ours), np.diag(expected), rtol=0.2)


def test_flip_mirrors_image_and_box():
  raw = pairs(2)._replace(
    search_box=np.array([[40, 50, 20, 10]] * 2, np.float32)
  )
  out = apply(raw, flip=1.0)
  expected = raw.search[:, INNER, INNER][:, :, ::-1]
  np.testing.assert_array_equal(out.search, expected)
  mirrored = SEARCH - 1 - (40 - AROUND_SEARCH)
  np.testing.assert_allclose(
    out.search_box[0], [mirrored, 50 - AROUND_SEARCH, 20, 10]
  )


def test_both_images_of_a_pair_become_grey_or_neither():
  out = apply(pairs(64), grey=0.5)

  def is_grey(images):
    return np.ptp(np.asarray(images), axis=-1).max(axis=(1, 2)) < 1e-3

  grey = is_grey(out.search)
  np.testing.assert_array_equal(is_grey(out.template), grey)
  assert 16 < grey.sum() < 48


@pytest.mark.parametrize('probability', [0.0, 0.2, 1.0])
def test_blur_occurs_with_its_probability(probability):
  raw = pairs(100)
  out = apply(raw, blur=probability)
  changed = np.any(
    np.asarray(out.search) != raw.search[:, INNER, INNER], axis=(1, 2, 3)
  )
  # Three standard deviations of 100 draws.
  spread = 3 * np.sqrt(probability * (1 - probability) / 100)
  assert abs(changed.mean() - probability) <= spread


def test_the_kind_of_blur_is_independent_of_whether_an_image_is_blurred(
  monkeypatch,
):
  def show(image, radius, vertical):
    return jnp.full_like(image, vertical).at[..., 0].set(radius)

  monkeypatch.setattr(augment, 'cross_blur', show)
  raw = pairs(400)
  raw = raw._replace(search=np.full_like(raw.search, 255))
  # Not `distorted`, which may already be compiled with the real blur.
  augmented = jax.jit(
    lambda raw: augment.augment(
      raw,
      jax.random.key(0),
      Distortion(Ranges(), Ranges(blur=0.2), 0.0),
      template_size=TEMPLATE,
      search_size=SEARCH,
    )
  )(raw)
  out = np.asarray(augmented.search)[:, 0, 0]
  radius, vertical = out[out[:, 1] <= 1, :2].T
  # All kernel sizes from 5 to 45 px are equally likely.
  assert vertical.size > 60
  assert unevenness(vertical, 0, 1) < 1
  assert (radius.min(), radius.max()) == (2, 22)
  assert unevenness(radius, 1.5, 22.5) < 1


def test_blur_with_probability_0_is_not_computed():
  raw = jax.tree.map(jnp.array, pairs(2))
  text = str(jax.make_jaxpr(lambda raw: apply(raw, shift=1.0))(raw))
  assert text.count('dot_general') < str(
    jax.make_jaxpr(lambda raw: apply(raw, shift=1.0, blur=0.1))(raw)
  ).count('dot_general')


def test_crops_without_a_margin_for_the_ranges_are_refused():
  with pytest.raises(ValueError, match=r'crops of 51 px are too small.*needs'):
    apply(batch.fake(2, TEMPLATE + 8, SEARCH + 4), shift=10.0)
