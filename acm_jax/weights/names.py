"""Names of the parameters in the state dicts of the official code."""

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

Rules = Sequence[tuple[str, str]]

# Rules are pairs of a pattern and its replacement. They are applied in order to
# a path `module/.../leaf`; then `/` becomes `.`.
_RESNET = (
  (r'^backbone/stem/conv', 'backbone/conv1'),
  (r'^backbone/stem/bn', 'backbone/bn1'),
  (r'^(backbone/layer\d)_(\d)', r'\1/\2'),
  (r'^(backbone/.*)/downsample/conv', r'\1/downsample/0'),
  (r'^(backbone/.*)/downsample/bn', r'\1/downsample/1'),
  (r'^(backbone/.*/)conv(\d)/conv', r'\1conv\2'),
  (r'^(backbone/.*/)conv(\d)/bn', r'\1bn\2'),
)
_MOBILENET = (
  (r'^backbone/stem/conv', 'backbone/layer0/0'),
  (r'^backbone/stem/bn', 'backbone/layer0/1'),
  (r'^(backbone/layer\d)_(\d)', r'\1/\2/conv'),
  (r'^(backbone/.*)/expand/conv', r'\1/0'),
  (r'^(backbone/.*)/expand/bn', r'\1/1'),
  (r'^(backbone/.*)/depthwise$', r'\1/3/weight'),
  (r'^(backbone/.*)/depthwise_bn', r'\1/4'),
  (r'^(backbone/.*)/project/conv', r'\1/6'),
  (r'^(backbone/.*)/project/bn', r'\1/7'),
)
# The numbers are indices in the Sequential of a block. They differ in the first
# block, which has no expansion.
_MOBILENET_V3 = (
  (r'^backbone/stem/conv', 'backbone/features/0/0'),
  (r'^backbone/stem/bn', 'backbone/features/0/1'),
  (r'^backbone/block1/depthwise$', 'backbone/features/1/conv/0/weight'),
  (r'^backbone/block1/depthwise_bn', 'backbone/features/1/conv/1'),
  (r'^backbone/block1/squeeze_excite', 'backbone/features/1/conv/3/fc'),
  (r'^backbone/block1/project/conv', 'backbone/features/1/conv/4'),
  (r'^backbone/block1/project/bn', 'backbone/features/1/conv/5'),
  (r'^backbone/block(\d)', r'backbone/features/\1/conv'),
  (r'^(backbone/.*)/expand/conv', r'\1/0'),
  (r'^(backbone/.*)/expand/bn', r'\1/1'),
  (r'^(backbone/.*)/depthwise$', r'\1/3/weight'),
  (r'^(backbone/.*)/depthwise_bn', r'\1/4'),
  (r'^(backbone/.*)/squeeze_excite', r'\1/5/fc'),
  (r'^(backbone/.*/fc)/dense0', r'\1/0'),
  (r'^(backbone/.*/fc)/dense1', r'\1/2'),
  (r'^(backbone/.*)/project/conv', r'\1/7'),
  (r'^(backbone/.*)/project/bn', r'\1/8'),
)
_ALEXNET = (
  (r'^(backbone/layer\d)/conv', r'\1/0'),
  (r'^(backbone/layer\d)/bn', r'\1/1'),
)
# (layer, 0 for convolution or 1 for batch norm) -> index in a single Sequential
# that also contains poolings and ReLUs.
_ALEXNET_INDICES = {
  (layer, offset): first + offset
  for layer, first in ((1, 0), (2, 4), (3, 8), (4, 11), (5, 14))
  for offset in (0, 1)
}


def _alexnet_rules(prefix: str) -> tuple[tuple[str, str], ...]:
  parts = ('conv', 'bn')
  return tuple(
    (rf'^backbone/layer{layer}/{parts[offset]}', f'{prefix}/{index}')
    for (layer, offset), index in _ALEXNET_INDICES.items()
  )


_ALEXNET_LEGACY = _alexnet_rules('backbone/features')
# Names of got-10k/siamfc; the last layer has no batch norm.
_ALEXNET_V1 = _alexnet_rules('feature')
_BACKBONES = {
  'alexnet': _ALEXNET,
  'alexnet_legacy': _ALEXNET_LEGACY,
  'alexnet_v1': _ALEXNET_V1,
  'mobilenet_v2': _MOBILENET,
  'mobilenet_v3_small': _MOBILENET_V3,
  'resnet18': _RESNET,
  'resnet34': _RESNET,
  'resnet50': _RESNET,
}

