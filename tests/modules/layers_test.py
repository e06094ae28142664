"""Tests of the accuracy of batch norm."""

import jax
import numpy as np

from acm_jax.modules.layers import BatchNorm


def test_batch_norm_keeps_the_variance_of_values_far_from_zero():
  # Box sizes of a single aspect ratio, px.
  x = 63.5 + 0.05 * np.random.default_rng(0).standard_normal((256, 2))
  x = x.astype(np.float32)
  norm = BatchNorm(use_running_average=False)
  variables = norm.init(jax.random.key(0), x)
  ours, _ = norm.apply(variables, x, mutable=['batch_stats'])
  exact = x.astype(np.float64)
  expected = (exact - exact.mean(0)) / np.sqrt(exact.var(0) + 1e-5)
  # float32 rounds the mean by up to 1e-5 px, about 3e-4 standard deviations.
  np.testing.assert_allclose(ours, expected, atol=1e-3)
