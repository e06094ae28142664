"""The depthwise convolution equals its definition."""

import jax
import numpy as np
import pytest

from acm_jax.modules.layers import BatchNorm, depthwise_conv
from tests import oracles


@pytest.mark.parametrize(
  'grid',
  [
    {'stride': 1, 'padding': 1, 'dilation': 1},
    {'stride': 2, 'padding': 0, 'dilation': 1},
    {'stride': 1, 'padding': 2, 'dilation': 2},
    {'stride': 2, 'padding': 4, 'dilation': 4},
  ],
  ids=str,
)
@pytest.mark.parametrize('size', [11, 12])
def test_depthwise_convolution_equals_its_definition(grid, size):
  rng = np.random.default_rng(0)
  x = rng.standard_normal((2, size, size + 2, 3)).astype(np.float32)
  kernel = rng.standard_normal((3, 3, 1, 3)).astype(np.float32)
  ours = jax.jit(lambda x, k: depthwise_conv(x, k, **grid))(x, kernel)
  expected = oracles.depthwise_conv(x, kernel, **grid)
  # Nine products in float32.
  np.testing.assert_allclose(ours, expected, rtol=1e-5, atol=1e-5)


def test_batch_norm_keeps_the_variance_of_values_far_from_zero():
  # Box sizes of one aspect, px.
  x = 63.5 + 0.05 * np.random.default_rng(0).standard_normal((256, 2))
  x = x.astype(np.float32)
  norm = BatchNorm(use_running_average=False)
  variables = norm.init(jax.random.key(0), x)
  ours, _ = norm.apply(variables, x, mutable=['batch_stats'])
  exact = x.astype(np.float64)
  expected = (exact - exact.mean(0)) / np.sqrt(exact.var(0) + 1e-5)
  # The mean is rounded to 1e-5 px, some 3e-4 of the spread.
  np.testing.assert_allclose(ours, expected, atol=1e-3)
