"""Tests that ImageNet classifiers compute the same after conversion."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from acm_jax.modules import backbone as backbones
from acm_jax.modules.mode import EVAL
from acm_jax.weights import imagenet, names, state_dict
from tests import classifiers


@pytest.mark.parametrize('dialect', ['torchvision', 'timm'])
def test_all_namings_of_mobilenet_give_the_same_weights(dialect):
  actual = imagenet.mobilenet_v2(classifiers.mobilenet_v2(dialect))
  flat = imagenet.mobilenet_v2(classifiers.mobilenet_v2('flat'))
  assert actual.keys() == flat.keys()
  for key, value in actual.items():
    np.testing.assert_array_equal(value, flat[key])


def test_a_1x1_shortcut_becomes_the_centre_of_a_3x3_kernel():
  source = classifiers.resnet50()
  result = imagenet.resnet(source)
  for stage, size in ((1, 1), (2, 3), (3, 3), (4, 3)):
    key = f'layer{stage}.0.downsample.0.weight'
    kernel = result[key]
    assert kernel.shape[2:] == (size, size)
    middle = kernel[:, :, size // 2, size // 2]
    np.testing.assert_array_equal(middle, source[key][:, :, 0, 0])
    assert np.count_nonzero(kernel) == np.count_nonzero(middle)


def test_weights_of_pysot_are_unchanged():
  pysot = imagenet.resnet(classifiers.resnet50())
  again = imagenet.resnet(pysot)
  for key, value in pysot.items():
    np.testing.assert_array_equal(again[key], value)


def test_the_backbone_computes_the_same_as_the_classifier():
  """Compares outputs of the first block, on cells that no padding reaches."""
  weights = classifiers.mobilenet_v2('flat')
  source = {key: value.astype(np.float64) for key, value in weights.items()}
  rgb = np.random.default_rng(0).integers(0, 256, (1, 21, 21, 3))
  image = (rgb / 255 - [0.485, 0.456, 0.406]) / [0.229, 0.224, 0.225]

  def bn(x, prefix):
    weight, bias, mean, var = (
      source[key] for key in classifiers.batch_norm(prefix, 1)
    )
    return (x - mean) / np.sqrt(var + 1e-5) * weight + bias

  def window(x, k, stride):
    at = range(0, x.shape[1] - k + 1, stride)
    return np.stack([[x[0, i : i + k, j : j + k] for j in at] for i in at])

  x = np.einsum(
    'ijyxc,ocyx->ijo', window(image, 3, 2), source['features.0.0.weight']
  )[None]
  x = np.clip(bn(x, 'features.0.1'), 0, 6)
  x = np.einsum(
    'ijyxc,cyx->ijc',
    window(x, 3, 1),
    source['features.1.conv.0.weight'][:, 0],
  )
  x = np.clip(bn(x, 'features.1.conv.1'), 0, 6)
  x = x @ source['features.1.conv.3.weight'][:, :, 0, 0].T
  expected = bn(x, 'features.1.conv.4')

  filled = variables_of(imagenet.mobilenet_v2(weights))
  module = backbones.make('mobilenet_v2', levels=(7,))
  bgr = jnp.asarray(rgb[..., ::-1], jnp.float32)
  apply = functools.partial(
    module.apply,
    mode=EVAL,
    capture_intermediates=True,
    mutable=['intermediates'],
  )
  _, state = jax.jit(apply)(filled, bgr)
  actual = state['intermediates']['layer1_0']['__call__'][-1][0, 1:-1, 1:-1]
  # float32 outputs differ from float64 by 4e-6 of the largest value.
  np.testing.assert_allclose(
    actual, expected, rtol=0, atol=1e-5 * np.abs(expected).max()
  )


def variables_of(weights):
  """Converts pysot's weights to variables of the backbone."""
  module = backbones.make('mobilenet_v2', levels=(7,))
  image = jnp.zeros((1, 63, 63, 3))
  shapes = jax.eval_shape(
    lambda key: module.init(key, image, mode=EVAL), jax.random.key(0)
  )
  shapes = {name: {'backbone': tree} for name, tree in shapes.items()}
  name = names.naming('siamban', 'mobilenet_v2', (3, 5, 7))
  known = state_dict.keys(shapes, name)
  weights = {f'backbone.{key}': value for key, value in weights.items()}
  filled = state_dict.to_variables(
    {key: value for key, value in weights.items() if key in known}, shapes, name
  )
  return jax.tree.map(
    jnp.asarray, {name: tree['backbone'] for name, tree in filled.items()}
  )


def test_a_narrower_squeeze_and_excite_computes_the_same_after_padding():
  weights = classifiers.mobilenet_v3()
  padded = imagenet.mobilenet_v3(weights)
  means = np.random.default_rng(0).normal(size=(3, 240)).astype(np.float32)

  def excite(source):
    fc = 'features.5.conv.5.fc'
    inner = means @ source[f'{fc}.0.weight'].T + source[f'{fc}.0.bias']
    inner = np.maximum(inner, 0)
    return inner @ source[f'{fc}.2.weight'].T + source[f'{fc}.2.bias']

  assert padded['features.5.conv.5.fc.0.weight'].shape == (64, 240)
  assert padded['features.5.conv.5.fc.2.weight'].shape == (240, 64)
  # Sums of 64 instead of 60 products may be rounded in another order.
  np.testing.assert_allclose(excite(padded), excite(weights), rtol=1e-5)


@pytest.mark.parametrize('name', ['mobilenet_v2', 'mobilenet_v3'])
def test_a_state_dict_of_another_network_is_refused_as_mobilenet(name):
  version = f'MobileNetV{name[-1]}'
  with pytest.raises(ValueError, match=f'not a {version}.* state dict'):
    getattr(imagenet, name)({'conv1.weight': np.zeros((64, 3, 7, 7))})


def test_a_state_dict_without_batch_norms_is_refused_as_resnet():
  with pytest.raises(ValueError, match=r'bn1.* is missing.*not a ResNet'):
    imagenet.resnet({'conv1.weight': np.zeros((64, 3, 7, 7))})


def test_a_classifier_of_grey_images_is_refused():
  weights = classifiers.mobilenet_v2('flat')
  weights['features.0.0.weight'] = np.zeros((32, 1, 3, 3), np.float32)
  with pytest.raises(ValueError, match=r'shape \(32, 1, 3, 3\) instead'):
    imagenet.mobilenet_v2(weights)
