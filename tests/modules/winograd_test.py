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
