"""Winograd's algorithm computes convolutions."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from acm_jax.modules import winograd


@pytest.mark.parametrize(
  ('tile', 'size'), [(2, 3), (3, 3), (4, 3), (3, 4), (4, 4), (2, 5), (3, 5)]
)
def test_the_matrices_compute_a_correlation(tile, size):
  by_output, by_kernel, by_input = winograd.matrices(tile, size)
  rng = np.random.default_rng(0)
  inputs, kernel = (
    rng.standard_normal(tile + size - 1),
    rng.standard_normal(size),
  )
  outputs = by_output @ ((by_kernel @ kernel) * (by_input @ inputs))
  expected = np.correlate(inputs, kernel, mode='valid')
  np.testing.assert_allclose(outputs, expected, rtol=0, atol=1e-12)


def test_a_tile_without_enough_points_is_refused():
  with pytest.raises(ValueError, match=r'F\(5, 5\) needs 8 points'):
    winograd.matrices(5, 5)


@pytest.mark.parametrize('tile', [2, 3])
@pytest.mark.parametrize(
  ('size', 'padding', 'dilation'),
  [(3, 0, 1), (3, 1, 1), (3, 2, 2), (3, 4, 4), (4, 0, 1), (5, 2, 1)],
)
def test_it_equals_the_convolution(tile, size, padding, dilation):
  rng = np.random.default_rng(0)
  # No tile divides these sides.
  x = jnp.asarray(rng.standard_normal((2, 13, 18, 5)), jnp.float32)
  kernel = jnp.asarray(rng.standard_normal((size, size, 5, 6)), jnp.float32)

  @jax.jit
  def both(x, kernel):
    transformed = winograd.transform(kernel, tile)
    ours = winograd.convolve_transformed(
      x, transformed, size=size, padding=padding, dilation=dilation
    )
    theirs = jax.lax.conv_general_dilated(
      x,
      kernel,
      (1, 1),
      [(padding, padding)] * 2,
      rhs_dilation=(dilation, dilation),
      dimension_numbers=('NHWC', 'HWIO', 'NHWC'),
    )
    return ours, theirs

  ours, theirs = both(x, kernel)
  # Transformations amplify rounding errors; F(3, 5) has the largest ones.
  tolerance = 2e-5 * float(jnp.abs(theirs).max())
  np.testing.assert_allclose(ours, theirs, rtol=0, atol=tolerance)


def test_parts_of_a_batch_have_the_results_of_the_batch(monkeypatch):
  rng = np.random.default_rng(0)
  x, slope = (
    jnp.asarray(rng.standard_normal((6, 12, 12, channels)), jnp.float32)
    for channels in (5, 7)
  )
  kernel = jnp.asarray(rng.standard_normal((3, 3, 5, 7)), jnp.float32)
  # F(2, 3) transforms each of the 36 tiles of a sample to 16 values of each of
  # the 12 channels.
  of_a_sample = 16 * 36 * 12

  def results(cached_values):
    monkeypatch.setattr(winograd, '_CACHED_VALUES', cached_values)

    def convolve(x, kernel):
      return winograd.convolve(x, kernel, 2, 1, 1)

    y, pull = jax.vjp(convolve, x, kernel)
    loops = jax.jit(convolve).lower(x, kernel).as_text().count('while')
    (part,) = winograd._parts((x,), 2, kernel, 1, 1)
    return part.shape[:2], loops > 0, (y, *pull(slope))

  shape, in_parts, whole = results(6 * of_a_sample)
  assert (shape, in_parts) == ((1, 6), False)
  # Three of six samples are a part, because four are none.
  for samples, shape in ((4, (2, 3)), (1, (6, 1)), (0, (6, 1))):
    found, in_parts, ours = results(samples * of_a_sample)
    assert (found, in_parts) == (shape, True)
    for part, all_ in zip(ours, whole, strict=True):
      tolerance = 1e-5 * float(jnp.abs(all_).max())
      np.testing.assert_allclose(part, all_, rtol=0, atol=tolerance)
