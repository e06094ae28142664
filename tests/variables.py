"""Random variables for networks, without compiling their initialisation."""

import jax
import numpy as np


def fill(init, *inputs, seed=0):
  """Draws the variables that `init` returns, scaled to keep features near 1."""
  rng = np.random.default_rng(seed)
  shapes = jax.eval_shape(init, jax.random.key(0), *inputs)
  return jax.tree.map(lambda like: _random(rng, like), shapes)


def _random(rng, like):
  if len(like.shape) < 2:
    return rng.uniform(0.5, 1.5, like.shape).astype(np.float32)
  spread = np.sqrt(np.prod(like.shape[:-1]))
  return (rng.standard_normal(like.shape) / spread).astype(np.float32)
