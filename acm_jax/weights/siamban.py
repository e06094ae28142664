"""Names of the parameters of the official SiamBAN and SiamBAN-ACM code."""

import re

# Applied in order to a path `module/.../leaf`; what is left of `/` becomes `.`
_RULES = (
  (r'^backbone/stem/conv', 'backbone/conv1'),
  (r'^backbone/stem/bn', 'backbone/bn1'),
  (r'^(backbone/layer\d)_(\d)', r'\1/\2'),
  (r'/downsample/conv', '/downsample/0'),
  (r'/downsample/bn', '/downsample/1'),
  (r'^(backbone/.*/)conv(\d)/conv', r'\1conv\2'),
  (r'^(backbone/.*/)conv(\d)/bn', r'\1bn\2'),
  (r'^neck/level(\d)', r'neck/downsample\1/downsample'),
  (r'^(neck/.*)/conv', r'\1/0'),
  (r'^(neck/.*)/bn', r'\1/1'),
  (r'^(cls_weight|loc_weight|loc_scale)', r'head/\1'),
  (r'^(cls|loc)_(\d)', r'head/box\2/\1'),
  (r'/conv_(kernel|search)/conv', r'/conv_\1/0'),
  (r'/conv_(kernel|search)/bn', r'/conv_\1/1'),
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
  (r'/head/conv', '/head/0'),
  (r'/head/bn', '/head/1'),
  (r'/out/conv', '/head/3'),
)


def torch_key(path: str) -> str:
  """Key of the official state dict for a path of our ResNet-50 SiamBAN."""
  for pattern, replacement in _RULES:
    path = re.sub(pattern, replacement, path)
  return path.replace('/', '.')
