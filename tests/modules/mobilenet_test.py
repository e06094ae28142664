"""Tests that MobileNetV2 computes the features of the official code."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from acm_jax.modules import backbone as backbones
from acm_jax.modules.mode import EVAL
from acm_jax.weights import names, state_dict
from tests import formulas

MODEL = 'siamrpn_mobilev2'


@pytest.fixture(scope='module')
def features():
  module = backbones.make('mobilenet_v2', levels=(3, 5, 7), width=1.4)
  image = jnp.asarray(formulas.image('search', 255))

  def init(key):
    return module.init(key, image, mode=EVAL)

  shapes = {
    collection: {'backbone': tree}
    for collection, tree in jax.eval_shape(init, jax.random.key(0)).items()
  }
  weights = {
    key: value
    for key, value in formulas.state_dict(MODEL).items()
    if key.startswith('backbone.')
  }
  variables = state_dict.to_variables(
    weights, shapes, names.naming('siamban', 'mobilenet_v2', (3, 5, 7))
  )
  variables = {name: tree['backbone'] for name, tree in variables.items()}
  return jax.jit(lambda v, x: module.apply(v, x, mode=EVAL))(variables, image)


@pytest.mark.parametrize('index', [0, 1, 2], ids=['3', '5', '7'])
def test_features_equal_those_of_the_official_code(features, index):
  reference = formulas.load(MODEL)
  mean, std, largest = reference[f'backbone{index}_stats']
  # float32 features differ from the float64 reference by 2e-6 on a CPU.
  tolerance = 1e-5 * largest
  ours = np.asarray(features[index], np.float64)
  actual = ours[0, :4, :4, :8].transpose(2, 0, 1)
  expected = reference[f'backbone{index}_slice']
  np.testing.assert_allclose(actual, expected, rtol=0, atol=tolerance)
  actual = [ours.mean(), ours.std(ddof=1), np.abs(ours).max()]
  np.testing.assert_allclose(
    actual, [mean, std, largest], rtol=0, atol=tolerance
  )
