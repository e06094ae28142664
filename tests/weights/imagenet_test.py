"""ImageNet classifiers become backbones that compute the same."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from acm_jax.modules import backbone as backbones
from acm_jax.modules.mode import EVAL
from acm_jax.weights import imagenet, names, state_dict
from tests import formulas

# Inner and outer channels of the classifier's blocks 1 to 17.
OUTER = [16, 24, 24, *[32] * 3, *[64] * 4, *[96] * 3, *[160] * 3, 320]


def norm(place, channels):
  leaves = ('weight', 'bias', 'running_mean', 'running_var')
  return {
    f'{place}.{leaf}': formulas.weight(f'{place}.{leaf}', [channels])
    for leaf in leaves
  }


def conv_norm(conv, bn, shape):
  weight = formulas.weight(f'{conv}.weight', shape)
  return {f'{conv}.weight': weight, **norm(bn, shape[0])}


def classifier(nested):
  """A MobileNetV2 state dict in torchvision's form, or in the flat one."""
  result = conv_norm('features.0.0', 'features.0.1', [32, 3, 3, 3])
  before = 32
  for number, outer in enumerate(OUTER, 1):
    inner = before if number == 1 else 6 * before
    shapes = [[inner, before, 1, 1], [inner, 1, 3, 3], [outer, inner, 1, 1]]
    shapes = shapes[1:] if number == 1 else shapes
    place, last = f'features.{number}.conv', len(shapes) - 1
    for index, shape in enumerate(shapes):
      flat = (3 * index, 3 * index + 1)
      inside = (
        (last, last + 1) if index == last else (f'{index}.0', f'{index}.1')
      )
      got = conv_norm(f'{place}.{flat[0]}', f'{place}.{flat[1]}', shape)
      for old, new in zip(flat, inside, strict=True):
        got = {
          key.replace(f'{place}.{old}.', f'{place}.{new}!.')
          if nested
          else key: x
          for key, x in got.items()
        }
      result |= {key.replace('!', ''): x for key, x in got.items()}
    before = outer
  head = {'classifier.1.weight': np.zeros((2, 4), np.float32)}
  return (
    result | conv_norm('features.18.0', 'features.18.1', [8, 320, 1, 1]) | head
  )


def test_torchvision_and_flat_keys_give_the_same():
  ours, theirs = (imagenet.mobilenet_v2(classifier(x)) for x in (True, False))
  assert ours.keys() == theirs.keys()
  for key, value in ours.items():
    np.testing.assert_array_equal(value, theirs[key])


def test_backbone_computes_what_the_classifier_does():
  """Up to the end of its first block, on the cells that no padding reaches."""
  source = {
    key: value.astype(np.float64) for key, value in classifier(False).items()
  }
  rgb = np.random.default_rng(0).integers(0, 256, (1, 21, 21, 3))
  image = (rgb / 255 - [0.485, 0.456, 0.406]) / [0.229, 0.224, 0.225]

  def bn(x, place):
    weight, bias, mean, var = (source[key] for key in norm(place, 1))
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

  filled = variables_of(imagenet.mobilenet_v2(classifier(False)))
  module = backbones.make('mobilenet_v2', levels=(7,))
  bgr = jnp.asarray(rgb[..., ::-1], jnp.float32)
  _, state = module.apply(
    filled,
    bgr,
    mode=EVAL,
    capture_intermediates=True,
    mutable=['intermediates'],
  )
  got = state['intermediates']['layer1_0']['__call__'][0][0, 1:-1, 1:-1]
  # float32 against float64; measured 4e-6 of the largest.
  np.testing.assert_allclose(
    got, expected, rtol=0, atol=1e-5 * np.abs(expected).max()
  )


def variables_of(weights):
  module = backbones.make('mobilenet_v2', levels=(7,))
  image = jnp.zeros((1, 63, 63, 3))
  shapes = jax.eval_shape(
    lambda key: module.init(key, image, mode=EVAL), jax.random.key(0)
  )
  shapes = {name: {'backbone': tree} for name, tree in shapes.items()}
  filled = state_dict.to_variables(
    {f'backbone.{key}': value for key, value in weights.items()},
    shapes,
    names.naming('siamban', 'mobilenet_v2'),
  )
  return jax.tree.map(
    jnp.asarray, {name: tree['backbone'] for name, tree in filled.items()}
  )


def test_another_state_dict_is_refused():
  with pytest.raises(ValueError, match='not a MobileNetV2 state dict'):
    imagenet.mobilenet_v2({'conv1.weight': np.zeros((64, 3, 7, 7))})
