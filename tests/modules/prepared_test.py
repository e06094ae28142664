"""A prepared network computes the same as the plain one."""

import importlib

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import traverse_util

from acm_jax import models, trackers
from acm_jax.modules.prepared import Weights
from tests import variables as random_variables

# Narrow networks, which still have layers of 32 channels or more.
TRACKERS = {
  'siamban-acm': {
    'name': 'siamban',
    'fusion': 'acm',
    'head_size': 3,
    'backbone': 'resnet18',
    'levels': (2, 4),
    'width': 0.25,
    'hidden': 32,
  },
  'siamrpn-dw': {
    'name': 'siamrpn',
    'backbone': 'mobilenet_v2',
    'levels': (3, 7),
    'width': 0.25,
    'hidden': 32,
  },
  'siamrpn-up': {
    'name': 'siamrpn',
    'fusion': 'up_xcorr',
    'backbone': 'alexnet_legacy',
    'levels': (5,),
    'width': 0.125,
    'hidden': 32,
    'neck': False,
    'weighted': False,
    'search_size': 287,
  },
  'siamfc': {'name': 'siamfc', 'backbone': 'alexnet_v1', 'width': 0.25},
  'siamfc-acm': {
    'name': 'siamfc',
    'fusion': 'acm',
    'backbone': 'alexnet_v1',
    'width': 0.25,
  },
  'nanotrack': {'name': 'nanotrack', 'width': 0.5, 'hidden': 32},
  'nanotrack-acm': {
    'name': 'nanotrack',
    'fusion': 'residual_acm',
    'width': 0.5,
    'hidden': 32,
  },
}


@pytest.fixture(scope='module', params=TRACKERS)
def pair(request):
  """Returns a tracker, its plain variables, and its prepared ones."""
  tracker = trackers.make(**TRACKERS[request.param])
  plain = random_variables.fill(tracker.init_variables)
  return tracker, plain, tracker.prepare(plain)


def test_a_prepared_network_has_the_outputs_of_the_plain_one(pair):
  tracker, *both = pair
  rng = np.random.default_rng(0)
  template, search = (
    jnp.asarray(rng.uniform(0, 1, (1, size, size, 3)), jnp.float32)
    for size in (tracker.template_size, tracker.search_size)
  )

  @jax.jit
  def outputs(variables):
    kernel = tracker.encode(variables, template, jnp.array([[60.0, 40.0]]))
    return tracker.respond(variables, kernel, search)

  plain, other = (jax.tree.leaves(outputs(each)) for each in both)
  for ours, theirs in zip(other, plain, strict=True):
    # Folding and Winograd's algorithm round differently; measured: 2e-5.
    tolerance = 1e-4 * float(jnp.abs(theirs).max())
    np.testing.assert_allclose(ours, theirs, rtol=0, atol=tolerance)


def test_prepared_weights_replace_the_plain_ones(pair):
  _, plain, ready = pair
  entries = traverse_util.flatten_dict(
    ready['prepared'], is_leaf=lambda _, x: isinstance(x, Weights)
  )
  assert entries
  for kind in ('params', 'batch_stats'):
    before = traverse_util.flatten_dict(plain[kind])
    after = traverse_util.flatten_dict(ready[kind])
    replaced = {
      path
      for path in before
      for (*scope, _), weights in entries.items()
      for name in weights.replaced
      if path[: len(scope) + 1] == (*scope, name)
    }
    assert after.keys() == before.keys() - replaced


def test_prepared_weights_are_not_trained_saved_or_prepared(pair, tmp_path):
  tracker, _, ready = pair
  template, search = (
    jnp.zeros((1, size, size, 3))
    for size in (tracker.template_size, tracker.search_size)
  )
  with pytest.raises(ValueError, match='cannot train weights that are prep'):
    tracker.apply(ready, template, jnp.ones((1, 2)), search)
  with pytest.raises(ValueError, match='cannot save weights that are prepared'):
    models.write_weights(tmp_path, ready)
  assert not any(tmp_path.iterdir())
  with pytest.raises(ValueError, match='cannot prepare weights that are prep'):
    tracker.prepare(ready)


@pytest.mark.parametrize(
  ('config', 'factor'),
  [
    ('siamban_acm', 2.2),
    ('siamrpn', 2.2),
    ('nanotrack_acm', 2.2),
    # Nearly all weights of this small network are in convolutions to transform.
    ('siamfc', 3.3),
  ],
)
def test_prepared_weights_need_little_memory(config, factor):
  """Counts numbers only; nothing is computed."""
  module = importlib.import_module(f'configs.{config}')
  tracker = trackers.make(**module.get_config().tracker.to_dict())
  plain = jax.eval_shape(tracker.init_variables, jax.random.key(0))
  ready = jax.eval_shape(tracker.prepare, plain)

  def count(variables):
    return sum(x.size for x in jax.tree.leaves(variables))

  assert count(ready) < factor * count(plain)
