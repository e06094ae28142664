"""SGD and AdamW equal plain NumPy versions, and parameters are grouped."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from acm_jax.training import expressions, optimizer

RATES = (('a/', 0.1), ('b/frozen', 0.0), ('', 1.0))
FACTOR = {'a/w': 0.1, 'b/frozen': 0.0, 'b/w': 1.0}
SGD = optimizer.Sgd(momentum=0.9, weight_decay=1e-2, clip_norm=1.0)
ADAMW = optimizer.AdamW(
  b1=0.8, b2=0.95, eps=1e-6, weight_decay=1e-2, clip_norm=1.0
)


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


def clipped(gradient, clip_norm):
  """Clips the norm of the gradients of all parameters that train."""
  trained = {name: g for name, g in gradient.items() if FACTOR[name]}
  norm = np.sqrt(sum((g**2).sum() for g in trained.values()))
  return {name: g * min(1, clip_norm / norm) for name, g in trained.items()}


def pytorch_sgd(weights, gradients, rates):
  """Updates weights in the order of torch.optim.SGD: decay, momentum, rate."""
  velocity = {name: np.zeros_like(w) for name, w in weights.items()}
  for gradient, rate in zip(gradients, rates, strict=True):
    for name, g in clipped(gradient, SGD.clip_norm).items():
      g = g + SGD.weight_decay * weights[name]
      velocity[name] = SGD.momentum * velocity[name] + g
      step = rate * FACTOR[name] * velocity[name]
      weights[name] = weights[name] - step
  return weights


def decoupled_adam(weights, gradients, rates):
  """Updates weights by algorithm 2 of arXiv:1711.05101."""
  mean = {name: np.zeros_like(w) for name, w in weights.items()}
  square = {name: np.zeros_like(w) for name, w in weights.items()}
  for t, (gradient, rate) in enumerate(zip(gradients, rates, strict=True), 1):
    for name, g in clipped(gradient, ADAMW.clip_norm).items():
      mean[name] = ADAMW.b1 * mean[name] + (1 - ADAMW.b1) * g
      square[name] = ADAMW.b2 * square[name] + (1 - ADAMW.b2) * g**2
      m = mean[name] / (1 - ADAMW.b1**t)
      v = square[name] / (1 - ADAMW.b2**t)
      step = m / (np.sqrt(v) + ADAMW.eps)
      step = step + ADAMW.weight_decay * weights[name]
      weights[name] = weights[name] - rate * FACTOR[name] * step
  return weights


@pytest.mark.parametrize('scale', [0.01, 3.0], ids=['unclipped', 'clipped'])
@pytest.mark.parametrize(
  ('config', 'plain'),
  [(SGD, pytorch_sgd), (ADAMW, decoupled_adam)],
  ids=['sgd', 'adamw'],
)
def test_updates_with_groups_equal_those_of_plain_numpy(config, plain, scale):
  params = random_tree(0, 1.0)
  gradients = [random_tree(i, scale) for i in range(1, 6)]
  rates = [0.1, 0.1, 0.05, 0.2, 0.01]
  expected = plain(flat(params), map(flat, gradients), rates)
  transform = config.of(params, RATES)
  state = transform.init(params)
  for gradient, rate in zip(gradients, rates, strict=True):
    updates, state = transform.update(gradient, state, params)
    updates = jax.tree.map(lambda x, rate=rate: rate * x, updates)
    params = optax.apply_updates(params, updates)
  for name, weight in flat(params).items():
    # Five float32 additions of numbers near 1.
    np.testing.assert_allclose(weight, expected[name], atol=2e-6)


@pytest.mark.parametrize(('config', 'copies'), [(SGD, 1), (ADAMW, 2)])
def test_frozen_parameters_have_no_momentum(config, copies):
  params = random_tree(0, 1.0)
  state = config.of(params, RATES).init(params)
  shapes = sorted(leaf.shape for leaf in jax.tree.leaves(state) if leaf.shape)
  assert shapes == copies * [(3, 4)] + copies * [(5,)]


def test_an_optimizer_is_chosen_by_name_and_defaults_to_sgd():
  values = {'weight_decay': 0.0, 'clip_norm': None}
  assert optimizer.make(momentum=0.9, **values) == optimizer.Sgd(
    momentum=0.9, **values
  )
  assert isinstance(optimizer.make('adamw', **values), optimizer.AdamW)
  with pytest.raises(ValueError, match="unknown optimizer 'lion'; choose one"):
    optimizer.make('lion', **values)
  with pytest.raises(ValueError, match=r"sgd: has no 'b1'; give weight"):
    optimizer.make('sgd', b1=0.9, **values)


def test_a_parameter_without_a_group_is_named():
  with pytest.raises(ValueError, match='selects the parameter b/frozen'):
    expressions.assign('rates', ['a/'], random_tree(0, 1.0))


def test_an_expression_that_matches_nothing_is_named():
  with pytest.raises(ValueError, match="have no effect: 'c/'"):
    expressions.assign('rates', ['c/', ''], random_tree(0, 1.0))
