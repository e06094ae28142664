"""ImageNet classifiers turned into backbones of the trackers.

Their state dicts become those of the official trackers' backbones, which see
BGR in 0..255 where the classifiers saw RGB with mean and deviation removed.
Keys that a backbone has no use for, the classifier's own, stay in them.
"""

import re
from collections.abc import Mapping

import numpy as np

StateDict = dict[str, np.ndarray]

# Of RGB in 0..1, as torchvision's and timm's classifiers have it.
_MEAN = np.array([0.485, 0.456, 0.406])
_STD = np.array([0.229, 0.224, 0.225])
_BN = ('weight', 'bias', 'running_mean', 'running_var')
# PyTorch's default.
_BN_EPSILON = 1e-5

# Blocks of each layer of MobileNetV2, in the order of `features`.
_MOBILENET_BLOCKS = (1, 2, 3, 4, 3, 3, 1)


def mobilenet_v2(state_dict: Mapping[str, np.ndarray]) -> StateDict:
  """The backbone of a MobileNetV2 classifier, under pysot's names.

  It computes what the classifier does, but for the zeros that pad its strided
  convolutions and the dilation in the place of strides.

  Args:
    state_dict: torchvision's, timm's, or the flat one that has `features` and
      no inner Sequential; pysot's own is given back as it is.

  Raises:
    ValueError: A key is missing.
  """
  if 'layer0.0.weight' in state_dict:
    return dict(state_dict)
  source, result = _flat_mobilenet(state_dict), {}

  def take(ours: str, theirs: str, leaves) -> None:
    for leaf in leaves:
      if f'{theirs}.{leaf}' not in source:
        raise ValueError(f'no {theirs}.{leaf}: not a MobileNetV2 state dict')
      result[f'{ours}.{leaf}'] = source.pop(f'{theirs}.{leaf}')

  take('layer0.0', 'features.0.0', ('weight',))
  take('layer0.1', 'features.0.1', _BN)
  _see_bgr(result, 'layer0.0', 'layer0.1')
  number = 1
  for layer, blocks in enumerate(_MOBILENET_BLOCKS, 1):
    for block in range(blocks):
      ours, theirs = f'layer{layer}.{block}.conv', f'features.{number}.conv'
      # The classifier's first block has no expansion.
      shift = 3 if number == 1 else 0
      for index in range(shift, 8, 3):
        take(f'{ours}.{index}', f'{theirs}.{index - shift}', ('weight',))
        take(f'{ours}.{index + 1}', f'{theirs}.{index + 1 - shift}', _BN)
      number += 1
  features = result['layer1.0.conv.3.weight'].shape[0]
  result |= _identity('layer1.0.conv', features) | source
  return {key: np.asarray(x, np.float32) for key, x in result.items()}


def resnet(state_dict: Mapping[str, np.ndarray]) -> StateDict:
  """The backbone of a ResNet classifier, under pysot's names.

  The shortcuts of later stages are 1x1 there and 3x3 here: they become the
  middle of a 3x3, which falls on the same cells. What the convolutions compute
  is then the classifier's, but for padding and dilation.

  Args:
    state_dict: torchvision's or timm's, of ResNet-18, 34 or 50; pysot's own,
      which sees BGR already, is given back as it is.

  Raises:
    ValueError: A key is missing.
  """
  shortcuts = [f'layer{stage}.0.downsample.0.weight' for stage in (2, 3, 4)]
  needed = ['conv1.weight', 'bn1.running_mean', *shortcuts]
  for key in needed:
    if key not in state_dict:
      raise ValueError(f'no {key}: not a ResNet state dict')
  result = {
    key: value for key, value in state_dict.items() if not key.startswith('fc.')
  }
  if result[shortcuts[0]].shape[2:] == (3, 3):
    return result
  _see_bgr(result, 'conv1', 'bn1')
  for key in shortcuts:
    around = ((0, 0), (0, 0), (1, 1), (1, 1))
    result[key] = np.pad(result[key], around)
  return {key: np.asarray(x, np.float32) for key, x in result.items()}


def _flat_mobilenet(state_dict: Mapping[str, np.ndarray]) -> StateDict:
  """Under `features.NUMBER.conv.PLACE`, whoever's they are."""
  if 'conv_stem.weight' in state_dict:
    rename = _from_timm
  elif 'features.1.conv.0.0.weight' in state_dict:
    rename = _from_torchvision
  else:
    return dict(state_dict)
  return {rename(key): value for key, value in state_dict.items()}


def _from_torchvision(key: str) -> str:
  """Without the inner Sequential round convolution and batch norm."""
  nested = re.fullmatch(r'(features\.\d+\.conv)\.(\d)\.(\d)\.(\w+)', key)
  if nested:
    place = 3 * int(nested[2]) + int(nested[3])
    return f'{nested[1]}.{place}.{nested[4]}'
  # The projection, behind one or two of them.
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
  """Moves the normalisation of the input into the first layer.

  Exact, because the trackers' first convolution has no padding.
  """
  weight = np.asarray(state_dict[f'{conv}.weight'], np.float64)
  offset = np.einsum('oihw,i->o', weight, _MEAN / _STD)
  weight = weight / (255 * _STD)[:, None, None]
  state_dict[f'{conv}.weight'] = weight[:, ::-1]
  mean = np.asarray(state_dict[f'{bn}.running_mean'], np.float64)
  state_dict[f'{bn}.running_mean'] = mean + offset


def _identity(place: str, features: int) -> StateDict:
  """A 1x1 convolution and batch norm that change nothing, ReLU6 included."""
  ones, zeros = np.ones(features), np.zeros(features)
  return {
    f'{place}.0.weight': np.eye(features)[:, :, None, None],
    f'{place}.1.weight': ones,
    f'{place}.1.bias': zeros,
    f'{place}.1.running_mean': zeros,
    f'{place}.1.running_var': ones - _BN_EPSILON,
  }
