"""Max-pooling equals XLA's, as does its gradient."""

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from acm_jax.modules.pooling import max_pool


@pytest.mark.parametrize('padding', [0, 1])
@pytest.mark.parametrize('sides', [(7, 10), (12, 9)])
def test_maxima_and_gradients_equal_those_of_xla(sides, padding):
  rng = np.random.default_rng(0)
  # Small whole numbers have ties.
  x = jnp.asarray(rng.integers(0, 4, (2, *sides, 3)), jnp.float32)

  def xla(x):
    return nn.max_pool(x, (3, 3), (2, 2), ((padding, padding),) * 2)

  shape = jax.eval_shape(xla, x).shape
  slope = jnp.asarray(rng.standard_normal(shape), jnp.float32)

  @jax.jit
  def both(x):
    ours, ours_pull = jax.vjp(lambda x: max_pool(x, padding), x)
    theirs, theirs_pull = jax.vjp(xla, x)
    return ours, theirs, ours_pull(slope)[0], theirs_pull(slope)[0]

  ours, theirs, gradient, expected = both(x)
  np.testing.assert_array_equal(ours, theirs)
  # Cells that are the maximum of several windows sum in another order.
  np.testing.assert_allclose(gradient, expected, rtol=0, atol=1e-5)
