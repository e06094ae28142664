"""Backbones that compute values again keep fewer for equal gradients."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from acm_jax.modules import backbone as backbones
from acm_jax.modules.mode import Mode
from tests import variables

LEVELS = {
  'alexnet': (5,),
  'mobilenet_v2': (3,),
  'mobilenet_v3_small': (8,),
  'resnet18': (2,),
  'resnet50': (2,),
}


def network(name, remat):
  """Returns a function of images and parameters, and random parameters."""
  backbone = backbones.make(name, levels=LEVELS[name], width=1 / 8)
  mode = Mode(training=True, remat=remat)
  images = jnp.zeros((1, 63, 63, 3))
  filled = variables.fill(lambda key: backbone.init(key, images, mode=mode))

  def apply(params, images):
    outputs, updates = backbone.apply(
      filled | {'params': params}, images, mode=mode, mutable=['batch_stats']
    )
    return sum(jnp.sum(x**2) for x in outputs), updates

  return apply, filled['params']


def bytes_kept(apply, params, images):
  """Returns the memory of all values that the gradient takes from forward."""
  _, backward, _ = jax.eval_shape(
    lambda: jax.vjp(lambda p: apply(p, images), params, has_aux=True)
  )
  return sum(x.size * x.dtype.itemsize for x in jax.tree.leaves(backward))


@pytest.mark.parametrize('name', LEVELS)
def test_less_is_kept_for_the_gradient(name):
  images = jnp.zeros((4, 127, 127, 3))
  plain, remat = (bytes_kept(*network(name, r), images) for r in (False, True))
  assert remat < 0.6 * plain


# One backbone is enough: all of them call `run_block`.
def test_gradients_are_equal():
  images = np.random.default_rng(0).uniform(-1, 1, (2, 63, 63, 3))
  images = jnp.asarray(images, jnp.float32)
  plain, remat = (
    jax.jit(jax.grad(apply, has_aux=True))(params, images)
    for apply, params in (network('resnet18', r) for r in (False, True))
  )
  # The two programs sum in different orders.
  close = functools.partial(np.testing.assert_allclose, rtol=1e-3, atol=1e-3)
  jax.tree.map(close, plain, remat)
