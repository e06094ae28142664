"""Tests of feature sizes, frozen stages and names of the backbones."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from acm_jax.modules import backbone as backbones
from acm_jax.modules.mode import EVAL, Mode
from tests import variables

KINDS = {
  'alexnet': {'levels': (5,)},
  'alexnet_v1': {'levels': (5,)},
  'mobilenet_v2': {'levels': (3, 5, 7)},
  'resnet18': {'levels': (2, 3, 4)},
  'resnet50': {'levels': (2, 3, 4)},
}
kinds = pytest.mark.parametrize('name', KINDS)


def small(name):
  return backbones.make(name, width=0.05, **KINDS[name])


@kinds
@pytest.mark.parametrize('size', [127, 255, 287, 510])
def test_cells_and_features_are_the_shape_of_the_output(name, size):
  module = small(name)
  image = jnp.zeros((1, size, size, 3))

  def run(image):
    return module.init_with_output(jax.random.key(0), image, mode=EVAL)[0]

  shapes = jax.eval_shape(run, image)
  for level, features in zip(module.levels, shapes, strict=True):
    assert features.shape[1:3] == (module.cells(size),) * 2
    assert features.shape[3] == module.features(level)


@kinds
@pytest.mark.parametrize('trained', [0, 3], ids=['none', 'three'])
def test_only_trained_stages_have_gradients_and_new_statistics(name, trained):
  module = small(name)
  image = jax.random.uniform(jax.random.key(1), (2, 127, 127, 3))
  init = functools.partial(module.init, mode=EVAL)
  filled = variables.fill(init, image)
  # The stem comes first, then the numbered layers; the last ones train.
  layers = sorted(filled['params'], key=lambda name: (name != 'stem', name))
  frozen = layers[: len(layers) - trained]
  mode = Mode(training=True, frozen=frozenset(frozen))

  def loss(params):
    outputs, updates = module.apply(
      {**filled, 'params': params},
      image,
      mode=mode,
      mutable=['batch_stats'],
    )
    return sum(jnp.sum(x**2) for x in outputs), updates['batch_stats']

  grads, statistics = jax.jit(jax.grad(loss, has_aux=True))(filled['params'])
  for layer, grad in grads.items():
    has_gradient = any(bool(jnp.any(x != 0)) for x in jax.tree.leaves(grad))
    assert has_gradient == (layer not in frozen), layer
    if layer not in statistics:
      continue
    old = filled['batch_stats'][layer]
    same = jax.tree.map(np.array_equal, old, statistics[layer])
    assert all(jax.tree.leaves(same)) != (layer not in frozen), layer


def test_an_unknown_backbone_is_refused_with_the_known_ones():
  with pytest.raises(
    ValueError, match=r'unknown backbone .*alexnet, .*mobilenet_v2, .*resnet50'
  ):
    backbones.make('resnet')


@kinds
def test_a_level_that_a_backbone_lacks_is_refused(name):
  with pytest.raises(ValueError, match='level'):
    backbones.make(name, levels=(1,))
