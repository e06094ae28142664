"""SGD against a plain NumPy one, and groups of parameters."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from acm_jax.training import optimizer

RATES = (('a/', 0.1), ('b/frozen', 0.0), ('', 1.0))
FACTOR = {'a/w': 0.1, 'b/frozen': 0.0, 'b/w': 1.0}
SGD = optimizer.Sgd(momentum=0.9, weight_decay=1e-2, clip_norm=1.0)


def flat(tree):
  leaves = jax.tree_util.tree_leaves_with_path(tree)
  return {
    jax.tree_util.keystr(path, simple=True, separator='/'): np.asarray(leaf)
    for path, leaf in leaves
  }


def random_tree(seed, scale):
  rng = np.random.default_rng(seed)
  shapes = {'a': {'w': (3, 4)}, 'b': {'w': (5,), 'frozen': (2,)}}
  return jax.tree.map(
    lambda shape: jnp.array(scale * rng.standard_normal(shape), jnp.float32),
    shapes,
    is_leaf=lambda x: isinstance(x, tuple),
  )


def pytorch_sgd(weights, gradients, rates):
  """Clip, decay, momentum, rate: the order of torch.optim.SGD."""
  velocity = {name: np.zeros_like(w) for name, w in weights.items()}
  trained = [name for name in weights if FACTOR[name]]
  for gradient, rate in zip(gradients, rates, strict=True):
    norm = np.sqrt(sum((gradient[name] ** 2).sum() for name in trained))
    for name in trained:
      g = gradient[name] * min(1, SGD.clip_norm / norm)
      g = g + SGD.weight_decay * weights[name]
      velocity[name] = SGD.momentum * velocity[name] + g
      step = rate * FACTOR[name] * velocity[name]
      weights[name] = weights[name] - step
  return weights


@pytest.mark.parametrize('scale', [0.01, 3.0], ids=['unclipped', 'clipped'])
def test_updates_equal_pytorchs_sgd_with_groups(scale):
  params = random_tree(0, 1.0)
  gradients = [random_tree(i, scale) for i in range(1, 6)]
  rates = [0.1, 0.1, 0.05, 0.2, 0.01]
  expected = pytorch_sgd(flat(params), map(flat, gradients), rates)
  transform = SGD.of(params, RATES)
  state = transform.init(params)
  for gradient, rate in zip(gradients, rates, strict=True):
    updates, state = transform.update(gradient, state, params)
    updates = jax.tree.map(lambda x, rate=rate: rate * x, updates)
    params = optax.apply_updates(params, updates)
  for name, weight in flat(params).items():
    # Five float32 additions of numbers near 1.
    np.testing.assert_allclose(weight, expected[name], atol=2e-6)


def test_frozen_parameters_have_no_momentum():
  params = random_tree(0, 1.0)
  state = SGD.of(params, RATES).init(params)
  shapes = sorted(leaf.shape for leaf in jax.tree.leaves(state))
  assert shapes == [(3, 4), (5,)]


def test_a_parameter_without_a_group_is_named():
  with pytest.raises(ValueError, match='the parameter b/frozen has none'):
    optimizer.group_of(random_tree(0, 1.0), (('a/', 1.0),))


def test_an_expression_that_fits_nothing_is_named():
  with pytest.raises(ValueError, match=r"begins with \['c/'\]"):
    optimizer.group_of(random_tree(0, 1.0), (('c/', 0.1), ('', 1.0)))
