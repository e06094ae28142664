"""ImageNet classifiers turned into backbones of the trackers.

Their state dicts become those of the official trackers' backbones, which see
BGR in 0..255 where the classifiers saw RGB with mean and deviation removed.
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
    state_dict: torchvision's, or the flat one of tonylins' repository.

  Raises:
    ValueError: A key is missing.
  """
  source = _flat_mobilenet(state_dict)
  result = {}

  def take(ours: str, theirs: str, leaves) -> None:
    for leaf in leaves:
      if f'{theirs}.{leaf}' not in source:
        raise ValueError(f'no {theirs}.{leaf}: not a MobileNetV2 state dict')
      result[f'{ours}.{leaf}'] = source[f'{theirs}.{leaf}']

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
  result |= _identity('layer1.0.conv', features)
  return {key: np.asarray(x, np.float32) for key, x in result.items()}


def _flat_mobilenet(state_dict: Mapping[str, np.ndarray]) -> StateDict:
  """Without the inner Sequential that torchvision has round conv and norm."""

  def flat(key: str) -> str:
    nested = re.fullmatch(r'(features\.\d+\.conv)\.(\d)\.(\d)\.(\w+)', key)
    if nested:
      place = 3 * int(nested[2]) + int(nested[3])
      return f'{nested[1]}.{place}.{nested[4]}'
    # The projection, behind one or two of them.
    last = re.fullmatch(r'(features\.\d+\.conv)\.(\d)\.(\w+)', key)
    if last and torchvision:
      groups = 1 if last[1] == 'features.1.conv' else 2
      return f'{last[1]}.{int(last[2]) + 2 * groups}.{last[3]}'
    return key

  torchvision = 'features.1.conv.0.0.weight' in state_dict
  return {flat(key): value for key, value in state_dict.items()}


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