_NECK = (
  (r'^neck/level(\d)', r'neck/downsample\1/downsample'),
  (r'^(neck/.*)/conv', r'\1/0'),
  (r'^(neck/.*)/bn', r'\1/1'),
)
_ACM = (
  (r'/fusion/theta_z', '/xorr_kernel/weight'),
  (r'/fusion/bias', '/xorr_kernel/bias'),
  (r'/fusion/theta_x', '/xorr_search/weight'),
  (r'/fusion/box_prior/dense0', '/xorr_bbox/0'),
  (r'/fusion/box_prior/bn0', '/xorr_bbox/1'),
  (r'/fusion/box_prior/dense1', '/xorr_bbox/3'),
  (r'/fusion/box_prior/bn1', '/xorr_bbox/4'),
  (r'/fusion/box_prior/dense2', '/xorr_bbox/6'),
  (r'/fusion/bn', '/xorr_activate/0'),
  (r'/fusion/extra/conv', '/xorr_activate/2'),
  (r'/fusion/extra/bn', '/xorr_activate/3'),
)
_BRANCH = (
  (r'/conv_(kernel|search)/conv', r'/conv_\1/0'),
  (r'/conv_(kernel|search)/bn', r'/conv_\1/1'),
  (r'/head/conv', '/head/0'),
  (r'/head/bn', '/head/1'),
  (r'/out/conv', '/head/3'),
)
_SIAMBAN = (
  (r'^(cls_weight|loc_weight|loc_scale)', r'head/\1'),
  (r'^(cls|loc)_(\d)', r'head/box\2/\1'),
)
_UP_XCORR = (
  (r'^(cls|loc)_\d/up_kernel/conv', r'rpn_head/template_\1_conv'),
  (r'^(cls|loc)_\d/up_search/conv', r'rpn_head/search_\1_conv'),
  (r'^loc_\d/loc_adjust/conv', 'rpn_head/loc_adjust'),
)
_SIAMRPN = (
  (r'^(cls_weight|loc_weight)', r'rpn_head/\1'),
  (r'^(cls|loc)_(\d)', r'rpn_head/rpn\2/\1'),
)
# A tower is a single Sequential of five modules per separable convolution.
_NANOTRACK = (
  (r'^loc/out/conv', 'ban_head/bbox_pred/0'),
  (r'^cls/out/conv', 'ban_head/cls_logits/0'),
  (r'^loc/tower', 'ban_head/bbox_tower'),
  (r'^cls/tower', 'ban_head/cls_tower'),
  *(
    (rf'_tower_{layer}/{part}', f'_tower/{5 * layer + index}{leaf}')
    for layer in range(6)
    for part, index, leaf in (
      ('depthwise$', 0, '/weight'),
      ('depthwise_bn', 1, ''),
      ('pointwise/conv', 3, ''),
      ('pointwise/bn', 4, ''),
    )
  ),
  (r'^loc/', 'reg/'),
  (r'^(cls|reg)/xcorr/mix/conv', r'ban_head/down_\1/0'),
  (r'^(cls|reg)/xcorr/pixel', r'ban_head/corr_pw_\1'),
  (r'^(cls|reg)/xcorr/depth', r'ban_head/corr_dw_\1'),
  (r'/attention/(fc\d)/conv', r'/CA_layer/\1'),
  (r'/spread/depthwise$', '/conv/0/weight'),
  (r'/spread/depthwise_bn', '/conv/1'),
  (r'/spread/pointwise/conv', '/conv/3'),
  (r'/spread/pointwise/bn', '/conv/4'),
  (r'/conv_(kernel|search)/conv', r'/conv_\1/0'),
  (r'/conv_(kernel|search)/bn', r'/conv_\1/1'),
)
_TRACKERS = {
  'nanotrack': _NANOTRACK,
  'siamfc': (),
  'siamban': (*_NECK, *_SIAMBAN, *_ACM, *_BRANCH),
  'siamrpn': (*_NECK, *_UP_XCORR, *_SIAMRPN, *_ACM, *_BRANCH),
}


# Prefix of a key in huanglianghua/siamfc-pytorch -> prefix in got-10k/siamfc.
# The former contains the numbers of a layer and of a module in the layer.
_SIAMFC_LAYERS = {
  f'backbone.conv{layer}.{offset}.': f'feature.{index}.'
  for (layer, offset), index in _ALEXNET_INDICES.items()
}


def as_in_got10k(state_dict: Mapping[str, Any]) -> dict[str, Any]:
  """Renames the keys of a SiamFC state dict to those of got-10k/siamfc.

  Args:
    state_dict: State dict with the keys of got-10k/siamfc or of
      huanglianghua/siamfc-pytorch.
  """

  def rename(key: str) -> str:
    layer, _, leaf = key.rpartition('.')
    return _SIAMFC_LAYERS.get(f'{layer}.', f'{layer}.') + leaf

  return {rename(key): value for key, value in state_dict.items()}


def naming(
  tracker: str, backbone: str, levels: Sequence[int]
) -> Callable[[str], str]:
  """Returns a function that maps parameter paths to keys of the official code.

  Args:
    tracker: Name of the tracker.
    backbone: Name of the backbone.
    levels: Levels of the backbone that the tracker fuses.

  Raises:
    ValueError: The official names of the tracker or backbone are not known.
  """
  if tracker not in _TRACKERS or backbone not in _BACKBONES:
    raise ValueError(
      f'cannot convert weights for {tracker} with {backbone}; choose a tracker '
      f'from {", ".join(_TRACKERS)} and a backbone from '
      f'{", ".join(_BACKBONES)}'
    )
  rules = (*_BACKBONES[backbone], *_TRACKERS[tracker])
  # The official code always numbers the fused levels from 2, whatever their
  # numbers are in the backbone.
  numbers = {str(level): str(2 + i) for i, level in enumerate(sorted(levels))}

  def renumber(match):
    return match[1] + numbers[match[2]]

  def key(path: str) -> str:
    path = re.sub(r'^(neck/level|cls_|loc_)(\d)', renumber, path)
    for pattern, replacement in rules:
      path = re.sub(pattern, replacement, path)
    if len(numbers) == 1:
      path = path.replace('rpn_head/rpn2/', 'rpn_head/')
      path = path.replace('neck/downsample2/', 'neck/')
    return path.replace('/', '.')

  return key
