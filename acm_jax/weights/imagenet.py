"""Conversion of ImageNet classifiers to backbones of trackers.

The functions return state dicts with the keys of the official code's backbones,
which is pysot except for MobileNetV3. A backbone takes BGR in 0..255, but a
classifier takes normalised RGB. Therefore the first layer is rescaled and its
channels are reversed. Keys that only the classifier has are kept, except `fc`
of a ResNet.
"""

import re
from collections.abc import Mapping

import numpy as np

StateDict = dict[str, np.ndarray]

# Normalisation of RGB in 0..1 in torchvision and timm.
_MEAN = np.array([0.485, 0.456, 0.406])
_STD = np.array([0.229, 0.224, 0.225])
_BN = ('weight', 'bias', 'running_mean', 'running_var')
# PyTorch's default epsilon of batch norms.
_BN_EPSILON = 1e-5

# Number of blocks in each layer of MobileNetV2, in the order of `features`.
_MOBILENET_BLOCKS = (1, 2, 3, 4, 3, 3, 1)


def mobilenet_v2(state_dict: Mapping[str, np.ndarray]) -> StateDict:
  """Converts a MobileNetV2 classifier to a backbone with pysot's names.

  The backbone computes the same as the classifier, with two exceptions: strided
  convolutions have no zero padding, and dilation replaces the later strides.

  Args:
    state_dict: State dict of torchvision or timm, or one with keys
      `features.NUMBER.conv.INDEX`. A state dict of pysot is returned unchanged.

  Raises:
    ValueError: A key is missing.
  """
  if 'layer0.0.weight' in state_dict:
    return dict(state_dict)
  source, result = _flat_mobilenet(state_dict), {}

  def take(ours: str, theirs: str, leaves) -> None:
    for leaf in leaves:
      if f'{theirs}.{leaf}' not in source:
        raise ValueError(
          f'`weights`: {theirs}.{leaf} is missing, so this is not a '
          'MobileNetV2 state dict; choose another file or `source`'
        )
      result[f'{ours}.{leaf}'] = source.pop(f'{theirs}.{leaf}')

  take('layer0.0', 'features.0.0', ('weight',))
  take('layer0.1', 'features.0.1', _BN)
  _see_bgr(result, 'layer0.0', 'layer0.1')
  number = 1
  for layer, blocks in enumerate(_MOBILENET_BLOCKS, 1):
    for block in range(blocks):
      ours, theirs = f'layer{layer}.{block}.conv', f'features.{number}.conv'
      # The first block of the classifier has no expansion.
      shift = 3 if number == 1 else 0
      for index in range(shift, 8, 3):
        take(f'{ours}.{index}', f'{theirs}.{index - shift}', ('weight',))
        take(f'{ours}.{index + 1}', f'{theirs}.{index + 1 - shift}', _BN)
      number += 1
  features = result['layer1.0.conv.3.weight'].shape[0]
  return result | _identity('layer1.0.conv', features) | source


def mobilenet_v3(state_dict: Mapping[str, np.ndarray]) -> StateDict:
  """Converts a MobileNetV3-Small classifier to the backbone of NanoTrack.

  The backbone computes the same as the classifier, with two exceptions: the
  zero padding of the stem is black in the backbone and grey in the classifier,
  and the ninth block has stride 1.

  Args:
    state_dict: State dict with keys `features.NUMBER.conv.INDEX`, as of
      d-li14/mobilenetv3.pytorch. In other codebases, squeeze-and-excite follows
      the activation, so that the weights fit another function. A
      squeeze-and-excite with fewer inner features than the backbone's, as in
      earlier weights of that repository, is padded with zeros, which change no
      output.

  Raises:
    ValueError: A key is missing.
  """
  for key in ('features.0.0.weight', 'features.4.conv.5.fc.0.weight'):
    if key not in state_dict:
      raise ValueError(
        f'`weights`: {key} is missing, so this is not a MobileNetV3-Small '
        "state dict with d-li14's names; choose another file or `source`"
      )
  result = dict(state_dict)
  _see_bgr(result, 'features.0.0', 'features.0.1')
  for key, value in state_dict.items():
    if key.endswith(('.fc.0.weight', '.fc.0.bias', '.fc.2.weight')):
      axis = 1 if key.endswith('.fc.2.weight') else 0
      padding = np.zeros((value.ndim, 2), int)
      padding[axis, 1] = -value.shape[axis] % 8
      result[key] = np.pad(value, padding)
  return result


