"""State dicts of ImageNet classifiers with reproducible random weights."""

import numpy as np

from tests import formulas

# Output channels of MobileNetV2's blocks 1 to 17, and their layers and indices
# in timm.
_OUTER = [16, 24, 24, *[32] * 3, *[64] * 4, *[96] * 3, *[160] * 3, 320]
_TIMM = [
  (layer, block)
  for layer, blocks in enumerate((1, 2, 3, 4, 3, 3, 1))
  for block in range(blocks)
]
# Kernel size, inner and output channels of MobileNetV3-Small's blocks, and
# whether squeeze-and-excite follows.
_V3_BLOCKS = (
  (3, 16, 16, True),
  (3, 72, 24, False),
  (3, 88, 24, False),
  (5, 96, 40, True),
  (5, 240, 40, True),
  (5, 240, 40, True),
  (5, 120, 48, True),
  (5, 144, 48, True),
  (5, 288, 96, True),
  (5, 576, 96, True),
  (5, 576, 96, True),
)


def batch_norm(prefix: str, channels: int) -> dict[str, np.ndarray]:
  """Returns the arrays of a batch norm by key."""
  leaves = ('weight', 'bias', 'running_mean', 'running_var')
  keys = [f'{prefix}.{leaf}' for leaf in leaves]
  return {key: formulas.weight(key, [channels]) for key in keys}


def mobilenet_v2(dialect: str) -> dict[str, np.ndarray]:
  """Returns a state dict of MobileNetV2.

  Args:
    dialect: Naming of the keys: `flat`, `torchvision` or `timm`. The values are
      the same.
  """
  shapes = {('features.0.0', 'features.0.1'): [32, 3, 3, 3]}
  names = {'features.0.0': 'conv_stem', 'features.0.1': 'bn1'}
  before = 32
  for number, outer in enumerate(_OUTER, 1):
    inner = before if number == 1 else 6 * before
    parts = [[inner, before, 1, 1], [inner, 1, 3, 3], [outer, inner, 1, 1]]
    timm = ['conv_pw', 'bn1', 'conv_dw', 'bn2', 'conv_pwl', 'bn3']
    torchvision = ['0.0', '0.1', '1.0', '1.1', '2', '3']
    if number == 1:
      parts, torchvision = parts[1:], ['0.0', '0.1', '1', '2']
      timm = ['conv_dw', 'bn1', 'conv_pw', 'bn2']
    if dialect == 'timm':
      layer, block = _TIMM[number - 1]
      theirs = [f'blocks.{layer}.{block}.{name}' for name in timm]
    else:
      theirs = [f'features.{number}.conv.{name}' for name in torchvision]
    for part, shape in enumerate(parts):
      flat = tuple(
        f'features.{number}.conv.{3 * part + index}' for index in range(2)
      )
      shapes[flat] = shape
      names |= dict(zip(flat, theirs[2 * part :], strict=False))
    before = outer
  if dialect == 'torchvision':
    names |= {key: key for key in ('features.0.0', 'features.0.1')}
  arrays = {}
  for (conv, bn), shape in shapes.items():
    weight = formulas.weight(f'{conv}.weight', shape)
    arrays |= {f'{conv}.weight': weight, **batch_norm(bn, shape[0])}
  if dialect != 'flat':
    arrays = {
      f'{names[key.rpartition(".")[0]]}.{key.rpartition(".")[2]}': value
      for key, value in arrays.items()
    }
  return arrays | {'classifier.1.weight': np.zeros((2, 4), np.float32)}


def mobilenet_v3() -> dict[str, np.ndarray]:
  """Returns a state dict of MobileNetV3-Small, with the names of d-li14.

  As in early weights of that repository, the inner features of each
  squeeze-and-excite are a quarter of its features, not rounded.
  """
  shapes = {('features.0.0', 'features.0.1'): [16, 3, 3, 3]}
  attention, before = {}, 16
  for number, (size, inner, features, attends) in enumerate(_V3_BLOCKS, 1):
    prefix = f'features.{number}.conv'
    parts = [[inner, before, 1, 1], [inner, 1, size, size]]
    # Index of the convolutions and of squeeze-and-excite.
    at, excite = (0, 3, 7), 5
    if number == 1:
      parts, at, excite = parts[1:], (0, 4), 3
    for index, shape in zip(at, [*parts, [features, inner, 1, 1]], strict=True):
      shapes[f'{prefix}.{index}', f'{prefix}.{index + 1}'] = shape
    if attends:
      attention[f'{prefix}.{excite}.fc'] = (inner // 4, inner)
    before = features
  arrays = {}
  for (conv, bn), shape in shapes.items():
    weight = formulas.weight(f'{conv}.weight', shape)
    arrays |= {f'{conv}.weight': weight, **batch_norm(bn, shape[0])}
    arrays[f'{bn}.num_batches_tracked'] = np.array(7)
  for fc, (inner, outer) in attention.items():
    for index, shape in (('0', [inner, outer]), ('2', [outer, inner])):
      key = f'{fc}.{index}'
      arrays[f'{key}.weight'] = formulas.weight(f'{key}.weight', shape)
      arrays[f'{key}.bias'] = formulas.weight(f'{key}.bias', shape[:1])
  return arrays | {'classifier.0.weight': np.zeros((2, 4), np.float32)}


def resnet18() -> dict[str, np.ndarray]:
  """Returns a state dict of ResNet-18, as in torchvision and timm."""
  shapes, before = {'conv1': [64, 3, 7, 7]}, 64
  for stage, features in enumerate((64, 128, 256, 512), 1):
    for block in range(2):
      prefix = f'layer{stage}.{block}'
      shapes[f'{prefix}.conv1'] = [features, before, 3, 3]
      shapes[f'{prefix}.conv2'] = [features, features, 3, 3]
      if before != features:
        shapes[f'{prefix}.downsample.0'] = [features, before, 1, 1]
      before = features
  arrays = {}
  for conv, shape in shapes.items():
    bn = conv.replace('conv', 'bn').replace('downsample.0', 'downsample.1')
    weight = formulas.weight(f'{conv}.weight', shape)
    arrays |= {f'{conv}.weight': weight, **batch_norm(bn, shape[0])}
  return arrays | {'fc.weight': np.zeros((2, 512), np.float32)}


def resnet50() -> dict[str, np.ndarray]:
  """Returns the keys of ResNet-50 that conversion needs, a few channels wide.

  The keys are those of torchvision and timm.
  """
  arrays = {'conv1.weight': formulas.weight('conv1.weight', [4, 3, 7, 7])}
  arrays |= batch_norm('bn1', 4)
  for stage in (1, 2, 3, 4):
    key = f'layer{stage}.0.downsample.0.weight'
    arrays[key] = formulas.weight(key, [8, 4, 1, 1])
  return arrays | {'fc.weight': np.zeros((2, 8), np.float32)}