def resnet(state_dict: Mapping[str, np.ndarray]) -> StateDict:
  """Converts a ResNet classifier to a backbone with pysot's names.

  The shortcuts of the later stages are 1x1 convolutions in the classifier and
  3x3 convolutions in the backbone. Each 1x1 kernel becomes the centre of a 3x3
  kernel, so that the backbone computes the same as the classifier, except for
  padding and dilation.

  Args:
    state_dict: State dict of torchvision or timm, of ResNet-18, 34 or 50. A
      state dict of pysot keeps its values, because pysot's networks take BGR.

  Raises:
    ValueError: A key is missing.
  """
  shortcuts = [f'layer{stage}.0.downsample.0.weight' for stage in (2, 3, 4)]
  needed = ['conv1.weight', 'bn1.running_mean', *shortcuts]
  for key in needed:
    if key not in state_dict:
      raise ValueError(
        f'`weights`: {key} is missing, so this is not a ResNet state dict; '
        'choose another file or `source`'
      )
  result = {
    key: value for key, value in state_dict.items() if not key.startswith('fc.')
  }
  if result[shortcuts[0]].shape[2:] == (3, 3):
    return result
  _see_bgr(result, 'conv1', 'bn1')
  for key in shortcuts:
    padding = ((0, 0), (0, 0), (1, 1), (1, 1))
    result[key] = np.pad(result[key], padding)
  return result


def _flat_mobilenet(state_dict: Mapping[str, np.ndarray]) -> StateDict:
  """Renames the keys of all known codebases to `features.NUMBER.conv.INDEX`."""
  if 'conv_stem.weight' in state_dict:
    rename = _from_timm
  elif 'features.1.conv.0.0.weight' in state_dict:
    rename = _from_torchvision
  else:
    return dict(state_dict)
  return {rename(key): value for key, value in state_dict.items()}


def _from_torchvision(key: str) -> str:
  """Renames a torchvision key: replaces nested indices by a single index."""
  nested = re.fullmatch(r'(features\.\d+\.conv)\.(\d)\.(\d)\.(\w+)', key)
  if nested:
    index = 3 * int(nested[2]) + int(nested[3])
    return f'{nested[1]}.{index}.{nested[4]}'
  # The projection at the end of a block follows one or two inner Sequentials.
  last = re.fullmatch(r'(features\.\d+\.conv)\.(\d)\.(\w+)', key)
  if last:
    groups = 1 if last[1] == 'features.1.conv' else 2
    return f'{last[1]}.{int(last[2]) + 2 * groups}.{last[3]}'
  return key


def _from_timm(key: str) -> str:
  key = re.sub(r'^conv_stem\.', 'features.0.0.', key)
  key = re.sub(r'^bn1\.', 'features.0.1.', key)
  block = re.fullmatch(r'blocks\.(\d)\.(\d)\.(\w+)\.(\w+)', key)
  if not block:
    return key
  layer, index = int(block[1]), int(block[2])
  number = 1 + sum(_MOBILENET_BLOCKS[:layer]) + index
  order = ['conv_pw', 'bn1', '', 'conv_dw', 'bn2', '', 'conv_pwl', 'bn3']
  if layer == 0:
    order = ['conv_dw', 'bn1', '', 'conv_pw', 'bn2']
  return f'features.{number}.conv.{order.index(block[3])}.{block[4]}'


def _see_bgr(state_dict: StateDict, conv: str, bn: str) -> None:
  """Makes the first layer take BGR in 0..255 instead of normalised RGB.

  The result is exact where the first convolution has no padding.
  """
  weight = np.asarray(state_dict[f'{conv}.weight'], np.float64)
  if weight.ndim != 4 or weight.shape[1] != 3:
    raise ValueError(
      f'`weights`: {conv}.weight has the shape {weight.shape} instead of '
      '(?, 3, ?, ?); choose a classifier of colour images'
    )
  offset = np.einsum('oihw,i->o', weight, _MEAN / _STD)
  weight = weight / (255 * _STD)[:, None, None]
  state_dict[f'{conv}.weight'] = weight[:, ::-1]
  mean = np.asarray(state_dict[f'{bn}.running_mean'], np.float64)
  state_dict[f'{bn}.running_mean'] = mean + offset


def _identity(prefix: str, features: int) -> StateDict:
  """Returns a 1x1 convolution and batch norm that compute the identity.

  The ReLU6 after them changes nothing either, because the input comes from a
  ReLU6.
  """
  ones, zeros = np.ones(features), np.zeros(features)
  return {
    f'{prefix}.0.weight': np.eye(features)[:, :, None, None],
    f'{prefix}.1.weight': ones,
    f'{prefix}.1.bias': zeros,
    f'{prefix}.1.running_mean': zeros,
    f'{prefix}.1.running_var': ones - _BN_EPSILON,
  }
